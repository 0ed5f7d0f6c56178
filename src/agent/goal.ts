// A thread's standing goal (contracts: gateway §3.1): `goal` of the state, which every turn is told of until it is cleared.
import { createMiddleware } from 'langchain'
import { z } from 'zod'
import { instructed } from './instructions.ts'

export const goal = createMiddleware({
  name: 'Goal',
  stateSchema: z.object({ goal: z.string().nullable().optional() }),
  wrapModelCall: (request, handler) => {
    const text = request.state.goal
    return handler(instructed(request, text ? `The standing goal of this conversation:\n${text}` : undefined))
  },
})
