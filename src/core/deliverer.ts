// Sends webhooks: claims deliveries that are due (webhooks.ts), posts each and settles it. Beside the runs, never in their
// way: an endpoint that is slow or dead holds a few of these calls, no run and no connection to the database.
import { createHmac } from 'node:crypto'
import http from 'node:http'
import https from 'node:https'
import type { Database } from '../db/database.ts'
import type { Bus } from '../events/bus.ts'
import { Refused } from './address-guard.ts'
import { errorFields, type Logger } from './logger.ts'
import { Ticker } from './ticker.ts'
import type { Target, WebhookPolicy } from './webhook-policy.ts'
import { claimDeliveries, type Delivery, releaseDelivery, type Settle, settleDelivery } from './webhooks.ts'

export interface DelivererPorts {
  db: Database
  bus: Bus
  logger: Logger
  policy: WebhookPolicy
  /** What to send for a run, as JSON text; undefined when the run is gone. */
  body: (run_id: string) => Promise<string | undefined>
  /** Calls one of this server's own routes, as who made the run. */
  callHere: (path: string, init: RequestInit, run_id: string) => Promise<Response>
}

export interface DelivererOptions {
  poll_ms: number
  /** Sent with every webhook. */
  headers: Record<string, string>
  /** Signs every webhook. */
  secret: string | undefined
  timeout_ms: number
  /** After so many failures a delivery is dead. */
  attempts: number
  /** The first pause; each further one is `GROWTH` times as long. */
  backoff_ms: number
}

/** Calls at once, in all and of one origin. */
const CALLS = 64
const CALLS_AN_ORIGIN = 8
/** Eight attempts, ten seconds after the first failure, take six hours. */
const GROWTH = 3.4
/** The part of a pause that is left to chance, so that what failed together does not come back together. */
const JITTER = 0.2
/** What a lease has beyond the time a call may take. */
const LEASE_RESERVE_MS = 20_000

type Outcome = Pick<Settle, 'response_status' | 'error'> & { final?: boolean }

export class Deliverer {
  readonly #ports: DelivererPorts
  readonly #options: DelivererOptions
  readonly #ticker: Ticker
  readonly #unsubscribe: () => void
  readonly #closing = new AbortController()
  readonly #sending = new Map<Delivery, Promise<void>>()

  constructor(ports: DelivererPorts, options: DelivererOptions) {
    const { bus, logger } = ports
    this.#ports = ports
    this.#options = options
    const failure = 'looking for due webhooks failed'
    this.#ticker = new Ticker(() => this.#claimDue(), { failure, poll_ms: options.poll_ms, logger })
    this.#unsubscribe = bus.subscribe('webhooks', () => this.#ticker.wake())
    this.#ticker.start()
  }

  /** Breaks off the calls that are under way and gives them back. */
  async close() {
    this.#unsubscribe()
    await this.#ticker.close()
    this.#closing.abort()
    await Promise.all(this.#sending.values())
  }

  async #claimDue(): Promise<number | undefined> {
    const limit = CALLS - this.#sending.size
    if (limit <= 0) return undefined
    const claimed = await this.#ports.db.run(claimDeliveries, {
      limit,
      lease_ms: this.#options.timeout_ms + LEASE_RESERVE_MS,
      per_origin: CALLS_AN_ORIGIN,
      busy: this.#busyOrigins(),
    })
    for (const delivery of claimed) this.#sending.set(delivery, this.#deliver(delivery))
    return undefined
  }

  #busyOrigins(): string[] {
    const calls = Map.groupBy(this.#sending.keys(), delivery => delivery.origin)
    return [...calls].filter(([, of]) => of.length >= CALLS_AN_ORIGIN).map(([origin]) => origin)
  }

  /** Never rejects: what cannot be settled is claimed again when its lease has ended. */
  async #deliver(delivery: Delivery): Promise<void> {
    const { db, logger } = this.#ports
    const { delivery_id, run_id, attempts } = delivery
    try {
      const outcome = await this.#attempt(delivery)
      if (this.#closing.signal.aborted && outcome.error !== null) await db.run(releaseDelivery, delivery)
      else {
        const settled = this.#settle(delivery, outcome)
        await db.run(settleDelivery, settled)
        const fields = { delivery_id, run_id, attempts, reason: outcome.error }
        if (settled.status === 'dead') logger('error', 'a webhook is given up', fields)
        else if (settled.status === 'pending') logger('warn', 'a webhook failed', fields)
      }
    } catch (error) {
      logger('error', 'a webhook could not be settled', { delivery_id, run_id, ...errorFields(error) })
    }
    this.#sending.delete(delivery)
    this.#ticker.wake()
  }

  #settle({ delivery_id, attempts }: Delivery, { final, ...outcome }: Outcome): Settle {
    const failed = final || attempts >= this.#options.attempts ? 'dead' : 'pending'
    const pause_ms = this.#options.backoff_ms * GROWTH ** (attempts - 1)
    const retry_ms = Math.round(pause_ms * (1 + JITTER * (2 * Math.random() - 1)))
    return { delivery_id, attempts, ...outcome, status: outcome.error === null ? 'delivered' : failed, retry_ms }
  }

  async #attempt(delivery: Delivery): Promise<Outcome> {
    const timeout = AbortSignal.timeout(this.#options.timeout_ms)
    try {
      const target = this.#ports.policy.target(delivery.url)
      const body = await this.#ports.body(delivery.run_id)
      if (body === undefined) return { response_status: null, error: 'the run is gone', final: true }
      const signal = AbortSignal.any([timeout, this.#closing.signal])
      const response_status = await this.#post(target, delivery, body, signal)
      return { response_status, error: complaint(response_status) }
    } catch (error) {
      const final = error instanceof Refused
      const reason = error instanceof Error ? error.message || (error as NodeJS.ErrnoException).code : String(error)
      const late = `no answer within ${this.#options.timeout_ms} ms`
      return { response_status: null, error: timeout.aborted ? late : (reason ?? 'the call failed'), final }
    }
  }

  #headers({ delivery_id }: Delivery, body: string): Record<string, string> {
    const { headers, secret } = this.#options
    return {
      'user-agent': 'runloom',
      ...headers,
      'content-type': 'application/json',
      'x-runloom-delivery': delivery_id,
      ...(secret !== undefined && { 'x-runloom-signature': signature(body, secret, Date.now()) }),
    }
  }

  async #post(target: Target, delivery: Delivery, body: string, signal: AbortSignal): Promise<number> {
    const headers = this.#headers(delivery, body)
    if ('url' in target)
      return post(target.url, { headers, body, signal, agent: this.#ports.policy.guard.agent(target.url) })
    const gone = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
    const call = this.#ports.callHere(target.path, { method: 'POST', headers, body, signal }, delivery.run_id)
    const response = await Promise.race([call, gone])
    await response.body?.cancel()
    return response.status
  }
}

/**
 * `t=<seconds>,v1=<hex>`: the HMAC-SHA256 of `<seconds>.<body>`. A receiver computes it over the body as it came, compares
 * in constant time, and refuses what is older than a few minutes.
 */
export function signature(body: string, secret: string, now_ms: number): string {
  const seconds = Math.floor(now_ms / 1000)
  return `t=${seconds},v1=${createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')}`
}

interface Post {
  headers: Record<string, string>
  body: string
  signal: AbortSignal
  agent: http.Agent
}

/** Posts and answers the status; the answer's body is not read, and a redirect is not followed. */
function post(url: URL, { headers, body, signal, agent }: Post): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const { request } = url.protocol === 'https:' ? https : http
  const content = Buffer.from(body)
  const call = request(
    url,
    { method: 'POST', headers: { ...headers, 'content-length': content.length }, agent, signal },
    response => {
      response.on('error', () => {})
      resolve(response.statusCode ?? 0)
      response.destroy()
    },
  )
  call.on('error', reject)
  call.end(content)
  return promise
}

/** Why an answer does not count; null when it does. */
function complaint(status: number): string | null {
  if (status >= 200 && status < 300) return null
  if (status >= 300 && status < 400) return `HTTP ${status}: redirects are not followed; give the final URL`
  return `HTTP ${status}`
}
