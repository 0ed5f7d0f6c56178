// Postgres as a Database: a transition is driven over one pooled connection. Statements are unnamed and no session
// state is used, so a transaction-mode pooler may stand between.
import pg from 'pg'
import { type Database, isBulk, type OpenOptions, type Row, type Statement, type Transition } from './database.ts'

/** Serialization failure, deadlock, lock not available: the transaction did nothing and may run again. */
const RETRYABLE = new Set(['40001', '40P01', '55P03'])
const ATTEMPTS = 5

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

  constructor(url: string, connections: number, timeout_ms: number) {
    this.#pool = new pg.Pool({
      connectionString: url,
      max: connections,
      types: parsers as pg.CustomTypesConfig,
      connectionTimeoutMillis: timeout_ms,
      query_timeout: timeout_ms,
      keepAlive: true,
    })
    this.#pool.on('error', () => {}) // an idle connection died; the pool has already dropped it
  }

  async run<A, T>(transition: Transition<A, T>, args: A): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const client = await this.#pool.connect()
      let broken: Error | undefined
      try {
        return await drive(client, transition, args)
      } catch (error) {
        const code = (error as { code?: string }).code
        if (code && RETRYABLE.has(code) && attempt < ATTEMPTS) continue
        if (isConnectionError(error)) broken = error as Error
        throw error
      } finally {
        client.release(broken)
      }
    }
  }

  async close() {
    await this.#pool.end()
  }
}

async function drive<A, T>(client: pg.PoolClient, transition: Transition<A, T>, args: A): Promise<T> {
  await client.query('begin')
  try {
    const steps = transition.steps(args)
    let next = steps.next()
    while (!next.done) {
      const rows = await query(client, next.value)
      next = steps.next(rows)
    }
    await client.query('commit')
    return next.value
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw error
  }
}

async function query(client: pg.PoolClient, statement: Statement): Promise<Row[]> {
  if (!isBulk(statement)) return (await client.query(statement.text, statement.values)).rows
  if (statement.rows.length === 0) return []
  const arrays = statement.columns.map(column => statement.rows.map(row => row[column]))
  await client.query(statement.all, arrays)
  return []
}

function isConnectionError(error: unknown): boolean {
  const code = (error as { code?: string }).code ?? ''
  return !/^[0-9A-Z]{5}$/.test(code) || code.startsWith('08') || code.startsWith('57P')
}
