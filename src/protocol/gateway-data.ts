// Messages, run events, feedback and token usage as the gateway dialect has them (contracts: gateway §1.7, §1.9, §1.11).
import { z } from 'zod'

const seq = z.coerce.number({ error: 'must be a whole number' }).int().min(0).optional()
const messageLimit = z.coerce.number({ error: 'must be from 1 to 200' }).int().min(1).max(200).default(50)

export const messageQuery = z.object({ after_seq: seq, before_seq: seq, limit: messageLimit })

export const pageQuery = z.object({
  before_seq: seq,
  after_seq: z.undefined({ error: 'this list goes backwards only; use before_seq' }).optional(),
  limit: messageLimit,
})

const word = z.string().regex(/^[\w.:-]{1,128}$/, { error: 'use letters, digits and . : _ -' })

export const eventQuery = z.object({
  /** Separated by commas. */
  event_types: z
    .string()
    .optional()
    .transform(list => list?.split(',').filter(Boolean))
    .pipe(z.array(word).max(50).optional()),
  task_id: word.optional(),
  after_seq: seq,
  limit: z.coerce.number({ error: 'must be from 1 to 2000' }).int().min(1).max(2000).default(500),
})

export const usageQuery = z.object({
  include_active: z
    .enum(['true', 'false', '1', '0', ''], { error: 'use true or false' })
    .optional()
    .transform(text => text === 'true' || text === '1'),
})

/** `rating` is checked by the route: a wrong one is a 400. */
export const feedback = z.object({
  rating: z.unknown().optional(),
  comment: z.string().max(10_000).nullish(),
  message_id: z.string().max(256).nullish(),
})

export const regenerate = z.object({ message_id: z.string().min(1) })

export const editAndRegenerate = z.object({ human_message_id: z.string().min(1), replacement_text: z.string().min(1) })

export const suggestions = z.object({
  messages: z.array(z.object({ role: z.string(), content: z.string() })),
  n: z.number().int().min(1).max(5).default(3),
  model_name: z.string().nullish(),
})
