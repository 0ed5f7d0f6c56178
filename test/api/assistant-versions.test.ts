// The versions of assistants through the official SDK; and which of them a run takes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Client } from '@langchain/langgraph-sdk'
import { forEachServer } from '../support/server.ts'
import { status } from './harness.ts'

forEachServer('assistant versions', server => {
  const numbers = async (client: Client, id: string, query = {}) =>
    (await client.assistants.getVersions(id, query)).map(({ version }) => version)

  test('every patch makes the next one, also an empty patch, and lets it count', async () => {
    const { client, other } = server()
    const first = await client.assistants.create({
      graphId: 'echo',
      name: 'name',
      description: 'description',
      config: { tags: ['a'], configurable: { one: 1, two: 2 } },
      context: { user: 'ada', role: 'admin' },
      metadata: { kept: true, changed: { a: 1 } },
    })
    const patched = await other.assistants.update(first.assistant_id, {
      config: { configurable: { three: 3 } },
      context: { user: 'bob' },
      metadata: { changed: { b: 2 } },
    })
    assert.equal(patched.version, 2)
    assert.deepEqual(patched.config, { configurable: { three: 3 } })
    assert.deepEqual(patched.context, { user: 'bob' })
    assert.deepEqual(patched.metadata, { kept: true, changed: { b: 2 } })
    assert.deepEqual(
      [patched.name, patched.description, patched.graph_id, patched.created_at],
      ['name', 'description', 'echo', first.created_at],
    )
    const empty = await client.assistants.update(first.assistant_id, {})
    assert.deepEqual({ ...empty, updated_at: '' }, { ...patched, version: 3, updated_at: '' })
    assert.deepEqual(await other.assistants.get(first.assistant_id), empty)
  })

  test('patches at once are all kept', async () => {
    const { client, other } = server()
    const { assistant_id } = await client.assistants.create({ graphId: 'echo' })
    const patch = (n: number) =>
      (n % 2 === 0 ? client : other).assistants.update(assistant_id, { metadata: { [`n${n}`]: n } })
    await Promise.all(Array.from({ length: 8 }, (_, n) => patch(n)))
    assert.deepEqual(await numbers(client, assistant_id), [9, 8, 7, 6, 5, 4, 3, 2, 1])
    assert.equal(Object.keys((await client.assistants.get(assistant_id)).metadata ?? {}).length, 8)
  })

  test('they are listed newest first, by page and by metadata', async () => {
    const { client, other, url, fetch } = server()
    const { assistant_id } = await client.assistants.create({ graphId: 'echo', metadata: { kind: 'one' } })
    for (const kind of ['two', 'three']) await client.assistants.update(assistant_id, { metadata: { kind } })
    const [newest] = await other.assistants.getVersions(assistant_id)
    assert.deepEqual([newest?.version, newest?.metadata, newest?.graph_id], [3, { kind: 'three' }, 'echo'])
    assert.deepEqual(await numbers(other, assistant_id, { limit: 1, offset: 1 }), [2])
    assert.deepEqual(await numbers(other, assistant_id, { metadata: { kind: 'one' } }), [1])
    assert.deepEqual(await numbers(other, assistant_id, { offset: 3 }), [])
    await assert.rejects(numbers(other, assistant_id, { metadata: { kind: 'four' } }), status(404))
    await assert.rejects(numbers(other, crypto.randomUUID()), status(404, /No assistant found for/))
    const body = '{"limit":2}'
    const { headers } = await fetch(`${url}/assistants/${assistant_id}/versions`, { method: 'POST', body })
    assert.deepEqual([headers.get('x-pagination-total'), headers.get('x-pagination-next')], ['3', '2'])
  })

  test('an earlier one that counts again brings everything back, and the next patch is still the highest', async () => {
    const { client, other } = server()
    const first = await client.assistants.create({
      graphId: 'echo',
      name: 'first',
      description: 'as it was',
      config: { tags: ['first'] },
      context: { user: 'first' },
      metadata: { first: true },
    })
    const { assistant_id } = first
    await client.assistants.update(assistant_id, {
      graphId: 'steps',
      name: 'second',
      description: 'as it is',
      config: {},
      context: { user: 'second' },
      metadata: { first: false, second: true },
    })
    const restored = await other.assistants.setLatest(assistant_id, 1)
    assert.deepEqual({ ...restored, updated_at: first.updated_at }, first)
    assert.deepEqual(await client.assistants.get(assistant_id), restored)
    const third = await client.assistants.update(assistant_id, { name: 'third' })
    assert.deepEqual([third.version, third.graph_id, third.metadata], [3, 'echo', { first: true }])
    await assert.rejects(client.assistants.setLatest(assistant_id, 4), status(404, /has no version 4/))
    await assert.rejects(client.assistants.setLatest(crypto.randomUUID(), 1), status(404))
  })

  test('the version may be named in the query', async () => {
    const { client, url, fetch } = server()
    const { assistant_id } = await client.assistants.create({ graphId: 'echo', name: 'first' })
    await client.assistants.update(assistant_id, { name: 'second' })
    const post = (query: string) => fetch(`${url}/assistants/${assistant_id}/latest${query}`, { method: 'POST' })
    assert.equal(((await (await post('?version=1')).json()) as { name: string }).name, 'first')
    assert.equal((await post('')).status, 422)
  })

  test('a run takes the one that counts', async () => {
    const { client } = server()
    const config = (flavour: string) => ({ configurable: { flavour } })
    const { assistant_id } = await client.assistants.create({ graphId: 'configured', config: config('sweet') })
    await client.assistants.update(assistant_id, { config: config('sour') })
    const tell = async () => (await client.runs.wait(null, assistant_id, { input: {} })) as { answers: string[] }
    assert.deepEqual((await tell()).answers, ['sour', 'sour'])
    await client.assistants.setLatest(assistant_id, 1)
    assert.deepEqual((await tell()).answers, ['sweet', 'sweet'])
  })
})
