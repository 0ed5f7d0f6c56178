// Threads, states and assistants of the gateway dialect (contracts: gateway §2), and its threads at the root.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clientOf, forEachServer } from '../support/server.ts'
import { ask, busyThread, call, frames, refused, SHORT, threadName } from './gateway-harness.ts'
import { collect, say } from './harness.ts'

forEachServer('gateway threads', server => {
  test('creating a thread twice gives the one that is there', async () => {
    const thread_id = threadName()
    const made = await ask(server(), '/threads', { thread_id, metadata: { a: 1 } })
    assert.deepEqual([made.thread_id, made.status, made.metadata], [thread_id, 'idle', { a: 1 }])
    const again = await ask(server(), '/threads', { thread_id, metadata: { b: 2 } })
    assert.deepEqual(again.metadata, { a: 1 })
    assert.match((await ask(server(), '/threads', {})).thread_id, /^[0-9a-f-]{36}$/)
    const patched = await ask(server(), `/threads/${thread_id}`, undefined, {
      method: 'PATCH',
      body: '{"metadata":{"b":2}}',
    })
    assert.deepEqual(patched.metadata, { a: 1, b: 2 })
  })

  test('an id that is none is 422, in a body and in a path; runs is no thread', async () => {
    for (const thread_id of ['runs', 'a.b', 'ü', 'x'.repeat(65)]) {
      const { detail } = await refused(server(), 422, '/threads', { thread_id })
      assert.deepEqual(detail[0].loc, ['body', 'thread_id'])
      const path = `/threads/${encodeURIComponent(thread_id)}`
      for (const suffix of ['', '/runs', '/state']) {
        assert.deepEqual((await refused(server(), 422, `${path}${suffix}`)).detail[0].loc, ['path', 'thread_id'])
      }
      await refused(server(), 422, `${path}/runs/stream`, SHORT)
    }
    for (const thread_id of ['search', 'runsx', '-', '_', 'X'.repeat(64)]) {
      await ask(server(), `/threads/${thread_id}/runs/wait`, SHORT)
      assert.equal((await ask(server(), `/threads/${thread_id}`)).thread_id, thread_id)
    }
  })

  test('search finds by metadata and status, sorted, in pages, selected', async () => {
    const mark = crypto.randomUUID()
    const ids = [threadName(), threadName(), threadName()].sort()
    for (const thread_id of ids)
      await ask(server(), '/threads', { thread_id, metadata: { mark, first: thread_id === ids[0] } })
    await ask(server(), `/threads/${ids[1]}/runs/wait`, { assistant_id: 'fail', input: {} })
    const search = (more: object) => ask(server(), '/threads/search', { metadata: { mark }, ...more })
    const shown = await search({ sort_by: 'thread_id', sort_order: 'asc', select: ['thread_id'], limit: 50 })
    assert.deepEqual(
      shown,
      ids.map(thread_id => ({ thread_id })),
    )
    const page = await search({ sort_by: 'thread_id', sort_order: 'desc', limit: 1, offset: 1 })
    assert.deepEqual(
      page.map((thread: { thread_id: string }) => thread.thread_id),
      [ids[1]],
    )
    assert.equal((await search({ status: 'error' })).length, 1)
    assert.equal((await ask(server(), '/threads/search', { metadata: { mark, first: true } })).length, 1)
    await refused(server(), 422, '/threads/search', { limit: 1001 })
  })

  test('a thread with a run in flight is neither deleted nor updated; the answer names the run', async () => {
    const { thread_id, run_id, path } = await busyThread(server())
    const kept = await refused(server(), 409, `/threads/${thread_id}`, undefined, { method: 'DELETE' })
    assert.deepEqual([kept.run_id, kept.status], [run_id, 'running'])
    const held = await refused(server(), 409, `/threads/${thread_id}/state`, { values: { log: ['x'] } })
    assert.equal(held.run_id, run_id)
    await ask(server(), `${path}/cancel?wait=1`, {})
    assert.equal((await ask(server(), `/threads/${thread_id}`, undefined, { method: 'DELETE' })).success, true)
    await refused(server(), 404, `/threads/${thread_id}`)
    await refused(server(), 404, path)
  })

  test('a state names its checkpoint and the one before; an update answers with the new state', async () => {
    const thread_id = threadName()
    await ask(server(), '/threads', { thread_id })
    const empty = await ask(server(), `/threads/${thread_id}/state`)
    assert.deepEqual([empty.next, empty.checkpoint_id, empty.parent_checkpoint_id], [[], null, null])
    await ask(server(), `/threads/${thread_id}/runs/wait`, { assistant_id: 'steps', input: { count: 1 } })
    const state = await ask(server(), `/threads/${thread_id}/state`)
    assert.equal(state.checkpoint_id, state.checkpoint.checkpoint_id)
    assert.equal(state.parent_checkpoint_id, state.parent_checkpoint.checkpoint_id)
    for (const field of ['values', 'next', 'tasks', 'metadata', 'created_at']) assert.ok(field in state, field)
    const updated = await ask(server(), `/threads/${thread_id}/state`, { values: { log: ['told'] }, as_node: 'step' })
    assert.deepEqual(updated.values.log, ['step 0', 'told'])
    assert.equal(updated.parent_checkpoint_id, state.checkpoint_id)
    assert.equal(updated.configurable.checkpoint_id, updated.checkpoint_id)
    assert.deepEqual((await ask(server(), `/threads/${thread_id}/state`)).values, updated.values)
    const past = await ask(server(), `/threads/${thread_id}/state/${state.checkpoint_id}`)
    assert.deepEqual(past.values, state.values)
    const { detail } = await refused(server(), 422, `/threads/${thread_id}/state`, { values: {}, nonsense: 1 })
    assert.match(detail[0].msg, /nonsense/)
  })

  test('a history is newest first, and has the messages once', async () => {
    const thread_id = threadName()
    for (const text of ['one', 'two']) {
      await ask(server(), `/threads/${thread_id}/runs/wait`, { assistant_id: 'echo', input: say(text) })
    }
    const history = await ask(server(), `/threads/${thread_id}/history`, { limit: 100 })
    assert.equal(history[0].values.messages.length, 4)
    assert.ok(history.length > 3)
    for (const state of history.slice(1)) assert.ok(!('messages' in (state.values ?? {})))
    assert.equal(history[0].parent_checkpoint_id, history[1].checkpoint_id)
    const before = await ask(server(), `/threads/${thread_id}/history`, { limit: 1, before: history[0].checkpoint_id })
    assert.deepEqual(
      before.map((state: { checkpoint_id: string }) => state.checkpoint_id),
      [history[1].checkpoint_id],
    )
    for (const limit of [0, 101]) await refused(server(), 422, `/threads/${thread_id}/history`, { limit })
  })

  test('assistants are found, drawn and described, the usual one by its name', async () => {
    const assistant = await ask(server(), '/assistants/lead_agent')
    assert.equal(assistant.graph_id, 'lead_agent')
    const found = await ask(server(), '/assistants/search', { graph_id: 'steps' })
    assert.equal(found[0].graph_id, 'steps')
    const { nodes } = await ask(server(), '/assistants/steps/graph')
    assert.ok(nodes.some(({ id }: { id: string }) => id === 'step'))
    const { state_schema } = await ask(server(), '/assistants/lead_agent/schemas')
    assert.ok(state_schema.properties.messages)
    await refused(server(), 404, '/assistants/nobody')
  })

  test('the root face reads, runs and deletes what was made here under an id of its own kind', async () => {
    const thread_id = threadName()
    const { client, other } = server()
    await ask(server(), `/threads/${thread_id}/runs/wait`, { assistant_id: 'steps', input: { count: 2 } })
    assert.equal((await other.threads.get(thread_id)).thread_id, thread_id)
    assert.deepEqual(((await client.threads.getState(thread_id)).values as { log: string[] }).log.length, 2)
    const seen = await collect(other.runs.stream(thread_id, 'steps', { input: { count: 1 }, streamMode: 'updates' }))
    assert.equal(seen[0]?.event, 'metadata')
    const [latest] = await client.runs.list(thread_id)
    assert.equal((await client.threads.getHistory(thread_id)).length > 2, true)
    await client.threads.updateState(thread_id, { values: { log: ['x'] }, asNode: 'step' })
    const copy = await client.threads.copy(thread_id)
    assert.match((copy as unknown as { thread_id: string }).thread_id, /^[0-9a-f-]{36}$/)
    const joined = await frames(server(), `/threads/${thread_id}/runs/${latest?.run_id}/stream`)
    assert.deepEqual([joined[0]?.event, joined.at(-1)?.event], ['metadata', 'end'])
    await client.runs.cancelMany({ threadId: thread_id, runIds: [latest?.run_id as string] })
    await client.threads.delete(thread_id)
    await refused(server(), 404, `/threads/${thread_id}`)
  })

  test('liveness, the page’s user, and both spellings of the base', async () => {
    const { url, fetch } = server()
    const health = await fetch(`${url}/health`)
    assert.deepEqual([health.status, ((await health.json()) as { status: string }).status], [200, 'healthy'])
    for (const base of ['', '/langgraph']) {
      const user = await ask(server(), `${base}/v1/auth/me`)
      assert.deepEqual([user.id, user.system_role, user.needs_setup], ['local', 'admin', false])
      const thread_id = threadName()
      await ask(server(), `${base}/threads`, { thread_id })
      assert.equal((await ask(server(), `/threads/${thread_id}`)).thread_id, thread_id)
      assert.equal((await call(server(), `${base}/nothing`)).status, 404)
    }
    const client = clientOf(`${url}/api/langgraph`, fetch)
    assert.equal((await client.threads.create()).status, 'idle')
  })
})
