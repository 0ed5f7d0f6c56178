// Assistants and their versions (contracts: langgraph §2).
import { z } from 'zod'
import { config, limit, object, offset, sortOrder, uuid } from './common.ts'

export const createAssistant = z.object({
  graph_id: z.string().min(1),
  assistant_id: uuid.nullish(),
  config: config.nullish(),
  context: object.nullish(),
  metadata: object.nullish(),
  name: z.string().nullish(),
  description: z.string().nullish(),
  if_exists: z.enum(['raise', 'do_nothing']).nullish(),
})

/** What is left out, or null, stays. */
export const patchAssistant = createAssistant.omit({ assistant_id: true, if_exists: true }).partial()

const ASSISTANT_FIELDS = [
  'assistant_id',
  'graph_id',
  'name',
  'description',
  'config',
  'context',
  'metadata',
  'version',
  'created_at',
  'updated_at',
] as const

export const countAssistants = z.object({
  graph_id: z.string().nullish(),
  name: z.string().nullish(),
  metadata: object.nullish(),
})

export type AssistantFilter = z.infer<typeof countAssistants>

export const searchAssistants = countAssistants.extend({
  limit,
  offset,
  sort_by: z.enum(['assistant_id', 'graph_id', 'name', 'created_at', 'updated_at']).nullish(),
  sort_order: sortOrder,
  select: z.array(z.enum(ASSISTANT_FIELDS)).nullish(),
})

export const searchVersions = z.object({ limit, offset, metadata: object.nullish() })

export const version = z.coerce.number().int().min(1)

/** In the body, or in the query. */
export const latestVersion = z.object({ version: version.nullish() })

/** Whether subgraphs are drawn, or how many levels of them. */
export const xray = z.union([
  z.literal(['true', 'false', '']).transform(text => text === 'true'),
  z.coerce.number().int().min(0),
])
