// Pruning a thread to its latest state: what is freed, and that the rest can still be read and continued.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Annotation, DeltaChannel, interrupt, START, StateGraph } from '@langchain/langgraph'
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
/** How far the clock is behind, and goes further in each run. */
let behind_ms = 0
let drift_ms = 0
/** Replaces a large value at every run, and adds to a list. */
const keeper = new StateGraph(State)
  .addNode('node', ({ note }) => {
    behind_ms += drift_ms
    return { log: [`${note[0]} ${LONG}`] }
  })
  .addEdge(START, 'node')

const Deltas = new StateGraph(
  Annotation.Root({
    log: (() => new DeltaChannel<string[], string[]>((left, writes) => left.concat(...writes))) as never,
  }),
)
const delta = Deltas.addNode('node', () => ({ log: ['made'] }) as never).addEdge(START, 'node' as never)

let begun = 0
const Log = Annotation.Root({ log: State.spec.log })
const asking = new StateGraph(Log)
  .addNode('begin', () => {
    begun++
    return { log: ['begun'] }
  })
  .addNode('ask', () => ({ log: [interrupt('and?') as string] }))
  .addEdge(START, 'begin')
  .addEdge('begin', 'ask')
/** Its subgraph has done a step when it asks. What it adds is all that it returns. */
const asker = new StateGraph(Log)
  .addNode('sub', async () => {
    behind_ms += drift_ms
    return { log: (await asking.compile().invoke({ log: [] })).log }
  })
  .addEdge(START, 'sub')

forEachDatabase('pruning a thread', open => {
  let server: TestServer
  before(async () => {
    server = await TestServer.open(await open())
    await server.serve('keeper', keeper)
    await server.serve('delta', delta)
    await server.serve('asker', asker)
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

  test('keeps the latest state, and the subgraph that waits in it, though the clock went back', async t => {
    const clock = Date.now
    t.mock.method(Date, 'now', () => clock() - behind_ms)
    drift_ms = 3_600_000
    begun = 0
    const thread_id = newId()
    for (const note of ['a', 'b']) await server.run('keeper', { input: { note } }, thread_id)
    await server.db.run(pruneThread, { thread_id })
    assert.deepEqual(await log(thread_id), [`a ${LONG}`, `b ${LONG}`])

    const waiting = newId()
    await server.run('asker', { input: { log: ['asked'] } }, waiting)
    assert.equal(await server.db.run(pruneThread, { thread_id: waiting }), true)
    await server.run('asker', { command: { resume: 'answered' } }, waiting)
    assert.deepEqual(await log(waiting), ['asked', 'begun', 'answered'])
    assert.equal(begun, 1)
    drift_ms = 0
  })
})
