// A question of the agent to its user (contracts: gateway §4.7): an interrupt that the user's next message answers, whether
// that comes as a plain input (core/questions.ts) or as a resume.
import {
  AIMessage,
  type BaseMessage,
  coerceMessageLikeToMessage,
  HumanMessage,
  ToolMessage,
} from '@langchain/core/messages'
import { Command, interrupt } from '@langchain/langgraph'
import { createMiddleware, tool } from 'langchain'
import { z } from 'zod'
import { CLARIFICATION } from '../core/questions.ts'
import { callsOf, latestCallsOf, refusedCall, reworded } from './tool-calls.ts'

const ASK_CLARIFICATION = 'ask_clarification'

const question = z.object({
  question: z.string().min(1).describe('One question, complete in itself.'),
  context: z.string().optional().describe('Why the answer matters, in a sentence.'),
  options: z.array(z.string()).optional().describe('The answers to choose from, where there are only a few.'),
})

const askClarification = tool(
  (asked, config) => {
    const answer: unknown = interrupt({ type: CLARIFICATION, ...asked })
    const tool_call_id = (config as { toolCallId: string }).toolCallId
    const said = messagesIn(answer)
    const content = said.length > 0 ? 'The user answers in the next message.' : plain(answer)
    const result = new ToolMessage({ tool_call_id, name: ASK_CLARIFICATION, content })
    return new Command({ update: { messages: [result, ...said] } })
  },
  {
    name: ASK_CLARIFICATION,
    description:
      'Asks the user one question and waits for the answer. For what you cannot find out yourself and must not guess: missing facts, a choice between ways to go on, consent to something that cannot be undone.',
    schema: question,
  },
)

/** Asks one question at a time: the next message answers one. */
export const clarification = createMiddleware({
  name: 'Clarification',
  tools: [askClarification],
  // The question is what the agent says, for everybody who shows messages and knows of no interrupts.
  wrapModelCall: async (request, handler) => {
    const answer = await handler(request)
    if (!AIMessage.isInstance(answer) || answer.text !== '') return answer
    const asked = callsOf(answer).find(call => call.name === ASK_CLARIFICATION)?.args.question
    return typeof asked === 'string' ? reworded(answer, asked, callsOf(answer)) : answer
  },
  wrapToolCall: (request, handler) => {
    const { toolCall, state } = request
    if (toolCall.name !== ASK_CLARIFICATION) return handler(request)
    const [first] = latestCallsOf(ASK_CLARIFICATION, state.messages)
    if (first?.id === toolCall.id) return handler(request)
    return refusedCall(toolCall, 'Ask one question at a time. This one was not asked.')
  },
})

/** The messages of an input that became the answer. */
function messagesIn(answer: unknown): BaseMessage[] {
  const { messages } = (answer ?? {}) as { messages?: unknown }
  return [messages ?? []].flat().map(message => {
    if (typeof message === 'string') return new HumanMessage(message)
    return coerceMessageLikeToMessage(message as Parameters<typeof coerceMessageLikeToMessage>[0])
  })
}

function plain(answer: unknown): string {
  return typeof answer === 'string' ? answer : (JSON.stringify(answer) ?? '')
}
