// The body of a create call of the gateway dialect (contracts: gateway §1.2): every field does what it says.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { forEachServer, GRAPHS, startServer, temporaryFolder } from '../support/server.ts'
import { ask, busyThread, call, frames, refused, SHORT, threadName } from './gateway-harness.ts'
import { say, textOf } from './harness.ts'

const steps = (count: number, more: object = {}) => ({ assistant_id: 'steps', input: { count }, ...more })

forEachServer('gateway body', server => {
  const waitOn = (thread_id: string, body: unknown) => ask(server(), `/threads/${thread_id}/runs/wait`, body)
  const runsOf = (thread_id: string) => ask(server(), `/threads/${thread_id}/runs`)
  const found = async (thread_id: string) => {
    const threads = await ask(server(), '/threads/search', { ids: [thread_id] })
    return threads.length === 1
  }

  test('without an assistant, or by its usual name, the built-in agent answers; an unknown one is 404', async () => {
    for (const assistant_id of [undefined, null, 'lead_agent']) {
      const thread_id = threadName()
      const values = await waitOn(thread_id, { assistant_id, input: say('What is 6 * 7?') })
      assert.match(textOf(values) as string, /42/)
      assert.equal((await runsOf(thread_id))[0].assistant_id, 'lead_agent')
    }
    const { detail } = await refused(server(), 404, `/threads/${threadName()}/runs`, { assistant_id: 'nobody' })
    assert.match(detail, /nobody/)
  })

  test('the defaults are the dialect’s', async () => {
    const thread_id = threadName()
    const run = await ask(server(), `/threads/${thread_id}/runs`, { assistant_id: 'echo', input: say('hi') })
    assert.equal(run.multitask_strategy, 'reject')
    assert.deepEqual(run.kwargs.stream_mode, ['values', 'messages-tuple'])
    assert.equal(run.kwargs.config.recursion_limit, 100)
    assert.ok(await found(thread_id), 'the thread was created, and stays')
  })

  test('recursion_limit is 100, unless the request or its assistant has one', async () => {
    assert.equal((await ask(server(), '/runs/wait', steps(90))).log.length, 90)
    const stopped = await ask(server(), '/runs/wait', steps(120))
    assert.equal(stopped.__error__.error, 'GraphRecursionError')
    const config = { recursion_limit: 300 }
    assert.equal((await ask(server(), '/runs/wait', steps(120, { config }))).log.length, 120)
    const made = await ask(server(), '/assistants', { graph_id: 'steps', config: { recursion_limit: 10 } })
    const { __error__ } = await ask(server(), '/runs/wait', steps(90, { assistant_id: made.assistant_id }))
    assert.equal(__error__.error, 'GraphRecursionError')
    const nulled = await ask(server(), '/runs/wait', steps(90, { config: { recursion_limit: null } }))
    assert.equal(nulled.log.length, 90)
  })

  test('metadata, config and context reach the run; secrets do not come back', async () => {
    const thread_id = threadName()
    const config = { configurable: { flavour: 'mint', api_key: 'sk-123' }, tags: ['a'] }
    const context = { model_name: 'x', accessToken: 'abc', max_tokens: 5 }
    const body = { assistant_id: 'configured', input: {}, metadata: { purpose: 'test' }, config, context }
    assert.deepEqual(await waitOn(thread_id, body), { answers: ['mint', 'mint'] })
    const [run] = await runsOf(thread_id)
    assert.equal(run.metadata.purpose, 'test')
    assert.deepEqual(run.kwargs.context, { model_name: 'x', accessToken: '***', max_tokens: 5 })
    const { flavour, api_key } = run.kwargs.config.configurable
    assert.deepEqual([flavour, api_key, run.kwargs.config.tags], ['mint', '***', ['a']])
  })

  test('webhook is called with the run when it has ended', async t => {
    const called = Promise.withResolvers<{ run_id: string; status: string; values: unknown }>()
    const receiver = createServer(async (request, response) => {
      const parts: Buffer[] = await Array.fromAsync(request)
      response.end()
      called.resolve(JSON.parse(Buffer.concat(parts).toString()))
    }).listen(0, '127.0.0.1')
    t.after(() => receiver.close())
    await new Promise(resolve => receiver.once('listening', resolve))
    const webhook = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`
    const run = await ask(server(), '/runs', { ...steps(2), webhook })
    const { run_id, status, values } = await called.promise
    assert.deepEqual([run_id, status], [run.run_id, 'success'])
    assert.deepEqual((values as { log: string[] }).log, ['step 0', 'step 1'])
  })

  test('checkpoint and checkpoint_id start from what they name; unknown ones are 404, foreign ones 422', async () => {
    const thread_id = threadName()
    await waitOn(thread_id, { assistant_id: 'echo', input: say('first') })
    const { checkpoint, checkpoint_id } = await ask(server(), `/threads/${thread_id}/state`)
    await waitOn(thread_id, { assistant_id: 'echo', input: say('second') })
    for (const from of [{ checkpoint_id }, { checkpoint }]) {
      const { messages } = await waitOn(thread_id, { assistant_id: 'echo', input: say('other'), ...from })
      const contents = messages.map((message: { content: string }) => message.content)
      assert.deepEqual(contents, ['first', 'first', 'other', 'other'])
    }
    const nowhere = { assistant_id: 'echo', input: say('x'), checkpoint_id: crypto.randomUUID() }
    const missing = await refused(server(), 404, `/threads/${thread_id}/runs`, nowhere)
    assert.match(missing.detail, /Checkpoint .* not found/)
    const before = await runsOf(thread_id)
    const foreign = { assistant_id: 'echo', input: say('x'), checkpoint }
    const { detail } = await refused(server(), 422, `/threads/${threadName()}/runs`, foreign)
    assert.deepEqual(detail[0].loc, ['body', 'checkpoint', 'thread_id'])
    assert.equal((await runsOf(thread_id)).length, before.length)
  })

  test('interrupt_before and interrupt_after stop, command goes on', async () => {
    const thread_id = threadName()
    await waitOn(thread_id, steps(2, { interrupt_before: ['step'] }))
    assert.deepEqual((await ask(server(), `/threads/${thread_id}/state`)).next, ['step'])
    const once = await waitOn(thread_id, { assistant_id: 'steps', input: null, interrupt_after: '*' })
    assert.deepEqual(once.log, ['step 0'])
    const resumed = await waitOn(thread_id, {
      assistant_id: 'steps',
      command: { update: { log: ['told'] }, goto: 'step' },
    })
    assert.deepEqual(resumed.log.slice(0, 2), ['step 0', 'told'])

    const asked = threadName()
    const { __interrupt__ } = await waitOn(asked, { assistant_id: 'ask', input: {} })
    assert.deepEqual(__interrupt__[0].value, { question: 'first?' })
    await waitOn(asked, { assistant_id: 'ask', command: { resume: 'a' } })
    assert.deepEqual(await waitOn(asked, { assistant_id: 'ask', command: { resume: 'b' } }), { answers: ['a', 'b'] })
  })

  test('a command that is not served is 501 and says which', async () => {
    const body = { assistant_id: 'steps', command: { action: 'rollback' } }
    const { detail } = await refused(server(), 501, `/threads/${threadName()}/runs`, body)
    assert.match(detail, /command\.action/)
  })

  test('after_seconds waits; enqueue takes its turn', async () => {
    const thread_id = threadName()
    const run = await ask(server(), `/threads/${thread_id}/runs`, steps(1, { after_seconds: 1 }))
    assert.equal(run.status, 'pending')
    const next = steps(1, { multitask_strategy: 'enqueue', assistant_id: 'echo', input: say('after') })
    await refused(server(), 409, `/threads/${thread_id}/runs`, SHORT)
    await ask(server(), `/threads/${thread_id}/runs/wait`, next)
    await ask(server(), `/threads/${thread_id}/runs/${run.run_id}/join`)
    const [second, first] = await runsOf(thread_id)
    assert.deepEqual([first.run_id, first.status, second.status], [run.run_id, 'success', 'success'])
    assert.ok(Date.parse(first.updated_at) - Date.parse(first.created_at) >= 1000)
  })

  test('multitask_strategy interrupt and rollback make way', async () => {
    for (const [multitask_strategy, left] of [
      ['interrupt', 2],
      ['rollback', 1],
    ] as const) {
      const { thread_id } = await busyThread(server())
      const values = await waitOn(thread_id, steps(1, { input: { count: 1, delay_ms: 0 }, multitask_strategy }))
      assert.equal(values.log.length > 1, multitask_strategy === 'interrupt')
      assert.equal((await runsOf(thread_id)).length, left)
    }
  })

  test('if_not_exists: reject refuses an unknown thread, and creates none', async () => {
    const thread_id = threadName()
    await refused(server(), 404, `/threads/${thread_id}/runs`, { ...SHORT, if_not_exists: 'reject' })
    await refused(server(), 404, `/threads/${thread_id}`)
    const config = { configurable: { thread_id } }
    await refused(server(), 404, '/runs/wait', { ...SHORT, config, if_not_exists: 'reject' })
    await waitOn(thread_id, SHORT)
    await waitOn(thread_id, { ...SHORT, if_not_exists: 'reject' })
  })

  test('on_completion: delete takes a thread that the call made, and no other', async () => {
    const own = await ask(server(), '/runs', { ...SHORT, on_completion: 'delete' })
    assert.equal(await found(own.thread_id), false)
    const named = threadName()
    await waitOn(named, { ...SHORT, on_completion: 'delete' })
    assert.equal(await found(named), false)
    const kept = threadName()
    await waitOn(kept, SHORT)
    await waitOn(kept, { ...SHORT, on_completion: 'delete' })
    const config = { configurable: { thread_id: kept } }
    await ask(server(), '/runs/wait', { ...SHORT, config, on_completion: 'delete' })
    assert.equal(await found(kept), true)
    assert.equal((await runsOf(kept)).length, 3)
    await waitOn(named, SHORT)
    assert.equal(await found(named), true, 'a later call that keeps it does')
  })

  test('a stateless call runs on the thread that its config names', async () => {
    for (const thread_id of [threadName(), 123456]) {
      const body = { assistant_id: 'echo', config: { configurable: { thread_id } } }
      await ask(server(), '/runs/wait', { ...body, input: say('one') })
      await frames(server(), '/runs/stream', { ...body, input: say('two') })
      const run = await ask(server(), '/runs', { ...body, input: say('three') })
      assert.equal(run.thread_id, String(thread_id))
      const { messages } = await ask(server(), `/threads/${thread_id}/runs/${run.run_id}/join`)
      assert.deepEqual(
        messages.filter((_: unknown, n: number) => n % 2 === 0).map((message: { content: string }) => message.content),
        ['one', 'two', 'three'],
      )
      assert.ok(await found(String(thread_id)))
    }
    for (const thread_id of ['runs', 'a.b', '', 'x'.repeat(65)]) {
      const { detail } = await refused(server(), 422, '/runs', { ...SHORT, config: { configurable: { thread_id } } })
      assert.deepEqual(detail[0].loc, ['body', 'config', 'configurable', 'thread_id'])
    }
  })

  test('a stateless call without one gets a thread of its own, under both spellings', async () => {
    const seen = new Set<string>()
    for (const path of ['/runs', '/threads/runs', '/langgraph/runs', '/langgraph/threads/runs']) {
      const run = await ask(server(), path, SHORT)
      assert.deepEqual((await ask(server(), `${path}/wait`, SHORT)).log, ['step 0'])
      const streamed = await frames(server(), `${path}/stream`, SHORT)
      assert.deepEqual([streamed[0]?.event, streamed.at(-1)?.event], ['metadata', 'end'])
      assert.ok(await found(run.thread_id), 'it is kept')
      const own = `${path.replace('/threads', '')}/${streamed[0]?.data.run_id}/stream`
      assert.deepEqual(await frames(server(), own), streamed)
      seen.add(run.thread_id).add(streamed[0]?.data.thread_id)
    }
    assert.equal(seen.size, 8)
  })

  test('null is absent, what public SDKs send besides is taken', async () => {
    const none = ['input', 'command', 'metadata', 'config', 'context', 'webhook', 'checkpoint_id', 'checkpoint']
    const more = ['interrupt_before', 'interrupt_after', 'stream_mode', 'stream_resumable', 'on_disconnect']
    const last = [
      'on_completion',
      'multitask_strategy',
      'after_seconds',
      'if_not_exists',
      'feedback_keys',
      'follow_up_to_run_id',
      'stream_subgraphs',
    ]
    const body = Object.fromEntries([...none, ...more, ...last].map(field => [field, null]))
    const sdk = { durability: 'async', checkpoint_during: true, langsmith_tracer: {}, strict_resume: false, foo: 1 }
    const values = await ask(server(), '/runs/wait', { ...body, ...SHORT, ...sdk, stream_resumable: true })
    assert.deepEqual(values.log, ['step 0'])
  })

  test('a wrong value is 422 and names its field', async () => {
    const wrong: Record<string, unknown> = {
      assistant_id: 7,
      input: 'text',
      command: { update: 5 },
      metadata: [],
      config: { recursion_limit: 0 },
      context: 'x',
      webhook: 5,
      checkpoint_id: {},
      checkpoint: 'x',
      interrupt_before: 'node',
      interrupt_after: 3,
      stream_mode: ['everything'],
      stream_subgraphs: 'yes',
      stream_resumable: 'no',
      on_disconnect: 'ignore',
      on_completion: 'explode',
      multitask_strategy: 'wait',
      after_seconds: -1,
      if_not_exists: 'maybe',
      feedback_keys: 'k',
      follow_up_to_run_id: 9,
    }
    const thread_id = threadName()
    for (const [field, value] of Object.entries(wrong)) {
      const { detail } = await refused(server(), 422, `/threads/${thread_id}/runs`, { ...SHORT, [field]: value })
      assert.deepEqual(detail[0].loc.slice(0, 2), ['body', field])
      assert.match(detail[0].msg, new RegExp(`^${field}`))
    }
    for (const [message, place] of [
      [{ role: 'wizard', content: 'x' }, ['messages', 0, 'role']],
      [{ type: 'human', content: 5 }, ['messages', 0, 'content']],
      [{ role: 'tool', content: 'x' }, ['messages', 0, 'tool_call_id']],
      [7, ['messages', 0]],
    ]) {
      const body = { assistant_id: 'echo', input: { messages: [message] } }
      const { detail } = await refused(server(), 422, `/threads/${thread_id}/runs`, body)
      assert.deepEqual(detail[0].loc, ['body', 'input', ...(place as unknown[])])
    }
    const broken = await call(server(), '/runs', undefined, { method: 'POST', body: '{' })
    assert.equal(broken.status, 422)
    await refused(server(), 404, `/threads/${thread_id}`)
  })

  test('a repeated Idempotency-Key is one run; it is no key of the other face', async () => {
    const thread_id = crypto.randomUUID()
    const headers = { 'idempotency-key': crypto.randomUUID() }
    const post = () =>
      ask(server(), `/threads/${thread_id}/runs`, steps(2, { multitask_strategy: 'enqueue' }), { headers })
    const [one, two] = await Promise.all([post(), post()])
    assert.equal(one.run_id, two.run_id)
    const { url, fetch } = server()
    const init = { method: 'POST', headers, body: JSON.stringify(SHORT) }
    const other = await fetch(`${url}/threads/${thread_id}/runs`, init)
    assert.notEqual(((await other.json()) as { run_id: string }).run_id, one.run_id)
  })
})

test('a graph of the usual name answers where no assistant is named; what is switched off is 503', async t => {
  const folder = temporaryFolder()
  const config = join(GRAPHS, '../lead.json')
  const started = await startServer({ database_url: `sqlite:${join(folder.path, 'runloom.db')}`, config })
  t.after(async () => {
    await started.kill()
    folder.remove()
  })
  const target = { ...started, fetch }
  const run = await ask(target, '/runs', { input: say('echoed') })
  assert.equal(run.assistant_id, 'lead_agent')
  assert.equal(textOf(await ask(target, `/threads/${run.thread_id}/runs/${run.run_id}/join`)), 'echoed')
  assert.equal((await ask(target, '/assistants/lead_agent')).graph_id, 'lead_agent')
  const off = await refused(target, 503, '/runs', { input: say('x'), webhook: 'https://example.com/hook' })
  assert.match(off.detail, /^webhook: /)
})
