// Threads, their state and history, assistants and the system routes, through the official SDK; and how errors look.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forEachServer } from '../support/server.ts'
import { collect, say, status, textOf } from './harness.ts'

forEachServer('threads and assistants', server => {
  test('threads are created, read, patched and deleted', async () => {
    const { client, other } = server()
    const thread_id = crypto.randomUUID()
    const thread = await client.threads.create({ threadId: thread_id, metadata: { a: 1 } })
    assert.equal(thread.thread_id, thread_id)
    assert.deepEqual([thread.status, thread.values], ['idle', null])
    await assert.rejects(client.threads.create({ threadId: thread_id }), status(409))
    assert.deepEqual((await other.threads.create({ threadId: thread_id, ifExists: 'do_nothing' })).metadata, { a: 1 })
    await other.threads.update(thread_id, { metadata: { b: 2 } })
    assert.deepEqual((await client.threads.get(thread_id)).metadata, { a: 1, b: 2 })
    const found = await client.threads.search({ metadata: { b: 2 } })
    assert.ok(found.some(candidate => candidate.thread_id === thread_id))
    await client.threads.delete(thread_id)
    await assert.rejects(other.threads.get(thread_id), status(404))
  })

  test('a thread without runs has an empty state', async () => {
    const { client } = server()
    const { thread_id } = await client.threads.create()
    const state = await client.threads.getState(thread_id)
    assert.deepEqual([state.values, state.next, state.tasks, state.checkpoint], [{}, [], [], null])
    assert.deepEqual(await client.threads.getHistory(thread_id), [])
  })

  test('state is read, at any checkpoint, and messages are flat', async () => {
    const { client, other } = server()
    const { thread_id } = await client.threads.create()
    await client.runs.wait(thread_id, 'echo', { input: say('hello') })
    const state = await other.threads.getState(thread_id)
    const { messages } = state.values as { messages: { type: string; content: string }[] }
    assert.deepEqual(
      messages.map(({ type, content }) => [type, content]),
      [
        ['human', 'hello'],
        ['ai', 'hello'],
      ],
    )
    assert.ok(!JSON.stringify(state).includes('"lc":'))
    const history = await other.threads.getHistory(thread_id)
    assert.deepEqual(history[0]?.checkpoint, state.checkpoint)
    assert.deepEqual(
      history.map(({ metadata }) => metadata?.step),
      [1, 0, -1],
    )
    for (const { checkpoint, values } of history) {
      assert.deepEqual((await client.threads.getState(thread_id, checkpoint)).values, values)
    }
    const [newest] = history
    const before = { configurable: { checkpoint_id: newest?.checkpoint.checkpoint_id } }
    assert.deepEqual(await client.threads.getHistory(thread_id, { before, limit: 1 }), history.slice(1, 2))
  })

  test('the thread shows the values of its latest state', async () => {
    const { client } = server()
    const { thread_id } = await client.threads.create()
    await client.runs.wait(thread_id, 'echo', { input: say('shown') })
    const thread = await client.threads.get(thread_id)
    assert.deepEqual(thread.values, (await client.threads.getState(thread_id)).values)
    assert.equal((thread.metadata as { graph_id: string }).graph_id, 'echo')
  })

  test('state is updated from outside, forks from the past, and is refused while a run is in flight', async () => {
    const { client, other } = server()
    const { thread_id } = await client.threads.create()
    await client.runs.wait(thread_id, 'echo', { input: say('hello') })
    const past = await client.threads.getState(thread_id)
    const values = { messages: [{ role: 'user', content: 'added', id: 'added' }] }
    const { checkpoint } = (await client.threads.updateState(thread_id, { values, asNode: 'model' })) as {
      checkpoint: { checkpoint_id: string }
    }
    const now = await other.threads.getState(thread_id)
    assert.equal(now.checkpoint.checkpoint_id, checkpoint.checkpoint_id)
    assert.equal(textOf(now.values), 'added')
    assert.equal(textOf((await client.threads.get(thread_id)).values), 'added')
    await client.threads.updateState(thread_id, {
      values: { messages: [say('fork').messages[0]] },
      checkpoint: past.checkpoint,
      asNode: 'model',
    })
    const forked = (await client.threads.getState(thread_id)).values as { messages: { content: string }[] }
    assert.deepEqual(
      forked.messages.map(message => message.content),
      ['hello', 'hello', 'fork'],
    )
    await client.runs.create(thread_id, 'echo', { input: say('later'), afterSeconds: 60 })
    await assert.rejects(client.threads.updateState(thread_id, { values }), status(409))
  })

  test('a copy has the whole state and goes its own way', async () => {
    const { client } = server()
    const { thread_id } = await client.threads.create({ metadata: { name: 'original' } })
    await client.runs.wait(thread_id, 'echo', { input: say('hello') })
    const copy = await client.threads.copy(thread_id)
    const original = await client.threads.getHistory(thread_id)
    const copied = await client.threads.getHistory(copy.thread_id)
    assert.deepEqual(
      copied.map(state => state.values),
      original.map(state => state.values),
    )
    await client.runs.wait(copy.thread_id, 'echo', { input: say('more') })
    assert.equal(((await client.threads.get(thread_id)).values as { messages: [] }).messages.length, 2)
    assert.equal(((await client.threads.get(copy.thread_id)).values as { messages: [] }).messages.length, 4)
  })

  test('each graph has its system assistant, by id and by graph id, with graph and schemas', async () => {
    const { client } = server()
    const assistants = await client.assistants.search({ limit: 100 })
    const echo = assistants.find(assistant => assistant.graph_id === 'echo')
    assert.deepEqual(await client.assistants.get('echo'), await client.assistants.get(echo?.assistant_id as string))
    const { nodes } = await client.assistants.getGraph('echo')
    assert.ok(nodes.some(node => node.id === 'model'))
    assert.equal((await client.assistants.getSchemas('echo')).graph_id, 'echo')
  })

  test('what is unknown is 404, what is malformed is 422 and names the field', async () => {
    const { client, url, fetch } = server()
    const unknown = crypto.randomUUID()
    await assert.rejects(client.threads.get(unknown), status(404))
    await assert.rejects(client.threads.getState(unknown), status(404))
    await assert.rejects(client.runs.get(unknown, unknown), status(404))
    await assert.rejects(client.runs.list(unknown), status(404))
    await assert.rejects(client.runs.create(unknown, 'echo', { input: {} }), status(404))
    await assert.rejects(client.runs.cancel(unknown, unknown), status(404))
    await assert.rejects(collect(client.runs.joinStream(unknown, unknown)), status(404))
    await assert.rejects(client.assistants.get(unknown), status(404, /No assistant found for/))
    const { thread_id } = await client.threads.create()
    await assert.rejects(client.runs.create(thread_id, 'nobody', { input: {} }), status(404, /No assistant found for/))
    const post = async (path: string, body: unknown) => {
      const response = await fetch(`${url}${path}`, { method: 'POST', body: JSON.stringify(body) })
      return [response.status, ((await response.json()) as { detail: string }).detail] as const
    }
    const wrong = await post(`/threads/${thread_id}/runs`, { assistant_id: 'echo', stream_mode: ['everything'] })
    assert.equal(wrong[0], 422)
    assert.match(wrong[1], /^stream_mode/)
    assert.match((await post('/threads', { thread_id: 'not-a-uuid' }))[1], /^thread_id: must be a UUID/)
    assert.match((await post('/runs/wait', { input: {} }))[1], /^assistant_id/)
  })

  test('a run may create its thread when told to', async () => {
    const { client } = server()
    const thread_id = crypto.randomUUID()
    await client.runs.wait(thread_id, 'echo', { input: say('hi'), ifNotExists: 'create' })
    assert.equal((await client.threads.get(thread_id)).status, 'idle')
  })

  test('a graph that failed to load says why when it is run; the others are served', async () => {
    const { client } = server()
    const { thread_id } = await client.threads.create()
    await assert.rejects(client.runs.wait(thread_id, 'broken', { input: {} }), /broken/)
  })

  test('null is taken for absent, unknown fields are ignored', async () => {
    const { url, fetch } = server()
    const body = {
      assistant_id: 'steps',
      input: { count: 1 },
      command: null,
      config: null,
      context: null,
      metadata: null,
    }
    const more = { stream_mode: null, multitask_strategy: null, after_seconds: null, checkpoint: null, foo: 'bar' }
    const response = await fetch(`${url}/runs/wait`, { method: 'POST', body: JSON.stringify({ ...body, ...more }) })
    assert.equal(response.headers.get('content-type'), 'application/json')
    assert.deepEqual(((await response.json()) as { log: string[] }).log, ['step 0'])
  })

  test('liveness and info', async () => {
    const { url, fetch } = server()
    assert.deepEqual(await (await fetch(`${url}/ok?check_db=1`)).json(), { ok: true })
    const info = (await (await fetch(`${url}/info`)).json()) as { version: string; flags: { assistants: boolean } }
    assert.ok(info.version && info.flags.assistants)
  })

  test('streams carry the headers and heartbeats that clients rely on', async () => {
    const { client, url, fetch } = server()
    const { thread_id } = await client.threads.create()
    const body = JSON.stringify({ assistant_id: 'steps', input: { count: 1, delay_ms: 1000 }, stream_mode: ['custom'] })
    const response = await fetch(`${url}/threads/${thread_id}/runs/stream`, { method: 'POST', body })
    const [run] = await client.runs.list(thread_id)
    assert.equal(response.headers.get('content-location'), `/threads/${thread_id}/runs/${run?.run_id}`)
    assert.equal(response.headers.get('location'), `/threads/${thread_id}/runs/${run?.run_id}/stream`)
    assert.match(response.headers.get('cache-control') as string, /no-transform/)
    assert.ok((await response.text()).split(': heartbeat\n\n').length > 2)
  })
})
