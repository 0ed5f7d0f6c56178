// Rows as the gateway dialect shows them (contracts: gateway §1.3).
import { assistantId } from '../core/ids.ts'
import { isEnded, type Run } from '../core/runs.ts'
import { type RunTotals, runTotals } from '../core/usage.ts'
import type { Database } from '../db/database.ts'
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
  follow_up_to_run_id: own('follow_up_to_run_id'),
  metadata: { columns: ['metadata'], show: run => JSON.parse(run.metadata) },
  kwargs: { columns: ['kwargs'], show: run => masked(JSON.parse(run.kwargs)) },
  multitask_strategy: own('multitask_strategy'),
  created_at: own('created_at'),
  updated_at: own('updated_at'),
  error: { columns: ['status', 'ending'], show: run => (isEnded(run) ? endingOf(run).error?.message : null) ?? null },
  stop_reason: { columns: ['status', 'ending'], show: stopReason },
}

/** Runs of one thread with the selected fields; all of them without a selection. */
export async function gatewayRuns(
  db: Database,
  runs: Run[],
  select?: readonly RunField[] | null,
): Promise<Record<string, unknown>[]> {
  const fields = select ?? RUN_FIELDS
  const thread_id = runs[0]?.thread_id
  const run_ids = runs.map(run => run.run_id)
  const totals = thread_id && fields.some(isTotal) ? await db.run(runTotals, { thread_id, run_ids }) : {}
  return runs.map(run =>
    Object.fromEntries(
      fields.map(field => [field, isTotal(field) ? totals[run.run_id]?.[field] : FIELDS[field].show(run)]),
    ),
  )
}

export async function gatewayRun(db: Database, run: Run): Promise<Record<string, unknown>> {
  return (await gatewayRuns(db, [run]))[0] as Record<string, unknown>
}

/** The columns that a selection of fields needs. */
export function columnsOf(select: readonly RunField[]): (keyof Run)[] {
  const columns = select.flatMap(field => (isTotal(field) ? [] : FIELDS[field].columns))
  return [...new Set<keyof Run>(['run_id', 'thread_id', ...columns])]
}

function isTotal(field: RunField): field is keyof RunTotals {
  return !(field in FIELDS)
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
