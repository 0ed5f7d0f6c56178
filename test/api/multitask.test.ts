// A second run on a busy thread, by strategy; idempotent creation; stateless runs.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forEachServer, type TestServer } from '../support/server.ts'
import { collect, eventually, follow, say, status } from './harness.ts'

const LONG = { input: { count: 100, delay_ms: 50 } }
const SHORT = { input: { count: 1, delay_ms: 0 } }

forEachServer('multitask', server => {
  async function busyThread({ client }: TestServer) {
    const { thread_id } = await client.threads.create()
    const holder = await client.runs.create(thread_id, 'steps', LONG)
    await eventually(async () => assert.equal((await client.runs.get(thread_id, holder.run_id)).status, 'running'))
    return { thread_id, holder }
  }

  test('reject is 409 and names the run that holds the thread', async () => {
    const { client, other } = server()
    const { thread_id, holder } = await busyThread(server())
    const refused = other.runs.create(thread_id, 'steps', { ...SHORT, multitaskStrategy: 'reject' })
    await assert.rejects(refused, status(409, new RegExp(holder.run_id)))
    await client.runs.cancel(thread_id, holder.run_id, true)
  })

  test('of twenty parallel creates with reject exactly one is accepted', async () => {
    const { client, other } = server()
    const { thread_id } = await client.threads.create()
    const creates = Array.from({ length: 20 }, (_, index) =>
      (index % 2 ? client : other).runs.create(thread_id, 'steps', { ...LONG, multitaskStrategy: 'reject' }),
    )
    const results = await Promise.allSettled(creates)
    assert.equal(results.filter(result => result.status === 'fulfilled').length, 1)
    const [run] = await client.runs.list(thread_id)
    await client.runs.cancel(thread_id, run?.run_id as string, true)
  })

  test('enqueue is the default: in order, one at a time', async () => {
    const { client, other } = server()
    const { thread_id } = await client.threads.create()
    const runs = []
    for (const index of [0, 1, 2, 3]) {
      const payload = { input: say(`30ms number ${index}`) }
      runs.push(await (index % 2 ? other : client).runs.create(thread_id, 'echo', payload))
    }
    for (const run of runs) await client.runs.join(thread_id, run.run_id)
    const { messages } = (await client.threads.getState(thread_id)).values as { messages: { content: string }[] }
    const answers = messages.filter((_, index) => index % 2).map(message => message.content)
    assert.deepEqual(
      answers,
      [0, 1, 2, 3].map(index => `30ms number ${index}`),
    )
  })

  test('interrupt stops what runs, keeps its steps, and goes on from them', async () => {
    const { client, other } = server()
    const { thread_id, holder } = await busyThread(server())
    const queued = await client.runs.create(thread_id, 'steps', SHORT)
    await eventually(async () =>
      assert.ok(((await client.threads.getState(thread_id)).values as { log?: [] }).log?.length),
    )
    const values = await other.runs.wait(thread_id, 'steps', { ...SHORT, multitaskStrategy: 'interrupt' })
    assert.ok((values as { log: string[] }).log.length > 1)
    assert.equal((await client.runs.get(thread_id, holder.run_id)).status, 'interrupted')
    assert.equal((await client.runs.get(thread_id, queued.run_id)).status, 'interrupted')
  })

  test('rollback erases what runs and starts from before it', async () => {
    const { client, other } = server()
    const { thread_id, holder } = await busyThread(server())
    await eventually(async () =>
      assert.ok(((await client.threads.getState(thread_id)).values as { log?: [] }).log?.length),
    )
    const values = await other.runs.wait(thread_id, 'steps', { ...SHORT, multitaskStrategy: 'rollback' })
    assert.deepEqual((values as { log: string[] }).log, ['step 0'])
    await assert.rejects(client.runs.get(thread_id, holder.run_id), status(404))
    assert.equal((await client.runs.list(thread_id)).length, 1)
  })

  test('an Idempotency-Key makes one run; a streaming repeat attaches to it; another body is 409', async () => {
    const { client, url, otherUrl, fetch } = server()
    const { thread_id } = await client.threads.create()
    const headers = { 'content-type': 'application/json', 'idempotency-key': crypto.randomUUID() }
    const body = JSON.stringify({ assistant_id: 'steps', input: { count: 3, delay_ms: 30 }, stream_mode: ['custom'] })
    const post = (base: string, text = body) =>
      fetch(`${base}/threads/${thread_id}/runs/stream`, { method: 'POST', headers, body: text })
    const [one, two] = await Promise.all([post(url), post(otherUrl)])
    const [first, second] = await Promise.all([one.text(), two.text()])
    const frames = (text: string) => text.replaceAll(': heartbeat\n', '').split('\n\n')
    assert.deepEqual(frames(first), frames(second))
    assert.equal(one.headers.get('content-location'), two.headers.get('content-location'))
    assert.equal((await client.runs.list(thread_id)).length, 1)
    assert.equal((await post(url, body.replace('30', '31'))).status, 409)
  })

  test('an Idempotency-Key makes the runs of a batch once', async () => {
    const { url, otherUrl, fetch } = server()
    const headers = { 'content-type': 'application/json', 'idempotency-key': crypto.randomUUID() }
    const batch = [1, 2].map(count => ({ assistant_id: 'steps', input: { count } }))
    const post = (base: string, body: object, path = '/runs/batch') =>
      fetch(`${base}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
    const made = await Promise.all([post(url, batch), post(otherUrl, batch)])
    const [one, two] = (await Promise.all(made.map(response => response.json()))) as { run_id: string }[][]
    assert.equal(new Set(one?.map(({ run_id }) => run_id)).size, 2)
    assert.deepEqual(
      two?.map(({ run_id }) => run_id),
      one?.map(({ run_id }) => run_id),
    )
    assert.equal((await post(url, batch.slice(0, 1))).status, 409)
    assert.equal((await post(url, batch[0] as object, '/runs')).status, 409)
  })

  test('stateless runs stream, wait and batch; their threads do not show', async () => {
    const { client, other } = server()
    const events = await collect(client.runs.stream(null, 'echo', { input: say('no thread'), streamMode: 'values' }))
    assert.equal(events[0]?.event, 'metadata')
    const values = await other.runs.wait(null, 'steps', SHORT)
    assert.deepEqual((values as { log: string[] }).log, ['step 0'])
    const runs = await client.runs.createBatch([
      { assistantId: 'steps', ...SHORT },
      { assistantId: 'echo', input: say('b') },
    ])
    assert.equal(runs.length, 2)
    const shown = await client.threads.search({ limit: 1000 })
    assert.ok(!shown.some(thread => runs.some(run => run.thread_id === thread.thread_id)))
    const data = events[0]?.data as { run_id: string }
    const replay = await collect(other.runs.joinStream(null, data.run_id, { lastEventId: '-1' }))
    assert.deepEqual(replay, events)
  })

  test('deleting a running run stops it and frees the thread', async () => {
    const { client, other } = server()
    const { thread_id, holder } = await busyThread(server())
    await other.runs.delete(thread_id, holder.run_id)
    await assert.rejects(client.runs.get(thread_id, holder.run_id), status(404))
    await client.runs.wait(thread_id, 'steps', SHORT)
  })

  test('deleting a thread with a running run ends it and its readers', async () => {
    const { client, other } = server()
    const { thread_id, holder } = await busyThread(server())
    const joined = await follow(other.runs.joinStream(thread_id, holder.run_id))
    await client.threads.delete(thread_id)
    await joined.ended
    await assert.rejects(client.threads.get(thread_id), status(404))
  })
})
