// Runs: one execution of an assistant on a thread. The table is the queue: a pending run is due at `not_before`, a
// running one is due again when its lease ends. This file has what clients ask of runs; claims.ts what workers do.
//
//   create ──► pending ──claim──► running ──finish──► success | error | timeout | interrupted
//                │  ▲                │
//                │  └─ hand back ────┤ lease ended: claimed again (crashes + 1)
//                └─ cancel: interrupted, or erased (rollback)
//
// Every transition locks the thread first, then the run's head. Cancelling a run that executes elsewhere only leaves
// `cancel_action` on its row: the first one wins, its owner (or whoever claims it next) carries it out.
import sql, { empty, join, raw } from 'sql-template-tag'
import { all, first, type Steps, together, transition } from '../db/database.ts'
import { type Filter, type Guarded, makerOf } from './access.ts'
import { type Assistant, theAssistant, usableAssistant } from './assistants.ts'
import { type ClaimOptions, endRun, eraseRun, KEY_LIFETIME_MS } from './claims.ts'
import { RunloomError } from './errors.ts'
import type { ClaimedRun } from './executor.ts'
import { jsonText } from './json.ts'
import { predecessorOf } from './lineage.ts'
import {
  insertRun,
  type NewRun,
  newStanding,
  type Standing,
  type StandingRows,
  standingOf,
  standingOn,
  standingQueries,
} from './new-run.ts'
import { checkQuestions } from './questions.ts'
import { type QueueLimits, refuseFullQueue, refuseLongQueue } from './queue.ts'
import { merge, type RunConfig, threadConfig } from './run-config.ts'
import { andThreadAllowed, findRun, type RunKey, runsInFlight } from './run-keys.ts'
import { type FromCheckpoint, refuseUnknownCheckpoint } from './states.ts'
import {
  getThread,
  insertedThread,
  lockThread,
  refreshThread,
  type Thread,
  type ThreadKey,
  type Ttl,
} from './threads.ts'
import type { User } from './users.ts'

export type RunStatus = 'pending' | 'running' | 'success' | 'error' | 'timeout' | 'interrupted'

export interface Run {
  run_id: string
  thread_id: string
  /** The order of creation on the thread, from 1. */
  position: number
  kind: string
  assistant_id: string
  status: RunStatus
  metadata: string
  kwargs: string
  multitask_strategy: string
  /** The run of this thread that it goes on from. */
  follow_up_to_run_id: string | null
  created_at: string
  updated_at: string
  started_at: string | null
  ended_at: string | null
  retained_from: number | null
  not_before: number
  wait_reason: string | null
  worker_id: string | null
  crashes: number
  cancel_action: CancelAction | null
  /** JSON `{reason, by?, error?, interrupts?}` once it has ended. */
  ending: string | null
  base_seq: number | null
  /** Who made it, a `User` as JSON; null where nobody has to say. */
  auth_user: string | null
}

/** `interrupt` keeps what the run stored; `rollback` erases run and checkpoints; `delete` keeps checkpoints only. */
export type CancelAction = 'interrupt' | 'rollback' | 'delete'
export type MultitaskStrategy = 'reject' | 'enqueue' | 'interrupt' | 'rollback'

/** `allowed` says which thread may be run on, where it exists, and whose a new one is. */
export interface CreateRun extends Guarded {
  run_id: string
  thread_id: string
  assistant_id: string
  assistant_allowed?: Filter | undefined
  /** What to do when the thread is unknown. `temporary`: create one that goes after its run. */
  if_not_exists: 'reject' | 'create' | 'temporary'
  /** Of a thread that it creates; the run's without it. */
  thread_metadata?: Record<string, unknown>
  /** Who makes it, as JSON. */
  auth_user?: string | null
  /** JSON objects as the client sent them; config, context and metadata are merged with the assistant's and thread's. */
  kwargs: Record<string, unknown> & { config?: RunConfig; context?: Record<string, unknown> } & FromCheckpoint
  metadata: Record<string, unknown>
  /** Where neither the request nor its assistant has one. */
  recursion_limit?: number
  multitask_strategy: MultitaskStrategy
  /** A run of the thread; without one, the newest that succeeded. */
  follow_up_to_run_id?: string
  after_ms: number
  /** Headers of the request that the graph may see; the thread does not keep them. */
  headers?: Record<string, string>
  /** Of a thread that is created, unless it is temporary. */
  ttl?: Ttl
  /** How many runs may wait, should this one have to. */
  queue?: QueueLimits
  /** `owner` is who used the key: what others made with theirs is not shown. */
  idempotency?: { face: string; owner?: string; key: string; body_hash: string }
  /** Start it here in the same transaction when nothing else is in flight on the thread. */
  claim?: ClaimOptions
}

export interface Created {
  run: Run
  /** Set when it was started at once. */
  claimed?: ClaimedRun
  /** True when the idempotency key had made this run before. */
  repeated: boolean
  /** Runs that made way: those still executing have a `cancel_action` now, the others have ended. */
  superseded: string[]
  /** How many were waiting, where that was counted. */
  queued?: number
}

export const createRun = transition(import.meta.url, 'createRun', function* (args: CreateRun): Steps<Created> {
  const earlier = yield* earlierRun(args)
  if (earlier) return { run: earlier, repeated: true, superseded: [] }
  const total = args.queue?.total
  // Before anything is written, where it is known to wait: a cron that is refused goes on.
  let queued = total !== undefined && !args.claim ? yield* refuseFullQueue(total) : undefined
  const { assistant, found } = yield* lookUp(args)
  const { thread } = found
  const { config, context, metadata } = merge(args, assistant, thread)
  yield* refuseUnknownCheckpoint(args.thread_id, { ...args.kwargs, config })
  const { superseded, busy } = yield* applyStrategy(args, found)
  const standing = superseded.length > 0 ? yield* standingOn({ thread_id: args.thread_id }, true) : found
  const startsNow = !busy && args.after_ms === 0
  if (startsNow) yield* checkQuestions(args, standing.thread)
  const claim = startsNow ? args.claim : undefined
  if (total !== undefined && args.claim && !claim) queued = yield* refuseFullQueue(total)
  const { assistant_id, graph_id } = assistant
  const position = thread.last_position + 1
  const row: NewRun = {
    run_id: args.run_id,
    position,
    kind: 'graph',
    assistant_id,
    metadata: jsonText(metadata),
    kwargs: jsonText({ ...args.kwargs, config, context }),
    multitask_strategy: args.multitask_strategy,
    follow_up_to_run_id: yield* predecessorOf(args, standing),
    auth_user: args.auth_user ?? null,
    after_ms: args.after_ms,
  }
  const changes = sql`last_position = ${position}, config = ${threadConfig(args, thread)},
    ${args.if_not_exists === 'temporary' ? empty : sql`hidden = 0,`}
    metadata = ${jsonText({ ...JSON.parse(thread.metadata), graph_id, assistant_id })},`
  const made = yield* insertRun(row, standing, changes, claim)
  return { ...made, repeated: false, superseded, ...(queued !== undefined && { queued }) }
})

interface CreateRuns {
  runs: CreateRun[]
  queue: QueueLimits
}

/** Creates several runs that start later: all of them, or none. */
export const createRuns = transition(import.meta.url, 'createRuns', function* ({ runs, queue }: CreateRuns): Steps<
  Pick<Created, 'queued'> & { runs: Run[] }
> {
  const queued = queue.total === undefined ? {} : { queued: yield* refuseFullQueue(queue.total, runs.length) }
  const created: Run[] = []
  for (const args of runs) created.push((yield* createRun.steps(args)).run)
  return { runs: created, ...queued }
})

export const getRun = transition(import.meta.url, 'getRun', function* (args: RunKey): Steps<Run> {
  return yield* findRun(args)
})

export interface RunList extends ThreadKey {
  status?: string
  metadata?: string
  /** What to read of each run; everything without it. */
  columns?: readonly (keyof Run)[]
  limit: number
  offset: number
}

/** Newest first. */
export const listRuns = transition(import.meta.url, 'listRuns', function* (args: RunList): Steps<Run[]> {
  const { thread_id, allowed, status, metadata, columns = ['*'], limit, offset } = args
  yield* getThread.steps({ thread_id, allowed })
  return yield* all<Run>(sql`
    select ${raw(columns.join(', '))} from runs where thread_id = ${thread_id}
    ${status === undefined ? empty : sql`and status = ${status}`}
    ${metadata === undefined ? empty : sql`and json_contains(metadata, ${metadata}) = 1`}
    order by position desc limit ${limit} offset ${offset}`)
})

/**
 * Cancels a run: at once when nothing executes it, else by leaving the request for its owner. `pending` in the answer
 * says that the owner still has to act. A run that has ended is a conflict.
 */
export const cancelRun = transition(
  import.meta.url,
  'cancelRun',
  function* ({ action, by, once = false, ...key }: CancelRun): Steps<{ pending: boolean }> {
    const { thread_id } = yield* findRun(key)
    yield* lockThread(thread_id)
    const run = yield* findRun(key)
    if (isEnded(run)) {
      throw new RunloomError('conflict', `Run ${run.run_id} has ended already with status ${run.status}`, {
        details: { run_id: run.run_id, status: run.status },
      })
    }
    if (once && run.cancel_action) {
      throw new RunloomError('conflict', `Run ${run.run_id} is being cancelled already; join it to see its end`, {
        details: { run_id: run.run_id, status: run.status },
      })
    }
    const pending = yield* stopRun(run, action, { reason: 'cancelled', by })
    yield* refreshThread(thread_id)
    return { pending }
  },
)

export interface CancelRun extends RunKey {
  action: CancelAction
  /** Who asks. */
  by: string
  /** Refuse when somebody has asked before. */
  once?: boolean
}

/** The ids of runs in flight that match, for cancelling many. */
export const findRunsInFlight = transition(
  import.meta.url,
  'findRunsInFlight',
  function* (args: Guarded & { status?: string; thread_id?: string; run_ids?: string[] }): Steps<RunKey[]> {
    const { status, thread_id, run_ids, allowed } = args
    return yield* all<Required<RunKey>>(sql`
      select run_id, thread_id from ${runsInFlight} where true ${andThreadAllowed(allowed)}
      ${status === undefined ? empty : sql`and status = ${status}`}
      ${thread_id === undefined ? empty : sql`and thread_id = ${thread_id}`}
      ${run_ids === undefined ? empty : sql`and run_id in (${join(run_ids)})`}`)
  },
)

/** Deletes a run and its events, keeping its checkpoints; one that executes is stopped by its owner first. */
export const deleteRun = transition(
  import.meta.url,
  'deleteRun',
  function* ({ by = 'delete', ...key }: RunKey & { by?: string }): Steps<{ pending: boolean }> {
    const { thread_id } = yield* findRun(key)
    yield* lockThread(thread_id)
    const run = yield* findRun(key)
    const pending = isEnded(run) ? false : yield* stopRun(run, 'delete', { reason: 'cancelled', by })
    if (isEnded(run)) yield* eraseRun(run, 'delete')
    yield* refreshThread(thread_id)
    return { pending }
  },
)

/** Who made a run; undefined where nobody had to say, or it is gone. */
export const userOfRun = transition(import.meta.url, 'userOfRun', function* (run_id: string): Steps<User | undefined> {
  const run = yield* first<Pick<Run, 'auth_user'>>(sql`select auth_user from runs where run_id = ${run_id}`)
  return run?.auth_user ? JSON.parse(run.auth_user) : undefined
})

export interface Outcome {
  run: Run
  /** The last root state, as the log has it. */
  values: { data: string } | undefined
}

/** What a run came to; undefined when it is gone. */
export const runOutcome = transition(import.meta.url, 'runOutcome', function* (run_id: string): Steps<
  Outcome | undefined
> {
  const run = yield* first<Run>(sql`select * from runs where run_id = ${run_id}`)
  if (!run) return undefined
  const values = yield* first<{ data: string }>(
    sql`select data from run_events where run_id = ${run_id} and event = 'values' order by seq desc limit 1`,
  )
  return { run, values }
})

export function isEnded(run: Run): boolean {
  return run.status !== 'pending' && run.status !== 'running'
}

/**
 * Stops a run that has not ended; true when its owner has yet to do it. The first request decides, but a delete may
 * follow an interrupt, which it goes on from. The thread is locked.
 */
function* stopRun(run: Run, asked: CancelAction, ending: { reason: string; by: string }): Steps<boolean> {
  const { run_id, cancel_action: earlier } = run
  const action = earlier === null || (earlier === 'interrupt' && asked === 'delete') ? asked : earlier
  const why = earlier === null ? JSON.stringify(ending) : (run.ending as string)
  if (run.status === 'running' && (yield* hasLease(run))) {
    yield sql`update runs set cancel_action = ${action}, ending = ${why} where run_id = ${run_id}`
    return true
  }
  yield* endRun(run, action, 'interrupted', JSON.parse(why))
  return false
}

function* hasLease(run: Run): Steps<boolean> {
  const held = yield* first(sql`select 1 as held from threads where thread_id = ${run.thread_id} and due_at > now_ms()`)
  return held !== undefined
}

/** Makes way for a new run as its strategy says. `busy`: something is still in flight, so it cannot start now. */
function* applyStrategy(
  args: CreateRun,
  { thread, inFlight }: Standing,
): Steps<{ superseded: string[]; busy: boolean }> {
  const { thread_id } = thread
  const [holder] = inFlight
  if (!holder) return { superseded: [], busy: false }
  if (args.multitask_strategy === 'enqueue') {
    const oldest = inFlight.find(run => run.status === 'pending')
    if (oldest && args.queue) yield* refuseLongQueue(thread, oldest.position, args.queue.thread)
    return { superseded: [], busy: true }
  }
  if (args.multitask_strategy === 'reject') {
    throw new RunloomError(
      'conflict',
      `Thread ${thread_id} is already running a task: run ${holder.run_id} is ${holder.status}. Wait for it, or choose another multitask_strategy`,
      { details: { run_id: holder.run_id, status: holder.status } },
    )
  }
  const ending = { reason: 'superseded', by: args.run_id }
  let busy = false
  for (const run of inFlight) if (yield* stopRun(run, args.multitask_strategy, ending)) busy = true
  return { superseded: inFlight.map(run => run.run_id), busy }
}

/** The run that an idempotency key made before, after taking the key when it is new. */
export function* earlierRun({
  run_id,
  idempotency,
}: Pick<CreateRun, 'run_id' | 'idempotency'>): Steps<Run | undefined> {
  if (!idempotency) return undefined
  const { face, owner = '', key, body_hash } = idempotency
  const taken = yield* first(sql`
    insert into idempotency_keys (face, owner, idempotency_key, body_hash, run_id, created_ms)
    values (${face}, ${owner}, ${key}, ${body_hash}, ${run_id}, now_ms())
    on conflict (face, owner, idempotency_key) do update
      set body_hash = excluded.body_hash, run_id = excluded.run_id, created_ms = excluded.created_ms
      where idempotency_keys.created_ms < excluded.created_ms - ${KEY_LIFETIME_MS}
    returning run_id`)
  if (taken) return undefined
  const known = (yield* first<{ body_hash: string; run_id: string }>(sql`
    select body_hash, run_id from idempotency_keys
    where face = ${face} and owner = ${owner} and idempotency_key = ${key}`)) as { body_hash: string; run_id: string }
  if (known.body_hash !== body_hash) {
    throw new RunloomError('conflict', `Idempotency-Key "${key}" was used with another request; use a new key`)
  }
  const run = yield* first<Run>(sql`select * from runs where run_id = ${known.run_id}`)
  if (!run) throw new RunloomError('gone', `The run that Idempotency-Key "${key}" made was deleted`)
  return run
}

/** The run's assistant, and how things stand on its thread, which is made where it has to be. */
function* lookUp(args: CreateRun): Steps<{ assistant: Assistant; found: Standing }> {
  const { thread_id, assistant_id: id, if_not_exists, metadata, thread_metadata = metadata, allowed, ttl } = args
  const key = { thread_id, allowed }
  const onlyNext = args.multitask_strategy === 'enqueue' || args.multitask_strategy === 'reject'
  const named = usableAssistant(id, args.assistant_allowed)
  if (if_not_exists === 'reject') {
    const [[usable], ...rows] = yield* together<[Assistant[], ...StandingRows]>(
      named,
      ...standingQueries(key, onlyNext),
    )
    return { assistant: theAssistant(usable, id), found: standingOf(key, rows) }
  }
  const kept = { hidden: 0 as const, ...(ttl && { ttl }) }
  const lasting = if_not_exists === 'temporary' ? { hidden: 1 as const } : kept
  const made = insertedThread({ thread_id, owner: makerOf(allowed), metadata: jsonText(thread_metadata), ...lasting })
  const [[usable], [inserted]] = yield* together<[Assistant[], Thread[]]>(named, made)
  const assistant = theAssistant(usable, id)
  const { graph_id, assistant_id } = assistant
  const of = jsonText({ ...thread_metadata, graph_id, assistant_id })
  for (let thread = inserted; ; thread = yield* first<Thread>(made)) {
    if (thread) return { assistant, found: newStanding({ ...thread, metadata: of }) }
    const there = yield* first(sql`select 1 as there from threads where thread_id = ${thread_id} for update`)
    // else it has been deleted since
    if (there) return { assistant, found: yield* standingOn(key, onlyNext) }
  }
}
