// A SQLite connection that runs batches of transitions synchronously: one transaction a batch, one savepoint a
// transition, so a refused transition undoes only itself and a hundred transitions share one fsync.
import { createRequire } from 'node:module'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { isBulk, Outage, type Statement, type Steps, type Value } from './database.ts'
import { jsonContains } from './dialect.ts'

const STATEMENT_CACHE = 500
/** How long a statement waits for another connection. */
const BUSY_TIMEOUT_MS = 15_000
const BUSY = 5
/** BUSY, LOCKED, NOMEM, READONLY, IOERR, FULL, CANTOPEN, PROTOCOL. */
const OUTAGES = new Set([5, 6, 7, 8, 10, 13, 14, 15])

export type Outcome = { value: unknown } | { error: unknown }

export interface ConnectionOptions {
  sync?: 'full' | 'normal'
  readOnly?: boolean
  /** Load sqlite-vec. */
  vectors?: boolean
}

export class SqliteConnection {
  readonly #db: DatabaseSync
  readonly #begin: string
  readonly #statements = new Map<string, StatementSync>()
  #latest = 0

  constructor(path: string, { sync = 'full', readOnly = false, vectors = false }: ConnectionOptions) {
    this.#db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS, readOnly, allowExtension: vectors })
    if (vectors) loadVectors(this.#db)
    this.#begin = readOnly ? 'begin' : 'begin immediate'
    if (!readOnly) this.#writeAhead(sync)
    this.#db.exec('pragma foreign_keys = on; pragma cache_size = -65536; pragma temp_store = memory')
    this.#db.function('now_ms', () => this.#now())
    this.#db.function('now_iso', () => new Date(this.#now()).toISOString())
    this.#db.function('json_contains', { deterministic: true }, jsonContains)
  }

  /** Runs each job as its own savepoint and commits them together. Throws only if the transaction itself fails. */
  batch(jobs: readonly (() => Steps<unknown>)[]): Outcome[] {
    try {
      this.#db.exec(this.#begin)
      const outcomes = jobs.map(job => this.#attempt(job))
      this.#db.exec('commit')
      return outcomes
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('rollback')
      throw isPassing(error) ? new Outage(error) : error
    }
  }

  close() {
    this.#db.close()
  }

  /** It stands while the machine's clock goes back: what is due stays due. */
  #now(): number {
    this.#latest = Math.max(this.#latest, Date.now())
    return this.#latest
  }

  /** Of those who switch one file at the same time SQLite lets all but one fail at once, whatever its timeout. */
  #writeAhead(sync: 'full' | 'normal') {
    for (const until = Date.now() + BUSY_TIMEOUT_MS; ; ) {
      try {
        return this.#db.exec(`pragma journal_mode = wal; pragma synchronous = ${sync}`)
      } catch (error) {
        if ((error as { errcode?: number }).errcode !== BUSY || Date.now() > until) throw error
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
      }
    }
  }

  #attempt(job: () => Steps<unknown>): Outcome {
    this.#db.exec('savepoint job')
    try {
      const value = this.#drive(job())
      this.#db.exec('release job')
      return { value }
    } catch (error) {
      if (isPassing(error)) throw error // the others cannot be committed either, and SQLite may have undone them already
      this.#db.exec('rollback to job')
      this.#db.exec('release job')
      return { error }
    }
  }

  #drive<T>(steps: Steps<T>): T {
    let next = steps.next()
    while (!next.done) {
      next = steps.next(this.#rows(next.value))
    }
    return next.value
  }

  #rows(statement: Statement) {
    if (isBulk(statement)) {
      const prepared = this.#prepare(statement.each)
      for (const row of statement.rows) prepared.run(...statement.columns.map(column => row[column] as Value))
      return []
    }
    if (statement.unread) return [] // a lock, and there is one writer
    return this.#prepare(statement.sql).all(...(statement.values as Value[])) as Record<string, Value>[]
  }

  #prepare(text: string): StatementSync {
    const known = this.#statements.get(text)
    if (known) return known
    if (this.#statements.size >= STATEMENT_CACHE) this.#statements.clear()
    // There is one writer, so there is nothing to lock row by row.
    const prepared = this.#db.prepare(text.replace(/\bfor update( of \w+)?( skip locked)?/g, ''))
    this.#statements.set(text, prepared)
    return prepared
  }
}

/** Adds `vec_f32` and `vec_distance_cosine`. The package has binaries for the common platforms only. */
function loadVectors(db: DatabaseSync) {
  try {
    const { getLoadablePath } = createRequire(import.meta.url)('sqlite-vec') as typeof import('sqlite-vec')
    db.loadExtension(getLoadablePath())
  } catch (cause) {
    throw new Error(`store.index: sqlite-vec cannot be loaded here: ${(cause as Error).message}`, { cause })
  }
  db.enableLoadExtension(false)
}

function isPassing(error: unknown): boolean {
  const { code, errcode = 0 } = error as { code?: string; errcode?: number }
  return code === 'ERR_SQLITE_ERROR' && OUTAGES.has(errcode & 0xff)
}
