import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Annotation, type LangGraphRunnableConfig, MemorySaver, START, StateGraph } from '@langchain/langgraph'
import { InMemoryStore, type SearchItem } from '@langchain/langgraph-checkpoint'
import { batchItems } from '../../src/core/items.ts'
import { type Database, openDatabase } from '../../src/db/database.ts'
import { migrate } from '../../src/db/migrate.ts'
import { bind } from '../../src/graph/load.ts'
import { ItemStore } from '../../src/graph/store.ts'
import { forEachDatabase } from '../support/databases.ts'

const keys = (items: SearchItem[]) => items.map(item => item.key)
const later = () => new Promise(resolve => setTimeout(resolve, 3))

forEachDatabase('the item store', open => {
  let db: Database
  let store: ItemStore
  let root = 0
  /** A namespace nobody else uses. */
  const fresh = () => `r${root++}`

  before(async () => {
    db = await openDatabase(await open())
    await migrate(db)
    store = new ItemStore(db)
  })
  after(() => db.close())

  test('an item is stored, read, replaced and deleted', async () => {
    const ns = [fresh(), 'notes']
    assert.equal(await store.get(ns, 'a'), null)
    await store.put(ns, 'a', { text: 'one', nested: { list: [1, null, 'ü😀'] } })
    const first = await store.get(ns, 'a')
    assert.deepEqual([first?.namespace, first?.key], [ns, 'a'])
    assert.deepEqual(first?.value, { text: 'one', nested: { list: [1, null, 'ü😀'] } })
    assert.ok(first?.createdAt instanceof Date)
    await later()
    await store.put(ns, 'a', { text: 'two' })
    const second = await store.get(ns, 'a')
    assert.deepEqual(second?.value, { text: 'two' })
    assert.deepEqual(second?.createdAt, first.createdAt)
    assert.ok((second?.updatedAt.getTime() ?? 0) > first.updatedAt.getTime())
    await store.delete(ns, 'a')
    assert.equal(await store.get(ns, 'a'), null)
    await store.delete(ns, 'a')
  })

  test('what was stored is there for another store on the same database', async () => {
    const ns = [fresh()]
    await store.put(ns, 'k', { v: 1 })
    assert.deepEqual((await new ItemStore(db).get(ns, 'k'))?.value, { v: 1 })
  })

  test('search finds what is below a prefix, last updated first, in pages', async () => {
    const top = fresh()
    for (const [index, path] of [['u'], ['u', 'x'], ['u', 'x', 'deep'], ['v']].entries()) {
      await store.put([top, ...path], `k${index}`, { index })
      await later()
    }
    assert.deepEqual(keys(await store.search([top])), ['k3', 'k2', 'k1', 'k0'])
    assert.deepEqual(keys(await store.search([top, 'u'])), ['k2', 'k1', 'k0'])
    assert.deepEqual(keys(await store.search([top, 'u', 'x'])), ['k2', 'k1'])
    assert.deepEqual(keys(await store.search([top, 'w'])), [])
    assert.deepEqual(keys(await store.search([top], { limit: 2, offset: 1 })), ['k2', 'k1'])
    await store.put([top, 'u'], 'k0', { index: 9 })
    assert.deepEqual(keys(await store.search([top], { limit: 1 })), ['k0'])
    assert.ok((await store.search([])).length >= 4)
    assert.deepEqual(keys(await store.search([top, 'u'], { query: 'anything', limit: 1 })), ['k0'])
  })

  test('labels match whole and literally', async () => {
    const top = fresh()
    const odd = ['user', 'user2', 'us_r', 'us%', 'USER', '*', 'é', 'a/b', 'a b', '"q"', "'", '\\', '[0]', '-', '~']
    for (const label of odd) await store.put([top, label], 'k', { label })
    for (const label of odd) {
      const found = await store.search([top, label], { limit: 100 })
      assert.deepEqual(
        found.map(item => item.value.label),
        [label],
      )
    }
    assert.deepEqual(keys(await store.search([top, 'us'])), [])
    assert.equal((await store.search([top], { limit: 100 })).length, odd.length)
    const namespaces = await store.listNamespaces({ prefix: [top] })
    assert.deepEqual(new Set(namespaces.map(namespace => namespace[1])), new Set(odd))
  })

  test('namespaces, keys and filters that make no sense are refused', async () => {
    for (const ns of [[], ['a.b'], [''], ['langgraph', 'x']]) {
      await assert.rejects(store.put(ns, 'k', {}), /[Nn]amespace/, JSON.stringify(ns))
      await assert.rejects(store.batch([{ namespace: ns, key: 'k', value: {} }]), { code: 'invalid' })
    }
    await assert.rejects(store.search(['a.b']), {
      name: 'RunloomError',
      code: 'invalid',
      message: /"a\.b" is no label/,
    })
    await assert.rejects(store.get(['a'], 'k\0'), { code: 'invalid', message: /^key: / })
    await assert.rejects(store.search(['a'], { filter: { n: { $like: 'x' } } }), {
      message: /^filter\.n: "\$like" is no operator; use one of \$eq, /,
    })
  })

  test('what JSON or Postgres has no form for is stored all the same', async () => {
    const ns = [fresh()]
    await store.put(ns, 'k', { text: 'a\0b', big: 12n, when: new Date(0), gone: undefined })
    assert.deepEqual((await store.get(ns, 'k'))?.value, { text: 'ab', big: '12', when: '1970-01-01T00:00:00.000Z' })
  })

  test('a text cut in the middle of a character does not spoil a search', async () => {
    const ns = [fresh()]
    const cut = '\u{1F600}'.slice(0, 1)
    await store.put(ns, 'k', { text: `a${cut}`, slash: `\\${cut}`, plain: '\\ud83d', ok: true })
    const [found] = await store.search(ns, { filter: { ok: true } })
    assert.deepEqual(found?.value, { text: 'a\ufffd', slash: '\\\ufffd', plain: '\\ud83d', ok: true })
    assert.deepEqual(await store.search(ns, { filter: { text: cut } }), [])
  })

  describe('filters', () => {
    const values: Record<string, Record<string, unknown>> = {
      a: { kind: 'note', n: 1, tags: ['x'], flag: true },
      b: { kind: 'note', n: 2, tags: ['x', 'y'], flag: null },
      c: { kind: 'task', n: 3, who: { name: 'ada' } },
      d: { n: '10' },
    }
    const cases: [filter: Record<string, unknown>, expected: string[]][] = [
      [{}, ['a', 'b', 'c', 'd']],
      [{ kind: 'note' }, ['a', 'b']],
      [{ kind: 'note', n: 2 }, ['b']],
      [{ kind: { $eq: 'task' } }, ['c']],
      [{ kind: { $ne: 'note' } }, ['c', 'd']],
      [{ n: { $gt: 1 } }, ['b', 'c', 'd']],
      [{ n: { $gte: 2, $lt: 10 } }, ['b', 'c']],
      [{ n: { $lte: 1 } }, ['a']],
      [{ n: { $in: [1, 3] } }, ['a', 'c']],
      [{ kind: { $nin: ['note'] } }, ['c', 'd']],
      [{ flag: null }, ['b']],
      [{ flag: true, n: { $ne: 5 } }, ['a']],
      [{ tags: ['x'] }, ['a']],
      [{ who: { name: 'ada' } }, ['c']],
      [{ who: {} }, []],
      [{ 'it\'s %_"odd"': 1 }, []],
    ]
    const top = 'filters'
    before(async () => {
      for (const [key, value] of Object.entries(values)) await store.put([top], key, value)
    })
    for (const [filter, expected] of cases) {
      test(JSON.stringify(filter), async () => {
        assert.deepEqual(keys(await store.search([top], { filter })).sort(), expected)
      })
    }

    test('agree with those of the in-memory store', async () => {
      const memory = new InMemoryStore()
      for (const [key, value] of Object.entries(values)) await memory.put([top], key, value)
      const same = cases.filter(([filter]) => !('tags' in filter) && !('who' in filter))
      for (const [filter, expected] of same) {
        assert.deepEqual(keys(await memory.search([top], { filter })).sort(), expected, JSON.stringify(filter))
      }
    })

    test('find the few among many, in pages', async () => {
      const many = fresh()
      await store.batch(
        Array.from({ length: 1200 }, (_, n) => ({ namespace: [many], key: `k${n}`, value: { n, odd: { is: n % 2 } } })),
      )
      const filter = { n: { $lt: 7 }, odd: { is: 1 } }
      assert.deepEqual(keys(await store.search([many], { filter })).sort(), ['k1', 'k3', 'k5'])
      assert.equal((await store.search([many], { filter, limit: 2, offset: 1 })).length, 2)
      assert.equal((await store.search([many], { filter: { n: { $ne: -1 } }, limit: 700, offset: 600 })).length, 600)
    })
  })

  test('namespaces are listed by prefix, suffix, wildcards and depth', async () => {
    const top = fresh()
    const paths = [['b', 'x', 'v1'], ['a', 'x', 'v1'], ['a', 'y', 'v2'], ['a']]
    for (const path of paths) for (const key of ['1', '2']) await store.put([top, ...path], key, {})
    const list = async (options: Parameters<ItemStore['listNamespaces']>[0]) =>
      (await store.listNamespaces(options)).map(namespace => namespace.slice(1).join('/'))
    assert.deepEqual(await list({ prefix: [top] }), ['a', 'a/x/v1', 'a/y/v2', 'b/x/v1'])
    assert.deepEqual(await list({ prefix: [top, 'a'] }), ['a', 'a/x/v1', 'a/y/v2'])
    assert.deepEqual(await list({ prefix: [top, '*', 'x'] }), ['a/x/v1', 'b/x/v1'])
    assert.deepEqual(await list({ prefix: [top], suffix: ['v1'] }), ['a/x/v1', 'b/x/v1'])
    assert.deepEqual(await list({ prefix: [top], suffix: ['y', '*'] }), ['a/y/v2'])
    assert.deepEqual(await list({ prefix: [top], maxDepth: 2 }), ['a', 'b'])
    assert.deepEqual(await list({ prefix: [top], limit: 2, offset: 1 }), ['a/x/v1', 'a/y/v2'])
    const matchConditions = [
      { matchType: 'prefix' as const, path: [top] },
      { matchType: 'prefix' as const, path: ['*', 'a'] },
    ]
    const [found] = await store.batch([{ matchConditions, limit: 1, offset: 0 }])
    assert.deepEqual(found, [[top, 'a']])
  })

  test('in a batch reads come before writes, and the last of two writes counts', async () => {
    const ns = [fresh()]
    await store.put(ns, 'old', { v: 0 })
    const results: unknown[] = await store.batch([
      { namespace: ns, key: 'old' },
      { namespace: ns, key: 'old', value: null },
      { namespace: ns, key: 'new', value: { v: 1 } },
      { namespace: ns, key: 'new', value: { v: 2 } },
      { namespacePrefix: ns },
      { matchConditions: [{ matchType: 'prefix', path: ns }], limit: 10, offset: 0 },
    ])
    const [read, , , , found, spaces] = results
    assert.deepEqual((read as SearchItem).value, { v: 0 })
    assert.deepEqual(keys(found as SearchItem[]), ['old'])
    assert.deepEqual(spaces, [ns])
    assert.deepEqual(
      (await store.search(ns)).map(({ key, value }) => [key, value]),
      [['new', { v: 2 }]],
    )
  })

  test('a batch with a bad operation writes nothing', async () => {
    const ns = [fresh()]
    const operations = [
      { namespace: ns, key: 'k', value: {} },
      { namespace: [...ns, 'a.b'], key: 'k', value: {} },
    ]
    await assert.rejects(store.batch(operations), { code: 'invalid' })
    assert.deepEqual(await store.search(ns), [])
  })

  test('concurrent writers of the same items all succeed', async () => {
    const ns = [fresh()]
    const names = ['a', 'b', 'c', 'd']
    await Promise.all(
      Array.from({ length: 30 }, (_, by) => {
        const order = by % 2 ? names : names.toReversed()
        return store.batch(order.map(key => ({ namespace: ns, key, value: { by } })))
      }),
    )
    assert.equal((await store.search(ns)).length, 4)
  })

  test('the rows that HTTP serves have the wire form', async () => {
    const namespace = [fresh(), 'x']
    await store.put(namespace, 'k', { v: 1 })
    const [item] = await db.run(batchItems, [{ get: { namespace, key: 'k' } }])
    assert.ok(item && 'created_at' in item)
    assert.deepEqual(item, {
      namespace,
      key: 'k',
      value: '{"v":1}',
      created_at: item.created_at,
      updated_at: item.created_at,
    })
    assert.match(item.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  })

  test('a node and a subgraph have the whole interface, without LangGraph queueing it', async () => {
    const ns = [fresh(), 'memories']
    const State = Annotation.Root({ seen: Annotation<unknown> })
    const node = async (_: typeof State.State, { store }: LangGraphRunnableConfig) => {
      await store?.put(ns, 'k', { v: 1 })
      const value = (await store?.get(ns, 'k'))?.value
      const polls = Reflect.get(store ?? assert.fail(), 'isRunning')
      return { seen: [value, await store?.listNamespaces({ prefix: ns.slice(0, 1) }), polls] }
    }
    const inner = new StateGraph(State).addNode('inner', node).addEdge(START, 'inner').compile()
    const outer = new StateGraph(State).addNode('outer', inner).addEdge(START, 'outer').compile()
    const bound = bind(outer, { checkpointer: new MemorySaver(), store })
    const { seen } = await bound.invoke({}, { configurable: { thread_id: 't' } })
    assert.deepEqual(seen, [{ v: 1 }, [ns], false])
    await assert.rejects(bound.store?.put(['a.b'], 'k', {}) ?? assert.fail(), { name: 'InvalidNamespaceError' })
  })
})
