// The events of a workflow run as a reader has them (contracts: workflows §2.4, §10): each once and in order, across as many
// connections as it takes.

import { workflowRun } from '../protocol/workflow-answers.ts'
import { runEvent, type WorkflowEvent, type WorkflowEventType } from '../protocol/workflow-events.ts'
import { StreamProtocolError, TransportError } from './errors.ts'
import { ATTEMPTS, abortable, backOff, type Http, requestIdOf } from './http.ts'

/** Attempts to reach the server again once a stream was open: about 80 seconds. */
const RESUME_ATTEMPTS = 20
/** The most that the server takes; more are read by several requests. */
const MOST = 10_000
const NDJSON = /application\/(x-)?ndjson/
const NEWLINE = 10

/** What a run's events end with. */
export const terminal: ReadonlySet<WorkflowEventType> = new Set(['run_completed', 'run_failed', 'run_canceled'])

export interface EventReading {
  run_id: string
  /** Events up to this one are left out; 0 for none. */
  after: number
  /** How many events at most; Infinity for all. */
  limit: number
}

export interface StreamOptions {
  /** Gives up waiting for the server, its reason thrown; later it ends the reader, as `cancel` does. */
  signal?: AbortSignal | undefined
  /** How long the server may take to accept, all attempts together; for ever without it. */
  headerTimeoutMs?: number | undefined
}

/** Connects, and answers when the server has accepted. */
export async function openEventStream(
  http: Http,
  reading: EventReading,
  { signal, headerTimeoutMs }: StreamOptions,
): Promise<WorkflowEventStream> {
  const gone = new AbortController()
  const opened = new AbortController()
  const late = new TransportError('timeout', `run ${reading.run_id}: no headers within ${headerTimeoutMs} ms`)
  const timer = headerTimeoutMs && setTimeout(() => opened.abort(late), headerTimeoutMs)
  const within = AbortSignal.any([opened.signal, ...(signal ? [signal] : [])])
  const stop = () => gone.abort(within.reason)
  within.addEventListener('abort', stop, { once: true })
  try {
    within.throwIfAborted()
    const response = await connect(http, reading, gone.signal, ATTEMPTS)
    const stream = new WorkflowEventStream(http, reading, gone, response)
    signal?.addEventListener('abort', () => stream.cancel(), { once: true, signal: gone.signal })
    return stream
  } finally {
    clearTimeout(timer)
    within.removeEventListener('abort', stop)
  }
}

/**
 * The events of a run, to be iterated once. It ends after the event that ends the run, or after `limit` events, and resumes
 * by itself when a connection breaks or ends before that.
 */
export class WorkflowEventStream implements AsyncIterable<WorkflowEvent>, AsyncDisposable {
  readonly #http: Http
  readonly #gone: AbortController
  readonly #events: AsyncGenerator<WorkflowEvent, void>
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  #requestId: string | undefined

  constructor(http: Http, reading: EventReading, gone: AbortController, response: Response) {
    this.#http = http
    this.#gone = gone
    this.#attach(response)
    this.#events = this.#read(reading)
  }

  /** The server's id of the request that the events come by, for its logs. */
  get requestId(): string | undefined {
    return this.#requestId
  }

  /** Ends this reader: the iteration is over, events that were not read yet are dropped. The run goes on. */
  cancel() {
    this.#gone.abort()
    this.#letGo()
  }

  [Symbol.asyncIterator](): AsyncIterator<WorkflowEvent, void> {
    return {
      next: () => this.#events.next(),
      return: async () => {
        this.cancel()
        return { done: true, value: undefined }
      },
    }
  }

  async [Symbol.asyncDispose]() {
    this.cancel()
  }

  async *#read(reading: EventReading): AsyncGenerator<WorkflowEvent, void> {
    try {
      yield* this.#follow(reading)
    } catch (error) {
      if (!this.#gone.signal.aborted) throw error
    } finally {
      this.cancel()
    }
  }

  async *#follow({ run_id, after, limit }: EventReading): AsyncGenerator<WorkflowEvent, void> {
    const { signal } = this.#gone
    for (let ended = false; ; ) {
      const before = after
      let broken = false
      try {
        for await (const line of linesOf(this.#reader)) {
          if (signal.aborted) return
          const event = eventOf(line)
          if (!event || event.seq <= after) continue
          after = event.seq
          limit--
          yield event
          if (terminal.has(event.type) || limit <= 0) return
        }
      } catch (error) {
        if (error instanceof StreamProtocolError) throw error
        broken = true
      }
      if (signal.aborted) return
      if (after === before) {
        // Nothing came. Either the run had ended before `after`, and a stream opened since then says the same, or later.
        if (!broken && ended) return
        ended = !broken && (await abortable(this.#isEnded(run_id), signal))
        if (!ended) await backOff(1, signal)
      }
      this.#letGo()
      this.#attach(await connect(this.#http, { run_id, after, limit }, signal, RESUME_ATTEMPTS))
    }
  }

  async #isEnded(run_id: string): Promise<boolean> {
    const { status } = await this.#http.json(
      workflowRun,
      { method: 'GET', path: `/runs/${run_id}` },
      { attempts: RESUME_ATTEMPTS, signal: this.#gone.signal },
    )
    return status !== 'running' && status !== 'waiting'
  }

  #attach(response: Response) {
    this.#requestId = requestIdOf(response)
    this.#reader = response.body?.getReader()
  }

  #letGo() {
    this.#reader?.cancel().catch(() => {}) // it may have failed before
  }
}

async function connect(http: Http, { run_id, after, limit }: EventReading, signal: AbortSignal, attempts: number) {
  const query = new URLSearchParams()
  if (after > 0) query.set('after_seq', String(after))
  if (limit < Number.POSITIVE_INFINITY) query.set('limit', String(Math.min(limit, MOST)))
  const path = `/runs/${run_id}/events${query.size > 0 ? `?${query}` : ''}`
  const response = await http.open({ method: 'GET', path }, 'application/x-ndjson', signal, attempts)
  const type = response.headers.get('content-type') ?? ''
  if (NDJSON.test(type)) return response
  response.body?.cancel().catch(() => {}) // nobody reads it
  throw new StreamProtocolError(`GET ${path}: answered with content type "${type}" instead of application/x-ndjson`)
}

/** Lines as bytes, wherever the chunks were cut; the last one need not end. */
async function* linesOf(reader: ReadableStreamDefaultReader<Uint8Array> | undefined): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] = []
  for (;;) {
    const { value } = (await reader?.read()) ?? {}
    if (!value) break
    let from = 0
    for (let at = value.indexOf(NEWLINE); at >= 0; at = value.indexOf(NEWLINE, from)) {
      yield joined([...held, value.subarray(from, at)])
      held = []
      from = at + 1
    }
    if (from < value.length) held.push(value.subarray(from))
  }
  if (held.length > 0) yield joined(held)
}

function joined(parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

const strict = new TextDecoder('utf-8', { fatal: true })
const lenient = new TextDecoder()

/** The event of a line; undefined for an empty one. */
function eventOf(line: Uint8Array): WorkflowEvent | undefined {
  let text: string
  try {
    text = strict.decode(line)
  } catch {
    throw new StreamProtocolError('a line of the stream is not UTF-8', lenient.decode(line))
  }
  if (text.trim() === '') return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new StreamProtocolError('a line of the stream is not JSON', text)
  }
  const parsed = runEvent.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new StreamProtocolError(
    `a line of the stream is no event: ${issue?.path.join('.') || 'event'}: ${issue?.message}`,
    text,
  )
}
