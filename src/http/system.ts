// Liveness, what this server can do, its metrics, and the description of its API (contracts: langgraph §9).
import { Hono } from 'hono'
import { ping } from '../db/database.ts'
import { flag } from '../protocol/common.ts'
import { docsPage, viewerFile } from './docs.ts'
import { parse } from './errors.ts'
import { openApi } from './openapi.ts'
import type { Ports } from './ports.ts'

export function systemRoutes({ db, http, metrics, version, langgraph_version }: Ports): Hono {
  const { disable_assistants, disable_runs, disable_meta } = http
  const app = new Hono().get('/ok', async c => {
    if (parse(flag, c.req.query('check_db'), 'check_db') && !disable_meta) await db.run(ping, null)
    return c.json({ ok: true })
  })
  if (disable_meta) return app
  return app
    .get('/health', c => c.json({ status: 'healthy', service: 'runloom' }))
    .get('/info', c =>
      c.json({
        version,
        langgraph_js_version: langgraph_version,
        context: 'js',
        flags: {
          assistants: !disable_assistants,
          crons: !disable_runs,
          langsmith: false,
          langsmith_tracing_replicas: false,
        },
        metadata: {},
      }),
    )
    .get('/metrics', async c => {
      if (c.req.query('format') === 'json') return c.json(await metrics.json())
      const { type, text } = await metrics.text()
      return c.body(text, 200, { 'content-type': type })
    })
    .get('/openapi.json', c => c.json(openApi(http, version)))
    .get('/docs', c => c.html(docsPage))
    .get('/docs/:file', c => viewerFile(c, c.req.param('file')))
}
