// The state of threads over HTTP (contracts: langgraph §3): read at any checkpoint, updated, its history.
import { type Context, Hono } from 'hono'
import { jsonText } from '../core/json.ts'
import { patchStateMetadata } from '../core/states.ts'
import type { ThreadReader } from '../graph/state.ts'
import { flag, queryList } from '../protocol/common.ts'
import * as protocol from '../protocol/threads.ts'
import { onThread } from './access.ts'
import { userOf } from './authentication.ts'
import { body, parse } from './errors.ts'
import type { Ports } from './ports.ts'

export function stateRoutes(ports: Ports) {
  const { db, states } = ports
  const find = async (c: Context, event: 'threads:read' | 'threads:update'): Promise<ThreadReader> => ({
    ...(await onThread(ports, c, event)),
    user: userOf(c),
  })
  const state = '/threads/:thread_id/state' as const
  const history = '/threads/:thread_id/history' as const

  return new Hono()
    .get(state, async c => json(c, await states.get(await find(c, 'threads:read'), queryOf(c))))
    .get(`${state}/:checkpoint_id`, async c => {
      const checkpoint = { checkpoint_id: c.req.param('checkpoint_id') }
      return json(c, await states.get(await find(c, 'threads:read'), { checkpoint, ...queryOf(c) }))
    })
    .post(`${state}/checkpoint`, async c => {
      const { checkpoint, subgraphs, select } = await body(c, protocol.stateAtCheckpoint)
      const reader = await find(c, 'threads:read')
      return json(c, await states.get(reader, { checkpoint, subgraphs: subgraphs ?? false, select }))
    })
    .post(state, async c => {
      const { checkpoint: given, checkpoint_id, ...update } = await body(c, protocol.updateState)
      const reader = await find(c, 'threads:update')
      const checkpoint = await states.update(reader, given ?? (checkpoint_id ? { checkpoint_id } : {}), update)
      // The second is what the SDK's type of the answer says.
      return c.json({ checkpoint, configurable: checkpoint })
    })
    .patch(state, async c => {
      const { metadata } = await body(c, protocol.patchState)
      const key = await onThread(ports, c, 'threads:update')
      await db.run(patchStateMetadata, { ...key, metadata: jsonText(metadata) })
      return c.body(null, 204)
    })
    .get(history, async c => {
      const { limit, before } = c.req.query()
      const { select } = queryOf(c)
      const query = { ...parse(protocol.history, { limit, before }), select }
      return json(c, await states.history(await find(c, 'threads:read'), query))
    })
    .post(history, async c => {
      const query = await body(c, protocol.history)
      return json(c, await states.history(await find(c, 'threads:read'), query))
    })
}

function queryOf(c: Context) {
  const subgraphs = parse(flag, c.req.query('subgraphs'), 'subgraphs')
  const asked = queryList([...(c.req.queries('select') ?? []), ...(c.req.queries('select[]') ?? [])])
  return { subgraphs, ...(asked.length > 0 && { select: parse(protocol.selectState, asked, 'select') }) }
}

/** A response whose JSON is text already. */
function json(c: Context, text: string): Response {
  return c.body(text, 200, { 'content-type': 'application/json' })
}
