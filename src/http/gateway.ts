// The gateway dialect (contracts: gateway): a face on the same engine, mounted at /api. Every group of routes is one line.
import { Hono } from 'hono'
import { RunloomError } from '../core/errors.ts'
import { may, type User } from '../core/users.ts'
import { threadId } from '../protocol/gateway.ts'
import { assistantRoutes } from './assistants.ts'
import { userOf } from './authentication.ts'
import { listedErrors, parse } from './errors.ts'
import { gatewayArtifactRoutes } from './gateway-artifacts.ts'
import { gatewayDataRoutes } from './gateway-data.ts'
import { assistantNamed } from './gateway-face.ts'
import { gatewayGoalRoutes } from './gateway-goals.ts'
import { gatewayMcpRoutes } from './gateway-mcp.ts'
import { gatewayMemoryRoutes } from './gateway-memory.ts'
import { gatewayModelRoutes } from './gateway-models.ts'
import { gatewayReplayRoutes } from './gateway-replay.ts'
import { statelessRunRoutes, threadRunRoutes } from './gateway-runs.ts'
import { gatewaySkillRoutes } from './gateway-skills.ts'
import { stateFace, threadFace } from './gateway-threads.ts'
import { gatewayUiRoutes } from './gateway-ui.ts'
import { gatewayUploadRoutes } from './gateway-uploads.ts'
import type { Ports } from './ports.ts'
import { stateRoutes } from './states.ts'
import { threadRoutes } from './threads.ts'

/** Below its base. */
export function gatewayRoutes(ports: Ports): Hono {
  const { disable_assistants, disable_threads, disable_runs, disable_meta } = ports.http
  const app = new Hono()
  app.onError(listedErrors(ports.logger))
  if (disable_runs) for (const path of ['/runs/*', '/threads/runs/*']) app.all(path, off('disable_runs'))
  else app.route('/', statelessRunRoutes(ports))
  app.use('/threads/:thread_id/*', async (c, next) => {
    parse(threadId, c.req.param('thread_id'), 'thread_id')
    await next()
  })
  const besidesRuns = [
    gatewayMemoryRoutes,
    gatewaySkillRoutes,
    gatewayMcpRoutes,
    gatewayDataRoutes,
    gatewayModelRoutes,
    gatewayUploadRoutes,
    gatewayArtifactRoutes,
    gatewayGoalRoutes,
    gatewayUiRoutes,
    gatewayReplayRoutes,
  ]
  if (!disable_threads) for (const routes of besidesRuns) app.route('/', routes(ports))
  if (disable_runs) app.all('/threads/:thread_id/runs/*', off('disable_runs'))
  else app.route('/', threadRunRoutes(ports))
  if (disable_threads) app.all('/threads/*', off('disable_threads'))
  else app.route('/', stateRoutes(ports, stateFace(ports))).route('/', threadRoutes(ports, threadFace))
  const named = (id: string) => assistantNamed(ports, id)
  if (disable_assistants) app.all('/assistants/*', off('disable_assistants'))
  else app.route('/', assistantRoutes(ports, named))
  if (!disable_meta) app.get('/v1/auth/me', c => c.json(pageUser(userOf(c))))
  return app
}

/** Stands in the place of routes that langgraph.json switches off. */
function off(option: 'disable_assistants' | 'disable_threads' | 'disable_runs') {
  return () => {
    throw new RunloomError('unavailable', `This part of the API is switched off here (http.${option})`)
  }
}

/** Who uses the page, as it asks before it shows itself; a local administrator where nobody has to say. */
function pageUser(user: User | undefined) {
  const { identity = 'local' } = user ?? {}
  return {
    id: identity,
    email: identity.includes('@') ? identity : 'user@runloom.invalid',
    system_role: may(user, 'admin') ? 'admin' : 'user',
    needs_setup: false,
  }
}
