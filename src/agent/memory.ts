// Memory in the lead agent: the facts about who a run is for are told to the model, at each of its calls, so that a change
// counts at once; and finished turns are handed on to be read for facts, where that is switched on (fact-extraction.ts).
import { AIMessage } from '@langchain/core/messages'
import { createMiddleware } from 'langchain'
import { getMemory, ranked } from '../core/memory.ts'
import { memoryOwner, type User } from '../core/users.ts'
import type { Database } from '../db/database.ts'
import type { Fact } from '../protocol/memory.ts'
import type { AgentConfig } from '../protocol/runloom-file.ts'
import type { FactExtraction } from './fact-extraction.ts'
import { instructed } from './instructions.ts'

const HEADING = 'What you know about the user from before. It may be out of date; what they say now counts:'

export interface MemoryParts {
  db: Database
  config: AgentConfig['memory']
  /** Undefined where no model reads the turns. */
  extraction?: FactExtraction | undefined
}

export function memoryMiddleware({ db, config, extraction }: MemoryParts) {
  return createMiddleware({
    name: 'Memory',
    wrapModelCall: async (request, handler) => {
      const { configurable = {} } = request.runtime as { configurable?: Record<string, unknown> }
      const owner = memoryOwner(configurable.langgraph_auth_user as User | undefined)
      const facts = config.injection_enabled ? (await db.run(getMemory, owner)).facts : []
      const answer = await handler(instructed(request, told(facts, config.max_injection_tokens)))
      if (extraction && AIMessage.isInstance(answer) && !answer.tool_calls?.length) {
        const thread_id = String(configurable.thread_id ?? '')
        extraction.turnEnded({ owner, thread_id, messages: [...request.messages, answer] })
      }
      return answer
    },
  })
}

/** The facts as a list, the most certain and newest, as many as fit. */
export function told(facts: readonly Fact[], max_tokens: number): string | undefined {
  let left = max_tokens - tokens(HEADING)
  const lines = ranked(facts).flatMap(({ content }) => {
    const line = `- ${content.split(/\s+/).join(' ')}`
    if (tokens(line) > left) return []
    left -= tokens(line)
    return [line]
  })
  return lines.length === 0 ? undefined : [HEADING, ...lines].join('\n')
}

/** An estimate: four bytes a token, and the line's end. */
function tokens(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / 4) + 1
}
