// What a process has left of its database when it is killed between two commits.
import { setImmediate as turn } from 'node:timers/promises'
import type { Database, Transition } from '../../src/db/database.ts'

/** A database as a process sees it that dies: after a number of commits of events nothing answers any more. */
export class MortalDatabase implements Database {
  readonly dialect: Database['dialect']
  readonly death: Promise<undefined>
  commits = 0
  readonly #db: Database
  readonly #life: number
  readonly #die: () => void
  #dead = false

  constructor(db: Database, life = Infinity) {
    this.dialect = db.dialect
    this.#db = db
    this.#life = life
    const { promise, resolve } = Promise.withResolvers<undefined>()
    this.death = promise
    this.#die = () => resolve(undefined)
  }

  async run<A, T>(transition: Transition<A, T>, args: A): Promise<T> {
    if (transition.name === 'appendSlices' && this.commits >= this.#life) {
      this.#dead = true
      this.#die()
    }
    if (this.#dead) return new Promise(() => {})
    await turn() // as a thread or a socket would
    const result = await this.#db.run(transition, args)
    if (transition.name === 'appendSlices') this.commits++
    return result
  }

  async close() {}
}
