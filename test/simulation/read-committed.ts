// A model of Postgres' READ COMMITTED over one in-memory SQLite, which by itself would hide every interleaving.
//
// A transaction's writes are kept as SQLite changesets, row by row. Each of its statements runs on the committed state
// with those changesets applied: it sees what is committed at that moment and its own writes, as in Postgres. What the
// statement writes is recorded as the next changeset. Another transaction's turn undoes all that first; a commit keeps
// it. Rows that a statement writes, or selects `for update`, are locked until the transaction ends: a statement that
// meets another's lock has no effect and waits, `skip locked` leaves such rows out, a circle of waiting is a deadlock.
// Because locks hold, changesets of two open transactions never touch one row, and applying them is exact; where it
// fails, a unique index was violated, as Postgres would have said.
//
// Why this and not a database file with a connection a transaction: SQLite has one writer, so the second transaction
// could not even begin. Why not Postgres alone: this is ten times faster, needs no server, and repeats exactly.
//
// What it leaves out: a statement that has waited is evaluated anew as a whole (Postgres looks again only at the row it
// waited for, the rest of the statement sees the older state); writing a row as it is takes no lock; foreign keys lock
// nothing. For these there is postgres-store.ts.
import { constants, DatabaseSync, type StatementSync } from 'node:sqlite'
import { syncSystemAssistants } from '../../src/core/assistants.ts'
import { isBulk, type Row, type Statement, type Steps, type Value } from '../../src/db/database.ts'
import { jsonContains } from '../../src/db/dialect.ts'
import { applyMigrations } from '../../src/db/migrate.ts'
import { touchedRows } from './changeset.ts'
import { type Committed, committed, looks, START_MS, type Store, type Transaction, tables } from './store.ts'

const KEYS: Record<string, string> = { threads: 'thread_id', runs: 'run_id', run_heads: 'run_id' }

export class ReadCommitted implements Store {
  now_ms = START_MS
  readonly #db = new DatabaseSync(':memory:')
  readonly #plans = new Map<string, Plan>()
  readonly #holders = new Map<string, OpenTransaction>()
  /** Whose writes are applied at the moment. */
  #shown: OpenTransaction | undefined

  constructor() {
    this.#db.exec('pragma foreign_keys = on')
    this.#db.function('now_ms', () => this.now_ms)
    this.#db.function('now_iso', () => new Date(this.now_ms).toISOString())
    this.#db.function('json_contains', { deterministic: true }, jsonContains)
    this.#db.function('is_free', key => (this.#holderOf(String(key), this.#shown) ? 0 : 1))
    this.#drive(applyMigrations.steps('sqlite'))
  }

  async begin(): Promise<Transaction> {
    return new OpenTransaction(this)
  }

  async look(): Promise<Committed> {
    this.#show(undefined)
    return committed(looks.map(statement => this.#run(statement)))
  }

  async reset() {
    this.now_ms = START_MS
    this.#show(undefined)
    for (const table of tables) this.#db.exec(`delete from ${table}`)
    this.#drive(syncSystemAssistants.steps([{ graph_id: 'graph', description: null }]))
  }

  async close() {
    this.#db.close()
  }

  /** One statement of a transaction: its rows, or whom it waits for. */
  execute(mine: OpenTransaction, statement: Statement): Row[] | OpenTransaction {
    this.#show(mine)
    const locked = isBulk(statement) ? undefined : this.#lockSelected(mine, statement)
    if (locked) return locked
    this.#db.exec('savepoint statement')
    const session = this.#db.createSession()
    try {
      const rows = this.#run(statement)
      const changeset = session.changeset()
      for (const row of touchedRows(changeset)) {
        const holder = this.#holderOf(row, mine)
        if (holder) {
          this.#db.exec('rollback to statement')
          return holder
        }
        this.#hold(row, mine)
      }
      if (changeset.length > 0) mine.changesets.push(changeset)
      return rows
    } catch (error) {
      this.#db.exec('rollback to statement')
      throw error
    } finally {
      session.close()
      this.#db.exec('release statement')
    }
  }

  end(mine: OpenTransaction, how: 'commit' | 'rollback') {
    if (how === 'commit') {
      this.#show(mine)
      this.#db.exec('release shown')
      this.#shown = undefined
    } else if (this.#shown === mine) {
      this.#show(undefined)
    }
    for (const row of mine.held) this.#holders.delete(row)
  }

  #drive(steps: Steps<unknown>) {
    let next = steps.next()
    while (!next.done) next = steps.next(this.#run(next.value))
  }

  /** Puts a transaction's own writes on top of what is committed; undefined for none. */
  #show(transaction: OpenTransaction | undefined) {
    if (this.#shown === transaction) return
    if (this.#shown) this.#db.exec('rollback to shown; release shown')
    this.#shown = undefined
    if (!transaction) return
    this.#db.exec('savepoint shown')
    this.#shown = transaction
    for (const changeset of transaction.changesets) {
      const applied = this.#db.applyChangeset(changeset, { onConflict: resolveConflict })
      if (!applied) throw Object.assign(new Error('a unique index was violated'), { code: '23505' })
    }
  }

  /** Locks what a statement selects `for update`; returns who holds one of the rows. */
  #lockSelected(mine: OpenTransaction, statement: Exclude<Statement, { each: string }>): OpenTransaction | undefined {
    const { lock } = this.#plan(statement.sql)
    if (!lock) return undefined
    const values = statement.values.slice(lock.from, lock.to) as Value[]
    for (const { row } of this.#prepare(lock.text).all(...values) as { row: string }[]) {
      const holder = this.#holderOf(row, mine)
      if (holder) return holder
      this.#hold(row, mine)
    }
    return undefined
  }

  #hold(row: string, mine: OpenTransaction) {
    this.#holders.set(row, mine)
    mine.held.add(row)
  }

  /** Who else holds a row. */
  #holderOf(row: string, mine: OpenTransaction | undefined): OpenTransaction | undefined {
    const holder = this.#holders.get(row)
    return holder === mine ? undefined : holder
  }

  #run(statement: Statement): Row[] {
    if (!isBulk(statement)) {
      return this.#prepare(this.#plan(statement.sql).text).all(...(statement.values as Value[])) as Row[]
    }
    const prepared = this.#prepare(statement.each)
    for (const row of statement.rows) prepared.run(...statement.columns.map(column => row[column] as Value))
    return []
  }

  #plan(text: string): Plan {
    const plan = this.#plans.get(text) ?? planOf(text)
    this.#plans.set(text, plan)
    return plan
  }

  readonly #statements = new Map<string, StatementSync>()

  #prepare(text: string): StatementSync {
    const prepared = this.#statements.get(text) ?? this.#db.prepare(text)
    this.#statements.set(text, prepared)
    return prepared
  }
}

/** Deletes that a foreign key cascades to are in the changeset as well: the second time the row is gone. */
function resolveConflict(conflict: number): number {
  return conflict === constants.SQLITE_CHANGESET_NOTFOUND
    ? constants.SQLITE_CHANGESET_OMIT
    : constants.SQLITE_CHANGESET_ABORT
}

class OpenTransaction implements Transaction {
  readonly changesets: Uint8Array[] = []
  readonly held = new Set<string>()
  readonly #store: ReadCommitted
  #waitsFor: OpenTransaction | undefined

  constructor(store: ReadCommitted) {
    this.#store = store
  }

  async execute(statement: Statement): Promise<Row[] | 'waits'> {
    const answer = this.#store.execute(this, statement)
    this.#waitsFor = Array.isArray(answer) ? undefined : answer
    if (Array.isArray(answer)) return answer
    for (let next = answer.#waitsFor; next; next = next.#waitsFor) {
      if (next === this) throw Object.assign(new Error('deadlock detected'), { code: '40P01' })
    }
    return 'waits'
  }

  async commit() {
    this.#store.end(this, 'commit')
  }

  async rollback() {
    this.#waitsFor = undefined
    this.#store.end(this, 'rollback')
  }
}

interface Plan {
  /** The statement without its locking clause. */
  text: string
  /** Selects the rows that it locks; its values are those from `from` up to `to` of the statement's. */
  lock?: { text: string; from: number; to: number }
}

const LOCKING = /\bfor update( of \w+)?( skip locked)?/

/** Takes a statement apart at its locking clause, which may stand in a subselect. */
function planOf(text: string): Plan {
  const found = LOCKING.exec(text)
  if (!found) return { text }
  const [clause, of, skip] = found
  const start = startOfSelect(text, found.index)
  const select = text.slice(start, found.index)
  const seen = skip ? select.replace(/\bwhere\b/, `where is_free('threads ' || thread_id) = 1 and`) : select
  const table = of?.trim().split(' ')[1] ?? /\bfrom (\w+)/.exec(select)?.[1] ?? ''
  const rows = seen.replace(/^\s*select\b.*?\bfrom\b/s, `select '${table} ' || ${table}.${KEYS[table]} as row from`)
  const from = text.slice(0, start).split('?').length - 1
  return {
    text: text.slice(0, start) + seen + text.slice(found.index + clause.length),
    lock: { text: rows, from, to: from + select.split('?').length - 1 },
  }
}

/** Where the select begins that ends at `end`: after the parenthesis around it, or at the start. */
function startOfSelect(text: string, end: number): number {
  let depth = 0
  for (let at = end - 1; at >= 0; at--) {
    if (text[at] === ')') depth++
    if (text[at] === '(' && depth-- === 0) return at + 1
  }
  return 0
}
