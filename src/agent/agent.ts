// The agent that every server has before anyone wrote a graph: one model, two tools, a short prompt.
// It is a graph like any other: the loader unwraps it and gives it the server's checkpointer and store.

import type { BaseChatModel } from '@langchain/core/language_models/chat_models'
import { SystemMessage } from '@langchain/core/messages'
import { createAgent, toolErrorMiddleware } from 'langchain'
import { calculate, currentTime } from './tools.ts'

// A message, because createAgent makes content parts of a string, which not every OpenAI-compatible server takes.
const SYSTEM_PROMPT = new SystemMessage(`You are the built-in agent of a Runloom server. Answer briefly and plainly.
Use current_time for the date or the time, and calculate for arithmetic; never guess either.
If a tool reports an error, say what it was.`)

// A failed tool is an answer for the model to work with; an aborted one ends the run.
const toolErrors = toolErrorMiddleware({
  onError: (error, request) => {
    if (request.runtime.signal?.aborted) return undefined
    return error instanceof Error ? error.message : String(error)
  },
})

/** The built-in agent on the given model, without checkpointer or store. Its compiled graph is `.graph`. */
export function builtInAgent(model: BaseChatModel) {
  return createAgent({
    name: 'agent',
    model,
    tools: [currentTime, calculate],
    systemPrompt: SYSTEM_PROMPT,
    middleware: [toolErrors],
  })
}
