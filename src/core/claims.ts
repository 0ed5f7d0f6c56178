// What workers do with runs: claim, renew, finish, hand back. A claim raises the head's `attempt`, which fences every
// earlier owner; the lease is the thread's `due_at`, so a run whose owner died is found by the same query as a new one.
import sql, { empty, join } from 'sql-template-tag'
import { all, first, mergeBulks, type Steps, transition } from '../db/database.ts'
import { compare, eventRows, type Head, type Slice, type TimedEvent } from '../events/log.ts'
import type { ClaimedRun } from './executor.ts'
import type { CancelAction, Run, RunStatus } from './runs.ts'
import { eraseThread, refreshThread, type Thread } from './threads.ts'

export interface ClaimOptions {
  worker_id: string
  lease_ms: number
}

type HeadedRun = Run & Pick<Head, 'attempt' | 'last_seq'>

export interface Claim extends ClaimOptions {
  limit: number
  max_crashes: number
  /** Runs that this process is driving: a lease of theirs that ran out unnoticed is renewed, not taken over. */
  driving: string[]
}

/** Claims threads that are due, and of each its oldest due run. */
export const claimRuns = transition(import.meta.url, 'claimRuns', function* (args: Claim): Steps<ClaimedRun[]> {
  const threads = yield* all<Pick<Thread, 'thread_id'>>(sql`
    select thread_id from threads where due_at <= now_ms() order by due_at limit ${args.limit} for update skip locked`)
  const claimed: ClaimedRun[] = []
  for (const { thread_id } of threads) {
    const run = yield* dueRun(thread_id)
    const started = run && (yield* claimRun(run, args))
    if (started) claimed.push(started)
    yield* refreshThread(thread_id)
  }
  return claimed
})

function* dueRun(thread_id: string): Steps<HeadedRun | undefined> {
  return yield* first<HeadedRun>(sql`
    select runs.*, attempt, last_seq from runs join run_heads on run_heads.run_id = runs.run_id
    where thread_id = ${thread_id} and (status = 'running' or (status = 'pending' and not_before <= now_ms()))
    order by status desc, position limit 1`)
}

function* claimRun(run: HeadedRun, args: Claim): Steps<ClaimedRun | undefined> {
  if (run.status === 'pending') return yield* startRun(run, args)
  if (args.driving.includes(run.run_id)) {
    yield sql`update threads set due_at = now_ms() + ${args.lease_ms} where thread_id = ${run.thread_id}`
    return undefined
  }
  const crashes = run.crashes + 1
  if (run.cancel_action) {
    yield* endRun(run, run.cancel_action, 'interrupted', JSON.parse(run.ending ?? '{}'))
    return undefined
  }
  if (crashes > args.max_crashes) {
    const message = `The process that executed this run died ${crashes} times; it is not tried again`
    yield* endRun(run, 'interrupt', 'error', { reason: 'crashed', error: { error: 'RunCrashed', message } })
    return undefined
  }
  return yield* startRun({ ...run, crashes }, args)
}

/** Makes a run this worker's: a new attempt, a lease, and the `metadata` event that opens the attempt in the log. */
export function* startRun(run: HeadedRun, { worker_id, lease_ms }: ClaimOptions): Steps<ClaimedRun> {
  const { run_id, thread_id, crashes } = run
  const attempt = run.attempt + 1
  const slice = { run_id, attempt, last_seq: run.last_seq, events: [metadataEvent(run_id, crashes + 1)], writes: [] }
  yield sql`update run_heads set attempt = ${attempt}, last_seq = ${run.last_seq + 1} where run_id = ${run_id}`
  yield eventRows([slice])
  const thread = yield* first<Thread>(sql`
    update threads set due_at = now_ms() + ${lease_ms} where thread_id = ${thread_id} returning *`)
  const before = run.thread_before ?? JSON.stringify(snapshot(thread as Thread))
  const started = yield* first<Run>(sql`
    update runs set status = 'running', worker_id = ${worker_id}, crashes = ${crashes}, updated_at = now_iso(),
      started_at = coalesce(started_at, now_iso()), thread_before = ${before},
      base_seq = coalesce(base_seq, (select last_thread_seq from threads where thread_id = ${thread_id}))
    where run_id = ${run_id} returning *`)
  return { run: started as Run, attempt, last_seq: run.last_seq + 1 }
}

function metadataEvent(run_id: string, attempt: number): TimedEvent {
  return { event: 'metadata', data: JSON.stringify({ run_id, attempt }), refs: 0, at_ms: Date.now() }
}

export interface Renewal {
  run_id: string
  attempt: number
}

/** Renews the leases of runs that are still the caller's; those missing in the answer are lost. */
export const renewLeases = transition(
  import.meta.url,
  'renewLeases',
  function* ({
    runs,
    lease_ms,
  }: {
    runs: Renewal[]
    lease_ms: number
  }): Steps<{ run_id: string; cancelled: boolean }[]> {
    const held = yield* all<Pick<Run, 'run_id' | 'thread_id' | 'cancel_action'> & { attempt: number }>(sql`
      select runs.run_id, thread_id, cancel_action, attempt from runs join run_heads on run_heads.run_id = runs.run_id
      where status = 'running' and runs.run_id in (${join(runs.map(run => run.run_id))})`)
    const attempts = new Map(runs.map(run => [run.run_id, run.attempt]))
    const mine = held.filter(run => attempts.get(run.run_id) === run.attempt)
    if (mine.length > 0) {
      const threads = sql`select thread_id from threads
        where thread_id in (${join(mine.map(run => run.thread_id))}) order by thread_id for update`
      yield sql`update threads set due_at = now_ms() + ${lease_ms} where thread_id in (${threads}) and exists (
        select 1 from runs join run_heads on run_heads.run_id = runs.run_id
        where runs.thread_id = threads.thread_id and status = 'running')`
    }
    return mine.map(run => ({ run_id: run.run_id, cancelled: run.cancel_action !== null }))
  },
)

/** The runs among these whose owner has been asked to stop them. */
export const cancelledAmong = transition(import.meta.url, 'cancelledAmong', function* (run_ids: string[]): Steps<
  { run_id: string }[]
> {
  return yield* all<{ run_id: string }>(
    sql`select run_id from runs where cancel_action is not null and run_id in (${join(run_ids)})`,
  )
})

export interface Finish {
  thread_id: string
  /** What the run has not yet written; its last event may be `error`. */
  slice: Slice
  status: RunStatus
  ending: { reason: string; error?: { error: string; message: string } }
  interrupts: Record<string, unknown>
  resting_status: 'idle' | 'interrupted' | 'error'
  /** Start the thread's next due run here. */
  claim?: Claim
}

export interface Finished {
  /** False when the run was not ours any more: nothing was written. */
  landed: boolean
  next?: ClaimedRun
}

/** Ends a run: its last events, its status, the thread's, all at once. A cancel that came first decides the ending. */
export const finishRun = transition(import.meta.url, 'finishRun', function* (args: Finish): Steps<Finished> {
  const { thread_id, slice, claim } = args
  const found = yield* first(sql`select 1 as found from threads where thread_id = ${thread_id} for update`)
  const head = yield* first<Head>(
    sql`select attempt, last_seq, ended from run_heads where run_id = ${slice.run_id} for update`,
  )
  if (!found || compare(slice, head) !== 'mine') return { landed: head?.ended === 1 && head.attempt === slice.attempt }
  const run = (yield* first<Run>(sql`select * from runs where run_id = ${slice.run_id}`)) as Run
  yield sql`update run_heads set last_seq = ${slice.last_seq + slice.events.length} where run_id = ${run.run_id}`
  yield eventRows([slice])
  for (const bulk of mergeBulks(slice.writes)) yield bulk
  if (run.cancel_action) yield* endRun(run, run.cancel_action, 'interrupted', JSON.parse(run.ending ?? '{}'), args)
  else yield* endRun(run, 'interrupt', args.status, args.ending, args)
  const next = claim && (yield* dueRun(thread_id))
  const claimed = next && (yield* claimRun(next, claim))
  yield* refreshThread(thread_id)
  return { landed: true, ...(claimed && { next: claimed }) }
})

/** Gives a run back unfinished, without spending an attempt of those the crash limit counts. */
export const handBack = transition(
  import.meta.url,
  'handBack',
  function* ({ thread_id, slice }: { thread_id: string; slice: Slice }): Steps<boolean> {
    yield sql`select thread_id from threads where thread_id = ${thread_id} for update`
    const head = yield* first<Head>(
      sql`select attempt, last_seq, ended from run_heads where run_id = ${slice.run_id} for update`,
    )
    if (compare(slice, head) !== 'mine') return false
    yield sql`update run_heads set last_seq = ${slice.last_seq + slice.events.length} where run_id = ${slice.run_id}`
    yield eventRows([slice])
    for (const bulk of mergeBulks(slice.writes)) yield bulk
    yield sql`
      update runs set status = 'pending', worker_id = null, not_before = now_ms(), updated_at = now_iso()
      where run_id = ${slice.run_id}`
    yield* refreshThread(thread_id)
    return true
  },
)

/** Makes every lease end now: for the one process that holds a SQLite file and has just started. */
export const voidLeases = transition(import.meta.url, 'voidLeases', function* (): Steps<void> {
  yield sql`update threads set due_at = 0
    where exists (select 1 from runs where runs.thread_id = threads.thread_id and status = 'running')`
})

/** Ends a run that is the caller's or nobody's, as a cancel's action or an ending says. The thread is locked. */
export function* endRun(
  run: Run,
  action: CancelAction,
  status: RunStatus,
  ending: { reason?: string; by?: string; error?: { error: string; message: string } },
  left?: Pick<Finish, 'interrupts' | 'resting_status'>,
): Steps<void> {
  if (action === 'rollback') return yield* eraseRun(run, 'rollback')
  const head = yield* first<Head>(sql`
    update run_heads set attempt = attempt + ${left ? 0 : 1}, ended = 1 where run_id = ${run.run_id} returning *`)
  yield sql`
    update runs set status = ${status}, ending = ${JSON.stringify(ending)}, worker_id = null, updated_at = now_iso(),
      ended_at = now_iso(), retained_from = now_ms() where run_id = ${run.run_id}`
  if (run.base_seq !== null) yield* settleThread(run, head as Head, status, ending.error?.message, left)
  if (action === 'delete') yield* eraseRun(run, 'delete')
}

/** Leaves on the thread what an executed run made of it. */
function* settleThread(
  run: Run,
  head: Head,
  status: RunStatus,
  error: string | undefined,
  left: Pick<Finish, 'interrupts' | 'resting_status'> | undefined,
): Steps<void> {
  const values = yield* first<{ data: string; refs: number }>(
    sql`select data, refs from run_events where run_id = ${run.run_id} and event = 'values' order by seq desc limit 1`,
  )
  const state = values && (values.refs === 1 ? values.data : JSON.stringify([values.data]))
  const resting = left?.resting_status ?? (status === 'error' ? 'error' : 'interrupted')
  yield sql`
    update threads set last_thread_seq = ${(run.base_seq ?? 0) + head.last_seq}, resting_status = ${resting},
      interrupts = ${JSON.stringify(left?.interrupts ?? {})}, error = ${error ?? null},
      ${state === undefined ? empty : sql`state = ${state},`} state_updated_at = now_iso()
    where thread_id = ${run.thread_id}`
}

/** Tables whose rows say which run wrote them. */
const RUN_TABLES = [sql`checkpoints`, sql`checkpoint_writes`, sql`list_items`, sql`lists`, sql`blobs`]

/** Removes a run's rows; `rollback` also what it stored, and puts the thread back to what it was before. */
export function* eraseRun(run: Run, how: 'rollback' | 'delete'): Steps<void> {
  const { run_id, thread_id } = run
  const head = yield* first<Head>(sql`select attempt, last_seq, ended from run_heads where run_id = ${run_id}`)
  if (run.base_seq !== null && !head?.ended) {
    yield sql`update threads set last_thread_seq = ${run.base_seq + (head?.last_seq ?? 0)} where thread_id = ${thread_id}`
  }
  yield sql`delete from run_events where run_id = ${run_id}`
  yield sql`delete from runs where run_id = ${run_id}`
  if (how === 'delete') return
  yield sql`
    update lists set closed = 1 where thread_id = ${thread_id} and list_id in (
      select list_id from list_items where thread_id = ${thread_id} and run_id = ${run_id})`
  for (const table of RUN_TABLES) yield sql`delete from ${table} where thread_id = ${thread_id} and run_id = ${run_id}`
  if (run.thread_before) yield* restore(thread_id, JSON.parse(run.thread_before))
}

type Snapshot = Pick<Thread, 'resting_status' | 'interrupts' | 'error' | 'state' | 'state_updated_at'>

function snapshot({ resting_status, interrupts, error, state, state_updated_at }: Thread): Snapshot {
  return { resting_status, interrupts, error, state, state_updated_at }
}

function* restore(thread_id: string, before: Snapshot): Steps<void> {
  yield sql`
    update threads set resting_status = ${before.resting_status}, interrupts = ${before.interrupts},
      error = ${before.error}, state = ${before.state}, state_updated_at = ${before.state_updated_at}
    where thread_id = ${thread_id}`
}

/** Runs at most that one sweep looks at. */
const SWEEP = 100

/**
 * Removes what retention no longer keeps: the events of runs that ended long enough ago, and with its last run a
 * temporary thread. Returns how many runs it handled; as many as asked means there may be more.
 */
export const sweep = transition(
  import.meta.url,
  'sweep',
  function* ({ retention_ms }: { retention_ms: number }): Steps<{ swept: number; more: boolean }> {
    const runs = yield* all<{ run_id: string; thread_id: string; hidden: number; status: string }>(sql`
      select run_id, runs.thread_id, hidden, threads.status from runs join threads on threads.thread_id = runs.thread_id
      where retained_from <= now_ms() - ${retention_ms} order by retained_from limit ${SWEEP}`)
    if (runs.length === 0) return { swept: 0, more: false }
    const ids = runs.map(run => run.run_id)
    yield sql`delete from run_events where run_id in (${join(ids)})`
    yield sql`update runs set retained_from = null where run_id in (${join(ids)})`
    for (const run of runs) if (run.hidden === 1 && run.status !== 'busy') yield* eraseThread(run.thread_id)
    return { swept: runs.length, more: runs.length === SWEEP }
  },
)
