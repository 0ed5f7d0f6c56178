// The EventLog: one authority for what a run did. All runs of a process share one appender that commits in groups: a group
// of all leaves a few milliseconds after the last one, later where many runs write; between them leave first tokens and what
// somebody waits for. Readers see an event only after its commit: those in the process that executes the run are fed from memory,
// others are woken by the Bus and read the table.
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { type Bulk, type Database, isRefused, unlessOutage } from '../db/database.ts'
import type { Bus } from './bus.ts'
import { Followers } from './followers.ts'
import { appendSlices, eventsOf, type Head, type RunEvent, readHeads, readPage, type Slice } from './log.ts'
import { Fenced, type RunEnd, RunWriter, type WritingHead } from './run-writer.ts'

/** Rows that a reader takes from the table at once. */
const PAGE = 50
/** From one group of all to the next; a commit costs the same for one token and for many. */
const GATHER_MS = 5
/** And for each run in it: storing and showing a slice costs half as much of the main loop, whatever is in the slice. */
const GATHER_PER_RUN_MS = 0.1
/** Runs whose readers are woken in one turn of the event loop. */
const SETTLED = 32
/** One for all: an error of its own for each run would say no more, and costs a look at the stack. */
const OVER = new Fenced('the attempt is over')
const RETRY_MS = [50, 100, 200, 400, 800, 1_000]

export interface LogListeners {
  /** Hears of rows of runs once they are committed, before anybody sees the events that they came with. */
  stored?: (rows: readonly Bulk[]) => void
  /** Hears once of each time in which nothing can be committed. */
  outage?: (error: unknown) => void
}

export class EventLog {
  readonly #db: Database
  readonly #bus: Bus
  readonly #writers = new Map<string, RunWriter>()
  readonly #followers: Followers
  readonly #dirty = new Set<RunWriter>()
  #flushing: Promise<void> | undefined
  /** When the next group of all leaves, in milliseconds of this process. */
  #due = 0
  /** Lets the group that is gathered leave at once. */
  #hurry: (() => void) | undefined
  readonly #tell: LogListeners

  constructor(db: Database, bus: Bus, listeners: LogListeners = {}) {
    this.#db = db
    this.#bus = bus
    this.#tell = listeners
    this.#followers = new Followers(bus, 'run', run_ids => this.#versions(run_ids))
  }

  /**
   * Opens a run for writing under its attempt. `onFailed` is called once when it can go no further: with Fenced when the
   * run is not ours any more, with what the database said when it refused a write.
   */
  open(run_id: string, head: WritingHead, onFailed: (error: Error) => void): RunWriter {
    const writer = new RunWriter(run_id, head, onFailed, prompt => {
      this.#dirty.add(writer)
      if (prompt) this.#hurry?.()
      this.#flushing ??= this.#flush()
    })
    // What a run begins with waits for its first token or its end, if they come soon.
    if (this.#dirty.size === 0) this.#due = Math.max(this.#due, performance.now() + GATHER_MS)
    this.#writers.get(run_id)?.fail(new Fenced('the run was claimed again'))
    this.#writers.set(run_id, writer)
    return writer
  }

  /** Shows what a run's committed ending wrote, and how it ended, where that is known: who reads here does not ask for it. */
  conclude(writer: RunWriter, slice: Slice, end?: Omit<RunEnd, 'values'>) {
    this.#tell.stored?.(slice.writes)
    writer.conclude(slice, end)
  }

  /** Ends writing. Readers that do not know yet how it ended ask the table. */
  release(writer: RunWriter) {
    writer.close(OVER)
    if (this.#writers.get(writer.run_id) === writer) this.#writers.delete(writer.run_id)
    this.#letGo(writer)
    this.#bus.publish(`run:${writer.run_id}`)
  }

  /**
   * The events of a run after a cursor, in batches: history, then live, until the run has ended or its row is gone. Throws
   * Closing when this log closes first: an end would say that the run has ended. An outage of the database is waited out.
   * Where retention removed what was asked for, the first event is a `gap` with the numbers that are missing.
   */
  async *read(run_id: string, after: number, signal: AbortSignal): AsyncGenerator<RunEvent[], void> {
    let cursor = after
    let writer: RunWriter | undefined
    const follower = this.#followers.follow(run_id, signal)
    try {
      while (follower.listens()) {
        writer = this.#writers.get(run_id) ?? writer
        const batch = writer?.tail(cursor)
        if (batch && batch.length > 0) {
          yield batch
          cursor += batch.length
          continue
        }
        if (batch && writer?.ended) return
        if (!batch) {
          const page = await unlessOutage(this.#db, readPage, { run_id, after: cursor, limit: PAGE })
          if (!page) continue
          const { head, rows } = page
          if (!head || signal.aborted) return
          const events = eventsOf(rows).filter(event => event.seq > cursor)
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
      this.#letGo(writer)
    }
  }

  /**
   * Resolves when the run has ended or its row is gone, or at the signal: with what it came to, where that is known without
   * asking. Throws Closing when this log closes first.
   */
  async ended(run_id: string, signal: AbortSignal): Promise<RunEnd | undefined> {
    const follower = this.#followers.follow(run_id, signal)
    let writer: RunWriter | undefined
    try {
      while (follower.listens()) {
        writer = this.#writers.get(run_id) ?? writer
        if (writer?.ended) return writer.end
        if (!this.#writers.has(run_id)) {
          const heads = await unlessOutage(this.#db, readHeads, [run_id])
          if (!heads) continue
          if (!heads[0] || heads[0].ended) return undefined
        }
        await follower.woken()
      }
      return undefined
    } finally {
      follower.leave()
      this.#letGo(writer)
    }
  }

  /** How many follow a run here. */
  get readers(): number {
    return this.#followers.size
  }

  async close() {
    await this.#followers.close()
    while (this.#flushing) await this.#flushing
  }

  async #flush() {
    while (this.#dirty.size > 0) {
      if (![...this.#dirty].some(writer => writer.prompt)) await this.#gather()
      await nextTurn() // what this turn of the loop still appends joins the group, and so may an ending
      const all = performance.now() >= this.#due
      const writers = [...this.#dirty].filter(writer => all || writer.prompt)
      for (const writer of writers) this.#dirty.delete(writer)
      const slices = writers.map(writer => writer.take()).filter(slice => slice !== undefined)
      if (all) this.#due = performance.now() + GATHER_MS + slices.length * GATHER_PER_RUN_MS
      if (slices.length > 0) await this.#commit(slices)
    }
    this.#flushing = undefined
  }

  async #gather() {
    const wait_ms = this.#due - performance.now()
    if (wait_ms <= 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, wait_ms)
    this.#hurry = resolve
    await promise
    clearTimeout(timer)
    this.#hurry = undefined
  }

  /** Commits a group. What the database refuses as a whole is tried run by run, so one bad slice harms only its run. */
  async #commit(slices: Slice[]) {
    for (let tries = 0; ; tries++) {
      const live = slices.filter(slice => this.#writerOf(slice) !== undefined)
      try {
        const fenced = new Set(live.length > 0 ? await this.#db.run(appendSlices, live) : [])
        for (const [index, slice] of live.entries()) {
          if (index % SETTLED === SETTLED - 1) await nextTurn()
          this.#settle(slice, fenced.has(slice.run_id) ? new Fenced('fenced') : undefined)
        }
        return
      } catch (error) {
        if (isRefused(error)) {
          if (live.length > 1) for (const slice of live) await this.#commit([slice])
          else for (const slice of live) this.#settle(slice, error as Error)
          return
        }
        if (tries === 0) this.#tell.outage?.(error)
        await sleep(RETRY_MS[Math.min(tries, RETRY_MS.length - 1)])
      }
    }
  }

  #settle(slice: Slice, error: Error | undefined) {
    if (!error) this.#tell.stored?.(slice.writes)
    this.#writerOf(slice)?.settle(slice, error)
    if (!error && slice.events.length > 0) this.#bus.publish(`run:${slice.run_id}`)
  }

  /** Who waits for a slice; undefined when nobody does any more. */
  #writerOf({ run_id, attempt }: Slice): RunWriter | undefined {
    const writer = this.#writers.get(run_id)
    return writer?.attempt === attempt && !writer.failed ? writer : undefined
  }

  /**
   * Empties a writer that nobody reads any more. Its object lives on until the next full collection: collections of young
   * objects find it in tables that Maps and Sets have grown out of.
   */
  #letGo(writer: RunWriter | undefined) {
    if (writer?.failed && !this.#followers.follows(writer.run_id)) writer.forget()
  }

  /** Not of what is written here: that wakes its readers itself. */
  async #versions(run_ids: string[]): Promise<Map<string, string> | undefined> {
    const remote = run_ids.filter(run_id => !this.#writers.has(run_id))
    const heads = remote.length > 0 ? await this.#db.run(readHeads, remote).catch(() => undefined) : []
    return heads && new Map(heads.map(head => [head.run_id, `${head.attempt} ${head.last_seq} ${head.ended}`]))
  }
}

function gap(cursor: number, head: Head, events: RunEvent[]): RunEvent | undefined {
  if (cursor > head.last_seq) return gapEvent(head.last_seq, { after: cursor, last_seq: head.last_seq })
  const next = events[0]?.seq ?? head.last_seq + 1
  if (next === cursor + 1) return undefined
  return gapEvent(next - 1, { from: cursor + 1, to: next - 1 })
}

function gapEvent(seq: number, data: Record<string, number>): RunEvent {
  return { seq, event: 'gap', data: JSON.stringify(data), at_ms: Date.now() }
}
