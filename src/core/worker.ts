// The worker: claims runs that are due, drives each through its executor under a lease, and ends it. One path for
// streamed, waited, background and delayed runs.
//
//   claim ──► drive ──┬─ executor returned ──────────► finish: success
//                     ├─ executor failed ────────────► finish: error event, error
//                     ├─ nothing to do but wait ─────► hand back: parked
//                     ├─ the database failed it ─────► hand back: pending again
//                     ├─ stopped: cancelled ─────────► finish: interrupted, or erased
//                     ├─ stopped: timeout ───────────► finish: error event, timeout
//                     ├─ stopped: refused ───────────► finish: error event, error
//                     ├─ stopped: shutting down ─────► hand back: pending again
//                     └─ stopped: lease lost ────────► write nothing; another owner goes on
//
// The first reason to stop wins. A cancel that is stored before the ending decides the ending (claims.ts).
import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Database, isOutage, isRefused } from '../db/database.ts'
import type { Bus } from '../events/bus.ts'
import type { EventLog } from '../events/event-log.ts'
import { Fenced, type RunWriter } from '../events/run-writer.ts'
import {
  type Claim,
  type ClaimOptions,
  cancelledAmong,
  claimedBy,
  claimRuns,
  type Finish,
  finishRun,
  handBack,
} from './claims.ts'
import { conclude, type Outcome, stopReason, withoutRows } from './endings.ts'
import { type ClaimedRun, type Executor, Stopped, type StopReason } from './executor.ts'
import { Leases, monotonicMs } from './leases.ts'
import { errorFields, type Logger } from './logger.ts'
import type { RunStatus } from './runs.ts'
import { hasWebhook } from './webhooks.ts'

export interface WorkerOptions {
  worker_id: string
  /** Where the lease thread connects. */
  url: string
  concurrency: number
  lease_ms: number
  poll_ms: number
  max_crashes: number
  run_timeout_ms: number
  /** How long a draining worker lets runs finish before it hands them back. */
  drain_ms: number
}

interface Driven {
  claimed: ClaimedRun
  writer: RunWriter
  stop: (reason: StopReason) => void
}

/** A run that was claimed with the ending of another. */
interface Next {
  claimed: ClaimedRun
  asked_at: number
}

const CLAIM_BATCH = 32
/** Above this delay of the main loop no new run is claimed. */
const LAG_LIMIT_MS = 250
const LAG_POLL_MS = 100
/** How long a stopped executor may take to let go before the run is ended over its head. */
const STOP_GRACE_MS = 5_000
const RETRY_MS = 200
/**
 * Calls a function where no AsyncLocalStorage has a value. A run is nobody's call: whose request or which run's end it is started
 * by depends on what was free, and the span, the user or the LangChain config that is around there is not the run's.
 */
const outside = AsyncLocalStorage.snapshot()

export class Worker {
  readonly #db: Database
  readonly #log: EventLog
  readonly #bus: Bus
  readonly #executors: Readonly<Record<string, Executor>>
  readonly #options: WorkerOptions
  readonly #logger: Logger
  readonly #leases: Leases
  readonly #driven = new Map<string, Driven>()
  readonly #closing = new AbortController()
  /** What this worker has done since it started. */
  readonly counts = { taken_over: 0, ended: {} as Partial<Record<RunStatus, number>> }
  #reserved = 0
  #asks = 0
  /** Claims whose answer was lost, with when they were asked: what they took has a lease, and nobody drives it yet. */
  readonly #lost = new Map<string, number>()
  /** Runs may be due that no slot was free for. */
  #full = false
  /** Set once runs are handed back instead of being waited for. */
  #draining = false
  /** Resolved whenever a run has ended or a start has come to something. */
  #freed = Promise.withResolvers<void>()
  #woken = Promise.withResolvers<void>()
  #looping: Promise<void> | undefined

  constructor(
    ports: { db: Database; log: EventLog; bus: Bus; executors: Record<string, Executor>; logger: Logger },
    options: WorkerOptions,
  ) {
    this.#db = ports.db
    this.#log = ports.log
    this.#bus = ports.bus
    this.#executors = ports.executors
    this.#logger = ports.logger
    this.#options = options
    this.#leases = new Leases(options.url, () => ports.db.door?.(), options.lease_ms, {
      lost: run_id => this.#driven.get(run_id)?.writer.fail(new Fenced('the lease ran out')),
      cancelled: run_id => this.#driven.get(run_id)?.stop({ type: 'cancelled' }),
      failed: error => this.#logger('error', 'renewing leases broke down, starting again', errorFields(error)),
    })
  }

  /** Starts claiming. Until then only runs that are handed over are driven. */
  start() {
    this.#looping ??= this.#loop()
  }

  /**
   * Runs `create` with what it needs to start its run here at once, if a slot is free, and drives the run it started.
   */
  async startHere<T extends { claimed?: ClaimedRun }>(
    create: (claim: ClaimOptions | undefined) => Promise<T>,
  ): Promise<T> {
    if (this.#free() <= 0 || this.#looping === undefined || this.#lags()) return create(undefined)
    this.#reserved++
    const asked_at = monotonicMs()
    const claim = this.#ask()
    try {
      const created = await create(claim)
      if (created.claimed) this.#drive(created.claimed, asked_at)
      return created
    } catch (error) {
      this.#note(claim, error, asked_at)
      throw error
    } finally {
      this.#reserved--
      this.#tellFreed()
    }
  }

  /** Stops claiming, lets runs finish for `drain_ms`, hands the rest back. */
  async close() {
    this.#closing.abort()
    this.#woken.resolve()
    await this.#looping
    const drained = new AbortController()
    const overdue = sleep(this.#options.drain_ms, undefined, { signal: drained.signal }).catch(() => {})
    await Promise.race([this.#rest(), overdue])
    drained.abort()
    this.#draining = true
    for (const driven of this.#driven.values()) driven.stop({ type: 'shutting_down' })
    await this.#rest()
    await this.#leases.close()
  }

  /** Resolves when nothing is driven or about to be. */
  async #rest() {
    while (this.#driven.size + this.#reserved > 0) await this.#freed.promise
  }

  #tellFreed() {
    if (this.#full) this.#woken.resolve()
    this.#freed.resolve()
    this.#freed = Promise.withResolvers<void>()
  }

  async #loop() {
    const unsubscribe = this.#bus.subscribe('work', () => this.#woken.resolve())
    while (!this.#closing.signal.aborted) {
      this.#woken = Promise.withResolvers<void>()
      const claimed = await this.#claimDue().catch(error => {
        this.#logger('error', 'claiming failed', errorFields(error))
        return 0
      })
      if (claimed === 0) await this.#wakeUp()
    }
    unsubscribe()
  }

  /** Until a hint, or for one poll interval. */
  async #wakeUp() {
    const { poll_ms } = this.#options
    const wait_ms = this.#lost.size > 0 ? Math.min(RETRY_MS, poll_ms) : this.#lags() ? LAG_POLL_MS : poll_ms
    const timer = setTimeout(() => this.#woken.resolve(), wait_ms)
    await this.#woken.promise
    clearTimeout(timer)
  }

  async #claimDue(): Promise<number> {
    if (this.#lost.size > 0) await this.#findLost()
    const free = this.#free()
    this.#full = free <= 0
    if (free <= 0 || this.#lags()) return 0
    const asked_at = monotonicMs()
    const limit = Math.min(free, CLAIM_BATCH)
    const claim = this.#claim(limit, [...this.#driven.keys()])
    this.#reserved += limit
    try {
      const claimed = await this.#db.run(claimRuns, claim)
      for (const run of claimed) this.#drive(run, asked_at)
      return claimed.length
    } catch (error) {
      this.#note(claim, error, asked_at)
      throw error
    } finally {
      this.#reserved -= limit
    }
  }

  /** Remembers a claim that may have landed all the same. */
  #note({ worker_id }: ClaimOptions, error: unknown, asked_at: number) {
    if (!isOutage(error)) return
    this.#lost.set(worker_id, asked_at)
    this.#woken.resolve()
  }

  /** Drives what claims took whose answer was lost. Their commits may be late; after a lease anybody finds the runs. */
  async #findLost() {
    const { lease_ms } = this.#options
    for (const [worker_id, lost_at] of this.#lost) {
      const asked_at = monotonicMs()
      const found = await this.#db.run(claimedBy, { worker_id, lease_ms })
      for (const run of found) this.#drive(run, asked_at)
      if (found.length > 0 || asked_at > lost_at + lease_ms) this.#lost.delete(worker_id)
    }
  }

  #lags(): boolean {
    return this.#leases.lag_ms > LAG_LIMIT_MS
  }

  #free(): number {
    if (this.#closing.signal.aborted) return 0
    return this.#options.concurrency - this.#driven.size - this.#reserved
  }

  #ask(): ClaimOptions {
    const { worker_id, lease_ms } = this.#options
    return { worker_id: `${worker_id}.${++this.#asks}`, lease_ms }
  }

  #claim(limit: number, driving: string[]): Claim {
    const { max_crashes } = this.#options
    return { ...this.#ask(), max_crashes, limit, driving }
  }

  #drive(claimed: ClaimedRun, asked_at: number) {
    const { run_id } = claimed.run
    if (claimed.taken_over) this.counts.taken_over++
    const controller = new AbortController()
    const stop = (reason: StopReason) => controller.abort(new Stopped(reason))
    const writer = this.#log.open(run_id, claimed, error =>
      stop(error instanceof Fenced ? { type: 'lease_lost' } : { type: 'refused', error }),
    )
    this.#leases.add(run_id, claimed.attempt, asked_at)
    const driven: Driven = { claimed, writer, stop }
    this.#driven.set(run_id, driven)
    void this.#execute(driven, controller.signal)
    if (this.#draining) stop({ type: 'shutting_down' })
  }

  async #execute(driven: Driven, signal: AbortSignal) {
    const { claimed, writer, stop } = driven
    const { run } = claimed
    const { run_timeout_ms } = this.#options
    const unsubscribe = this.#bus.subscribe(`cancel:${run.run_id}`, () => void this.#lookForCancel(driven))
    const timer = setTimeout(() => stop({ type: 'timeout', after_ms: run_timeout_ms }), run_timeout_ms)
    this.#bus.publish(`run:${run.run_id}`)
    this.#bus.publish(`thread:${run.thread_id}`)
    const outcome = await this.#outcome(claimed, writer, signal)
    clearTimeout(timer)
    unsubscribe()
    const reason = stopReason(outcome, signal)
    let next: Next | undefined
    try {
      if (reason?.type !== 'lease_lost') next = await this.#end(driven, outcome, reason)
    } catch (error) {
      if (!(error instanceof Fenced))
        this.#logger('error', 'a run could not be ended', { run_id: run.run_id, ...errorFields(error) })
    }
    this.#log.release(writer)
    // It may be driven here again already, where its executor did not let go in time.
    if (this.#driven.get(run.run_id) === driven) {
      this.#leases.remove(run.run_id)
      this.#driven.delete(run.run_id)
    }
    if (next) this.#drive(next.claimed, next.asked_at)
    this.#tellFreed()
  }

  /** What the executor came to; after a stop it has a moment to let go. */
  async #outcome(claimed: ClaimedRun, writer: RunWriter, signal: AbortSignal): Promise<Outcome> {
    const executor = this.#executors[claimed.run.kind]
    if (!executor) return { error: new Error(`this server does not execute runs of kind "${claimed.run.kind}"`) }
    const execute = async () => outside(executor, claimed, writer, signal)
    const execution = execute().then(
      ending => ({ ending }),
      error => ({ error }),
    )
    let timer: NodeJS.Timeout | undefined
    const overdue = new Promise<Outcome>(resolve => {
      signal.addEventListener('abort', () => {
        timer = setTimeout(() => resolve({ error: signal.reason }), STOP_GRACE_MS)
      })
    })
    const outcome = await Promise.race([execution, overdue])
    clearTimeout(timer)
    return outcome
  }

  async #end(driven: Driven, outcome: Outcome, reason: StopReason | undefined): Promise<Next | undefined> {
    const { claimed, writer } = driven
    const { run_id, thread_id } = claimed.run
    const slice = await writer.takeRest()
    const goesOn = !reason || reason.type === 'shutting_down'
    const wait = 'ending' in outcome && goesOn ? outcome.ending.wait : undefined
    if (wait || ('error' in outcome && goesOn && (reason || isOutage(outcome.error)))) {
      await this.#insist(driven, () => this.#db.run(handBack, { thread_id, slice, ...(wait && { wait }) }))
      this.#bus.publish('work')
      return undefined
    }
    const result = conclude(outcome, reason)
    const { error } = result.ending
    if (error) {
      slice.events.push({ event: 'error', data: JSON.stringify(error), lines: 1, at_ms: Date.now() })
      this.#logger('warn', 'a run failed', { run_id, thread_id, ...error })
    }
    let asked_at = 0
    const finish = (args: Finish) =>
      this.#insist(driven, () => {
        asked_at = monotonicMs()
        return this.#db.run(finishRun, args)
      })
    // One claim for all tries: the one that lands may not be the one that is answered.
    const claim = this.#closing.signal.aborted ? undefined : this.#claim(1, []) // the thread's next is not driven yet
    const args: Finish = { thread_id, slice, ...result, ...(claim && { claim }) }
    let last = args
    const { landed, cancelled, next, yielded } = await finish(args).catch(error => {
      if (!isRefused(error)) throw error
      last = withoutRows(args, error)
      return finish(last)
    })
    const end = { status: last.status, ending: JSON.stringify(last.ending) }
    if (landed && !cancelled) this.#log.conclude(writer, last.slice, end)
    if (landed && cancelled === 'interrupt') this.#log.conclude(writer, last.slice)
    this.counts.ended[result.status] = (this.counts.ended[result.status] ?? 0) + 1
    this.#bus.publish(`run:${run_id}`)
    if (hasWebhook(claimed.run)) this.#bus.publish('webhooks')
    if (yielded || !claim) this.#bus.publish('work') // else the thread's next run was started with this
    return next && { claimed: next, asked_at }
  }

  /** Repeats a write while the database is out of reach and the lease may still be ours. */
  async #insist<T>({ claimed, writer }: Driven, write: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await write()
      } catch (error) {
        if (writer.fenced || isRefused(error)) throw error
        this.#logger('error', 'ending a run failed, trying again', {
          run_id: claimed.run.run_id,
          ...errorFields(error),
        })
        await sleep(RETRY_MS)
      }
    }
  }

  async #lookForCancel({ claimed, stop }: Driven) {
    const found = await this.#db.run(cancelledAmong, [claimed.run.run_id]).catch(() => [])
    if (found.length > 0) stop({ type: 'cancelled' })
  }
}
