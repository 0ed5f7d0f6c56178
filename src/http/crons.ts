// Crons over HTTP (contracts: langgraph §8).
import { type Context, Hono } from 'hono'
import {
  type Cron,
  type CronFilter,
  type CronPayload,
  countCrons,
  createCron,
  deleteCron,
  getCron,
  patchCron,
  searchCrons,
} from '../core/crons.ts'
import { RunloomError } from '../core/errors.ts'
import { isUuid, newId } from '../core/ids.ts'
import { jsonText } from '../core/json.ts'
import { refuseLargeInput } from '../core/limits.ts'
import * as protocol from '../protocol/crons.ts'
import { permit } from './access.ts'
import { userOf } from './authentication.ts'
import { body } from './errors.ts'
import { pageHeaders, selected } from './pages.ts'
import type { Ports } from './ports.ts'
import { permittedRun } from './run-access.ts'

export function cronRoutes(ports: Ports) {
  const { db } = ports
  return new Hono()
    .post('/runs/crons', async c => c.json(wireCron(await create(ports, c, null))))
    .post('/threads/:thread_id/runs/crons', async c =>
      c.json(wireCron(await create(ports, c, c.req.param('thread_id')))),
    )
    .post('/runs/crons/search', async c => {
      const asked = await body(c, protocol.searchCrons)
      const { value: request, allowed } = await permit(ports, c, 'crons:search', asked)
      const { limit, offset, sort_by, sort_order, select } = request
      const { crons, total } = await db.run(searchCrons, {
        ...filterOf(request),
        allowed,
        limit: limit ?? 10,
        offset: offset ?? 0,
        sort_by: sort_by ?? 'created_at',
        sort_order: sort_order ?? 'desc',
      })
      pageHeaders(c, { offset: offset ?? 0, shown: crons.length, total })
      const now = select?.includes('now') && { now: new Date().toISOString() }
      return c.json(crons.map(cron => selected({ ...wireCron(cron), ...now }, select)))
    })
    .post('/runs/crons/count', async c => {
      const { value, allowed } = await permit(ports, c, 'crons:search', await body(c, protocol.countCrons))
      return c.json(await db.run(countCrons, { ...filterOf(value), allowed }))
    })
    .get('/runs/crons/:cron_id', async c => {
      const { value, allowed } = await permit(ports, c, 'crons:read', { cron_id: idOf(c) })
      return c.json(wireCron(await db.run(getCron, { ...value, allowed })))
    })
    .patch('/runs/crons/:cron_id', async c => c.json(wireCron(await patch(ports, c))))
    .delete('/runs/crons/:cron_id', async c => {
      const { value, allowed } = await permit(ports, c, 'crons:delete', { cron_id: idOf(c) })
      await db.run(deleteCron, { ...value, allowed })
      return c.body(null, 204)
    })
}

/** Its metadata is what its runs and their threads get, so what their handlers add is added to it. */
async function create(ports: Ports, c: Context, thread_id: string | null): Promise<Cron> {
  const { metadata, end_time, enabled, on_run_completed, schedule, timezone, assistant_id, ...run } = await body(
    c,
    protocol.createCron,
  )
  const { value } = await permit(ports, c, 'crons:create', {
    cron_id: newId(),
    assistant_id,
    thread_id,
    user_id: userOf(c)?.identity ?? null,
    schedule,
    timezone: timezone ?? null,
    end_time: end_time ?? null,
    payload: payloadOf(ports, run),
    metadata: metadata ?? {},
    on_run_completed: on_run_completed ?? ('delete' as const),
    enabled: enabled ?? true,
  })
  const made = await permittedRun(ports, c, {
    run_id: newId(),
    thread_id: thread_id ?? newId(),
    assistant_id: value.assistant_id,
    if_not_exists: thread_id !== null ? 'reject' : value.on_run_completed === 'keep' ? 'create' : 'temporary',
    kwargs: value.payload,
    metadata: value.metadata,
    multitask_strategy: value.payload.multitask_strategy ?? 'enqueue',
    after_ms: 0,
  })
  const { allowed, assistant_allowed, auth_user = null, thread_metadata } = made
  const cron = await ports.db.run(createCron, {
    ...value,
    thread_id,
    assistant_id: made.assistant_id,
    payload: made.kwargs,
    metadata: { ...made.metadata, ...thread_metadata },
    allowed,
    assistant_allowed,
    auth_user,
  })
  ports.bus.publish('crons')
  return cron
}

async function patch(ports: Ports, c: Context): Promise<Cron> {
  const request = await body(c, protocol.patchCron)
  const { schedule, timezone, end_time, metadata, on_run_completed, enabled, ...run } = request
  const cron_id = idOf(c)
  const given = { schedule, timezone, end_time, on_run_completed, enabled }
  const asked = { cron_id, payload: payloadOf(ports, run), metadata: metadata ?? {}, ...given }
  const { value, allowed } = await permit(ports, c, 'crons:update', asked)
  const cron = await ports.db.run(patchCron, {
    cron_id,
    allowed,
    payload: value.payload,
    metadata: value.metadata,
    ...(value.schedule != null && { schedule: value.schedule }),
    ...(value.timezone != null && { timezone: value.timezone }),
    ...(value.end_time !== undefined && { end_time: value.end_time }),
    ...(value.on_run_completed != null && { on_run_completed: value.on_run_completed }),
    ...(value.enabled != null && { enabled: value.enabled }),
  })
  ports.bus.publish('crons')
  return cron
}

/** The options that were given. `input: null` is one of them: it means to go on. */
function payloadOf({ webhooks, limits }: Ports, run: protocol.RunOptions): CronPayload {
  webhooks.check(run.webhook)
  refuseLargeInput(run, Number.POSITIVE_INFINITY, limits)
  return Object.fromEntries(
    Object.entries(run).filter(([option, value]) => value != null || (option === 'input' && value === null)),
  )
}

function filterOf({ assistant_id, thread_id, enabled, metadata }: protocol.CronFilter): CronFilter {
  return {
    ...(assistant_id && { assistant_id }),
    ...(thread_id && { thread_id }),
    ...(enabled != null && { enabled }),
    ...(metadata && { metadata: jsonText(metadata) }),
  }
}

function idOf(c: Context): string {
  const id = c.req.param('cron_id') as string
  if (!isUuid(id)) throw new RunloomError('not_found', `Cron ${id} not found`)
  return id
}

function wireCron({ auth_user: _, owner: __, ...cron }: Cron) {
  return {
    ...cron,
    payload: JSON.parse(cron.payload) as unknown,
    metadata: JSON.parse(cron.metadata) as unknown,
    enabled: cron.enabled === 1,
  }
}
