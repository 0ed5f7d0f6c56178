// Metrics for Prometheus. What the database knows is asked when somebody looks; what only this process knows is counted
// for a transaction or a run, never for an event.
import type { MessagePort } from 'node:worker_threads'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { queueFacts } from '../core/queue.ts'
import type { Worker } from '../core/worker.ts'
import type { Database } from '../db/database.ts'
import type { EventLog } from '../events/event-log.ts'
import { appendSlices } from '../events/log.ts'

const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]

export class Metrics {
  readonly #registry = new Registry()
  readonly #commits: Histogram
  readonly #database: Histogram
  #ask = async (): Promise<void> => {}

  constructor() {
    const registers = [this.#registry]
    collectDefaultMetrics({ register: this.#registry })
    this.#commits = new Histogram({
      name: 'runloom_event_commit_seconds',
      help: 'Time until a group of events of this process was committed',
      buckets: SECONDS,
      registers,
    })
    this.#database = new Histogram({
      name: 'runloom_database_seconds',
      help: 'Time of every other transaction of this process, waiting for its turn included',
      buckets: SECONDS,
      registers,
    })
  }

  /** The same database, its transactions timed. */
  timed(db: Database): Database {
    return {
      dialect: db.dialect,
      run: async (transition, args) => {
        const began = performance.now()
        try {
          return await db.run(transition, args)
        } finally {
          const histogram = transition.name === appendSlices.name ? this.#commits : this.#database
          histogram.observe((performance.now() - began) / 1000)
        }
      },
      ...(db.door && { door: () => (db.door as () => MessagePort)() }),
      close: () => db.close(),
    }
  }

  /** Adds what is asked of these when somebody looks. Call once. */
  watch({ db, worker, logs }: { db: Database; worker: Worker; logs: Pick<EventLog, 'readers'>[] }) {
    const registers = [this.#registry]
    const gauge = <L extends string>(name: string, help: string, labelNames: L[] = []) =>
      new Gauge({ name: `runloom_${name}`, help, labelNames, registers })
    const up = gauge('database_up', 'Whether the database answered just now')
    const runs = gauge('runs', 'Runs in flight on this database, by status', ['status'])
    const depth = gauge('queue_depth', 'Runs whose time has come and that nobody executes yet')
    const oldest = gauge('queue_oldest_seconds', 'How long the oldest of them has waited')
    this.#ask = async () => {
      const facts = await db.run(queueFacts, undefined).catch(() => undefined)
      up.set(facts ? 1 : 0)
      runs.set({ status: 'pending' }, facts?.pending ?? Number.NaN)
      runs.set({ status: 'running' }, facts?.running ?? Number.NaN)
      depth.set(facts?.due ?? Number.NaN)
      oldest.set((facts?.oldest_ms ?? Number.NaN) / 1000)
    }
    new Gauge({
      name: 'runloom_stream_readers',
      help: 'Who follows a run or a thread in this process',
      registers,
      collect() {
        this.set(logs.reduce((sum, log) => sum + log.readers, 0))
      },
    })
    new Counter({
      name: 'runloom_runs_ended_total',
      help: 'Runs that this process executed and ended, by status',
      labelNames: ['status'],
      registers,
      collect() {
        this.reset()
        for (const [status, count] of Object.entries(worker.counts.ended)) this.inc({ status }, count)
      },
    })
    new Counter({
      name: 'runloom_lease_takeovers_total',
      help: 'Runs that this process took over because the lease of their owner had ended',
      registers,
      collect() {
        this.reset()
        this.inc(worker.counts.taken_over)
      },
    })
  }

  /** As Prometheus reads it, with its content type. */
  async text(): Promise<{ type: string; text: string }> {
    await this.#ask()
    return { type: this.#registry.contentType, text: await this.#registry.metrics() }
  }

  async json(): Promise<object> {
    await this.#ask()
    return this.#registry.getMetricsAsJSON()
  }
}
