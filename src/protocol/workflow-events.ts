// The events of a workflow run as clients read them (contracts: workflows §10): flat, and exactly these fields, because
// clients refuse what they do not know.
import { z } from 'zod'

const text = z.string().min(1)
const whole = z.number().int().min(0)
const hash = z.string().regex(/^[0-9a-f]{64}$/)

const envelope = {
  envelope_version: z.literal('v2'),
  run_id: z.uuid(),
  seq: z.number().int().min(1),
  ts: z.iso.datetime(),
}

export const eventError = z.strictObject({ code: z.string().optional(), message: text })
export type EventError = z.infer<typeof eventError>

const artifact = z.strictObject({
  artifact_key: text,
  info: z.strictObject({ bytes: whole, sha256: text, included: z.literal(false) }),
})

const delta = z.strictObject({
  kind: z.enum(['message_start', 'message_delta', 'message_stop', 'tool_use_start', 'tool_use_delta', 'tool_use_stop']),
  text_delta: z.string().optional(),
  response_id: z.string().optional(),
  model: z.string().optional(),
})

/** Providers that the clients' own enumerations know; others are left out of events. */
export const PROVIDERS = ['anthropic', 'openai', 'xai', 'google-ai-studio'] as const

const call = { step: whole, request_id: z.uuid() }
const toolName = z.strictObject({ id: text, name: text })
const toolCall = z.strictObject({ id: text, name: text, arguments: z.string() })

const llmCall = z.strictObject({
  ...call,
  provider: z.enum(PROVIDERS).optional(),
  model: z.string().optional(),
  response_id: z.string().optional(),
  stop_reason: z.string().optional(),
  usage: z
    .strictObject({
      input_tokens: whole.optional(),
      output_tokens: whole.optional(),
      total_tokens: whole.optional(),
    })
    .optional(),
})

const toolResult = z.strictObject({
  ...call,
  tool_call: toolName.extend({ arguments: z.string().optional() }),
  output: z.string(),
  error: z.string().optional(),
})

const waiting = z.strictObject({
  ...call,
  pending_tool_calls: z.array(z.strictObject({ tool_call: toolCall })).min(1),
  reason: text,
})

const userAsk = z.strictObject({
  ...call,
  tool_call: toolCall,
  question: text,
  options: z.array(z.strictObject({ label: text, description: z.string().optional() })).optional(),
  allow_freeform: z.boolean(),
})

const userAnswer = z.strictObject({ ...call, tool_call: toolName, answer: text, is_freeform: z.boolean() })

function ofRun<T extends string, S extends z.ZodRawShape>(type: T, payload: S) {
  return z.strictObject({ ...envelope, type: z.literal(type), plan_hash: hash, ...payload })
}

function ofNode<T extends string, S extends z.ZodRawShape>(type: T, payload: S) {
  return z.strictObject({ ...envelope, type: z.literal(type), node_id: text, ...payload })
}

export const runEvent = z.discriminatedUnion('type', [
  ofRun('run_compiled', {}),
  ofRun('run_started', {}),
  ofRun('run_completed', { outputs: artifact }),
  ofRun('run_failed', { error: eventError }),
  ofRun('run_canceled', { error: eventError }),
  ofNode('node_started', {}),
  ofNode('node_succeeded', {}),
  ofNode('node_failed', { error: eventError }),
  ofNode('node_output', { output: artifact }),
  ofNode('node_output_delta', { delta }),
  ofNode('node_llm_call', { llm_call: llmCall }),
  ofNode('node_tool_call', { tool_call: z.strictObject({ ...call, tool_call: toolCall }) }),
  ofNode('node_tool_result', { tool_result: toolResult }),
  ofNode('node_waiting', { waiting }),
  ofNode('node_user_ask', { user_ask: userAsk }),
  ofNode('node_user_answer', { user_answer: userAnswer }),
])
export type WorkflowEvent = z.infer<typeof runEvent>
export type WorkflowEventType = WorkflowEvent['type']
