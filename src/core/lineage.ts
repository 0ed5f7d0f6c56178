// Lineage: which run of its thread a run goes on from (contracts: gateway §1.8).
import sql from 'sql-template-tag'
import { first, type Steps } from '../db/database.ts'
import { RunloomError } from './errors.ts'
import type { Standing } from './new-run.ts'
import { andThreadAllowed } from './run-keys.ts'
import type { CreateRun, Run } from './runs.ts'

/** The run that a new one goes on from. */
export function* predecessorOf(
  { follow_up_to_run_id: given, allowed }: Pick<CreateRun, 'follow_up_to_run_id' | 'allowed'>,
  { thread, last_success }: Standing,
): Steps<string | null> {
  if (given === undefined) return last_success
  const run = yield* first<Pick<Run, 'thread_id'>>(
    sql`select thread_id from runs where run_id = ${given} ${andThreadAllowed(allowed)}`,
  )
  if (!run) throw new RunloomError('not_found', `follow_up_to_run_id: Run ${given} not found`)
  if (run.thread_id !== thread.thread_id) {
    throw new RunloomError(
      'invalid',
      `follow_up_to_run_id: run ${given} is one of another thread; name one of this thread`,
    )
  }
  return given
}
