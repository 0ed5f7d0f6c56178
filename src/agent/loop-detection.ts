// A model that calls a tool again and again with the same arguments is told so, and stopped when it goes on.
import { AIMessage, type BaseMessage, HumanMessage } from '@langchain/core/messages'
import { createMiddleware } from 'langchain'
import { systemNote } from './system-note.ts'
import { callsOf, reworded } from './tool-calls.ts'

interface Limits {
  /** Equal calls in one turn after which the model is told. */
  loop_warn: number
  /** The equal call that is not made any more. */
  loop_stop: number
}

export function loopDetection({ loop_warn, loop_stop }: Limits) {
  return createMiddleware({
    name: 'LoopDetection',
    wrapModelCall: async (request, handler) => {
      const { counts, latest } = callsOfTurn(request.state.messages)
      const repeated = latest.find(call => (counts.get(keyOf(call)) ?? 0) >= loop_warn)
      const messages = repeated ? [...request.messages, warning(repeated.name, counts.get(keyOf(repeated)))] : undefined
      const answer = await handler(messages ? { ...request, messages } : request)
      if (counts.size === 0 || !AIMessage.isInstance(answer)) return answer
      const last = callsOf(answer).find(call => (counts.get(keyOf(call)) ?? 0) + 1 >= loop_stop)
      return last ? reworded(answer, stopping(last.name, loop_stop - 1), []) : answer
    },
  })
}

interface Call {
  name: string
  args: unknown
}

/** The calls since the user's last message: how often each was made, and those of the last answer. */
function callsOfTurn(messages: readonly BaseMessage[]) {
  const counts = new Map<string, number>()
  let latest: Call[] = []
  for (let index = messages.length - 1; index >= 0; index--) {
    const message = messages[index]
    if (HumanMessage.isInstance(message)) break
    if (!AIMessage.isInstance(message)) continue
    const calls = callsOf(message)
    if (counts.size === 0) latest = calls
    for (const call of calls) counts.set(keyOf(call), (counts.get(keyOf(call)) ?? 0) + 1)
  }
  return { counts, latest }
}

function keyOf({ name, args }: Call): string {
  return `${name} ${JSON.stringify(args)}`
}

function warning(name: string, times: number | undefined): HumanMessage {
  return systemNote(
    `You have called ${name} ${times} times with the same arguments. Another such call brings nothing new: try something else, or answer with what you have.`,
  )
}

function stopping(name: string, times: number): string {
  return `I stopped: I was about to call ${name} with the same arguments once more, after ${times} times that brought nothing new. Tell me what to do differently, or ask in another way.`
}
