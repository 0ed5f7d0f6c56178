// Liveness and what this server can do (contracts: langgraph §9).
import { Hono } from 'hono'
import { ping } from '../db/database.ts'
import type { Ports } from './ports.ts'

export function systemRoutes({ db, version }: Ports) {
  return new Hono()
    .get('/ok', async c => {
      if (c.req.query('check_db')) await db.run(ping, null)
      return c.json({ ok: true })
    })
    .get('/info', c =>
      c.json({
        version,
        context: 'js',
        flags: { assistants: true, crons: true, langsmith: false, langsmith_tracing_replicas: false },
        metadata: {},
      }),
    )
}
