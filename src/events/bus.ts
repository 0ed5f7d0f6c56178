// The Bus carries hints that something changed, by topic. A hint may be lost or repeated: whoever waits for one also
// polls, so the worst a lost hint costs is one poll interval.

/**
 * `work`: a run may be due. `crons`, `webhooks`: one may be due. `run:<run_id>`: its log moved. `cancel:<run_id>`: its owner
 * should look at it. `inputs:<run_id>`: it was sent something. `thread:<thread_id>`: a run begins on it.
 */
export type Topic =
  | 'work'
  | 'crons'
  | 'webhooks'
  | `run:${string}`
  | `cancel:${string}`
  | `inputs:${string}`
  | `thread:${string}`

export interface Bus {
  publish(topic: Topic): void
  /** Calls `listener` at each hint until the returned function is called. */
  subscribe(topic: Topic, listener: () => void): () => void
  /** How long a follower may rely on hints alone before it looks for itself. */
  readonly poll_ms: number
  close(): Promise<void>
}

/** Hints within one process, delivered at once. */
export class LocalBus implements Bus {
  readonly poll_ms: number = 1_000
  readonly #listeners = new Map<Topic, Set<() => void>>()

  publish(topic: Topic) {
    for (const listener of [...(this.#listeners.get(topic) ?? [])]) listener()
  }

  subscribe(topic: Topic, listener: () => void) {
    const listeners = this.#listeners.get(topic) ?? new Set()
    this.#listeners.set(topic, listeners.add(listener))
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0 && this.#listeners.get(topic) === listeners) this.#listeners.delete(topic)
    }
  }

  async close() {
    this.#listeners.clear()
  }
}
