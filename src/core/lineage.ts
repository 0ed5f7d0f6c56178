// Lineage: which run of its thread a run goes on from (contracts: gateway §1.8).
import sql, { type Sql } from 'sql-template-tag'
import { first, type Steps } from '../db/database.ts'
import { RunloomError } from './errors.ts'
import { andThreadAllowed } from './run-keys.ts'
import type { CreateRun, Run } from './runs.ts'
import type { Thread } from './threads.ts'

/** The run that a new one goes on from, as a value to insert. */
export function* predecessorOf(
  { follow_up_to_run_id: given, allowed }: Pick<CreateRun, 'follow_up_to_run_id' | 'allowed'>,
  thread: Thread,
): Steps<Sql> {
  const { thread_id, last_position } = thread
  if (given === undefined) {
    if (last_position === 0) return sql`null`
    return sql`(
      select run_id from runs where thread_id = ${thread_id} and status = 'success' order by position desc limit 1)`
  }
  const run = yield* first<Pick<Run, 'thread_id'>>(
    sql`select thread_id from runs where run_id = ${given} ${andThreadAllowed(allowed)}`,
  )
  if (!run) throw new RunloomError('not_found', `follow_up_to_run_id: Run ${given} not found`)
  if (run.thread_id !== thread_id) {
    throw new RunloomError(
      'invalid',
      `follow_up_to_run_id: run ${given} is one of another thread; name one of this thread`,
    )
  }
  return sql`${given}`
}
