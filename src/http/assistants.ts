// Assistants and their versions over HTTP (contracts: langgraph §2), and what their graphs look like.
import { type Context, Hono } from 'hono'
import { patchAssistant, searchVersions, setLatestVersion } from '../core/assistant-versions.ts'
import {
  type Assistant,
  type AssistantKey,
  countAssistants,
  createAssistant,
  deletableAssistant,
  deleteAssistant,
  getAssistant,
  runsOfAssistant,
  searchAssistants,
  threadsOfAssistant,
} from '../core/assistants.ts'
import { RunloomError } from '../core/errors.ts'
import { newId } from '../core/ids.ts'
import { jsonText } from '../core/json.ts'
import { announceStop, removeRun } from '../core/run-requests.ts'
import { deleteThread } from '../core/threads.ts'
import { userConfigurable, withoutUser } from '../core/users.ts'
import { drawable, schemas, subgraphs } from '../graph/introspect.ts'
import type { GraphConfig } from '../graph/load.ts'
import * as protocol from '../protocol/assistants.ts'
import { flag } from '../protocol/common.ts'
import { namedAssistant, permit } from './access.ts'
import { userOf } from './authentication.ts'
import { body, parse } from './errors.ts'
import { pageHeaders, selected } from './pages.ts'
import type { Ports } from './ports.ts'
import { wireAssistant } from './wire.ts'

/** `named` says which assistant a face means by an id. */
export function assistantRoutes(ports: Ports, named = (id: string) => id) {
  const { db, graphs } = ports
  const id = (c: Context) => named(c.req.param('assistant_id') as string)
  const key = async (c: Context, event: 'assistants:read' | 'assistants:delete') => ({
    assistant_id: id(c),
    allowed: (await permit(ports, c, event, { assistant_id: namedAssistant(id(c)) })).allowed,
  })
  const find = async (c: Context) => db.run(getAssistant, await key(c, 'assistants:read'))
  const graphOf = (c: Context, assistant: Assistant) => {
    const config = JSON.parse(assistant.config) as GraphConfig
    const configurable = { ...withoutUser(config.configurable), ...userConfigurable(userOf(c)) }
    return graphs.get(assistant.graph_id, { ...config, configurable })
  }
  const one = '/assistants/:assistant_id' as const

  return new Hono()
    .post('/assistants', async c => c.json(wireAssistant(await create(ports, c))))
    .post('/assistants/search', async c => {
      const asked = await body(c, protocol.searchAssistants)
      const { value: request, allowed } = await permit(ports, c, 'assistants:search', asked)
      const { limit, offset, sort_by, sort_order, select } = request
      const { assistants, total } = await db.run(searchAssistants, {
        ...filterOf(request),
        allowed,
        limit: limit ?? 10,
        offset: offset ?? 0,
        sort_by: sort_by ?? 'created_at',
        sort_order: sort_order ?? 'desc',
      })
      pageHeaders(c, { offset: offset ?? 0, shown: assistants.length, total })
      return c.json(assistants.map(assistant => selected(wireAssistant(assistant), select)))
    })
    .post('/assistants/count', async c => {
      const asked = await body(c, protocol.countAssistants)
      const { value, allowed } = await permit(ports, c, 'assistants:search', asked)
      return c.json(await db.run(countAssistants, { ...filterOf(value), allowed }))
    })
    .get(one, async c => c.json(wireAssistant(await find(c))))
    .patch(one, async c => c.json(wireAssistant(await patch(ports, c, id(c)))))
    .delete(one, async c => c.json(await remove(ports, c, await key(c, 'assistants:delete'))))
    .get(`${one}/graph`, async c => {
      const xray = parse(protocol.xray, c.req.query('xray') ?? '', 'xray')
      return c.json(await drawable(await graphOf(c, await find(c)), xray))
    })
    .get(`${one}/schemas`, async c => {
      const assistant = await find(c)
      const source = graphs.typesOf(assistant.graph_id)
      return c.json(schemas(assistant.graph_id, await graphOf(c, assistant), source && ports.types.of(source)))
    })
    .on('GET', [`${one}/subgraphs`, `${one}/subgraphs/:namespace`], async c => {
      const recurse = parse(flag, c.req.query('recurse'), 'recurse')
      return c.json(await subgraphs(await graphOf(c, await find(c)), c.req.param('namespace'), recurse))
    })
    .post(`${one}/versions`, async c => {
      const { limit, offset, metadata } = await body(c, protocol.searchVersions)
      const { versions, total } = await db.run(searchVersions, {
        ...(await key(c, 'assistants:read')),
        limit: limit ?? 10,
        offset: offset ?? 0,
        ...(metadata && { metadata: jsonText(metadata) }),
      })
      pageHeaders(c, { offset: offset ?? 0, shown: versions.length, total })
      return c.json(versions.map(wireAssistant))
    })
    .post(`${one}/latest`, async c => {
      const { version } = await body(c, protocol.latestVersion)
      const wanted = parse(protocol.version, version ?? c.req.query('version'), 'version')
      const asked = { assistant_id: namedAssistant(id(c)), version: wanted }
      const { value, allowed } = await permit(ports, c, 'assistants:update', asked)
      const latest = { assistant_id: id(c), allowed, version: value.version }
      return c.json(wireAssistant(await db.run(setLatestVersion, latest)))
    })
}

async function create(ports: Ports, c: Context): Promise<Assistant> {
  const { db, graphs } = ports
  const { assistant_id, metadata, ...given } = await body(c, protocol.createAssistant)
  const asked = { ...given, assistant_id: assistant_id ?? newId(), metadata: metadata ?? {} }
  const { value: request, allowed } = await permit(ports, c, 'assistants:create', asked)
  graphs.check(request.graph_id)
  return db.run(createAssistant, {
    assistant_id: request.assistant_id,
    allowed,
    graph_id: request.graph_id,
    name: request.name ?? 'Untitled',
    description: request.description ?? null,
    config: jsonText(request.config ?? {}),
    context: jsonText(request.context ?? {}),
    metadata: jsonText(request.metadata ?? {}),
    if_exists: request.if_exists ?? 'raise',
  })
}

async function patch(ports: Ports, c: Context, assistant_id: string): Promise<Assistant> {
  const { db, graphs } = ports
  const asked = { ...(await body(c, protocol.patchAssistant)), assistant_id: namedAssistant(assistant_id) }
  const { value, allowed } = await permit(ports, c, 'assistants:update', asked)
  const { graph_id, name, description, config, context, metadata } = value
  if (graph_id != null) graphs.check(graph_id)
  return db.run(patchAssistant, {
    assistant_id,
    allowed,
    metadata: metadata ?? {},
    ...(graph_id != null && { graph_id }),
    ...(name != null && { name }),
    ...(description != null && { description }),
    ...(config && { config: jsonText(config) }),
    ...(context && { context: jsonText(context) }),
  })
}

/** Runs or threads that are removed at once. */
const PAGE = 100

/**
 * Removes an assistant and its runs, asked for also the threads they ran on. Runs in flight are stopped first, by their
 * owners where they have one. It goes last, so that a removal that was cut short can be repeated.
 */
async function remove(ports: Ports, c: Context, key: AssistantKey): Promise<string[]> {
  const { db } = ports
  const withThreads = parse(flag, c.req.query('delete_threads'), 'delete_threads')
  const { assistant_id } = await db.run(deletableAssistant, key)
  const page = { assistant_id, limit: PAGE }
  const { allowed } = withThreads ? await permit(ports, c, 'threads:delete', {}) : {}
  while (withThreads) {
    const threads = await db.run(threadsOfAssistant, { ...page, allowed })
    if (threads.length === 0) break
    for (const stopped of await Promise.all(
      threads.map(({ thread_id }) => db.run(deleteThread, { thread_id, allowed }).catch(gone)),
    )) {
      for (const run_id of stopped ?? []) announceStop(ports, run_id)
    }
    ports.files.wake()
  }
  for (;;) {
    const runs = await db.run(runsOfAssistant, page)
    if (runs.length === 0) break
    c.req.raw.signal.throwIfAborted()
    await Promise.all(
      runs.map(({ run_id }) => removeRun(ports, { run_id, by: 'assistant deleted' }, c.req.raw.signal).catch(gone)),
    )
  }
  await db.run(deleteAssistant, { assistant_id, allowed: key.allowed })
  return [assistant_id]
}

/** Somebody else was faster. */
function gone(error: unknown): undefined {
  if (!(error instanceof RunloomError && error.code === 'not_found')) throw error
}

function filterOf({ graph_id, name, metadata }: protocol.AssistantFilter) {
  return {
    ...(graph_id != null && { graph_id }),
    ...(name && { name }),
    ...(metadata && { metadata: jsonText(metadata) }),
  }
}
