// What links runs to those that they have started: the children's idempotency keys.
import sql, { type Sql } from 'sql-template-tag'

/** Of the one child that a run has under a key. Run ids have no blanks. */
export function childKey(parent_run_id: string, key: string): string {
  return `${parent_run_id} ${key}`
}

/** Stops what a run has started and is still in flight: who executes it ends it, or, unexecuted, who claims it. */
export function childrenCancelled(run_id: string): Sql {
  return sql`
    update runs set cancel_action = 'interrupt', ending = ${JSON.stringify({ reason: 'cancelled', by: 'parent' })}
    where cancel_action is null and status in ('pending', 'running') and run_id in (
      select run_id from idempotency_keys
      where face = 'child' and owner = '' and idempotency_key like ${childKey(run_id, '%')})`
}
