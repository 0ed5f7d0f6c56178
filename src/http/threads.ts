// Threads over HTTP (contracts: langgraph §3).
import { type Context, Hono } from 'hono'
import type { z } from 'zod'
import { RunloomError } from '../core/errors.ts'
import { newId } from '../core/ids.ts'
import { jsonText } from '../core/json.ts'
import { announceStop } from '../core/run-requests.ts'
import { copyThread } from '../core/thread-copy.ts'
import { pruneThread } from '../core/thread-prune.ts'
import { countThreads, searchThreads } from '../core/thread-search.ts'
import { threadStorage } from '../core/thread-storage.ts'
import {
  type CreateThread,
  createThread,
  deleteThread,
  getThread,
  patchThread,
  type Thread,
  type ThreadKey,
} from '../core/threads.ts'
import { queryList } from '../protocol/common.ts'
import * as protocol from '../protocol/threads.ts'
import { onThread, permit } from './access.ts'
import { userOf } from './authentication.ts'
import { body } from './errors.ts'
import { pageHeaders, selected } from './pages.ts'
import type { Ports } from './ports.ts'
import { extracted, wireThread, wireTtl } from './wire.ts'

/** What a face says in its own way about threads. */
export interface ThreadFace {
  createThread: z.ZodType<protocol.CreateThread>
  /** Deletes a thread; returns the runs that were stopped with it. */
  deleteThread: typeof deleteThread
  deleted: (c: Context) => Response
}

export function threadRoutes(ports: Ports, face: ThreadFace = langgraph) {
  const { db, states } = ports
  const wire = async (thread: Thread) => wireThread(thread, await states.values(thread))
  const one = '/threads/:thread_id' as const

  return new Hono()
    .post('/threads', async c => c.json(await wire(await create(ports, c, face))))
    .post('/threads/search', async c => {
      const { value: request, allowed } = await permit(
        ports,
        c,
        'threads:search',
        await body(c, protocol.searchThreads),
      )
      const { limit, offset, sort_by, sort_order, ids } = request
      const { threads, total } = await db.run(searchThreads, {
        ...filterOf(request),
        allowed,
        ...(ids && { ids }),
        limit: limit ?? 10,
        offset: offset ?? 0,
        sort_by: sort_by ?? 'created_at',
        sort_order: sort_order ?? 'desc',
      })
      pageHeaders(c, { offset: offset ?? 0, shown: threads.length, total })
      return c.json(await Promise.all(threads.map(thread => found(ports, thread, request))))
    })
    .post('/threads/count', async c => {
      const { value, allowed } = await permit(ports, c, 'threads:search', await body(c, protocol.countThreads))
      return c.json(await db.run(countThreads, { ...filterOf(value), allowed }))
    })
    .post('/threads/prune', async c => {
      const { thread_ids, strategy } = await body(c, protocol.pruneThreads)
      const [event, prune] =
        strategy === 'keep_latest'
          ? (['threads:update', (key: ThreadKey) => db.run(pruneThread, key)] as const)
          : (['threads:delete', remover(ports)] as const)
      const keys = [...new Set(thread_ids)].map(thread_id => ({ thread_id }))
      const permits = await Promise.all(keys.map(key => permit(ports, c, event, { ...key })))
      const pruned = await Promise.all(keys.map((key, n) => prune({ ...key, allowed: permits[n]?.allowed })))
      return c.json({ pruned_count: pruned.filter(done => done).length })
    })
    .get(one, async c => {
      const thread = await db.run(getThread, await onThread(ports, c, 'threads:read'))
      const include = queryList([...(c.req.queries('include') ?? []), ...(c.req.queries('include[]') ?? [])])
      return c.json({ ...(await wire(thread)), ...(include.includes('ttl') && { ttl: wireTtl(thread) }) })
    })
    .patch(one, async c => {
      const thread_id = c.req.param('thread_id')
      const asked = { thread_id, ...(await body(c, protocol.patchThread)) }
      const { value, allowed } = await permit(ports, c, 'threads:update', asked)
      const patch = {
        thread_id,
        allowed,
        metadata: jsonText(value.metadata ?? {}),
        ...(value.ttl && { ttl: value.ttl }),
      }
      const thread = await db.run(patchThread, patch)
      const minimal = c.req.header('prefer')?.includes('return=minimal')
      return minimal ? c.body(null, 204) : c.json(await wire(thread))
    })
    .delete(one, async c => {
      const key = await onThread(ports, c, 'threads:delete')
      for (const run_id of await db.run(face.deleteThread, key)) announceStop(ports, run_id)
      ports.files.wake()
      return face.deleted(c)
    })
    .post(`${one}/copy`, async c => {
      const source = await onThread(ports, c, 'threads:read')
      const copy_id = newId()
      const metadata: Record<string, unknown> = {}
      const { value } = await permit(ports, c, 'threads:create', { thread_id: copy_id, metadata, if_exists: 'raise' })
      const copy = await db.run(copyThread, { ...source, copy_id, metadata: value.metadata })
      await ports.files.copy(source.thread_id, copy_id).catch(async error => {
        await db.run(deleteThread, { thread_id: copy_id })
        throw error
      })
      return c.json(await wire(copy))
    })
    .get(`${one}/storage`, async c => c.json(await db.run(threadStorage, await onThread(ports, c, 'threads:read'))))
}

const langgraph: ThreadFace = {
  createThread: protocol.createThread,
  deleteThread,
  deleted: c => c.body(null, 204),
}

async function create(ports: Ports, c: Context, face: ThreadFace): Promise<Thread> {
  const { db, graphs, states } = ports
  const { thread_id: id, metadata: given, supersteps, ...request } = await body(c, face.createThread)
  const asked = { ...request, thread_id: id ?? newId(), metadata: given ?? {} }
  const { value, allowed } = await permit(ports, c, 'threads:create', asked)
  const { thread_id, metadata, if_exists, ttl = ports.ttl } = value
  const thread: CreateThread = {
    thread_id,
    allowed,
    metadata: jsonText(metadata ?? {}),
    hidden: 0,
    if_exists: if_exists ?? 'raise',
    ...(ttl && { ttl }),
  }
  if (!supersteps || supersteps.length === 0) return db.run(createThread, thread)
  if (typeof metadata?.graph_id === 'string') graphs.check(metadata.graph_id)
  return states.create(thread, supersteps, userOf(c))
}

/** A thread as a search shows it: what was selected, and what was asked to be extracted. */
async function found({ states }: Ports, thread: Thread, { select, extract }: protocol.ThreadSearch) {
  const paths = Object.entries(extract ?? {})
  const needsValues = !select || select.includes('values') || paths.some(([, path]) => path.startsWith('values'))
  const wired = wireThread(thread, needsValues ? await states.values(thread) : null)
  return {
    ...selected(wired, select),
    ...(extract && { extracted: Object.fromEntries(paths.map(([alias, path]) => [alias, extracted(wired, path)])) }),
  }
}

/** Deletes a thread; false when there is none. */
function remover(ports: Ports) {
  return async (key: ThreadKey): Promise<boolean> => {
    try {
      for (const run_id of await ports.db.run(deleteThread, key)) announceStop(ports, run_id)
      ports.files.wake()
      return true
    } catch (error) {
      if (error instanceof RunloomError && error.code === 'not_found') return false
      throw error
    }
  }
}

function filterOf({ metadata, values, status }: Pick<protocol.ThreadSearch, 'metadata' | 'values' | 'status'>) {
  return {
    ...(metadata && { metadata: jsonText(metadata) }),
    ...(values && { values: jsonText(values) }),
    ...(status && { status }),
  }
}
