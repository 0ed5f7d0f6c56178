// From the intent form to a plan (contracts: workflows §8): explicit edges, placeholders as bindings, every default.
import type { Json } from '../core/json.ts'
import {
  type IntentNode,
  type LlmNode,
  type TransformNode,
  type WorkflowSpec,
  workflowSpec,
} from '../protocol/workflow-spec.ts'
import { compiledForm } from './compiled-form.ts'
import { byEnds, byId, llmDefaults, MAX_PARALLELISM, toolObject } from './defaults.ts'
import { dependenciesOf, textsOf } from './dependencies.ts'
import type { Issue } from './issues.ts'
import { messageItems } from './messages.ts'
import { placeholdersIn } from './placeholders.ts'
import {
  type Binding,
  canonicalText,
  type Edge,
  type FanoutInput,
  type LlmInput,
  type LlmWork,
  type Plan,
  type PlanNode,
  planHash,
  type Source,
  TEXT_POINTER,
  type TransformWork,
} from './plan.ts'
import { validate } from './validate.ts'

export type Compiled = { issues: Issue[] } | { plan: Plan; plan_hash: string; text: string }

/** Compiles a spec of either kind, or says all that is wrong with it. */
export function compile(spec: unknown): Compiled {
  const given = spec as Json
  if (given?.kind === 'workflow.v1') return named(compiledForm(given))
  const issues = validate(given)
  return issues.length > 0 ? { issues } : named(planOf(workflowSpec.parse(given)))
}

function named(plan: Plan | Issue[]): Compiled {
  if (Array.isArray(plan)) return { issues: plan }
  const text = canonicalText(plan)
  return { plan, plan_hash: planHash(text), text }
}

function planOf(spec: WorkflowSpec): Plan {
  const types = new Map(spec.nodes.map(node => [node.id, node.type]))
  const { name, max_parallelism = MAX_PARALLELISM, node_timeout_ms, run_timeout_ms } = spec
  return {
    kind: 'workflow.v1',
    ...(name !== undefined && { name }),
    execution: {
      max_parallelism,
      ...(node_timeout_ms !== undefined && { node_timeout_ms }),
      ...(run_timeout_ms !== undefined && { run_timeout_ms }),
    },
    inputs: inputsOf(spec, types),
    nodes: spec.nodes.map(node => planNode(spec, node, types)).sort(byId),
    edges: edgesOf(spec, types),
    outputs: spec.outputs.map(({ name, from, pointer }) => ({ name, from, ...(pointer && { pointer }) })),
  }
}

/** What is declared, then what only placeholders name: both are required unless the declaration says otherwise. */
function inputsOf(spec: WorkflowSpec, types: ReadonlyMap<string, string>): Plan['inputs'] {
  const read = new Set<string>()
  for (const node of spec.nodes) {
    if (node.type === 'map.fanout' && node.items_from_input !== undefined) read.add(node.items_from_input)
    const inner = node.type === 'map.fanout' ? node.subnode : node
    for (const { name, input } of placeholdersIn(textsOf(inner))) {
      const isItem = inner !== node && name === 'item' && !input
      if (!isItem && (input || !types.has(name))) read.add(name)
    }
  }
  const declared = spec.inputs ?? []
  const names = new Set(declared.map(input => input.name))
  const undeclared = [...read].filter(name => !names.has(name)).sort()
  return [
    ...declared.map(input => ({
      ...input,
      type: input.type ?? ('json' as const),
      required: input.required ?? (read.has(input.name) && input.default === undefined),
    })),
    ...undeclared.map(name => ({ name, type: 'json' as const, required: true })),
  ]
}

function edgesOf(spec: WorkflowSpec, types: ReadonlyMap<string, string>): Edge[] {
  const ids = new Set(types.keys())
  return spec.nodes
    .flatMap(node => {
      const from = new Set(dependenciesOf(node, ids).map(dependency => dependency.id))
      return [...from].map(id => ({ from: id, to: node.id }))
    })
    .sort(byEnds)
}

function planNode(spec: WorkflowSpec, node: IntentNode, types: ReadonlyMap<string, string>): PlanNode {
  const { id } = node
  switch (node.type) {
    case 'llm':
    case 'transform.json':
      return { id, ...timeoutOf(node), ...workOf(spec, node, types, undefined) }
    case 'join.all':
      return { id, type: node.type }
    case 'join.any':
      return { id, type: node.type, input: { ...(node.predicate && { predicate: node.predicate }) } }
    case 'join.collect': {
      const { limit, timeout_ms, predicate } = node
      const input = {
        ...(limit !== undefined && { limit }),
        ...(timeout_ms !== undefined && { timeout_ms }),
        ...(predicate && { predicate }),
      }
      return { id, type: node.type, input }
    }
    case 'map.fanout':
      return { id, ...timeoutOf(node), type: node.type, input: fanoutInput(spec, node, types) }
  }
}

function timeoutOf(node: IntentNode) {
  return 'timeout_ms' in node && node.timeout_ms !== undefined ? { timeout_ms: node.timeout_ms } : {}
}

function fanoutInput(
  spec: WorkflowSpec,
  node: IntentNode & { type: 'map.fanout' },
  types: ReadonlyMap<string, string>,
): FanoutInput {
  const { items_from, items_from_input, items_pointer, items_path, max_parallelism, subnode } = node
  const isText = items_from !== undefined && types.get(items_from) === 'llm' && !items_pointer
  const pointer = isText ? TEXT_POINTER : items_pointer
  const items = {
    ...(items_from === undefined ? { from_input: items_from_input as string } : { from: items_from }),
    ...(pointer && { pointer }),
    ...(items_path && { path: items_path }),
  }
  const work = workOf(spec, subnode, types, 'item')
  return {
    items,
    ...(max_parallelism !== undefined && { max_parallelism }),
    subnode: { id: subnode.id, ...timeoutOf(subnode), ...work },
  }
}

function workOf(
  spec: WorkflowSpec,
  node: LlmNode | TransformNode,
  types: ReadonlyMap<string, string>,
  item: string | undefined,
): LlmWork | TransformWork {
  if (node.type === 'llm') return { type: 'llm.responses', input: llmInput(spec, node, types, item) }
  const source = ({ from, pointer }: { from: string; pointer?: string | undefined }): Source => ({
    ...(from === item ? { from_item: true as const } : { from }),
    ...(pointer && { pointer }),
  })
  const { object, merge } = node
  const input = object
    ? { object: Object.fromEntries(Object.entries(object).map(([key, one]) => [key, source(one)])) }
    : { merge: (merge as NonNullable<typeof merge>).map(source) }
  return { type: 'transform.json', input }
}

function llmInput(
  spec: WorkflowSpec,
  node: LlmNode,
  types: ReadonlyMap<string, string>,
  item: string | undefined,
): LlmInput {
  const model = node.model ?? spec.model
  const { output_format, max_output_tokens, stop, tools } = node
  return {
    request: {
      ...(model !== undefined && { model }),
      input: messageItems(node),
      ...(tools && tools.length > 0 && { tools: tools.map(toolObject) }),
      ...(output_format && { output_format: output_format as NonNullable<LlmInput['request']['output_format']> }),
      ...(max_output_tokens !== undefined && { max_output_tokens }),
      ...(stop && stop.length > 0 && { stop }),
    },
    bindings: placeholdersIn(textsOf(node)).map(({ key, name, input }): Binding => {
      const rest = { to_placeholder: key, encoding: 'json_string' as const }
      if (!input && name === item) return { from_item: true, ...rest }
      if (input || !types.has(name)) return { from_input: name, ...rest }
      return { from: name, ...(types.get(name) === 'llm' && { pointer: TEXT_POINTER }), ...rest }
    }),
    ...llmDefaults(node),
  }
}
