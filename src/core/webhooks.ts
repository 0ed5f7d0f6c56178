// The outbox of webhooks (contracts: langgraph §4.11): a delivery is written in the transaction that ends its run, so
// that no end goes untold, and sent afterwards by whichever process claims it (deliverer.ts), at least once.
//
//   (the run ends) ──► pending ──claim──► sending ──► delivered
//                         ▲                  ├─ failed: pending again, later
//                         └──────────────────┴─ refused, or failed for the last time: dead
//
// While it is being sent `due_at` is the end of a lease: a delivery whose sender died is claimed like one that is due. A
// run that is erased (rolled back, deleted) takes what is still to be sent with it: there is no run to tell of.
import sql, { empty, join } from 'sql-template-tag'
import { all, first, type Steps, transition } from '../db/database.ts'
import { RunloomError } from './errors.ts'
import { newId } from './ids.ts'
import { findRun, type RunKey } from './run-keys.ts'
import type { Run } from './runs.ts'

export interface Delivery {
  delivery_id: string
  run_id: string
  thread_id: string
  url: string
  /** Scheme, host and port of the URL; what is slow or dead is slow or dead as a whole. */
  origin: string
  status: 'pending' | 'sending' | 'delivered' | 'dead'
  attempts: number
  due_at: number | null
  /** Of the last answer. */
  response_status: number | null
  /** Why the last attempt failed. */
  error: string | null
  created_at: string
  updated_at: string
  delivered_at: string | null
}

/** Whether the end of a run is to be told. */
export function hasWebhook({ kwargs }: Run): boolean {
  return kwargs.includes('"webhook":') && typeof JSON.parse(kwargs).webhook === 'string'
}

/** Puts the end of a run into the outbox, if it asked for that. Part of the transition that ends it. */
export function* announceEnd(run: Run): Steps<void> {
  if (hasWebhook(run)) yield* insertDelivery(run, JSON.parse(run.kwargs).webhook)
}

function* insertDelivery({ run_id, thread_id }: Run, url: string): Steps<Delivery> {
  const origin = URL.parse(url)?.origin ?? ''
  return (yield* first<Delivery>(sql`
    insert into webhook_deliveries (delivery_id, run_id, thread_id, url, origin, status, attempts, due_at, created_at,
      updated_at)
    values (${newId()}, ${run_id}, ${thread_id}, ${url}, ${origin}, 'pending', 0, now_ms(), now_iso(), now_iso())
    returning *`)) as Delivery
}

/** How many of those that are due a claim looks at. */
const BACKLOG = 1_000

export interface ClaimDeliveries {
  limit: number
  lease_ms: number
  /** Origins that this process is calling as often as it may. */
  busy: string[]
  per_origin: number
}

/** Claims deliveries that are due, the oldest first, and no more than so many of one origin: the others go on beside it. */
export const claimDeliveries = transition(
  import.meta.url,
  'claimDeliveries',
  function* ({ limit, lease_ms, busy, per_origin }: ClaimDeliveries): Steps<Delivery[]> {
    const due = yield* all<Pick<Delivery, 'delivery_id'>>(sql`
      select delivery_id from webhook_deliveries where due_at <= (select now_ms()) and delivery_id in (
        select delivery_id from (
          select delivery_id, row_number() over (partition by origin order by due_at) as place from (
            select delivery_id, origin, due_at from webhook_deliveries
            where due_at <= (select now_ms()) ${busy.length > 0 ? sql`and origin not in (${join(busy)})` : empty}
            order by due_at limit ${BACKLOG}) as oldest
        ) as ranked where place <= ${per_origin})
      order by due_at limit ${limit} for update skip locked`)
    if (due.length === 0) return []
    return yield* all<Delivery>(sql`
      update webhook_deliveries set status = 'sending', attempts = attempts + 1, due_at = now_ms() + ${lease_ms},
        updated_at = now_iso()
      where delivery_id in (${join(due.map(delivery => delivery.delivery_id))}) returning *`)
  },
)

export interface Settle {
  delivery_id: string
  /** Of the claim: an answer that comes after somebody else took over changes nothing. */
  attempts: number
  status: 'pending' | 'delivered' | 'dead'
  response_status: number | null
  error: string | null
  /** When a pending one is due again. */
  retry_ms: number
}

export const settleDelivery = transition(import.meta.url, 'settleDelivery', function* (args: Settle): Steps<void> {
  const { delivery_id, attempts, status, response_status, error, retry_ms } = args
  yield sql`
    update webhook_deliveries set status = ${status}, response_status = ${response_status}, error = ${error},
      due_at = ${status === 'pending' ? sql`now_ms() + ${retry_ms}` : null}, updated_at = now_iso(),
      delivered_at = ${status === 'delivered' ? sql`now_iso()` : null}
    where delivery_id = ${delivery_id} and attempts = ${attempts} and status = 'sending'`
})

/** Gives a delivery back that a process began to send and will not finish: it is due at once, for another. */
export const releaseDelivery = transition(
  import.meta.url,
  'releaseDelivery',
  function* ({ delivery_id, attempts }: Pick<Delivery, 'delivery_id' | 'attempts'>): Steps<void> {
    yield sql`
      update webhook_deliveries set status = 'pending', attempts = attempts - 1, due_at = now_ms(),
        updated_at = now_iso()
      where delivery_id = ${delivery_id} and attempts = ${attempts} and status = 'sending'`
  },
)

/** Newest first. */
export const listDeliveries = transition(import.meta.url, 'listDeliveries', function* (key: RunKey): Steps<Delivery[]> {
  const run = yield* findRun(key)
  return yield* all<Delivery>(
    sql`select * from webhook_deliveries where run_id = ${run.run_id} order by created_at desc, delivery_id desc`,
  )
})

/** Sends once more what an earlier delivery sent, as a new one. */
export const redeliver = transition(
  import.meta.url,
  'redeliver',
  function* ({ delivery_id, ...key }: RunKey & { delivery_id: string }): Steps<Delivery> {
    const run = yield* findRun(key)
    const earlier = yield* first<Delivery>(
      sql`select * from webhook_deliveries where delivery_id = ${delivery_id} and run_id = ${run.run_id}`,
    )
    if (!earlier) throw new RunloomError('not_found', `Delivery ${delivery_id} not found`)
    return yield* insertDelivery(run, earlier.url)
  },
)
