// Runs of the gateway dialect over HTTP (contracts: gateway §1): on a thread, or stateless.
import { type Context, Hono } from 'hono'
import { removeRun, requestCancel } from '../core/run-requests.ts'
import { getRun, listRuns, type Run, runOutcome } from '../core/runs.ts'
import { flag, queryList } from '../protocol/common.ts'
import * as protocol from '../protocol/gateway.ts'
import { cancelAction } from '../protocol/runs.ts'
import { accept } from './accept.ts'
import { onThread } from './access.ts'
import { parse } from './errors.ts'
import type { RunRequest } from './face.ts'
import { cursorOf, streamRun, waitForRun } from './follow.ts'
import { gateway, threadValues } from './gateway-face.ts'
import { columnsOf, gatewayRun, gatewayRuns } from './gateway-wire.ts'
import type { Ports } from './ports.ts'
import { findRun, findToJoin, joinHow, keyOf, streamAccepted, waitForAccepted } from './runs.ts'

/** Calls that name no thread in their path; the second spelling is older. */
export function statelessRunRoutes(ports: Ports) {
  const app = new Hono()
  for (const path of ['/runs', '/threads/runs'] as const) creates(app, ports, path)
  app.on(['GET', 'POST'], '/runs/:run_id/stream', c => joinStream(ports, c))
  return app
}

export function threadRunRoutes(ports: Ports) {
  const path = '/threads/:thread_id/runs' as const
  const one = `${path}/:run_id` as const
  return creates(new Hono(), ports, path)
    .get(path, c => list(ports, c))
    .get(one, async c => c.json(await gatewayRun(ports.db, await findRun(ports, c))))
    .delete(one, async c => {
      await removeRun(ports, await keyOf(ports, c, 'threads:delete'), c.req.raw.signal)
      return c.json({ deleted: true })
    })
    .on(['GET', 'POST'], `${one}/stream`, c => joinStream(ports, c))
    .get(`${one}/join`, c => join(ports, c))
    .post(`${one}/cancel`, c => cancel(ports, c))
}

function creates(app: Hono, ports: Ports, path: string): Hono {
  return app
    .post(path, async c => {
      const { run } = await accept(ports, c, gateway)
      c.header('location', `${gateway.runPath(run, true)}/stream`)
      return c.json(await gatewayRun(ports.db, run))
    })
    .post(`${path}/stream`, async c => streamAccepted(ports, c, gateway, await accept(ports, c, gateway)))
    .post(`${path}/wait`, async c => waitForAccepted(ports, c, gateway, await accept(ports, c, gateway)))
}

async function list(ports: Ports, c: Context): Promise<Response> {
  const asked = queryList([...(c.req.queries('select') ?? []), ...(c.req.queries('select[]') ?? [])])
  const query = { ...c.req.query(), select: asked.length > 0 ? asked : undefined }
  const { limit, offset, status, select } = parse(protocol.listRuns, query)
  const thread = await onThread(ports, c, 'threads:search', { status, limit, offset })
  const runs = await ports.db.run(listRuns, {
    ...thread,
    limit: limit ?? 100,
    offset: offset ?? 0,
    ...(status != null && { status }),
    ...(select && { columns: columnsOf(select) }),
  })
  return c.json(await gatewayRuns(ports.db, runs, select))
}

/** Shows the run in the modes that it was created with. With an `action` it is stopped first; then `wait` sends no stream. */
async function joinStream(ports: Ports, c: Context): Promise<Response> {
  const action = parse(cancelAction, c.req.query('action'), 'action')
  const wait = parse(flag, c.req.query('wait'), 'wait')
  const run = await findToJoin(ports, c)
  if (action) {
    await requestCancel(ports, await keyOf(ports, c, 'threads:update', { action }), { action, by: 'request', wait })
    if (wait) return c.body(null, 204)
  }
  return stream(ports, c, run)
}

function stream(ports: Ports, c: Context, run: Run): Response {
  const { stream_mode, stream_subgraphs } = JSON.parse(run.kwargs) as RunRequest
  return streamRun(ports, c, run, {
    face: gateway,
    stream_mode: protocol.streamModes(stream_mode),
    subgraphs: stream_subgraphs ?? false,
    after: cursorOf(c),
    ...joinHow(c),
  })
}

/** The final values as JSON; the stream where the client says that it takes one. */
async function join(ports: Ports, c: Context): Promise<Response> {
  const run = await findToJoin(ports, c)
  if (/text\/event-stream/i.test(c.req.header('accept') ?? '')) return stream(ports, c, run)
  return waitForRun(ports, c, run, { face: gateway, ...joinHow(c) })
}

async function cancel(ports: Ports, c: Context): Promise<Response> {
  const action = parse(cancelAction, c.req.query('action'), 'action') ?? 'interrupt'
  const wait = parse(flag, c.req.query('wait'), 'wait')
  const key = await keyOf(ports, c, 'threads:update', { action })
  const run = await ports.db.run(getRun, key)
  await requestCancel(ports, key, { action, by: 'request', once: true, wait })
  if (!wait) return c.json({})
  const text =
    action === 'rollback'
      ? await restored(ports, run)
      : await gateway.result(ports, run, await ports.db.run(runOutcome, run.run_id))
  return c.body(text, 200, { 'content-type': 'application/json' })
}

/** What the thread is left with when a run of it has been rolled back. */
async function restored(ports: Ports, run: Run): Promise<string> {
  return (await threadValues(ports, run)) ?? JSON.stringify({ status: 'interrupted', error: null })
}
