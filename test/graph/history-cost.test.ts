// What a turn, and what is done beside it, reads of its thread's past: the same in a short conversation and in a long one.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { AIMessage } from '@langchain/core/messages'
import { MessagesAnnotation, START, StateGraph } from '@langchain/langgraph'
import sql, { raw, Sql } from 'sql-template-tag'
import { newId } from '../../src/core/ids.ts'
import { runOfMessage } from '../../src/core/messages.ts'
import { deleteRun, findRunsInFlight, type Run } from '../../src/core/runs.ts'
import { endOfLog, nextRun, standings } from '../../src/core/thread-log.ts'
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
  'workflow_values',
]

forEachDatabase('no history is read', open => {
  let server: TestServer
  let db: WatchedDatabase
  before(async () => {
    server = await TestServer.open(await open(), opened => {
      db = new WatchedDatabase(opened)
      return db
    })
    const graph = new StateGraph(MessagesAnnotation)
      .addNode('reply', ({ messages }) => ({
        messages: [new AIMessage({ id: `reply ${messages.length}`, content: 'answer' })],
      }))
      .addEdge(START, 'reply')
    await server.serve('chat', graph)
  })
  after(() => server.close())

  async function turn(thread_id: string, cache: StateCache) {
    const run = await server.create('chat', { input: { messages: [{ role: 'user', content: 'question' }] } }, thread_id)
    await server.drive(await server.claim(), { cache })
    return run
  }

  /** Follows the thread's log, says which run said its newest message, and deletes that run's events. */
  async function beside(thread_id: string, { run_id, position }: Run) {
    const end = await db.run(endOfLog, { thread_id })
    assert.ok(end?.done)
    assert.deepEqual(await db.run(nextRun, { thread_id, ...end }), { found: true, run: undefined })
    assert.equal((await db.run(standings, [thread_id])).length, 1)
    assert.deepEqual(await db.run(findRunsInFlight, {}), [])
    assert.equal(await db.run(runOfMessage, { thread_id, message_id: `reply ${2 * position - 1}` }), run_id)
    await db.run(deleteRun, { run_id })
  }

  async function threadOf(turns: number) {
    const [thread_id, cache] = [newId(), new StateCache()]
    for (let count = 0; count < turns; count++) await turn(thread_id, cache)
    return { thread_id, cache }
  }

  async function watched({ thread_id, cache }: { thread_id: string; cache: StateCache }) {
    db.fetched = {}
    db.plans.clear()
    await beside(thread_id, await turn(thread_id, cache))
    return { fetched: db.fetched, plans: [...db.plans] }
  }

  test('by a turn or beside it', async () => {
    const threads = [await threadOf(5), await threadOf(40)] as const
    if (db.dialect === 'postgres') {
      for (const known of ['nothing', 'its statistics']) {
        const [short, long] = [await watched(threads[0]), await watched(threads[1])]
        for (const table of HISTORY) {
          const [few = 0, many = 0] = [short.fetched[table], long.fetched[table]]
          assert.ok(
            many <= few + 5,
            `knowing ${known}: ${many} rows of ${table} in a long thread, ${few} in a short one`,
          )
        }
        assert.ok(short.fetched.runs, 'rows are counted')
        // What it finds out by itself after some time: most threads are short, and nearly all have one message.
        for (let count = 0; count < 20; count++) await threadOf(1)
        const messages = `insert into messages select gen_random_uuid(), 1, gen_random_uuid(), gen_random_uuid(),
          'llm.human.input', '{}', null, '' from generate_series(1, 20000)`
        for (const statement of [messages, 'analyze']) await db.run(anySql, { strings: [statement], values: [] })
      }
    } else {
      const long = await watched(threads[1])
      const tables = HISTORY.filter(table => table !== 'runs').join('|') // its plans name parts of it, too
      const whole = new RegExp(`^SCAN (${tables})|^SEARCH (${tables}) USING INDEX \\w+ \\(thread_id=\\?\\)`)
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
