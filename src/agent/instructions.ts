// What middlewares tell the model besides: at the end of the system message, which stays one text, because not every
// OpenAI-compatible server takes content parts there.
import { SystemMessage } from '@langchain/core/messages'

/** The request with these instructions too; as it was where there are none. */
export function instructed<R extends { systemMessage: SystemMessage }>(request: R, text: string | undefined): R {
  if (!text) return request
  const before = request.systemMessage.text
  return { ...request, systemMessage: new SystemMessage(before ? `${before}\n\n${text}` : text) }
}
