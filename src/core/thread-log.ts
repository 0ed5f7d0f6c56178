// The log of a thread: the logs of its runs, one after the other, under one numbering that outlives every process
// (`base_seq` of a run + `seq` of an event). Here is which run comes next, and waiting until there is one.
import sql, { join } from 'sql-template-tag'
import { all, type Database, first, type Steps, transition, unlessOutage } from '../db/database.ts'
import type { Bus } from '../events/bus.ts'
import { Followers } from '../events/followers.ts'
import { andAllowed } from './access.ts'
import { runsInFlight } from './run-keys.ts'
import type { Run } from './runs.ts'
import { selectThread, type Thread, type ThreadKey } from './threads.ts'

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
    const thread = yield* first<Pick<Thread, 'last_thread_seq'>>(
      sql`select last_thread_seq from threads where thread_id = ${thread_id} ${andAllowed(allowed)}`,
    )
    if (!thread) return { found: false, run: undefined }
    const from = done ? seq + 1 : seq
    // Behind all that have ended only one that has not can be.
    const runs = from > thread.last_thread_seq ? runsInFlight : sql`runs`
    const run = yield* first<Run>(sql`
      select runs.* from ${runs} join run_heads on run_heads.run_id = runs.run_id
      where thread_id = ${thread_id} and base_seq is not null and base_seq + last_seq >= ${from}
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
  const begun = yield* first<{ seq: number }>(sql`
    select base_seq + last_seq as seq from ${runsInFlight} join run_heads on run_heads.run_id = runs.run_id
    where thread_id = ${key.thread_id} and base_seq is not null order by base_seq desc limit 1`)
  return begun ? { ...begun, done: false } : { seq: thread.last_thread_seq, done: true }
})

interface Standing extends Pick<Thread, 'thread_id' | 'last_thread_seq'> {
  running: string | null
}

/** What changes when a thread's next run begins, of many threads at once; threads that are gone are missing. */
export const standings = transition(import.meta.url, 'standings', function* (thread_ids: string[]): Steps<Standing[]> {
  return yield* all<Standing>(sql`
    select thread_id, last_thread_seq,
      (select run_id from runs where runs.thread_id = threads.thread_id and status = 'running') as running
    from threads where thread_id in (${join(thread_ids)})`)
})

export class ThreadLog {
  readonly #db: Database
  readonly #followers: Followers

  constructor(db: Database, bus: Bus) {
    this.#db = db
    this.#followers = new Followers(bus, 'thread', async thread_ids => {
      const rows = await db.run(standings, thread_ids).catch(() => undefined)
      return rows && new Map(rows.map(({ thread_id, ...standing }) => [thread_id, Object.values(standing).join(' ')]))
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
