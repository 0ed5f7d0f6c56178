// A run as clients see it (contracts: workflows §2.3, §11), and the event that ends it. The terminal event is no row of
// the log: it is made of what the run's row says, so the log and the status can never tell two stories.
import type { Json } from '../core/json.ts'
import { isEnded, type Run } from '../core/runs.ts'
import type { EventError } from '../protocol/workflow-events.ts'
import { llmCall, toolCall, unanswered } from './llm.ts'
import type { NodeRecord, StepRecord } from './records.ts'
import type { Snapshot } from './runs.ts'
import { artifact, outputsOf } from './values.ts'

/** The outputs of a run that succeeded; empty for others. */
export function snapshotOutputs({ status, plan, nodes }: Snapshot): Record<string, Json> {
  if (status !== 'succeeded') return {}
  const outputs = new Map(nodes.map(node => [node.node_id, node.output]))
  return outputsOf(plan, id => outputs.get(id))
}

export function wireWorkflowRun(snapshot: Snapshot, { steps = false, plan: withPlan = false } = {}) {
  const { run, status, plan, nodes } = snapshot
  const records = new Map(nodes.map(node => [node.node_id, node]))
  const { plan_hash } = JSON.parse(run.kwargs) as { plan_hash: string }
  const cost_summary = costs(snapshot.steps)
  return {
    run_id: run.run_id,
    status,
    plan_hash,
    created_at: run.created_at,
    cost_summary,
    nodes: plan.nodes.map(({ id, type }) => ({ id, type, ...nodeResult(records.get(id), isEnded(run)) })),
    outputs: snapshotOutputs(snapshot),
    summary: summary(snapshot.steps, cost_summary.total_usd_cents),
    ...(steps && { steps: stepsByNode(snapshot.steps) }),
    ...(withPlan && { plan_json: plan }),
  }
}

/** A node that was left when its run ended is canceled. */
function nodeResult(record: NodeRecord | undefined, ended: boolean) {
  if (!record) return { status: ended ? 'canceled' : 'pending' }
  const { started_ms, ended_ms, output, error } = record
  const left = ended && (record.status === 'running' || record.status === 'waiting')
  return {
    status: left ? 'canceled' : record.status,
    started_at: new Date(started_ms).toISOString(),
    ...(ended_ms !== null && { ended_at: new Date(ended_ms).toISOString() }),
    ...(output !== undefined && { output }),
    ...(error && { error }),
  }
}

/** One line a provider and model, in whole cents: a call's fraction of one counts in the line's sum. */
function costs(steps: StepRecord[]) {
  // Clients know four providers; a model of another is shown under the protocol that most of the others speak.
  const byModel = Map.groupBy(steps, ({ provider, model }) => JSON.stringify([provider ?? 'openai', model]))
  const line_items = [...byModel].map(([key, calls]) => {
    const [provider_id, model] = JSON.parse(key) as [string, string]
    return { provider_id, model, requests: calls.length, ...tokens(calls), usd_cents: centsOf(calls) }
  })
  return { total_usd_cents: line_items.reduce((sum, item) => sum + item.usd_cents, 0), line_items }
}

const NANO_USD_A_CENT = 10_000_000

function centsOf(calls: StepRecord[]): number {
  return Math.round(calls.reduce((sum, { cost_nano_usd }) => sum + cost_nano_usd, 0) / NANO_USD_A_CENT)
}

function tokens(steps: StepRecord[]) {
  return {
    input_tokens: steps.reduce((sum, step) => sum + step.input_tokens, 0),
    output_tokens: steps.reduce((sum, step) => sum + step.output_tokens, 0),
  }
}

function summary(steps: StepRecord[], total_cost_cents: number) {
  const { input_tokens, output_tokens } = tokens(steps)
  return {
    total_steps: steps.length,
    total_llm_calls: steps.length,
    total_tool_calls: steps.reduce((sum, step) => sum + (step.message.tool_calls?.length ?? 0), 0),
    total_input_tokens: input_tokens,
    total_output_tokens: output_tokens,
    total_cost_cents,
  }
}

function stepsByNode(steps: StepRecord[]) {
  return [...Map.groupBy(steps, step => step.node_id)].map(([node_id, own]) => ({ node_id, steps: own.map(wireStep) }))
}

/** A model call with its tools. */
export function wireStep(step: StepRecord) {
  const calls = (step.message.tool_calls ?? []).map(toolCall)
  const results = calls.flatMap(({ id, name }) => {
    const outcome = step.results[id]
    return outcome ? [{ tool_call: { id, name }, ...outcome }] : []
  })
  return {
    step: step.step,
    request_id: step.request_id,
    llm_call: llmCall(step),
    llm_response: step.message,
    ...(calls.length > 0 && { tool_calls: calls.map(tool_call => ({ tool_call })) }),
    ...(results.length > 0 && { tool_results: results }),
    ...(step.waiting_until !== null && { waiting: { pending_tool_calls: openCalls(step), reason: 'tool_results' } }),
  }
}

/** One call of a tool with its result, where there is one yet; undefined where no such call was made. */
export function wireToolCall(steps: StepRecord[], number: number, call_id: string) {
  for (const { node_id, ...step } of steps.filter(one => one.step === number)) {
    const call = step.message.tool_calls?.find(one => one.id === call_id)
    if (!call) continue
    const tool_result = step.results[call_id]
    const made = { node_id, step: number, request_id: step.request_id, tool_call: toolCall(call) }
    return { ...made, ...(tool_result && { tool_result }) }
  }
  return undefined
}

/** The calls that the client has yet to answer. */
export function openCalls(step: StepRecord) {
  return unanswered(step).map(call => ({ tool_call: toolCall(call) }))
}

/** What a run's stream ends with; undefined while it is in flight. */
export function terminalEvent(snapshot: Snapshot): { type: string; payload: object; at_ms: number } | undefined {
  const { run, status } = snapshot
  if (!isEnded(run)) return undefined
  const { plan_hash } = JSON.parse(run.kwargs) as { plan_hash: string }
  const at_ms = Date.parse(run.ended_at ?? run.updated_at)
  if (status === 'succeeded') {
    const outputs = artifact('run_outputs.v0', snapshotOutputs(snapshot))
    return { type: 'run_completed', payload: { plan_hash, outputs }, at_ms }
  }
  const type = status === 'failed' ? 'run_failed' : 'run_canceled'
  return { type, payload: { plan_hash, error: runError(run) }, at_ms }
}

function runError(run: Run): EventError {
  const { reason = 'canceled', error } = JSON.parse(run.ending ?? '{}') as {
    reason?: string
    error?: { error: string; message: string }
  }
  if (error) return { code: run.status === 'timeout' ? 'timeout' : error.error, message: error.message || error.error }
  return { code: reason, message: 'the run was canceled' }
}
