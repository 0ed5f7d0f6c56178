// Who in this process waits for something to change: a run's log, a thread's next run. A hint of the Bus wakes at once;
// under lost hints lies a poll, one query for all that is followed.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Bus } from './bus.ts'

/** Thrown to those who follow when this process stops: what they follow goes on elsewhere, or later. */
export class Closing extends Error {
  override name = 'Closing'

  constructor() {
    super('the server is stopping; ask again')
    this.stack = `${this.name}: ${this.message}` // one line a reader in the log is enough
  }
}

interface Followed {
  /** Its version as the poll saw it last. */
  version: string
  readonly wake: Set<() => void>
}

export interface Follower {
  /** False at the signal. What happens from now on wakes at once. Throws Closing when this process stops. */
  listens(): boolean
  woken(): Promise<void>
  leave(): void
}

/** Versions by id, as text that differs when there is something new; ids that are gone are missing. Undefined: ask again. */
type Versions = (ids: string[]) => Promise<Map<string, string> | undefined>

export class Followers {
  readonly #bus: Bus
  readonly #kind: 'run' | 'thread'
  readonly #versions: Versions
  readonly #followed = new Map<string, Followed>()
  readonly #closing = new AbortController()
  readonly #polling: Promise<void>

  /** `kind`: what its topics begin with. */
  constructor(bus: Bus, kind: 'run' | 'thread', versions: Versions) {
    this.#bus = bus
    this.#kind = kind
    this.#versions = versions
    this.#polling = this.#poll()
  }

  /** Counts as a follower until `leave`. */
  follow(id: string, signal: AbortSignal): Follower {
    let woken = Promise.withResolvers<void>()
    const wake = () => woken.resolve()
    const unsubscribe = this.#bus.subscribe(`${this.#kind}:${id}`, wake)
    signal.addEventListener('abort', wake)
    const followed = this.#followed.get(id) ?? { version: '', wake: new Set() }
    this.#followed.set(id, followed)
    followed.wake.add(wake)
    return {
      listens: () => {
        woken = Promise.withResolvers<void>()
        if (signal.aborted) return false
        if (this.#closing.signal.aborted) throw new Closing()
        return true
      },
      woken: () => woken.promise,
      leave: () => {
        signal.removeEventListener('abort', wake)
        unsubscribe()
        followed.wake.delete(wake)
        if (followed.wake.size === 0) this.#followed.delete(id)
      },
    }
  }

  follows(id: string): boolean {
    return this.#followed.has(id)
  }

  get size(): number {
    return [...this.#followed.values()].reduce((sum, { wake }) => sum + wake.size, 0)
  }

  async close() {
    this.#closing.abort()
    for (const { wake } of this.#followed.values()) for (const one of wake) one()
    await this.#polling
  }

  async #poll() {
    const { signal } = this.#closing
    while (!signal.aborted) {
      await sleep(this.#bus.poll_ms, undefined, { signal }).catch(() => {})
      const ids = [...this.#followed.keys()]
      if (signal.aborted || ids.length === 0) continue
      const versions = await this.#versions(ids)
      for (const id of versions ? ids : []) {
        const followed = this.#followed.get(id)
        const version = versions?.get(id) ?? 'gone'
        if (!followed || followed.version === version) continue
        followed.version = version
        for (const wake of followed.wake) wake()
      }
    }
  }
}
