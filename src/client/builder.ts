// Writes workflows (contracts: workflows §3). Fields have the names of the wire; what comes out is exactly what is sent.
import type { z } from 'zod'
import { type node, workflowSpec } from '../protocol/workflow-spec.ts'
import { ValidationError } from './errors.ts'

type Spec = z.input<typeof workflowSpec>
type Node = z.input<typeof node>
type Fields<T extends Node['type']> = Omit<Extract<Node, { type: T }>, 'id' | 'type'>
type Subnode = Extract<Node, { type: 'map.fanout' }>['subnode']
type MapFields = Omit<Fields<'map.fanout'>, 'subnode'>

/** What a whole workflow may say besides its nodes and outputs. */
export type WorkflowFields = Omit<Spec, 'kind' | 'nodes' | 'outputs'>

/** A workflow without anything in it yet. */
export function workflow(fields: WorkflowFields = {}): WorkflowBuilder {
  return new WorkflowBuilder({ kind: 'workflow', ...fields, nodes: [], outputs: [] })
}

/** Steps that follow each other. */
export function chain(steps: Node[], fields: WorkflowFields = {}): WorkflowBuilder {
  return steps.reduce((builder, step, index) => {
    const before = steps[index - 1]
    return before ? builder.node(step).edge(before.id, step.id) : builder.node(step)
  }, workflow(fields))
}

/** Steps beside each other, and a `join.all` of them: `join`, or the name it is given. */
export function parallel(steps: Node[], { join = 'join', ...fields }: WorkflowFields & { join?: string } = {}) {
  const builder = steps.reduce((builder, step) => builder.node(step), workflow(fields))
  const ids = steps.map(step => step.id)
  return builder.join(join, ids)
}

/** A node that calls a model, for `chain`, `parallel` and `mapItem`. */
export function llm(id: string, fields: Fields<'llm'>): Extract<Node, { type: 'llm' }> {
  return { id, type: 'llm', ...fields }
}

/** A node that does the same with each item of a list: `{{item}}` in the subnode's texts. */
export function mapItem(id: string, subnode: Subnode, fields: MapFields): Extract<Node, { type: 'map.fanout' }> {
  return { id, type: 'map.fanout', ...fields, subnode }
}

/** A workflow so far. Every method answers a new one. */
export class WorkflowBuilder {
  readonly #spec: Spec

  constructor(spec: Spec) {
    this.#spec = spec
  }

  node(node: Node): WorkflowBuilder {
    if (this.#spec.nodes.some(({ id }) => id === node.id)) throw new ValidationError(node.id, 'is the id of two nodes')
    return new WorkflowBuilder({ ...this.#spec, nodes: [...this.#spec.nodes, node] })
  }

  llm(id: string, fields: Fields<'llm'>): WorkflowBuilder {
    return this.node(llm(id, fields))
  }

  /** Waits for all of these nodes. */
  join(id: string, depends_on: string[]): WorkflowBuilder {
    return this.node({ id, type: 'join.all', depends_on })
  }

  /** Waits for the first of its dependencies, or the first that meets its predicate. */
  joinAny(id: string, fields: Fields<'join.any'>): WorkflowBuilder {
    return this.node({ id, type: 'join.any', ...fields })
  }

  /** Waits for as many as it says, or as long. */
  joinCollect(id: string, fields: Fields<'join.collect'>): WorkflowBuilder {
    return this.node({ id, type: 'join.collect', ...fields })
  }

  transform(id: string, fields: Fields<'transform.json'>): WorkflowBuilder {
    return this.node({ id, type: 'transform.json', ...fields })
  }

  mapItem(id: string, subnode: Subnode, fields: MapFields): WorkflowBuilder {
    return this.node(mapItem(id, subnode, fields))
  }

  /** `to` waits for `from`; both are there already. */
  edge(from: string, to: string): WorkflowBuilder {
    for (const id of [from, to]) {
      if (!this.#spec.nodes.some(node => node.id === id)) throw new ValidationError(id, 'is the id of no node')
    }
    const nodes = this.#spec.nodes.map(node => {
      if (node.id !== to) return node
      return { ...node, depends_on: [...new Set([...(node.depends_on ?? []), from])] }
    })
    return new WorkflowBuilder({ ...this.#spec, nodes })
  }

  /** What the run answers as `name`: a node's output, or what a JSON pointer finds in it. */
  output(name: string, from: string, pointer = ''): WorkflowBuilder {
    const output = { name, from, ...(pointer && { pointer }) }
    return new WorkflowBuilder({ ...this.#spec, outputs: [...this.#spec.outputs, output] })
  }

  /** The text that a model node answered, as `name`. */
  text(name: string, from: string): WorkflowBuilder {
    return this.output(name, from, '/output/0/content/0/text')
  }

  /** The workflow as it is sent, without what is undefined. What no shape can tell is said by `compile`. */
  build(): Spec {
    const spec = JSON.parse(JSON.stringify(this.#spec)) as Spec
    const [issue] = workflowSpec.safeParse(spec).error?.issues ?? []
    if (issue) throw new ValidationError(issue.path.join('.'), issue.message)
    return spec
  }
}
