// Finding a run for somebody: by its id, on the thread it is said to be on, where they may touch that thread.
import sql, { empty, type Sql } from 'sql-template-tag'
import { first, type Steps } from '../db/database.ts'
import { type Filter, type Guarded, permitted } from './access.ts'
import { RunloomError } from './errors.ts'
import type { Run } from './runs.ts'

export interface RunKey extends Guarded {
  run_id: string
  /** When given, a run of another thread is not found. */
  thread_id?: string
}

/** For `from`: the runs that have not ended, by their own indexes, however many have. */
export const runsInFlight = sql`(
  select * from runs where status = 'running' union all select * from runs where status = 'pending') as runs`

/** ` and …` for a query over runs. */
export function andThreadAllowed(allowed: Filter | undefined): Sql {
  if (!allowed) return empty
  return sql`and exists (
    select 1 from threads where threads.thread_id = runs.thread_id and ${permitted(allowed, sql`threads.`)})`
}

export function* findRun({ run_id, thread_id, allowed }: RunKey): Steps<Run> {
  const run = yield* first<Run>(sql`
    select * from runs where run_id = ${run_id} ${thread_id === undefined ? empty : sql`and thread_id = ${thread_id}`}
    ${andThreadAllowed(allowed)}`)
  if (!run) throw new RunloomError('not_found', `Run ${run_id} not found`)
  return run
}
