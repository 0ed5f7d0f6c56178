// What a turn reads of its thread's past: the same in a short conversation and in a long one.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { AIMessage } from '@langchain/core/messages'
import { MessagesAnnotation, START, StateGraph } from '@langchain/langgraph'
import sql, { raw, Sql } from 'sql-template-tag'
import { newId } from '../../src/core/ids.ts'
import { all, type Database, isBulk, type Statement, type Steps, type Transition } from '../../src/db/database.ts'
import { StateCache } from '../../src/graph/state-cache.ts'
import { anySql } from '../core/harness.ts'
import { forEachDatabase } from '../support/databases.ts'
import { TestServer } from './harness.ts'

/** Notes how statements look their rows up: on Postgres how many rows they fetch, on SQLite their plans. */
class WatchedDatabase implements Database {
  readonly dialect: Database['dialect']
  readonly #db: Database
  /** Rows fetched from each table. */
  fetched: Record<string, number> = {}
  plans = new Set<string>()

  constructor(db: Database) {
    this.dialect = db.dialect
    this.#db = db
  }

  run<A, T>(transition: Transition<A, T>, args: A): Promise<T> {
    return this.#db.run({ ...transition, steps: args => this.#watch(transition.steps(args)) }, args)
  }

  close() {
    return this.#db.close()
  }

  *#watch<T>(steps: Steps<T>): Steps<T> {
    const isPostgres = this.dialect === 'postgres'
    if (isPostgres) yield sql`set local enable_seqscan = off` // few rows have other plans
    if (isPostgres) yield* this.#count(-1)
    let next = steps.next()
    while (!next.done) {
      if (this.dialect === 'sqlite') yield* this.#explain(next.value)
      next = steps.next(yield next.value)
    }
    if (isPostgres) yield* this.#count(1)
    return next.value
  }

  *#count(sign: number): Steps<void> {
    const tables = yield* all<{ relname: string; rows: number }>(sql`
      select relname, seq_tup_read + coalesce(idx_tup_fetch, 0) as rows from pg_stat_xact_user_tables`)
    for (const { relname, rows } of tables) this.fetched[relname] = (this.fetched[relname] ?? 0) + sign * rows
  }

  *#explain(statement: Statement): Steps<void> {
    const [first = '', ...rest] = isBulk(statement) ? [statement.each] : statement.strings
    const explained = `explain query plan ${first}`
    const plan = isBulk(statement) ? raw(explained) : new Sql([explained, ...rest], statement.values)
    for (const { detail } of yield* all<{ detail: string }>(plan)) this.plans.add(detail)
  }
}

/** Tables with rows for every turn or message of a thread. */
const HISTORY = [
  'messages',
  'runs',
  'run_events',
  'model_calls',
  'checkpoints',
  'checkpoint_writes',
  'list_items',
  'blobs',
]

forEachDatabase('a turn reads no history', open => {
  let server: TestServer
  let db: WatchedDatabase
  before(async () => {
    server = await TestServer.open(await open(), opened => {
      db = new WatchedDatabase(opened)
      return db
    })
    const graph = new StateGraph(MessagesAnnotation)
      .addNode('reply', ({ messages }) => ({ messages: [new AIMessage(`to ${messages.at(-1)?.content}`)] }))
      .addEdge(START, 'reply')
    await server.serve('chat', graph)
  })
  after(() => server.close())

  /** A thread that has had `turns`, and one more that is watched. */
  async function lastTurn(turns: number) {
    const thread_id = newId()
    const cache = new StateCache()
    for (let turn = 0; turn <= turns; turn++) {
      if (db.dialect === 'postgres' && turn === turns) await db.run(anySql, { strings: ['analyze'], values: [] })
      db.fetched = {}
      db.plans.clear()
      await server.create('chat', { input: { messages: [{ role: 'user', content: `question ${turn}` }] } }, thread_id)
      await server.drive(await server.claim(), { cache })
    }
    return { fetched: db.fetched, plans: [...db.plans] }
  }

  test('whatever its length', async () => {
    const [short, long] = [await lastTurn(5), await lastTurn(40)]
    if (db.dialect === 'postgres') {
      for (const table of HISTORY) assert.equal(long.fetched[table], short.fetched[table], `rows of ${table}`)
      assert.ok(short.fetched.runs, 'rows are counted')
    } else {
      const whole = new RegExp(
        `^SCAN (${HISTORY.join('|')})|^SEARCH (?!runs)(${HISTORY.join('|')}) USING INDEX \\w+ \\(thread_id=\\?\\)`,
      )
      assert.deepEqual(
        long.plans.filter(detail => whole.test(detail)),
        [],
      )
      assert.ok(
        long.plans.some(detail => detail.startsWith('SEARCH messages USING INDEX')),
        'plans are seen',
      )
    }
  })
})
