// What the model's test needs of a database beyond the core: to look, to empty it, and to let time pass for one thread.
// It declares no tests, because the SQLite thread imports it.
import sql from 'sql-template-tag'
import type { Run } from '../../src/core/runs.ts'
import { refreshThread, type Thread } from '../../src/core/threads.ts'
import { all, type Steps, transition } from '../../src/db/database.ts'

export interface Sight {
  threads: Thread[]
  /** In the order of creation; `events`: how many values. */
  runs: (Run & { events: number })[]
  checkpoints: { thread_id: string; run_id: string; checkpoint_id: string }[]
}

export const lookAround = transition(import.meta.url, 'lookAround', function* (): Steps<Sight> {
  return {
    threads: yield* all(sql`select * from threads`),
    runs: yield* all(sql`
      select runs.*, (
        select count(*) from run_events where run_events.run_id = runs.run_id and event = 'values') as events
      from runs order by position`),
    checkpoints: yield* all(sql`select thread_id, run_id, checkpoint_id from checkpoints`),
  }
})

export const empty = transition(import.meta.url, 'empty', function* (): Steps<void> {
  yield sql`delete from run_events`
  yield sql`delete from checkpoints`
  yield sql`delete from threads`
})

/** The delayed runs of a thread become due. */
export const ripenThread = transition(import.meta.url, 'ripenThread', function* (thread_id: string): Steps<void> {
  yield sql`
    update runs set not_before = now_ms()
    where thread_id = ${thread_id} and status = 'pending' and not_before > now_ms()`
  yield* refreshThread(thread_id)
})

/** The lease of a thread's run has ended. */
export const orphanThread = transition(import.meta.url, 'orphanThread', function* (thread_id: string): Steps<void> {
  yield sql`
    update threads set due_at = 0 where thread_id = ${thread_id}
    and exists (select 1 from runs where runs.thread_id = threads.thread_id and status = 'running')`
})
