// The one FIFO of a run: what it appends, in order, numbered and waiting for the log's next group; and, once committed, its
// newest events for the readers of this process.
import type { Bulk } from '../db/database.ts'
import {
  eventsOf,
  type Head,
  isToken,
  lastSeq,
  type NewEvent,
  numbered,
  type RunEvent,
  type Slice,
  type TimedEvent,
  together,
} from './log.ts'

/** Events of a running run kept in memory for readers in this process. */
const TAIL_EVENTS = 2_000
const TAIL_CHARS = 1_000_000
/** Entries of one run that may wait for a commit before its producer has to. */
const QUEUE_LIMIT = 2_000

/** Thrown to a producer whose run has another owner, or is gone. */
export class Fenced extends Error {
  override name = 'Fenced'
}

/** Where an attempt goes on from; `opening` is the last event so far, where it is known. */
export interface WritingHead extends Pick<Head, 'attempt' | 'last_seq'> {
  opening?: TimedEvent
}

/** How a run ended. */
export interface RunEnd {
  status: string
  /** JSON. */
  ending: string
  /** Its last root state as the log has it, if it had any. */
  values: string | undefined
}

/** The one FIFO of a run: events and the rows that belong to them, in order, under one attempt. */
export class RunWriter {
  readonly run_id: string
  readonly attempt: number
  #ended = false
  #end: RunEnd | undefined
  #last_seq: number
  #commits = 0
  /** Of the last event that was queued. */
  #queued_seq: number
  #queue: { event?: RunEvent; writes?: Bulk[] }[] = []
  /** The events of the commit under way. */
  #leaving: RunEvent[] = []
  #waiting: PromiseWithResolvers<void> = settledLater()
  #inFlight: PromiseWithResolvers<void> | undefined
  /** Whether somebody waits for what is queued to be committed. */
  #awaited = false
  /** Where the first token is; it does not wait for others. */
  #token: 'to come' | 'queued' | 'gone' = 'to come'
  /** Set when the rest is left to the transition that ends the run. */
  #ending = false
  #failed: Error | undefined
  #tail: RunEvent[] = []
  #tailChars = 0
  readonly #onFailed: (error: Error) => void
  readonly #onDirty: (prompt: boolean) => void

  constructor(run_id: string, head: WritingHead, onFailed: (error: Error) => void, onDirty: (prompt: boolean) => void) {
    this.run_id = run_id
    this.attempt = head.attempt
    this.#last_seq = head.last_seq
    this.#queued_seq = head.last_seq
    this.#onFailed = onFailed
    this.#onDirty = onDirty
    if (head.opening) this.#remember([{ seq: head.last_seq, ...head.opening }])
  }

  /** True when nothing will be written any more. */
  get failed(): boolean {
    return this.#failed !== undefined
  }

  /** True when the run is not ours any more. */
  get fenced(): boolean {
    return this.#failed instanceof Fenced
  }

  /** True while what is queued should not wait for others: the first token is in it, or somebody waits for the commit. */
  get prompt(): boolean {
    return this.#token === 'queued' || this.#awaited
  }

  /** Queues an event, rows, or both; `prompt` where somebody waits for the commit. Resolves when they are committed; rejects when they never will be. */
  append(event: NewEvent | undefined, writes?: Bulk[], { prompt = false } = {}): Promise<void> {
    if (this.#failed) return rejected(this.#failed)
    if (prompt) this.#awaited = true
    if (this.#token === 'to come' && event && isToken(event.event)) this.#token = 'queued'
    this.#queue.push({ ...(event && { event: this.#numbered(event) }), ...(writes && { writes }) })
    this.#onDirty(this.prompt)
    return this.#waiting.promise
  }

  /** What a producer has to wait for before it goes on, if the queue is too long. */
  room(): Promise<void> | undefined {
    return this.#queue.length > QUEUE_LIMIT ? this.#shortened() : undefined
  }

  async #shortened() {
    while (this.#queue.length > QUEUE_LIMIT && !this.#failed) {
      this.#awaited = true
      this.#onDirty(true)
      await this.#waiting.promise.catch(() => {})
    }
  }

  /** What waits for a commit, as one slice; undefined when nothing does or a commit is under way. */
  take(): Slice | undefined {
    if (this.#inFlight || this.#ending || this.#failed || this.#queue.length === 0) return undefined
    this.#inFlight = this.#waiting
    this.#waiting = settledLater()
    return this.#slice()
  }

  /**
   * Waits for the commit under way and returns the rest, for the transition that ends the run to write. After a refusal
   * that is nothing. Throws Fenced when the run is not ours any more.
   */
  async takeRest(): Promise<Slice> {
    this.#ending = true
    while (this.#inFlight) await this.#inFlight.promise.catch(() => {})
    if (this.fenced) throw this.#failed
    this.#inFlight = this.#waiting
    this.#waiting = settledLater()
    return this.#slice()
  }

  /** Marks a slice as committed, or as refused. */
  settle(slice: Slice, error?: Error) {
    if (error) return this.fail(error)
    this.#last_seq = lastSeq(slice)
    this.#commits++
    this.#remember(this.#leaving)
    this.#leaving = []
    this.#inFlight?.resolve()
    this.#inFlight = undefined
    if (this.#queue.length > 0) this.#onDirty(this.prompt)
  }

  /** Keeps what the run's committed ending wrote, and how it ended, where that is known: who reads here does not ask for it. */
  conclude(slice: Slice, end?: Omit<RunEnd, 'values'>) {
    this.#remember(eventsOf(numbered(slice)))
    this.#last_seq = lastSeq(slice)
    this.#ended = true
    const values = this.#tail.findLast(({ event }) => event === 'values')?.data
    if (end && (values !== undefined || this.#tail[0]?.seq === 1)) this.#end = { ...end, values }
  }

  /** Of a run that ended here; undefined where the table has to be asked. */
  get end(): RunEnd | undefined {
    return this.#end
  }

  /** True when the run has ended and all of it has been written. */
  get ended(): boolean {
    return this.#ended
  }

  /** Lets go of all that it keeps for readers. */
  forget() {
    this.#tail = []
    this.#leaving = []
    this.#end = undefined
  }

  /** Ends the writer: nothing of it will be written any more. */
  fail(error: Error) {
    const first = this.#failed === undefined
    this.close(error)
    if (first) this.#onFailed(error)
  }

  /** Ends the writer without telling its owner. */
  close(error: Error) {
    if (this.#failed && !(error instanceof Fenced)) return
    this.#failed = error
    this.#queue = []
    this.#inFlight?.reject(error)
    this.#waiting.reject(error)
    this.#inFlight = undefined
  }

  /** The committed events after a cursor that are still in memory; undefined when the table has to be asked. */
  tail(after: number): RunEvent[] | undefined {
    if (this.#failed && !this.#ended) return undefined
    if (after === this.#last_seq) return []
    const oldest = this.#tail[0]?.seq
    if (oldest === undefined || after + 1 < oldest || after > this.#last_seq) return undefined
    return this.#tail.slice(after + 1 - oldest)
  }

  #slice(): Slice {
    const entries = this.#queue
    this.#queue = []
    this.#awaited = false
    if (this.#token === 'queued') this.#token = 'gone'
    this.#leaving = entries.flatMap(entry => entry.event ?? [])
    return {
      run_id: this.run_id,
      attempt: this.attempt,
      last_seq: this.#last_seq,
      commits: this.#commits,
      events: together(this.#leaving),
      writes: entries.flatMap(entry => entry.writes ?? []),
    }
  }

  #numbered({ event, data }: NewEvent): RunEvent {
    return { seq: ++this.#queued_seq, event, data, at_ms: Date.now() }
  }

  #remember(events: RunEvent[]) {
    for (const event of events) {
      this.#tail.push(event)
      this.#tailChars += event.data.length
    }
    let drop = 0
    while (this.#tail.length - drop > TAIL_EVENTS || this.#tailChars > TAIL_CHARS) {
      this.#tailChars -= this.#tail[drop++]?.data.length ?? 0
    }
    if (drop > 0) this.#tail.splice(0, drop)
  }
}

function settledLater(): PromiseWithResolvers<void> {
  const deferred = Promise.withResolvers<void>()
  deferred.promise.catch(() => {})
  return deferred
}

function rejected(error: Error): Promise<void> {
  const promise = Promise.reject(error)
  promise.catch(() => {})
  return promise
}
