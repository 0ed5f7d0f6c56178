// Providers refuse a conversation in which a tool call has no result, a result no call, or something stands between them.
// That happens: a run is cancelled while its tools work, a client edits the state, an answer arrives among other results.
import { type BaseMessage, ToolMessage } from '@langchain/core/messages'
import { createMiddleware } from 'langchain'
import { callsOf, refusedCall } from './tool-calls.ts'

/** Shows the model every call with its results right behind it. The thread's own messages stay as they are. */
export const toolResults = createMiddleware({
  name: 'ToolResults',
  wrapModelCall: (request, handler) => handler({ ...request, messages: withResults(request.messages) }),
})

const LOST = 'This call has no result: it was interrupted before the tool had answered.'

/** The same list where nothing has to change. */
export function withResults(messages: BaseMessage[]): BaseMessage[] {
  if (isWhole(messages)) return messages
  const results = new Map<string, ToolMessage>()
  for (const message of messages) if (ToolMessage.isInstance(message)) results.set(message.tool_call_id, message)
  return messages.flatMap((message): BaseMessage[] => {
    if (ToolMessage.isInstance(message)) return []
    return [message, ...callsOf(message).map(({ id = '', name }) => results.get(id) ?? refusedCall({ id, name }, LOST))]
  })
}

function isWhole(messages: readonly BaseMessage[]): boolean {
  let open = new Set<string | undefined>()
  for (const message of messages) {
    if (ToolMessage.isInstance(message)) {
      if (!open.delete(message.tool_call_id)) return false
    } else {
      if (open.size > 0) return false
      const calls = callsOf(message)
      if (calls.length > 0) open = new Set(calls.map(call => call.id))
    }
  }
  return open.size === 0
}
