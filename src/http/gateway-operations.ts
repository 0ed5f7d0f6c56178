// The operations of the gateway dialect: its own, and those of the root that it has at /api as they are.
import { z } from 'zod'
import * as common from '../protocol/common.ts'
import * as gateway from '../protocol/gateway.ts'
import * as data from '../protocol/gateway-data.ts'
import { setGoal } from '../protocol/goals.ts'
import * as mcp from '../protocol/mcp.ts'
import * as memory from '../protocol/memory.ts'
import * as runs from '../protocol/runs.ts'
import * as skills from '../protocol/skills.ts'
import type { Row } from './operations.ts'
import { joining, joiningOrStopping } from './scopes.ts'

/** The bodies of its requests, as they are validated. */
export const GATEWAY_SCHEMAS = {
  GatewayCreateRun: gateway.createRun,
  GatewayCreateThread: gateway.createThread,
  GatewayUpdateState: gateway.updateState,
  GatewayHistory: gateway.history,
  Feedback: data.feedback,
  SetGoal: setGoal,
  Regenerate: data.regenerate,
  EditAndRegenerate: data.editAndRegenerate,
  Suggestions: data.suggestions,
  CreateFact: memory.createFact,
  PatchFact: memory.patchFact,
  Memory: memory.memoryDocument,
  EnableSkill: skills.enableSkill,
  InstallSkill: skills.installSkill,
  McpConfig: mcp.mcpConfig,
  PatchMcpConfig: mcp.patchMcpConfig,
}

const run = '/threads/{thread_id}/runs' as const
const create = { body: 'GatewayCreateRun' } as const
const { limit, offset, status, select } = gateway.listRuns.shape
const cancel = { action: runs.cancelAction, wait: common.flag }
const cancel_on_disconnect = common.flag
const join = { query: { ...cancel, stream_mode: z.array(z.string()), cancel_on_disconnect } }

const runRows: Row[] = [
  [`GET ${run}`, 'runs:read', 'array', 'List the runs of a thread', { query: { limit, offset, status, select } }],
  [`GET ${run}/{run_id}`, 'runs:read', 'object', 'Get a run'],
  [`DELETE ${run}/{run_id}`, 'runs:cancel', 'object', 'Delete a run'],
  [`GET ${run}/{run_id}/join`, joining, 'json', 'Its result, or its stream', { query: { cancel_on_disconnect } }],
  [`POST ${run}/{run_id}/cancel`, 'runs:cancel', 'object', 'Cancel a run', { query: cancel }],
  ...[run, '/runs' as const].flatMap((path): Row[] => [
    [`GET ${path}/{run_id}/stream`, joiningOrStopping, 'stream', 'Stream a run, from Last-Event-ID on', join],
    [`POST ${path}/{run_id}/stream`, joiningOrStopping, 'stream', 'Stream a run, from Last-Event-ID on', join],
  ]),
  ...[run, '/runs' as const, '/threads/runs' as const].flatMap((path): Row[] => [
    [`POST ${path}`, 'runs:create', 'object', 'Create a run', create],
    [`POST ${path}/stream`, 'runs:create', 'stream', 'Create a run and stream it', create],
    [`POST ${path}/wait`, 'runs:create', 'json', 'Create a run and wait for its result', create],
  ]),
]

const threadRows: Row[] = [
  ['POST /threads', 'threads:write', 'object', 'Create a thread, or get it', { body: 'GatewayCreateThread' }],
  ['DELETE /threads/{thread_id}', 'threads:delete', 'object', 'Delete a thread on which nothing runs'],
  ['POST /threads/{thread_id}/state', 'threads:write', 'object', 'Update its state', { body: 'GatewayUpdateState' }],
  [
    'POST /threads/{thread_id}/history',
    'threads:read',
    'array',
    'Its states, newest first',
    { body: 'GatewayHistory' },
  ],
]

/** What the dialect does not have of the root's operations on threads. */
const LEFT_OUT: string[] = ['GET /threads/{thread_id}/stream']

/** The dialect's operations, given the root's on assistants and threads. */
export function gatewayRows(root: { assistants: Row[]; threads: Row[] }) {
  const own = [...LEFT_OUT, ...threadRows.map(([operation]) => operation)]
  const shared = root.threads.filter(([operation]) => !own.includes(operation))
  return {
    assistants: root.assistants.map(atApi),
    threads: [...threadRows, ...shared].map(atApi),
    runs: runRows.map(atApi),
    meta: ([['GET /v1/auth/me', 'known', 'object', 'Who asks']] satisfies Row[]).map(atApi),
  }
}

function atApi([operation, ...rest]: Row): Row {
  return [operation.replace(' /', ' /api/') as Row[0], ...rest]
}

const THREAD = '/api/threads/{thread_id}'
const RUN = `${THREAD}/runs/{run_id}` as const

export const gatewayDataRows: Row[] = [
  [`GET ${RUN}/messages`, 'runs:read', 'object', 'Messages of a run', { query: data.messageQuery.shape }],
  ['GET /api/runs/{run_id}/messages', 'runs:read', 'object', 'Messages of a run', { query: data.messageQuery.shape }],
  [`GET ${THREAD}/messages`, 'runs:read', 'array', 'Messages of a thread', { query: data.messageQuery.shape }],
  [
    `GET ${THREAD}/messages/page`,
    'runs:read',
    'object',
    'Messages of a thread, backwards',
    { query: data.pageQuery.shape },
  ],
  [`GET ${RUN}/events`, 'runs:read', 'array', 'Events of a run', { query: data.eventQuery.shape }],
  [`GET ${THREAD}/token-usage`, 'threads:read', 'object', 'What a thread has spent', { query: data.usageQuery.shape }],
  [`GET ${RUN}/feedback`, 'runs:read', 'array', 'Feedback on a run'],
  ['GET /api/runs/{run_id}/feedback', 'runs:read', 'array', 'Feedback on a run'],
  [`GET ${RUN}/feedback/stats`, 'runs:read', 'object', 'Feedback on a run, counted'],
  [`PUT ${RUN}/feedback`, 'threads:write', 'object', 'Give or change feedback', { body: 'Feedback' }],
  [`POST ${RUN}/feedback`, 'threads:write', 'object', 'Give feedback', { body: 'Feedback' }],
  [`DELETE ${RUN}/feedback`, 'threads:write', 'object', 'Take feedback back'],
  [`DELETE ${RUN}/feedback/{feedback_id}`, 'threads:write', 'object', 'Take feedback back'],
  [
    `POST ${THREAD}/runs/regenerate/prepare`,
    'runs:read',
    'object',
    'What answers the last question anew',
    { body: 'Regenerate' },
  ],
  [
    `POST ${THREAD}/runs/edit-regenerate/prepare`,
    'runs:read',
    'object',
    'What asks another last question',
    { body: 'EditAndRegenerate' },
  ],
  [`POST ${THREAD}/suggestions`, 'threads:read', 'object', 'Next questions', { body: 'Suggestions' }],
  [`GET ${RUN}/workspace-changes`, 'runs:read', 'object', 'Files that a run changed'],
  [`GET ${THREAD}/uploads/limits`, 'threads:read', 'object', 'What may be uploaded'],
  [`GET ${THREAD}/uploads/list`, 'threads:read', 'object', 'What was uploaded'],
  [`POST ${THREAD}/uploads`, 'threads:write', 'object', 'Upload files', { files: 'files' }],
  [`DELETE ${THREAD}/uploads/{name}`, 'threads:write', 'object', 'Delete an uploaded file'],
  [
    `GET ${THREAD}/artifacts/{path}`,
    'threads:read',
    'file',
    'A file of a thread, by its virtual path',
    { query: { download: common.flag } },
  ],
  [`GET ${THREAD}/goal`, 'threads:read', 'object', 'The goal of a thread'],
  [`PUT ${THREAD}/goal`, 'threads:write', 'object', 'Set the goal of a thread', { body: 'SetGoal' }],
  [`DELETE ${THREAD}/goal`, 'threads:write', 'object', 'Clear the goal of a thread'],
  [`GET ${THREAD}/mcp-tasks`, 'threads:read', 'array', 'MCP tasks of a thread'],
  ['GET /api/models', 'known', 'object', 'Models'],
  ['GET /api/models/{name}', 'known', 'object', 'A model'],
  ['GET /api/features', 'known', 'object', 'What is switched on'],
  ['GET /api/suggestions/config', 'known', 'object', 'Whether questions are suggested'],
  ['GET /api/input-polish/config', 'known', 'object', 'Whether drafts are polished'],
  ['GET /api/agents', 'known', 'object', 'Custom agents'],
  ['GET /api/user-profile', 'known', 'object', "The user's profile"],
  ['GET /api/channels', 'known', 'object', 'Channels'],
  ['GET /api/channels/providers', 'known', 'object', 'Providers of channels'],
  ['GET /api/channels/connections', 'known', 'object', 'Connections of channels'],
  ['GET /api/scheduled-tasks', 'known', 'array', 'Scheduled tasks'],
  ['GET /api/memory', 'threads:read', 'object', 'What is known of who asks'],
  ['GET /api/memory/export', 'threads:read', 'object', 'The same, to keep'],
  ['POST /api/memory/reload', 'threads:read', 'object', 'The same'],
  ['POST /api/memory/import', 'threads:write', 'object', 'Put what was kept in its place', { body: 'Memory' }],
  ['DELETE /api/memory', 'threads:delete', 'object', 'Forget everything'],
  ['POST /api/memory/facts', 'threads:write', 'object', 'Add a fact', { body: 'CreateFact' }],
  ['PATCH /api/memory/facts/{id}', 'threads:write', 'object', 'Change a fact', { body: 'PatchFact' }],
  ['DELETE /api/memory/facts/{id}', 'threads:delete', 'object', 'Forget a fact'],
  ['GET /api/memory/config', 'admin', 'object', "Memory's settings"],
  ['GET /api/memory/status', 'admin', 'object', "Memory's settings, and what is known of who asks"],
  ['GET /api/skills', 'known', 'object', 'Skills'],
  ['GET /api/skills/{name}', 'known', 'object', 'A skill'],
  ['PUT /api/skills/{name}', 'admin', 'object', 'Switch a skill on or off', { body: 'EnableSkill' }],
  ['POST /api/skills/install', 'admin', 'object', 'Install a skill from its archive', { body: 'InstallSkill' }],
  ['GET /api/mcp/config', 'admin', 'object', 'MCP servers'],
  ['PUT /api/mcp/config', 'admin', 'object', 'Put these in the place of all MCP servers', { body: 'McpConfig' }],
  ['PATCH /api/mcp/config', 'admin', 'object', 'Change some MCP servers', { body: 'PatchMcpConfig' }],
]
