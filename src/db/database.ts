// The Database port: one SQL text for SQLite and Postgres. A transition is a generator that yields statements and
// returns a result, all in one transaction; it is a pure function of its arguments, so a driver may run it again
// after a deadlock or a lost connection, and the SQLite driver may run it in another thread.
import { setTimeout as sleep } from 'node:timers/promises'
import type { MessagePort } from 'node:worker_threads'
import sql, { type Sql } from 'sql-template-tag'

export type Value = string | number | null
export type Row = Record<string, Value>

/**
 * One statement for many rows: `each` runs once a row on SQLite (`?` per column), and on Postgres for a row alone, because it
 * is planned sooner; `all` runs once there for several, with one array per column (`$1::text[]`).
 */
export interface Bulk {
  each: string
  all: string
  columns: readonly string[]
  rows: readonly Row[]
  /** Columns that name a row, where the statement replaces rows: of two rows with one key only the last is written. */
  key?: readonly string[]
}

/** `unread`: nobody waits for its rows. `told`: the same, but they are wanted when there are some (`together`). */
export type Statement = (Sql & { unread?: true; told?: (rows: Row[]) => void }) | Bulk
export type Steps<T> = Generator<Statement, T, Row[]>

/** A named transition. `name` is the name under which `module` exports it. */
export interface Transition<A, T> {
  module: string
  name: string
  steps: (args: A) => Steps<T>
}

export interface Database {
  dialect: 'sqlite' | 'postgres'
  /** Runs a transition in one transaction and resolves after its commit. `args` must be structured-cloneable. */
  run<A, T>(transition: Transition<A, T>, args: A): Promise<T>
  /** SQLite: a way in for another thread of this process, which `openDatabase` takes there. */
  door?(): MessagePort
  close(): Promise<void>
}

/**
 * Declares a transition: `export const create = transition(import.meta.url, 'create', function* (args) {…})`. The name
 * repeats the export's, because the SQLite thread finds the generator by importing the module.
 */
export function transition<A, T>(module: string, name: string, steps: (args: A) => Steps<T>): Transition<A, T> {
  return { module, name, steps }
}

/** All rows of a statement. */
export function* all<R = Row>(statement: Statement): Steps<R[]> {
  return (yield statement) as R[]
}

/** A `select … for update` of rows that are not looked at: on Postgres it travels with the statement that follows. */
export function held(select: Sql): Statement {
  return Object.assign(select, { unread: true as const })
}

/**
 * The rows of several statements, none of which needs another's: on Postgres they share one way there and back.
 *
 * @example const [users, [thread]] = yield* together<[User[], Thread[]]>(sql`select …`, sql`select …`)
 */
export function* together<T extends unknown[][]>(...statements: Sql[]): Steps<T> {
  const answers: Row[][] = []
  for (const [index, statement] of statements.entries()) {
    const told = (rows: Row[]) => {
      answers[index] = rows
    }
    told(yield index < statements.length - 1 ? Object.assign(statement, { told }) : statement)
  }
  return answers as unknown as T
}

/** The database's clock, as an ISO string: one moment for all the columns that it is written to. */
export function* now(): Steps<string> {
  return (yield* first<{ now: string }>(sql`select now_iso() as now`))?.now as string
}

/** The first row of a statement, or undefined. */
export function* first<R = Row>(statement: Statement): Steps<R | undefined> {
  return (yield statement)[0] as R | undefined
}

export function isBulk(statement: Statement): statement is Bulk {
  return 'each' in statement
}

/**
 * An insert of many rows, to be declared once for a table: its texts are long. `columns` gives each column's Postgres type. A
 * row whose key exists is an error, or is ignored, or replaces the other columns of the stored one (`replace` lists the key).
 *
 * @example const eventRows = insertMany('run_events', { run_id: 'text', seq: 'bigint' })
 */
export function insertMany(
  table: string,
  columns: Readonly<Record<string, 'text' | 'bigint'>>,
  conflict: { ignore?: boolean; replace?: readonly string[] } = {},
): (rows: readonly Row[]) => Bulk {
  const names = Object.keys(columns)
  const target = `insert into ${table} (${names.join(', ')})`
  const arrays = names.map((name, index) => `$${index + 1}::${columns[name]}[]`)
  const then = onConflict(names, conflict)
  const insert = {
    each: `${target} values (${names.map(() => '?').join(', ')}) ${then}`,
    all: `${target} select * from unnest(${arrays.join(', ')}) ${then}`,
    columns: names,
    ...(conflict.replace && { key: conflict.replace }),
  }
  return rows => ({ ...insert, rows })
}

function onConflict(names: string[], { ignore, replace }: { ignore?: boolean; replace?: readonly string[] }): string {
  if (ignore) return 'on conflict do nothing'
  if (!replace) return ''
  const rest = names.filter(name => !replace.includes(name)).map(name => `${name} = excluded.${name}`)
  return `on conflict (${replace.join(', ')}) do update set ${rest.join(', ')}`
}

/**
 * The rows of a bulk's `all` with their number, from 1, as its last column: for an insert that looks at tables for each. The
 * limit takes nothing away: it lets Postgres, which takes an array it does not know for ten rows, keep its plan.
 */
export function numberedRows(columns: readonly string[]): string {
  const arrays = columns.map((_, index) => `$${index + 1}::text[]`).join(', ')
  return `(select * from unnest(${arrays}) with ordinality limit cardinality($1::text[]))`
}

/** Joins bulks of the same statement into one, in order. */
export function mergeBulks(bulks: readonly Bulk[]): Bulk[] {
  const merged = new Map<string, Bulk & { rows: Row[] }>()
  for (const bulk of bulks) {
    const known = merged.get(bulk.each)
    if (known) known.rows.push(...bulk.rows)
    else merged.set(bulk.each, { ...bulk, rows: [...bulk.rows] })
  }
  return [...merged.values()].map(bulk => (bulk.key ? { ...bulk, rows: lastOfEachKey(bulk.rows, bulk.key) } : bulk))
}

function lastOfEachKey(rows: readonly Row[], key: readonly string[]): Row[] {
  return [...new Map(rows.map(row => [JSON.stringify(key.map(column => row[column])), row])).values()]
}

/** Proves that the database answers. */
export const ping = transition(import.meta.url, 'ping', function* (): Steps<void> {
  yield sql`select 1 as alive`
})

/**
 * The database could not be reached, or could not work just now: a lost connection, a full disk, a file that is held. What
 * was asked for may even have been done. Asking again later may help.
 */
export class Outage extends Error {
  override name = 'Outage'

  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

/** Whether an outage is at the bottom of an error. */
export function isOutage(error: unknown): boolean {
  return error instanceof Outage || (error instanceof Error && isOutage(error.cause))
}

const PATIENCE_MS = 100

/** The same database for one who would fail for an outage: it asks again until the signal. For what may be done twice. */
export function patient(db: Database, signal: AbortSignal): Database {
  return {
    dialect: db.dialect,
    async run(transition, args) {
      for (;;) {
        try {
          return await db.run(transition, args)
        } catch (error) {
          if (!isOutage(error)) throw error
          await sleep(PATIENCE_MS, undefined, { signal })
        }
      }
    },
    close: () => db.close(),
  }
}

/** Asks once for a loop that may have other reasons to end: undefined after an outage and a pause, then it asks again. */
export async function unlessOutage<A, T>(db: Database, transition: Transition<A, T>, args: A): Promise<T | undefined> {
  try {
    return await db.run(transition, args)
  } catch (error) {
    if (!isOutage(error)) throw error
    await sleep(PATIENCE_MS)
    return undefined
  }
}

/** What the operator is told of a database that does not open or answer, without its password. */
export function unusable(url: string, cause: unknown): Error {
  const [, path] = /^sqlite:(.*)/.exec(url) ?? []
  const reason = reasonOf(cause)
  if (path === undefined) return new Error(`DATABASE_URL: the database cannot be used: ${reason}`, { cause })
  return new Error(`${path} cannot be used: ${reason}; see --data and DATABASE_URL`, { cause })
}

/** An error that gathers others, one for each address that was tried, says nothing itself. */
function reasonOf(error: unknown): string {
  const { message, cause, errors } = error as AggregateError
  if (errors?.[0]) return reasonOf(errors[0])
  return message || (cause ? reasonOf(cause) : String(error))
}

/**
 * True when the statements or their values were refused, so that trying again would not help. What may pass (a lost
 * connection, a full disk, a deadlock) is not; nor is an error that a transition threw by itself.
 */
export function isRefused(error: unknown): boolean {
  const { code = '', errcode = 0, name = '' } = error as { code?: string; errcode?: number; name?: string }
  return POSTGRES_REFUSALS.test(code) || SQLITE_REFUSALS.has(errcode & 0xff) || VALUE_ERRORS.has(name)
}

/** Feature, cardinality, data, constraint, syntax or name, limit: by SQLSTATE class. */
const POSTGRES_REFUSALS = /^(0A|21|22|23|42|54)\w{3}$/
/** ERROR, TOOBIG, CONSTRAINT, MISMATCH, RANGE. */
const SQLITE_REFUSALS = new Set([1, 18, 19, 20, 25])
/** Values that cannot be bound, or cannot travel to the database's thread. */
const VALUE_ERRORS = new Set(['TypeError', 'RangeError', 'DataCloneError'])

/** Opens the database named by a URL: `sqlite:<path>` or `postgres://…`. Does not migrate it. */
export async function openDatabase(url: string, options: OpenOptions = {}): Promise<Database> {
  if (url.startsWith('sqlite:')) return (await import('./sqlite.ts')).openSqlite(url.slice('sqlite:'.length), options)
  if (/^postgres(ql)?:/.test(url)) return (await import('./postgres.ts')).openPostgres(url, options)
  throw new Error(`DATABASE_URL: "${url.split(':')[0]}" is not a known database; use sqlite:<path> or postgres://…`)
}

export interface OpenOptions {
  /** SQLite: run transitions in this thread instead of one of their own. For tools and for a thread that is one already. */
  inline?: boolean
  /** SQLite: join the transactions of who gave it, instead of waiting for the file between any two of them. */
  door?: MessagePort | undefined
  /** SQLite: `full` survives a power cut, `normal` only the death of the process. */
  sync?: 'full' | 'normal'
  /** SQLite: load sqlite-vec, for the vectors of items. */
  vectors?: boolean
  /** Postgres: connections at most. */
  connections?: number
  /** Postgres: how long to wait for a connection or an answer. */
  timeout_ms?: number
}
