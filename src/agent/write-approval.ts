// Asks the user before tools are called, by the library's own middleware: an interrupt with `action_requests` that a
// command's `{decisions: [{type: "approve" | "edit" | "reject"}]}` answers.
import { type AgentMiddleware, humanInTheLoopMiddleware } from 'langchain'

/** The hook to give to the middleware that brings these tools. */
export function askBefore(tools: readonly string[], descriptionPrefix: string): Pick<AgentMiddleware, 'afterModel'> {
  const asked = { allowedDecisions: ['approve', 'edit', 'reject'] }
  // The library's type of its options is `never` with zod 4.
  const options = { interruptOn: Object.fromEntries(tools.map(name => [name, asked])), descriptionPrefix } as never
  const { afterModel } = humanInTheLoopMiddleware(options)
  if (typeof afterModel !== 'object') throw new Error('humanInTheLoopMiddleware is not what it was')
  const { hook, canJumpTo } = afterModel
  // It would let a run's context say what is asked.
  return {
    afterModel: {
      hook: (state, runtime) => hook(state, { ...runtime, context: options }),
      ...(canJumpTo && { canJumpTo }),
    },
  }
}
