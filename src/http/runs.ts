// Runs over HTTP: thread runs and stateless ones (contracts: langgraph §4, §5). Creating only accepts the run; streaming
// and waiting follow its log like any other reader.
import { type Context, Hono } from 'hono'
import { RunloomError } from '../core/errors.ts'
import { jsonText } from '../core/json.ts'
import { deleteRun, getRun, listRuns, type Run, runsInFlight } from '../core/runs.ts'
import { flag, queryList } from '../protocol/common.ts'
import * as protocol from '../protocol/runs.ts'
import { type Accepted, accept, acceptBatch } from './accept.ts'
import { body, parse } from './errors.ts'
import { announceStop, requestCancel, streamRun, waitForRun } from './follow.ts'
import { selected } from './pages.ts'
import type { Ports } from './ports.ts'
import { wireRun } from './wire.ts'

export function runRoutes(ports: Ports) {
  const thread = '/threads/:thread_id/runs' as const
  const app = new Hono()
  for (const path of [thread, '/runs'] as const) {
    app.post(path, async c => c.json(wireRun((await accept(ports, c)).run)))
    app.post(`${path}/stream`, async c => streamAccepted(ports, c, await accept(ports, c)))
    app.post(`${path}/wait`, async c => waitForAccepted(ports, c, await accept(ports, c)))
    app.get(`${path}/:run_id/stream`, async c => joinStream(ports, c, await find(ports, c)))
  }
  app.post('/runs/batch', async c => c.json((await acceptBatch(ports, c)).map(wireRun)))
  app.post('/runs/cancel', c => cancelMany(ports, c))
  app.get(thread, async c => c.json(await list(ports, c)))
  app.get(`${thread}/:run_id`, async c => c.json(wireRun(await find(ports, c))))
  app.delete(`${thread}/:run_id`, c => remove(ports, c))
  app.get(`${thread}/:run_id/join`, async c => join(ports, c, await find(ports, c)))
  app.post(`${thread}/:run_id/cancel`, c => cancel(ports, c))
  return app
}

function streamAccepted(ports: Ports, c: Context, { run, request }: Accepted): Response {
  return streamRun(ports, c, run, {
    stream_mode: request.stream_mode ?? ['values'],
    subgraphs: request.stream_subgraphs ?? false,
    after: 0,
    ...acceptedHow(c, request),
  })
}

function waitForAccepted(ports: Ports, c: Context, { run, request }: Accepted): Response {
  return waitForRun(ports, c, run, acceptedHow(c, request))
}

function acceptedHow(c: Context, { on_disconnect }: Accepted['request']) {
  return { cancelOnDisconnect: on_disconnect === 'cancel', onThread: c.req.param('thread_id') !== undefined }
}

/** Joins with the modes asked for, or with those the run was created with; from `Last-Event-ID`, or from the start. */
function joinStream(ports: Ports, c: Context, run: Run): Response {
  const asked = queryList([...(c.req.queries('stream_mode') ?? []), ...(c.req.queries('stream_mode[]') ?? [])])
  const kwargs = JSON.parse(run.kwargs) as { stream_mode?: string[]; stream_subgraphs?: boolean }
  return streamRun(ports, c, run, {
    stream_mode:
      asked.length > 0
        ? asked.map(mode => parse(protocol.streamMode, mode, 'stream_mode'))
        : (kwargs.stream_mode ?? ['values']),
    subgraphs: kwargs.stream_subgraphs ?? false,
    after: cursor(c.req.header('last-event-id')),
    ...joinHow(c),
  })
}

function join(ports: Ports, c: Context, run: Run): Response {
  return waitForRun(ports, c, run, joinHow(c))
}

function joinHow(c: Context) {
  const cancelOnDisconnect = parse(flag, c.req.query('cancel_on_disconnect'), 'cancel_on_disconnect')
  return { cancelOnDisconnect, onThread: c.req.param('thread_id') !== undefined }
}

/** A cursor is the `seq` of the last event seen; what is not one ("-1", foreign ids) means from the start. */
function cursor(id: string | undefined): number {
  return id !== undefined && /^\d{1,15}$/.test(id) ? Number(id) : 0
}

function find(ports: Ports, c: Context): Promise<Run> {
  return ports.db.run(getRun, keyOf(c))
}

function keyOf(c: Context) {
  const thread_id = c.req.param('thread_id')
  return { run_id: c.req.param('run_id') as string, ...(thread_id !== undefined && { thread_id }) }
}

async function list(ports: Ports, c: Context) {
  const asked = queryList([...(c.req.queries('select') ?? []), ...(c.req.queries('select[]') ?? [])])
  const query = { ...c.req.query(), select: asked.length > 0 ? asked : undefined }
  const { limit, offset, status, metadata, select } = parse(protocol.listRuns, query)
  const runs = await ports.db.run(listRuns, {
    thread_id: c.req.param('thread_id') as string,
    limit: limit ?? 10,
    offset: offset ?? 0,
    ...(status && { status }),
    ...(metadata && { metadata: jsonText(metadata) }),
  })
  return runs.map(run => selected(wireRun(run), select))
}

/** Answers when the run is gone, also where its owner had to stop it first. */
async function remove(ports: Ports, c: Context): Promise<Response> {
  const key = keyOf(c)
  const { pending } = await ports.db.run(deleteRun, key)
  announceStop(ports, key.run_id)
  if (pending) await ports.log.ended(key.run_id, c.req.raw.signal)
  return c.body(null, 204)
}

async function cancel(ports: Ports, c: Context): Promise<Response> {
  const action = parse(protocol.cancelAction, c.req.query('action'), 'action') ?? 'interrupt'
  const wait = parse(flag, c.req.query('wait'), 'wait')
  await requestCancel(ports, keyOf(c), { action, by: 'request', wait })
  return c.body(null, wait ? 204 : 202)
}

async function cancelMany(ports: Ports, c: Context): Promise<Response> {
  const action = parse(protocol.cancelAction, c.req.query('action'), 'action') ?? 'interrupt'
  const { status, thread_id, run_ids } = await body(c, protocol.cancelRuns)
  if (!status && !(thread_id && run_ids)) {
    throw new RunloomError('invalid', 'body: give status (pending, running, all), or thread_id and run_ids')
  }
  const runs = await ports.db.run(runsInFlight, {
    ...(status && status !== 'all' && { status }),
    ...(thread_id && { thread_id }),
    ...(run_ids && { run_ids }),
  })
  const cancelled = runs.map(run => requestCancel(ports, run, { action, by: 'request', wait: false }))
  const failed = (await Promise.allSettled(cancelled)).filter(result => result.status === 'rejected')
  const bug = failed.find(({ reason }) => !(reason instanceof RunloomError)) // a run that ended meanwhile is none
  if (bug) throw bug.reason
  return c.body(null, 204)
}
