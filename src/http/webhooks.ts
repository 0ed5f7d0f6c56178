// Webhooks: what they carry, and their deliveries over HTTP (contracts: langgraph §4.11). The list and the redelivery are
// this server's own routes.
import { type Context, Hono } from 'hono'
import { runOutcome } from '../core/runs.ts'
import { type Delivery, listDeliveries, redeliver } from '../core/webhooks.ts'
import { readSnapshot } from '../workflow/runs.ts'
import { wireWorkflowRun } from '../workflow/snapshot.ts'
import { onThread } from './access.ts'
import { endingOf, lastValues } from './face.ts'
import type { Ports } from './ports.ts'
import { wireRun } from './wire.ts'

export function webhookRoutes(ports: Ports) {
  const { db, bus } = ports
  const path = '/threads/:thread_id/runs/:run_id/webhooks' as const
  const key = async (c: Context, event: 'threads:read' | 'threads:update') => {
    const run_id = c.req.param('run_id') as string
    return { run_id, ...(await onThread(ports, c, event, { run_id })) }
  }
  return new Hono()
    .get(path, async c => c.json((await db.run(listDeliveries, await key(c, 'threads:read'))).map(wireDelivery)))
    .post(`${path}/:delivery_id/redeliver`, async c => {
      const run = await key(c, 'threads:update')
      const delivery = await db.run(redeliver, { ...run, delivery_id: c.req.param('delivery_id') })
      bus.publish('webhooks')
      return c.json(wireDelivery(delivery))
    })
}

/**
 * What a webhook carries: the run, its times, its last values and its error, as JSON; of a workflow what `GET /runs/{id}`
 * answers. Undefined when the run is gone.
 */
export async function webhookBody({ db, texts }: Pick<Ports, 'db' | 'texts'>, run_id: string) {
  const outcome = await db.run(runOutcome, run_id)
  if (!outcome) return undefined
  const { run } = outcome
  const webhook_sent_at = new Date().toISOString()
  if (run.kind === 'workflow') {
    return JSON.stringify({ ...wireWorkflowRun(await db.run(readSnapshot, { run_id })), webhook_sent_at })
  }
  const { error } = endingOf(run)
  const fields = {
    ...wireRun(run),
    run_started_at: run.started_at,
    run_ended_at: run.ended_at,
    webhook_sent_at,
    ...(error && { error }),
  }
  return `${JSON.stringify(fields).slice(0, -1)},"values":${await lastValues({ texts }, outcome)}}`
}

function wireDelivery({ origin: _, due_at, ...delivery }: Delivery) {
  return {
    ...delivery,
    next_attempt_at: delivery.status === 'pending' && due_at ? new Date(due_at).toISOString() : null,
  }
}
