// The server's own routes: liveness, what it can do, metrics, the description of its API and its viewer; request ids.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Validator } from '@seriousme/openapi-schema-validator'
import { forEachServer } from '../support/server.ts'
import { eventually } from './harness.ts'

forEachServer('system', (server, kind) => {
  const get = (path: string, headers: Record<string, string> = {}) =>
    server().fetch(`${server().url}${path}`, { headers })

  /** The value of a metric in Prometheus' text, its labels as written there. */
  const metric = async (name: string) => {
    const text = await (await get('/metrics')).text()
    const line = text.split('\n').find(one => one.startsWith(`${name} `))
    return line === undefined ? undefined : Number(line.slice(name.length + 1))
  }

  test('liveness, with the database when asked', async () => {
    for (const path of ['/ok', '/ok?check_db=1', '/ok?check_db=0']) {
      const response = await get(path)
      assert.deepEqual([response.status, await response.json()], [200, { ok: true }])
    }
    assert.equal((await get('/ok?check_db=maybe')).status, 422)
  })

  test('/info tells the truth', async () => {
    const info = (await (await get('/info')).json()) as Record<string, unknown>
    assert.match(info.version as string, /^\d+\.\d+\.\d+/)
    assert.match(info.langgraph_js_version as string, /^\d+\.\d+\.\d+/)
    assert.deepEqual(info.flags, {
      assistants: true,
      crons: true,
      langsmith: false,
      langsmith_tracing_replicas: false,
    })
  })

  test('every answer has a request id: the client’s if it is sane, else a new one', async () => {
    const idOf = async (path: string, id?: string) =>
      (await get(path, id === undefined ? {} : { 'x-request-id': id })).headers.get('x-request-id')
    assert.equal(await idOf('/ok', 'abc-123_='), 'abc-123_=')
    assert.equal(await idOf('/nowhere', 'abc'), 'abc')
    assert.equal(await idOf(`/threads/${crypto.randomUUID()}`, 'abc'), 'abc')
    for (const odd of [undefined, 'has space', 'x'.repeat(256), '<script>']) {
      assert.match((await idOf('/ok', odd)) ?? '', /^[0-9a-f-]{36}$/)
    }
    const { client, url, fetch } = server()
    const body = JSON.stringify({ assistant_id: 'steps', input: { count: 1 } })
    for (const path of ['stream', 'wait']) {
      const { thread_id } = await client.threads.create()
      const init = { method: 'POST', body, headers: { 'x-request-id': path } }
      const response = await fetch(`${url}/threads/${thread_id}/runs/${path}`, init)
      assert.equal(response.headers.get('x-request-id'), path)
      await response.text()
    }
  })

  test('metrics follow what happens', async () => {
    const { client, url, fetch } = server()
    const text = await get('/metrics')
    assert.match(text.headers.get('content-type') ?? '', /^text\/plain; version=/)
    assert.match(await text.text(), /^# TYPE process_resident_memory_bytes gauge$/m)
    assert.equal(await metric('runloom_database_up'), 1)
    assert.equal(await metric('runloom_lease_takeovers_total'), 0)
    const ended = async (status: string) => (await metric(`runloom_runs_ended_total{status="${status}"}`)) ?? 0
    const endedBefore = (await ended('success')) + (await ended('error'))

    const { thread_id } = await client.threads.create()
    const slow = { assistant_id: 'steps', input: { count: 300, delay_ms: 100 } }
    const post = (path: string, extra = {}) =>
      fetch(`${url}/threads/${thread_id}/runs${path}`, {
        method: 'POST',
        body: JSON.stringify({ ...slow, ...extra }),
      })
    const stream = await post('/stream')
    await post('')
    await post('', { after_seconds: 600 })
    await eventually(async () => {
      assert.equal(await metric('runloom_runs{status="running"}'), 1)
      assert.equal(await metric('runloom_runs{status="pending"}'), 2)
      assert.equal(await metric('runloom_queue_depth'), 1)
      assert.ok(((await metric('runloom_queue_oldest_seconds')) ?? 0) > 0)
      assert.equal(await metric('runloom_stream_readers'), 1)
    })
    const { run_id } = (await client.runs.list(thread_id, { status: 'running' }))[0] as { run_id: string }
    for (const path of ['stream', 'join']) {
      const asked = `${url}/threads/${thread_id}/runs/${run_id}/${path}?cancel_on_disconnect=1`
      assert.equal((await fetch(asked, { method: 'HEAD' })).status, 200)
    }
    await eventually(async () => assert.equal(await metric('runloom_stream_readers'), 1))
    assert.equal((await client.runs.get(thread_id, run_id)).status, 'running')
    await stream.body?.cancel()
    await fetch(`${url}/runs/cancel`, { method: 'POST', body: '{"status": "all"}' })
    await eventually(async () => {
      assert.equal(await metric('runloom_stream_readers'), 0)
      assert.equal(await metric('runloom_runs{status="running"}'), 0)
      assert.equal(await metric('runloom_queue_depth'), 0)
      assert.equal(await metric('runloom_queue_oldest_seconds'), 0)
    })

    for (const assistant of ['steps', 'fail']) await client.runs.wait(null, assistant, { input: {} }).catch(() => {})
    if (!kind.includes('Postgres')) {
      assert.equal((await ended('success')) + (await ended('error')), endedBefore + 2)
      assert.ok(((await metric('runloom_event_commit_seconds_count')) ?? 0) > 0)
    }
    assert.ok(((await metric('runloom_database_seconds_count')) ?? 0) > 0)
    const json = (await (await get('/metrics?format=json')).json()) as { name: string }[]
    assert.ok(json.some(({ name }) => name === 'runloom_queue_depth'))
  })

  test('the description is OpenAPI 3.1, and says what is validated', async () => {
    const document = (await (await get('/openapi.json')).json()) as {
      openapi: string
      paths: Record<string, Record<string, { operationId: string }>>
      components: { schemas: Record<string, { properties: Record<string, unknown>; required?: string[] }> }
    }
    const { valid, errors } = await new Validator().validate(structuredClone(document))
    assert.ok(valid, JSON.stringify(errors))
    assert.equal(document.openapi, '3.1.0')
    const { CreateRun } = document.components.schemas
    assert.deepEqual(CreateRun?.required, ['assistant_id'])
    assert.match(JSON.stringify(CreateRun?.properties.multitask_strategy), /"enqueue"/)
    const ids = Object.values(document.paths).flatMap(path => Object.values(path).map(one => one.operationId))
    assert.equal(new Set(ids).size, ids.length)
  })

  test('the viewer is served from here', async () => {
    const page = await (await get('/docs')).text()
    assert.match(page, /openapi\.json/)
    const files = [...page.matchAll(/(?:src|href)="(docs\/[^"]+)"/g)].map(([, file]) => file)
    assert.equal(files.length, 2)
    for (const file of files) {
      const response = await get(`/${file}`)
      assert.equal(response.status, 200)
      assert.ok((await response.text()).length > 100_000)
    }
    assert.doesNotMatch(page, /https?:/)
    for (const file of ['package.json', '..%2Fpackage.json', 'constructor']) {
      assert.equal((await get(`/docs/${file}`)).status, 404)
    }
  })
})
