// What a turn has told of one AI message, and what is news about it: text by pieces, or whole at once; each call once; what it
// has spent. A message that was told by pieces is never told again whole, nor the other way round.
import { type ClientEvent, type ToolCall, type Usage, usage } from '../protocol/client-events.ts'
import { shownCall, textOf, type WireMessage } from './embedded-text.ts'

type CallPiece = NonNullable<WireMessage['tool_call_chunks']>[number]

/** Where providers repeat what is in `tool_calls`. */
const REPEATED = new Set(['tool_calls', 'function_call'])

export class ToldMessage {
  readonly id: string
  /** The tasks that it is made in, from the root's on. */
  readonly tasks: readonly string[]
  /** The state has had it. */
  confirmed = false
  /** Its last piece was there; what it has spent may still come. */
  finished = false
  #by: 'pieces' | 'whole' | undefined
  readonly #text: string[] = []
  readonly #calls = new Map<number | string, { id: string | null; name: string; args: string[] }>()
  readonly #kwargs: Record<string, unknown> = {}
  /** Calls of the turn that were told: a call belongs to one message. */
  readonly #toldCalls: Set<string>
  #spent: Usage | undefined
  #spentInAll: Usage | undefined

  constructor(id: string, tasks: readonly string[], toldCalls: Set<string>) {
    this.id = id
    this.tasks = tasks
    this.#toldCalls = toldCalls
  }

  get byPieces(): boolean {
    return this.#by === 'pieces'
  }

  get text(): string {
    return this.#text.join('')
  }

  /** The whole message's where that is known, for providers repeat in it what its pieces said. */
  get usage(): Usage | undefined {
    return this.#spentInAll ?? this.#spent
  }

  /** What a piece adds. */
  piece(piece: WireMessage): ClientEvent[] {
    const spent = usage.safeParse(piece.usage_metadata).data
    if (spent) this.#spent = added(this.#spent, spent)
    if (this.#by === 'whole') return []
    this.#by = 'pieces'
    const text = textOf(piece.content)
    if (text) this.#text.push(text)
    const kwargs = this.#add(piece.additional_kwargs)
    for (const call of piece.tool_call_chunks ?? []) this.#addCall(call)
    const news = text || spent || kwargs ? [this.#event(text, { spent, kwargs })] : []
    if (isLast(piece)) this.finished = true
    return this.finished ? [...news, ...this.complete()] : news
  }

  /** What is told of it when it is there as a whole, in the state or from a model that does not stream. */
  whole({ content, tool_calls = [], usage_metadata, additional_kwargs }: WireMessage): ClientEvent[] {
    const spent = usage.safeParse(usage_metadata).data
    const known = this.usage
    if (spent) this.#spentInAll = spent
    const said = textOf(content)
    // Also where pieces came without a text: an agent may write one into a message that only called tools.
    const text = this.#text.length === 0 ? said : ''
    if (text) this.#text.push(text)
    this.#by = text ? 'whole' : (this.#by ?? 'whole')
    this.finished ||= this.text === said
    const kwargs = this.#replace(additional_kwargs)
    const calls = this.#newCalls(tool_calls.map(shownCall))
    const news = text || kwargs ? [this.#event(text, { kwargs })] : []
    if (calls.length > 0) news.push(this.#event('', { calls }))
    const [first] = news
    if (first && spent && !known) Object.assign(first.data as object, { usage_metadata: spent })
    return news
  }

  /** The calls whose arguments are complete and have not been told. */
  complete(): ClientEvent[] {
    const calls = this.#newCalls([...this.#calls.values()].flatMap(completed))
    return calls.length > 0 ? [this.#event('', { calls })] : []
  }

  /** Its calls may be told again. */
  forget() {
    for (const { id } of this.#calls.values()) if (id !== null) this.#toldCalls.delete(id)
  }

  #addCall({ index, id, name, args }: CallPiece) {
    const key = index ?? id ?? [...this.#calls.keys()].at(-1) ?? 0
    const known = this.#calls.get(key)
    if (known) {
      known.id ??= id ?? null
      known.name ||= name ?? ''
      known.args.push(args ?? '')
    } else this.#calls.set(key, { id: id ?? null, name: name ?? '', args: [args ?? ''] })
  }

  #newCalls(calls: ToolCall[]): ToolCall[] {
    return calls.filter(({ id }, place) => {
      const key = id ?? `${this.id} ${place}`
      const isNew = !this.#toldCalls.has(key)
      this.#toldCalls.add(key)
      return isNew
    })
  }

  /** Joins what pieces add, and returns it. */
  #add(kwargs: Record<string, unknown> | undefined) {
    const news = told(kwargs)
    for (const [key, value] of news) {
      const known = this.#kwargs[key]
      this.#kwargs[key] = typeof known === 'string' && typeof value === 'string' ? known + value : value
    }
    return news.length > 0 ? Object.fromEntries(news) : undefined
  }

  #replace(kwargs: Record<string, unknown> | undefined) {
    const news = told(kwargs).filter(([key, value]) => JSON.stringify(this.#kwargs[key]) !== JSON.stringify(value))
    const changed = Object.fromEntries(news)
    Object.assign(this.#kwargs, changed)
    return news.length > 0 ? changed : undefined
  }

  #event(content: string, { spent, calls, kwargs }: News): ClientEvent {
    const data = { type: 'ai' as const, content, id: this.id }
    return {
      type: 'messages-tuple',
      data: {
        ...data,
        ...(calls && { tool_calls: calls }),
        ...(spent && { usage_metadata: spent }),
        ...(kwargs && { additional_kwargs: kwargs }),
      },
    }
  }
}

interface News {
  spent?: Usage | undefined
  calls?: ToolCall[]
  kwargs?: Record<string, unknown> | undefined
}

export function added(one: Usage | undefined, other: Usage): Usage {
  return {
    input_tokens: (one?.input_tokens ?? 0) + other.input_tokens,
    output_tokens: (one?.output_tokens ?? 0) + other.output_tokens,
    total_tokens: (one?.total_tokens ?? 0) + other.total_tokens,
  }
}

function isLast({ response_metadata: { finish_reason, stop_reason } = {} }: WireMessage): boolean {
  return finish_reason != null || stop_reason != null
}

/** Without arguments a provider may say nothing; what is not JSON (yet) is no call. */
function completed({ id, name, args }: { id: string | null; name: string; args: string[] }): ToolCall[] {
  const text = args.join('')
  try {
    const parsed: unknown = JSON.parse(text.trim() || '{}')
    return typeof parsed === 'object' && parsed !== null ? [{ name, args: parsed as ToolCall['args'], id }] : []
  } catch {
    return []
  }
}

function told(kwargs: Record<string, unknown> = {}): [string, unknown][] {
  return Object.entries(kwargs).filter(([key, value]) => !REPEATED.has(key) && value != null)
}
