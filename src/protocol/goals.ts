// The standing goal of a thread, the same over HTTP and in process (contracts: gateway §3.1).
import { z } from 'zod'

export const setGoal = z.object({
  goal: z
    .string()
    .trim()
    .min(1, { error: 'say what the goal is' })
    .max(4_000, { error: 'use at most 4000 characters' }),
})

export const goalAnswer = z.object({ goal: z.string().nullable() })
