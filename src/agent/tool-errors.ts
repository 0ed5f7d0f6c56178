// A failed tool is an answer for the model to work with; an aborted one ends the run.
import { toolErrorMiddleware } from 'langchain'

export const toolErrors = toolErrorMiddleware({
  onError: (error, request) => {
    if (request.runtime.signal?.aborted) return undefined
    return error instanceof Error ? error.message : String(error)
  },
})
