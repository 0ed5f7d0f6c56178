// The log of a thread: the logs of its runs, one after the other, under one numbering that outlives every process
// (`base_seq` of a run + `seq` of an event). Here is which run comes next, and waiting until there is one.
import sql, { join } from 'sql-template-tag'
import { all, type Database, first, type Steps, transition, unlessOutage } from '../db/database.ts'
import type { Bus } from '../events/bus.ts'
import { Followers } from '../events/followers.ts'
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

export class ThreadLog {
  readonly #db: Database
  readonly #followers: Followers

  constructor(db: Database, bus: Bus) {
    this.#db = db
    this.#followers = new Followers(bus, 'thread', async thread_ids => {
      const rows = await db.run(newestRuns, thread_ids).catch(() => undefined)
      return rows && new Map(rows.map(row => [row.thread_id, String(row.newest)]))
    })
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
    const follower = this.#followers.follow(thread_id, signal)
    try {
      while (follower.listens()) {
        const next = await unlessOutage(this.#db, nextRun, { thread_id, allowed, ...after })
        if (!next) continue
        if (!next.found || next.run) return next.run
        await follower.woken()
      }
      return undefined
    } finally {
      follower.leave()
    }
  }

  /** How many wait for a thread's next run here. */
  get readers(): number {
    return this.#followers.size
  }

  close(): Promise<void> {
    return this.#followers.close()
  }
}
