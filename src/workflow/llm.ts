// A model node at work (contracts: workflows §5, §6): calls, tools, waits, attempts. Every call is a stored step, so a
// node that is taken up again goes on after its last one.
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Validator } from '@cfworker/json-schema'
import type { Json } from '../core/json.ts'
import type { Bulk } from '../db/database.ts'
import { NodeFailure } from './failure.ts'
import type { Journal } from './journal.ts'
import { textItem } from './messages.ts'
import { callModel, type Delta, type ModelAnswer, type Models, type Price } from './model-call.ts'
import type { LlmInput, LlmRequest, MessageToolCall } from './plan.ts'
import { type StepRecord, stepRow, type ToolOutcome } from './records.ts'
import type { ServerTools, ToolDone } from './server-tools.ts'
import { askOf } from './user-ask.ts'

export interface LlmPorts {
  journal: Journal
  models: Models
  tools: ServerTools
  /** Whose values its tools keep. */
  session_id?: string
}

export interface LlmJob {
  node_id: string
  /** With its bindings filled in. */
  request: LlmRequest
  model: string
  input: LlmInput
  /** `route.switch`: the answer is JSON. */
  routes: boolean
  /** What it has done so far; grows. */
  steps: StepRecord[]
  /** Attempts in this process that came to no answer. */
  lost: number
  /** The node's row while it waits. */
  waitingRow(): Bulk
}

/** The node waits for its client; the last step says until when. */
export const WAITS = Symbol('waits')

/** Works until there is an answer or until the client is needed. Rejects with a NodeFailure, or the signal's reason. */
export async function runLlm(job: LlmJob, ports: LlmPorts, signal: AbortSignal): Promise<Json | typeof WAITS> {
  const { retryable_errors, backoff_ms } = job.input.retry
  for (let pause = backoff_ms; ; pause = Math.min(pause * 2, MOST_BACKOFF_MS)) {
    try {
      return await attempt(job, ports, signal)
    } catch (error) {
      if (signal.aborted || !(error instanceof NodeFailure)) throw error
      if (!retryable_errors.includes(error.code) || isExhausted(job)) throw error
      await sleep(pause * (0.5 + Math.random()), undefined, { signal })
    }
  }
}

const MOST_BACKOFF_MS = 60_000

function isExhausted({ steps, lost, input }: LlmJob): boolean {
  return steps.filter(step => step.failure !== null).length + lost >= input.retry.max_attempts
}

async function attempt(job: LlmJob, ports: LlmPorts, signal: AbortSignal): Promise<Json | typeof WAITS> {
  for (;;) {
    const last = job.steps.at(-1)
    if (last?.failure && isExhausted(job)) throw new NodeFailure(last.failure, 'no attempt came to a usable answer')
    if (last?.failure === null) {
      if (last.waiting_until !== null) return WAITS
      if (last.message.tool_calls === undefined) return outputOf(job)
      checkLimits(job, last)
      await useServerTools(job, last, ports, signal)
      if (await askClient(job, last, ports)) return WAITS
    }
    await nextStep(job, ports, signal)
  }
}

function checkLimits({ steps, input }: LlmJob, { message: { tool_calls = [] } }: StepRecord) {
  const { max_tool_calls_per_step } = input.tool_limits
  if (tool_calls.length > max_tool_calls_per_step) {
    const many = `the model asked for ${tool_calls.length} tools at once; ${max_tool_calls_per_step} are allowed`
    throw new NodeFailure('max_tool_calls_per_step', many)
  }
  const used = steps.filter(step => step.message.tool_calls !== undefined).length
  if (input.tool_execution.mode === 'agentic' && used > input.max_tool_steps) {
    throw new NodeFailure('max_tool_steps', `the node used tools in more than ${input.max_tool_steps} steps`)
  }
}

/** The calls of a step that have no result yet. */
export function unanswered({ message, results }: StepRecord): MessageToolCall[] {
  return (message.tool_calls ?? []).filter(call => !Object.hasOwn(results, call.id))
}

async function nextStep(job: LlmJob, { journal, models }: LlmPorts, signal: AbortSignal): Promise<void> {
  const { node_id, steps, input } = job
  const { max_llm_calls } = input.tool_limits
  if (steps.length >= max_llm_calls) {
    throw new NodeFailure('max_llm_calls', `the node has called its model ${max_llm_calls} times without an answer`)
  }
  const onDelta = (delta: Delta) => {
    journal.append('node_output_delta', { node_id, delta })
    return journal.room()
  }
  const options = { signal, ...(input.stream && { onDelta }) }
  const answer = await callModel(models, job.model, conversation(job), options).catch(error => {
    job.lost++
    throw error
  })
  const fault = faultOf(job, answer)
  const step: StepRecord = {
    node_id,
    step: steps.length,
    request_id: randomUUID(),
    ...recordOf(answer, models.priceOf(job.model)),
    results: {},
    waiting_until: null,
    failure: fault?.code ?? null,
  }
  steps.push(step)
  journal.append('node_llm_call', { node_id, llm_call: llmCall(step) }, [stepRow(journal.run_id, step)])
  for (const call of step.message.tool_calls ?? []) {
    journal.append('node_tool_call', { node_id, tool_call: { ...callOf(step), tool_call: toolCall(call) } })
  }
  await journal.stored()
  if (fault) throw fault
}

function recordOf({ text: _, cached_tokens, ...answer }: ModelAnswer, price: Price | undefined) {
  return { ...answer, cost_nano_usd: price ? costOf({ ...answer, cached_tokens }, price) : 0 }
}

/** Prices are dollars a million tokens, so a token's is as many micro-dollars. */
function costOf({ input_tokens, cached_tokens, output_tokens }: Omit<ModelAnswer, 'text'>, price: Price): number {
  const { input, output, cached_input = input } = price
  const fresh = input_tokens - cached_tokens
  return Math.round(1_000 * (fresh * input + cached_tokens * cached_input + output_tokens * output))
}

/** The request with everything that was said since. */
function conversation({ request, steps }: LlmJob): LlmRequest {
  const said = steps.flatMap(step => {
    if (step.failure !== null) return []
    const results = (step.message.tool_calls ?? []).map(call => ({
      ...textItem('tool', textOf(step.results[call.id])),
      tool_call_id: call.id,
    }))
    return [step.message, ...results]
  })
  return { ...request, input: [...request.input, ...said] }
}

function textOf(outcome: ToolOutcome | undefined): string {
  if (!outcome) return ''
  return outcome.error && !outcome.output ? `Error: ${outcome.error}` : outcome.output
}

async function useServerTools(job: LlmJob, step: StepRecord, ports: LlmPorts, signal: AbortSignal): Promise<void> {
  const { journal, tools, session_id } = ports
  const scope = { run_id: journal.run_id, ...(session_id !== undefined && { session_id }) }
  for (const call of unanswered(step)) {
    const done = refusalOf(call) ?? (isClients(job, call, tools) ? undefined : await tools.use(call, scope, signal))
    if (!done) continue
    const { outcome, rows = [] } = done
    step.results[call.id] = outcome
    journal.append('node_tool_result', toolResult(step, call, outcome), [...rows, stepRow(journal.run_id, step)])
    await journal.stored()
  }
}

/** In client mode the client has every call; else those that the server has no tool for. */
function isClients({ input }: LlmJob, call: MessageToolCall, tools: ServerTools): boolean {
  return input.tool_execution.mode === 'client' || !tools.has(call.function.name)
}

/** What a model is told whose call makes no sense. */
function refusalOf(call: MessageToolCall): ToolDone | undefined {
  const ask = askOf(call)
  return ask && 'fault' in ask ? { outcome: { output: `Error: ${ask.fault}` } } : undefined
}

/** Hands the open calls to the client; true when there are any. The wait and what it is for are one commit. */
async function askClient(job: LlmJob, step: StepRecord, { journal }: LlmPorts): Promise<boolean> {
  const calls = unanswered(step)
  if (calls.length === 0) return false
  const { node_id } = step
  step.waiting_until = Date.now() + job.input.tool_limits.wait_ttl_ms
  for (const call of calls) {
    const ask = askOf(call)
    if (!ask || 'fault' in ask) continue
    const user_ask = { ...callOf(step), tool_call: toolCall(call), ...ask }
    journal.append('node_user_ask', { node_id, user_ask })
  }
  const pending_tool_calls = calls.map(call => ({ tool_call: toolCall(call) }))
  const waiting = { ...callOf(step), pending_tool_calls, reason: 'tool_results' }
  journal.append('node_waiting', { node_id, waiting }, [stepRow(journal.run_id, step), job.waitingRow()])
  await journal.stored()
  return true
}

function callOf({ step, request_id }: StepRecord) {
  return { step, request_id }
}

export function toolCall({ id, function: { name, arguments: given } }: MessageToolCall) {
  return { id, name, arguments: given }
}

export function toolResult(step: StepRecord, call: MessageToolCall, { output, error }: ToolOutcome) {
  const { id, name } = toolCall(call)
  const tool_result = { ...callOf(step), tool_call: { id, name }, output, ...(error !== undefined && { error }) }
  return { node_id: step.node_id, tool_result }
}

/** A step as the `node_llm_call` event has it. */
export function llmCall(step: StepRecord) {
  const { provider, model, response_id, stop_reason, input_tokens, output_tokens } = step
  return {
    ...callOf(step),
    ...(provider && { provider }),
    model,
    ...(response_id && { response_id }),
    ...(stop_reason && { stop_reason }),
    usage: { input_tokens, output_tokens, total_tokens: input_tokens + output_tokens },
  }
}

/** What is wrong with a last answer that has to be JSON. */
function faultOf(job: LlmJob, { text, message, stop_reason }: ModelAnswer): NodeFailure | undefined {
  if (message.tool_calls !== undefined) return undefined
  const cut = stop_reason === 'length' || stop_reason === 'max_tokens'
  const parsed = structured(job, text)
  if (!parsed || 'value' in parsed) return undefined
  if (cut) return new NodeFailure('truncated', 'the answer was cut off before its JSON was complete', text)
  return new NodeFailure('invalid_json', parsed.fault, text)
}

/** The value of an answer that has to be JSON; undefined where any text will do. */
function structured({ request, routes }: LlmJob, text: string): { value: Json } | { fault: string } | undefined {
  const format = request.output_format
  if (format?.type !== 'json_schema' && !routes) return undefined
  let value: Json
  try {
    value = JSON.parse(text)
  } catch {
    return { fault: 'the answer is no JSON' }
  }
  const schema = format?.json_schema?.schema
  const result = schema ? new Validator(schema, '2020-12', false).validate(value) : { valid: true, errors: [] }
  if (result.valid) return { value }
  const reasons = result.errors.slice(-3).map(({ instanceLocation, error }) => `${instanceLocation} ${error}`)
  return { fault: `the answer does not match the schema: ${reasons.join(' ')}` }
}

/** The node's output: the whole answer (§5); a router's is the JSON that it wrote. */
function outputOf(job: LlmJob): Json {
  const step = job.steps.at(-1) as StepRecord
  const { model, provider, response_id, stop_reason, message } = step
  const [part] = message.content
  const parsed = structured(job, part?.type === 'text' ? part.text : '')
  if (job.routes) return (parsed as { value: Json }).value
  const input_tokens = job.steps.reduce((sum, each) => sum + each.input_tokens, 0)
  const output_tokens = job.steps.reduce((sum, each) => sum + each.output_tokens, 0)
  return {
    id: response_id ?? step.request_id,
    model,
    ...(provider && { provider }),
    output: [message],
    ...(stop_reason && { stop_reason }),
    usage: { input_tokens, output_tokens, total_tokens: input_tokens + output_tokens },
    ...(parsed && 'value' in parsed && { structured: parsed.value }),
  }
}
