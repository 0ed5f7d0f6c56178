// What creating a run writes, whatever its kind: its row, its head, and its place on its thread. One that starts at once is
// written as its worker's: nothing ever sees it pending.
import sql, { type Sql } from 'sql-template-tag'
import { first, type Steps } from '../db/database.ts'
import { eventRows } from '../events/log.ts'
import type { ClaimOptions } from './claims.ts'
import type { ClaimedRun } from './executor.ts'
import type { Run } from './runs.ts'
import { leased, refreshed, type Thread } from './threads.ts'

/** Its columns where they differ; `metadata` and `kwargs` are JSON. */
export interface NewRun
  extends Pick<
    Run,
    | 'run_id'
    | 'thread_id'
    | 'position'
    | 'kind'
    | 'assistant_id'
    | 'metadata'
    | 'kwargs'
    | 'multitask_strategy'
    | 'auth_user'
  > {
  /** As an SQL value. */
  follow_up_to_run_id: Sql | null
  after_ms: number
}

/** Writes a run on its thread, which is locked. `place`: what it changes of the thread's columns, a comma after each. */
export function* insertRun(
  row: NewRun,
  place: Sql,
  claim: ClaimOptions | undefined,
): Steps<{ run: Run; claimed?: ClaimedRun }> {
  const { run_id, thread_id } = row
  const head = claim ? { attempt: 1, last_seq: 1 } : { attempt: 0, last_seq: 0 }
  const started = claim
    ? sql`'running', now_iso(), ${claim.worker_id}, (select last_thread_seq from threads where thread_id = ${thread_id})`
    : sql`'pending', null, null, null`
  const { interrupts, has_state, ...run } = (yield* first<Run & StartedOn>(sql`
    insert into runs (run_id, thread_id, position, kind, assistant_id, metadata, kwargs, multitask_strategy,
      follow_up_to_run_id, created_at, updated_at, not_before, crashes, auth_user, status, started_at, worker_id, base_seq)
    values (${run_id}, ${thread_id}, ${row.position}, ${row.kind}, ${row.assistant_id}, ${row.metadata}, ${row.kwargs},
      ${row.multitask_strategy}, ${row.follow_up_to_run_id}, now_iso(), now_iso(), now_ms() + ${row.after_ms}, 0,
      ${row.auth_user}, ${started})
    returning *, ${startedOn(thread_id)}`)) as Run & StartedOn
  yield sql`
    insert into run_heads (run_id, attempt, last_seq, ended) values (${run_id}, ${head.attempt}, ${head.last_seq}, 0)`
  if (!claim) {
    yield refreshed(thread_id, place)
    return { run }
  }
  const opening = { event: 'metadata', data: JSON.stringify({ run_id, attempt: 1 }), at_ms: Date.now() }
  yield eventRows([{ run_id, last_seq: 0, events: [{ ...opening, lines: 1 }] }])
  yield leased(thread_id, claim.lease_ms, place)
  return { run, claimed: { run, ...head, opening, interrupts, has_state: has_state === 1 } }
}

/** What a started run's claim says of its thread. */
export interface StartedOn extends Pick<Thread, 'interrupts'> {
  has_state: number
}

export function startedOn(thread_id: string): Sql {
  return sql`(select interrupts from threads where thread_id = ${thread_id}) as interrupts,
    case when exists (select 1 from checkpoints where thread_id = ${thread_id}) then 1 else 0 end as has_state`
}
