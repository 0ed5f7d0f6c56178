// What `http` and `checkpointer` of langgraph.json change, through the official SDK: the user's own app around ours, a
// prefix, CORS, what is turned off, headers in a run's configuration, the time to live of threads.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { clientOf, forEachServer } from '../support/server.ts'
import { eventually, status } from './harness.ts'

const config = join(import.meta.dirname, '../fixtures/http/langgraph.json')

forEachServer(
  'http configuration',
  server => {
    const get = (path: string, init?: RequestInit) => server().fetch(`${server().url}${path}`, init)
    const client = () => clientOf(`${server().url}/agents`, server().fetch)
    const json = async (response: Response) => (await response.json()) as Record<string, unknown>

    test('everything is below the prefix, and nothing beside it', async () => {
      assert.equal((await get('/agents/ok')).status, 200)
      const outside = await get('/ok')
      assert.deepEqual([outside.status, await json(outside)], [404, { detail: 'GET /ok is not served here' }])
      const { thread_id } = await client().threads.create()
      assert.equal((await client().threads.get(thread_id)).thread_id, thread_id)
      const { servers } = await json(await get('/agents/openapi.json'))
      assert.deepEqual(servers, [{ url: '/agents' }])
    })

    test('the user’s app has its routes, wraps ours, and may stand in for one', async () => {
      const hello = await get('/agents/custom/hello')
      assert.deepEqual(await json(hello), { hello: 'world' })
      const ok = await get('/agents/ok')
      assert.deepEqual([await json(ok), ok.headers.get('x-custom')], [{ ok: true }, 'wrapped'])
      assert.ok(ok.headers.get('x-request-id'))
      assert.deepEqual(await json(await get('/agents/info')), { mine: true })
      assert.equal((await get('/agents/custom/none')).status, 404)
      const failed = await get('/agents/custom/fail')
      assert.deepEqual([failed.status, Object.keys(await json(failed))], [500, ['detail']])
    })

    test('its middleware may change what a request says', async () => {
      const run = async (headers: Record<string, string>) => {
        const body = JSON.stringify({ assistant_id: 'configured', input: {} })
        return (await json(await get('/agents/runs/wait', { method: 'POST', body, headers }))).answers
      }
      assert.deepEqual(await run({}), ['nobody', 'none'])
      assert.deepEqual(await run({ taste: 'mint' }), ['mint', 'mint'])
    })

    test('calls from inside do not leave the process: clients without a URL, relative webhooks', async () => {
      const made = await json(await get('/agents/custom/threads'))
      assert.deepEqual((await client().threads.get(made.thread_id as string)).metadata, { from: 'inside' })
      const { thread_id } = await client().threads.create()
      const { run_id } = await client().runs.create(thread_id, 'tell', { input: {}, webhook: '/custom/webhook' })
      await eventually(async () => {
        const told = await Promise.all(
          [server().url, server().otherUrl].map(async url =>
            (await server().fetch(`${url}/agents/custom/calls`)).json(),
          ),
        )
        const calls = told.flat() as { run_id: string }[]
        assert.ok(calls.some(call => call.run_id === run_id))
      })
    })

    test('headers reach the run that they came with, not the secret ones, and are not kept for the next', async () => {
      const { thread_id } = await client().threads.create()
      const run = async (headers: Record<string, string>) => {
        const body = JSON.stringify({ assistant_id: 'tell', input: {}, config: { configurable: { 'x-own': 'body' } } })
        const response = await get(`/agents/threads/${thread_id}/runs/wait`, { method: 'POST', body, headers })
        return (await json(response)).told
      }
      const headers = {
        'X-Flavour': 'mint',
        'x-own': 'header',
        'x-hidden-one': '1',
        authorization: 'secret',
        other: 'no',
      }
      assert.deepEqual(await run(headers), { 'x-flavour': 'mint', 'x-own': 'header' })
      assert.deepEqual(await run({}), { 'x-own': 'body' })
      const { config: kept } = (await client().threads.get(thread_id)) as unknown as { config: object }
      assert.deepEqual(kept, { configurable: { 'x-own': 'body' } })
      const [history] = await client().threads.getHistory(thread_id, { limit: 1 })
      assert.doesNotMatch(JSON.stringify(history), /secret/)
    })

    test('what is turned off is not there, nor in the description', async () => {
      await assert.rejects(client().store.searchItems(['a']), status(404, /is not served here/))
      const { paths } = (await json(await get('/agents/openapi.json'))) as { paths: object }
      const served = Object.keys(paths)
      assert.ok(served.includes('/threads') && !served.some(path => path.startsWith('/store')))
    })

    test('pages of named origins may call, with credentials; others may not', async () => {
      const asked = async (origin: string, init: RequestInit = {}) => {
        const { headers } = await get('/agents/ok', { ...init, headers: { origin, ...init.headers } })
        return (name: string) => headers.get(`access-control-${name}`)
      }
      const one = await asked('https://one.example')
      assert.deepEqual([one('allow-origin'), one('allow-credentials')], ['https://one.example', 'true'])
      assert.match(one('expose-headers') ?? '', /content-location.*x-pagination-total.*x-request-id.*x-custom/i)
      assert.equal((await asked('https://a.two.example'))('allow-origin'), 'https://a.two.example')
      for (const other of ['https://three.example', 'https://a.two.example.evil', 'https://one.example.evil']) {
        assert.equal((await asked(other))('allow-origin'), null)
      }
      const preflight = await asked('https://one.example', {
        method: 'OPTIONS',
        headers: { 'access-control-request-method': 'POST', 'access-control-request-headers': 'x-other' },
      })
      assert.deepEqual(
        [preflight('allow-methods'), preflight('allow-headers'), preflight('max-age')],
        ['GET,POST', 'x-asked', '60'],
      )
    })

    test('threads live as long as the configuration says, unless they say otherwise', async () => {
      const ttlOf = async (thread_id: string) => {
        const { ttl } = await json(await get(`/agents/threads/${thread_id}?include=ttl`))
        const { strategy, ttl_minutes } = ttl as Record<string, unknown>
        return [strategy, ttl_minutes]
      }
      const { thread_id } = await client().threads.create()
      assert.deepEqual(await ttlOf(thread_id), ['keep_latest', 60])
      const { thread_id: own } = await client().threads.create({ ttl: 5 })
      assert.deepEqual(await ttlOf(own), ['delete', 5])
      const made = crypto.randomUUID()
      await client().runs.wait(made, 'tell', { input: {}, ifNotExists: 'create' })
      assert.deepEqual(await ttlOf(made), ['keep_latest', 60])
    })
  },
  { config },
)
