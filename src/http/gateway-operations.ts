// The operations of the gateway dialect: its own, and those of the root that it has at /api as they are.
import { z } from 'zod'
import * as common from '../protocol/common.ts'
import * as gateway from '../protocol/gateway.ts'
import * as runs from '../protocol/runs.ts'
import type { Row } from './operations.ts'

/** The bodies of its requests, as they are validated. */
export const GATEWAY_SCHEMAS = {
  GatewayCreateRun: gateway.createRun,
  GatewayCreateThread: gateway.createThread,
  GatewayUpdateState: gateway.updateState,
  GatewayHistory: gateway.history,
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
