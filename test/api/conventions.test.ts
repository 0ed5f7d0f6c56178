// What all routes have in common, through the official SDK: how errors look, what is ignored, headers; and the system routes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forEachServer } from '../support/server.ts'
import { collect, say, status } from './harness.ts'

forEachServer('conventions', server => {
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
    const never = await post(`/threads/${thread_id}/runs`, { assistant_id: 'echo', after_seconds: 1e300 })
    assert.equal(never[0], 422)
    assert.match(never[1], /^after_seconds/)
    const nested = JSON.parse('['.repeat(3000) + ']'.repeat(3000))
    for (const path of ['/threads', '/threads/search', '/runs/wait']) {
      const deep = await post(path, { assistant_id: 'echo', metadata: { nested }, input: { nested } })
      assert.deepEqual(deep, [422, 'body: nested deeper than 1000 levels'])
    }
    assert.match((await post('/threads', { ttl: { ttl: 5, strategy: 'sell' } }))[1], /^ttl: must be minutes/)
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
    assert.ok((await response.text()).split(': heartbeat\n').length > 2)
    const joined = await fetch(`${url}/threads/${thread_id}/runs/${run?.run_id}/stream?stream_mode=values,updates`)
    const again = await fetch(`${url}${joined.headers.get('location')}`)
    assert.equal(await again.text(), await joined.text())
  })

  test('heartbeats are no events to the SDK', async () => {
    const { client } = server()
    const { thread_id } = await client.threads.create()
    const input = { count: 2, delay_ms: 700 }
    const events = await collect(client.runs.stream(thread_id, 'steps', { input, streamMode: 'custom' }))
    assert.deepEqual(
      events.map(({ event }) => event),
      ['metadata', 'custom', 'custom'],
    )
  })
})
