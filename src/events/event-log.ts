// The EventLog: one authority for what a run did. All runs of a process share one appender that commits in groups (the
// next group leaves when the previous commit returns). Readers see an event only after its commit: those in the
// process that executes the run are fed from memory, others are woken by the Bus and read the table.
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { type Bulk, type Database, isRefused, unlessOutage } from '../db/database.ts'
import type { Bus } from './bus.ts'
import {
  appendSlices,
  type Head,
  type NewEvent,
  type RunEvent,
  readHeads,
  readPage,
  type Slice,
  type TimedEvent,
} from './log.ts'

/** Events of a running run kept in memory for readers in this process. */
const TAIL_EVENTS = 2_000
const TAIL_CHARS = 1_000_000
const PAGE = 1_000
/** Entries of one run that may wait for a commit before its producer has to. */
const QUEUE_LIMIT = 2_000
const RETRY_MS = [50, 100, 200, 400, 800, 1_000]

/** Thrown to a producer whose run has another owner, or is gone. */
export class Fenced extends Error {
  override name = 'Fenced'
}

/** Thrown to those who follow a run when this process stops: the run goes on elsewhere, or later. */
export class Closing extends Error {
  override name = 'Closing'

  constructor() {
    super('the server is stopping; ask again')
    this.stack = `${this.name}: ${this.message}` // one line a reader in the log is enough
  }
}

/** A run that somebody in this process follows. */
interface Followed {
  /** Its head as the poll saw it last. */
  head: string
  readonly wake: Set<() => void>
}

export class EventLog {
  readonly #db: Database
  readonly #bus: Bus
  readonly #writers = new Map<string, RunWriter>()
  readonly #followed = new Map<string, Followed>()
  readonly #closing = new AbortController()
  #dirty = new Set<RunWriter>()
  #flushing: Promise<void> | undefined
  readonly #polling: Promise<void>
  readonly #onOutage: (error: unknown) => void

  /** `onOutage` hears once of each time in which nothing can be committed. */
  constructor(db: Database, bus: Bus, onOutage: (error: unknown) => void = () => {}) {
    this.#db = db
    this.#bus = bus
    this.#onOutage = onOutage
    this.#polling = this.#poll()
  }

  /**
   * Opens a run for writing under its attempt. `onFailed` is called once when it can go no further: with Fenced when the
   * run is not ours any more, with what the database said when it refused a write.
   */
  open(run_id: string, head: Pick<Head, 'attempt' | 'last_seq'>, onFailed: (error: Error) => void): RunWriter {
    const writer = new RunWriter(run_id, head, onFailed, () => {
      this.#dirty.add(writer)
      this.#flushing ??= this.#flush()
    })
    this.#writers.get(run_id)?.fail(new Fenced('the run was claimed again'))
    this.#writers.set(run_id, writer)
    return writer
  }

  /** Ends writing. After a committed ending the readers of this process may finish from the table. */
  release(writer: RunWriter) {
    writer.close(new Fenced('the attempt is over'))
    if (this.#writers.get(writer.run_id) === writer) this.#writers.delete(writer.run_id)
    this.#bus.publish(`run:${writer.run_id}`)
  }

  /**
   * The events of a run after a cursor, in batches: history, then live, until the run has ended or its row is gone. Throws
   * Closing when this log closes first: an end would say that the run has ended. An outage of the database is waited out.
   * Where retention removed what was asked for, the first event is a `gap` with the numbers that are missing.
   */
  async *read(run_id: string, after: number, signal: AbortSignal): AsyncGenerator<RunEvent[], void> {
    let cursor = after
    const follower = this.#follow(run_id, signal)
    try {
      while (follower.listens()) {
        const batch = this.#writers.get(run_id)?.tail(cursor)
        if (batch && batch.length > 0) {
          yield batch
          cursor += batch.length
          continue
        }
        if (!batch) {
          const page = await unlessOutage(this.#db, readPage, { run_id, after: cursor, limit: PAGE })
          if (!page) continue
          const { head, events } = page
          if (!head || signal.aborted) return
          const missing = gap(cursor, head, events)
          if (missing || events.length > 0) yield missing ? [missing, ...events] : events
          cursor = events.at(-1)?.seq ?? missing?.seq ?? cursor
          if (head.ended && cursor >= head.last_seq) return
          if (events.length > 0) continue
        }
        await follower.woken()
      }
    } finally {
      follower.leave()
    }
  }

  /** Resolves when the run has ended or its row is gone, or at the signal. Throws Closing when this log closes first. */
  async ended(run_id: string, signal: AbortSignal): Promise<void> {
    const follower = this.#follow(run_id, signal)
    try {
      while (follower.listens()) {
        if (!this.#writers.has(run_id)) {
          const heads = await unlessOutage(this.#db, readHeads, [run_id])
          if (!heads) continue
          if (!heads[0] || heads[0].ended) return
        }
        await follower.woken()
      }
    } finally {
      follower.leave()
    }
  }

  async close() {
    this.#closing.abort()
    for (const { wake } of this.#followed.values()) for (const one of wake) one()
    await this.#polling
    while (this.#flushing) await this.#flushing
  }

  async #flush() {
    await nextTurn() // what this turn of the loop still appends joins the group, and so may an ending
    while (this.#dirty.size > 0) {
      const writers = [...this.#dirty]
      this.#dirty = new Set()
      const slices = writers.map(writer => writer.take()).filter(slice => slice !== undefined)
      if (slices.length > 0) await this.#commit(slices)
    }
    this.#flushing = undefined
  }

  /** Commits a group. What the database refuses as a whole is tried run by run, so one bad slice harms only its run. */
  async #commit(slices: Slice[]) {
    for (let tries = 0; ; tries++) {
      const live = slices.filter(slice => this.#writerOf(slice) !== undefined)
      try {
        const fenced = new Set(live.length > 0 ? await this.#db.run(appendSlices, live) : [])
        for (const slice of live) this.#settle(slice, fenced.has(slice.run_id) ? new Fenced('fenced') : undefined)
        return
      } catch (error) {
        if (isRefused(error)) {
          if (live.length > 1) for (const slice of live) await this.#commit([slice])
          else for (const slice of live) this.#settle(slice, error as Error)
          return
        }
        if (tries === 0) this.#onOutage(error)
        await sleep(RETRY_MS[Math.min(tries, RETRY_MS.length - 1)])
      }
    }
  }

  #settle(slice: Slice, error: Error | undefined) {
    this.#writerOf(slice)?.settle(slice, error)
    if (!error && slice.events.length > 0) this.#bus.publish(`run:${slice.run_id}`)
  }

  /** Who waits for a slice; undefined when nobody does any more. */
  #writerOf({ run_id, attempt }: Slice): RunWriter | undefined {
    const writer = this.#writers.get(run_id)
    return writer?.attempt === attempt && !writer.failed ? writer : undefined
  }

  /** Counts as a follower until `leave`. What happens between `listens` and `woken` wakes at once. */
  #follow(run_id: string, signal: AbortSignal) {
    let woken = Promise.withResolvers<void>()
    const wake = () => woken.resolve()
    const unsubscribe = this.#bus.subscribe(`run:${run_id}`, wake)
    signal.addEventListener('abort', wake)
    const followed = this.#followed.get(run_id) ?? { head: '', wake: new Set() }
    this.#followed.set(run_id, followed)
    followed.wake.add(wake)
    return {
      listens: () => {
        woken = Promise.withResolvers<void>()
        if (signal.aborted) return false
        if (this.#closing.signal.aborted) throw new Closing()
        return true
      },
      woken: () => woken.promise,
      leave: () => {
        signal.removeEventListener('abort', wake)
        unsubscribe()
        followed.wake.delete(wake)
        if (followed.wake.size === 0) this.#followed.delete(run_id)
      },
    }
  }

  /** The floor under lost hints: the heads of all followed runs that are not written here, in one query. */
  async #poll() {
    const { signal } = this.#closing
    while (!signal.aborted) {
      await sleep(this.#bus.poll_ms, undefined, { signal }).catch(() => {})
      const remote = [...this.#followed.keys()].filter(run_id => !this.#writers.has(run_id))
      if (signal.aborted || remote.length === 0) continue
      const heads = await this.#db.run(readHeads, remote).catch(() => undefined)
      if (!heads) continue
      const byRun = new Map(heads.map(head => [head.run_id, `${head.attempt} ${head.last_seq} ${head.ended}`]))
      for (const run_id of remote) {
        const followed = this.#followed.get(run_id)
        const head = byRun.get(run_id) ?? 'gone'
        if (!followed || followed.head === head) continue
        followed.head = head
        for (const wake of followed.wake) wake()
      }
    }
  }
}

/** The one FIFO of a run: events and the rows that belong to them, in order, under one attempt. */
export class RunWriter {
  readonly run_id: string
  readonly attempt: number
  #last_seq: number
  #commits = 0
  #queue: { event?: TimedEvent; writes?: Bulk[] }[] = []
  #waiting: PromiseWithResolvers<void> = settledLater()
  #inFlight: PromiseWithResolvers<void> | undefined
  /** Set when the rest is left to the transition that ends the run. */
  #ending = false
  #failed: Error | undefined
  #tail: RunEvent[] = []
  #tailChars = 0
  readonly #onFailed: (error: Error) => void
  readonly #onDirty: () => void

  constructor(
    run_id: string,
    head: Pick<Head, 'attempt' | 'last_seq'>,
    onFailed: (error: Error) => void,
    onDirty: () => void,
  ) {
    this.run_id = run_id
    this.attempt = head.attempt
    this.#last_seq = head.last_seq
    this.#onFailed = onFailed
    this.#onDirty = onDirty
  }

  /** True when nothing will be written any more. */
  get failed(): boolean {
    return this.#failed !== undefined
  }

  /** True when the run is not ours any more. */
  get fenced(): boolean {
    return this.#failed instanceof Fenced
  }

  /** Queues an event, rows, or both. Resolves when they are committed; rejects when they never will be. */
  append(event: NewEvent | undefined, writes?: Bulk[]): Promise<void> {
    if (this.#failed) return rejected(this.#failed)
    this.#queue.push({ ...(event && { event: { ...event, at_ms: Date.now() } }), ...(writes && { writes }) })
    this.#onDirty()
    return this.#waiting.promise
  }

  /** Resolves when the producer may go on: at once, or when the queue is short enough again. */
  async room(): Promise<void> {
    while (this.#queue.length > QUEUE_LIMIT && !this.#failed) await this.#waiting.promise.catch(() => {})
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
    const first = slice.last_seq + 1
    this.#last_seq += slice.events.length
    this.#commits++
    for (const [index, event] of slice.events.entries()) this.#remember({ ...event, seq: first + index })
    this.#inFlight?.resolve()
    this.#inFlight = undefined
    if (this.#queue.length > 0) this.#onDirty()
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
    if (this.#failed) return undefined
    if (after === this.#last_seq) return []
    const oldest = this.#tail[0]?.seq
    if (oldest === undefined || after + 1 < oldest || after > this.#last_seq) return undefined
    return this.#tail.slice(after + 1 - oldest)
  }

  #slice(): Slice {
    const entries = this.#queue
    this.#queue = []
    return {
      run_id: this.run_id,
      attempt: this.attempt,
      last_seq: this.#last_seq,
      commits: this.#commits,
      events: entries.flatMap(entry => entry.event ?? []),
      writes: entries.flatMap(entry => entry.writes ?? []),
    }
  }

  #remember(event: RunEvent) {
    this.#tail.push(event)
    this.#tailChars += event.data.length
    let drop = 0
    while (this.#tail.length - drop > TAIL_EVENTS || this.#tailChars > TAIL_CHARS) {
      this.#tailChars -= this.#tail[drop++]?.data.length ?? 0
    }
    if (drop > 0) this.#tail.splice(0, drop)
  }
}

function gap(cursor: number, head: Head, events: RunEvent[]): RunEvent | undefined {
  if (cursor > head.last_seq) return gapEvent(head.last_seq, { after: cursor, last_seq: head.last_seq })
  const next = events[0]?.seq ?? head.last_seq + 1
  if (next === cursor + 1) return undefined
  return gapEvent(next - 1, { from: cursor + 1, to: next - 1 })
}

function gapEvent(seq: number, data: Record<string, number>): RunEvent {
  return { seq, event: 'gap', data: JSON.stringify(data), refs: 0, at_ms: Date.now() }
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
