// What creating a run reads and writes, whatever its kind: how things stand on its thread; its row, its head, and its place
// there. One that starts at once is written as its worker's: nothing ever sees it pending.
import sql, { empty, type Sql } from 'sql-template-tag'
import { insertMany, type Steps, together } from '../db/database.ts'
import { eventRows, type TimedEvent } from '../events/log.ts'
import type { ClaimOptions } from './claims.ts'
import type { ClaimedRun } from './executor.ts'
import type { Run } from './runs.ts'
import { leased, lockedThread, refreshed, type Thread, type ThreadKey, theThread } from './threads.ts'

/** How things stand on a thread that is locked. */
export interface Standing extends Facts {
  thread: Thread
  /** The run that executes, then those that wait, in their order. */
  inFlight: Run[]
}

interface Facts {
  now: string
  /** 1: it has a checkpoint. */
  has_state: number
  /** Its newest run that succeeded. */
  last_success: string | null
}

/** On a thread that was just made. */
export function newStanding(thread: Thread): Standing {
  return { thread, now: thread.created_at, has_state: 0, last_success: null, inFlight: [] }
}

/** On one that is there, which is locked now. `onlyNext`: of those that wait only the first is looked at. */
export function* standingOn(key: ThreadKey, onlyNext: boolean): Steps<Standing> {
  return standingOf(key, yield* together<StandingRows>(...standingQueries(key, onlyNext)))
}

export type StandingRows = [threads: Thread[], rest: (Facts & (Run | { run_id: null }))[]]

/** To be asked together, where something else is asked as well. */
export function standingQueries(key: ThreadKey, onlyNext: boolean): [threads: Sql, rest: Sql] {
  const { thread_id } = key
  const rest = sql`
    select facts.*, runs.* from (
      select now_iso() as now, ${hasState(thread_id)} as has_state, (
        select run_id from runs where thread_id = ${thread_id} and status = 'success' order by position desc limit 1
      ) as last_success
    ) as facts left join (
      select * from runs where thread_id = ${thread_id} and status = 'running'
      union all
      select * from (
        select * from runs where thread_id = ${thread_id} and status = 'pending' order by position
        ${onlyNext ? sql`limit 1` : empty}
      ) as waiting
    ) as runs on true
    order by runs.status desc, runs.position`
  return [lockedThread(key), rest]
}

/** What they answered. Throws where the thread is not there. */
export function standingOf({ thread_id }: ThreadKey, [[found], rest]: StandingRows): Standing {
  const thread = theThread(found, thread_id)
  const { now, has_state, last_success } = rest[0] as Facts
  return { thread, now, has_state, last_success, inFlight: rest.filter(row => row.run_id !== null) }
}

/** What is one run's own. `metadata` and `kwargs` are JSON. */
export interface NewRun
  extends Pick<
    Run,
    | 'run_id'
    | 'position'
    | 'kind'
    | 'assistant_id'
    | 'metadata'
    | 'kwargs'
    | 'multitask_strategy'
    | 'follow_up_to_run_id'
    | 'auth_user'
  > {
  after_ms: number
}

/** Writes a run on its thread. `changes`: of other columns of the thread, a comma after each. */
export function* insertRun(
  { after_ms, ...own }: NewRun,
  { thread, now, has_state }: Standing,
  changes: Sql,
  claim: ClaimOptions | undefined,
): Steps<{ run: Run; claimed?: ClaimedRun }> {
  const { run_id } = own
  const { thread_id, interrupts, last_thread_seq } = thread
  const started =
    claim && ({ status: 'running', started_at: now, worker_id: claim.worker_id, base_seq: last_thread_seq } as const)
  const run: Run = {
    ...own,
    thread_id,
    status: 'pending',
    created_at: now,
    updated_at: now,
    started_at: null,
    ended_at: null,
    retained_from: null,
    not_before: Date.parse(now) + after_ms,
    wait_reason: null,
    worker_id: null,
    crashes: 0,
    cancel_action: null,
    ending: null,
    base_seq: null,
    ...started,
  }
  const head = claim ? { attempt: 1, last_seq: 1 } : { attempt: 0, last_seq: 0 }
  yield runRows([{ ...run }])
  yield sql`
    insert into run_heads (run_id, attempt, last_seq, ended) values (${run_id}, ${head.attempt}, ${head.last_seq}, 0)`
  if (!claim) {
    yield refreshed(thread_id, changes)
    return { run }
  }
  const opening = yield* writeOpening(run_id, 0, 'metadata', { run_id, attempt: 1 })
  yield leased(thread_id, claim.lease_ms, changes)
  return { run, claimed: { run, ...head, opening, interrupts, has_state: has_state === 1 } }
}

const runRows = insertMany('runs', {
  run_id: 'text',
  thread_id: 'text',
  position: 'bigint',
  kind: 'text',
  assistant_id: 'text',
  status: 'text',
  metadata: 'text',
  kwargs: 'text',
  multitask_strategy: 'text',
  follow_up_to_run_id: 'text',
  created_at: 'text',
  updated_at: 'text',
  started_at: 'text',
  not_before: 'bigint',
  worker_id: 'text',
  crashes: 'bigint',
  base_seq: 'bigint',
  auth_user: 'text',
})

/** Writes the event that opens an attempt, after `last_seq`. */
export function* writeOpening(
  run_id: string,
  last_seq: number,
  event: string,
  data: Record<string, unknown>,
): Steps<TimedEvent> {
  const opening = { event, data: JSON.stringify(data), at_ms: Date.now() }
  yield eventRows([{ run_id, last_seq, events: [{ ...opening, lines: 1 }] }])
  return opening
}

/** As an SQL value: 1 where a thread has a checkpoint. */
export function hasState(thread_id: string): Sql {
  return sql`case when exists (select 1 from checkpoints where thread_id = ${thread_id}) then 1 else 0 end`
}
