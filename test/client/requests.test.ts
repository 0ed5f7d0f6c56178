// What the workflow runs client sends, what it refuses before it sends, and how it reads answers (contracts: workflows §1, §2).
import assert from 'node:assert/strict'
import { describe, mock, test } from 'node:test'
import {
  ApiError,
  TransportError,
  ValidationError,
  type Workflow,
  WorkflowRunsClient,
} from '../../src/client/client.ts'
import { created, fakeServer, HASH, json, REQUEST, RUN, snapshot } from './fake-server.ts'

const SPEC: Workflow = {
  kind: 'workflow',
  nodes: [{ id: 'a', type: 'join.all' }],
  outputs: [{ name: 'r', from: 'a' }],
}
const NIL = '00000000-0000-0000-0000-000000000000'

/** Lets timers fire at once, and answers how long each was to wait; those of whole calls are kept from firing. */
function quickTimers(t: { after: (done: () => void) => void }): number[] {
  const waits: number[] = []
  const real = globalThis.setTimeout
  const random = mock.method(Math, 'random', () => 0.5)
  const timers = mock.method(globalThis, 'setTimeout', (done: () => void, ms: number) => {
    if (ms >= 60_000) return real(() => {}, 0)
    waits.push(ms)
    return real(done, 0)
  })
  t.after(() => {
    random.mock.restore()
    timers.mock.restore()
  })
  return waits
}

describe('who sends', () => {
  test('a key, a token and a provider of tokens, which is asked for every request', async () => {
    const { asked, options } = fakeServer(json(snapshot), json(snapshot), json(snapshot), json(snapshot))
    const { auth: _, ...base } = options
    await new WorkflowRunsClient({ ...base, apiKey: ' mr_sk_1 ' }).get(RUN)
    await new WorkflowRunsClient({ ...base, apiKey: 'mr_sk_1', token: 'abc' }).get(RUN)
    let count = 0
    const client = new WorkflowRunsClient({ ...base, token: async () => `t${++count}` })
    await client.get(RUN)
    await client.get(RUN)
    const sent = asked.map(({ headers }) => [headers.get('x-modelrelay-api-key'), headers.get('authorization')])
    assert.deepEqual(sent, [
      ['mr_sk_1', null],
      ['mr_sk_1', 'Bearer abc'],
      [null, 'Bearer t1'],
      [null, 'Bearer t2'],
    ])
  })

  test('one of them is needed, and is named', () => {
    const baseUrl = 'http://server.test/api/v1'
    const field = (name: string) => (error: unknown) => error instanceof ValidationError && error.field === name
    assert.throws(() => new WorkflowRunsClient({ baseUrl }), field('auth'))
    assert.throws(() => new WorkflowRunsClient({ baseUrl, auth: 'none', apiKey: 'x' }), field('auth'))
    assert.throws(() => new WorkflowRunsClient({ baseUrl, apiKey: ' ' }), field('apiKey'))
    assert.throws(() => new WorkflowRunsClient({ baseUrl, token: '' }), field('token'))
    assert.throws(() => new WorkflowRunsClient({ baseUrl: 'server.test', auth: 'none' }), field('baseUrl'))
  })

  test('code that a server runs needs no URL; other code does', async t => {
    const [fetchHere, urlHere] = [Symbol.for('langgraph_api:fetch'), Symbol.for('langgraph_api:url')]
    const here = globalThis as { [name: symbol]: unknown }
    assert.throws(() => new WorkflowRunsClient({ auth: 'none' }), { field: 'baseUrl' })
    t.after(() => {
      delete here[fetchHere]
      delete here[urlHere]
    })
    const { asked, options } = fakeServer(json(snapshot))
    here[fetchHere] = options.fetch
    here[urlHere] = options.baseUrl.replace('/api/v1', '')
    await new WorkflowRunsClient({ auth: 'none' }).get(RUN)
    assert.equal(asked[0]?.path, `/runs/${RUN}`)
  })

  test('a slash at the end of the base URL does not matter', async () => {
    const { asked, options } = fakeServer(json({ runs: [] }))
    await new WorkflowRunsClient({ ...options, baseUrl: `${options.baseUrl}/` }).list()
    assert.equal(asked[0]?.path, '/runs')
  })
})

describe('creating', () => {
  test('a spec or a plan, with a key of its own where none is given', async () => {
    const { asked, options } = fakeServer(json(created), json(created), json(created))
    const client = new WorkflowRunsClient(options)
    assert.deepEqual(await client.create(SPEC), created)
    await client.createFromPlan(HASH)
    await client.createWithSession(SPEC, RUN)
    const keys = asked.map(({ body }) => (body as { options: { idempotency_key: string } }).options.idempotency_key)
    assert.deepEqual(
      asked.map(one => [one.method, one.path, one.body]),
      [
        ['POST', '/runs', { spec: SPEC, options: { idempotency_key: keys[0] } }],
        ['POST', '/runs', { plan_hash: HASH, options: { idempotency_key: keys[1] } }],
        ['POST', '/runs', { spec: SPEC, session_id: RUN, options: { idempotency_key: keys[2] } }],
      ],
    )
    assert.equal(new Set(keys).size, 3)
    for (const key of keys) assert.match(key, /^[0-9a-f]{32}$/)
  })

  test('options on the wire', async () => {
    const { asked, options } = fakeServer(json(created))
    await new WorkflowRunsClient(options).createFromPlanWithOptions(HASH, {
      sessionId: ` ${RUN} `,
      input: { task: 'ü' },
      modelOverride: ' m ',
      modelOverrides: {
        nodes: { a: ' n ', b: ' ' },
        fanoutSubnodes: [
          { parentId: ' p ', subnodeId: 's', model: ' o ' },
          { parentId: 'p', subnodeId: 't', model: '' },
        ],
      },
      stream: false,
      idempotencyKey: ' key ',
    })
    assert.deepEqual(asked[0]?.body, {
      plan_hash: HASH,
      session_id: RUN,
      input: { task: 'ü' },
      model_override: 'm',
      model_overrides: { nodes: { a: 'n' }, fanout_subnodes: [{ parent_id: 'p', subnode_id: 's', model: 'o' }] },
      stream: false,
      options: { idempotency_key: 'key' },
    })
  })

  test('blank options are left out', async () => {
    const { asked, options } = fakeServer(json(created))
    await new WorkflowRunsClient(options).createWithOptions(SPEC, {
      sessionId: ' ',
      modelOverride: '',
      modelOverrides: { nodes: { a: ' ' }, fanoutSubnodes: [] },
      idempotencyKey: '  ',
    })
    assert.deepEqual(Object.keys(asked[0]?.body as object).sort(), ['options', 'spec'])
  })
})

describe('bad arguments', () => {
  const results = {
    node_id: 'a',
    step: 0,
    request_id: REQUEST,
    results: [{ tool_call: { id: 'c', name: 't' }, output: '' }],
  }
  const wrong: [field: string, call: (client: WorkflowRunsClient) => Promise<unknown>][] = [
    ['runId', client => client.get(NIL)],
    ['runId', client => client.get('7')],
    ['runId', client => client.get(undefined as never)],
    ['runId', client => client.cancel('')],
    ['runId', client => client.pendingTools('x')],
    ['runId', client => client.streamEvents(NIL)],
    ['afterSeq', client => client.streamEvents(RUN, { afterSeq: 1.5 })],
    ['limit', client => client.streamEvents(RUN, { limit: Number.NaN })],
    ['planHash', client => client.createFromPlan('')],
    ['planHash', client => client.createFromPlan(' ')],
    ['planHash', client => client.createFromPlan('AB')],
    ['sessionId', client => client.createWithSession(SPEC, '')],
    ['sessionId', client => client.createWithSession(SPEC, NIL)],
    ['sessionId', client => client.createWithOptions(SPEC, { sessionId: 'mine' })],
    ['modelOverride', client => client.createWithOptions(SPEC, { modelOverride: 7 as never })],
    ['spec', client => client.create(null as never)],
    ['spec', client => client.compile([] as never)],
    ['runId', client => client.submitToolResults('', results)],
    ['node_id', client => client.submitToolResults(RUN, { ...results, node_id: '' })],
    ['step', client => client.submitToolResults(RUN, { ...results, step: -1 })],
    ['request_id', client => client.submitToolResults(RUN, { ...results, request_id: NIL })],
    ['results', client => client.submitToolResults(RUN, { ...results, results: [] })],
  ]
  for (const [index, [field, call]] of wrong.entries()) {
    test(`${index}: ${field} is named, and nothing is sent`, async () => {
      const { asked, options } = fakeServer()
      await assert.rejects(call(new WorkflowRunsClient(options)), (error: unknown) => {
        assert.ok(error instanceof ValidationError, String(error))
        assert.equal(error.field, field)
        return true
      })
      assert.deepEqual(asked, [])
    })
  }
})

describe('answers', () => {
  test('a run without nodes and outputs has none', async () => {
    const { options } = fakeServer(json(snapshot), json({ ...snapshot, nodes: null, summary: { total_steps: 1 } }))
    const client = new WorkflowRunsClient(options)
    assert.deepEqual(await client.get(RUN), { ...snapshot, nodes: [], outputs: {} })
    const { nodes, outputs, summary } = await client.get(RUN)
    assert.deepEqual([nodes, outputs, summary], [[], {}, { total_steps: 1 }])
  })

  test('get with steps, and given up by its signal', async () => {
    const { asked, options } = fakeServer(json({ ...snapshot, steps: [] }), () => new Promise(() => {}))
    const client = new WorkflowRunsClient(options)
    assert.deepEqual((await client.get(RUN, { include: ['steps', 'tool_calls'] })).steps, [])
    assert.equal(asked[0]?.path, `/runs/${RUN}?include=steps,tool_calls`)
    const gone = new AbortController()
    const reading = client.get(RUN, { signal: gone.signal })
    gone.abort(new Error('enough'))
    await assert.rejects(reading, /enough/)
  })

  test('everything else: path, body, answer', async () => {
    const pending = { run_id: RUN, pending: [] }
    const plan = { plan_json: { kind: 'workflow.v1' }, plan_hash: HASH }
    const accepted = { accepted: 1, status: 'running' }
    const listed = { ...created, created_at: 'x', ended_at: null }
    const results = {
      node_id: 'a',
      step: 0,
      request_id: REQUEST,
      results: [{ tool_call: { id: 'c', name: 't' }, output: 'é' }],
    }
    const { asked, options } = fakeServer(
      json(pending),
      json(plan),
      json(accepted),
      json({ run_id: RUN, status: 'canceled' }),
      json({ runs: [listed] }),
    )
    const client = new WorkflowRunsClient(options)
    assert.deepEqual(await client.pendingTools(RUN), pending)
    assert.deepEqual(await client.compile(SPEC), plan)
    assert.deepEqual(await client.submitToolResults(RUN, results), accepted)
    assert.equal((await client.cancel(RUN)).status, 'canceled')
    assert.deepEqual(await client.list({ status: 'running', limit: 2, offset: 4 }), [listed])
    assert.deepEqual(
      asked.map(({ method, path, body }) => [method, path, body]),
      [
        ['GET', `/runs/${RUN}/pending-tools`, undefined],
        ['POST', '/workflows/compile', SPEC],
        ['POST', `/runs/${RUN}/tool-results`, results],
        ['POST', `/runs/${RUN}/cancel`, undefined],
        ['GET', '/runs?status=running&limit=2&offset=4', undefined],
      ],
    )
  })

  const bodies: [what: string, body: string, code: string, message: string, requestId: string | undefined][] = [
    ['flat', '{"error":"CONFLICT","code":"CONFLICT","message":"no","request_id":"q"}', 'CONFLICT', 'no', 'q'],
    ['nested', '{"error":{"code":"CONFLICT","message":"no"},"request_id":"q"}', 'CONFLICT', 'no', 'q'],
    ['a text', 'bad gateway', 'HTTP_409', 'bad gateway', undefined],
    ['nothing', '', 'HTTP_409', 'the server answered with status 409', undefined],
  ]
  for (const [what, body, code, message, requestId] of bodies) {
    test(`an error that is ${what}`, async () => {
      const { options } = fakeServer(new Response(body, { status: 409 }))
      await assert.rejects(new WorkflowRunsClient(options).get(RUN), (error: unknown) => {
        assert.ok(error instanceof ApiError)
        assert.deepEqual([error.status, error.code, error.message, error.requestId], [409, code, message, requestId])
        return true
      })
    })
  }

  test('issues of a spec, fields of a request, the request id of the header', async () => {
    const issues = [{ code: 'INVALID_KIND', path: '$.kind', message: 'no' }]
    const fields = [{ field: 'input.n', message: 'is missing' }]
    const { options } = fakeServer(
      json({ error: 'INVALID_INPUT', code: 'INVALID_INPUT', message: 'no', issues, fields }, 400, {
        'x-modelrelay-request-id': 'one',
      }),
      json({}, 404, { 'x-request-id': 'two' }),
    )
    const client = new WorkflowRunsClient(options)
    const first = await client.compile(SPEC).catch((error: unknown) => error)
    assert.ok(first instanceof ApiError)
    assert.deepEqual([first.issues, first.fields, first.requestId], [issues, fields, 'one'])
    const second = await client.get(RUN).catch((error: unknown) => error)
    assert.ok(second instanceof ApiError)
    assert.equal(second.requestId, 'two')
  })

  for (const body of ['', '<html>', '{}', JSON.stringify({ ...snapshot, status: 'asleep' })]) {
    test(`a success that is none: ${body.slice(0, 20)}`, async () => {
      const { asked, options } = fakeServer(new Response(body))
      await assert.rejects(new WorkflowRunsClient(options).get(RUN), (error: unknown) => {
        assert.ok(error instanceof TransportError)
        assert.deepEqual([error.kind, error.retries], ['response', 0])
        return true
      })
      assert.equal(asked.length, 1)
    })
  }
})

describe('sending again', () => {
  for (const status of [408, 429, 500, 503]) {
    test(`after status ${status}, until the third`, async t => {
      const waits = quickTimers(t)
      const { asked, options } = fakeServer(json({}, status), json({}, status), json(snapshot))
      assert.equal((await new WorkflowRunsClient(options).get(RUN)).status, 'running')
      assert.equal(asked.length, 3)
      assert.deepEqual(waits, [300, 600])
    })
  }

  test('no sooner than Retry-After asks, in seconds or until a date', async t => {
    const waits = quickTimers(t)
    const now = mock.method(Date, 'now', () => Date.parse('2026-01-02T03:04:05Z'))
    t.after(() => now.mock.restore())
    const asking = (value: string) => json({}, 429, { 'retry-after': value })
    const date = asking('Fri, 02 Jan 2026 03:04:25 GMT')
    const { options } = fakeServer(asking('7'), date, json(snapshot), asking('0'), asking('soon'), json(snapshot))
    const client = new WorkflowRunsClient(options)
    await client.get(RUN)
    await client.get(RUN)
    assert.deepEqual(waits, [7_000, 20_000, 300, 600])
  })

  test('not at all when Retry-After asks for more than a call may take', async () => {
    const { asked, options } = fakeServer(json({ code: 'RATE_LIMIT' }, 429, { 'retry-after': '3600' }))
    const error = await new WorkflowRunsClient(options).get(RUN).catch((failure: unknown) => failure)
    assert.ok(error instanceof ApiError)
    assert.deepEqual([error.code, error.retryAfterMs, asked.length], ['RATE_LIMIT', 3_600_000, 1])
  })

  test('the third failure is the answer', async t => {
    quickTimers(t)
    const { asked, options } = fakeServer(json({}, 503), json({}, 503), json({ code: 'LAST' }, 503))
    await assert.rejects(new WorkflowRunsClient(options).get(RUN), { name: 'ApiError', status: 503, code: 'LAST' })
    assert.equal(asked.length, 3)
  })

  test('other errors at once', async () => {
    const { asked, options } = fakeServer(json({ code: 'CONFLICT' }, 409))
    await assert.rejects(new WorkflowRunsClient(options).get(RUN), { code: 'CONFLICT' })
    assert.equal(asked.length, 1)
  })

  test('a connection that fails, or breaks in an answer', async t => {
    quickTimers(t)
    const broken = () =>
      new Response(new ReadableStream({ start: controller => controller.error(new TypeError('terminated')) }))
    const { options } = fakeServer(new TypeError('fetch failed'), broken, new TypeError('fetch failed'))
    await assert.rejects(new WorkflowRunsClient(options).get(RUN), (error: unknown) => {
      assert.ok(error instanceof TransportError)
      assert.deepEqual([error.kind, error.retries], ['connection', 2])
      assert.match(error.message, /fetch failed/)
      return true
    })
  })

  test('a run is created once: every attempt has the same key', async t => {
    quickTimers(t)
    const { asked, options } = fakeServer(new TypeError('fetch failed'), json({}, 500), json(created))
    await new WorkflowRunsClient(options).create(SPEC)
    const bodies = asked.map(({ body }) => JSON.stringify(body))
    assert.equal(bodies.length, 3)
    assert.equal(new Set(bodies).size, 1)
  })

  test('compile and tool results, but not cancel', async t => {
    quickTimers(t)
    const compiled = fakeServer(json({}, 500), json({ plan_json: {}, plan_hash: HASH }))
    await new WorkflowRunsClient(compiled.options).compile(SPEC)
    const answered = fakeServer(json({}, 500), json({ accepted: 0, status: 'running' }))
    await new WorkflowRunsClient(answered.options).submitToolResults(RUN, {
      node_id: 'a',
      step: 0,
      request_id: REQUEST,
      results: [{ tool_call: { id: 'c', name: 't' }, output: '' }],
    })
    const canceled = fakeServer(json({}, 500))
    await assert.rejects(new WorkflowRunsClient(canceled.options).cancel(RUN), { status: 500 })
    assert.equal(canceled.asked.length, 1)
  })

  test('a minute without an answer is enough', async t => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const { asked, options } = fakeServer(() => new Promise(() => {}))
    const outcome = new WorkflowRunsClient(options).get(RUN).catch((error: unknown) => error)
    t.mock.timers.tick(59_999)
    assert.equal(asked.length, 1)
    t.mock.timers.tick(1)
    const error = await outcome
    assert.ok(error instanceof TransportError)
    assert.deepEqual([error.kind, error.retries], ['timeout', 0])
  })

  test('a minute with a failed attempt in it counts that', async t => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    let asked = () => {}
    const second = new Promise<void>(resolve => {
      asked = resolve
    })
    const { options } = fakeServer(json({}, 503), () => {
      asked()
      return new Promise(() => {})
    })
    const outcome = new WorkflowRunsClient(options).get(RUN).catch((error: unknown) => error)
    for (let sent = false; !sent; ) {
      t.mock.timers.tick(100)
      sent = await Promise.race([
        second.then(() => true),
        new Promise<boolean>(resolve => setImmediate(resolve, false)),
      ])
    }
    t.mock.timers.tick(60_000)
    const error = await outcome
    assert.ok(error instanceof TransportError)
    assert.deepEqual([error.kind, error.retries], ['timeout', 1])
  })
})
