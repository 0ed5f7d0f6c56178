// Postgres as a Database: a transition is driven over one pooled connection. Only statements that return rows are waited
// for: the others are on their way with the next one. What is asked again and again is prepared, as long as nothing
// between here and there minds; no other session state is used, so a transaction-mode pooler may stand between.
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import {
  type Bulk,
  type Database,
  isBulk,
  isRefused,
  type OpenOptions,
  Outage,
  type Row,
  type Statement,
  type Transition,
} from './database.ts'
import { isMisprepared, PreparedNames } from './prepared.ts'

/** Serialization failure, deadlock, lock not available: the transaction did nothing and may run again. */
const RETRYABLE = new Set(['40001', '40P01', '55P03'])
const ATTEMPTS = 5
/** Those that met in a deadlock should not meet again. */
const RETRY_MS = 50

/** A process that is stopped in a transaction would hold its locks for ever; nothing else makes one wait inside. */
const BEGIN = "begin; set local idle_in_transaction_session_timeout = '5s'"

const parsers = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    oid === pg.types.builtins.INT8 ? Number : pg.types.getTypeParser(oid, format as 'text'),
}

export function openPostgres(url: string, { connections = 10, timeout_ms = 30_000 }: OpenOptions): Database {
  return new Postgres(url, connections, timeout_ms)
}

class Postgres implements Database {
  readonly dialect = 'postgres'
  readonly #pool: pg.Pool
  readonly #running = new Set<Promise<unknown>>()
  /** Undefined once something has minded. */
  #names: PreparedNames | undefined = new PreparedNames()
  #closed = false

  constructor(url: string, connections: number, timeout_ms: number) {
    this.#pool = new pg.Pool({
      connectionString: url,
      max: connections,
      types: parsers as pg.CustomTypesConfig,
      connectionTimeoutMillis: timeout_ms,
      query_timeout: timeout_ms,
      keepAlive: true,
      pipeline: true,
    })
    this.#pool.on('error', () => {}) // an idle connection died; the pool has already dropped it
    // One in use died between two statements: the next one fails.
    this.#pool.on('connect', client => void client.on('error', () => {}))
  }

  async run<A, T>(transition: Transition<A, T>, args: A): Promise<T> {
    if (this.#closed) throw new Error('the database is closed')
    const running = this.#persist(transition, args)
    this.#running.add(running)
    try {
      return await running
    } finally {
      this.#running.delete(running)
    }
  }

  /** The pool alone would forget those that still wait for a connection. */
  async close() {
    this.#closed = true
    await Promise.allSettled(this.#running)
    await this.#pool.end()
  }

  async #persist<A, T>(transition: Transition<A, T>, args: A): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const client = await this.#pool.connect().catch(cause => {
        throw new Outage(cause)
      })
      const names = this.#names
      const outcome = await attemptOn(client, transition, args, names)
      if (!('error' in outcome)) {
        void outcome.closed.then(broken => client.release(broken))
        return outcome.value
      }
      client.release(outcome.broken)
      if (names && isMisprepared(outcome.error)) {
        this.#names = undefined
        continue
      }
      const { code = '' } = outcome.error as { code?: string }
      if (outcome.outage) throw new Outage(outcome.error)
      if (!RETRYABLE.has(code) || attempt === ATTEMPTS) throw outcome.error
      await sleep(Math.random() * attempt * RETRY_MS)
    }
  }
}

/**
 * `broken`, and what `closed` resolves to: the connection cannot be used again. `outage`: the server did not do what it was
 * asked for.
 */
type Attempt<T> = { value: T; closed: Promise<boolean> } | { error: unknown; broken: boolean; outage: boolean }

async function attemptOn<A, T>(
  client: pg.PoolClient,
  transition: Transition<A, T>,
  args: A,
  names: PreparedNames | undefined,
): Promise<Attempt<T>> {
  const { stream } = (client as unknown as { connection: { stream: Duplex } }).connection
  const sent: Promise<Row[]>[] = []
  /** What is sent before somebody waits travels in one write. */
  const send = (text: string, values?: unknown[], told?: (rows: Row[]) => void) => {
    if (sent.length === 0) {
      stream.cork()
      process.nextTick(() => stream.uncork())
    }
    const name = values && names?.of(text)
    const result = name ? client.query({ name, text, values }) : client.query(text, values)
    const rows = result.then(({ rows }) => {
      told?.(rows)
      return rows
    })
    rows.catch(() => {}) // the first that failed is told, by `answered`
    sent.push(rows)
  }
  /** The rows of the statement sent last, once all before it have succeeded. */
  const answered = async () => {
    let rows: Row[] = []
    for (const answer of sent.splice(0)) rows = await answer
    return rows
  }
  let asking = true
  /** Nobody waits for the commit of what was only read. */
  let wrote = false
  try {
    const steps = transition.steps(args)
    send(BEGIN)
    for (let rows: Row[] | undefined; ; ) {
      asking = false
      const next = rows ? steps.next(rows) : steps.next()
      asking = true
      if (next.done) {
        send('commit')
        const closed = answered().then(() => false)
        if (wrote) await closed
        return { value: next.value, closed: closed.catch(() => true) }
      }
      const statement = next.value
      wrote ||= isBulk(statement) || !READ.test(statement.text)
      if (!isBulk(statement)) send(statement.text, statement.values, statement.told)
      else if (statement.rows.length === 1) send(numbered(statement.each), arraysOf(statement).flat())
      else if (statement.rows.length > 0) send(statement.all, arraysOf(statement))
      rows = returnsRows(statement) ? await answered() : []
    }
  } catch (error) {
    if (asking && isConnectionError(error)) return { error, broken: true, outage: true }
    const undone = await client.query('rollback').then(
      () => true,
      () => false,
    )
    return { error, broken: !undone, outage: asking && isOverload(error) }
  }
}

/** With `$1` for `?`, in their order, or `?1`. */
function numbered(each: string): string {
  let count = 0
  return each.replace(/\?(\d*)/g, (_, place) => `$${place || ++count}`)
}

function arraysOf({ columns, rows }: Bulk): unknown[][] {
  return columns.map(column => rows.map(row => row[column]))
}

/** A lock is more than reading: it is held until the commit. */
const READ = /^\s*select\b(?!.*\bfor update\b)/s

function returnsRows(statement: Statement): boolean {
  if (isBulk(statement) || statement.unread || statement.told) return false
  return /^\s*select\b|\breturning\b/i.test(statement.text)
}

/** Of an error that came from asking the server: whether it was the connection, not an answer. */
function isConnectionError(error: unknown): boolean {
  return error instanceof pg.DatabaseError ? /^(08|57P|25P0[34])/.test(error.code ?? '') : !isRefused(error)
}

/** Insufficient resources; a statement that was cancelled because it took too long. */
function isOverload(error: unknown): boolean {
  return /^(53|57014)/.test((error as { code?: string }).code ?? '')
}
