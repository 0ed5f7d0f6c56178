// Assistants: a graph with config, context and metadata. Each graph has a system assistant with a stable id; wherever an
// assistant id is accepted, a graph id stands for it.
import sql, { empty } from 'sql-template-tag'
import { all, first, type Steps, transition } from '../db/database.ts'
import { RunloomError } from './errors.ts'
import { assistantId } from './ids.ts'

export interface Assistant {
  assistant_id: string
  graph_id: string
  name: string
  description: string | null
  config: string
  context: string
  metadata: string
  version: number
  created_at: string
  updated_at: string
}

/** One system assistant a graph; name and description follow the configuration. */
export const syncSystemAssistants = transition(
  import.meta.url,
  'syncSystemAssistants',
  function* (graphs: { graph_id: string; description: string | null }[]): Steps<void> {
    for (const { graph_id, description } of graphs) {
      yield sql`
        insert into assistants (assistant_id, graph_id, name, description, config, context, metadata, version,
          created_at, updated_at)
        values (${assistantId(graph_id)}, ${graph_id}, ${graph_id}, ${description}, '{}', '{}',
          '{"created_by":"system"}', 1, now_iso(), now_iso())
        on conflict (assistant_id) do update set description = excluded.description, name = excluded.name`
    }
  },
)

export const getAssistant = transition(import.meta.url, 'getAssistant', function* (id: string): Steps<Assistant> {
  return yield* findAssistant(id)
})

export interface AssistantSearch {
  graph_id?: string
  metadata?: string
  name?: string
  limit: number
  offset: number
}

/** Newest first. `name` is a case-insensitive substring. */
export const searchAssistants = transition(
  import.meta.url,
  'searchAssistants',
  function* ({ graph_id, metadata, name, limit, offset }: AssistantSearch): Steps<Assistant[]> {
    return yield* all<Assistant>(sql`
      select * from assistants where 1 = 1
      ${graph_id === undefined ? empty : sql`and graph_id = ${graph_id}`}
      ${metadata === undefined ? empty : sql`and json_contains(metadata, ${metadata}) = 1`}
      ${name === undefined ? empty : sql`and replace(lower(name), lower(${name}), '') <> lower(name)`}
      order by created_at desc, assistant_id limit ${limit} offset ${offset}`)
  },
)

/** By assistant id, or by graph id for that graph's system assistant. */
export function* findAssistant(id: string): Steps<Assistant> {
  const found = yield* first<Assistant>(
    sql`select * from assistants where assistant_id = ${id} or assistant_id = ${assistantId(id)}`,
  )
  if (!found) throw new RunloomError('not_found', `Assistant not found: No assistant found for "${id}"`)
  return found
}
