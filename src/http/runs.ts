// Runs over HTTP: thread runs and stateless ones (contracts: langgraph §4, §5). Creating only accepts the run; streaming
// and waiting follow its log like any other reader.
import { type Context, Hono } from 'hono'
import { RunloomError } from '../core/errors.ts'
import { jsonText } from '../core/json.ts'
import { removeRun, requestCancel } from '../core/run-requests.ts'
import { searchRuns } from '../core/run-search.ts'
import { findRunsInFlight, getRun, listRuns, type Run } from '../core/runs.ts'
import { flag, queryList } from '../protocol/common.ts'
import * as protocol from '../protocol/runs.ts'
import { type Accepted, accept, acceptBatch } from './accept.ts'
import { namedAssistant, onThread, permit } from './access.ts'
import { body, parse } from './errors.ts'
import { type Face, langgraph } from './face.ts'
import { cursorOf, streamRun, waitForRun } from './follow.ts'
import { pageHeaders, selected } from './pages.ts'
import type { Ports } from './ports.ts'
import { wireRun } from './wire.ts'

export function runRoutes(ports: Ports) {
  const thread = '/threads/:thread_id/runs' as const
  const app = new Hono()
  for (const path of [thread, '/runs'] as const) {
    app.post(path, async c => c.json(wireRun((await accept(ports, c, langgraph)).run)))
    app.post(`${path}/stream`, async c => streamAccepted(ports, c, langgraph, await accept(ports, c, langgraph)))
    app.post(`${path}/wait`, async c => waitForAccepted(ports, c, langgraph, await accept(ports, c, langgraph)))
    app.get(`${path}/:run_id/stream`, async c => joinStream(ports, c, await findToJoin(ports, c)))
  }
  app.post('/runs/batch', async c => c.json((await acceptBatch(ports, c, langgraph)).map(wireRun)))
  app.post('/runs/cancel', c => cancelMany(ports, c))
  app.post('/runs/search', async c => c.json(await search(ports, c)))
  app.get(thread, async c => c.json(await list(ports, c)))
  app.get(`${thread}/:run_id`, async c => c.json(wireRun(await findRun(ports, c))))
  app.delete(`${thread}/:run_id`, c => remove(ports, c))
  app.get(`${thread}/:run_id/join`, async c => join(ports, c, await findToJoin(ports, c)))
  app.post(`${thread}/:run_id/cancel`, c => cancel(ports, c))
  return app
}

export function streamAccepted(ports: Ports, c: Context, face: Face, { run, request }: Accepted): Response {
  return streamRun(ports, c, run, {
    face,
    stream_mode: request.stream_mode ?? ['values'],
    subgraphs: request.stream_subgraphs ?? false,
    after: 0,
    ...acceptedHow(c, request),
  })
}

export function waitForAccepted(ports: Ports, c: Context, face: Face, { run, request }: Accepted): Response {
  return waitForRun(ports, c, run, { face, ...acceptedHow(c, request) })
}

function acceptedHow(c: Context, { on_disconnect }: Accepted['request']) {
  return { cancelOnDisconnect: on_disconnect === 'cancel', onThread: c.req.param('thread_id') !== undefined }
}

/** Joins with the modes asked for, or with those the run was created with; from `Last-Event-ID`, or from the start. */
function joinStream(ports: Ports, c: Context, run: Run): Response {
  const asked = queryList([...(c.req.queries('stream_mode') ?? []), ...(c.req.queries('stream_mode[]') ?? [])])
  const kwargs = JSON.parse(run.kwargs) as { stream_mode?: string[]; stream_subgraphs?: boolean }
  const modes = asked.map(mode => parse(protocol.streamMode, mode, 'stream_mode'))
  return streamRun(ports, c, run, {
    face: langgraph,
    stream_mode: modes.length > 0 ? modes : (kwargs.stream_mode ?? ['values']),
    ...(modes.length > 0 && { query: `?${modes.map(mode => `stream_mode=${mode}`).join('&')}` }),
    subgraphs: kwargs.stream_subgraphs ?? false,
    after: cursorOf(c),
    ...joinHow(c),
  })
}

function join(ports: Ports, c: Context, run: Run): Response {
  return waitForRun(ports, c, run, { face: langgraph, ...joinHow(c) })
}

export function joinHow(c: Context) {
  const asked = parse(flag, c.req.query('cancel_on_disconnect'), 'cancel_on_disconnect')
  return { cancelOnDisconnect: asked && c.req.method !== 'HEAD', onThread: c.req.param('thread_id') !== undefined }
}

export async function findRun(ports: Ports, c: Context): Promise<Run> {
  return ports.db.run(getRun, await keyOf(ports, c, 'threads:read'))
}

/** Who would cancel a run by leaving needs to be allowed that, too. */
export async function findToJoin(ports: Ports, c: Context): Promise<Run> {
  if (joinHow(c).cancelOnDisconnect) {
    await ports.db.run(getRun, await keyOf(ports, c, 'threads:update', { action: 'interrupt' }))
  }
  return findRun(ports, c)
}

/** The run in the path, if this may be done on its thread. */
export async function keyOf(
  ports: Ports,
  c: Context,
  event: 'threads:read' | 'threads:update' | 'threads:delete',
  more: object = {},
) {
  const run_id = c.req.param('run_id') as string
  const { thread_id, allowed } = await onThread(ports, c, event, { run_id, ...more })
  return { run_id, allowed, ...(thread_id !== undefined && { thread_id }) }
}

async function list(ports: Ports, c: Context) {
  const asked = queryList([...(c.req.queries('select') ?? []), ...(c.req.queries('select[]') ?? [])])
  const query = { ...c.req.query(), select: asked.length > 0 ? asked : undefined }
  const { limit, offset, status, metadata, select } = parse(protocol.listRuns, query)
  const thread = await onThread(ports, c, 'threads:search')
  const runs = await ports.db.run(listRuns, {
    ...thread,
    limit: limit ?? 10,
    offset: offset ?? 0,
    ...(status && { status }),
    ...(metadata && { metadata: jsonText(metadata) }),
  })
  return runs.map(run => selected(wireRun(run), select))
}

async function search(ports: Ports, c: Context) {
  const { value, allowed } = await permit(ports, c, 'threads:search', await body(c, protocol.searchRuns))
  const { assistant_id, status, thread_id, created_after, created_before, select } = value
  const offset = value.offset ?? 0
  const { runs, total } = await ports.db.run(searchRuns, {
    allowed,
    limit: value.limit ?? 10,
    offset,
    ...(status && { status }),
    ...(assistant_id && { assistant_id: namedAssistant(assistant_id) }),
    ...(thread_id && { thread_id }),
    ...(created_after && { created_after: new Date(created_after).toISOString() }),
    ...(created_before && { created_before: new Date(created_before).toISOString() }),
  })
  pageHeaders(c, { offset, shown: runs.length, total })
  return runs.map(run => selected(wireRun(run), select))
}

async function remove(ports: Ports, c: Context): Promise<Response> {
  await removeRun(ports, await keyOf(ports, c, 'threads:delete'), c.req.raw.signal)
  return c.body(null, 204)
}

async function cancel(ports: Ports, c: Context): Promise<Response> {
  const action = parse(protocol.cancelAction, c.req.query('action'), 'action') ?? 'interrupt'
  const wait = parse(flag, c.req.query('wait'), 'wait')
  await requestCancel(ports, await keyOf(ports, c, 'threads:update', { action }), { action, by: 'request', wait })
  return c.body(null, wait ? 204 : 202)
}

async function cancelMany(ports: Ports, c: Context): Promise<Response> {
  const action = parse(protocol.cancelAction, c.req.query('action'), 'action') ?? 'interrupt'
  const { status, thread_id, run_ids } = await body(c, protocol.cancelRuns)
  if (!status && !(thread_id && run_ids)) {
    throw new RunloomError('invalid', 'body: give status (pending, running, all), or thread_id and run_ids')
  }
  const { allowed } = await permit(ports, c, 'threads:update', { thread_id, run_ids, action })
  const runs = await ports.db.run(findRunsInFlight, {
    allowed,
    ...(status && status !== 'all' && { status }),
    ...(thread_id && { thread_id }),
    ...(run_ids && { run_ids }),
  })
  const cancelled = runs.map(run => requestCancel(ports, { ...run, allowed }, { action, by: 'request', wait: false }))
  const failed = (await Promise.allSettled(cancelled)).filter(result => result.status === 'rejected')
  const bug = failed.find(({ reason }) => !(reason instanceof RunloomError)) // a run that ended meanwhile is none
  if (bug) throw bug.reason
  return c.body(null, 204)
}
