// Workflow runs: runs like any other, of kind `workflow`, each on a hidden thread of its own (contracts: workflows §2).
// Their statuses on the wire are a total map of a run's.
import sql, { empty } from 'sql-template-tag'
import { andAllowed, type Guarded, makerOf } from '../core/access.ts'
import type { ClaimOptions } from '../core/claims.ts'
import { RunloomError } from '../core/errors.ts'
import type { ClaimedRun } from '../core/executor.ts'
import { jsonText } from '../core/json.ts'
import { insertRun, type NewRun, newStanding } from '../core/new-run.ts'
import { type QueueLimits, refuseFullQueue } from '../core/queue.ts'
import { earlierRun, type Run } from '../core/runs.ts'
import { insertThread, lockThread, refreshThread, type Thread } from '../core/threads.ts'
import { all, first, type Steps, transition } from '../db/database.ts'
import type { WorkflowRequest } from './execution.ts'
import { unanswered } from './llm.ts'
import type { Plan } from './plan.ts'
import { getPlan, keepPlan } from './plans.ts'
import { type Answer, answerKey, type NodeRecord, nodeRecords, type StepRecord, stepRecords } from './records.ts'
import { findSession } from './sessions.ts'

export type WorkflowStatus = 'running' | 'waiting' | 'succeeded' | 'failed' | 'canceled'

/** `allowed` says whose it is. */
export interface CreateWorkflowRun extends Guarded {
  run_id: string
  thread_id: string
  request: WorkflowRequest
  /** The plan's canonical text, to be kept with the run. */
  plan: string
  /** Of its thread, by which it is filtered. */
  metadata: Record<string, unknown>
  /** Who makes it, as JSON. */
  auth_user: string | null
  idempotency?: { face: string; owner: string; key: string; body_hash: string }
  claim?: ClaimOptions
  queue?: QueueLimits
}

export interface CreatedWorkflowRun {
  /** How many runs wait with it, where they were counted. */
  queued?: number
  run: Run
  status: WorkflowStatus
  claimed?: ClaimedRun
  repeated: boolean
}

export const createWorkflowRun = transition(
  import.meta.url,
  'createWorkflowRun',
  function* (args: CreateWorkflowRun): Steps<CreatedWorkflowRun> {
    const { run_id, thread_id, request, plan: text, claim } = args
    const earlier = yield* earlierRun(args)
    if (earlier) return { run: earlier, status: yield* statusOf(earlier), repeated: true }
    const total = args.queue?.total
    const queued = total !== undefined && !claim ? yield* refuseFullQueue(total) : undefined
    const { owner, plan_hash, session_id } = request
    if (session_id !== undefined) yield* findSession({ owner, session_id })
    yield* keepPlan.steps({ owner, plan_hash, text })
    const metadata = jsonText(args.metadata)
    const thread = yield* insertThread({ thread_id, metadata, owner: makerOf(args.allowed), hidden: 1 })
    const row: NewRun = {
      run_id,
      position: 1,
      kind: 'workflow',
      assistant_id: '',
      metadata: jsonText({ plan_hash }),
      kwargs: jsonText(request),
      multitask_strategy: 'enqueue',
      follow_up_to_run_id: null,
      auth_user: args.auth_user,
      after_ms: 0,
    }
    const made = yield* insertRun(row, newStanding(thread as Thread), sql`last_position = 1,`, claim)
    const counted = queued === undefined ? {} : { queued }
    return { ...made, status: 'running', repeated: false, ...counted }
  },
)

/** A workflow run of an owner. */
export const getWorkflowRun = transition(import.meta.url, 'getWorkflowRun', function* (key: RunOfOwner): Steps<Run> {
  return yield* findRun(key)
})

export interface RunOfOwner extends Guarded {
  run_id: string
}

export interface Snapshot {
  run: Run
  status: WorkflowStatus
  plan: Plan
  nodes: NodeRecord[]
  steps: StepRecord[]
  /** The last event's number. */
  last_seq: number
}

/** Everything there is to say of a run at one moment. */
export const readSnapshot = transition(
  import.meta.url,
  'readSnapshot',
  function* ({ run_id, ...guard }: RunOfOwner): Steps<Snapshot> {
    const run = yield* findRun({ run_id, ...guard })
    const plan = JSON.parse(yield* getPlan.steps(JSON.parse(run.kwargs))) as Plan
    const last = yield* first<{ data: string }>(sql`
      select data from run_events where run_id = ${run_id} and event not in ('metadata', 'error')
      order by seq desc limit 1`)
    const last_seq = last ? (JSON.parse(last.data) as { seq: number }).seq : 0
    const nodes = yield* nodeRecords(run_id)
    return { run, status: yield* statusOf(run), plan, nodes, steps: yield* stepRecords(run_id), last_seq }
  },
)

export interface WorkflowRunList extends Guarded {
  status?: WorkflowStatus
  limit: number
  offset: number
}

export interface ListedRun {
  run_id: string
  plan_hash: string
  created_at: string
  ended_at: string | null
  status: WorkflowStatus
}

/** Newest first. */
export const listWorkflowRuns = transition(
  import.meta.url,
  'listWorkflowRuns',
  function* ({ status, limit, offset, allowed }: WorkflowRunList): Steps<ListedRun[]> {
    const rows = yield* all<ListedRun & { metadata: string }>(sql`
      select run_id, runs.metadata, runs.created_at, ended_at, ${wireStatus} as status
      from runs join threads on threads.thread_id = runs.thread_id
      where kind = 'workflow' ${status === undefined ? empty : sql`and ${wireStatus} = ${status}`}
      ${andAllowed(allowed, sql`threads.`)}
      order by runs.created_at desc, run_id desc limit ${limit} offset ${offset}`)
    return rows.map(({ metadata, ...row }) => ({ ...row, plan_hash: JSON.parse(metadata).plan_hash }))
  },
)

/** Whether a node of the run waits for its client. */
const waits = sql`exists (
  select 1 from workflow_steps where workflow_steps.run_id = runs.run_id and waiting_until is not null)`

const wireStatus = sql`
  case runs.status when 'success' then 'succeeded' when 'error' then 'failed' when 'pending' then ${inFlight()}
    when 'running' then ${inFlight()} else 'canceled' end`

function inFlight() {
  return sql`case when ${waits} then 'waiting' else 'running' end`
}

function* statusOf({ run_id }: Run): Steps<WorkflowStatus> {
  const found = yield* first<{ status: WorkflowStatus }>(
    sql`select ${wireStatus} as status from runs where run_id = ${run_id}`,
  )
  return (found as { status: WorkflowStatus }).status
}

/** A workflow run that its owner may touch. */
export function* findRun({ run_id, allowed }: RunOfOwner): Steps<Run> {
  const run = yield* first<Run>(sql`
    select runs.* from runs join threads on threads.thread_id = runs.thread_id
    where run_id = ${run_id} and kind = 'workflow' ${andAllowed(allowed, sql`threads.`)}`)
  if (!run) throw new RunloomError('not_found', `run ${run_id} not found`)
  return run
}

/** A step whose client has calls to answer, with those that are still open. */
export const pendingSteps = transition(
  import.meta.url,
  'pendingSteps',
  function* ({ run_id, ...guard }: RunOfOwner): Steps<StepRecord[]> {
    const run = yield* findRun({ run_id, ...guard })
    return run.ended_at === null ? yield* waitingSteps(run_id) : []
  },
)

/** Answers that are stored count, also before the run's owner has seen them. */
function* waitingSteps(run_id: string): Steps<StepRecord[]> {
  const rows = yield* all<StepRecord & { message: string; results: string }>(
    sql`select * from workflow_steps where run_id = ${run_id} and waiting_until is not null order by node_id`,
  )
  const inputs = yield* all<{ data: string }>(sql`select data from run_inputs where run_id = ${run_id} and taken = 0`)
  const answers = inputs.map(input => JSON.parse(input.data) as Answer)
  return rows.map(row => {
    const results = JSON.parse(row.results)
    for (const { node_id, request_id, call_id, output } of answers) {
      if (node_id === row.node_id && request_id === row.request_id) results[call_id] ??= { output }
    }
    return { ...row, message: JSON.parse(row.message), results }
  })
}

export interface ToolResults extends RunOfOwner {
  node_id: string
  step: number
  request_id: string
  results: { call_id: string; output: string; error?: string }[]
}

/**
 * Takes what a client answered, each call once, and wakes the run. Nothing of it is taken when one of the calls is unknown.
 * `accepted` counts what is new.
 */
export const submitToolResults = transition(import.meta.url, 'submitToolResults', function* (args: ToolResults): Steps<{
  accepted: number
  status: WorkflowStatus
  run: Run
}> {
  const { run_id, node_id, step, request_id, results } = args
  const { thread_id } = yield* findRun(args)
  yield* lockThread(thread_id)
  const run = yield* findRun(args)
  const waiting = run.ended_at === null ? yield* waitingSteps(run_id) : []
  const pending = waiting.find(one => one.node_id === node_id)
  const asked = pending?.step === step && pending.request_id === request_id
  if (!asked && (yield* isRepeat(args))) return { accepted: 0, status: yield* statusOf(run), run }
  if (!pending) throw new RunloomError('not_found', `node ${node_id} of run ${run_id} waits for no tool results`)
  if (!asked) {
    const { step: number, request_id: id } = pending
    throw new RunloomError('conflict', `node ${node_id} waits for step ${number} of request ${id}, not for this one`)
  }
  const calls = new Set(pending.message.tool_calls?.map(call => call.id))
  const unknown = results.find(result => !calls.has(result.call_id))
  if (unknown) throw new RunloomError('malformed', `results: there is no tool call "${unknown.call_id}" in this step`)
  const open = new Set(unanswered(pending).map(call => call.id))
  let accepted = 0
  for (const result of results) {
    if (!open.delete(result.call_id)) continue
    const answer: Answer = { node_id, request_id, ...result }
    // The same answer was taken into the log since the steps were read here, where there is a conflict.
    const inserted = yield* first(sql`
      insert into run_inputs (run_id, input_key, data, taken)
      values (${run_id}, ${answerKey(answer)}, ${jsonText(answer)}, 0)
      on conflict (run_id, input_key) do nothing returning 1 as inserted`)
    if (inserted) accepted++
  }
  if (accepted > 0 && run.status === 'pending') {
    yield sql`update runs set not_before = now_ms(), updated_at = now_iso() where run_id = ${run_id}`
    yield* refreshThread(thread_id)
  }
  const goesOn = open.size === 0 && waiting.every(one => one === pending || unanswered(one).length === 0)
  return { accepted, status: goesOn ? 'running' : 'waiting', run }
})

/** Whether just this was sent before: a client's retry whose first answer was lost. */
function* isRepeat({ run_id, node_id, request_id, results }: ToolResults): Steps<boolean> {
  for (const { call_id, output } of results) {
    const key = answerKey({ node_id, request_id, call_id, output })
    const known = yield* first<{ data: string }>(
      sql`select data from run_inputs where run_id = ${run_id} and input_key = ${key}`,
    )
    if (!known || (JSON.parse(known.data) as Answer).output !== output) return false
  }
  return true
}
