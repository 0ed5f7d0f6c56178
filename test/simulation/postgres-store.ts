// The real Postgres under a simulation: one connection a transaction, one statement at a time, in the order that the
// scheduler draws. Its own locks, its own READ COMMITTED; only the clock is ours. It is some ten times slower than the
// model, and a deadlock's victim is Postgres' choice, so a seed is nearly, not exactly, repeatable.
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { syncSystemAssistants } from '../../src/core/assistants.ts'
import { type Database, isBulk, openDatabase, type Row, type Statement } from '../../src/db/database.ts'
import { migrate } from '../../src/db/migrate.ts'
import { type Committed, committed, looks, START_MS, type Store, type Transaction, tables } from './store.ts'

const CLOCK = `
  create sequence simulated_clock;
  create or replace function now_ms() returns bigint language sql volatile as
    $$ select last_value from simulated_clock $$;
  create or replace function now_iso() returns text language sql volatile as
    $$ select to_char(to_timestamp(now_ms() / 1000.0) at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') $$`

/** A statement that takes longer than this is asked whether it waits for somebody. */
const PATIENCE_MS = 2

const types = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    oid === pg.types.builtins.INT8 ? Number : pg.types.getTypeParser(oid, format as 'text'),
} as pg.CustomTypesConfig

interface Connection {
  client: pg.Client
  pid: number
}

export async function openPostgresStore(url: string): Promise<Store> {
  const db = await openDatabase(url, { connections: 1 })
  await migrate(db)
  const side = new pg.Client({ connectionString: url, types })
  await side.connect()
  await side.query(CLOCK)
  return new PostgresStore(url, db, side)
}

class PostgresStore implements Store {
  now_ms = START_MS
  readonly #url: string
  readonly #db: Database
  readonly #side: pg.Client
  readonly #idle: Connection[] = []
  readonly #all: Connection[] = []
  readonly #waiting = new Set<OpenTransaction>()
  #told_ms = 0

  constructor(url: string, db: Database, side: pg.Client) {
    this.#url = url
    this.#db = db
    this.#side = side
  }

  async begin(): Promise<Transaction> {
    const connection = this.#idle.pop() ?? (await this.#connect())
    await connection.client.query('begin')
    return new OpenTransaction(this, connection)
  }

  async look(): Promise<Committed> {
    const found: Row[][] = []
    for (const look of looks) found.push((await this.#side.query(look.text)).rows)
    return committed(found)
  }

  async reset() {
    this.now_ms = START_MS
    for (const table of tables) await this.#side.query(`delete from ${table}`)
    await this.#db.run(syncSystemAssistants, [{ graph_id: 'graph', description: null }])
  }

  async close() {
    await this.#db.close()
    for (const { client } of this.#all) await client.end()
    await this.#side.end()
  }

  async tellTime() {
    if (this.#told_ms === this.now_ms) return
    this.#told_ms = this.now_ms
    await this.#side.query(`select setval('simulated_clock', ${Math.ceil(this.now_ms)})`)
  }

  /** Whether a statement has its answer (false: it waits for another transaction). A deadlock resolves itself. */
  async settles(mine: OpenTransaction, answered: Promise<unknown>): Promise<boolean> {
    for (;;) {
      if (await Promise.race([answered.then(() => true), delay(PATIENCE_MS, false)])) {
        this.#waiting.delete(mine)
        return true
      }
      const blockers = await this.#blockersOf(mine.pid)
      if (blockers.size > 0 && !blockers.has(mine.pid)) {
        this.#waiting.add(mine)
        return false
      }
    }
  }

  /** A transaction has ended: those that waited for it go on at once, before anybody takes another step. */
  async ended(connection: Connection) {
    this.#idle.push(connection)
    for (const waiting of [...this.#waiting]) await waiting.goOn()
  }

  async cancel(pid: number) {
    await this.#side.query('select pg_cancel_backend($1)', [pid])
  }

  /** Whom a connection waits for, directly or not. */
  async #blockersOf(pid: number): Promise<Set<number>> {
    const found = new Set<number>()
    const asked = [pid]
    for (let next = asked.pop(); next !== undefined; next = asked.pop()) {
      const { rows } = await this.#side.query('select unnest(pg_blocking_pids($1)) as pid', [next])
      for (const blocker of rows.map(row => row.pid as number)) {
        if (!found.has(blocker)) asked.push(blocker)
        found.add(blocker)
      }
    }
    return found
  }

  async #connect(): Promise<Connection> {
    const client = new pg.Client({ connectionString: this.#url, types, options: '-c deadlock_timeout=20ms' })
    await client.connect()
    const { rows } = await client.query('select pg_backend_pid() as pid')
    const connection = { client, pid: rows[0].pid as number }
    this.#all.push(connection)
    return connection
  }
}

type Answer = { rows: Row[] } | { error: unknown }

class OpenTransaction implements Transaction {
  readonly #store: PostgresStore
  readonly #connection: Connection
  #asked: Promise<Answer> | undefined

  constructor(store: PostgresStore, connection: Connection) {
    this.#store = store
    this.#connection = connection
  }

  get pid(): number {
    return this.#connection.pid
  }

  async execute(statement: Statement): Promise<Row[] | 'waits'> {
    await this.#store.tellTime()
    this.#asked ??= this.#query(statement).then(
      rows => ({ rows }),
      error => ({ error }),
    )
    if (!(await this.#store.settles(this, this.#asked))) return 'waits'
    const answer = await this.#asked
    this.#asked = undefined
    if ('error' in answer) throw answer.error
    return answer.rows
  }

  async goOn() {
    if (this.#asked) await this.#store.settles(this, this.#asked)
  }

  async commit() {
    await this.#connection.client.query('commit')
    await this.#store.ended(this.#connection)
  }

  async rollback() {
    if (this.#asked) await this.#store.cancel(this.pid)
    await this.#asked
    this.#asked = undefined
    await this.#connection.client.query('rollback')
    await this.#store.ended(this.#connection)
  }

  async #query(statement: Statement): Promise<Row[]> {
    const { client } = this.#connection
    if (!isBulk(statement)) return (await client.query(statement.text, statement.values)).rows
    if (statement.rows.length > 0) {
      await client.query(
        statement.all,
        statement.columns.map(column => statement.rows.map(row => row[column])),
      )
    }
    return []
  }
}
