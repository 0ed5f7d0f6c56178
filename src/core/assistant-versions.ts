// The versions of assistants (contracts: langgraph §2): every patch makes one, numbered on from the highest, and any can be
// made the one that counts again. Versions themselves never change.
import sql, { empty } from 'sql-template-tag'
import { all, first, type Steps, transition } from '../db/database.ts'
import {
  type Assistant,
  type AssistantContent,
  type AssistantKey,
  type AssistantVersion,
  findAssistant,
  insertVersion,
  lockAssistant,
} from './assistants.ts'
import { RunloomError } from './errors.ts'
import { jsonText } from './json.ts'

export interface AssistantPatch extends AssistantKey, Partial<Omit<AssistantContent, 'metadata'>> {
  /** Merged, shallowly; the rest replaces. */
  metadata: Record<string, unknown>
}

/** Makes a new version, also of nothing, and lets it count. */
export const patchAssistant = transition(
  import.meta.url,
  'patchAssistant',
  function* ({ assistant_id: id, allowed, metadata, ...patch }: AssistantPatch): Steps<Assistant> {
    const current = yield* lockAssistant(id, allowed)
    const { assistant_id } = current
    const newest = yield* first<{ version: number }>(
      sql`select max(version) as version from assistant_versions where assistant_id = ${assistant_id}`,
    )
    const merged = jsonText({ ...JSON.parse(current.metadata), ...metadata })
    const version = (newest?.version ?? current.version) + 1
    const next = { ...current, ...patch, metadata: merged, version }
    yield* insertVersion(next)
    return yield* writeCurrent(next)
  },
)

export interface VersionSearch extends AssistantKey {
  /** JSON that the metadata contains. */
  metadata?: string
  limit: number
  offset: number
}

/** Newest first. An assistant without a version that matches is not found. */
export const searchVersions = transition(
  import.meta.url,
  'searchVersions',
  function* ({ assistant_id: id, allowed, metadata, limit, offset }: VersionSearch): Steps<{
    versions: AssistantVersion[]
    total: number
  }> {
    const { assistant_id } = yield* findAssistant(id, allowed)
    const where = sql`assistant_id = ${assistant_id}
      ${metadata === undefined ? empty : sql`and json_contains(metadata, ${metadata}) = 1`}`
    const counted = yield* first<{ n: number }>(sql`select count(*) as n from assistant_versions where ${where}`)
    if (!counted?.n) throw new RunloomError('not_found', `Assistant ${assistant_id} has no version with this metadata`)
    const versions = yield* all<AssistantVersion>(sql`
      select * from assistant_versions where ${where} order by version desc limit ${limit} offset ${offset}`)
    return { versions, total: counted.n }
  },
)

/** Lets an earlier version count again, with everything that it says. */
export const setLatestVersion = transition(
  import.meta.url,
  'setLatestVersion',
  function* ({ assistant_id: id, allowed, version }: AssistantKey & { version: number }): Steps<Assistant> {
    const { assistant_id } = yield* lockAssistant(id, allowed)
    const found = yield* first<AssistantVersion>(
      sql`select * from assistant_versions where assistant_id = ${assistant_id} and version = ${version}`,
    )
    if (!found) throw new RunloomError('not_found', `Assistant ${assistant_id} has no version ${version}`)
    return yield* writeCurrent(found)
  },
)

function* writeCurrent(content: Omit<AssistantVersion, 'created_at'>): Steps<Assistant> {
  const { assistant_id, version, graph_id, name, description, config, context, metadata } = content
  return (yield* first<Assistant>(sql`
    update assistants set version = ${version}, graph_id = ${graph_id}, name = ${name}, description = ${description},
      config = ${config}, context = ${context}, metadata = ${metadata}, updated_at = now_iso()
    where assistant_id = ${assistant_id} returning *`)) as Assistant
}
