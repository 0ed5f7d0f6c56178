// Collects what a run's model calls spend, from the calls themselves: whether streamed or not, and wherever in the graph,
// its subgraphs and tools they are made (contracts: gateway §1.11).
import { BaseCallbackHandler, type CallbackHandlerMethods } from '@langchain/core/callbacks/base'
import type { BaseMessage, UsageMetadata } from '@langchain/core/messages'
import type { LLMResult } from '@langchain/core/outputs'
import { type Caller, type ModelCall, modelCallRows } from '../core/usage.ts'
import type { Bulk } from '../db/database.ts'

interface Begun {
  model: string | undefined
  /** How its maker calls it: `lead_agent`, `subagent:<name>` or `middleware:<name>`. */
  tag: string | undefined
  caller: Caller
}

type Started<Name extends 'handleChatModelStart' | 'handleLLMStart'> = Parameters<
  NonNullable<CallbackHandlerMethods[Name]>
>

/** Messages whose caller is remembered until their checkpoint is written. */
const TAGGED = 1_000

/** The callback handler of one run. It sees the beginning and the end of calls, not their tokens. */
export class ModelCalls extends BaseCallbackHandler {
  override name = 'ModelCalls'
  override awaitHandlers = true // else it might hear of a call when the run is over
  readonly #run: { thread_id: string; run_id: string }
  readonly #write: (writes: Bulk[]) => unknown
  readonly #begun = new Map<string, Begun>()
  /** The tags of calls by the message that they made. */
  readonly #tags = new Map<string, string>()

  constructor(run: { thread_id: string; run_id: string }, write: (writes: Bulk[]) => unknown) {
    super()
    this.#run = run
    this.#write = write
  }

  override handleChatModelStart(...[, , call_id, , , tags, metadata]: Started<'handleChatModelStart'>) {
    this.#begun.set(call_id, begunBy(tags ?? [], metadata ?? {}))
  }

  override handleLLMStart(...[, , call_id, , , tags, metadata]: Started<'handleLLMStart'>) {
    this.#begun.set(call_id, begunBy(tags ?? [], metadata ?? {}))
  }

  override handleLLMError(_error: unknown, call_id: string) {
    this.#begun.delete(call_id)
  }

  override handleLLMEnd(output: LLMResult, call_id: string) {
    this.#write([modelCallRows([this.#end(call_id, output)])])
  }

  /** The tag of the call that made a message, if it had one. */
  readonly tagOf = (message_id: string): string | undefined => this.#tags.get(message_id)

  #end(call_id: string, output: LLMResult): ModelCall {
    const begun = this.#begun.get(call_id) ?? begunBy([], {})
    this.#begun.delete(call_id)
    const messages = output.generations.flat().flatMap(generation => {
      return 'message' in generation ? [generation.message as BaseMessage] : []
    })
    for (const { id } of messages) if (id && begun.tag) this.#remember(id, begun.tag)
    const { caller } = begun
    const model = modelOf(messages) ?? begun.model ?? 'unknown'
    return { call_id, ...this.#run, model, caller, ...tokensOf(messages, output.llmOutput) }
  }

  #remember(message_id: string, tag: string) {
    this.#tags.set(message_id, tag)
    for (const oldest of this.#tags.keys()) {
      if (this.#tags.size <= TAGGED) break
      this.#tags.delete(oldest)
    }
  }
}

const TAG = /^(lead_agent$|subagent:|middleware:)/

/** By its tag; else by where it happens: nodes of createAgent's middlewares, and graphs below the run's own. */
function begunBy(tags: readonly string[], metadata: Record<string, unknown>): Begun {
  const tag = tags.find(tag => TAG.test(tag))
  const { langgraph_node, langgraph_checkpoint_ns, ls_model_name } = metadata
  const inMiddleware = /\.(before|after)_(agent|model)$/.test(String(langgraph_node ?? ''))
  const isNested = String(langgraph_checkpoint_ns ?? '').includes('|')
  const found = inMiddleware ? 'middleware' : isNested ? 'subagent' : 'lead_agent'
  return {
    model: typeof ls_model_name === 'string' ? ls_model_name : undefined,
    tag,
    caller: tag ? (tag.split(':')[0] as Caller) : found,
  }
}

function modelOf(messages: readonly BaseMessage[]): string | undefined {
  for (const { response_metadata } of messages) {
    const name: unknown = response_metadata?.model_name ?? response_metadata?.model
    if (typeof name === 'string' && name !== '') return name
  }
  return undefined
}

type Tokens = Pick<ModelCall, 'input_tokens' | 'output_tokens' | 'total_tokens' | 'cache_read_tokens'>

/** Zero where the model does not say. */
function tokensOf(messages: readonly BaseMessage[], llmOutput: LLMResult['llmOutput']): Tokens {
  const said = messages.map(message => (message as { usage_metadata?: UsageMetadata }).usage_metadata).find(Boolean)
  const { promptTokens, completionTokens, totalTokens } = (llmOutput?.tokenUsage ?? {}) as Record<string, unknown>
  const input_tokens = whole(said?.input_tokens ?? promptTokens)
  const output_tokens = whole(said?.output_tokens ?? completionTokens)
  const total_tokens = whole(said?.total_tokens ?? totalTokens) || input_tokens + output_tokens
  return { input_tokens, output_tokens, total_tokens, cache_read_tokens: whole(said?.input_token_details?.cache_read) }
}

function whole(tokens: unknown): number {
  return typeof tokens === 'number' && Number.isFinite(tokens) && tokens > 0 ? Math.round(tokens) : 0
}
