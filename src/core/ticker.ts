// Something that is done again and again in the background: when it is due, at a hint, and at the latest after one poll
// interval. One at a time; a failure is logged and tried again.
import { errorFields, type Logger } from './logger.ts'

export interface TickerOptions {
  /** What failed, for the log. */
  failure: string
  poll_ms: number
  logger: Logger
}

export class Ticker {
  readonly #tick: () => Promise<number | undefined>
  readonly #options: TickerOptions
  #woken = Promise.withResolvers<void>()
  #closing = false
  #looping: Promise<void> | undefined

  /** `tick` answers in how many milliseconds it should be called again, if that is before the poll interval is over. */
  constructor(tick: () => Promise<number | undefined>, options: TickerOptions) {
    this.#tick = tick
    this.#options = options
  }

  start() {
    this.#looping ??= this.#loop()
  }

  /** Something may be due. */
  wake() {
    this.#woken.resolve()
  }

  /** Resolves when the last call has ended; there is no further one. */
  async close() {
    this.#closing = true
    this.wake()
    await this.#looping
  }

  async #loop() {
    const { failure, poll_ms, logger } = this.#options
    while (!this.#closing) {
      this.#woken = Promise.withResolvers<void>()
      const due_ms = await this.#tick().catch(error => {
        logger('error', failure, errorFields(error))
        return undefined
      })
      const timer = setTimeout(() => this.wake(), Math.max(0, Math.min(due_ms ?? poll_ms, poll_ms)))
      await this.#woken.promise
      clearTimeout(timer)
    }
  }
}
