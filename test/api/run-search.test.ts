// Searching the runs of all threads; on every way of running the server.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forEachServer } from '../support/server.ts'
import { say } from './harness.ts'

interface Found {
  run_id: string
  status: string
  created_at: string
}

forEachServer('run search', server => {
  const post = (body: object) =>
    server().fetch(`${server().otherUrl}/runs/search`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  const search = async (body: object) => (await (await post(body)).json()) as Found[]
  const ids = async (body: object) => (await search(body)).map(({ run_id }) => run_id)

  /** Runs of two threads, the oldest first: two that ended well, one that failed, one that waits. */
  const made = async () => {
    const { client } = server()
    const { thread_id } = await client.threads.create()
    const other = await client.threads.create()
    const done = async (on: string, assistant: string) => {
      const run = await client.runs.create(on, assistant, { input: assistant === 'fail' ? {} : say('hello') })
      await client.runs.join(on, run.run_id)
      return run.run_id
    }
    const first = await done(thread_id, 'echo')
    const second = await done(other.thread_id, 'echo')
    const third = await done(thread_id, 'fail')
    const { run_id } = await client.runs.create(thread_id, 'echo', { input: say('later'), afterSeconds: 60 })
    return { thread_id, other_id: other.thread_id, runs: [first, second, third, run_id] as const }
  }

  test('newest first over all threads, narrowed by thread, assistant and status', async () => {
    const { thread_id, other_id, runs } = await made()
    const [first, second, third, waiting] = runs
    assert.deepEqual(await ids({ limit: 4 }), [waiting, third, second, first])
    assert.deepEqual(await ids({ thread_id }), [waiting, third, first])
    assert.deepEqual(await ids({ thread_id: other_id }), [second])
    assert.deepEqual(await ids({ thread_id, assistant_id: 'fail' }), [third])
    const [assistant] = await server().client.assistants.search({ graphId: 'fail' })
    assert.deepEqual(await ids({ thread_id, assistant_id: assistant?.assistant_id }), [third])
    assert.deepEqual(await ids({ thread_id, status: 'pending' }), [waiting])
    assert.deepEqual(await ids({ thread_id, status: 'error' }), [third])
    assert.deepEqual(await ids({ thread_id: crypto.randomUUID() }), [])
  })

  test('by time: the beginning is part of the range, the end is not, and any offset is understood', async () => {
    const { thread_id, runs } = await made()
    const [oldest, , third, waiting] = runs
    const at = (await search({ thread_id })).find(({ run_id }) => run_id === third)?.created_at as string
    assert.deepEqual(await ids({ thread_id, created_after: at }), [waiting, third])
    assert.deepEqual(await ids({ thread_id, created_before: at }), [oldest])
    const elsewhere = new Date(Date.parse(at) + 7_200_000).toISOString().replace('Z', '+02:00')
    assert.deepEqual(await ids({ thread_id, created_after: elsewhere }), [waiting, third])
  })

  test('pages with headers, and only the fields that are asked for', async () => {
    const { thread_id, runs } = await made()
    const response = await post({ thread_id, limit: 2, select: ['run_id', 'status'] })
    assert.equal(response.headers.get('x-pagination-total'), '3')
    assert.equal(response.headers.get('x-pagination-next'), '2')
    assert.deepEqual(await response.json(), [
      { run_id: runs[3], status: 'pending' },
      { run_id: runs[2], status: 'error' },
    ])
    const last = await post({ thread_id, limit: 2, offset: 2 })
    assert.equal(last.headers.get('x-pagination-next'), null)
    assert.equal(((await last.json()) as Found[]).length, 1)
  })

  test('what is no status, time or page is refused by its name', async () => {
    for (const [field, value] of Object.entries({ status: 'done', created_after: 'monday', limit: 0, offset: -1 })) {
      const response = await post({ [field]: value })
      assert.equal(response.status, 422)
      assert.match(await response.text(), new RegExp(field))
    }
  })

  test('a run of a workflow is not among them', async () => {
    const before = await ids({ limit: 1 })
    const workflow = {
      kind: 'workflow',
      nodes: [{ id: 'a', type: 'llm', model: 'offline', user: 'hello' }],
      outputs: [{ name: 'o', from: 'a' }],
    }
    const send = (path: string, body: object) =>
      server().fetch(`${server().url}/api/v1/${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
    const compiled = (await (await send('workflows/compile', workflow)).json()) as { plan_hash: string }
    assert.equal((await send('runs', { plan_hash: compiled.plan_hash })).ok, true)
    assert.deepEqual(await ids({ limit: 1 }), before)
  })
})
