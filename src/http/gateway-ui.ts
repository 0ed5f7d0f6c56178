// The other calls of a page written for the gateway dialect (contracts: gateway §5): what this server has is told, what it
// has not is empty or switched off, so that the page shows the rest. Paths are relative to where the dialect is mounted.
import { Hono } from 'hono'
import { RunloomError } from '../core/errors.ts'
import { getRun } from '../core/runs.ts'
import { getThread } from '../core/threads.ts'
import * as protocol from '../protocol/gateway-data.ts'
import { onThread } from './access.ts'
import { body } from './errors.ts'
import { runKey } from './gateway-data.ts'
import type { Ports } from './ports.ts'

const OFF = { enabled: false }

/** Answers that are the same for everyone, by path. */
const ANSWERS: Readonly<Record<string, object>> = {
  '/features': {
    agents_api: OFF,
    browser_control: OFF,
    mcp_tasks: OFF,
    subagent_batches: { enabled: false, repository_available: false, worker_running: false, max_running: 0 },
    knowledge_base: { scope_selection_enabled: false },
  },
  '/suggestions/config': OFF,
  '/input-polish/config': OFF,
  '/agents': { agents: [] },
  '/user-profile': { content: null },
  '/channels': { service_running: false, channels: {} },
  '/channels/providers': { enabled: false, providers: [] },
  '/channels/connections': { connections: [] },
  '/scheduled-tasks': [],
}

/** Answers about a thread, once it is known to exist. */
const THREAD_ANSWERS: Readonly<Record<string, object>> = {
  'mcp-tasks': [],
}

const NO_CHANGES = {
  available: false,
  version: 1,
  summary: {
    created: 0,
    modified: 0,
    deleted: 0,
    symlink_created: 0,
    additions: 0,
    deletions: 0,
    truncated: false,
  },
  files: [],
  limits: {},
}

/** What this server does not have, by the paths where it would be; what is answered above is not refused. */
const UNSUPPORTED: Readonly<Record<string, readonly string[]>> = {
  'editing of artifacts': ['/threads/:thread_id/artifacts/:path{.+}'],
  'branches of a thread': ['/threads/:thread_id/branches'],
  'compacting a thread': ['/threads/:thread_id/compact'],
  'editing skills': ['/skills/*'],
  'custom agents': ['/agents', '/agents/*'],
  'scheduled tasks under this face (use crons)': ['/scheduled-tasks', '/scheduled-tasks/*'],
  'polishing a draft': ['/input-polish'],
}

export function gatewayUiRoutes(ports: Ports) {
  const { db } = ports
  const app = new Hono()
  for (const [path, answer] of Object.entries(ANSWERS)) app.get(path, c => c.json(answer))
  for (const [path, answer] of Object.entries(THREAD_ANSWERS)) {
    app.get(`/threads/:thread_id/${path}`, async c => {
      await db.run(getThread, await onThread(ports, c, 'threads:read'))
      return c.json(answer)
    })
  }
  app
    .post('/threads/:thread_id/suggestions', async c => {
      await body(c, protocol.suggestions)
      return c.json({ suggestions: [] })
    })
    .get('/threads/:thread_id/runs/:run_id/workspace-changes', async c => {
      await db.run(getRun, await runKey(ports, c))
      return c.json(NO_CHANGES)
    })
  for (const [feature, paths] of Object.entries(UNSUPPORTED)) {
    for (const path of paths) app.all(path, refuse(feature))
  }
  return app
}

function refuse(feature: string) {
  return (): never => {
    throw new RunloomError('unsupported', `This server does not have ${feature}`)
  }
}
