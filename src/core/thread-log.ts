// The log of a thread: the logs of its runs, one after the other, under one numbering that outlives every process
// (`base_seq` of a run + `seq` of an event). Here is which run comes next, and waiting until there is one.
import { setTimeout as sleep } from 'node:timers/promises'
import sql, { join } from 'sql-template-tag'
import { all, type Database, first, type Steps, transition, unlessOutage } from '../db/database.ts'
import type { Bus } from '../events/bus.ts'
import { Closing } from '../events/event-log.ts'
import { andAllowed } from './access.ts'
import type { Run } from './runs.ts'
import { selectThread, type ThreadKey } from './threads.ts'

/** A place in a thread's log. `done`: the run that ends there is known to have ended. */
export interface ThreadCursor {
  seq: number
  done: boolean
}

interface Next {
  /** False when the thread is gone. */
  found: boolean
  run: Run | undefined
}

export const nextRun = transition(
  import.meta.url,
  'nextRun',
  function* ({ thread_id, allowed, seq, done }: ThreadCursor & ThreadKey): Steps<Next> {
    const found = yield* first(
      sql`select 1 as found from threads where thread_id = ${thread_id} ${andAllowed(allowed)}`,
    )
    if (!found) return { found: false, run: undefined }
    const run = yield* first<Run>(sql`
      select runs.* from runs join run_heads on run_heads.run_id = runs.run_id
      where thread_id = ${thread_id} and base_seq is not null and base_seq + last_seq >= ${done ? seq + 1 : seq}
      order by base_seq limit 1`)
    return { found: true, run }
  },
)

/** Where a thread's log stands now: behind what has happened, before what a run in flight has yet to do. */
export const endOfLog = transition(import.meta.url, 'endOfLog', function* (key: ThreadKey): Steps<
  ThreadCursor | undefined
> {
  const thread = yield* selectThread(key)
  if (!thread) return undefined
  const last = yield* first<{ seq: number; ended: number }>(sql`
    select base_seq + last_seq as seq, ended from runs join run_heads on run_heads.run_id = runs.run_id
    where thread_id = ${key.thread_id} and base_seq is not null order by base_seq desc limit 1`)
  if (last && !last.ended) return { seq: last.seq, done: false }
  return { seq: Math.max(thread.last_thread_seq, last?.seq ?? 0), done: true }
})

/** What changes when a thread's next run begins, of many threads at once; threads that are gone are missing. */
export const newestRuns = transition(import.meta.url, 'newestRuns', function* (thread_ids: string[]): Steps<
  { thread_id: string; newest: number | null }[]
> {
  return yield* all<{ thread_id: string; newest: number | null }>(sql`
    select thread_id, (select max(base_seq) from runs where runs.thread_id = threads.thread_id) as newest
    from threads where thread_id in (${join(thread_ids)})`)
})

interface Followed {
  /** As the poll saw it last. */
  newest: string
  readonly wake: Set<() => void>
}

export class ThreadLog {
  readonly #db: Database
  readonly #bus: Bus
  readonly #followed = new Map<string, Followed>()
  readonly #closing = new AbortController()
  readonly #polling: Promise<void>

  constructor(db: Database, bus: Bus) {
    this.#db = db
    this.#bus = bus
    this.#polling = this.#poll()
  }

  /** Undefined when there is no such thread. */
  end({ thread_id, allowed }: ThreadKey): Promise<ThreadCursor | undefined> {
    return this.#db.run(endOfLog, { thread_id, allowed })
  }

  /**
   * The run that the log goes on with after a cursor, as soon as there is one; undefined when the thread is gone, or at
   * the signal. Throws Closing when this log closes first. An outage of the database is waited out.
   */
  async next({ thread_id, allowed }: ThreadKey, after: ThreadCursor, signal: AbortSignal): Promise<Run | undefined> {
    let woken = Promise.withResolvers<void>()
    const wake = () => woken.resolve()
    const unsubscribe = this.#bus.subscribe(`thread:${thread_id}`, wake)
    signal.addEventListener('abort', wake)
    const followed = this.#followed.get(thread_id) ?? { newest: '', wake: new Set() }
    this.#followed.set(thread_id, followed)
    followed.wake.add(wake)
    try {
      while (!signal.aborted) {
        if (this.#closing.signal.aborted) throw new Closing()
        woken = Promise.withResolvers<void>()
        const next = await unlessOutage(this.#db, nextRun, { thread_id, allowed, ...after })
        if (!next) continue
        if (!next.found || next.run) return next.run
        await woken.promise
      }
      return undefined
    } finally {
      signal.removeEventListener('abort', wake)
      unsubscribe()
      followed.wake.delete(wake)
      if (followed.wake.size === 0) this.#followed.delete(thread_id)
    }
  }

  /** How many wait for a thread's next run here. */
  get readers(): number {
    return [...this.#followed.values()].reduce((sum, { wake }) => sum + wake.size, 0)
  }

  async close() {
    this.#closing.abort()
    for (const { wake } of this.#followed.values()) for (const one of wake) one()
    await this.#polling
  }

  /** The floor under lost hints, in one query for all threads that somebody in this process waits on. */
  async #poll() {
    const { signal } = this.#closing
    while (!signal.aborted) {
      await sleep(this.#bus.poll_ms, undefined, { signal }).catch(() => {})
      const thread_ids = [...this.#followed.keys()]
      if (signal.aborted || thread_ids.length === 0) continue
      const rows = await this.#db.run(newestRuns, thread_ids).catch(() => undefined)
      const newest = new Map(rows?.map(row => [row.thread_id, String(row.newest)]))
      for (const thread_id of rows ? thread_ids : []) {
        const followed = this.#followed.get(thread_id)
        const seen = newest.get(thread_id) ?? 'gone'
        if (!followed || followed.newest === seen) continue
        followed.newest = seen
        for (const wake of followed.wake) wake()
      }
    }
  }
}
