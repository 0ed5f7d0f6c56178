// Sub-agents (contracts: gateway §4.7): a tool by which the agent hands a piece of work to a copy of itself, which has a
// context of its own and gives back its last words. It runs below the run, as a subgraph: it is cancelled with it, and goes
// on where it was after a crash. Its tokens are not in the stream of messages; custom events tell how it gets on.
import type { BaseChatModel } from '@langchain/core/language_models/chat_models'
import { AIMessage, type BaseMessage, HumanMessage, SystemMessage } from '@langchain/core/messages'
import type { StructuredToolInterface } from '@langchain/core/tools'
import { isGraphBubbleUp, type LangGraphRunnableConfig } from '@langchain/langgraph'
import { type AgentMiddleware, createAgent, createMiddleware, tool } from 'langchain'
import { z } from 'zod'
import type { AgentConfig } from '../protocol/runloom-file.ts'
import { readRunOptions } from './run-options.ts'
import { latestCallsOf, refusedCall } from './tool-calls.ts'

const TASK = 'task'
const NAME = 'general-purpose'
/** Kept out of the stream of messages; what its model calls spend is counted as its own. */
const TAGS = ['langsmith:hidden', 'nostream', `subagent:${NAME}`]

const INSTRUCTIONS = `You do one piece of work for another agent, who sees nothing but your last message: do all of it, ask nothing back, and answer with everything that is wanted, briefly.`

export interface SubagentParts {
  model: BaseChatModel
  tools: readonly StructuredToolInterface[]
  middleware: readonly AgentMiddleware[]
  config: AgentConfig
}

export function subagents({ model, tools, middleware, config }: SubagentParts) {
  const { max_concurrent, max_turns, timeout_seconds } = config.subagents
  const systemPrompt = new SystemMessage(INSTRUCTIONS)
  const { graph } = createAgent({ name: NAME, model, tools: [...tools], systemPrompt, middleware: [...middleware] })

  const task = tool(
    async ({ description, prompt }, given): Promise<string> => {
      const config = given as LangGraphRunnableConfig & { toolCallId: string }
      const { toolCallId: task_id, configurable, context, callbacks, metadata } = config
      const tell = (type: string, fields: object) => config.writer?.({ type, task_id, ...fields })
      const limit = AbortSignal.timeout(timeout_seconds * 1000)
      const options = {
        ...(configurable && { configurable }),
        ...(context !== undefined && { context }),
        ...(callbacks && { callbacks }),
        ...(metadata && { metadata }),
        tags: TAGS,
        signal: AbortSignal.any([limit, ...(config.signal ? [config.signal] : [])]),
        recursionLimit: 2 * max_turns,
        streamMode: 'values' as const,
      }
      tell('task_started', { description })
      try {
        const said: BaseMessage[] = []
        const states = await graph.stream({ messages: [new HumanMessage(prompt)] } as never, options as never)
        for await (const { messages = [] } of states as AsyncIterable<{ messages?: BaseMessage[] }>) {
          for (const message of messages.slice(said.length)) {
            said.push(message)
            if (!AIMessage.isInstance(message)) continue
            tell('task_running', { message, message_index: said.length, total_messages: messages.length })
          }
        }
        const result = said.findLast(message => AIMessage.isInstance(message))?.text ?? ''
        tell('task_completed', { result })
        return result === '' ? 'The sub-agent has ended without an answer.' : result
      } catch (error) {
        if (isGraphBubbleUp(error) || config.signal?.aborted) throw error
        const reason = limit.aborted ? `it was not done after ${timeout_seconds} s` : reasonOf(error, max_turns)
        tell('task_failed', { error: reason })
        throw new Error(`The sub-agent has failed: ${reason}`, { cause: error })
      }
    },
    {
      name: TASK,
      description: `Hands a piece of work to a sub-agent, which has the same tools but sees nothing of this conversation, and gives back its result. For work in several parts that do not depend on each other, and for long searches of which only the result matters. At most ${max_concurrent} at once.`,
      schema: z.object({
        description: z.string().describe('The work in three to five words, for the user.'),
        prompt: z
          .string()
          .describe('The work, complete: everything the sub-agent has to know, and what to answer with.'),
        subagent_type: z.enum([NAME]).default(NAME),
      }),
    },
  )

  return createMiddleware({
    name: 'Subagents',
    tools: [task],
    wrapModelCall: (request, handler) => {
      if (readRunOptions(request.runtime, config).subagent_enabled) return handler(request)
      return handler({ ...request, tools: request.tools.filter(tool => tool.name !== TASK) })
    },
    // Those beyond the limit are refused and not queued: which they are follows from the message alone, after a crash too.
    wrapToolCall: (request, handler) => {
      const { toolCall, state, runtime } = request
      if (toolCall.name !== TASK) return handler(request)
      if (!readRunOptions(runtime, config).subagent_enabled)
        return refusedCall(toolCall, 'Sub-agents are off in this run.')
      const calls = latestCallsOf(TASK, state.messages)
      if (calls.findIndex(call => call.id === toolCall.id) < max_concurrent) return handler(request)
      const content = `Not started: at most ${max_concurrent} sub-agents work at once. Call it again when you have the results of the others.`
      return refusedCall(toolCall, content)
    },
  })
}

function reasonOf(error: unknown, max_turns: number): string {
  if ((error as Error).name === 'GraphRecursionError') return `it was not done after ${max_turns} turns`
  return error instanceof Error ? error.message : String(error)
}
