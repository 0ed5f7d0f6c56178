// Assistants over HTTP (contracts: langgraph §2): found, and shown as graph and schemas.
import { type Context, Hono } from 'hono'
import { type Assistant, getAssistant, searchAssistants } from '../core/assistants.ts'
import { jsonText } from '../core/json.ts'
import { drawable, schemas, subgraphs } from '../graph/introspect.ts'
import * as protocol from '../protocol/assistants.ts'
import { flag } from '../protocol/common.ts'
import { body, parse } from './errors.ts'
import type { Ports } from './ports.ts'
import { wireAssistant } from './wire.ts'

export function assistantRoutes({ db, graphs }: Ports) {
  const find = (c: Context) => db.run(getAssistant, c.req.param('assistant_id') as string)
  const graphOf = ({ graph_id, config }: Assistant) => graphs.get(graph_id, JSON.parse(config))

  return new Hono()
    .post('/assistants/search', async c => {
      const { graph_id, name, metadata, limit, offset } = await body(c, protocol.searchAssistants)
      const found = await db.run(searchAssistants, {
        limit: limit ?? 10,
        offset: offset ?? 0,
        ...(graph_id && { graph_id }),
        ...(name && { name }),
        ...(metadata && { metadata: jsonText(metadata) }),
      })
      return c.json(found.map(wireAssistant))
    })
    .get('/assistants/:assistant_id', async c => c.json(wireAssistant(await find(c))))
    .get('/assistants/:assistant_id/graph', async c => {
      const xray = c.req.query('xray') ?? ''
      return c.json(
        await drawable(
          await graphOf(await find(c)),
          /^[2-9]\d*$/.test(xray) ? Number(xray) : parse(flag, xray, 'xray'),
        ),
      )
    })
    .get('/assistants/:assistant_id/schemas', async c => {
      const assistant = await find(c)
      return c.json(await schemas(assistant.graph_id, await graphOf(assistant)))
    })
    .get('/assistants/:assistant_id/subgraphs/:namespace?', async c => {
      const recurse = parse(flag, c.req.query('recurse'), 'recurse')
      return c.json(await subgraphs(await graphOf(await find(c)), c.req.param('namespace'), recurse))
    })
}
