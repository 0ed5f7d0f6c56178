// Fires crons when they are due. Every process has one and any of them may fire any cron; which one does is settled in
// the database (crons.ts). It sleeps until the next date it knows of, and at most one poll interval.
import type { Database } from '../db/database.ts'
import type { Bus } from '../events/bus.ts'
import { type Fire, fireCron, type Upcoming, upcomingCrons } from './crons.ts'
import { newId } from './ids.ts'
import { errorFields, type Logger } from './logger.ts'
import { Ticker } from './ticker.ts'

/** Crons looked at in one go. */
const PAGE = 50

export class Scheduler {
  readonly #db: Database
  readonly #bus: Bus
  readonly #logger: Logger
  readonly #ticker: Ticker
  readonly #unsubscribe: () => void
  readonly #options: Pick<Fire, 'queue' | 'ttl'>

  constructor(
    { db, bus, logger }: { db: Database; bus: Bus; logger: Logger },
    { poll_ms, ...options }: { poll_ms: number } & Pick<Fire, 'queue' | 'ttl'>,
  ) {
    this.#db = db
    this.#bus = bus
    this.#logger = logger
    this.#options = options
    this.#ticker = new Ticker(() => this.#fireDue(), { failure: 'looking for due crons failed', poll_ms, logger })
    this.#unsubscribe = bus.subscribe('crons', () => this.#ticker.wake())
    this.#ticker.start()
  }

  /** Stops firing; one that is being fired is finished. */
  async close() {
    this.#unsubscribe()
    await this.#ticker.close()
  }

  async #fireDue(): Promise<number | undefined> {
    const upcoming = await this.#db.run(upcomingCrons, PAGE)
    const due = upcoming.filter(cron => cron.next_run_date <= cron.now)
    const fired = await Promise.all(due.map(cron => this.#fire(cron)))
    if (fired.some(Boolean)) return 0 // their next dates are not known here
    const next = upcoming.find(cron => cron.next_run_date > cron.now)
    return next && Date.parse(next.next_run_date) - Date.parse(next.now)
  }

  /** True when this process fired it. */
  async #fire({ cron_id, thread_id }: Upcoming): Promise<boolean> {
    try {
      const args = { cron_id, thread_id, run_id: newId(), new_thread_id: newId(), ...this.#options }
      const { created, skipped } = await this.#db.run(fireCron, args)
      if (skipped) this.#logger('warn', 'a cron made no run', { cron_id, reason: skipped })
      if (!created) return skipped !== undefined
      for (const run_id of created.superseded) {
        this.#bus.publish(`cancel:${run_id}`)
        this.#bus.publish(`run:${run_id}`)
      }
      this.#bus.publish('work')
      return true
    } catch (error) {
      this.#logger('error', 'a cron could not be fired', { cron_id, ...errorFields(error) })
      return false
    }
  }
}
