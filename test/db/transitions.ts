// Transitions for the database's tests. It declares no tests, because the SQLite thread imports it.
import sql, { Sql } from 'sql-template-tag'
import { RunloomError } from '../../src/core/errors.ts'
import {
  all,
  type Bulk,
  type Row,
  type Statement,
  type Steps,
  together,
  transition,
  type Value,
} from '../../src/db/database.ts'

/** Runs statements one after the other and returns the rows of the last. */
export const execute = transition(import.meta.url, 'execute', function* (statements: Portable[]): Steps<Row[]> {
  let rows: Row[] = []
  for (const statement of statements) rows = yield* all(restored(statement))
  return rows
})

/** Asks statements together and returns the rows of each. */
export const executeTogether = transition(
  import.meta.url,
  'executeTogether',
  function* (statements: Exclude<Portable, Bulk>[]): Steps<Row[][]> {
    return yield* together(...statements.map(({ strings, values }) => new Sql(strings, values)))
  },
)

/** Runs statements and then throws. */
export const refuse = transition(
  import.meta.url,
  'refuse',
  function* ({ statements, how }: { statements: Portable[]; how: 'domain' | 'plain' | 'type' }): Steps<never> {
    for (const statement of statements) yield* all(restored(statement))
    if (how === 'type') throw new TypeError('a type error')
    if (how === 'plain') throw Object.assign(new Error('plain'), { code: 'X_CODE', errcode: 7 })
    throw new RunloomError('conflict', 'refused', { details: { run_id: 'r-1', nested: { n: 1 } } })
  },
)

/** Reads a number, and writes it back plus one: lost updates would show. */
export const increment = transition(import.meta.url, 'increment', function* (key: string): Steps<number> {
  const [row] = yield* all<{ n: number }>(sql`select n from counters where name = ${key} for update`)
  const next = (row?.n ?? 0) + 1
  yield sql`update counters set n = ${next} where name = ${key}`
  return next
})

/** Locks two rows in the order given, with a statement between them that takes a while on Postgres. */
export const lockBoth = transition(import.meta.url, 'lockBoth', function* (keys: string[]): Steps<void> {
  for (const key of keys) {
    yield sql`update counters set n = n + 1 where name = ${key}`
    yield sql`select count(*) as n from counters a, counters b, counters c`
  }
})

/** A statement that may cross a thread. */
export type Portable = Bulk | { strings: string[]; values: Value[] }

export function portable(statement: Statement): Portable {
  if ('each' in statement) return statement
  return { strings: [...statement.strings], values: statement.values as Value[] }
}

function restored(statement: Portable): Statement {
  return 'each' in statement ? statement : new Sql(statement.strings, statement.values)
}
