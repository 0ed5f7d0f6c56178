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
import { body } from './errors.ts'
import { pageHeaders, selected } from './pages.ts'
import type { Ports } from './ports.ts'

export function cronRoutes(ports: Ports) {
  const { db, bus } = ports
  return new Hono()
    .post('/runs/crons', async c => c.json(wireCron(await create(ports, c, null))))
    .post('/threads/:thread_id/runs/crons', async c =>
      c.json(wireCron(await create(ports, c, c.req.param('thread_id')))),
    )
    .post('/runs/crons/search', async c => {
      const request = await body(c, protocol.searchCrons)
      const { limit, offset, sort_by, sort_order, select } = request
      const { crons, total } = await db.run(searchCrons, {
        ...filterOf(request),
        limit: limit ?? 10,
        offset: offset ?? 0,
        sort_by: sort_by ?? 'created_at',
        sort_order: sort_order ?? 'desc',
      })
      pageHeaders(c, { offset: offset ?? 0, shown: crons.length, total })
      const now = select?.includes('now') && { now: new Date().toISOString() }
      return c.json(crons.map(cron => selected({ ...wireCron(cron), ...now }, select)))
    })
    .post('/runs/crons/count', async c =>
      c.json(await db.run(countCrons, filterOf(await body(c, protocol.countCrons)))),
    )
    .get('/runs/crons/:cron_id', async c => c.json(wireCron(await db.run(getCron, idOf(c)))))
    .patch('/runs/crons/:cron_id', async c => {
      const { schedule, timezone, end_time, metadata, on_run_completed, enabled, ...run } = await body(
        c,
        protocol.patchCron,
      )
      const cron = await db.run(patchCron, {
        cron_id: idOf(c),
        payload: payloadOf(ports, run),
        metadata: metadata ?? {},
        ...(schedule != null && { schedule }),
        ...(timezone != null && { timezone }),
        ...(end_time !== undefined && { end_time }),
        ...(on_run_completed != null && { on_run_completed }),
        ...(enabled != null && { enabled }),
      })
      bus.publish('crons')
      return c.json(wireCron(cron))
    })
    .delete('/runs/crons/:cron_id', async c => {
      await db.run(deleteCron, idOf(c))
      return c.body(null, 204)
    })
}

async function create(ports: Ports, c: Context, thread_id: string | null): Promise<Cron> {
  const { assistant_id, schedule, timezone, end_time, metadata, on_run_completed, enabled, ...run } = await body(
    c,
    protocol.createCron,
  )
  const cron = await ports.db.run(createCron, {
    cron_id: newId(),
    assistant_id,
    thread_id,
    user_id: null,
    schedule,
    timezone: timezone ?? null,
    end_time: end_time ?? null,
    payload: payloadOf(ports, run),
    metadata: metadata ?? {},
    on_run_completed: on_run_completed ?? 'delete',
    enabled: enabled ?? true,
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

function wireCron(cron: Cron) {
  return {
    ...cron,
    payload: JSON.parse(cron.payload) as unknown,
    metadata: JSON.parse(cron.metadata) as unknown,
    enabled: cron.enabled === 1,
  }
}
