// The whole HTTP surface as one fetch handler: server and tests go through it.
import { Hono } from 'hono'
import { cors } from 'hono/cors'
import { assistantRoutes } from './assistants.ts'
import { limitedBody } from './body-limit.ts'
import { cronRoutes } from './crons.ts'
import { errorHandler } from './errors.ts'
import type { Ports } from './ports.ts'
import { runRoutes } from './runs.ts'
import { stateRoutes } from './states.ts'
import { storeRoutes } from './store.ts'
import { systemRoutes } from './system.ts'
import { threadStreamRoutes } from './thread-stream.ts'
import { threadRoutes } from './threads.ts'
import { webhookRoutes } from './webhooks.ts'

/** Headers that browsers must be let see (contracts: langgraph §1). */
const EXPOSED = ['content-location', 'location', 'x-pagination-total', 'x-pagination-next']

export function createApp(ports: Ports): Hono {
  const app = new Hono()
  app.use(cors({ origin: '*', exposeHeaders: EXPOSED }))
  app.use(limitedBody(ports.limits.max_body_bytes))
  app.onError(errorHandler(ports.logger))
  app.notFound(c => c.json({ detail: `${c.req.method} ${c.req.path} is not served here` }, 404))
  app.route('/', systemRoutes(ports))
  app.route('/', assistantRoutes(ports))
  app.route('/', threadRoutes(ports))
  app.route('/', stateRoutes(ports))
  app.route('/', threadStreamRoutes(ports))
  app.route('/', runRoutes(ports))
  app.route('/', storeRoutes(ports))
  app.route('/', cronRoutes(ports))
  app.route('/', webhookRoutes(ports))
  return app
}
