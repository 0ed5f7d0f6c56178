// How the offline model works off a plan: the parts of a question are its items, one after the other, and where it is
// follows from the messages since the question.
import { type BaseMessage, ToolMessage } from '@langchain/core/messages'
import type { ToolRequest } from './offline-tools.ts'

const WRITE_TODOS = 'write_todos'

export interface Plan {
  items: string[]
  /** The item in work; -1 before the plan is written, the number of items when all are done. */
  at: number
  /** What tools have said for each item so far. */
  results: ToolMessage[][]
}

/** The plan for a question of several parts, or one that begins with "plan"; undefined for another. */
export function planOf(question: string, turn: readonly BaseMessage[]): Plan | undefined {
  const [, planned] = /^(?:make a )?plan(?: to| for)?[:,]?\s+(.+)$/is.exec(question) ?? []
  const items = (planned ?? question)
    .split(/\s*(?:;|\n|,? and then |,? then |,? and )\s*/i)
    .map(part => part.replace(/[.?!]+$/, '').trim())
    .filter(part => part !== '')
  if (items.length < 2 && planned === undefined) return undefined
  const results: ToolMessage[][] = []
  for (const message of turn) {
    if (!ToolMessage.isInstance(message)) continue
    if (message.name === WRITE_TODOS) results.push([])
    else results.at(-1)?.push(message)
  }
  return { items, at: results.length - 1, results }
}

/** The call that writes the plan as it stands when the item at `at` is in work. */
export function writeTodos(items: readonly string[], at: number): ToolRequest {
  const todos = items.map((content, index) => ({
    content,
    status: index < at ? 'completed' : index === at ? 'in_progress' : 'pending',
  }))
  return { name: WRITE_TODOS, args: { todos } }
}
