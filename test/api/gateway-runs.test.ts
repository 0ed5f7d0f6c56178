// What the gateway dialect answers about runs (contracts: gateway §1.1, §1.3).
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forEachServer } from '../support/server.ts'
import { ask, busyThread, call, LONG, refused, SHORT, threadName } from './gateway-harness.ts'
import { eventually, say } from './harness.ts'

const FIELDS = [
  ...['run_id', 'thread_id', 'assistant_id', 'status', 'metadata', 'kwargs', 'multitask_strategy'],
  ...[
    'follow_up_to_run_id',
    'created_at',
    'updated_at',
    'error',
    'stop_reason',
    'total_input_tokens',
    'total_output_tokens',
  ],
  ...['total_tokens', 'llm_call_count', 'lead_agent_tokens', 'subagent_tokens', 'middleware_tokens', 'message_count'],
]

forEachServer('gateway runs', server => {
  test('a run has all its fields wherever it is shown', async () => {
    const thread_id = threadName()
    const body = { assistant_id: 'echo', input: say('hi'), metadata: { a: 1 } }
    const made = await ask(server(), `/threads/${thread_id}/runs`, body)
    const path = `/threads/${thread_id}/runs/${made.run_id}`
    await ask(server(), `${path}/join`)
    const run = await ask(server(), path)
    for (const shown of [made, run]) for (const field of FIELDS) assert.ok(field in shown, field)
    assert.deepEqual(
      [run.thread_id, run.assistant_id, run.status, run.metadata.a, run.error, run.stop_reason],
      [thread_id, 'echo', 'success', 1, null, null],
    )
    assert.deepEqual(run.kwargs.input, say('hi'))
    assert.deepEqual(await ask(server(), `/threads/${thread_id}/runs`), [run])
  })

  test('a run says which it follows, and what it has spent', async () => {
    const [thread_id, other] = [threadName(), threadName()]
    const body = { assistant_id: 'agent', input: say('What is 6 * 7?') }
    const path = `/threads/${thread_id}/runs`
    const first = await ask(server(), path, body)
    await ask(server(), `${path}/${first.run_id}/join`)
    assert.equal(first.follow_up_to_run_id, null)
    const second = await ask(server(), path, body)
    const named = await ask(server(), path, {
      ...body,
      follow_up_to_run_id: first.run_id,
      multitask_strategy: 'enqueue',
    })
    assert.deepEqual([second.follow_up_to_run_id, named.follow_up_to_run_id], [first.run_id, first.run_id])
    await ask(server(), `${path}/${named.run_id}/join`)
    await refused(server(), 404, path, { ...body, follow_up_to_run_id: crypto.randomUUID() })
    await refused(server(), 422, `/threads/${other}/runs`, { ...body, follow_up_to_run_id: first.run_id })
    const { llm_call_count, message_count, total_tokens, lead_agent_tokens } = await ask(
      server(),
      `${path}/${first.run_id}`,
    )
    assert.deepEqual([llm_call_count, message_count, total_tokens], [2, 4, lead_agent_tokens])
  })

  test('creating says where the run is, in the words that the SDK appends to its base', async () => {
    for (const base of ['', '/langgraph']) {
      for (const [kind, onThread] of ['', '/stream', '/wait'].flatMap(
        kind =>
          [
            [kind, true],
            [kind, false],
          ] as const,
      )) {
        const thread_id = threadName()
        const path = onThread ? `${base}/threads/${thread_id}/runs${kind}` : `${base}/runs${kind}`
        const response = await call(server(), path, SHORT)
        await response.text()
        const content = response.headers.get('content-location') as string
        const [, thread, run_id] = /^\/api\/threads\/([\w-]+)\/runs\/([\w-]+)$/.exec(content) ?? []
        if (onThread) assert.equal(thread, thread_id)
        const shown = await ask(server(), content.slice('/api'.length))
        assert.equal(shown.run_id, run_id)
        if (kind === '/wait') continue
        assert.equal(response.headers.get('location'), `/threads/${thread}/runs/${run_id}/stream`)
      }
    }
  })

  test('streams, joined ones too, are kept from proxies that would hold them back', async () => {
    const thread_id = threadName()
    const created = await call(server(), `/threads/${thread_id}/runs/stream`, SHORT)
    await created.text()
    const location = created.headers.get('location') as string
    const joined = await call(server(), location)
    await joined.text()
    for (const { headers } of [created, joined]) {
      assert.match(headers.get('content-type') as string, /^text\/event-stream/)
      assert.equal(headers.get('cache-control'), 'no-cache, no-transform')
      assert.equal(headers.get('x-accel-buffering'), 'no')
      assert.equal(headers.get('location'), location)
    }
    assert.equal(joined.headers.get('content-location'), null)
  })

  test('a list is newest first, in pages, of the fields that were asked for', async () => {
    const thread_id = threadName()
    const ids: string[] = []
    for (const _ of [1, 2, 3]) {
      await ask(server(), `/threads/${thread_id}/runs/wait`, SHORT)
      ids.unshift((await ask(server(), `/threads/${thread_id}/runs?limit=1`))[0].run_id)
    }
    const path = `/threads/${thread_id}/runs`
    const shown = await ask(server(), `${path}?select=run_id,status`)
    assert.deepEqual(
      shown,
      ids.map(run_id => ({ run_id, status: 'success' })),
    )
    const [second] = await ask(
      server(),
      `${path}?limit=1&offset=1&select=kwargs&select=assistant_id&select=stop_reason`,
    )
    assert.deepEqual(
      [Object.keys(second).sort(), second.assistant_id],
      [['assistant_id', 'kwargs', 'stop_reason'], 'steps'],
    )
    assert.deepEqual(await ask(server(), `${path}?status=success&offset=2&select=run_id`), [{ run_id: ids[2] }])
    assert.deepEqual(await ask(server(), `${path}?status=running`), [])
    assert.deepEqual(await ask(server(), `${path}?status=nonsense`), [])
    for (const [query, field] of [
      ['select=nonsense', 'select'],
      ['limit=0', 'limit'],
      ['limit=1001', 'limit'],
      ['offset=-1', 'offset'],
    ]) {
      const { detail } = await refused(server(), 422, `${path}?${query}`)
      assert.deepEqual(detail[0].loc.slice(0, 2), ['query', field])
    }
    await refused(server(), 404, `/threads/${threadName()}/runs`)
  })

  test('a run of another thread is not found', async () => {
    const thread_id = threadName()
    const run = await ask(server(), `/threads/${threadName()}/runs`, SHORT)
    await ask(server(), `/threads/${thread_id}/runs/wait`, SHORT)
    const path = `/threads/${thread_id}/runs/${run.run_id}`
    for (const suffix of ['', '/join', '/stream']) await refused(server(), 404, `${path}${suffix}`)
    await refused(server(), 404, `${path}/cancel`, {})
    await refused(server(), 404, path, undefined, { method: 'DELETE' })
    assert.equal((await ask(server(), `/threads/${run.thread_id}/runs/${run.run_id}`)).run_id, run.run_id)
  })

  test('cancelling answers {} or the final values; a second time is 409 and names the run', async () => {
    const one = await busyThread(server())
    assert.deepEqual(await ask(server(), `${one.path}/cancel?wait=0&action=interrupt`, {}), {})
    const { detail, run_id } = await refused(server(), 409, `${one.path}/cancel`, {})
    assert.equal(run_id, one.run_id)
    assert.match(detail, /cancelled already|ended already/)
    await ask(server(), `${one.path}/join`)
    assert.equal((await ask(server(), one.path)).status, 'interrupted')

    const two = await busyThread(server())
    const values = await ask(server(), `${two.path}/cancel?wait=true`, {})
    assert.ok(values.log.length > 0)
    assert.deepEqual((await ask(server(), `/threads/${two.thread_id}/state`)).values, values)
    assert.deepEqual(await ask(server(), `${two.path}/join`), values)
    const after = await refused(server(), 409, `${two.path}/cancel?wait=1`, {})
    assert.deepEqual([after.run_id, after.status], [two.run_id, 'interrupted'])
    await refused(server(), 422, `${two.path}/cancel?action=explode`, {})
    assert.equal((await ask(server(), `/threads/${two.thread_id}/runs/wait`, SHORT)).log.length, values.log.length + 1)
  })

  test('a run that never began has no values to show: its status, and no error', async () => {
    const thread_id = threadName()
    const { run_id } = await ask(server(), `/threads/${thread_id}/runs`, { ...SHORT, after_seconds: 3600 })
    const path = `/threads/${thread_id}/runs/${run_id}`
    const nothing = { status: 'interrupted', error: null }
    assert.deepEqual(await ask(server(), `${path}/cancel?wait=1`, {}), nothing)
    assert.deepEqual(await ask(server(), `${path}/join`), nothing)
  })

  test('a failure after steps that were stored still says that it failed', async () => {
    const thread_id = threadName()
    await ask(server(), `/threads/${thread_id}/runs/wait`, { assistant_id: 'steps', input: { count: 2 } })
    const config = { recursion_limit: 3 }
    const body = { assistant_id: 'steps', input: { count: 50 }, config }
    const result = await ask(server(), `/threads/${thread_id}/runs/wait`, body)
    assert.deepEqual([result.status, result.__error__.error], ['error', 'GraphRecursionError'])
    assert.equal(result.error, result.__error__.message)
    const [{ run_id }] = await ask(server(), `/threads/${thread_id}/runs`)
    assert.deepEqual(await ask(server(), `/threads/${thread_id}/runs/${run_id}/join`), result)
  })

  test('who waits for a run that is rolled back is told so', async () => {
    const { path } = await busyThread(server())
    const joined = ask(server(), `${path}/join`)
    await ask(server(), `${path}/cancel?action=rollback`, {})
    assert.deepEqual(await joined, { status: 'interrupted', error: 'The run was rolled back or deleted' })
  })

  test('deleting a run says so, stops one that executes, and frees the thread', async () => {
    const { thread_id, path } = await busyThread(server())
    assert.deepEqual(await ask(server(), path, undefined, { method: 'DELETE' }), { deleted: true })
    await refused(server(), 404, path)
    await refused(server(), 404, path, undefined, { method: 'DELETE' })
    await ask(server(), `/threads/${thread_id}/runs/wait`, SHORT)
    assert.equal((await ask(server(), `/threads/${thread_id}/runs`)).length, 1)
  })

  test('another process shows, joins and cancels what this one runs', async () => {
    const { otherUrl: url, fetch } = server()
    const other = { url, fetch }
    const { thread_id, path } = await busyThread(server())
    assert.equal((await ask(other, path)).status, 'running')
    const values = await ask(other, `${path}/cancel?wait=1`, {})
    assert.ok(values.log.length > 0)
    await refused(other, 409, `${path}/cancel`, {})
    const again = await ask(other, `/threads/${thread_id}/runs`, LONG)
    const key = `/threads/${thread_id}/runs/${again.run_id}`
    await eventually(async () => assert.equal((await ask(server(), key)).status, 'running'))
    assert.deepEqual(await ask(server(), `${key}/cancel?action=rollback&wait=1`, {}), values)
  })
})
