// Memory over HTTP (contracts: gateway §2): of who asks, whatever thread or agent they use. Handlers of an `Auth` are asked
// as for the store, with the namespace `[<identity>, "memory"]`. Paths are relative to where the dialect is mounted.
import { type Context, Hono } from 'hono'
import type { z } from 'zod'
import { newId } from '../core/ids.ts'
import { addFacts, clearMemory, deleteFact, getMemory, patchFact, ranked, replaceMemory } from '../core/memory.ts'
import { memoryOwner } from '../core/users.ts'
import * as protocol from '../protocol/memory.ts'
import { permit } from './access.ts'
import { userOf } from './authentication.ts'
import { body } from './errors.ts'
import type { Ports } from './ports.ts'

export function gatewayMemoryRoutes(ports: Ports) {
  const { db } = ports
  const { max_facts } = ports.memory
  const read = async (c: Context) => shown(await db.run(getMemory, await ownerFor(ports, c, 'get')))
  const app = new Hono()
  for (const path of ['/memory', '/memory/export'] as const) app.get(path, async c => c.json(await read(c)))
  return (
    app
      // Nothing is kept beside the database that would have to be read again.
      .post('/memory/reload', async c => c.json(await read(c)))
      .get('/memory/config', c => c.json(memoryConfig(ports)))
      .get('/memory/status', async c => c.json({ config: memoryConfig(ports), data: await read(c) }))
      .delete('/memory', async c => c.json(shown(await db.run(clearMemory, await ownerFor(ports, c, 'delete')))))
      .post('/memory/import', async c => {
        const document = await body(c, protocol.memoryDocument)
        const owner = await ownerFor(ports, c, 'put')
        return c.json(shown(await db.run(replaceMemory, { owner, document, max_facts })))
      })
      .post('/memory/facts', async c => {
        const fact = { ...(await body(c, protocol.createFact)), id: newId(), source: 'manual' }
        const owner = await ownerFor(ports, c, 'put')
        return c.json(shown(await db.run(addFacts, { owner, facts: [fact], max_facts, if_known: 'raise' })))
      })
      .patch('/memory/facts/:id', async c => {
        const given = Object.entries(await body(c, protocol.patchFact)).filter(([, value]) => value != null)
        const key = { owner: await ownerFor(ports, c, 'put'), id: c.req.param('id') }
        return c.json(shown(await db.run(patchFact, { ...key, ...Object.fromEntries(given) })))
      })
      .delete('/memory/facts/:id', async c => {
        const owner = await ownerFor(ports, c, 'delete')
        return c.json(shown(await db.run(deleteFact, { owner, id: c.req.param('id') })))
      })
  )
}

async function ownerFor(ports: Ports, c: Context, action: 'get' | 'put' | 'delete'): Promise<string> {
  const owner = memoryOwner(userOf(c))
  await permit(ports, c, `store:${action}`, { namespace: [owner, 'memory'], key: 'facts' })
  return owner
}

function shown(document: protocol.MemoryDocument): protocol.MemoryDocument {
  return { ...document, facts: ranked(document.facts) }
}

function memoryConfig({ memory }: Ports): z.infer<typeof protocol.memoryConfig> {
  return protocol.memoryConfig.parse({ ...memory, storage_path: '' })
}
