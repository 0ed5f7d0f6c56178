// Symptoms that users of other servers reported, about runs. Each test is named by what they saw; none may be seen here.
import assert from 'node:assert/strict'
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { collect, eventually, say, status } from '../api/harness.ts'
import { forEachServer, temporaryFolder } from '../support/server.ts'

const STRATEGIES = ['enqueue', 'interrupt', 'rollback'] as const
const LONG = { count: 20, delay_ms: 200 }

forEachServer('the museum: runs', server => {
  async function post(path: string, body: Record<string, unknown>, more: RequestInit = {}) {
    const { url, fetch } = server()
    return fetch(`${url}${path}`, { method: 'POST', body: JSON.stringify(body), ...more })
  }

  async function longRun() {
    const { client } = server()
    const { thread_id } = await client.threads.create()
    const { run_id } = await client.runs.create(thread_id, 'steps', { input: LONG })
    await eventually(async () => assert.equal((await client.runs.get(thread_id, run_id)).status, 'running'))
    return { thread_id, run_id }
  }

  const isInterrupted = (thread_id: string, run_id: string) =>
    eventually(async () => assert.equal((await server().client.runs.get(thread_id, run_id)).status, 'interrupted'))

  test('wait=0 is taken for yes', async () => {
    const { url, fetch } = server()
    const { thread_id, run_id } = await longRun()
    for (const [wait, expected] of [
      ['0', 202],
      ['false', 202],
    ] as const) {
      const again = wait === '0' ? { thread_id, run_id } : await longRun()
      const path = `${url}/threads/${again.thread_id}/runs/${again.run_id}/cancel?wait=${wait}`
      assert.equal((await fetch(path, { method: 'POST' })).status, expected)
    }
  })

  test('a list in a query is understood in one spelling only', async () => {
    const { client, url, fetch } = server()
    const { thread_id } = await client.threads.create()
    await client.runs.wait(thread_id, 'steps', { input: { count: 1 } })
    for (const query of ['select=["run_id","status"]', 'select=run_id&select=status', 'select=run_id,status']) {
      const runs = (await (await fetch(`${url}/threads/${thread_id}/runs?${query}`)).json()) as object[]
      assert.deepEqual(Object.keys(runs[0] ?? {}).sort(), ['run_id', 'status'], query)
    }
  })

  test('a command with "update": null is refused', async () => {
    const { client } = server()
    const { thread_id } = await client.threads.create()
    await client.runs.wait(thread_id, 'ask-inside', { input: {} })
    const command = { resume: 'yes', update: null, goto: null }
    const response = await post(`/threads/${thread_id}/runs/wait`, { assistant_id: 'ask-inside', command })
    assert.deepEqual(await response.json(), { answers: ['yes'] })
  })

  test('durability is accepted and ignored', async () => {
    const { client } = server()
    const checkpoints = async (options: Record<string, unknown>) => {
      const { thread_id } = await client.threads.create()
      const body = { assistant_id: 'steps', input: { count: 3 }, ...options }
      await (await post(`/threads/${thread_id}/runs/wait`, body)).json()
      return (await client.threads.getHistory(thread_id)).length
    }
    const all = await checkpoints({ durability: 'sync' })
    assert.equal(all, 5)
    assert.equal(await checkpoints({ durability: 'async' }), all)
    assert.equal(await checkpoints({ durability: 'exit' }), 1)
    assert.equal(await checkpoints({ checkpoint_during: false }), 1)
    assert.equal(await checkpoints({ checkpoint_during: true }), all)
  })

  test('request headers turn up in the thread’s config and in checkpoints', async () => {
    const { client } = server()
    const { thread_id } = await client.threads.create()
    const headers = { 'x-secret': 'do-not-store', 'user-agent': 'do-not-store', authorization: 'Bearer do-not-store' }
    const body = { assistant_id: 'configured', input: {} }
    await (await post(`/threads/${thread_id}/runs/wait`, body, { headers })).json()
    const stored = [await client.threads.get(thread_id), await client.threads.getHistory(thread_id)]
    assert.ok(!JSON.stringify([...stored, await client.runs.list(thread_id)]).includes('do-not-store'))
  })

  test('a client that goes leaves its run behind, though it asked for its end: wait, join, stateless', async () => {
    const { client, url, fetch } = server()
    const body = { assistant_id: 'steps', input: LONG, on_disconnect: 'cancel' }
    const ids = async (response: Response) => {
      const [, run_id] = /runs\/([^/]+)$/.exec(response.headers.get('content-location') ?? '') ?? []
      return run_id as string
    }
    for (const path of ['wait', 'stream']) {
      const { thread_id } = await client.threads.create()
      const response = await post(`/threads/${thread_id}/runs/${path}`, body)
      const run_id = await ids(response)
      await eventually(async () => assert.equal((await client.runs.get(thread_id, run_id)).status, 'running'))
      await response.body?.cancel()
      await isInterrupted(thread_id, run_id)
    }
    for (const join of [
      'join?cancel_on_disconnect=1',
      'join?cancel_on_disconnect=true',
      'stream?cancel_on_disconnect=true',
    ]) {
      const { thread_id, run_id } = await longRun()
      const joined = await fetch(`${url}/threads/${thread_id}/runs/${run_id}/${join}`)
      assert.equal(joined.status, 200)
      await joined.body?.cancel()
      await isInterrupted(thread_id, run_id)
    }
    const folder = temporaryFolder()
    const file = join(folder.path, 'ticks')
    const stateless = await post('/runs/wait', { ...body, assistant_id: 'ticker', input: { file } })
    await eventually(async () => assert.ok(existsSync(file)))
    await stateless.body?.cancel()
    await stops(file)
    folder.remove()
  })

  test('a cancel does not reach the tool in the node of a subgraph: it goes on to its end', async () => {
    const { client, other } = server()
    const folder = temporaryFolder()
    const file = join(folder.path, 'ticks')
    const { thread_id } = await client.threads.create()
    const { run_id } = await client.runs.create(thread_id, 'ticker', { input: { file } })
    await eventually(async () => assert.ok(existsSync(file)))
    await other.runs.cancel(thread_id, run_id, true)
    await stops(file)
    folder.remove()
  })

  /** Nothing is added to the file any more. */
  async function stops(file: string) {
    await eventually(async () => {
      const before = statSync(file).size
      await sleep(300)
      assert.equal(statSync(file).size, before)
    })
  }

  test('a run without a thread stores nothing, and its question cannot be answered', async () => {
    const { client } = server()
    const events = await collect(
      client.runs.stream(null, 'steps', { input: { count: 1 }, streamMode: ['checkpoints'] }),
    )
    assert.ok(events.filter(({ event }) => event === 'checkpoints').length >= 2)
    const made = await post('/runs/wait', { assistant_id: 'ask-inside', input: {}, on_completion: 'keep' })
    const { __interrupt__ } = (await made.json()) as { __interrupt__: { value: string }[] }
    assert.deepEqual(
      __interrupt__.map(({ value }) => value),
      ['inside?'],
    )
    const [, run_id] = /runs\/([^/]+)$/.exec(made.headers.get('content-location') ?? '') ?? []
    const threads = await client.threads.search({
      status: 'interrupted',
      metadata: { graph_id: 'ask-inside' },
      limit: 100,
    })
    const owners = await Promise.all(threads.map(async ({ thread_id }) => (await client.runs.list(thread_id))[0]))
    const { thread_id } = owners.find(run => run?.run_id === run_id) ?? assert.fail('the thread was kept')
    assert.deepEqual(await client.runs.wait(thread_id, 'ask-inside', { command: { resume: 'yes' } }), {
      answers: ['yes'],
    })
  })

  test('a state that speaks of "__interrupt__" is taken for a question', async () => {
    const { client } = server()
    const input = say('what does "__interrupt__" mean? {"__interrupt__": [1]}')
    const values = (await client.runs.wait(null, 'echo', { input })) as { messages: unknown[] }
    assert.deepEqual(Object.keys(values), ['messages'])
    assert.equal(values.messages.length, 2)
  })

  test('many runs cannot be cancelled at once', async () => {
    const { client, other } = server()
    const { thread_id, run_id } = await longRun()
    const queued = await client.runs.create(thread_id, 'steps', { input: LONG })
    await other.runs.cancelMany({ threadId: thread_id, runIds: [run_id, queued.run_id] })
    await isInterrupted(thread_id, run_id)
    await isInterrupted(thread_id, queued.run_id)
    assert.equal((await client.threads.get(thread_id)).status, 'interrupted')
    await assert.rejects(client.runs.cancelMany({}), status(422, /status/))
  })

  test('cancelling, creating and reading at the same moment is answered with 409 for a deadlock, or 500', async () => {
    const { client, other } = server()
    const { thread_id } = await client.threads.create()
    const payload = { input: { count: 3, delay_ms: 5 } }
    const one = async (n: number) => {
      const by = n % 2 ? client : other
      const { run_id } = await by.runs.create(thread_id, 'steps', {
        ...payload,
        multitaskStrategy: STRATEGIES[n % 3] as (typeof STRATEGIES)[number],
      })
      await (n % 2 ? other : client).runs.cancel(thread_id, run_id, n % 4 === 0).catch(error => {
        if (![404, 409].includes(error.status)) throw error
        assert.doesNotMatch(error.message, /deadlock/i)
      })
      await by.threads.getState(thread_id)
    }
    await Promise.all(Array.from({ length: 24 }, (_, n) => one(n)))
    await client.runs.wait(thread_id, 'steps', { input: { count: 1 } })
  })

  test('one run that cannot be executed stops the queue', async () => {
    const { client } = server()
    const { thread_id } = await client.threads.create()
    const bad = await client.runs.create(thread_id, 'broken', { input: {} })
    const odd = await client.runs.create(thread_id, 'steps', {
      input: { count: 'many' },
      config: { recursion_limit: 1 },
    })
    const good = await client.runs.create(thread_id, 'echo', { input: say('still here') })
    await client.runs.join(thread_id, good.run_id)
    const statuses = await Promise.all([bad, odd, good].map(run => client.runs.get(thread_id, run.run_id)))
    assert.deepEqual([statuses[0]?.status, statuses[2]?.status], ['error', 'success'])
  })

  test('a thread that nobody made: 422 that it is busy, or 500 that is retried four times', async () => {
    const { client } = server()
    for (const multitaskStrategy of ['reject', 'enqueue', 'interrupt', 'rollback'] as const) {
      const refused = client.runs.create(crypto.randomUUID(), 'echo', { input: say('?'), multitaskStrategy })
      await assert.rejects(refused, status(404))
    }
  })
})
