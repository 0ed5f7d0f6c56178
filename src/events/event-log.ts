// The EventLog: one authority for what a run did. All runs of a process share one appender that commits in groups (the
// next group leaves when the previous commit returns). Readers see an event only after its commit: those in the
// process that executes the run are fed from memory, others are woken by the Bus and read the table.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Bulk, type Database, isRefused } from '../db/database.ts'
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

export class EventLog {
  readonly #db: Database
  readonly #bus: Bus
  readonly #writers = new Map<string, RunWriter>()
  readonly #followed = new Map<string, { head: string; count: number }>()
  readonly #closing = new AbortController()
  #dirty = new Set<RunWriter>()
  #flushing: Promise<void> | undefined
  readonly #polling: Promise<void>

  constructor(db: Database, bus: Bus) {
    this.#db = db
    this.#bus = bus
    this.#polling = this.#poll()
  }

  /** Opens a run for writing under its attempt. `onFenced` is called once when a write of it was refused. */
  open(run_id: string, head: Pick<Head, 'attempt' | 'last_seq'>, onFenced: () => void): RunWriter {
    const writer = new RunWriter(run_id, head, onFenced, () => {
      this.#dirty.add(writer)
      this.#flushing ??= this.#flush()
    })
    this.#writers.set(run_id, writer)
    return writer
  }

  /** Ends writing. After a committed ending the readers of this process may finish from memory. */
  release(writer: RunWriter) {
    if (this.#writers.get(writer.run_id) === writer) this.#writers.delete(writer.run_id)
    this.#bus.publish(`run:${writer.run_id}`)
  }

  /**
   * The events of a run after a cursor, in batches: history, then live, until the run has ended or its row is gone.
   * Where retention removed what was asked for, the first event is a `gap` with the numbers that are missing.
   */
  async *read(run_id: string, after: number, signal: AbortSignal): AsyncGenerator<RunEvent[], void> {
    let cursor = after
    let woken = Promise.withResolvers<void>()
    const unsubscribe = this.#bus.subscribe(`run:${run_id}`, () => woken.resolve())
    const stopped = () => woken.resolve()
    signal.addEventListener('abort', stopped)
    this.#follow(run_id)
    try {
      while (!signal.aborted && !this.#closing.signal.aborted) {
        woken = Promise.withResolvers<void>()
        const batch = this.#writers.get(run_id)?.tail(cursor)
        if (batch && batch.length > 0) {
          yield batch
          cursor += batch.length
          continue
        }
        if (!batch) {
          const { head, events } = await this.#db.run(readPage, { run_id, after: cursor, limit: PAGE })
          if (!head) return
          const missing = gap(cursor, head, events)
          if (missing || events.length > 0) yield missing ? [missing, ...events] : events
          cursor = events.at(-1)?.seq ?? missing?.seq ?? cursor
          if (head.ended && cursor >= head.last_seq) return
          if (events.length > 0) continue
        }
        await woken.promise
      }
    } finally {
      signal.removeEventListener('abort', stopped)
      unsubscribe()
      this.#unfollow(run_id)
    }
  }

  /** Resolves when the run has ended or its row is gone, or at the signal. */
  async ended(run_id: string, signal: AbortSignal): Promise<void> {
    let woken = Promise.withResolvers<void>()
    const unsubscribe = this.#bus.subscribe(`run:${run_id}`, () => woken.resolve())
    const stopped = () => woken.resolve()
    signal.addEventListener('abort', stopped)
    this.#follow(run_id)
    try {
      while (!signal.aborted && !this.#closing.signal.aborted) {
        woken = Promise.withResolvers<void>()
        if (!this.#writers.has(run_id)) {
          const [head] = await this.#db.run(readHeads, [run_id])
          if (!head || head.ended) return
        }
        await woken.promise
      }
    } finally {
      signal.removeEventListener('abort', stopped)
      unsubscribe()
      this.#unfollow(run_id)
    }
  }

  async close() {
    this.#closing.abort()
    for (const run_id of this.#followed.keys()) this.#bus.publish(`run:${run_id}`)
    await this.#polling
    while (this.#flushing) await this.#flushing
  }

  async #flush() {
    await Promise.resolve() // let the rest of this tick join the group
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
      const live = slices.filter(slice => this.#writers.get(slice.run_id)?.attempt === slice.attempt)
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
        await sleep(RETRY_MS[Math.min(tries, RETRY_MS.length - 1)])
      }
    }
  }

  #settle(slice: Slice, error: Error | undefined) {
    this.#writers.get(slice.run_id)?.settle(slice, error)
    if (!error && slice.events.length > 0) this.#bus.publish(`run:${slice.run_id}`)
  }

  #follow(run_id: string) {
    const entry = this.#followed.get(run_id) ?? { head: '', count: 0 }
    entry.count++
    this.#followed.set(run_id, entry)
  }

  #unfollow(run_id: string) {
    const entry = this.#followed.get(run_id)
    if (entry && --entry.count === 0) this.#followed.delete(run_id)
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
        const entry = this.#followed.get(run_id)
        const head = byRun.get(run_id) ?? 'gone'
        if (!entry || entry.head === head) continue
        entry.head = head
        this.#bus.publish(`run:${run_id}`)
      }
    }
  }
}

/** The one FIFO of a run: events and the rows that belong to them, in order, under one attempt. */
export class RunWriter {
  readonly run_id: string
  readonly attempt: number
  #last_seq: number
  #queue: { event?: TimedEvent; writes?: Bulk[] }[] = []
  #waiting: PromiseWithResolvers<void> = settledLater()
  #inFlight: PromiseWithResolvers<void> | undefined
  #failed: Error | undefined
  #tail: RunEvent[] = []
  #tailChars = 0
  readonly #onFenced: () => void
  readonly #onDirty: () => void

  constructor(run_id: string, head: Pick<Head, 'attempt' | 'last_seq'>, onFenced: () => void, onDirty: () => void) {
    this.run_id = run_id
    this.attempt = head.attempt
    this.#last_seq = head.last_seq
    this.#onFenced = onFenced
    this.#onDirty = onDirty
  }

  /** True when nothing will be written any more. */
  get failed(): boolean {
    return this.#failed !== undefined
  }

  /** Queues an event, rows, or both. Resolves when they are committed; rejects with Fenced when they never will be. */
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
    if (this.#inFlight || this.#failed || this.#queue.length === 0) return undefined
    this.#inFlight = this.#waiting
    this.#waiting = settledLater()
    return this.#slice()
  }

  /** Waits for the commit under way and returns the rest, for the transition that ends the run to write. */
  async takeRest(): Promise<Slice> {
    while (this.#inFlight) await this.#inFlight.promise.catch(() => {})
    if (this.#failed) throw this.#failed
    this.#inFlight = this.#waiting
    this.#waiting = settledLater()
    return this.#slice()
  }

  /** Marks a slice as committed, or as refused. */
  settle(slice: Slice, error?: Error) {
    if (error) return this.fail(error)
    const first = slice.last_seq + 1
    this.#last_seq += slice.events.length
    for (const [index, event] of slice.events.entries()) this.#remember({ ...event, seq: first + index })
    this.#inFlight?.resolve()
    this.#inFlight = undefined
    if (this.#queue.length > 0) this.#onDirty()
  }

  /** Ends the writer: nothing of it will be written any more. */
  fail(error: Error) {
    if (this.#failed) return
    this.#failed = error
    this.#queue = []
    this.#inFlight?.reject(error)
    this.#waiting.reject(error)
    this.#inFlight = undefined
    this.#onFenced()
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
