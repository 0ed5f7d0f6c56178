// One turn of a conversation as events (contracts: gateway §3.2, §3.3): from what a graph streams in the modes `values`,
// `messages` and `custom` to what the embedded client yields. Pure: no run, no log, no clock.
//
// The same message comes by two ways, as pieces and in every later state, in any order. Whichever way tells it first tells
// it; the other only adds what is new. Where models give no ids, a call of one has an id of ours ("message-1"), and its
// message in the state is found by its text.
import type { ClientEvent, Usage } from '../protocol/client-events.ts'
import { added, ToldMessage } from './embedded-message.ts'
import { shownMessage, textOf, type WireMessage } from './embedded-text.ts'

type Metadata = { langgraph_checkpoint_ns?: string; checkpoint_ns?: string } | null | undefined

/** A call of a model that gives no ids. */
interface Unnamed {
  told: ToldMessage
  /** The message of the state that its pieces repeat so far, and how much of it. */
  repeats?: { of: ToldMessage; text: string; length: number } | undefined
}

interface ToldResult {
  id: string
  tasks: readonly string[]
  confirmed: boolean
}

export class Turn {
  /** Ids of messages that were there before. */
  readonly #history = new Set<string>()
  readonly #messages = new Map<string, ToldMessage>()
  readonly #results = new Map<string, ToldResult>()
  readonly #calls = new Set<string>()
  /** By where in the graph they are made. */
  readonly #open = new Map<string, Unnamed>()
  /** Messages with ids of ours that no state has shown yet. */
  readonly #unmatched = new Set<ToldMessage>()
  /** Messages of the state without an id, by what they are and how many such there are before. */
  readonly #nameless = new Map<string, string>()
  readonly #finishedTasks = new Set<string>()
  #ids = 0
  #state: Extract<ClientEvent, { type: 'values' }>['data'] = { title: null, messages: [], artifacts: [] }

  /** The state that the turn begins with: nothing in it is told as news. */
  begin(values: unknown): ClientEvent[] {
    const ids = this.#idsOf(messagesOf(values))
    for (const [message, id] of ids) this.#history.add(message.type === 'tool' ? resultKey(message, id) : id)
    return [this.#show(values, ids)]
  }

  /** What a chunk of the graph says, by its mode. Of `tasks` only the ends are looked at. */
  take(mode: string, payload: unknown): ClientEvent[] {
    switch (mode) {
      case 'messages':
        return this.#message(...(payload as [WireMessage, Metadata]))
      case 'values':
        return this.#values(payload)
      case 'custom':
        return [{ type: 'custom', data: payload }]
      case 'interrupt':
        return [{ type: 'values', data: { ...this.#state, ...(payload as { __interrupt__: unknown[] }) } }]
      case 'tasks':
        if (isEnd(payload)) this.#finishedTasks.add(payload.id)
        return []
      default:
        return []
    }
  }

  /**
   * The run goes on elsewhere: what was told of tasks that had not finished is made again, under other ids. What no state
   * has shown of them is taken back.
   */
  restart(): ClientEvent[] {
    const lost = (told: { tasks: readonly string[]; confirmed: boolean }) =>
      !told.confirmed && !told.tasks.some(task => this.#finishedTasks.has(task))
    const ids: string[] = []
    for (const [id, told] of this.#messages) {
      if (!lost(told)) continue
      this.#messages.delete(id)
      this.#unmatched.delete(told)
      told.forget()
      ids.push(told.id)
    }
    for (const [key, told] of this.#results) {
      if (!lost(told)) continue
      this.#results.delete(key)
      ids.push(told.id)
    }
    this.#open.clear()
    return ids.map(id => ({ type: 'messages-tuple', data: { type: 'remove', id } }))
  }

  /** The last events. */
  end(): ClientEvent[] {
    const messages = new Set(this.#messages.values())
    let sum: Usage = { input_tokens: 0, output_tokens: 0, total_tokens: 0 }
    for (const { usage } of messages) if (usage) sum = added(sum, usage)
    return [...[...messages].flatMap(message => message.complete()), { type: 'end', data: { usage: sum } }]
  }

  #message(message: WireMessage, metadata: Metadata): ClientEvent[] {
    if (message.type === 'tool') {
      this.#open.clear() // a model that is called again after this says something else
      return this.#result(message, message.id || this.#newId(), { metadata })
    }
    if (message.type !== 'AIMessageChunk' && message.type !== 'ai') return []
    const isPiece = message.type === 'AIMessageChunk' || message.tool_call_chunks !== undefined
    if (!message.id) return isPiece ? this.#unnamedPiece(message, metadata) : this.#unnamed(metadata).whole(message)
    const told = this.#messages.get(message.id)
    if (!isPiece && !told && this.#history.has(message.id)) return []
    const known = told ?? this.#told(message.id, metadata)
    return isPiece ? known.piece(message) : known.whole(message)
  }

  #values(values: unknown): ClientEvent[] {
    const ids = this.#idsOf(messagesOf(values))
    const events = [...ids].flatMap(([message, id]) => {
      if (message.type === 'tool') return this.#result(message, id, { confirmed: true })
      return message.type === 'ai' || message.type === 'AIMessageChunk' ? this.#ofState(message, id) : []
    })
    return [...events, this.#show(values, ids)]
  }

  #ofState(message: WireMessage, id: string): ClientEvent[] {
    const told = this.#messages.get(id)
    if (!told && this.#history.has(id)) return []
    const known = told ?? this.#told(id, undefined)
    known.confirmed = true
    return known.whole(message)
  }

  #result(
    message: WireMessage,
    id: string,
    { metadata, confirmed = false }: { metadata?: Metadata; confirmed?: boolean },
  ): ClientEvent[] {
    const key = resultKey(message, id)
    const told = this.#results.get(key)
    if (told) told.confirmed ||= confirmed
    if (told || this.#history.has(key)) return []
    this.#results.set(key, { id, tasks: tasksOf(metadata), confirmed })
    const { content, name, tool_call_id, artifact } = message
    const data = { type: 'tool' as const, content: textOf(content), name: name ?? null, id }
    const result = { ...data, tool_call_id: tool_call_id ?? null, ...(artifact != null && { artifact }) }
    return [{ type: 'messages-tuple', data: result }]
  }

  /** A state that repeats what has been told comes before late pieces of it: those are held back while they do repeat it. */
  #unnamedPiece(piece: WireMessage, metadata: Metadata): ClientEvent[] {
    const place = placeOf(metadata)
    const text = textOf(piece.content)
    let call = this.#open.get(place)
    if (!call || (isOver(call) && (text || piece.tool_call_chunks?.length))) {
      const of = this.#repeated(text)
      call = { told: of ?? this.#unnamed(metadata), ...(of && { repeats: { of, text: of.text, length: 0 } }) }
      this.#open.set(place, call)
    }
    const { repeats } = call
    if (!repeats) return call.told.piece(piece)
    if (repeats.text.startsWith(text, repeats.length)) {
      repeats.length += text.length
      return repeats.of.piece(piece)
    }
    const content = repeats.text.slice(0, repeats.length) + text
    this.#open.set(place, { told: this.#unnamed(metadata) })
    return this.#unnamedPiece({ ...piece, content }, metadata)
  }

  /** The message that a state told whole, and whose text begins like this. */
  #repeated(text: string): ToldMessage | undefined {
    if (!text) return undefined
    return [...this.#messages.values()].find(told => told.confirmed && !told.byPieces && told.text.startsWith(text))
  }

  #unnamed(metadata: Metadata): ToldMessage {
    const told = this.#told(this.#newId(), metadata)
    this.#unmatched.add(told)
    return told
  }

  #told(id: string, metadata: Metadata): ToldMessage {
    const told = new ToldMessage(id, tasksOf(metadata), this.#calls)
    this.#messages.set(id, told)
    return told
  }

  /** What each message of a state is known by. */
  #idsOf(messages: WireMessage[]): Map<WireMessage, string> {
    const seen = new Map<string, number>()
    return new Map(
      messages.map(message => {
        if (message.id && (this.#messages.has(message.id) || this.#history.has(message.id)))
          return [message, message.id]
        const key = message.id ? undefined : keyOf(message, seen)
        const known = key && this.#nameless.get(key)
        if (known) return [message, known]
        const told = this.#unmatched.size > 0 ? this.#match(message) : undefined
        if (message.id && told) this.#messages.set(message.id, told)
        const id = message.id || told?.id || this.#newId()
        if (key) this.#nameless.set(key, id)
        return [message, id]
      }),
    )
  }

  /** Which message without an id this is: the first whose text it has, or else begins with while more is to come. */
  #match(message: WireMessage): ToldMessage | undefined {
    if (message.type !== 'ai' && message.type !== 'AIMessageChunk') return undefined
    const text = textOf(message.content)
    const unmatched = [...this.#unmatched]
    const told =
      unmatched.find(one => one.text === text) ??
      unmatched.find(one => !one.finished && one.text && text.startsWith(one.text))
    if (told) this.#unmatched.delete(told)
    return told
  }

  #show(values: unknown, ids: Map<WireMessage, string>): ClientEvent {
    const { title, artifacts } = (values ?? {}) as { title?: unknown; artifacts?: unknown }
    this.#state = {
      title: typeof title === 'string' ? title : null,
      messages: [...ids].map(([message, id]) => shownMessage(message, id)),
      artifacts: Array.isArray(artifacts) ? artifacts : [],
    }
    return { type: 'values', data: this.#state }
  }

  #newId(): string {
    return `message-${++this.#ids}`
  }
}

function messagesOf(values: unknown): WireMessage[] {
  const { messages } = (values ?? {}) as { messages?: unknown }
  return [messages ?? []].flat().filter(one => typeof one === 'object' && one !== null) as WireMessage[]
}

/** Whether what comes next from the same place is another call's. */
function isOver({ told, repeats }: Unnamed): boolean {
  return repeats ? repeats.length === repeats.text.length : told.finished
}

/** A message without an id: what it is, and how many such are before it. */
function keyOf({ type, content, tool_calls }: WireMessage, seen: Map<string, number>): string {
  const text = JSON.stringify([type, content, tool_calls])
  const before = seen.get(text) ?? 0
  seen.set(text, before + 1)
  return `${before} ${text}`
}

/** A call has one result. */
function resultKey({ tool_call_id }: WireMessage, id: string): string {
  return `result ${tool_call_id ?? id}`
}

/** `node:task|node:task`, from the root's on; nothing where the graph does not say. */
function placeOf(metadata: Metadata): string {
  return metadata?.langgraph_checkpoint_ns ?? metadata?.checkpoint_ns ?? ''
}

function tasksOf(metadata: Metadata): string[] {
  return placeOf(metadata)
    .split('|')
    .map(segment => segment.slice(segment.indexOf(':') + 1))
    .filter(Boolean)
}

function isEnd(task: unknown): task is { id: string } {
  return typeof task === 'object' && task !== null && 'result' in task
}
