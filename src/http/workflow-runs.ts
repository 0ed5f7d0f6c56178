// Workflow runs over HTTP (contracts: workflows §2.2 to §2.7). Creating only accepts the run; everything else reads what
// is stored, or leaves an answer for whoever executes it.
import { type Context, Hono } from 'hono'
import { RunloomError } from '../core/errors.ts'
import { requestCancel } from '../core/run-requests.ts'
import { eventsOf, readPage } from '../events/log.ts'
import * as protocol from '../protocol/workflow-runs.ts'
import { getWorkflowRun, listWorkflowRuns, pendingSteps, readSnapshot, submitToolResults } from '../workflow/runs.ts'
import { openCalls, wireStep, wireToolCall, wireWorkflowRun } from '../workflow/snapshot.ts'
import { type Line, lines } from '../workflow/stream.ts'
import { readTasks } from '../workflow/tasks.ts'
import { permit } from './access.ts'
import type { Ports } from './ports.ts'
import { ndjson, sse } from './sse.ts'
import { staying } from './staying.ts'
import { acceptWorkflowRun } from './workflow-accept.ts'
import { runFor } from './workflow-access.ts'
import { json } from './workflows.ts'

const EVENTS = 1_000

export function workflowRunRoutes(ports: Ports) {
  const { db } = ports
  return new Hono()
    .post('/runs', async c => c.json(await acceptWorkflowRun(ports, c)))
    .get('/runs', async c => {
      const query = protocol.listWorkflowRuns.parse(c.req.query())
      const { status, ...page } = query
      const { allowed } = await permit(ports, c, 'threads:search', query)
      const runs = await db.run(listWorkflowRuns, { ...page, ...(status && { status }), ...(allowed && { allowed }) })
      return c.json({ runs })
    })
    .get('/runs/:run_id', async c => {
      const include = (c.req.query('include') ?? '').split(',')
      const steps = include.includes('steps') || include.includes('tool_calls')
      const plan = include.includes('plan')
      return c.json(
        wireWorkflowRun(await db.run(readSnapshot, await runFor(ports, c, 'threads:read')), { steps, plan }),
      )
    })
    .get('/runs/:run_id/steps', async c => {
      const { steps } = await db.run(readSnapshot, await runFor(ports, c, 'threads:read'))
      return c.json({ steps: steps.map(step => ({ node_id: step.node_id, ...wireStep(step) })) })
    })
    .get('/runs/:run_id/steps/:step/tool-calls/:tool_id', async c => {
      const { step, tool_id } = c.req.param()
      const { steps } = await db.run(readSnapshot, await runFor(ports, c, 'threads:read'))
      const call = wireToolCall(steps, Number(step), tool_id)
      if (call) return c.json(call)
      throw new RunloomError('not_found', `the run has no tool call "${tool_id}" in a step ${step}`)
    })
    .get('/runs/:run_id/tasks', async c =>
      c.json({ tasks: await db.run(readTasks, await runFor(ports, c, 'threads:read')) }),
    )
    .get('/runs/:run_id/events', c => events(ports, c))
    .get('/runs/:run_id/pending-tools', async c => {
      const key = await runFor(ports, c, 'threads:read')
      const steps = (await db.run(pendingSteps, key)).map(step => ({
        node_id: step.node_id,
        step: step.step,
        request_id: step.request_id,
        tool_calls: openCalls(step),
      }))
      return c.json({ run_id: key.run_id, pending: steps.filter(step => step.tool_calls.length > 0) })
    })
    .post('/runs/:run_id/tool-results', async c => {
      const key = await runFor(ports, c, 'threads:update')
      const { results, ...step } = protocol.toolResults.parse(await json(c))
      const { accepted, status, run } = await db.run(submitToolResults, {
        ...key,
        ...step,
        results: results.map(({ tool_call, output, error }) => ({
          call_id: tool_call.id,
          output,
          ...(error != null && { error }),
        })),
      })
      ports.bus.publish(run.status === 'pending' ? 'work' : `inputs:${run.run_id}`)
      return c.json({ accepted, status })
    })
    .post('/runs/:run_id/cancel', async c => {
      const key = await runFor(ports, c, 'threads:update')
      const run = await db.run(getWorkflowRun, key)
      await requestCancel(ports, key, { action: 'interrupt', by: 'client', wait: true })
      const { status } = await db.run(readSnapshot, key)
      return c.json({ run_id: run.run_id, status })
    })
}

/** History, then what comes, until the run has ended: as NDJSON, or as server-sent events to those who ask for them. */
async function events(ports: Ports, c: Context): Promise<Response> {
  const { wait, ...reading } = protocol.readEvents.parse(c.req.query())
  const key = await runFor(ports, c, 'threads:read')
  const run = await ports.db.run(getWorkflowRun, key)
  const gone = new AbortController()
  const log = wait
    ? ports.log.read(run.run_id, reading.after_seq, gone.signal)
    : stored(ports, run.run_id, reading.after_seq)
  const found = lines(ports.db, key, log, reading)
  const headers = Object.fromEntries(c.res.headers)
  const open = { ...staying(ports, c, run.thread_id), headers, onGone: () => gone.abort() }
  if (c.req.header('accept')?.includes('text/event-stream')) {
    return sse(frames(found), open)
  }
  return ndjson(found, { ...open, live: run.ended_at === null })
}

async function* frames(found: AsyncGenerator<Line[]>) {
  for await (const batch of found) {
    yield batch.map(({ seq, type, json: data }) => ({ event: type, data, id: String(seq) }))
  }
}

/** What is there now. */
async function* stored({ db }: Ports, run_id: string, after: number) {
  for (let cursor = after; ; ) {
    const { rows } = await db.run(readPage, { run_id, after: cursor, limit: EVENTS })
    if (rows.length === 0) return
    yield eventsOf(rows)
    cursor = rows.at(-1)?.seq ?? cursor
  }
}
