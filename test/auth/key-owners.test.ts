// API keys that have owners: what routes.test.ts cannot show of each route alone. Runs, crons, children and webhooks act for
// who made them; owners share what they are given names for with nobody; an operator's key sees all.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Client } from '@langchain/langgraph-sdk'
import { namedHash } from '../../src/core/api-keys.ts'
import { newId } from '../../src/core/ids.ts'
import { eventually, status } from '../api/harness.ts'
import { forEachDatabase } from '../support/databases.ts'
import { type AuthServer, startAuthServer } from './harness.ts'

const HELLO = { type: 'message', role: 'user', content: [{ type: 'text', text: 'hello' }] }

const KEYS = [
  namedHash('laptop@team-a', 'a-1'),
  namedHash('ci@team-a', 'a-2'),
  namedHash('laptop@team-b', 'b'),
  namedHash('operator', 'op'),
]

forEachDatabase('owners of API keys', open => {
  let server: AuthServer
  let a: Client
  let second: Client
  let b: Client
  let operator: Client
  before(async () => {
    server = await startAuthServer(await open(), 'keys.json', { RUNLOOM_API_KEYS: KEYS.join(',') })
    a = server.as('a-1')
    second = server.as('a-2')
    b = server.as('b')
    operator = server.as('op')
  })
  after(() => server.close())

  const said = async (client: Client, text: string) => {
    const { found } = (await client.runs.wait(null, 'remember', { input: { said: text } })) as unknown as {
      found: { items: unknown; namespaces: unknown }
    }
    return found
  }

  test('a graph has the store of who runs it: one name is another item for each owner', async () => {
    const mine = (text: string) => ({ items: [[['memories'], text]], namespaces: [['memories']] })
    assert.deepEqual(await said(a, 'of a'), mine('of a'))
    assert.deepEqual(await said(b, 'of b'), mine('of b'))
    assert.deepEqual(await said(second, 'of a again'), mine('of a again'))
    assert.deepEqual((await b.store.getItem(['memories'], 'last'))?.value, { said: 'of b' })
    assert.deepEqual((await operator.store.getItem(['@team-a', 'memories'], 'last'))?.value, { said: 'of a again' })
    const all = await operator.store.listNamespaces({ suffix: ['memories'] })
    assert.deepEqual(all.namespaces, [
      ['@team-a', 'memories'],
      ['@team-b', 'memories'],
    ])
  })

  test('store: a way out of one’s own there is not', async () => {
    await a.store.putItem(['secret'], 'k', { n: 1 })
    assert.equal(await b.store.getItem(['@team-a', 'secret'], 'k'), null)
    assert.deepEqual((await b.store.searchItems(['@team-a'])).items, [])
    const listed = async (options: object) => (await b.store.listNamespaces(options)).namespaces
    await b.store.putItem(['deep', 'er', 'est'], 'k', { n: 1 })
    assert.deepEqual(await listed({ prefix: ['@team-a'] }), [])
    assert.deepEqual(await listed({ prefix: ['deep'], maxDepth: 2 }), [['deep', 'er']])
    assert.deepEqual(await listed({ suffix: ['*', 'deep', 'er', 'est'] }), [])
    assert.deepEqual(await listed({ prefix: ['*', 'er'], suffix: ['est'] }), [['deep', 'er', 'est']])
    await assert.rejects(b.store.putItem(['langgraph'], 'k', {}), status(422))
  })

  test('assistants that stand for graphs are everybody’s to see and run, and the operator’s to change', async () => {
    const [system] = await a.assistants.search({ graphId: 'steps' })
    assert.deepEqual(system?.metadata, { created_by: 'system' })
    const { assistant_id } = system as { assistant_id: string }
    assert.equal((await b.assistants.get('steps')).assistant_id, assistant_id)
    await assert.rejects(a.assistants.update(assistant_id, { name: 'mine' }), status(404))
    await assert.rejects(a.assistants.setLatest(assistant_id, 1), status(404))
    await assert.rejects(a.assistants.delete(assistant_id), status(409))
    assert.equal((await operator.assistants.update(assistant_id, { description: 'x' })).description, 'x')
    const made = await operator.assistants.create({ graphId: 'steps' })
    await assert.rejects(a.assistants.get(made.assistant_id), status(404))
    await assert.rejects(a.runs.wait(null, made.assistant_id, { input: {} }), status(404))
  })

  test('an Idempotency-Key is the owner’s, whichever of their keys sends it', async () => {
    const headers = { 'idempotency-key': `key-${newId()}` }
    const body = { assistant_id: 'steps', input: { count: 1 } }
    const made = async (user: string) => (await server.call(user, 'POST', '/runs', body, headers)).json.run_id
    const [mine, again, other] = [await made('a-1'), await made('a-2'), await made('b')]
    assert.equal(again, mine)
    assert.notEqual(other, mine)
  })

  test('feedback is the owner’s, whichever of their keys gives it', async () => {
    const { thread_id } = await a.threads.create()
    const { run_id } = await a.runs.create(thread_id, 'steps', { input: { count: 1 } })
    await a.runs.join(thread_id, run_id)
    const path = `/api/threads/${thread_id}/runs/${run_id}/feedback`
    assert.equal((await server.call('a-1', 'PUT', path, { rating: 1 })).status, 200)
    assert.equal((await server.call('a-2', 'PUT', path, { rating: -1 })).status, 200)
    const { json } = await server.call('op', 'GET', path)
    assert.deepEqual(
      json.map((one: { rating: number; user_id: string }) => [one.user_id, one.rating]),
      [['team-a', -1]],
    )
  })

  test('a cron’s runs and their threads are its owner’s', async () => {
    const mark = newId()
    const cron = await a.crons.create('remember', {
      schedule: '* * * * * *',
      metadata: { mark },
      input: { said: mark },
      onRunCompleted: 'keep',
    })
    await eventually(async () => {
      const [thread] = await second.threads.search({ metadata: { mark }, status: 'idle' })
      const { found } = (thread?.values ?? {}) as { found?: { items: unknown[] } }
      assert.deepEqual(found?.items[0], [['memories'], mark])
    })
    await second.crons.delete((cron as unknown as { cron_id: string }).cron_id)
    assert.deepEqual(await b.threads.search({ metadata: { mark } }), [])
  })

  test('a relative webhook reaches its owner’s threads alone', async () => {
    const { thread_id } = await a.threads.create()
    for (const [target, expected] of [
      [await second.threads.create(), 'delivered'],
      [await b.threads.create(), 'pending'],
    ] as const) {
      const webhook = `/threads/${target.thread_id}/history`
      const { run_id } = await a.runs.create(thread_id, 'steps', { input: { count: 1 }, webhook })
      await a.runs.join(thread_id, run_id)
      await eventually(async () => {
        const { json } = await server.call('a-1', 'GET', `/threads/${thread_id}/runs/${run_id}/webhooks`)
        assert.equal(json[0].status, expected)
        if (expected === 'pending') assert.equal(json[0].response_status, 404)
      })
    }
  })

  test('a workflow’s child runs are its owner’s; plans and sessions are shared by the owner’s keys', async () => {
    const { assistant_id } = await a.assistants.create({ graphId: 'steps' })
    const spec = (agent: string) => ({
      kind: 'workflow.v1',
      nodes: [{ id: 'ask', type: 'agent.run', input: { agent, input: [HELLO] } }],
      outputs: [{ name: 'answer', from: 'ask' }],
    })
    const path = '/api/v1/workflows/compile'
    const { plan_hash } = (await server.call('a-1', 'POST', path, spec(assistant_id))).json
    assert.equal((await server.call('b', 'POST', '/api/v1/runs', { plan_hash })).status, 404)
    for (const user of ['a-2', 'op']) {
      const { json } = await server.call(user, 'POST', '/api/v1/runs', { plan_hash })
      const found = async () => (await server.call(user, 'GET', `/api/v1/runs/${json.run_id}`)).json
      await eventually(async () => assert.equal((await found()).status, 'succeeded'))
      assert.equal((await server.call('b', 'GET', `/api/v1/runs/${json.run_id}`)).status, 404)
      assert.equal((await server.call('a-1', 'GET', `/api/v1/runs/${json.run_id}`)).status, user === 'op' ? 404 : 200)
    }
    const { id } = (await server.call('a-1', 'POST', '/api/v1/sessions', {})).json
    const read = async (user: string) => (await server.call(user, 'GET', `/api/v1/sessions/${id}`)).status
    assert.deepEqual([await read('a-2'), await read('op'), await read('b')], [200, 200, 404])
  })

  test('an operator finds what every owner has, and a copy stays its owner’s', async () => {
    const mark = newId()
    const { thread_id } = await a.threads.create({ metadata: { mark } })
    await b.threads.create({ metadata: { mark } })
    assert.equal((await operator.threads.search({ metadata: { mark } })).length, 2)
    await operator.runs.wait(thread_id, 'steps', { input: { count: 1 } })
    assert.equal((await second.runs.list(thread_id)).length, 1)
    const copy = (await operator.threads.copy(thread_id)) as unknown as { thread_id: string }
    assert.equal((await a.threads.get(copy.thread_id)).metadata?.mark, mark)
    await assert.rejects(b.threads.get(copy.thread_id), status(404))
  })
})
