// One call of a chat model: LangChain's messages from a request's, and an answer in the request's terms again. The same
// adapter as the agents' (agent/models.ts) makes the models; this file only speaks to them.
import type { BaseChatModel } from '@langchain/core/language_models/chat_models'
import {
  AIMessage,
  type AIMessageChunk,
  type BaseMessage,
  HumanMessage,
  SystemMessage,
  ToolMessage,
  type UsageMetadata,
} from '@langchain/core/messages'
import type { Json } from '../core/json.ts'
import type { PROVIDERS } from '../protocol/workflow-events.ts'
import { NodeFailure } from './failure.ts'
import type { LlmRequest, MessageItem, MessageToolCall, ToolObject } from './plan.ts'

/** Makes chat models by name: `provider:name`, a name whose provider is plain, `offline`, or `default`, the server's own. */
export interface Models {
  get(name: string, settings?: ModelSettings): Promise<BaseChatModel>
  /** Undefined where nobody has said. */
  priceOf(name: string): Price | undefined
}

/** US dollars for a million tokens. */
export interface Price {
  input: number
  /** Of what the provider had cached; as `input` without one. */
  cached_input?: number | undefined
  output: number
}

export interface ModelSettings {
  max_output_tokens?: number
  temperature?: number
}

export interface ModelAnswer {
  response_id: string | null
  model: string
  /** One of those that clients know; null for others. */
  provider: string | null
  stop_reason: string | null
  input_tokens: number
  output_tokens: number
  /** Of the input, what the provider had cached. */
  cached_tokens: number
  message: MessageItem
  text: string
}

export type Delta = { kind: string; text_delta?: string; response_id?: string; model?: string }

/** Calls a model. With `onDelta` it streams. Rejects with a NodeFailure, or with the signal's reason. */
export async function callModel(
  models: Models,
  name: string,
  request: LlmRequest,
  { signal, onDelta }: { signal: AbortSignal; onDelta?: (delta: Delta) => Promise<void> },
): Promise<ModelAnswer> {
  try {
    const { max_output_tokens, temperature } = request
    const model = await models.get(name, {
      ...(max_output_tokens !== undefined && { max_output_tokens }),
      ...(temperature !== undefined && { temperature }),
    })
    const tools = (request.tools ?? []).map(boundTool)
    const bound = tools.length > 0 && model.bindTools ? model.bindTools(tools as never) : model
    const options = { signal, ...callOptions(model, request) }
    const messages = [...request.input, ...instructions(model, request)].map(langchainMessage)
    const answer = onDelta
      ? await streamed(bound.stream(messages, options as never), name, onDelta)
      : await bound.invoke(messages, options as never)
    return answerOf(answer as unknown as AIMessage, name, model)
  } catch (error) {
    if (signal.aborted) throw signal.reason
    throw providerFailure(error)
  }
}

function boundTool({ function: tool }: ToolObject) {
  return { type: 'function', function: { parameters: { type: 'object', properties: {} }, ...tool } }
}

function callOptions(model: BaseChatModel, { stop, output_format }: LlmRequest): Record<string, unknown> {
  const structured = output_format?.type === 'json_schema' && speaksOpenAI(model)
  return {
    ...(stop && { stop }),
    ...(structured && { response_format: { type: 'json_schema', json_schema: output_format.json_schema } }),
  }
}

/** Providers without OpenAI's `response_format` are told in words; the answer is checked in any case. */
function instructions(model: BaseChatModel, { output_format }: LlmRequest): MessageItem[] {
  if (output_format?.type !== 'json_schema' || speaksOpenAI(model)) return []
  const schema = JSON.stringify(output_format.json_schema?.schema)
  const text = `Answer with one JSON value and nothing else. It must match this JSON Schema: ${schema}`
  return [{ type: 'message', role: 'user', content: [{ type: 'text', text }] }]
}

function speaksOpenAI(model: BaseChatModel): boolean {
  return model._llmType() === 'openai'
}

async function streamed(
  stream: Promise<AsyncIterable<unknown>>,
  model: string,
  onDelta: (delta: Delta) => Promise<void>,
): Promise<AIMessageChunk> {
  let whole: AIMessageChunk | undefined
  for await (const one of await stream) {
    const chunk = one as AIMessageChunk
    if (!whole) await onDelta({ kind: 'message_start', model, ...(chunk.id && { response_id: chunk.id }) })
    whole = whole?.concat(chunk) ?? chunk
    if (chunk.text) await onDelta({ kind: 'message_delta', text_delta: chunk.text })
    for (const call of chunk.tool_call_chunks ?? []) {
      await onDelta({ kind: call.name ? 'tool_use_start' : 'tool_use_delta', text_delta: call.name || call.args || '' })
    }
  }
  if (!whole) throw new NodeFailure('empty_answer', 'the model answered nothing')
  await onDelta({ kind: 'message_stop' })
  return whole
}

function langchainMessage(item: MessageItem): BaseMessage {
  const text = item.content.map(part => (part.type === 'text' ? part.text : '')).join('')
  switch (item.role) {
    case 'system':
      return new SystemMessage(text)
    case 'user':
      return new HumanMessage(item.content.every(part => part.type === 'text') ? text : { content: blocks(item) })
    case 'tool':
      return new ToolMessage({ content: text, tool_call_id: item.tool_call_id ?? '' })
    case 'assistant':
      return new AIMessage({
        content: text,
        tool_calls: (item.tool_calls ?? []).map(call => ({
          id: call.id,
          name: call.function.name,
          args: argumentsOf(call) ?? {},
        })),
      })
  }
}

function blocks({ content }: MessageItem): Json[] {
  return content.map(part => {
    if (part.type === 'text') return part
    const { data_base64: data, mime_type, filename } = part.file
    const kind = mime_type.startsWith('image/') ? 'image' : mime_type.startsWith('audio/') ? 'audio' : 'file'
    const source = { source_type: 'base64', mime_type, data }
    return { type: kind, ...source, ...(filename !== undefined && { metadata: { filename } }) }
  })
}

/** A call's arguments as an object; undefined when the model wrote something else. */
export function argumentsOf({ function: { arguments: text } }: MessageToolCall): Record<string, Json> | undefined {
  try {
    const value = JSON.parse(text || '{}')
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}

function answerOf(answer: AIMessage, name: string, model: BaseChatModel): ModelAnswer {
  const calls: MessageToolCall[] = [
    ...(answer.tool_calls ?? []).map(({ id, name, args }) => toolCall(id, name, JSON.stringify(args))),
    ...(answer.invalid_tool_calls ?? []).map(({ id, name, args }) => toolCall(id, name ?? 'unknown', args ?? '')),
  ]
  const { usage_metadata, response_metadata: metadata } = answer
  const usage = usage_metadata as UsageMetadata | undefined
  const reason = metadata?.finish_reason ?? metadata?.stop_reason
  const message: MessageItem = {
    type: 'message',
    role: 'assistant',
    content: [{ type: 'text', text: answer.text }],
    ...(calls.length > 0 && { tool_calls: calls }),
  }
  return {
    response_id: answer.id ?? null,
    model: name,
    provider: providerOf(model),
    stop_reason: typeof reason === 'string' ? reason : calls.length > 0 ? 'tool_calls' : 'stop',
    input_tokens: usage?.input_tokens ?? 0,
    output_tokens: usage?.output_tokens ?? 0,
    cached_tokens: usage?.input_token_details?.cache_read ?? 0,
    message,
    text: answer.text,
  }
}

function toolCall(id: string | undefined, name: string, given: string): MessageToolCall {
  return { id: id || `call_${crypto.randomUUID()}`, type: 'function', function: { name, arguments: given } }
}

const PROVIDER_OF: Record<string, (typeof PROVIDERS)[number]> = {
  openai: 'openai',
  anthropic: 'anthropic',
  xai: 'xai',
  'google-generativeai': 'google-ai-studio',
  'google-genai': 'google-ai-studio',
}

function providerOf(model: BaseChatModel): string | null {
  return PROVIDER_OF[model._llmType()] ?? null
}

function providerFailure(error: unknown): NodeFailure {
  if (error instanceof NodeFailure) return error
  const { status, message = String(error), name } = error as { status?: number; message?: string; name?: string }
  if (status === 429) return new NodeFailure('rate_limit', 'the provider limits the rate of calls', message)
  if (name === 'TimeoutError') return new NodeFailure('timeout', 'the provider did not answer in time', message)
  return new NodeFailure('provider_error', `the model could not be called: ${message.slice(0, 500)}`, message)
}
