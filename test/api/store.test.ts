// The long-term store through the official SDK (contracts: langgraph §7).
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client, Item } from '@langchain/langgraph-sdk'
import { openSqliteReadOnly } from '../../src/db/sqlite.ts'
import { anySql } from '../core/harness.ts'
import { createDatabase, dropDatabase } from '../support/postgres.ts'
import { clientOf, forEachServer, type ServerProcess, startServer, temporaryFolder } from '../support/server.ts'
import { eventually, status } from './harness.ts'

const keys = (items: Item[]) => items.map(item => item.key)

forEachServer('the store', server => {
  const call = async (method: string, path: string, body?: unknown) => {
    const { url, fetch } = server()
    const response = await fetch(`${url}${path}`, { method, ...(body !== undefined && { body: JSON.stringify(body) }) })
    const text = await response.text()
    return { status: response.status, text, json: text ? JSON.parse(text) : undefined }
  }
  let names = 0
  const fresh = () => `space${names++}-${crypto.randomUUID()}`

  test('an item is put, read, replaced, searched and deleted, from any process', async () => {
    const { client, other } = server()
    const namespace = [fresh(), 'notes']
    await client.store.putItem(namespace, 'a', { text: 'one', nested: { list: [1, null] } })
    const item = await other.store.getItem(namespace, 'a')
    assert.deepEqual([item?.namespace, item?.key], [namespace, 'a'])
    assert.deepEqual(item?.value, { text: 'one', nested: { list: [1, null] } })
    assert.match(item?.createdAt ?? '', /^\d{4}-\d\d-\d\dT.*Z$/)
    await client.store.putItem(namespace, 'a', { text: 'two' })
    const { items } = await other.store.searchItems(namespace)
    assert.deepEqual(
      items.map(found => [found.key, found.value]),
      [['a', { text: 'two' }]],
    )
    assert.equal('score' in (items[0] ?? {}), false)
    await other.store.deleteItem(namespace, 'a')
    assert.equal(await client.store.getItem(namespace, 'a'), null)
    await client.store.deleteItem(namespace, 'a')
  })

  test('on the wire: 204 without a body, a missing item is 200 null', async () => {
    const namespace = [fresh()]
    const put = await call('PUT', '/store/items', { namespace, key: 'k', value: {}, index: null, ttl: null })
    assert.deepEqual([put.status, put.text], [204, ''])
    const missing = await call('GET', `/store/items?namespace=${namespace}&key=other`)
    assert.deepEqual([missing.status, missing.text], [200, 'null'])
    const nested = await call('PUT', '/store/items', { namespace: [...namespace, 'b'], key: 'k', value: { v: 1 } })
    assert.equal(nested.status, 204)
    const found = await call('GET', `/store/items?namespace=${namespace}.b&key=k`)
    assert.deepEqual(Object.keys(found.json).sort(), ['created_at', 'key', 'namespace', 'updated_at', 'value'])
    assert.deepEqual(found.json.namespace, [...namespace, 'b'])
    const deleted = await call('DELETE', '/store/items', { namespace, key: 'k' })
    assert.deepEqual([deleted.status, deleted.text], [204, ''])
  })

  test('no namespace is 400; a label that is empty or has a dot is 422; so is what is malformed', async () => {
    const item = { key: 'k', value: {} }
    const cases: [number, string, string, unknown?][] = [
      [400, 'PUT', '/store/items', { ...item, namespace: [] }],
      [400, 'DELETE', '/store/items', { key: 'k', namespace: [] }],
      [400, 'GET', '/store/items?key=k'],
      [400, 'GET', '/store/items?namespace=&key=k'],
      [422, 'PUT', '/store/items', { ...item, namespace: [''] }],
      [422, 'PUT', '/store/items', { ...item, namespace: ['a', ''] }],
      [422, 'PUT', '/store/items', { ...item, namespace: ['a.b'] }],
      [422, 'DELETE', '/store/items', { key: 'k', namespace: ['a.b'] }],
      [422, 'GET', '/store/items?namespace=a..b&key=k'],
      [422, 'GET', '/store/items?namespace=a'],
      [422, 'PUT', '/store/items', { namespace: ['a'], key: 'k', value: 'text' }],
      [422, 'PUT', '/store/items', { namespace: ['a'], key: 'k', value: {}, ttl: -1 }],
      [422, 'PUT', '/store/items', { namespace: ['a'], value: {} }],
      [422, 'PUT', '/store/items', { namespace: ['langgraph'], key: 'k', value: {} }],
      [422, 'POST', '/store/items/search', { namespace_prefix: ['a.b'] }],
      [422, 'POST', '/store/items/search', { namespace_prefix: ['a'], filter: { n: { $like: 1 } } }],
      [422, 'POST', '/store/items/search', { namespace_prefix: ['a'], limit: 0 }],
      [422, 'POST', '/store/namespaces', { prefix: [''] }],
    ]
    for (const [expected, method, path, body] of cases) {
      const { status, json } = await call(method, path, body)
      assert.equal(status, expected, `${method} ${path} ${JSON.stringify(body)}: ${JSON.stringify(json)}`)
      assert.equal(typeof json.detail, 'string')
    }
  })

  test('labels match whole and literally, also "%" and "_"', async () => {
    const { client } = server()
    const top = fresh()
    const odd = ['user', 'user2', 'us_r', 'us%', 'USER', '*', 'é', 'a/b', "'", '\\']
    for (const label of odd) await client.store.putItem([top, label], 'k', { label })
    for (const label of odd) {
      const { items } = await client.store.searchItems([top, label])
      assert.deepEqual(
        items.map(item => item.value.label),
        [label],
      )
      assert.equal((await client.store.getItem([top, label], 'k'))?.value.label, label)
    }
    const { namespaces } = await client.store.listNamespaces({ prefix: [top, 'us%'] })
    assert.deepEqual(namespaces, [[top, 'us%']])
  })

  test('filters compare, pages follow one another, last updated first', async () => {
    const { client } = server()
    const namespace = [fresh()]
    for (let n = 0; n < 6; n++) {
      await client.store.putItem(namespace, `k${n}`, { n, even: n % 2 === 0, tag: { is: n } })
      await sleep(3)
    }
    const search = async (filter: Record<string, unknown>, options = {}) =>
      keys((await client.store.searchItems(namespace, { filter, ...options })).items).join(' ')
    assert.equal(await search({}), 'k5 k4 k3 k2 k1 k0')
    assert.equal(await search({ even: true }), 'k4 k2 k0')
    assert.equal(await search({ n: { $eq: 3 } }), 'k3')
    assert.equal(await search({ n: { $ne: 3 }, even: false }), 'k5 k1')
    assert.equal(await search({ n: { $gt: 3 } }), 'k5 k4')
    assert.equal(await search({ n: { $gte: 3, $lt: 5 } }), 'k4 k3')
    assert.equal(await search({ n: { $lte: 1 } }), 'k1 k0')
    assert.equal(await search({ tag: { is: 2 } }), 'k2')
    assert.equal(await search({}, { limit: 2, offset: 1 }), 'k4 k3')
    assert.equal(await search({ even: true }, { limit: 1, offset: 1 }), 'k2')
    assert.equal(await search({ n: { $gte: 1 } }, { limit: 2, offset: 2 }), 'k3 k2')
  })

  test('namespaces are listed by prefix, suffix and depth', async () => {
    const { client } = server()
    const top = fresh()
    for (const path of [['b', 'x', 'v1'], ['a', 'x', 'v1'], ['a', 'y', 'v2'], ['a']]) {
      for (const key of ['1', '2']) await client.store.putItem([top, ...path], key, {})
    }
    const list = async (options: object) =>
      (await client.store.listNamespaces({ prefix: [top], ...options })).namespaces.map(path => path.slice(1).join('/'))
    assert.deepEqual(await list({}), ['a', 'a/x/v1', 'a/y/v2', 'b/x/v1'])
    assert.deepEqual(await list({ prefix: [top, 'a'] }), ['a', 'a/x/v1', 'a/y/v2'])
    assert.deepEqual(await list({ suffix: ['v1'] }), ['a/x/v1', 'b/x/v1'])
    assert.deepEqual(await list({ maxDepth: 2 }), ['a', 'b'])
    assert.deepEqual(await list({ limit: 2, offset: 1 }), ['a/x/v1', 'a/y/v2'])
  })

  test('an item with a time to live goes, unless reading it renews that', async () => {
    const { client, other } = server()
    const namespace = [fresh()]
    const ttl = 3 / 60
    // The first: it has to be gone when those are that are waited for.
    await client.store.putItem([...namespace, 'below'], 'left', {}, { ttl })
    for (const key of ['left', 'read', 'found', 'peeked']) await client.store.putItem(namespace, key, { key }, { ttl })
    await client.store.putItem(namespace, 'kept', {}, { ttl: null })
    await eventually(async () => {
      assert.ok(await other.store.getItem(namespace, 'read'))
      await client.store.searchItems(namespace, { filter: { key: 'found' } })
      assert.equal(await other.store.getItem(namespace, 'peeked', { refreshTtl: false }), null)
      const left = await client.store.searchItems(namespace, { filter: { key: 'left' }, refreshTtl: false })
      assert.deepEqual(left.items, [])
    })
    assert.deepEqual(keys((await client.store.searchItems(namespace)).items).sort(), ['found', 'kept', 'read'])
    assert.equal(await client.store.getItem(namespace, 'left'), null)
    const { namespaces } = await client.store.listNamespaces({ prefix: namespace })
    assert.deepEqual(namespaces, [namespace])
    await client.store.putItem(namespace, 'left', { again: true })
    const again = await client.store.getItem(namespace, 'left')
    assert.equal(again?.createdAt, again?.updatedAt)
  })

  test('without an index a query changes nothing', async () => {
    const { client } = server()
    const namespace = [fresh()]
    await client.store.putItem(namespace, 'k', { text: 'x' }, { index: ['text'] })
    const { items } = await client.store.searchItems(namespace, { query: 'anything' })
    assert.deepEqual(keys(items), ['k'])
  })
})

describe('the store with an index and times to live, on SQLite', () => {
  const config = join(import.meta.dirname, '../fixtures/api/store.json')
  const folder = temporaryFolder()
  const file = join(folder.path, 'runloom.db')
  let running: ServerProcess
  let client: Client
  before(async () => {
    running = await startServer({ database_url: `sqlite:${file}`, config })
    client = clientOf(running.url)
  })
  after(async () => {
    await running.stop()
    folder.remove()
  })
  const forEver = { ttl: null }
  const search = async (namespace: string[], query: string, options = {}) =>
    (await client.store.searchItems(namespace, { query, ...options })).items

  test('a query finds by meaning, nearest first, with a score', async () => {
    const namespace = ['meaning']
    const texts = {
      pets: 'cats and dogs',
      forecast: 'rain, then sun',
      budget: 'the price of a euro',
      zoo: 'animals in the rain',
    }
    for (const [key, text] of Object.entries(texts)) await client.store.putItem(namespace, key, { text }, forEver)
    const found = await search(namespace, 'horses')
    assert.deepEqual(keys(found), ['pets', 'zoo', 'budget', 'forecast'])
    const scores = found.map(item => item.score as number)
    assert.ok(scores[0] && scores[0] > 0.99 && scores[0] <= 1 && (scores[2] as number) < 0.1, String(scores))
    assert.deepEqual(
      scores.toSorted((a, b) => b - a),
      scores,
    )
    assert.deepEqual(keys(await search(namespace, 'weather', { limit: 1 })), ['forecast'])
    assert.deepEqual(keys(await search(namespace, 'weather', { limit: 1, offset: 1 })), ['zoo'])
    assert.deepEqual(
      keys(await search(namespace, 'horses', { filter: { text: { $ne: 'cats and dogs' } }, limit: 1 })),
      ['zoo'],
    )
    assert.deepEqual(keys(await search(['elsewhere'], 'horses')), [])
  })

  test('any of several texts counts; what is put without an index is not found by meaning', async () => {
    const namespace = ['fields']
    await client.store.putItem(namespace, 'tags', { tags: ['money', 'snow'], other: 'cats' }, forEver)
    await client.store.putItem(
      namespace,
      'own',
      { other: 'cats', deep: { text: 'cats' } },
      { index: ['deep.text'], ...forEver },
    )
    await client.store.putItem(namespace, 'none', { text: 'cats' }, { index: false, ...forEver })
    assert.deepEqual(keys(await search(namespace, 'snow')), ['tags', 'own'])
    assert.deepEqual(keys(await search(namespace, 'dogs', { limit: 1 })), ['own'])
    assert.deepEqual(keys((await client.store.searchItems(namespace)).items).sort(), ['none', 'own', 'tags'])
    await client.store.putItem(namespace, 'own', { text: 'banks' }, forEver)
    const [found] = await search(namespace, 'dogs', { filter: { text: 'banks' } })
    assert.ok((found?.score ?? 1) < 0.1, 'the old text is forgotten')
    await client.store.deleteItem(namespace, 'own')
    assert.deepEqual(keys(await search(namespace, 'banks')), ['tags'])
  })

  test('embeddings that fail are 503, and nothing is stored', async () => {
    await assert.rejects(client.store.putItem(['bad'], 'k', { text: 'no meaning' }), status(503, /no meaning/))
    assert.equal(await client.store.getItem(['bad'], 'k'), null)
  })

  test('a graph sees the same items and finds by meaning, too', async () => {
    await client.store.putItem(['remembered'], 'from outside', { text: 'a dog' }, forEver)
    const input = { keep: 'snow in May', find: 'cats' }
    const { found } = (await client.runs.wait(null, 'remember', { input })) as {
      found: { key: string; score: number }[]
    }
    assert.deepEqual(
      found.map(one => one.key),
      ['from outside', 'snow in May'],
    )
    assert.ok((found[0]?.score ?? 0) > 0.99)
    assert.equal((await client.store.getItem(['remembered'], 'snow in May'))?.value.text, 'snow in May')
  })

  test('items get the configured time to live, are not renewed by reading, and are swept', async () => {
    const namespace = ['mortal']
    await client.store.putItem(namespace, 'k', { text: 'sun' })
    await eventually(async () => assert.equal(await client.store.getItem(namespace, 'k'), null))
    const db = openSqliteReadOnly(file)
    const rows = (table: string) =>
      db.run(anySql, { strings: [`select key from ${table} where namespace = 'mortal.'`], values: [] })
    await eventually(async () => assert.deepEqual(await rows('items'), []))
    await db.close()
  })
})

test('on a Postgres without pgvector a server with an index says what is missing', async t => {
  const database_url = await createDatabase()
  t.after(() => dropDatabase(database_url))
  const config = join(import.meta.dirname, '../fixtures/api/store.json')
  const server = await startServer({ database_url, config }).catch((error: Error) => error)
  if (server instanceof Error)
    return assert.match(server.message, /store\.index: this Postgres has no pgvector; install/)
  // This Postgres has it.
  const { store } = clientOf(server.url)
  await store.putItem(['meaning'], 'pets', { text: 'cats' })
  await store.putItem(['meaning'], 'forecast', { text: 'rain' })
  assert.deepEqual(keys((await store.searchItems(['meaning'], { query: 'snow' })).items), ['forecast', 'pets'])
  await server.stop()
})
