// Sessions: conversations that clients keep on the server (contracts: workflows §14).
import { z } from 'zod'
import { object } from './common.ts'

export const createSession = z.object({ customer_id: z.string().nullish(), metadata: object.nullish() })

export const patchSession = z.object({ metadata: object })

export const listSessions = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(50),
  offset: z.coerce.number().int().min(0).default(0),
  customer_id: z.string().optional(),
})

export const sessionMessage = z.object({
  role: z.enum(['system', 'user', 'assistant', 'tool']),
  content: z.array(z.looseObject({ type: z.string() })).min(1, { error: 'must have at least one part' }),
  run_id: z.uuid({ error: 'must be a UUID' }).nullish(),
})
