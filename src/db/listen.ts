// One Postgres connection that listens: it must be direct, because a transaction-mode pooler has no sessions. It proves
// that hints arrive by sending itself one, and connects again when it breaks.
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

const RETRY_MS = 1_000
const PROOF_MS = 2_000

export class Listener {
  readonly #url: string
  readonly #channel: string
  readonly #onPayload: (payload: string) => void
  readonly #closing = new AbortController()
  readonly #running: Promise<void>
  #client: pg.Client | undefined
  #heard = false

  constructor(url: string, channel: string, onPayload: (payload: string) => void) {
    this.#url = url
    this.#channel = channel
    this.#onPayload = onPayload
    this.#running = this.#run()
  }

  /** True while a connection is open on which a notification was seen to arrive. */
  get hears(): boolean {
    return this.#heard
  }

  /** Sends a payload (8 kB at most) to every listener, this one included. Losing it is no error. */
  async notify(payload: string): Promise<void> {
    await this.#client?.query('select pg_notify($1, $2)', [this.#channel, payload]).catch(() => {})
  }

  async close() {
    this.#closing.abort()
    await this.#running
  }

  async #run() {
    const { signal } = this.#closing
    while (!signal.aborted) {
      await this.#listen().catch(() => {})
      this.#heard = false
      this.#client = undefined
      await sleep(RETRY_MS, undefined, { signal }).catch(() => {})
    }
  }

  /** Resolves when the connection has ended. */
  async #listen() {
    const settings = { connectionString: this.#url, keepAlive: true, connectionTimeoutMillis: 10_000 }
    const client = new pg.Client({ ...settings, pipeline: true }) // a hint may be sent while another is on its way
    const ended = new Promise<void>(resolve => client.once('end', resolve))
    client.on('error', () => void client.end().catch(() => {}))
    client.on('notification', ({ payload = '' }) => {
      this.#heard = true
      if (payload) this.#onPayload(payload)
    })
    const end = () => void client.end().catch(() => {})
    this.#closing.signal.addEventListener('abort', end)
    let proof: NodeJS.Timeout | undefined
    try {
      await Promise.race([client.connect(), ended]) // a client that is told to end while it connects never says so
      if (this.#closing.signal.aborted) return end()
      await client.query(`listen ${client.escapeIdentifier(this.#channel)}`)
      this.#client = client
      await this.notify('')
      proof = setTimeout(() => this.#heard || end(), PROOF_MS)
      await ended
    } finally {
      clearTimeout(proof)
      this.#closing.signal.removeEventListener('abort', end)
    }
  }
}
