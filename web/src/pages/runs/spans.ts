// What a run did, made from its events: attempts, nodes, the graphs below them, model calls and tools, each with where it
// begins and ends in the list. Nothing here depends on where one looks, so moving in a run costs no new computation.
import type { RunEvent } from './run-events.ts'

export type SpanKind = 'attempt' | 'node' | 'graph' | 'model' | 'tool'

export interface Span {
  id: string
  kind: SpanKind
  name: string
  /** How many spans it is in, and the nearest of them. */
  depth: number
  within?: string
  /** Of a node or a graph: its place in the drawing, `outer:inner`. */
  path?: string
  /** Places in the list of events; `to` is missing while it is at work. */
  from: number
  to?: number
  failed?: true
  /** It stopped with a question. */
  asked?: true
  tokens?: { input: number; output: number }
}

export interface Work {
  /** As they began, each after what it is in. */
  spans: Span[]
  tokens: { input: number; output: number }
  attempts: number
}

interface Task {
  id: string
  name: string
  input?: unknown
  error?: unknown
  interrupts?: unknown[]
}

interface Message {
  id?: string
  type?: string
  name?: string
  tool_call_id?: string
  usage_metadata?: { input_tokens?: number; output_tokens?: number }
}

/** A `messages` event. */
type Said = [message?: Message, about?: { ls_model_name?: string }]

export function workOf(events: readonly RunEvent[], ended: boolean): Work {
  const work = new Reading()
  for (const [place, event] of events.entries()) work.read(event, place)
  return work.result(events.length - 1, ended)
}

class Reading {
  readonly #roots: Node[] = []
  readonly #tasks = new Map<string, Node>()
  readonly #models = new Map<string, Node>()
  readonly #tools = new Set<string>()
  /** Nodes, by their path, whose updates have come and whose end has not. */
  readonly #updated = new Set<string>()
  /** Nodes that ended without any update since the last checkpoint: what fails does, and says no more than that. */
  #silent: Node[] = []

  read(event: RunEvent, place: number) {
    const path = event.metadata.namespace ?? []
    const inside = this.#tasks.get(idOf(path.at(-1)))
    switch (event.event_type) {
      case 'metadata':
        return this.#attempt((event.content as { attempt?: number }).attempt ?? 1, place)
      case 'tasks':
        this.#graph(inside)
        return this.#task(taskOf(event), path, place)
      case 'checkpoints':
        this.#silent = this.#silent.filter(({ parent }) => parent !== this.#parent(inside))
        return this.#graph(inside)
      case 'messages':
        return this.#message(event.content as Said, inside, place)
      case 'updates':
        for (const name of namesIn(event)) this.#updated.add(pathOf(path, name))
        return this.#usages(event.content)
      case 'error':
        for (const { span } of [...this.#roots.slice(-1), ...this.#silent]) span.failed = true
    }
  }

  result(last: number, ended: boolean): Work {
    const spans: Span[] = []
    const walk = ({ span, parent, children }: Node, depth: number) => {
      const within = parent && { within: parent.span.id }
      spans.push({ ...span, depth, ...within, ...(ended && span.to === undefined && { to: last }) })
      for (const child of children) walk(child, depth + 1)
    }
    for (const root of this.#roots) walk(root, 0)
    const tokens = { input: 0, output: 0 }
    for (const span of spans) {
      tokens.input += span.tokens?.input ?? 0
      tokens.output += span.tokens?.output ?? 0
    }
    return { spans, tokens, attempts: this.#roots.length }
  }

  /** What an earlier attempt had begun and not finished goes on in this one; it is not begun again in the list. */
  #attempt(attempt: number, place: number) {
    const earlier = this.#roots.at(-1)
    const root = nodeOf({ id: `attempt-${attempt}`, kind: 'attempt', name: `Attempt ${attempt}`, from: place })
    this.#roots.push(root)
    if (!earlier) return
    earlier.span.to = place
    const goesOn = new Map([[earlier, root]])
    for (const [id, node] of this.#tasks) {
      if (node.span.to !== undefined) continue
      node.span.to = place
      const again = nodeOf({ ...node.span, id: `${id}-${place}`, from: place }, goesOn.get(node.parent as Node) ?? root)
      delete again.span.to
      goesOn.set(node, again)
      this.#tasks.set(id, again)
    }
  }

  /** A node with a namespace of its own in which there are tasks or checkpoints is a graph. */
  #graph(inside: Node | undefined) {
    if (inside) inside.span.kind = 'graph'
  }

  #task(task: Task | undefined, namespace: string[], place: number) {
    if (!task) return
    const inside = this.#tasks.get(idOf(namespace.at(-1)))
    const path = pathOf(namespace, task.name)
    const known = this.#tasks.get(task.id)
    if (!known || known.span.to !== undefined) {
      const span = { id: `${task.id}-${place}`, kind: 'node', name: task.name, path, from: place } as const
      this.#tasks.set(task.id, nodeOf(span, this.#parent(inside)))
      if (task.input !== undefined) return
    }
    const node = this.#tasks.get(task.id) as Node
    node.span.to = place
    if (task.error) node.span.failed = true
    if (task.interrupts && task.interrupts.length > 0) node.span.asked = true
    else if (!this.#updated.delete(path)) this.#silent.push(node)
  }

  #message([message, about]: Said, inside: Node | undefined, place: number) {
    if (!message?.id) return
    if (message.type === 'tool') return this.#tool(message, inside, place)
    if (!message.type?.toLowerCase().startsWith('ai')) return
    const known = this.#models.get(message.id)
    if (known) known.span.to = place
    else {
      const span: Node['span'] = {
        id: message.id,
        kind: 'model',
        name: about?.ls_model_name ?? 'Model call',
        from: place,
        to: place,
      }
      this.#models.set(message.id, nodeOf(span, this.#parent(inside)))
    }
    this.#usage(message)
  }

  /** A tool says nothing before it is done: it began with the node that it is in. */
  #tool({ id = '', name, tool_call_id = id }: Message, inside: Node | undefined, place: number) {
    if (this.#tools.has(tool_call_id)) return
    this.#tools.add(tool_call_id)
    const from = inside?.span.from ?? place
    nodeOf({ id: tool_call_id, kind: 'tool', name: name ?? 'Tool', from, to: place }, this.#parent(inside))
  }

  #parent(inside: Node | undefined): Node | undefined {
    return inside ?? this.#roots.at(-1)
  }

  /** What was spent is often known only when the message is whole. */
  #usages(content: unknown) {
    if (typeof content !== 'object' || content === null) return
    for (const update of Object.values(content)) {
      const messages = (update as { messages?: Message | Message[] } | null)?.messages
      for (const message of [messages ?? []].flat()) this.#usage(message)
    }
  }

  #usage({ id, usage_metadata }: Message) {
    const model = id === undefined ? undefined : this.#models.get(id)
    if (!model || !usage_metadata) return
    const { input_tokens = 0, output_tokens = 0 } = usage_metadata
    if (input_tokens + output_tokens > 0) model.span.tokens = { input: input_tokens, output: output_tokens }
  }
}

interface Node {
  span: Omit<Span, 'depth' | 'within'>
  parent: Node | undefined
  children: Node[]
}

/** A node that its parent has. */
function nodeOf(span: Node['span'], parent?: Node): Node {
  const node: Node = { span: { ...span }, parent, children: [] }
  parent?.children.push(node)
  return node
}

/** Of a namespace's `name:id`. */
function idOf(part: string | undefined): string {
  return part?.slice(part.lastIndexOf(':') + 1) ?? ''
}

/** `outer:inner`. */
function pathOf(namespace: string[], name: string): string {
  return [...namespace.map(part => part.slice(0, part.indexOf(':'))), name].join(':')
}

/** The nodes that an `updates` event is of; of one that was cut, the first. */
function namesIn({ content }: RunEvent): string[] {
  if (typeof content === 'string') return /^\{"([^"\\]+)"/.exec(content)?.slice(1) ?? []
  return Object.keys(content as object)
}

/** Also of a content that was cut: the id and the name are at its beginning. */
export function taskOf({ content }: Pick<RunEvent, 'content'>): Task | undefined {
  if (typeof content !== 'string') return content as Task
  const [, id, name, next] = /^\{"id":"([^"]+)","name":"((?:[^"\\]|\\.)*)","(\w+)"/.exec(content) ?? []
  if (id === undefined) return undefined
  return { id, name: JSON.parse(`"${name}"`) as string, ...(next === 'input' && { input: null }) }
}
