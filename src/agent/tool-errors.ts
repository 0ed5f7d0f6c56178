// A failed tool is an answer for the model to work with; an aborted one ends the run.
import { ToolInvocationError, toolErrorMiddleware } from 'langchain'

export const toolErrors = toolErrorMiddleware({
  onError: (error, request) => {
    if (request.runtime.signal?.aborted) return undefined
    // Of arguments that do not fit, the library's own message has the stack: nothing for a model, and places of this machine.
    const reason = ToolInvocationError.isInstance(error) ? error.toolError : error
    return reason instanceof Error ? reason.message : String(reason)
  },
})
