// The Bus over LISTEN/NOTIFY: local listeners are told at once, other processes by one coalesced notification every 50 ms
// at most, outside any transaction. It carries hints, never events.
import { randomUUID } from 'node:crypto'
import { Listener } from '../db/listen.ts'
import { type Bus, LocalBus, type Topic } from './bus.ts'

const CHANNEL = 'runloom'
const COALESCE_MS = 50
/** Topics in one notification: each is at most 43 characters, Postgres takes 8,000 bytes. */
const TOPICS = 150

export class PostgresBus implements Bus {
  readonly #local = new LocalBus()
  readonly #origin = randomUUID()
  readonly #listener: Listener
  #pending = new Set<Topic>()
  #timer: NodeJS.Timeout | undefined

  /** `url` must lead to Postgres directly, not through a transaction-mode pooler. */
  constructor(url: string) {
    this.#listener = new Listener(url, CHANNEL, payload => this.#receive(payload))
  }

  /** Short while hints cannot be trusted to arrive. */
  get poll_ms(): number {
    return this.#listener.hears ? this.#local.poll_ms : 100
  }

  publish(topic: Topic) {
    this.#local.publish(topic)
    this.#pending.add(topic)
    this.#timer ??= setTimeout(() => this.#send(), COALESCE_MS)
  }

  subscribe(topic: Topic, listener: () => void) {
    return this.#local.subscribe(topic, listener)
  }

  async close() {
    clearTimeout(this.#timer)
    await this.#local.close()
    await this.#listener.close()
  }

  #send() {
    const topics = [...this.#pending]
    this.#pending = new Set()
    this.#timer = undefined
    for (let from = 0; from < topics.length; from += TOPICS) {
      void this.#listener.notify(JSON.stringify([this.#origin, ...topics.slice(from, from + TOPICS)]))
    }
  }

  #receive(payload: string) {
    const [origin, ...topics] = topicsOf(payload)
    if (origin !== this.#origin) for (const topic of topics) this.#local.publish(topic as Topic)
  }
}

/** Anyone may notify on a channel: what is not ours says nothing. */
function topicsOf(payload: string): string[] {
  try {
    const topics: unknown = JSON.parse(payload)
    return Array.isArray(topics) ? topics : []
  } catch {
    return []
  }
}
