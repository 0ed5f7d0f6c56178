// Sessions over HTTP (contracts: workflows §14).
import { type Context, Hono } from 'hono'
import { RunloomError } from '../core/errors.ts'
import { isUuid, newId } from '../core/ids.ts'
import { jsonText } from '../core/json.ts'
import * as protocol from '../protocol/sessions.ts'
import {
  addSessionMessage,
  clearSession,
  createSession,
  deleteSession,
  getSession,
  listSessions,
  patchSession,
  type Session,
  type SessionMessage,
} from '../workflow/sessions.ts'
import type { Event } from './access.ts'
import { body } from './errors.ts'
import type { Ports } from './ports.ts'
import { ownerFor } from './workflow-access.ts'

export function sessionRoutes(ports: Ports) {
  const { db } = ports
  const one = '/sessions/:session_id' as const
  return new Hono()
    .post('/sessions', async c => {
      const { customer_id, metadata } = await body(c, protocol.createSession)
      const owner = await ownerFor(ports, c, 'threads:create', { metadata })
      const args = { owner, session_id: newId(), customer_id: customer_id ?? null }
      return c.json(wireSession(await db.run(createSession, { ...args, metadata: jsonText(metadata ?? {}) })), 201)
    })
    .get('/sessions', async c => {
      const { limit, offset, customer_id } = protocol.listSessions.parse(c.req.query())
      const by = customer_id === undefined ? {} : { customer_id }
      const owner = await ownerFor(ports, c, 'threads:search')
      const { sessions, more } = await db.run(listSessions, { owner, ...by, limit, offset })
      return c.json({ sessions: sessions.map(wireSession), ...(more && { next_cursor: String(offset + limit) }) })
    })
    .get(one, async c => {
      const { session, messages } = await db.run(getSession, await sessionFor(ports, c, 'threads:read'))
      return c.json({ ...wireSession(session), messages: messages.map(wireMessage) })
    })
    .patch(one, async c => {
      const key = await sessionFor(ports, c, 'threads:update')
      const { metadata } = await body(c, protocol.patchSession)
      return c.json(wireSession(await db.run(patchSession, { ...key, metadata: jsonText(metadata) })))
    })
    .delete(one, async c => {
      await db.run(deleteSession, await sessionFor(ports, c, 'threads:delete'))
      return c.body(null, 204)
    })
    .post(`${one}/messages`, async c => {
      const key = await sessionFor(ports, c, 'threads:update')
      const { role, content, run_id } = await body(c, protocol.sessionMessage)
      const message = { message_id: newId(), role, content: jsonText(content), run_id: run_id ?? null }
      return c.json(wireMessage(await db.run(addSessionMessage, { ...key, ...message })), 201)
    })
    .post(`${one}/clear`, async c =>
      c.json(wireSession(await db.run(clearSession, await sessionFor(ports, c, 'threads:update')))),
    )
}

async function sessionFor(ports: Ports, c: Context, event: Event) {
  const session_id = c.req.param('session_id') as string
  if (!isUuid(session_id)) throw new RunloomError('malformed', `session_id: "${session_id}" must be a UUID`)
  return { owner: await ownerFor(ports, c, event, { session_id }), session_id }
}

/** There are no projects here: every session is of the one that there is. */
const PROJECT = '00000000-0000-0000-0000-000000000000'

function wireSession({ session_id: id, customer_id, metadata, ...session }: Session) {
  return {
    id,
    project_id: PROJECT,
    ...(customer_id !== null && { customer_id }),
    metadata: JSON.parse(metadata),
    ...session,
  }
}

function wireMessage({ message_id: id, content, run_id, ...message }: SessionMessage) {
  return { id, content: JSON.parse(content), ...(run_id !== null && { run_id }), ...message }
}
