// What a workflow run has stored beside its log: its nodes and their model calls. The rows are written in the same slices
// as the events that they follow from, under the run's fence, so that recovery and snapshots cost what the nodes do, and
// not what the log does.
import sql, { empty } from 'sql-template-tag'
import type { Json } from '../core/json.ts'
import { jsonText } from '../core/json.ts'
import { all, type Bulk, first, insertMany, type Steps, transition } from '../db/database.ts'
import type { EventError } from '../protocol/workflow-events.ts'
import type { MessageItem } from './plan.ts'

export type NodeStatus = 'running' | 'waiting' | 'succeeded' | 'failed'

/** A node, or one item's execution of a fan-out, that has begun. */
export interface NodeRecord {
  node_id: string
  /** The fan-out of an item. */
  parent_id: string | null
  status: NodeStatus
  started_ms: number
  ended_ms: number | null
  output: Json
  error: (EventError & { detail?: string }) | null
}

/** One model call of a node. */
export interface StepRecord {
  node_id: string
  step: number
  request_id: string
  provider: string | null
  model: string
  response_id: string | null
  stop_reason: string | null
  input_tokens: number
  output_tokens: number
  /** In billionths of a dollar, at the price that held then; 0 for a model without one. */
  cost_nano_usd: number
  message: MessageItem
  /** By tool call id. */
  results: Record<string, ToolOutcome>
  /** While the client has calls to answer: until when. */
  waiting_until: number | null
  /** Why the answer does not count: the next call is another attempt. */
  failure: string | null
}

export interface ToolOutcome {
  output: string
  error?: string
}

/** What a client sent for one tool call. */
export interface Answer {
  node_id: string
  request_id: string
  call_id: string
  output: string
  error?: string
}

const insertNodes = insertMany(
  'workflow_nodes',
  {
    run_id: 'text',
    node_id: 'text',
    parent_id: 'text',
    status: 'text',
    started_ms: 'bigint',
    ended_ms: 'bigint',
    output: 'text',
    error: 'text',
  },
  { replace: ['run_id', 'node_id'] },
)

export function nodeRow(run_id: string, { output, error, ...record }: NodeRecord): Bulk {
  const row = {
    run_id,
    ...record,
    output: output === undefined ? null : jsonText(output),
    error: error && jsonText(error),
  }
  return insertNodes([row])
}

const insertSteps = insertMany(
  'workflow_steps',
  {
    run_id: 'text',
    node_id: 'text',
    step: 'bigint',
    request_id: 'text',
    provider: 'text',
    model: 'text',
    response_id: 'text',
    stop_reason: 'text',
    input_tokens: 'bigint',
    output_tokens: 'bigint',
    cost_nano_usd: 'bigint',
    message: 'text',
    results: 'text',
    waiting_until: 'bigint',
    failure: 'text',
  },
  { replace: ['run_id', 'node_id', 'step'] },
)

export function stepRow(run_id: string, record: StepRecord): Bulk {
  const row = { run_id, ...record, message: jsonText(record.message), results: jsonText(record.results) }
  return insertSteps([row])
}

export function answerKey({ node_id, request_id, call_id }: Answer): string {
  return JSON.stringify([node_id, request_id, call_id])
}

/** Marks answers as written into the log. */
export function takenRows(run_id: string, answers: readonly Answer[]): Bulk {
  return {
    each: 'update run_inputs set taken = 1 where run_id = ? and input_key = ?',
    all: `update run_inputs set taken = 1 from unnest($1::text[], $2::text[]) as taken_now (run_id, input_key)
      where run_inputs.run_id = taken_now.run_id and run_inputs.input_key = taken_now.input_key`,
    columns: ['run_id', 'input_key'],
    rows: answers.map(answer => ({ run_id, input_key: answerKey(answer) })),
  }
}

/** What an executor goes on from. */
export interface Progress {
  /** The number of the last event that clients see; 0 before the first. */
  last_seq: number
  nodes: NodeRecord[]
  steps: StepRecord[]
}

export const readProgress = transition(import.meta.url, 'readProgress', function* (run_id: string): Steps<Progress> {
  const last = yield* first<{ data: string }>(sql`
      select data from run_events where run_id = ${run_id} and event not in ('metadata', 'error') order by seq desc limit 1`)
  const nodes = yield* nodeRecords(run_id, { items: true })
  const steps = yield* stepRecords(run_id)
  return { last_seq: last ? (JSON.parse(last.data) as { seq: number }).seq : 0, nodes, steps }
})

/** What clients have sent and the log does not have yet. */
export const newAnswers = transition(import.meta.url, 'newAnswers', function* (run_id: string): Steps<Answer[]> {
  const rows = yield* all<{ data: string }>(
    sql`select data from run_inputs where run_id = ${run_id} and taken = 0 order by input_key`,
  )
  return rows.map(row => JSON.parse(row.data))
})

/** What a node came to. */
export const nodeOutput = transition(
  import.meta.url,
  'nodeOutput',
  function* ({ run_id, node_id }: { run_id: string; node_id: string }): Steps<Json> {
    const found = yield* first<{ output: string | null }>(
      sql`select output from workflow_nodes where run_id = ${run_id} and node_id = ${node_id}`,
    )
    return JSON.parse(found?.output ?? 'null')
  },
)

/** Without the items of fan-outs, unless they are asked for. */
export function* nodeRecords(run_id: string, { items = false } = {}): Steps<NodeRecord[]> {
  const rows = yield* all<NodeRecord & { output: string | null; error: string | null }>(sql`
    select node_id, parent_id, status, started_ms, ended_ms, output, error from workflow_nodes where run_id = ${run_id}
    ${items ? empty : sql`and parent_id is null`}`)
  return rows.map(row => ({
    ...row,
    output: row.output === null ? undefined : JSON.parse(row.output),
    error: row.error === null ? null : JSON.parse(row.error),
  }))
}

export function* stepRecords(run_id: string): Steps<StepRecord[]> {
  const rows = yield* all<StepRecord & { message: string; results: string }>(sql`
    select node_id, step, request_id, provider, model, response_id, stop_reason, input_tokens, output_tokens, cost_nano_usd,
      message, results, waiting_until, failure
    from workflow_steps where run_id = ${run_id} order by node_id, step`)
  return rows.map(row => ({ ...row, message: JSON.parse(row.message), results: JSON.parse(row.results) }))
}
