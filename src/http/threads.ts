// Threads and their state over HTTP (contracts: langgraph §3).
import { type Context, Hono } from 'hono'
import { newId } from '../core/ids.ts'
import { jsonText } from '../core/json.ts'
import {
  copyThread,
  createThread,
  deleteThread,
  getThread,
  patchThread,
  searchThreads,
  type Thread,
} from '../core/threads.ts'
import { flag } from '../protocol/common.ts'
import * as protocol from '../protocol/threads.ts'
import { body, parse } from './errors.ts'
import { announceStop } from './follow.ts'
import type { Ports } from './ports.ts'
import { wireThread } from './wire.ts'

export function threadRoutes(ports: Ports) {
  const { db, states } = ports
  const id = (c: Context) => c.req.param('thread_id') as string
  const wire = async (thread: Thread) => wireThread(thread, await states.values(thread))
  const subgraphs = (c: Context) => parse(flag, c.req.query('subgraphs'), 'subgraphs')

  return new Hono()
    .post('/threads', async c => {
      const { thread_id, metadata, if_exists } = await body(c, protocol.createThread)
      const thread = { thread_id: thread_id ?? newId(), metadata: jsonText(metadata ?? {}), hidden: 0 as const }
      return c.json(await wire(await db.run(createThread, { ...thread, if_exists: if_exists ?? 'raise' })))
    })
    .post('/threads/search', async c => {
      const { metadata, status, limit, offset } = await body(c, protocol.searchThreads)
      const found = await db.run(searchThreads, {
        limit: limit ?? 10,
        offset: offset ?? 0,
        ...(metadata && { metadata: jsonText(metadata) }),
        ...(status && { status }),
      })
      return c.json(await Promise.all(found.map(wire)))
    })
    .get('/threads/:thread_id', async c => c.json(await wire(await db.run(getThread, id(c)))))
    .patch('/threads/:thread_id', async c => {
      const { metadata } = await body(c, protocol.patchThread)
      const thread = await db.run(patchThread, { thread_id: id(c), metadata: jsonText(metadata ?? {}) })
      return c.req.header('prefer') === 'return=minimal' ? c.body(null, 204) : c.json(await wire(thread))
    })
    .delete('/threads/:thread_id', async c => {
      for (const run_id of await db.run(deleteThread, id(c))) announceStop(ports, run_id)
      return c.body(null, 204)
    })
    .post('/threads/:thread_id/copy', async c =>
      c.json(await wire(await db.run(copyThread, { thread_id: id(c), copy_id: newId() }))),
    )
    .get('/threads/:thread_id/state', async c => json(c, await states.get(id(c), {}, subgraphs(c))))
    .post('/threads/:thread_id/state', async c => {
      const { values, as_node, checkpoint, checkpoint_id } = await body(c, protocol.updateState)
      const from = checkpoint ?? (checkpoint_id ? { checkpoint_id } : {})
      return c.json({ checkpoint: await states.update(id(c), from, values, as_node ?? undefined) })
    })
    .post('/threads/:thread_id/state/checkpoint', async c => {
      const request = await body(c, protocol.stateAtCheckpoint)
      return json(c, await states.get(id(c), request.checkpoint, request.subgraphs ?? false))
    })
    .get('/threads/:thread_id/state/:checkpoint_id', async c =>
      json(c, await states.get(id(c), { checkpoint_id: c.req.param('checkpoint_id') }, subgraphs(c))),
    )
    .on(['GET', 'POST'], '/threads/:thread_id/history', async c => {
      const given = c.req.method === 'GET' ? parse(protocol.history, c.req.query()) : await body(c, protocol.history)
      return json(c, await states.history(id(c), given))
    })
}

/** A response whose JSON is text already. */
function json(c: Context, text: string): Response {
  return c.body(text, 200, { 'content-type': 'application/json' })
}
