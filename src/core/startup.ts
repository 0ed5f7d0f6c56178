// What the one process that holds a SQLite file sets right when it starts: nobody else executes or sends anything any more,
// and the machine's clock may have gone back since the file was written.
import sql from 'sql-template-tag'
import { all, type Steps, transition } from '../db/database.ts'
import type { Run } from './runs.ts'
import { refreshThread } from './threads.ts'

/** Whatever was under way is due at once; what waits is due in as long as it was when it began to wait. */
export const startAlone = transition(import.meta.url, 'startAlone', function* (): Steps<void> {
  yield sql`update threads set due_at = 0 where thread_id in (select thread_id from runs where status = 'running')`
  yield sql`
    update webhook_deliveries set due_at = now_ms(), updated_at = now_iso()
    where due_at is not null and (status = 'sending' or updated_at > now_iso())`
  yield* followClock()
})

/** Runs that began to wait at a time that is still to come by this clock. */
function* followClock(): Steps<void> {
  const waiting = yield* all<Pick<Run, 'run_id' | 'thread_id' | 'not_before' | 'updated_at'> & { now: string }>(sql`
    select run_id, thread_id, not_before, updated_at, now_iso() as now from runs
    where status = 'pending' and updated_at > now_iso()`)
  for (const { run_id, thread_id, not_before, updated_at, now } of waiting) {
    const due = Date.parse(now) + (not_before - Date.parse(updated_at))
    yield sql`update runs set not_before = ${due}, updated_at = ${now} where run_id = ${run_id}`
    yield* refreshThread(thread_id)
  }
}
