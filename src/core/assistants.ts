// Assistants: a graph with config, context and metadata (contracts: langgraph §2). Each graph has a system assistant with a
// stable id; wherever an assistant id is accepted, a graph id stands for it. A row is a copy of one of the assistant's
// versions (assistant-versions.ts): the one that counts.
import sql, { empty, join, type Sql } from 'sql-template-tag'
import { all, first, now, type Steps, transition } from '../db/database.ts'
import { andAllowed, type Filter, type Guarded, makerOf, permitted } from './access.ts'
import { RunloomError } from './errors.ts'
import { assistantId } from './ids.ts'

/** What a version holds; JSON is text. */
export interface AssistantContent {
  graph_id: string
  name: string
  description: string | null
  config: string
  context: string
  metadata: string
}

export interface Assistant extends AssistantContent {
  assistant_id: string
  /** The owner of the API key that made it; '' for nobody's. */
  owner: string
  version: number
  /** 1: it stands for a graph that is served, and cannot be deleted. */
  system: number
  created_at: string
  updated_at: string
}

export type AssistantVersion = Omit<Assistant, 'owner' | 'system' | 'updated_at'>

/**
 * One system assistant a graph. Where the configured description has changed, every version that had the old one follows;
 * what a user has written stays.
 */
export const syncSystemAssistants = transition(
  import.meta.url,
  'syncSystemAssistants',
  function* (graphs: { graph_id: string; description: string | null }[]): Steps<void> {
    const served = graphs.map(({ graph_id }) => assistantId(graph_id))
    yield sql`update assistants set system = 0
      where system = 1 ${served.length > 0 ? sql`and assistant_id not in (${join(served)})` : empty}`
    for (const { graph_id, description } of graphs) {
      const assistant_id = assistantId(graph_id)
      const content = {
        graph_id,
        name: graph_id,
        description,
        config: '{}',
        context: '{}',
        metadata: CREATED_BY_SYSTEM,
      }
      if (yield* insertAssistant({ assistant_id, owner: '', system: 1, ...content })) continue
      yield sql`update assistants set system = 1 where assistant_id = ${assistant_id}`
      const original = yield* first<AssistantContent>(
        sql`select description from assistant_versions where assistant_id = ${assistant_id} and version = 1`,
      )
      if (!original || original.description === description) continue
      for (const table of [sql`assistants`, sql`assistant_versions`]) {
        yield sql`update ${table} set description = ${description}
          where assistant_id = ${assistant_id} and description is not distinct from ${original.description}`
      }
    }
  },
)

const CREATED_BY_SYSTEM = '{"created_by":"system"}'

export interface NewAssistant extends AssistantContent {
  assistant_id: string
}

/** `allowed` says which assistant of that id may be shown, and whose a new one is. */
export interface CreateAssistant extends NewAssistant, Guarded {
  if_exists: 'raise' | 'do_nothing'
}

export const createAssistant = transition(
  import.meta.url,
  'createAssistant',
  function* ({ if_exists, allowed, ...args }: CreateAssistant): Steps<Assistant> {
    const created = yield* insertAssistant({ ...args, owner: makerOf(allowed), system: 0 })
    if (created) return created
    const { assistant_id } = args
    const found = yield* first<Assistant>(
      sql`select * from assistants where assistant_id = ${assistant_id} ${andVisible(allowed)}`,
    )
    if (found && if_exists === 'do_nothing') return found
    const remedy = found ? 'pass if_exists: "do_nothing" to get it' : 'choose another id'
    throw new RunloomError('conflict', `Assistant ${assistant_id} exists already; ${remedy}`)
  },
)

/** An assistant's id, or a graph's for its system assistant. */
export interface AssistantKey extends Guarded {
  assistant_id: string
}

export const getAssistant = transition(
  import.meta.url,
  'getAssistant',
  function* (key: AssistantKey): Steps<Assistant> {
    return yield* findAssistant(key.assistant_id, key.allowed)
  },
)

export interface AssistantFilter extends Guarded {
  graph_id?: string
  /** A part of the name, in any case. */
  name?: string
  /** JSON that the metadata contains. */
  metadata?: string
}

export interface AssistantSearch extends AssistantFilter {
  sort_by: keyof typeof ORDERS
  sort_order: 'asc' | 'desc'
  limit: number
  offset: number
}

/** By bytes, in both databases. */
const ORDERS = {
  assistant_id: sql`assistant_id`,
  graph_id: sql`graph_id collate "binary"`,
  name: sql`name collate "binary"`,
  created_at: sql`created_at`,
  updated_at: sql`updated_at`,
}

/** `total` is how many there are on all pages. */
export const searchAssistants = transition(
  import.meta.url,
  'searchAssistants',
  function* (args: AssistantSearch): Steps<{ assistants: Assistant[]; total: number }> {
    const order = args.sort_order === 'asc' ? sql`asc` : sql`desc`
    const assistants = yield* all<Assistant>(sql`
      select * from assistants where ${matching(args)}
      order by ${ORDERS[args.sort_by]} ${order}, assistant_id ${order} limit ${args.limit} offset ${args.offset}`)
    return { assistants, total: yield* count(args) }
  },
)

export const countAssistants = transition(
  import.meta.url,
  'countAssistants',
  function* (filter: AssistantFilter): Steps<number> {
    return yield* count(filter)
  },
)

function* count(filter: AssistantFilter): Steps<number> {
  return (yield* first<{ n: number }>(sql`select count(*) as n from assistants where ${matching(filter)}`))?.n ?? 0
}

function matching({ graph_id, name, metadata, allowed }: AssistantFilter): Sql {
  return sql`1 = 1 ${andVisible(allowed)}
    ${graph_id === undefined ? empty : sql`and graph_id = ${graph_id}`}
    ${name === undefined ? empty : sql`and replace(lower(name), lower(${name}), '') <> lower(name)`}
    ${metadata === undefined ? empty : sql`and json_contains(metadata, ${metadata}) = 1`}`
}

export interface AssistantRun {
  run_id: string
  thread_id: string
}

/** Runs of an assistant, those of one thread together; for deleting it, which takes them with it page by page. */
export const runsOfAssistant = transition(
  import.meta.url,
  'runsOfAssistant',
  function* ({ assistant_id, limit }: { assistant_id: string; limit: number }): Steps<AssistantRun[]> {
    return yield* all<AssistantRun>(sql`
      select run_id, thread_id from runs where assistant_id = ${assistant_id} order by thread_id limit ${limit}`)
  },
)

/** The threads that an assistant's runs were the last to run on, by their metadata. */
export const threadsOfAssistant = transition(
  import.meta.url,
  'threadsOfAssistant',
  function* ({ assistant_id, limit, allowed }: AssistantKey & { limit: number }): Steps<{ thread_id: string }[]> {
    const part = JSON.stringify({ assistant_id })
    return yield* all<{ thread_id: string }>(
      sql`select thread_id from threads where json_contains(metadata, ${part}) = 1 ${andAllowed(allowed)} limit ${limit}`,
    )
  },
)

/** An assistant that may be deleted; a system assistant is a conflict. */
export const deletableAssistant = transition(
  import.meta.url,
  'deletableAssistant',
  function* (key: AssistantKey): Steps<Assistant> {
    return yield* findDeletable(key)
  },
)

/** Removes an assistant with its versions. Its runs are removed before. */
export const deleteAssistant = transition(
  import.meta.url,
  'deleteAssistant',
  function* (key: AssistantKey): Steps<void> {
    const { assistant_id } = yield* findDeletable(key)
    yield sql`delete from assistants where assistant_id = ${assistant_id}`
  },
)

function* findDeletable(key: AssistantKey): Steps<Assistant> {
  const assistant = yield* findAssistant(key.assistant_id, key.allowed)
  if (assistant.system === 1) {
    throw new RunloomError(
      'conflict',
      `Assistant ${assistant.assistant_id} stands for a configured graph and cannot be deleted; remove the graph from the configuration`,
    )
  }
  return assistant
}

/** By assistant id, or by graph id for that graph's system assistant. */
export function* findAssistant(id: string, allowed?: Filter): Steps<Assistant> {
  return yield* find(sql`select * from assistants where ${named(id)} ${andVisible(allowed)}`, id)
}

/** The same for a run: the assistants that stand for graphs are nobody's, so no filter by owner hides them. */
export function* findUsableAssistant(id: string, allowed?: Filter): Steps<Assistant> {
  return yield* find(usableAssistant(id, allowed), id)
}

export function usableAssistant(id: string, allowed?: Filter): Sql {
  return sql`select * from assistants where ${named(id)} ${andUsable(allowed)}`
}

/** Whether a run may be of it. */
export const isUsable = transition(
  import.meta.url,
  'isUsable',
  function* ({ assistant_id, allowed }: AssistantKey): Steps<boolean> {
    const usable = yield* first(sql`
      select 1 as found from assistants where ${named(assistant_id)} ${andUsable(allowed)}`)
    return usable !== undefined
  },
)

function andUsable(allowed: Filter | undefined): Sql {
  return allowed ? sql`and (system = 1 or ${permitted(allowed)})` : empty
}

/** As `findAssistant`, held until the end of the transaction. */
export function* lockAssistant(id: string, allowed?: Filter): Steps<Assistant> {
  return yield* find(sql`select * from assistants where ${named(id)} ${andAllowed(allowed)} for update`, id)
}

/** What an owner sees: the assistants that stand for graphs, too. A handler's filter says itself whether they pass. */
function andVisible(allowed: Filter | undefined): Sql {
  return allowed && 'owner' in allowed ? andUsable(allowed) : andAllowed(allowed)
}

function named(id: string): Sql {
  return sql`assistant_id in (${id}, ${assistantId(id)})`
}

function* find(query: Sql, id: string): Steps<Assistant> {
  return theAssistant(yield* first<Assistant>(query), id)
}

/** Throws where there is none. */
export function theAssistant(found: Assistant | undefined, id: string): Assistant {
  if (!found) throw new RunloomError('not_found', `Assistant not found: No assistant found for "${id}"`)
  return found
}

/** Inserts an assistant and its first version; undefined when the id is taken. */
function* insertAssistant(
  args: NewAssistant & Pick<Assistant, 'owner'> & { system: 0 | 1 },
): Steps<Assistant | undefined> {
  const { assistant_id, owner, graph_id, name, description, config, context, metadata, system } = args
  const created_at = yield* now()
  const created = yield* first<Assistant>(sql`
    insert into assistants (assistant_id, owner, graph_id, name, description, config, context, metadata, version, system,
      created_at, updated_at)
    values (${assistant_id}, ${owner}, ${graph_id}, ${name}, ${description}, ${config}, ${context}, ${metadata}, 1, ${system},
      ${created_at}, ${created_at})
    on conflict (assistant_id) do nothing returning *`)
  if (created) yield* insertVersion(created)
  return created
}

/** Keeps what an assistant holds as one of its versions. */
export function* insertVersion(content: Omit<AssistantVersion, 'created_at'>): Steps<void> {
  const { assistant_id, version, graph_id, name, description, config, context, metadata } = content
  yield sql`
    insert into assistant_versions (assistant_id, version, graph_id, name, description, config, context, metadata,
      created_at)
    values (${assistant_id}, ${version}, ${graph_id}, ${name}, ${description}, ${config}, ${context}, ${metadata},
      now_iso())`
}
