// The state of threads over HTTP (contracts: langgraph §3): read at any checkpoint, updated, its history.
import { type Context, Hono } from 'hono'
import type { z } from 'zod'
import { jsonText } from '../core/json.ts'
import { patchStateMetadata } from '../core/states.ts'
import type { ThreadReader } from '../graph/state.ts'
import { flag, queryList } from '../protocol/common.ts'
import * as protocol from '../protocol/threads.ts'
import { onThread } from './access.ts'
import { userOf } from './authentication.ts'
import { body, parse } from './errors.ts'
import type { Ports } from './ports.ts'

/** What a face says in its own way about states. */
export interface StateFace {
  updateState: z.ZodType<protocol.UpdateState>
  history: z.ZodType<protocol.History>
  /** A state's JSON text, as the face shows it; those of a history, newest first. */
  state: (text: string) => string
  states: (text: string) => string
  /** The JSON text that answers an update, from the new checkpoint. */
  updated: (checkpoint: object, thread: ThreadReader) => Promise<string>
}

export function stateRoutes(ports: Ports, face: StateFace = langgraph) {
  const { db, states } = ports
  const find = async (c: Context, event: 'threads:read' | 'threads:update'): Promise<ThreadReader> => ({
    ...(await onThread(ports, c, event)),
    user: userOf(c),
  })
  const state = '/threads/:thread_id/state' as const
  const history = '/threads/:thread_id/history' as const

  return new Hono()
    .get(state, async c => json(c, face.state(await states.get(await find(c, 'threads:read'), queryOf(c)))))
    .get(`${state}/:checkpoint_id`, async c => {
      const checkpoint = { checkpoint_id: c.req.param('checkpoint_id') }
      return json(c, face.state(await states.get(await find(c, 'threads:read'), { checkpoint, ...queryOf(c) })))
    })
    .post(`${state}/checkpoint`, async c => {
      const { checkpoint, subgraphs, select } = await body(c, protocol.stateAtCheckpoint)
      const reader = await find(c, 'threads:read')
      return json(c, face.state(await states.get(reader, { checkpoint, subgraphs: subgraphs ?? false, select })))
    })
    .post(state, async c => {
      const { checkpoint: given, checkpoint_id, ...update } = await body(c, face.updateState)
      const reader = await find(c, 'threads:update')
      const checkpoint = await states.update(reader, given ?? (checkpoint_id ? { checkpoint_id } : {}), update)
      return json(c, await face.updated(checkpoint, reader))
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
      const query = { ...parse(face.history, { limit, before }), select }
      return json(c, face.states(await states.history(await find(c, 'threads:read'), query)))
    })
    .post(history, async c => {
      const query = await body(c, face.history)
      return json(c, face.states(await states.history(await find(c, 'threads:read'), query)))
    })
}

const langgraph: StateFace = {
  updateState: protocol.updateState,
  history: protocol.history,
  state: text => text,
  states: text => text,
  // The second is what the SDK's type of the answer says.
  updated: async checkpoint => JSON.stringify({ checkpoint, configurable: checkpoint }),
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
