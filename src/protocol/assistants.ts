// Assistants (contracts: langgraph §2).
import { z } from 'zod'
import { limit, object, offset } from './common.ts'

export const searchAssistants = z.object({
  graph_id: z.string().nullish(),
  name: z.string().nullish(),
  metadata: object.nullish(),
  limit,
  offset,
})
