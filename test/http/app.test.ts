// The app as a whole: its description names every route and nothing else; what the log says of requests.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import http from 'node:http'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { serve } from '@hono/node-server'
import { readConfig } from '../../src/config.ts'
import type { Logger } from '../../src/core/logger.ts'
import { type Runtime, startRuntime } from '../../src/runtime.ts'
import { eventually } from '../api/harness.ts'
import { GRAPHS, temporaryFolder } from '../support/server.ts'

describe('the app', () => {
  const folder = temporaryFolder()
  const lines: { message: string; fields: Record<string, unknown> }[] = []
  const logger: Logger = (_level, message, fields = {}) => void lines.push({ message, fields })
  let runtime: Runtime
  before(async () => {
    runtime = await open(GRAPHS)
  })
  after(async () => {
    await runtime.close()
    folder.remove()
  })

  async function open(config: string) {
    const env = {
      DATABASE_URL: `sqlite:${join(folder.path, `${crypto.randomUUID()}.db`)}`,
      RUNLOOM_LOG_REQUESTS: 'true',
    }
    return startRuntime(await readConfig({ argv: { config }, env }), { logger })
  }

  function configured(file: object): string {
    const path = join(folder.path, `${crypto.randomUUID()}.json`)
    writeFileSync(path, JSON.stringify(file))
    return path
  }

  test('every route is described, and nothing else', async () => {
    const routes = runtime.app.routes.filter(({ method }) => method !== 'ALL')
    const served = routes.flatMap(({ method, path }) => {
      const named = path.replaceAll(/:(\w+)(\{.*\})?/g, '{$1}')
      const both = named.endsWith('?') ? [named.replace(/\/[^/]+$/, ''), named.slice(0, -1)] : [named]
      return both.map(one => `${method.toLowerCase()} ${one}`)
    })
    const { paths } = (await (await runtime.app.request('/openapi.json')).json()) as {
      paths: Record<string, Record<string, unknown>>
    }
    const described = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map(method => `${method} ${path}`),
    )
    assert.deepEqual(described.sort(), [...new Set(served)].sort())
    assert.ok(described.length > 60)
  })

  test('what is turned off is gone: routes, and their description', async () => {
    const nouns = ['assistants', 'threads', 'runs', 'store', 'meta', 'ui']
    const off = Object.fromEntries(nouns.map(noun => [`disable_${noun}`, true]))
    const bare = await open(configured({ http: off }))
    const routes = bare.app.routes.filter(({ method }) => method !== 'ALL').map(({ path }) => path)
    assert.deepEqual(routes, ['/ok'])
    await bare.close()
    assert.equal((await bare.app.request('/ok?check_db=1')).status, 200)

    const { disable_meta: _, ...rest } = off
    const described = await open(configured({ http: rest }))
    const read = async (path: string) => (await (await described.app.request(path)).json()) as Record<string, object>
    const { paths } = await read('/openapi.json')
    assert.deepEqual(Object.keys(paths ?? {}).sort(), [
      '/api/v1/auth/me',
      '/docs',
      '/docs/{file}',
      '/health',
      '/info',
      '/metrics',
      '/ok',
      '/openapi.json',
    ])
    for (const path of ['assistants/search', 'threads/t', 'threads/t/runs', 'threads/runs/wait', 'runs/stream']) {
      const { status } = await described.app.request(`/api/${path}`, { method: 'POST', body: '{}' })
      assert.equal(status, 503, path)
    }
    const { flags } = await read('/info')
    assert.deepEqual(flags, { assistants: false, crons: false, langsmith: false, langsmith_tracing_replicas: false })
    await described.close()
  })

  test('threads whose time is over are swept as often as the configuration says', async () => {
    const ttl = { default_ttl: 0.001, sweep_interval_minutes: 0.002, sweep_limit: 2 }
    const short = await open(configured({ checkpointer: { ttl } }))
    const make = async () => {
      const response = await short.app.request('/threads', { method: 'POST', body: '{}' })
      return ((await response.json()) as { thread_id: string }).thread_id
    }
    const made = await Promise.all([make(), make(), make()])
    await eventually(async () => {
      for (const thread_id of made) assert.equal((await short.app.request(`/threads/${thread_id}`)).status, 404)
    })
    await short.close()
  })

  test('every line about a request has its id; one says how it was answered', async () => {
    lines.length = 0
    await runtime.app.request('/ok', { headers: { 'x-request-id': 'one' } })
    const [line] = lines
    assert.deepEqual([lines.length, line?.message], [1, 'request'])
    const { duration_ms, ...fields } = line?.fields ?? {}
    assert.equal(typeof duration_ms, 'number')
    assert.deepEqual(fields, { request_id: 'one', method: 'GET', path: '/ok', status: 200 })
  })

  test('a client that breaks off in the middle of its body is no failure of ours', async t => {
    const { promise, resolve } = Promise.withResolvers<URL>()
    const listening = serve({ fetch: runtime.app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) =>
      resolve(new URL(`http://127.0.0.1:${port}/threads`)),
    )
    t.after(() => listening.close())
    const request = http.request(await promise, { method: 'POST', headers: { 'content-length': 100 } })
    request.on('error', () => {})
    const before = lines.length
    request.write('{"a"', () => setImmediate(() => request.destroy()))
    await eventually(async () => assert.ok(lines.length > before))
    assert.deepEqual(
      lines.slice(before).map(({ message, fields }) => [message, fields.status]),
      [['request', 400]],
    )
  })

  test('so has the line that says why one failed, with the headers that are wanted', async () => {
    const other = await open(join(import.meta.dirname, '../fixtures/http/langgraph.json'))
    lines.length = 0
    const headers = { 'x-request-id': 'two', 'x-flavour': 'mint', authorization: 'secret', other: 'no' }
    await other.close() // a closed database fails every request that needs one
    const response = await other.app.request('/agents/threads/count', { method: 'POST', headers })
    assert.equal(response.status, 500)
    assert.equal(response.headers.get('x-request-id'), 'two')
    assert.deepEqual(
      lines.map(({ message, fields }) => [message, fields.request_id, fields.headers]),
      [
        ['a request failed', 'two', { 'x-flavour': 'mint' }],
        ['request', 'two', { 'x-flavour': 'mint' }],
      ],
    )
  })
})
