// A chat model that needs no key and no network, for the first minute with a server and for tests. It answers by a few
// fixed rules (offline-replies.ts) and behaves on the wire like a real provider: tokens, split tool calls, usage, abort.

import { randomUUID } from 'node:crypto'
import { setImmediate, setTimeout } from 'node:timers/promises'
import type { CallbackManagerForLLMRun } from '@langchain/core/callbacks/manager'
import {
  BaseChatModel,
  type BaseChatModelCallOptions,
  type BaseChatModelParams,
  type BindToolsInput,
} from '@langchain/core/language_models/chat_models'
import { AIMessageChunk, type BaseMessage, type StandardMessageStructure } from '@langchain/core/messages'
import type { ToolCallChunk } from '@langchain/core/messages/tool'
import { ChatGenerationChunk, type ChatResult } from '@langchain/core/outputs'
import { replyTo } from './offline-replies.ts'
import type { ToolRequest } from './offline-tools.ts'

/** `delay_ms` is the pause before each token, 25 by default: a pace that one can read. */
export interface OfflineModelFields extends BaseChatModelParams {
  delay_ms?: number
}

interface OfflineCallOptions extends BaseChatModelCallOptions {
  bound_tools?: string[]
}

const ARGUMENT_PIECES = /.{1,6}/gs

/** Deterministic but for its message and tool call ids. Rejects with the signal's reason when aborted in mid-stream. */
export class OfflineModel extends BaseChatModel<OfflineCallOptions> {
  readonly delay_ms: number

  constructor(fields: OfflineModelFields = {}) {
    super(fields)
    this.delay_ms = fields.delay_ms ?? 25
  }

  override _llmType(): string {
    return 'offline'
  }

  override bindTools(tools: BindToolsInput[], options: Partial<OfflineCallOptions> = {}) {
    return this.withConfig({ ...options, bound_tools: tools.map(toolName) })
  }

  override async _generate(
    messages: BaseMessage[],
    options: this['ParsedCallOptions'],
    runManager?: CallbackManagerForLLMRun,
  ): Promise<ChatResult> {
    let whole: ChatGenerationChunk | undefined
    for await (const chunk of this._streamResponseChunks(messages, options, runManager)) {
      whole = whole?.concat(chunk) ?? chunk
    }
    return { generations: whole ? [whole] : [] }
  }

  override async *_streamResponseChunks(
    messages: BaseMessage[],
    options: this['ParsedCallOptions'],
    runManager?: CallbackManagerForLLMRun,
  ): AsyncGenerator<ChatGenerationChunk> {
    for (const message of replyChunks(messages, new Set(options.bound_tools))) {
      await this.#pause(options.signal)
      const chunk = new ChatGenerationChunk({ message, text: message.text })
      yield chunk
      await runManager?.handleLLMNewToken(chunk.text, undefined, undefined, undefined, undefined, { chunk })
    }
  }

  // Without a delay it still leaves the event loop a turn at each token, as a network read would.
  async #pause(signal: AbortSignal | undefined): Promise<void> {
    try {
      await (this.delay_ms > 0 ? setTimeout(this.delay_ms, undefined, { signal }) : setImmediate(undefined, { signal }))
    } catch (error) {
      throw signal?.reason ?? error
    }
  }
}

function* replyChunks(messages: BaseMessage[], tools: ReadonlySet<string>): Generator<AIMessageChunk> {
  const id = `msg-${randomUUID()}`
  const { text, calls } = replyTo(messages, tools)
  let output_tokens = 0
  for (const content of tokens(text)) {
    output_tokens++
    yield new AIMessageChunk({ id, content })
  }
  for (const chunk of calls.flatMap(toolCallChunks)) {
    output_tokens++
    yield new AIMessageChunk({ id, content: '', tool_call_chunks: [chunk] })
  }
  const input_tokens = messages.reduce((sum, message) => sum + tokens(message.text).length, 0)
  yield new AIMessageChunk<StandardMessageStructure>({
    id,
    content: '',
    response_metadata: { model_name: 'offline', finish_reason: calls.length > 0 ? 'tool_calls' : 'stop' },
    usage_metadata: { input_tokens, output_tokens, total_tokens: input_tokens + output_tokens },
  })
}

// As providers stream a call: first its id and name, then its JSON arguments in pieces that are no JSON by themselves.
function toolCallChunks({ name, args }: ToolRequest, index: number): ToolCallChunk[] {
  const pieces = JSON.stringify(args).match(ARGUMENT_PIECES) ?? []
  return [
    { type: 'tool_call_chunk', index, id: `call-${randomUUID()}`, name, args: '' },
    ...pieces.map(args => ({ type: 'tool_call_chunk' as const, index, args })),
  ]
}

function tokens(text: string): string[] {
  return text.match(/\s*\S+/g) ?? []
}

function toolName(tool: BindToolsInput): string {
  const named: unknown = 'function' in tool ? tool.function : tool
  return typeof named === 'object' && named !== null && 'name' in named ? String(named.name) : ''
}
