// The lead agent against a provider by a script, with state kept between turns as the server keeps it.
import type { TestContext } from 'node:test'
import type { BaseMessage } from '@langchain/core/messages'
import { MemorySaver } from '@langchain/langgraph'
import { type LeadAgentParts, leadAgent } from '../../src/agent/lead-agent.ts'
import { ChatModels } from '../../src/agent/models.ts'
import { modelConfig, runloomFile } from '../../src/protocol/runloom-file.ts'
import {
  type ChatMessage,
  type ChatRequest,
  type OpenAIServerOptions,
  startOpenAIServer,
} from '../support/openai-server.ts'

export interface Values {
  messages: BaseMessage[]
  title?: string
  todos?: { content: string; status: string }[]
  summary?: { text: string; first_kept_id: string }
  __interrupt__?: { id: string; value: unknown }[]
}

interface Asked {
  context?: Record<string, unknown>
  configurable?: Record<string, unknown>
  signal?: AbortSignal
}

export interface Setup extends Pick<OpenAIServerOptions, 'script'>, Omit<Partial<LeadAgentParts>, 'model'> {
  /** What stands in runloom.yaml. */
  file?: Record<string, unknown>
  /** What is said of the models `main` and `other`. */
  model?: Record<string, unknown>
}

export async function startAgent(t: TestContext, { script, file = {}, model = {}, ...parts }: Setup) {
  const server = await startOpenAIServer(script ? { script } : {})
  t.after(server.close)
  const provider = { provider: 'openai', base_url: server.url, api_key: 'sk-of-the-test-1234567890' }
  const configured = ['main', 'other'].map(name => modelConfig.parse({ name, ...provider, ...model }))
  const models = new ChatModels(configured, undefined, {})
  const config = runloomFile.parse(file)
  const { graph } = leadAgent({ model: await models.get('default'), models, config, ...parts })
  graph.checkpointer = new MemorySaver()

  /** One turn; `input` is text, or whatever a graph takes. */
  const ask = async (input: unknown, { context, configurable, signal }: Asked = {}) => {
    const custom: Record<string, unknown>[] = []
    const tokens: BaseMessage[] = []
    let values: Values = { messages: [] }
    const options = {
      configurable: { thread_id: 'one', ...configurable },
      streamMode: ['values', 'custom', 'messages'],
      ...(context && { context }),
      ...(signal && { signal }),
    }
    const given = typeof input === 'string' ? { messages: [{ role: 'user', content: input }] } : input
    for await (const [mode, chunk] of (await graph.stream(given as never, options as never)) as AsyncIterable<
      [string, unknown]
    >) {
      if (mode === 'custom') custom.push(chunk as Record<string, unknown>)
      else if (mode === 'values')
        values = '__interrupt__' in (chunk as Values) ? { ...values, ...(chunk as Values) } : (chunk as Values)
      else tokens.push((chunk as [BaseMessage])[0])
    }
    return { values, custom, tokens, last: values.messages.at(-1)?.text ?? '' }
  }
  return { ask, graph, requests: server.requests }
}

/** The text of a message as a provider gets it. */
export function textOf(message: ChatMessage | undefined): string {
  const content = message?.content ?? ''
  return typeof content === 'string' ? content : content.map(part => part.text ?? '').join('')
}

/** What a request ends with, if that is the user's. */
export function question({ messages }: ChatRequest): string {
  const last = messages.at(-1)
  return last?.role === 'user' ? textOf(last) : ''
}

/** The names of the tools that a request offers. */
export function toolsOf({ tools = [] }: ChatRequest): string[] {
  return tools.map(tool => tool.function.name)
}
