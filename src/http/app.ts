// The whole HTTP surface as one fetch handler: server and tests go through it. From the outside in: the request's id and
// log, CORS, the size of the body, the user's own app and authentication, permissions, our routes.
import { type Context, Hono } from 'hono'
import { getPath } from 'hono/utils/url'
import { assistantRoutes } from './assistants.ts'
import { authentication } from './authentication.ts'
import { limitedBody } from './body-limit.ts'
import { cronRoutes } from './crons.ts'
import { crossOrigin } from './cross-origin.ts'
import { type Around, mountAround } from './custom-app.ts'
import { errorHandler } from './errors.ts'
import { gatewayRoutes } from './gateway.ts'
import { isUpload } from './gateway-uploads.ts'
import { headerPicker } from './headers.ts'
import { permissions } from './permissions.ts'
import type { Ports } from './ports.ts'
import { requestLog } from './request-log.ts'
import { runRoutes } from './runs.ts'
import { stateRoutes } from './states.ts'
import { storeRoutes } from './store.ts'
import { systemRoutes } from './system.ts'
import { threadStreamRoutes } from './thread-stream.ts'
import { threadRoutes } from './threads.ts'
import { uiRoutes } from './ui.ts'
import { notServed, v1ErrorHandler } from './v1-errors.ts'
import { webhookRoutes } from './webhooks.ts'
import { workflowRoutes } from './workflows.ts'

export interface AppOptions extends Pick<Around, 'custom'> {
  log_requests: boolean
  /** The folder of the web page. */
  page: string
}

/** Where workflows are; before everything else below `/api`. */
const V1 = '/api/v1'

export function createApp(ports: Ports, { log_requests, custom, page }: AppOptions): Hono {
  const { logger, http, limits } = ports
  const app = new Hono({ getPath: pathBelow(http.mount_prefix) }).basePath(http.mount_prefix)
  app.use(headOnly)
  app.use(requestLog({ logger, headers: headerPicker(http.logging_headers), every: log_requests }))
  app.use(crossOrigin(http.cors))
  app.use(limitedBody(limits.max_body_bytes, isUpload))
  const [onError, onV1Error] = [errorHandler(logger), v1ErrorHandler(logger)]
  const isV1 = (c: Context) => c.req.path.startsWith(`${http.mount_prefix}${V1}/`)
  app.onError((error, c) => (isV1(c) ? onV1Error : onError)(error, c))
  app.notFound(c =>
    isV1(c) ? notServed(c) : c.json({ detail: `${c.req.method} ${c.req.path} is not served here` }, 404),
  )
  mountAround(app, { http, custom, authenticate: authentication(ports.authenticate, http.mount_prefix) })
  app.use(permissions(http.mount_prefix))
  if (!http.disable_runs) app.route(V1, workflowRoutes(ports))
  for (const routes of ourRoutes(ports)) app.route('/', routes)
  app.route('/api', gatewayRoutes(ports))
  if (!http.disable_ui) app.route('/', uiRoutes(page))
  return app
}

/** Hono answers HEAD as GET without the body, which would stay open where it is a stream that nobody reads. */
async function headOnly(c: Context, next: () => Promise<void>) {
  await next()
  if (c.req.method === 'HEAD') await c.res.body?.cancel()
}

/** The path of a request. What is at `/api` is also at `/api/langgraph` (contracts: gateway §1.1). */
function pathBelow(prefix: string) {
  const alias = `${prefix}/api/langgraph/`
  return (request: Request): string => {
    const path = getPath(request)
    return path.startsWith(alias) ? `${prefix}/api/${path.slice(alias.length)}` : path
  }
}

function ourRoutes(ports: Ports): Hono[] {
  const { disable_assistants, disable_threads, disable_runs, disable_store } = ports.http
  return [
    systemRoutes(ports),
    ...(disable_assistants ? [] : [assistantRoutes(ports)]),
    ...(disable_threads ? [] : [threadRoutes(ports), stateRoutes(ports), threadStreamRoutes(ports)]),
    ...(disable_runs ? [] : [runRoutes(ports), cronRoutes(ports), webhookRoutes(ports)]),
    ...(disable_store ? [] : [storeRoutes(ports)]),
  ]
}
