// Webhooks over HTTP (contracts: langgraph §4.11): what they carry, when they come, and that they come after a kill.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { clientOf, forEachServer, type ServerProcess, startServer, temporaryFolder } from '../support/server.ts'
import { eventually, say, status } from './harness.ts'

interface Received {
  path: string
  headers: http.IncomingHttpHeaders
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: the body of a webhook
  body: any
}

/** An endpoint that answers what `answer` says; it may say nothing. */
async function startEndpoint() {
  const received: Received[] = []
  const endpoint = { received, url: '', answer: (_path: string): number | undefined => 200, close: () => {} }
  const server = http.createServer(async (request, response) => {
    const text = (await Array.fromAsync(request)).join('')
    received.push({ path: request.url ?? '', headers: request.headers, text, body: JSON.parse(text) })
    const code = endpoint.answer(request.url ?? '')
    if (code === undefined) return
    response.statusCode = code
    response.end('read by nobody')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  endpoint.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  endpoint.close = () => {
    server.close()
    server.closeAllConnections()
  }
  return endpoint
}

interface Delivery {
  delivery_id: string
  status: string
  attempts: number
  response_status: number | null
  error: string | null
  next_attempt_at: string | null
}

forEachServer('webhooks', server => {
  let endpoint: Awaited<ReturnType<typeof startEndpoint>>
  before(async () => {
    endpoint = await startEndpoint()
  })
  after(() => endpoint.close())

  const told = async (path: string): Promise<Received> => {
    await eventually(async () =>
      assert.ok(
        endpoint.received.some(one => one.path === path),
        `no webhook on ${path}`,
      ),
    )
    return endpoint.received.find(one => one.path === path) as Received
  }
  const deliveries = async (run: { thread_id: string; run_id: string }) => {
    const { url, fetch } = server()
    const response = await fetch(`${url}/threads/${run.thread_id}/runs/${run.run_id}/webhooks`)
    assert.equal(response.status, 200)
    return (await response.json()) as Delivery[]
  }

  test('a run that succeeds is told of, with its values and times', async () => {
    const { client } = server()
    const { thread_id } = await client.threads.create()
    const input = say('hello')
    const { run_id } = await client.runs.create(thread_id, 'echo', { input, webhook: `${endpoint.url}/success?a=1` })
    const { headers, body } = await told('/success?a=1')
    const run = await client.runs.get(thread_id, run_id)
    assert.equal(headers['content-type'], 'application/json')
    const { run_started_at, run_ended_at, webhook_sent_at, values, ...rest } = body
    assert.deepEqual(rest, JSON.parse(JSON.stringify(run)))
    assert.equal(body.status, 'success')
    const state = await client.threads.getState(thread_id)
    assert.deepEqual(values, state.values)
    const times = [run.created_at, run_started_at, run_ended_at, webhook_sent_at]
    assert.deepEqual(times.toSorted(), times)
    assert.equal('error' in body, false)
    await eventually(async () => {
      const [delivery] = await deliveries(run)
      assert.deepEqual([delivery?.status, delivery?.attempts, delivery?.response_status], ['delivered', 1, 200])
    })
  })

  test('one that fails comes with its error as an object', async () => {
    const { client } = server()
    await client.runs.wait(null, 'fail', { input: {}, webhook: `${endpoint.url}/fail`, raiseError: false })
    const { body } = await told('/fail')
    assert.equal(body.status, 'error')
    assert.deepEqual(body.error, { error: 'TypeError', message: 'this node fails on purpose' })
  })

  test('one that is cancelled, running or pending, is told of as interrupted', async () => {
    const { client } = server()
    const { thread_id } = await client.threads.create()
    const input = { count: 100, delay_ms: 100 }
    const running = await client.runs.create(thread_id, 'steps', { input, webhook: `${endpoint.url}/running` })
    const pending = await client.runs.create(thread_id, 'steps', { input, webhook: `${endpoint.url}/pending` })
    await client.runs.cancel(thread_id, pending.run_id)
    assert.equal((await told('/pending')).body.status, 'interrupted')
    await client.runs.cancel(thread_id, running.run_id)
    const { body } = await told('/running')
    assert.deepEqual([body.status, body.run_id], ['interrupted', running.run_id])
  })

  test('one that was rolled back is not told of', async () => {
    const { client } = server()
    const { thread_id } = await client.threads.create()
    const input = { count: 100, delay_ms: 100 }
    const run = await client.runs.create(thread_id, 'steps', { input, webhook: `${endpoint.url}/rolled-back` })
    await client.runs.cancel(thread_id, run.run_id, true, 'rollback')
    await client.runs.wait(thread_id, 'echo', { input: say('x'), webhook: `${endpoint.url}/next` })
    await told('/next')
    assert.ok(!endpoint.received.some(one => one.path === '/rolled-back'))
  })

  test('a streamed and a stateless run are told of like any other', async () => {
    const { client } = server()
    const webhook = `${endpoint.url}/streamed`
    for await (const _ of client.runs.stream(null, 'echo', { input: say('hi'), webhook }));
    assert.equal((await told('/streamed')).body.values.messages.length, 2)
    await client.runs.wait(null, 'echo', { input: say('hi'), webhook: `${endpoint.url}/waited` })
    await told('/waited')
  })

  test('dead endpoints cost nobody anything: runs go on, and so do other webhooks', async t => {
    const { client } = server()
    endpoint.answer = path => (path.startsWith('/hang') ? undefined : path.startsWith('/broken') ? 500 : 200)
    const input = say('x')
    for (let n = 0; n < 15; n++) {
      await client.runs.wait(null, 'echo', { input, webhook: `http://127.0.0.1:1/nobody/${n}` })
      await client.runs.wait(null, 'echo', { input, webhook: `${endpoint.url}/broken/${n}` })
    }
    const hanging = await startEndpoint()
    t.after(() => hanging.close())
    hanging.answer = () => undefined
    for (let n = 0; n < 8; n++) await client.runs.wait(null, 'echo', { input, webhook: `${hanging.url}/hang` })
    const began = Date.now()
    await client.runs.wait(null, 'echo', { input, webhook: `${endpoint.url}/healthy` })
    assert.ok(Date.now() - began < 8_000, 'not as long as a dead endpoint is waited for')
    await told('/healthy')
  })

  test('a failed one is tried again, listed, and sent once more on request', async () => {
    const { client, url, fetch } = server()
    let answer = 503
    endpoint.answer = path => (path === '/flaky' ? answer : 200)
    const { thread_id } = await client.threads.create()
    const run = await client.runs.create(thread_id, 'echo', { input: say('x'), webhook: `${endpoint.url}/flaky` })
    await eventually(async () => {
      const [failed] = await deliveries(run)
      assert.ok(failed && failed.attempts >= 2)
      assert.deepEqual([failed.response_status, failed.error], [503, 'HTTP 503'])
    })
    answer = 204
    await eventually(async () => assert.equal((await deliveries(run))[0]?.status, 'delivered'))
    const [delivery] = await deliveries(run)
    const path = `${url}/threads/${thread_id}/runs/${run.run_id}/webhooks`
    const before = endpoint.received.filter(one => one.path === '/flaky').length
    const response = await fetch(`${path}/${delivery?.delivery_id}/redeliver`, { method: 'POST' })
    assert.equal(response.status, 200)
    const again = (await response.json()) as Delivery
    await eventually(async () => {
      const list = await deliveries(run)
      assert.deepEqual(
        list.map(one => [one.delivery_id, one.status]),
        [
          [again.delivery_id, 'delivered'],
          [delivery?.delivery_id, 'delivered'],
        ],
      )
    })
    assert.equal(endpoint.received.filter(one => one.path === '/flaky').length, before + 1)
    assert.equal((await fetch(`${path}/${crypto.randomUUID()}/redeliver`, { method: 'POST' })).status, 404)
    const elsewhere = path.replace(thread_id, crypto.randomUUID())
    assert.equal((await fetch(elsewhere)).status, 404)
  })

  test('a URL that would not be called is refused when the run is created, and the run is not', async () => {
    const { client } = server()
    const { thread_id } = await client.threads.create()
    const urls = [
      'http://10.0.0.1/',
      'http://169.254.169.254/latest',
      'http://[::1]/',
      'http://192.168.0.1',
      '/threads',
    ]
    for (const webhook of [...urls, 'ftp://example.com', 'nonsense', 'http://[::ffff:10.0.0.1]', 'http://0x0a000001']) {
      await assert.rejects(client.runs.create(thread_id, 'echo', { input: {}, webhook }), status(422, /webhook: /))
      await assert.rejects(client.runs.wait(null, 'echo', { input: {}, webhook }), status(422, /webhook: /))
    }
    assert.deepEqual(await client.runs.list(thread_id), [])
  })
})

describe('webhooks and the death of the process', () => {
  const folder = temporaryFolder()
  const database_url = `sqlite:${join(folder.path, 'runloom.db')}`
  let endpoint: Awaited<ReturnType<typeof startEndpoint>>
  let running: ServerProcess | undefined
  before(async () => {
    endpoint = await startEndpoint()
  })
  after(async () => {
    await running?.stop()
    endpoint.close()
    folder.remove()
  })

  for (const [what, answer] of Object.entries({ 'not yet taken': 503, 'being sent': undefined })) {
    test(`one that was ${what} is sent after the restart, signed`, async () => {
      endpoint.answer = () => answer
      endpoint.received.length = 0
      const env = { RUNLOOM_WEBHOOK_SECRET: 'the secret' }
      running = await startServer({ database_url, env })
      const { thread_id } = await clientOf(running.url).threads.create()
      const webhook = `${endpoint.url}/hook`
      const { run_id } = await clientOf(running.url).runs.create(thread_id, 'echo', { input: say('x'), webhook })
      await eventually(async () => assert.ok(endpoint.received.length > 0))
      await running.kill()
      endpoint.answer = () => 200
      endpoint.received.length = 0
      running = await startServer({ database_url, env })
      await eventually(async () => assert.equal(endpoint.received.length, 1))
      const [{ body, text, headers }] = endpoint.received as [Received]
      assert.deepEqual([body.run_id, body.status], [run_id, 'success'])
      const [, time, mac] = /^t=(\d+),v1=(\w+)$/.exec(String(headers['x-runloom-signature'])) ?? assert.fail()
      assert.equal(mac, createHmac('sha256', 'the secret').update(`${time}.${text}`).digest('hex'))
      await running.stop()
      running = undefined
    })
  }
})

describe('webhooks as langgraph.json configures them', () => {
  const config = join(import.meta.dirname, '../fixtures/api/webhooks.json')
  const folder = temporaryFolder()
  let endpoint: Awaited<ReturnType<typeof startEndpoint>>
  let running: ServerProcess
  before(async () => {
    endpoint = await startEndpoint()
    const database_url = `sqlite:${join(folder.path, 'runloom.db')}`
    running = await startServer({ database_url, config, env: { HOOK_TOKEN: 'of the environment' } })
  })
  after(async () => {
    await running.stop()
    endpoint.close()
    folder.remove()
  })

  test('headers are sent with their variables filled in', async () => {
    await clientOf(running.url).runs.wait(null, 'echo', { input: say('x'), webhook: `${endpoint.url}/headers` })
    await eventually(async () => assert.equal(endpoint.received.length, 1))
    const { headers } = endpoint.received[0] as Received
    assert.deepEqual([headers.authorization, headers['x-plain']], ['Bearer of the environment!', 'as it is'])
  })

  test('a relative URL calls a route of this server', async () => {
    const client = clientOf(running.url)
    const { thread_id } = await client.threads.create()
    const run = await client.runs.create(thread_id, 'echo', { input: say('x'), webhook: '/runs/crons/count' })
    await eventually(async () => {
      const response = await fetch(`${running.url}/threads/${thread_id}/runs/${run.run_id}/webhooks`)
      const [delivery] = (await response.json()) as Delivery[]
      assert.deepEqual([delivery?.status, delivery?.response_status], ['delivered', 200])
    })
  })

  test('hosts that are not listed are refused', async () => {
    const wait = clientOf(running.url).runs.wait(null, 'echo', { input: {}, webhook: 'https://example.com/' })
    await assert.rejects(wait, status(422, /webhook: the host example\.com is not allowed/))
  })
})
