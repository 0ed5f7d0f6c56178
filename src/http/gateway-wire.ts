// Rows as the gateway dialect shows them (contracts: gateway §1.3).
import { assistantId } from '../core/ids.ts'
import { isEnded, type Run } from '../core/runs.ts'
import { RUN_FIELDS, type RunField } from '../protocol/gateway.ts'
import { endingOf } from './face.ts'

interface Shown {
  columns: readonly (keyof Run)[]
  show: (run: Run) => unknown
}

const own = (column: keyof Run): Shown => ({ columns: [column], show: run => run[column] })

/** The fields that are the row's own, and what each is made from; the others are totals. */
const FIELDS: Record<Exclude<RunField, keyof RunTotals>, Shown> = {
  run_id: own('run_id'),
  thread_id: own('thread_id'),
  assistant_id: { columns: ['assistant_id', 'kwargs'], show: assistantName },
  status: own('status'),
  metadata: { columns: ['metadata'], show: run => JSON.parse(run.metadata) },
  kwargs: { columns: ['kwargs'], show: run => masked(JSON.parse(run.kwargs)) },
  multitask_strategy: own('multitask_strategy'),
  created_at: own('created_at'),
  updated_at: own('updated_at'),
  error: { columns: ['status', 'ending'], show: run => (isEnded(run) ? endingOf(run).error?.message : null) ?? null },
  stop_reason: { columns: ['status', 'ending'], show: stopReason },
}

/** Runs with the selected fields; all of them without a selection. */
export async function gatewayRuns(
  runs: Run[],
  select?: readonly RunField[] | null,
): Promise<Record<string, unknown>[]> {
  const fields = select ?? RUN_FIELDS
  const totals = fields.some(isTotal) ? await totalsOf(runs) : {}
  return runs.map(run =>
    Object.fromEntries(
      fields.map(field => [field, isTotal(field) ? totals[run.run_id]?.[field] : FIELDS[field].show(run)]),
    ),
  )
}

export async function gatewayRun(run: Run): Promise<Record<string, unknown>> {
  return (await gatewayRuns([run]))[0] as Record<string, unknown>
}

/** The columns that a selection of fields needs. */
export function columnsOf(select: readonly RunField[]): (keyof Run)[] {
  const columns = select.flatMap(field => (isTotal(field) ? [] : FIELDS[field].columns))
  return [...new Set<keyof Run>(['run_id', 'thread_id', ...columns])]
}

function isTotal(field: RunField): field is keyof RunTotals {
  return !(field in FIELDS)
}

const NOTHING = {
  total_input_tokens: 0,
  total_output_tokens: 0,
  total_tokens: 0,
  llm_call_count: 0,
  lead_agent_tokens: 0,
  subagent_tokens: 0,
  middleware_tokens: 0,
  message_count: 0,
}
type RunTotals = typeof NOTHING

/** What runs of one thread came to in numbers, by run id. */
async function totalsOf(runs: Run[]): Promise<Record<string, RunTotals>> {
  return Object.fromEntries(runs.map(({ run_id }) => [run_id, NOTHING]))
}

/** Why a run ended before it was done: `cancelled`, `superseded`, `failed`, `timeout`, `crashed`. */
function stopReason(run: Run): string | null {
  const { reason } = isEnded(run) ? endingOf(run) : {}
  return reason === undefined || reason === 'completed' ? null : reason
}

/** A configured graph's own assistant goes by the graph's name. */
function assistantName({ assistant_id, kwargs }: Run): string {
  const { graph_id } = JSON.parse(kwargs).config.configurable as { graph_id: string }
  return assistantId(graph_id) === assistant_id ? graph_id : assistant_id
}

/** Names whose texts are nobody's to read again: `api_key`, `accessToken`, `authorization`. */
const SECRET = /(api_?key|token|secret|password|passwd|authorization|credentials?|cookie)$/i

function masked(value: unknown, name = ''): unknown {
  if (typeof value === 'string') return SECRET.test(name) && value !== '' ? '***' : value
  if (Array.isArray(value)) return value.map(item => masked(item, name))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, masked(item, key)]))
}
