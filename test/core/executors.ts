// Executors for the worker's tests.
import type { ClaimedRun, Ending, Executor } from '../../src/core/executor.ts'
import type { RunWriter } from '../../src/events/run-writer.ts'
import { DONE } from './harness.ts'

export interface Execution {
  claimed: ClaimedRun
  writer: RunWriter
  signal: AbortSignal
  /** Lets it end well. */
  end(ending?: Ending): void
  /** Lets it fail. */
  fail(error: unknown): void
}

/** Executions that go on until the test ends them, or until they are stopped. */
export class Executions {
  readonly all: Execution[] = []
  readonly #obedient: boolean
  #started = Promise.withResolvers<void>()

  /** With `obedient: false` they go on after a stop. */
  constructor({ obedient = true } = {}) {
    this.#obedient = obedient
  }

  readonly executor: Executor = (claimed, writer, signal) => {
    const { promise, resolve, reject } = Promise.withResolvers<Ending>()
    this.all.push({ claimed, writer, signal, end: (ending = DONE) => resolve(ending), fail: reject })
    if (this.#obedient) signal.addEventListener('abort', () => reject(signal.reason))
    this.#started.resolve()
    this.#started = Promise.withResolvers<void>()
    return promise
  }

  get running(): number {
    return this.all.length
  }

  /** The nth execution, from 1, once it has begun. */
  async nth(count: number): Promise<Execution> {
    while (this.all.length < count) await this.#started.promise
    return this.all[count - 1] as Execution
  }
}
