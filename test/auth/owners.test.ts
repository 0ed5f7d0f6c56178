// Two users of one server, where everybody owns what they make (contracts: langgraph §13): each noun, and the mistakes of
// others that the contract lists.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Client } from '@langchain/langgraph-sdk'
import { newId } from '../../src/core/ids.ts'
import { patchThread } from '../../src/core/threads.ts'
import { eventually, status } from '../api/harness.ts'
import { EDITOR } from '../fixtures/auth/auth.ts'
import { forEachDatabase } from '../support/databases.ts'
import { type AuthServer, startAuthServer } from './harness.ts'

const NEVER = '0 0 1 1 *'

forEachDatabase('owners', open => {
  let server: AuthServer
  let alice: Client
  let bob: Client
  before(async () => {
    server = await startAuthServer(await open(), 'langgraph.json')
    alice = server.as('alice')
    bob = server.as('bob')
  })
  after(() => server.close())

  const ids = (rows: { thread_id?: string; assistant_id?: string }[]) => rows.map(row => row.thread_id).sort()
  const settled = (thread_id: string) =>
    eventually(async () => assert.equal((await alice.threads.get(thread_id)).status, 'idle'))

  test('threads: pages and totals are of one’s own; who asks for another’s gets none', async () => {
    const mark = newId()
    const mine: string[] = []
    for (let n = 0; n < 3; n++) {
      mine.push((await alice.threads.create({ metadata: { mark } })).thread_id)
      await bob.threads.create({ metadata: { mark } })
    }
    const page = await server.call('alice', 'POST', '/threads/search', { metadata: { mark }, limit: 2 })
    assert.equal(page.headers.get('x-pagination-total'), '3')
    assert.equal(page.headers.get('x-pagination-next'), '2')
    const rest = await server.call('alice', 'POST', '/threads/search', { metadata: { mark }, limit: 2, offset: 2 })
    assert.deepEqual(ids([...page.json, ...rest.json]), mine.sort())
    const forged = { metadata: { mark, owner: 'bob' } }
    assert.deepEqual((await server.call('alice', 'POST', '/threads/search', forged)).json, [])
    assert.equal((await server.call('bob', 'POST', '/threads/count', { metadata: { mark } })).json, 3)
  })

  test('threads: the owner is who asks, whatever the body says', async () => {
    const made = await alice.threads.create({ metadata: { owner: 'bob', note: 1 } })
    assert.deepEqual(made.metadata, { owner: 'alice', note: 1 })
    const patched = await alice.threads.update(made.thread_id, { metadata: { owner: 'bob', note: 2 } })
    assert.deepEqual(patched.metadata, { owner: 'alice', note: 2 })
  })

  test('threads: an id that is somebody’s is taken, also for who would be content with it', async () => {
    const { thread_id } = await alice.threads.create()
    const supersteps = [{ updates: [{ values: { log: ['x'] }, as_node: 'step' }] }]
    for (const body of [{}, { if_exists: 'do_nothing' }, { if_exists: 'do_nothing', supersteps, graphId: 'steps' }]) {
      const { status, json } = await server.call('bob', 'POST', '/threads', {
        thread_id,
        ...body,
        metadata: { graph_id: 'steps' },
      })
      assert.equal(status, 409)
      assert.doesNotMatch(JSON.stringify(json), /alice|do_nothing/)
    }
    assert.equal((await alice.threads.create({ threadId: thread_id, ifExists: 'do_nothing' })).thread_id, thread_id)
  })

  test('threads: a copy needs the source, and is its maker’s', async () => {
    const { thread_id } = await alice.threads.create({ metadata: { note: 1 } })
    await assert.rejects(bob.threads.copy(thread_id), status(404))
    const copy = (await alice.threads.copy(thread_id)) as unknown as { thread_id: string; metadata: object }
    assert.deepEqual(copy.metadata, { note: 1, owner: 'alice', thread_id: copy.thread_id })
    await assert.rejects(bob.threads.get(copy.thread_id), status(404))
  })

  test('runs: if_not_exists neither opens a foreign thread nor makes one without an owner', async () => {
    const { thread_id } = await alice.threads.create()
    const create = { ifNotExists: 'create', input: { count: 1 } } as const
    await assert.rejects(bob.runs.create(thread_id, 'steps', create), status(404))
    await assert.rejects(bob.runs.wait(thread_id, 'steps', create), status(404))
    assert.deepEqual(await alice.runs.list(thread_id), [])
    const fresh = newId()
    await bob.runs.wait(fresh, 'steps', create)
    assert.equal((await bob.threads.get(fresh)).metadata?.owner, 'bob')
    await assert.rejects(alice.threads.get(fresh), status(404))
    await bob.runs.wait(fresh, 'steps', create)
    assert.equal((await bob.runs.list(fresh)).length, 2)
  })

  test('runs: nobody runs another’s assistant; those that stand for graphs are everybody’s', async () => {
    const { assistant_id } = await alice.assistants.create({ graphId: 'steps', name: 'mine' })
    const { thread_id } = await bob.threads.create()
    const input = { count: 1 }
    await assert.rejects(bob.runs.create(thread_id, assistant_id, { input }), status(404, /No assistant found for/))
    await assert.rejects(bob.runs.wait(null, assistant_id, { input }), status(404, /No assistant found for/))
    await assert.rejects(bob.runs.createBatch([{ assistantId: assistant_id, input }]), status(404))
    await assert.rejects(bob.crons.create(assistant_id, { schedule: NEVER }), status(404))
    await assert.rejects(bob.crons.createForThread(thread_id, assistant_id, { schedule: NEVER }), status(404))
    assert.deepEqual(await bob.runs.list(thread_id), [])
    assert.deepEqual(await bob.runs.wait(thread_id, 'steps', { input }), { log: ['step 0'], count: 1 })
    const forged = await bob.assistants.create({ graphId: 'steps', metadata: { created_by: 'system' } })
    await assert.rejects(alice.runs.wait(null, forged.assistant_id, { input }), status(404))
  })

  test('runs: a stateless one is its maker’s to join, alone', async () => {
    const { run_id } = (await alice.runs.create(null, 'steps', { input: { count: 3, delay_ms: 100 } })) as {
      run_id: string
    }
    const joined = await server.call('alice', 'GET', `/runs/${run_id}/stream`)
    assert.equal(joined.status, 200)
    assert.equal((await server.call('bob', 'GET', `/runs/${run_id}/stream`)).status, 404)
  })

  test('runs: cancelling by status stops one’s own only', async () => {
    const delayed = { after_seconds: 3_600, assistant_id: 'steps' }
    const runs = await Promise.all(
      ['alice', 'bob'].map(
        async user => (await server.call(user, 'POST', '/runs', { ...delayed, on_completion: 'keep' })).json,
      ),
    )
    assert.equal((await server.call('bob', 'POST', '/runs/cancel', { status: 'all' })).status, 204)
    assert.equal((await alice.runs.get(runs[0].thread_id, runs[0].run_id)).status, 'pending')
    assert.equal((await bob.runs.get(runs[1].thread_id, runs[1].run_id)).status, 'interrupted')
    await alice.runs.cancel(runs[0].thread_id, runs[0].run_id)
  })

  test('runs: an Idempotency-Key of another brings nothing of theirs', async () => {
    const headers = { 'idempotency-key': `key-${newId()}` }
    const body = { assistant_id: 'steps', input: { count: 1 } }
    const first = await server.call('alice', 'POST', '/runs', body, headers)
    const again = await server.call('alice', 'POST', '/runs', body, headers)
    const other = await server.call('bob', 'POST', '/runs', body, headers)
    assert.equal(again.json.run_id, first.json.run_id)
    assert.equal(other.status, 200)
    assert.notEqual(other.json.run_id, first.json.run_id)
  })

  test('a stream that is open ends when its thread becomes somebody else’s', async () => {
    const { thread_id } = await bob.threads.create()
    const headers = { authorization: 'Bearer bob' }
    const url = `http://runloom.test/threads/${thread_id}/stream`
    const response = await server.runtime.app.fetch(new Request(url, { headers }))
    assert.equal(response.status, 200)
    await server.runtime.db.run(patchThread, { thread_id, metadata: '{"owner":"alice"}' })
    await alice.runs.wait(thread_id, 'steps', { input: { count: 1 } })
    assert.doesNotMatch(await response.text(), /step|run_id/)
  })

  test('threads: what is open when a thread is given away ends', async () => {
    const { thread_id } = await alice.threads.create()
    const { run_id } = await alice.runs.create(thread_id, 'steps', { input: { count: 1 }, afterSeconds: 3_600 })
    const run = `/threads/${thread_id}/runs/${run_id}`
    const headers = { authorization: 'Bearer alice' }
    const open = [`${run}/stream`, `${run}/join`].map(path =>
      server.runtime.app.fetch(new Request(`http://runloom.test${path}`, { headers })),
    )
    const responses = await Promise.all(open)
    assert.deepEqual(
      responses.map(response => response.status),
      [200, 200],
    )
    await server.runtime.db.run(patchThread, { thread_id, metadata: '{"owner":"bob"}' })
    await Promise.all(responses.map(response => assert.rejects(response.text(), /may not any more/)))
    assert.equal((await bob.runs.get(thread_id, run_id)).status, 'pending')
  })

  test('threads: pruning to the latest leaves another’s history', async () => {
    const { thread_id } = await alice.threads.create()
    await alice.runs.wait(thread_id, 'steps', { input: { count: 2 } })
    const prune = { thread_ids: [thread_id], strategy: 'keep_latest' }
    assert.deepEqual((await server.call('bob', 'POST', '/threads/prune', prune)).json, { pruned_count: 0 })
    assert.ok((await alice.threads.getHistory(thread_id)).length > 1)
    assert.deepEqual((await server.call('alice', 'POST', '/threads/prune', prune)).json, { pruned_count: 1 })
  })

  test('assistants: searches, counts and versions are of one’s own, and so is what goes with a deletion', async () => {
    const made = await alice.assistants.create({
      graphId: 'steps',
      name: `name-${newId()}`,
      metadata: { owner: 'bob' },
    })
    assert.equal(made.metadata?.owner, 'alice')
    assert.equal((await alice.assistants.search({ metadata: { owner: 'alice' } })).length > 0, true)
    assert.equal((await bob.assistants.search({ name: made.name })).length, 0)
    const again = { assistantId: made.assistant_id, graphId: 'steps' }
    await assert.rejects(bob.assistants.create({ ...again, ifExists: 'do_nothing' }), status(409))
    const threads = await Promise.all(
      [alice, bob].map(user => user.threads.create({ metadata: { assistant_id: made.assistant_id } })),
    )
    await alice.assistants.delete(made.assistant_id, { deleteThreads: true })
    await assert.rejects(alice.threads.get(threads[0]?.thread_id as string), status(404))
    assert.ok(await bob.threads.get(threads[1]?.thread_id as string))
  })

  test('store: an item is who put it’s; its name is taken for others', async () => {
    const namespace = [`space-${newId()}`]
    await alice.store.putItem(namespace, 'k', { n: 1 })
    await assert.rejects(bob.store.putItem(namespace, 'k', { n: 2 }), status(404))
    await assert.rejects(bob.store.deleteItem(namespace, 'k'), status(404))
    await bob.store.deleteItem(namespace, 'nothing')
    assert.equal(await bob.store.getItem(namespace, 'k'), null)
    await bob.store.putItem(namespace, 'other', { n: 3 })
    const { items } = await bob.store.searchItems(namespace)
    assert.deepEqual(
      items.map(item => item.value),
      [{ owner: 'bob', n: 3 }],
    )
    assert.deepEqual((await alice.store.getItem(namespace, 'k'))?.value, { owner: 'alice', n: 1 })
  })

  test('store: what one may not see afterwards is not put', async () => {
    const namespace = [`space-${newId()}`]
    await assert.rejects(bob.store.putItem(namespace, 'k', { owner: 'alice' }), status(403))
    assert.equal(await alice.store.getItem(namespace, 'k'), null)
    await bob.store.putItem(namespace, 'k', { n: 1 })
    await assert.rejects(bob.store.putItem(namespace, 'k', { owner: 'alice' }), status(403))
    assert.deepEqual((await bob.store.getItem(namespace, 'k'))?.value, { owner: 'bob', n: 1 })
  })

  test('a run is told who made it, and not what a client says of that', async () => {
    const configurable = {
      langgraph_auth_user: { identity: 'root' },
      langgraph_auth_user_id: 'root',
      langgraph_auth_permissions: ['all'],
    }
    const scoped = server.as('scoped-x')
    const { assistant_id } = await scoped.assistants.create({ graphId: 'made', config: { configurable } })
    const { thread_id } = await scoped.threads.create()
    const values = await scoped.runs.wait(thread_id, assistant_id, { input: {}, config: { configurable } })
    const user = { identity: 'scoped-x', permissions: EDITOR, role: 'editor', display_name: 'scoped-x' }
    assert.deepEqual(values, {
      user: { ...user, is_authenticated: true },
      user_id: 'scoped-x',
      permissions: EDITOR,
      made_for: 'scoped-x',
    })
  })

  test('who made a run is shown to its graph alone: in no stream, state, run or thread', async () => {
    const scoped = server.as('scoped-y')
    const { thread_id } = await scoped.threads.create()
    const streamMode = ['updates', 'debug', 'events', 'tasks', 'checkpoints', 'messages-tuple', 'custom'] as const
    const seen: unknown[] = []
    for await (const part of scoped.runs.stream(thread_id, 'steps', {
      input: { count: 1 },
      streamMode: [...streamMode],
    })) {
      seen.push(part)
    }
    seen.push(await scoped.threads.get(thread_id), await scoped.threads.getState(thread_id))
    seen.push(await scoped.threads.getHistory(thread_id), await scoped.runs.list(thread_id))
    assert.equal((await server.call('scoped-y', 'GET', `/threads/${thread_id}/stream`)).status, 200)
    assert.ok(seen.length > 10)
    assert.doesNotMatch(JSON.stringify(seen), /langgraph_auth|editor/)
  })

  test('crons: searched and found by who made them; their runs are theirs', async () => {
    const mark = newId()
    const cron = await alice.crons.create('whoami', {
      schedule: '* * * * * *',
      metadata: { mark },
      input: {},
      onRunCompleted: 'keep',
    })
    const { cron_id, user_id, ...rest } = cron as unknown as Record<string, string>
    assert.equal(user_id, 'alice')
    assert.equal('auth_user' in rest, false)
    assert.equal((await server.call('bob', 'POST', '/runs/crons/count', { metadata: { mark } })).json, 0)
    assert.equal((await server.call('alice', 'POST', '/runs/crons/count', { metadata: { mark } })).json, 1)
    await eventually(async () => {
      const [thread] = await alice.threads.search({ metadata: { mark }, status: 'idle' })
      assert.equal((thread?.values as Record<string, unknown> | undefined)?.user_id, 'alice')
    })
    await alice.crons.delete(cron_id as string)
    assert.deepEqual(await bob.threads.search({ metadata: { mark } }), [])
  })

  test('crons: none on another’s thread', async () => {
    const { thread_id } = await alice.threads.create()
    await assert.rejects(bob.crons.createForThread(thread_id, 'steps', { schedule: NEVER }), status(404))
    assert.ok(await alice.crons.createForThread(thread_id, 'steps', { schedule: NEVER }))
  })

  test('a relative webhook is called as who made the run', async () => {
    const target = await alice.threads.create()
    const foreign = await bob.threads.create()
    const { thread_id } = await alice.threads.create()
    for (const [{ thread_id: to }, expected] of [
      [target, 'delivered'],
      [foreign, 'pending'],
    ] as const) {
      const webhook = `/threads/${to}/history`
      const { run_id } = await alice.runs.create(thread_id, 'steps', { input: { count: 1 }, webhook })
      await alice.runs.join(thread_id, run_id)
      await eventually(async () => {
        const { json } = await server.call('alice', 'GET', `/threads/${thread_id}/runs/${run_id}/webhooks`)
        assert.equal(json[0].status, expected)
        if (expected === 'pending') assert.equal(json[0].response_status, 404)
      })
    }
    await settled(thread_id)
  })
})
