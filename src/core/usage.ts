// Token usage: one row for each finished model call of a run, written under the run's fence as soon as the call has ended
// (contracts: gateway §1.11). Tokens that were spent stay counted for the thread, whatever becomes of the run.
import sql, { empty, join } from 'sql-template-tag'
import { all, type Bulk, insertMany, type Row, type Steps, transition } from '../db/database.ts'
import { countMessages } from './messages.ts'
import { getThread, type ThreadKey } from './threads.ts'

export interface ModelCall extends Row {
  /** LangChain's id of the call, by which it counts once. */
  call_id: string
  thread_id: string
  run_id: string
  model: string
  caller: Caller
  input_tokens: number
  output_tokens: number
  total_tokens: number
  /** Of the input, what the provider had cached. */
  cache_read_tokens: number
}

/** Who calls models: the run's own graph, one of its subgraphs, or something that serves it (a title, a summary). */
export type Caller = 'lead_agent' | 'subagent' | 'middleware'

const insertCalls = insertMany(
  'model_calls',
  {
    call_id: 'text',
    thread_id: 'text',
    run_id: 'text',
    model: 'text',
    caller: 'text',
    input_tokens: 'bigint',
    output_tokens: 'bigint',
    total_tokens: 'bigint',
    cache_read_tokens: 'bigint',
  },
  { ignore: true },
)

export function modelCallRows(calls: readonly ModelCall[]): Bulk {
  return insertCalls(calls)
}

/** What a run came to in numbers. */
export interface RunTotals {
  total_input_tokens: number
  total_output_tokens: number
  total_tokens: number
  llm_call_count: number
  lead_agent_tokens: number
  subagent_tokens: number
  middleware_tokens: number
  message_count: number
}

const NOTHING: RunTotals = {
  total_input_tokens: 0,
  total_output_tokens: 0,
  total_tokens: 0,
  llm_call_count: 0,
  lead_agent_tokens: 0,
  subagent_tokens: 0,
  middleware_tokens: 0,
  message_count: 0,
}

/** The totals of runs of one thread, by run id; of a run that executes, those so far. */
export const runTotals = transition(
  import.meta.url,
  'runTotals',
  function* ({ thread_id, run_ids }: { thread_id: string; run_ids: string[] }): Steps<Record<string, RunTotals>> {
    if (run_ids.length === 0) return {}
    const spent = yield* all<Omit<RunTotals, 'message_count'> & { run_id: string }>(sql`
      select run_id, ${sums}, count(*) as llm_call_count, ${byCaller}
      from model_calls where thread_id = ${thread_id} and run_id in (${join(run_ids)}) group by run_id`)
    const calls = new Map(spent.map(({ run_id, ...totals }) => [run_id, totals]))
    const messages = yield* countMessages(thread_id, run_ids)
    return Object.fromEntries(
      run_ids.map(run_id => {
        return [run_id, { ...NOTHING, ...calls.get(run_id), message_count: messages.get(run_id) ?? 0 }]
      }),
    )
  },
)

const sums = sql`
  cast(coalesce(sum(input_tokens), 0) as bigint) as total_input_tokens,
  cast(coalesce(sum(output_tokens), 0) as bigint) as total_output_tokens,
  cast(coalesce(sum(total_tokens), 0) as bigint) as total_tokens`

const byCaller = sql`
  cast(coalesce(sum(case when caller = 'lead_agent' then total_tokens end), 0) as bigint) as lead_agent_tokens,
  cast(coalesce(sum(case when caller = 'subagent' then total_tokens end), 0) as bigint) as subagent_tokens,
  cast(coalesce(sum(case when caller = 'middleware' then total_tokens end), 0) as bigint) as middleware_tokens`

export interface ThreadUsage {
  thread_id: string
  total_tokens: number
  total_input_tokens: number
  total_output_tokens: number
  /** Runs that called a model. */
  total_runs: number
  by_model: Record<string, ModelUsage>
  by_caller: Record<Caller, number>
}

export interface ModelUsage {
  tokens: number
  /** Runs that called this model; one may have called others as well. */
  runs: number
  input_tokens: number
  output_tokens: number
  cache_read_tokens: number
}

/** What a thread's runs have spent; those that have not ended count with `include_active`. */
export const threadUsage = transition(
  import.meta.url,
  'threadUsage',
  function* ({ include_active, ...key }: ThreadKey & { include_active: boolean }): Steps<ThreadUsage> {
    const { thread_id } = yield* getThread.steps(key)
    const counted = sql`thread_id = ${thread_id} ${
      include_active
        ? empty
        : sql`and not exists (
          select 1 from runs where runs.run_id = model_calls.run_id and status in ('pending', 'running'))`
    }`
    const [totals] = yield* all<Omit<RunTotals, 'llm_call_count' | 'message_count'> & { total_runs: number }>(sql`
      select ${sums}, ${byCaller}, count(distinct run_id) as total_runs from model_calls where ${counted}`)
    const models = yield* all<ModelUsage & { model: string }>(sql`
      select model, cast(sum(total_tokens) as bigint) as tokens, count(distinct run_id) as runs,
        cast(sum(input_tokens) as bigint) as input_tokens, cast(sum(output_tokens) as bigint) as output_tokens,
        cast(sum(cache_read_tokens) as bigint) as cache_read_tokens
      from model_calls where ${counted} group by model order by model`)
    const {
      total_runs = 0,
      lead_agent_tokens,
      subagent_tokens,
      middleware_tokens,
      ...all_tokens
    } = {
      ...NOTHING,
      ...totals,
    }
    return {
      thread_id,
      total_tokens: all_tokens.total_tokens,
      total_input_tokens: all_tokens.total_input_tokens,
      total_output_tokens: all_tokens.total_output_tokens,
      total_runs,
      by_model: Object.fromEntries(models.map(({ model, ...usage }) => [model, usage])),
      by_caller: { lead_agent: lead_agent_tokens, subagent: subagent_tokens, middleware: middleware_tokens },
    }
  },
)
