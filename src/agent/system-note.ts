// What the model is told in one call, in the place of a user: it is no part of the thread, and nobody else sees it.
import { type BaseMessage, HumanMessage } from '@langchain/core/messages'

const MARK = '[Note of the system, not of the user]'

export function systemNote(text: string): HumanMessage {
  return new HumanMessage(`${MARK} ${text}`)
}

export function isSystemNote(message: BaseMessage): boolean {
  return HumanMessage.isInstance(message) && message.text.startsWith(MARK)
}
