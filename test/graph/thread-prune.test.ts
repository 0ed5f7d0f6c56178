// Pruning a thread to its latest state: what is freed, and that the rest can still be read and continued.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Annotation, DeltaChannel, START, StateGraph } from '@langchain/langgraph'
import { sweep } from '../../src/core/claims.ts'
import { newId } from '../../src/core/ids.ts'
import { pruneThread } from '../../src/core/thread-prune.ts'
import { threadStorage } from '../../src/core/thread-storage.ts'
import { ThreadStates } from '../../src/graph/state.ts'
import { StateCache } from '../../src/graph/state-cache.ts'
import { ItemStore } from '../../src/graph/store.ts'
import { forEachDatabase } from '../support/databases.ts'
import { LIMITS, TestServer } from './harness.ts'

const LONG = 'x'.repeat(2_000)

const State = Annotation.Root({
  log: Annotation<string[]>({ reducer: (left, right) => left.concat(right), default: () => [] }),
  note: Annotation<string>,
})
/** Replaces a large value at every run, and adds to a list. */
const keeper = new StateGraph(State)
  .addNode('node', ({ note }) => ({ log: [`${note[0]} ${LONG}`] }))
  .addEdge(START, 'node')

const Deltas = new StateGraph(
  Annotation.Root({
    log: (() => new DeltaChannel<string[], string[]>((left, writes) => left.concat(...writes))) as never,
  }),
)
const delta = Deltas.addNode('node', () => ({ log: ['made'] }) as never).addEdge(START, 'node' as never)

forEachDatabase('pruning a thread', open => {
  let server: TestServer
  before(async () => {
    server = await TestServer.open(await open())
    await server.serve('keeper', keeper)
    await server.serve('delta', delta)
  })
  after(() => server.close())

  const states = () => {
    const { db, graphs, texts } = server
    return new ThreadStates({ db, graphs, texts, store: new ItemStore(db), cache: new StateCache(), limits: LIMITS })
  }
  const log = async (thread_id: string) =>
    (JSON.parse(await states().get({ thread_id })) as { values: { log: string[] } }).values.log

  test('frees values that nothing refers to any more, once the logs of its runs are gone too', async () => {
    const thread_id = newId()
    for (const note of ['a', 'b', 'c']) await server.run('keeper', { input: { note: note + LONG } }, thread_id)
    const before = await server.db.run(threadStorage, { thread_id })
    const values = await log(thread_id)
    assert.equal(await server.db.run(pruneThread, { thread_id }), true)
    const logged = await server.db.run(threadStorage, { thread_id })
    assert.equal(logged.checkpoints.count, 1)
    assert.ok(logged.events.bytes > before.events.bytes, 'the logs still refer to the old notes')
    await server.db.run(sweep, { retention_ms: -1_000 })
    await server.db.run(pruneThread, { thread_id })
    const after = await server.db.run(threadStorage, { thread_id })
    assert.deepEqual(after.events, { count: 0, bytes: 0 })
    assert.deepEqual(after.channel_values.by_channel.log, before.channel_values.by_channel.log)
    assert.ok((after.channel_values.by_channel.note?.bytes ?? 0) < 2_500)
    assert.ok(after.total_bytes < before.total_bytes - 4_000)
    assert.deepEqual(await log(thread_id), values)
    await server.run('keeper', { input: { note: 'd' } }, thread_id)
    assert.deepEqual(await log(thread_id), [...values, `d ${LONG}`])
  })

  test('keeps the lists that the kept one forked from', async () => {
    const thread_id = newId()
    for (const note of 'abcdefghij') await server.run('keeper', { input: { note } }, thread_id)
    const history = JSON.parse(await states().history({ thread_id }, { limit: 100 })) as {
      checkpoint: { checkpoint_id: string }
      values: { log: string[] }
    }[]
    const past = history.find(state => state.values.log?.length === 9)
    const checkpoint_id = past?.checkpoint.checkpoint_id as string
    await states().update({ thread_id }, { checkpoint_id }, { values: { log: ['fork'] }, as_node: 'node' })
    await server.db.run(sweep, { retention_ms: -1_000 })
    await server.db.run(pruneThread, { thread_id })
    assert.deepEqual(await log(thread_id), [...[...'abcdefghi'].map(note => `${note} ${LONG}`), 'fork'])
    assert.equal(JSON.parse(await states().history({ thread_id }, {})).length, 1)
  })

  test('keeps the ancestors from which a channel of changes is made', async () => {
    const thread_id = newId()
    for (let n = 0; n < 3; n++) await server.run('delta', { input: { log: [`input ${n}`] } }, thread_id)
    const values = await log(thread_id)
    assert.equal(values.length, 6)
    await server.db.run(pruneThread, { thread_id })
    assert.deepEqual(await log(thread_id), values)
  })
})
