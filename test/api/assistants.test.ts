// Assistants through the official SDK: made, searched, shown as graph and schemas, deleted; on every way of running the server.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Assistant } from '@langchain/langgraph-sdk'
import { forEachServer } from '../support/server.ts'
import { collect, eventually, say, status } from './harness.ts'

forEachServer('assistants', server => {
  const ids = (assistants: Assistant[]) => assistants.map(assistant => assistant.assistant_id)

  /** Assistants of these names, that a search finds by the mark. */
  const named = async (...names: string[]) => {
    const mark = crypto.randomUUID()
    const made: Assistant[] = []
    for (const name of names) {
      made.push(await server().client.assistants.create({ graphId: 'echo', name, metadata: { mark } }))
    }
    return { mark, made }
  }

  test('one is created with defaults, and found by its id', async () => {
    const { client, other } = server()
    const made = await client.assistants.create({ graphId: 'echo' })
    assert.deepEqual(await other.assistants.get(made.assistant_id), made)
    const { assistant_id, created_at, updated_at, ...rest } = made
    const defaults = { name: 'Untitled', description: null, config: {}, context: {}, metadata: {}, version: 1 }
    assert.deepEqual(rest, { graph_id: 'echo', ...defaults })
    assert.match(assistant_id, /^[0-9a-f]{8}-[0-9a-f]{4}-7/)
    assert.equal(new Date(created_at).toISOString(), updated_at)
  })

  test('an id is taken once; do_nothing answers with what is there', async () => {
    const { client, other } = server()
    const assistantId = crypto.randomUUID()
    const made = await client.assistants.create({ graphId: 'echo', assistantId, name: 'first' })
    await assert.rejects(other.assistants.create({ graphId: 'echo', assistantId }), status(409, /exists already/))
    const again = { graphId: 'steps', assistantId, name: 'second', ifExists: 'do_nothing' } as const
    assert.deepEqual(await other.assistants.create(again), made)
  })

  test('an id must be a UUID', async () => {
    const creating = server().client.assistants.create({ graphId: 'echo', assistantId: 'mine' })
    await assert.rejects(creating, status(422, /assistant_id: must be a UUID/))
  })

  test('a graph that is not served is refused, with those that are', async () => {
    const { client } = server()
    const unknown = status(404, /Graph \\"nobody\\" not found; this server has: .*echo/)
    await assert.rejects(client.assistants.create({ graphId: 'nobody' }), unknown)
    const { assistant_id } = await client.assistants.create({ graphId: 'echo' })
    await assert.rejects(client.assistants.update(assistant_id, { graphId: 'nobody' }), unknown)
  })

  test('a search is sorted as asked, newest first by default', async () => {
    const { client } = server()
    const { mark, made } = await named('b', 'C', 'a')
    const search = (query = {}) => client.assistants.search({ metadata: { mark }, ...query })
    assert.deepEqual(ids(await search()), ids(made).reverse())
    const names = async (query: object) => (await search(query)).map(assistant => assistant.name)
    assert.deepEqual(await names({ sortBy: 'name', sortOrder: 'asc' }), ['C', 'a', 'b'])
    assert.deepEqual(await names({ sortBy: 'name' }), ['b', 'a', 'C'])
    assert.deepEqual(await names({ sortBy: 'created_at', sortOrder: 'asc' }), ['b', 'C', 'a'])
    await client.assistants.update(made[1]?.assistant_id as string, { description: 'changed' })
    assert.deepEqual((await names({ sortBy: 'updated_at' }))[0], 'C')
    const sorted = ids(made).sort()
    assert.deepEqual(ids(await search({ sortBy: 'assistant_id', sortOrder: 'asc' })), sorted)
    assert.equal((await search({ sortBy: 'graph_id', limit: 1 })).length, 1)
  })

  test('a search shows only the selected fields', async () => {
    const { mark } = await named('x')
    const found = await server().client.assistants.search({ metadata: { mark }, select: ['name', 'version'] })
    assert.deepEqual(found, [{ name: 'x', version: 1 }])
  })

  test('every page tells the total and where the next begins', async () => {
    const { url, fetch } = server()
    const { mark } = await named('1', '2', '3', '4', '5')
    const page = async (offset: number) => {
      const body = JSON.stringify({ metadata: { mark }, limit: 2, offset })
      const response = await fetch(`${url}/assistants/search`, { method: 'POST', body })
      const { length } = (await response.json()) as unknown[]
      return [length, response.headers.get('x-pagination-total'), response.headers.get('x-pagination-next')]
    }
    assert.deepEqual(await page(0), [2, '5', '2'])
    assert.deepEqual(await page(2), [2, '5', '4'])
    assert.deepEqual(await page(3), [2, '5', null])
    assert.deepEqual(await page(4), [1, '5', null])
    assert.deepEqual(await page(9), [0, '5', null])
    const { next } = await server().client.assistants.search({ metadata: { mark }, limit: 2, includePagination: true })
    assert.equal(next, '2')
  })

  test('a name is found by a part of it in any case, signs of patterns taken literally', async () => {
    const { client } = server()
    const { mark } = await named('Weather 100%', 'weather_bot', 'Mail')
    const find = async (name: string) => {
      const found = await client.assistants.search({ metadata: { mark }, name, sortBy: 'name', sortOrder: 'asc' })
      return found.map(assistant => assistant.name)
    }
    assert.deepEqual(await find('WEATHER'), ['Weather 100%', 'weather_bot'])
    assert.deepEqual(await find('%'), ['Weather 100%'])
    assert.deepEqual(await find('_'), ['weather_bot'])
    assert.equal(await client.assistants.count({ metadata: { mark }, name: 'ai' }), 1)
  })

  test('they are counted by graph, name and metadata', async () => {
    const { client, other } = server()
    const { mark } = await named('a', 'b')
    await client.assistants.create({ graphId: 'steps', name: 'a', metadata: { mark, more: [1, 2] } })
    assert.equal(await other.assistants.count({ metadata: { mark } }), 3)
    assert.equal(await other.assistants.count({ metadata: { mark }, graphId: 'steps' }), 1)
    assert.equal(await other.assistants.count({ metadata: { mark, more: [2] } }), 1)
    assert.equal(await other.assistants.count({ metadata: { mark }, name: 'A' }), 2)
  })

  test('each graph has a system assistant, by id and by graph id, which cannot be deleted', async () => {
    const { client, other } = server()
    const system = await client.assistants.get('echo')
    assert.deepEqual(await other.assistants.get(system.assistant_id), system)
    assert.equal(system.name, 'echo')
    assert.deepEqual(system.metadata, { created_by: 'system' })
    assert.match(String(system.description), /word by word/)
    for (const id of ['echo', system.assistant_id]) {
      await assert.rejects(client.assistants.delete(id), status(409, /cannot be deleted/))
    }
    assert.equal('system' in system, false)
  })

  test('deleting one takes its versions and runs with it, and stops those in flight', async () => {
    const { client, other, url, fetch } = server()
    const { assistant_id } = await client.assistants.create({ graphId: 'steps' })
    await client.assistants.update(assistant_id, { name: 'second' })
    const { thread_id } = await client.threads.create()
    await client.runs.wait(thread_id, assistant_id, { input: { count: 1 } })
    const running = await client.runs.create(thread_id, assistant_id, { input: { count: 1000, delay_ms: 50 } })
    await client.runs.create(thread_id, assistant_id, { input: { count: 1 } })
    const kept = await client.runs.create(thread_id, 'steps', { input: { count: 1 }, afterSeconds: 60 })
    const reader = collect(other.runs.joinStream(thread_id, running.run_id))
    await eventually(async () => assert.equal((await client.runs.get(thread_id, running.run_id)).status, 'running'))
    const response = await fetch(`${url}/assistants/${assistant_id}`, { method: 'DELETE' })
    assert.deepEqual([response.status, await response.json()], [200, [assistant_id]])
    await reader
    assert.deepEqual(
      (await other.runs.list(thread_id)).map(run => run.run_id),
      [kept.run_id],
    )
    await assert.rejects(other.assistants.get(assistant_id), status(404))
    await assert.rejects(other.assistants.getVersions(assistant_id), status(404))
    await assert.rejects(other.assistants.delete(assistant_id), status(404))
    assert.ok(((await client.threads.get(thread_id)).values as { log: string[] }).log.length >= 1)
  })

  test('asked for, its threads go with it, and only those', async () => {
    const { client } = server()
    const { assistant_id } = await client.assistants.create({ graphId: 'echo' })
    const [mine, foreign] = [await client.threads.create(), await client.threads.create()]
    await client.runs.wait(mine.thread_id, assistant_id, { input: say('mine') })
    await client.runs.wait(foreign.thread_id, 'echo', { input: say('not mine') })
    await client.assistants.delete(assistant_id, { deleteThreads: true })
    await assert.rejects(client.threads.get(mine.thread_id), status(404))
    assert.equal((await client.threads.get(foreign.thread_id)).status, 'idle')
  })

  test('a graph is drawn with as many levels of subgraphs as asked for', async () => {
    const { client } = server()
    const nodes = async (xray?: boolean | number) => {
      const drawing = await client.assistants.getGraph('deep', xray === undefined ? {} : { xray })
      return drawing.nodes.map(node => String(node.id)).filter(id => !id.endsWith('__'))
    }
    assert.deepEqual(await nodes(), ['outer'])
    assert.deepEqual(await nodes(false), ['outer'])
    assert.deepEqual(await nodes(1), ['outer:before', 'outer:inner'])
    const all = ['outer:before', 'outer:inner:hear', 'outer:inner:speak']
    for (const xray of [2, 10, true]) assert.deepEqual(await nodes(xray), all)
    await assert.rejects(client.assistants.getGraph('deep', { xray: 'some' as never }), status(422, /xray/))
  })

  test('subgraphs are shown by their node, of one namespace, or with theirs', async () => {
    const { client } = server()
    const names = async (options?: { namespace?: string; recurse?: boolean }) =>
      Object.keys(await client.assistants.getSubgraphs('deep', options))
    assert.deepEqual(await names(), ['outer'])
    assert.deepEqual(await names({ recurse: true }), ['outer', 'outer|inner'])
    assert.deepEqual(await names({ namespace: 'outer' }), ['outer'])
    assert.deepEqual(await names({ namespace: 'outer|inner', recurse: true }), ['outer|inner'])
    const { outer } = await client.assistants.getSubgraphs('deep')
    assert.ok(outer?.state_schema && outer.input_schema && outer.output_schema)
  })

  test('schemas are those of the graph', async () => {
    const { client } = server()
    const { assistant_id } = await client.assistants.create({ graphId: 'steps' })
    const { graph_id, state_schema } = await client.assistants.getSchemas(assistant_id)
    assert.equal(graph_id, 'steps')
    assert.deepEqual(Object.keys(state_schema?.properties ?? {}), ['log', 'count', 'delay_ms'])
  })
})
