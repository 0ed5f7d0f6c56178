// The operations of the gateway dialect: its own, and those of the root that it has at /api as they are.
import { z } from 'zod'
import * as common from '../protocol/common.ts'
import * as gateway from '../protocol/gateway.ts'
import * as data from '../protocol/gateway-data.ts'
import * as runs from '../protocol/runs.ts'
import type { Row } from './operations.ts'

/** The bodies of its requests, as they are validated. */
export const GATEWAY_SCHEMAS = {
  GatewayCreateRun: gateway.createRun,
  GatewayCreateThread: gateway.createThread,
  GatewayUpdateState: gateway.updateState,
  GatewayHistory: gateway.history,
  Feedback: data.feedback,
  Regenerate: data.regenerate,
  EditAndRegenerate: data.editAndRegenerate,
  Suggestions: data.suggestions,
}

const run = '/threads/{thread_id}/runs' as const
const create = { body: 'GatewayCreateRun' } as const
const { limit, offset, status, select } = gateway.listRuns.shape
const cancel = { action: runs.cancelAction, wait: common.flag }
const cancel_on_disconnect = common.flag
const join = { query: { ...cancel, stream_mode: z.array(z.string()), cancel_on_disconnect } }

const runRows: Row[] = [
  [`GET ${run}`, 'array', 'List the runs of a thread', { query: { limit, offset, status, select } }],
  [`GET ${run}/{run_id}`, 'object', 'Get a run'],
  [`DELETE ${run}/{run_id}`, 'object', 'Delete a run'],
  [`GET ${run}/{run_id}/join`, 'json', 'Its result, or its stream', { query: { cancel_on_disconnect } }],
  [`POST ${run}/{run_id}/cancel`, 'object', 'Cancel a run', { query: cancel }],
  ...[run, '/runs' as const].flatMap((path): Row[] => [
    [`GET ${path}/{run_id}/stream`, 'stream', 'Stream a run, from Last-Event-ID on', join],
    [`POST ${path}/{run_id}/stream`, 'stream', 'Stream a run, from Last-Event-ID on', join],
  ]),
  ...[run, '/runs' as const, '/threads/runs' as const].flatMap((path): Row[] => [
    [`POST ${path}`, 'object', 'Create a run', create],
    [`POST ${path}/stream`, 'stream', 'Create a run and stream it', create],
    [`POST ${path}/wait`, 'json', 'Create a run and wait for its result', create],
  ]),
]

const threadRows: Row[] = [
  ['POST /threads', 'object', 'Create a thread, or get it', { body: 'GatewayCreateThread' }],
  ['DELETE /threads/{thread_id}', 'object', 'Delete a thread on which nothing runs'],
  ['POST /threads/{thread_id}/state', 'object', 'Update its state', { body: 'GatewayUpdateState' }],
  ['POST /threads/{thread_id}/history', 'array', 'Its states, newest first', { body: 'GatewayHistory' }],
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
    meta: ([['GET /v1/auth/me', 'object', 'Who asks']] satisfies Row[]).map(atApi),
  }
}

function atApi([operation, ...rest]: Row): Row {
  return [operation.replace(' /', ' /api/') as Row[0], ...rest]
}

const THREAD = '/api/threads/{thread_id}'
const RUN = `${THREAD}/runs/{run_id}` as const

export const gatewayDataRows: Row[] = [
  [`GET ${RUN}/messages`, 'object', 'Messages of a run', { query: data.messageQuery.shape }],
  ['GET /api/runs/{run_id}/messages', 'object', 'Messages of a run', { query: data.messageQuery.shape }],
  [`GET ${THREAD}/messages`, 'array', 'Messages of a thread', { query: data.messageQuery.shape }],
  [`GET ${THREAD}/messages/page`, 'object', 'Messages of a thread, backwards', { query: data.pageQuery.shape }],
  [`GET ${RUN}/events`, 'array', 'Events of a run', { query: data.eventQuery.shape }],
  [`GET ${THREAD}/token-usage`, 'object', 'What a thread has spent', { query: data.usageQuery.shape }],
  [`GET ${RUN}/feedback`, 'array', 'Feedback on a run'],
  ['GET /api/runs/{run_id}/feedback', 'array', 'Feedback on a run'],
  [`GET ${RUN}/feedback/stats`, 'object', 'Feedback on a run, counted'],
  [`PUT ${RUN}/feedback`, 'object', 'Give or change feedback', { body: 'Feedback' }],
  [`POST ${RUN}/feedback`, 'object', 'Give feedback', { body: 'Feedback' }],
  [`DELETE ${RUN}/feedback`, 'object', 'Take feedback back'],
  [`DELETE ${RUN}/feedback/{feedback_id}`, 'object', 'Take feedback back'],
  [`POST ${THREAD}/runs/regenerate/prepare`, 'object', 'What answers the last question anew', { body: 'Regenerate' }],
  [
    `POST ${THREAD}/runs/edit-regenerate/prepare`,
    'object',
    'What asks another last question',
    { body: 'EditAndRegenerate' },
  ],
  [`POST ${THREAD}/suggestions`, 'object', 'Next questions', { body: 'Suggestions' }],
  [`GET ${RUN}/workspace-changes`, 'object', 'Files that a run changed'],
  [`GET ${THREAD}/uploads/limits`, 'object', 'What may be uploaded'],
  [`GET ${THREAD}/uploads/list`, 'object', 'What was uploaded'],
  [`GET ${THREAD}/goal`, 'object', 'The goal of a thread'],
  [`GET ${THREAD}/mcp-tasks`, 'array', 'MCP tasks of a thread'],
  ['GET /api/models', 'object', 'Models'],
  ['GET /api/models/{name}', 'object', 'A model'],
  ['GET /api/features', 'object', 'What is switched on'],
  ['GET /api/suggestions/config', 'object', 'Whether questions are suggested'],
  ['GET /api/input-polish/config', 'object', 'Whether drafts are polished'],
  ['GET /api/skills', 'object', 'Skills'],
  ['GET /api/agents', 'object', 'Custom agents'],
  ['GET /api/user-profile', 'object', "The user's profile"],
  ['GET /api/mcp/config', 'object', 'MCP servers'],
  ['GET /api/channels', 'object', 'Channels'],
  ['GET /api/channels/providers', 'object', 'Providers of channels'],
  ['GET /api/channels/connections', 'object', 'Connections of channels'],
  ['GET /api/scheduled-tasks', 'array', 'Scheduled tasks'],
  ['GET /api/memory', 'object', 'Memory'],
  ['GET /api/memory/export', 'object', 'Memory, to keep'],
  ['GET /api/memory/config', 'object', "Memory's settings"],
  ['GET /api/memory/status', 'object', "Memory's state"],
]
