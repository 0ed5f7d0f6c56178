// What workers do with runs: claim, renew, finish, hand back. A claim raises the head's `attempt`, which fences every
// earlier owner; the lease is the thread's `due_at`, so a run whose owner died is found by the same query as a new one.
import sql, { empty, join } from 'sql-template-tag'
import { all, first, held, type Steps, transition } from '../db/database.ts'
import { compare, type Head, lockHeads, type Slice, write } from '../events/log.ts'
import { childrenCancelled } from './child-keys.ts'
import type { ClaimedRun, Interrupt, Wait } from './executor.ts'
import { eraseMessages } from './messages.ts'
import { hasState, writeOpening } from './new-run.ts'
import type { CancelAction, Run, RunStatus } from './runs.ts'
import { eraseThread, leased, refreshed, refreshThread, type Thread, used } from './threads.ts'
import { announceEnd } from './webhooks.ts'

export interface ClaimOptions {
  /** Of this very claim: what it took is found by it if the answer is lost (claimedBy). */
  worker_id: string
  lease_ms: number
}

type HeadedRun = Run & Pick<Head, 'attempt' | 'last_seq'>
type StartedRun = Run & Pick<Thread, 'interrupts'> & { has_state: number }

export interface Claim extends ClaimOptions {
  limit: number
  max_crashes: number
  /** Runs that this process is driving: a lease of theirs that ran out unnoticed is renewed, not taken over. */
  driving: string[]
}

/** Claims threads that are due, and of each its oldest due run. */
export const claimRuns = transition(import.meta.url, 'claimRuns', function* (args: Claim): Steps<ClaimedRun[]> {
  const threads = yield* all<Pick<Thread, 'thread_id'>>(sql`
    select thread_id from threads where due_at <= (select now_ms()) order by due_at limit ${args.limit}
    for update skip locked`)
  if (threads.length === 0) return []
  yield* holdTakenOver(threads.map(thread => thread.thread_id))
  const claimed: ClaimedRun[] = []
  for (const { thread_id } of threads) {
    const started = yield* startNext(thread_id, args)
    if (started) claimed.push(started)
    else yield* refreshThread(thread_id)
  }
  return claimed
})

/** What a claim took whose answer was lost, its lease beginning anew: the runs that are still under its `worker_id`. */
export const claimedBy = transition(import.meta.url, 'claimedBy', takeUp)

function* takeUp({ worker_id, lease_ms }: ClaimOptions): Steps<ClaimedRun[]> {
  const taken = sql`status = 'running' and worker_id = ${worker_id}`
  const threads = yield* all<Pick<Thread, 'thread_id' | 'interrupts'>>(sql`
    select thread_id, interrupts from threads where thread_id in (select thread_id from runs where ${taken})
    order by thread_id for update`)
  if (threads.length === 0) return []
  const runs = yield* all<HeadedRun>(sql`${headedRuns} where ${taken}`)
  if (runs.length === 0) return []
  yield sql`
    update threads set due_at = now_ms() + ${lease_ms} where thread_id in (${join(runs.map(run => run.thread_id))})`
  const open = new Map(threads.map(({ thread_id, interrupts }) => [thread_id, interrupts]))
  return runs.map(({ attempt, last_seq, ...run }) => {
    return { run, attempt, last_seq, interrupts: open.get(run.thread_id) ?? '{}', has_state: true }
  })
}

/** Holds the heads that may still be written by an earlier owner, in the order in which its appends lock them. */
function* holdTakenOver(thread_ids: string[]): Steps<void> {
  const runs = yield* all<Pick<Run, 'run_id'>>(
    sql`select run_id from runs where thread_id in (${join(thread_ids)}) and status = 'running'`,
  )
  yield* lockHeads(runs.map(run => run.run_id))
}

/** Starts a thread's next due run, after ending those that may not be started again. The thread is locked. */
function* startNext(thread_id: string, args: Claim): Steps<ClaimedRun | undefined> {
  for (;;) {
    const run = yield* dueRun(thread_id)
    const claimed = run && (yield* claimRun(run, args))
    if (claimed !== 'ended') return claimed
  }
}

function* dueRun(thread_id: string): Steps<HeadedRun | undefined> {
  const running = yield* first<HeadedRun>(sql`${headedRuns} where thread_id = ${thread_id} and status = 'running'`)
  if (running) return running
  // The sign keeps SQLite from looking all of a long queue up by its dates instead of taking the first of its order.
  const due = sql`where thread_id = ${thread_id} and status = 'pending' and +not_before <= now_ms()`
  // One that was handed back has begun: it goes on before an older one whose time has come meanwhile.
  const begun = yield* first<HeadedRun>(sql`${headedRuns} ${due} and base_seq is not null order by position limit 1`)
  return begun ?? (yield* first<HeadedRun>(sql`${headedRuns} ${due} order by position limit 1`))
}

const headedRuns = sql`
  select runs.*, attempt, last_seq from runs join run_heads on run_heads.run_id = runs.run_id`

function* claimRun(run: HeadedRun, args: Claim): Steps<ClaimedRun | 'ended' | undefined> {
  if (run.status === 'pending') return yield* startRun(run, args)
  if (args.driving.includes(run.run_id)) {
    yield sql`update threads set due_at = now_ms() + ${args.lease_ms} where thread_id = ${run.thread_id}`
    return undefined
  }
  const crashes = run.crashes + 1
  if (run.cancel_action) {
    yield* endRun(run, run.cancel_action, 'interrupted', JSON.parse(run.ending ?? '{}'))
    return 'ended'
  }
  if (crashes > args.max_crashes) {
    const message = `The process that executed this run died ${crashes} times; it is not tried again`
    const error = { error: 'RunCrashed', message }
    yield* openAttempt(run, 'error', error)
    yield* endRun(run, 'interrupt', 'error', { reason: 'crashed', error })
    return 'ended'
  }
  return { ...(yield* startRun({ ...run, crashes }, args)), taken_over: true }
}

/** Makes a run this worker's: a new attempt, a lease, and the `metadata` event that opens the attempt in the log. */
function* startRun(run: HeadedRun, { worker_id, lease_ms }: ClaimOptions): Steps<ClaimedRun> {
  const { run_id, thread_id, crashes } = run
  const head = yield* openAttempt(run, 'metadata', { run_id, attempt: crashes + 1 })
  yield leased(thread_id, lease_ms)
  const { interrupts, has_state, ...started } = (yield* first<StartedRun>(sql`
    update runs set status = 'running', worker_id = ${worker_id}, crashes = ${crashes}, updated_at = now_iso(),
      started_at = coalesce(started_at, now_iso()),
      base_seq = coalesce(base_seq, (select last_thread_seq from threads where thread_id = ${thread_id}))
    where run_id = ${run_id}
    returning *, (select interrupts from threads where thread_id = ${thread_id}) as interrupts,
      ${hasState(thread_id)} as has_state`)) as StartedRun
  return { run: started, ...head, interrupts, has_state: has_state === 1 }
}

/** Raises a run's attempt, which fences whoever wrote it before, and writes the event that says so. */
function* openAttempt(
  { run_id, attempt, last_seq }: HeadedRun,
  event: string,
  data: Record<string, unknown>,
): Steps<Pick<ClaimedRun, 'attempt' | 'last_seq' | 'opening'>> {
  const opened = { attempt: attempt + 1, last_seq: last_seq + 1 }
  yield sql`
    update run_heads set attempt = ${opened.attempt}, last_seq = ${opened.last_seq}, commits = 0
    where run_id = ${run_id}`
  return { ...opened, opening: yield* writeOpening(run_id, last_seq, event, data) }
}

export interface Renewal {
  run_id: string
  attempt: number
}

/** A run that is still the caller's. `renewed` is false when its thread is busy just now: ask again. */
export interface Renewed {
  run_id: string
  renewed: boolean
  cancelled: boolean
}

/**
 * Renews the leases of runs that are still the caller's; those missing in the answer are lost. It waits for no thread: one
 * that a long transaction holds must not cost the others their leases.
 */
export const renewLeases = transition(
  import.meta.url,
  'renewLeases',
  function* ({ runs, lease_ms }: { runs: Renewal[]; lease_ms: number }): Steps<Renewed[]> {
    const ids = join(runs.map(run => run.run_id))
    const locked = yield* all<Pick<Thread, 'thread_id'>>(sql`
      select thread_id from threads where thread_id in (select thread_id from runs where run_id in (${ids}))
      order by thread_id for update skip locked`)
    const held = yield* all<Pick<Run, 'run_id' | 'thread_id' | 'cancel_action'> & { attempt: number }>(sql`
      select runs.run_id, thread_id, cancel_action, attempt from runs join run_heads on run_heads.run_id = runs.run_id
      where status = 'running' and runs.run_id in (${ids})`)
    const attempts = new Map(runs.map(run => [run.run_id, run.attempt]))
    const mine = held.filter(run => attempts.get(run.run_id) === run.attempt)
    const free = new Set(locked.map(thread => thread.thread_id))
    const threads = mine.map(run => run.thread_id).filter(thread_id => free.has(thread_id))
    if (threads.length > 0) {
      yield sql`update threads set due_at = now_ms() + ${lease_ms} where thread_id in (${join(threads)})`
    }
    return mine.map(({ run_id, thread_id, cancel_action }) => ({
      run_id,
      renewed: free.has(thread_id),
      cancelled: cancel_action !== null,
    }))
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
  ending: { reason: string; error?: { error: string; message: string }; interrupts?: Interrupt[] }
  interrupts: Record<string, unknown>
  resting_status: 'idle' | 'interrupted' | 'error'
  /** Start the thread's next due run here. */
  claim?: Claim
}

export interface Finished {
  /** False when the run was not ours any more: nothing was written. */
  landed: boolean
  /** Set when a cancel decided how the run ended. */
  cancelled?: CancelAction
  next?: ClaimedRun
  /** The thread's next run waits until the threads that are due have had their turn: claim them. */
  yielded?: boolean
}

/**
 * Ends a run: its last events, its status, the thread's, all at once. A cancel that came first decides the ending. The
 * thread's next run starts here, unless other threads wait: then this one goes to the end of the line, so that a long
 * queue delays nobody else.
 */
export const finishRun = transition(import.meta.url, 'finishRun', function* (args: Finish): Steps<Finished> {
  const { thread_id, slice, claim } = args
  const { run, landed } = yield* writeLast(thread_id, slice, 'ends')
  if (!run) {
    const [next] = claim ? yield* takeUp(claim) : []
    return { landed, ...(next && { next }) }
  }
  if (run.cancel_action) {
    yield* endRun(run, run.cancel_action, 'interrupted', JSON.parse(run.ending ?? '{}'), args)
    yield* refreshThread(thread_id)
  } else {
    yield* endRun(run, 'interrupt', args.status, args.ending, args)
    if (run.queue) yield refreshed(thread_id)
  }
  const finished = { landed: true, ...(run.cancel_action && { cancelled: run.cancel_action }) }
  if (!run.queue || !claim) return finished
  const waiting = yield* first(
    sql`select 1 as found from threads where due_at <= (select now_ms()) and thread_id <> ${thread_id} limit 1`,
  )
  if (waiting) return { ...finished, yielded: true }
  const next = yield* startNext(thread_id, claim)
  return { ...finished, ...(next && { next }) }
})

/**
 * Gives a run back unfinished, without spending an attempt of those the crash limit counts; one that was cancelled
 * meanwhile ends. With `wait` it is parked: due when that is over, or when an input comes, at once if one has come already.
 * False when it was not ours any more.
 */
export const handBack = transition(
  import.meta.url,
  'handBack',
  function* ({ thread_id, slice, wait }: HandBack): Steps<boolean> {
    const { run } = yield* writeLast(thread_id, slice, 'goes on')
    if (!run) return false
    if (run.cancel_action) yield* endRun(run, run.cancel_action, 'interrupted', JSON.parse(run.ending ?? '{}'))
    else {
      yield sql`update run_heads set attempt = attempt + 1 where run_id = ${run.run_id}`
      const inputs = sql`exists (select 1 from run_inputs where run_id = ${run.run_id} and taken = 0)`
      const due = wait ? sql`case when ${inputs} then now_ms() else now_ms() + ${wait.for_ms} end` : sql`now_ms()`
      yield sql`
        update runs set status = 'pending', worker_id = null, not_before = ${due}, wait_reason = ${wait?.reason ?? null},
          updated_at = now_iso() where run_id = ${run.run_id}`
    }
    yield* refreshThread(thread_id)
    return true
  },
)

export interface HandBack {
  thread_id: string
  slice: Slice
  wait?: Wait
}

/** `queue`: 1 where others of its thread wait. */
type Written = Run & { queue: number | null }

/**
 * Locks a run's thread and head and writes its last slice; no run when it was not ours any more, or had ended so. What is to be
 * rolled back does not end: `eraseRun` still counts its events.
 */
function* writeLast(
  thread_id: string,
  slice: Slice,
  then: 'ends' | 'goes on',
): Steps<{ run?: Written; landed: boolean }> {
  yield held(sql`select 1 from threads where thread_id = ${thread_id} for update`)
  const run = yield* first<Written & Head>(sql`
    select runs.*, attempt, last_seq, commits, ended, queue
    from run_heads join runs on runs.run_id = run_heads.run_id
      left join (select 1 as queue from runs where thread_id = ${thread_id} and status = 'pending' limit 1) as queued on true
    where run_heads.run_id = ${slice.run_id} for update of run_heads`)
  const standing = compare(slice, run)
  if (!run || standing !== 'mine') return { landed: standing === 'landed' && run?.ended === 1 }
  yield* write([slice], then === 'ends' && run.cancel_action !== 'rollback' ? 1 : 0)
  return { run, landed: true }
}

/**
 * Ends a run that is the caller's or nobody's, as a cancel's action or an ending says; `left`: what the caller leaves, whose
 * last slice has ended its head. The thread is locked.
 */
export function* endRun(
  run: Run,
  action: CancelAction,
  status: RunStatus,
  ending: { reason?: string; by?: string; error?: { error: string; message: string } },
  left?: Pick<Finish, 'interrupts' | 'resting_status'>,
): Steps<void> {
  if (action === 'rollback') return yield* eraseRun(run, 'rollback')
  if (!left) yield sql`update run_heads set attempt = attempt + 1, ended = 1 where run_id = ${run.run_id}`
  yield sql`
    update runs set status = ${status}, ending = ${JSON.stringify(ending)}, worker_id = null, updated_at = now_iso(),
      ended_at = now_iso(), retained_from = now_ms() where run_id = ${run.run_id}`
  if (run.base_seq !== null) yield* settleThread(run, status, ending.error?.message, left)
  if (run.kind === 'workflow' && status !== 'success') yield childrenCancelled(run.run_id)
  if (action === 'delete') yield* eraseRun(run, 'delete')
  else yield* announceEnd(run)
}

/** Leaves on the thread what an executed run made of it: with `left`, at rest, if no other waits. */
function* settleThread(
  run: Run,
  status: RunStatus,
  error: string | undefined,
  left: Pick<Finish, 'interrupts' | 'resting_status'> | undefined,
): Steps<void> {
  const resting = left?.resting_status ?? (status === 'error' ? 'error' : 'interrupted')
  yield used(
    run.thread_id,
    sql`resting_status = ${resting}, turn_at = now_ms(), ${left ? sql`status = ${resting}, due_at = null,` : empty}
      last_thread_seq = ${run.base_seq ?? 0} + (select last_seq from run_heads where run_id = ${run.run_id}),
      interrupts = ${JSON.stringify(left?.interrupts ?? {})}, error = ${(resting === 'error' && error) || null},
      state_updated_at = now_iso(), state = coalesce((
        select data from run_events where run_id = ${run.run_id} and event = 'values' order by seq desc limit 1), state)`,
  )
}

/** Tables whose rows say which run wrote them. */
const RUN_TABLES = [sql`checkpoints`, sql`checkpoint_writes`, sql`list_items`, sql`lists`, sql`blobs`]

/** Removes a run's rows; `rollback` also what it stored. What the thread shows changes only when a run ends, so it stays. */
export function* eraseRun(run: Run, how: 'rollback' | 'delete'): Steps<void> {
  const { run_id, thread_id } = run
  const head = (yield* lockHeads([run_id])).get(run_id)
  if (run.base_seq !== null && !head?.ended) {
    yield sql`
      update threads set last_thread_seq = ${run.base_seq + (head?.last_seq ?? 0)}, turn_at = now_ms()
      where thread_id = ${thread_id}`
  }
  yield sql`delete from run_events where run_id = ${run_id}`
  yield sql`delete from runs where run_id = ${run_id}`
  if (how === 'delete') return
  yield sql`
    update lists set closed = 1 where thread_id = ${thread_id} and list_id in (
      select list_id from list_items where thread_id = ${thread_id} and run_id = ${run_id})`
  yield* eraseMessages(run)
  for (const table of RUN_TABLES) yield sql`delete from ${table} where thread_id = ${thread_id} and run_id = ${run_id}`
}

/** Runs at most that one sweep looks at. */
const SWEEP = 100
/** Idempotency keys are kept for a day. */
export const KEY_LIFETIME_MS = 24 * 60 * 60 * 1000

/**
 * Removes what retention no longer keeps: the events of runs that ended long enough ago, with its last run a temporary
 * thread, and old idempotency keys. A run whose webhook is still to be sent stays. `more`: there may be more to remove.
 */
export const sweep = transition(
  import.meta.url,
  'sweep',
  function* ({ retention_ms }: { retention_ms: number }): Steps<{ swept: number; more: boolean }> {
    yield sql`delete from idempotency_keys where created_ms < (select now_ms()) - ${KEY_LIFETIME_MS}`
    const runs = yield* all<{ run_id: string; thread_id: string; hidden: number }>(sql`
      select run_id, runs.thread_id, hidden from runs join threads on threads.thread_id = runs.thread_id
      where retained_from <= (select now_ms()) - ${retention_ms} and not exists (
        select 1 from webhook_deliveries where webhook_deliveries.run_id = runs.run_id and due_at is not null)
      order by retained_from limit ${SWEEP}
      for update of threads skip locked`)
    if (runs.length === 0) return { swept: 0, more: false }
    const ids = runs.map(run => run.run_id)
    yield sql`delete from run_events where run_id in (${join(ids)})`
    yield sql`update runs set retained_from = null where run_id in (${join(ids)})`
    const temporary = new Set(runs.filter(run => run.hidden === 1).map(run => run.thread_id))
    for (const thread_id of temporary) if (!(yield* isKept(thread_id))) yield* eraseThread(thread_id)
    return { swept: runs.length, more: runs.length === SWEEP }
  },
)

/** Whether a run of the thread is in flight or still retained. */
function* isKept(thread_id: string): Steps<boolean> {
  const kept = yield* first(sql`
    select 1 as kept from runs where thread_id = ${thread_id} and (ended_at is null or retained_from is not null) limit 1`)
  return kept !== undefined
}
