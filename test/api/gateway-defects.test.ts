// What clients of the gateway dialect met elsewhere, by symptom (contracts: gateway §1.4, §6).
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { sweep } from '../../src/core/claims.ts'
import { openDatabase } from '../../src/db/database.ts'
import { forEachDatabase } from '../support/databases.ts'
import { forEachServer, SHORT_LEASE, startServer } from '../support/server.ts'
import { ask, busyThread, call, frames, framesOf, LONG, refused, SHORT, threadName } from './gateway-harness.ts'
import { eventually, say } from './harness.ts'

forEachServer('gateway, symptoms', server => {
  const status = async (path: string) => (await ask(server(), path)).status

  test('a successful default stream ends as success, also when its reader leaves at the end frame', async () => {
    const thread_id = threadName()
    const response = await call(server(), `/threads/${thread_id}/runs/stream`, { ...SHORT, on_disconnect: 'cancel' })
    const decoder = new TextDecoder()
    let text = ''
    for await (const part of response.body as ReadableStream<Uint8Array>) {
      text += decoder.decode(part)
      if (text.includes('event: end')) break // leaving the loop cancels the body
    }
    await sleep(300)
    const [run] = await ask(server(), `/threads/${thread_id}/runs`)
    assert.equal(run.status, 'success')
    assert.equal((await ask(server(), `/threads/${thread_id}`)).status, 'idle')
  })

  test('joining a finished run answers at once, as JSON and as a stream', async () => {
    const thread_id = threadName()
    const values = await ask(server(), `/threads/${thread_id}/runs/wait`, SHORT)
    const [{ run_id }] = await ask(server(), `/threads/${thread_id}/runs`)
    const path = `/threads/${thread_id}/runs/${run_id}`
    assert.deepEqual(await ask(server(), `${path}/join`), values)
    const streamed = await frames(server(), `${path}/stream`)
    assert.deepEqual([streamed[0]?.event, streamed.at(-1)?.event], ['metadata', 'end'])
    assert.deepEqual(
      await frames(server(), `${path}/join`, undefined, { headers: { accept: 'text/event-stream' } }),
      streamed,
    )
  })

  test('a reader that is slower than its run gets every event', async () => {
    const thread_id = threadName()
    const body = {
      assistant_id: 'steps',
      input: { count: 300 },
      stream_mode: ['custom', 'updates'],
      config: { recursion_limit: 1000 },
    }
    const response = await call(server(), `/threads/${thread_id}/runs/stream`, body)
    const decoder = new TextDecoder()
    let text = ''
    for await (const part of response.body as ReadableStream<Uint8Array>) {
      text += decoder.decode(part, { stream: true })
      await sleep(2)
    }
    const slow = framesOf(text)
    assert.equal(slow.filter(({ event }) => event === 'custom').length, 300)
    const run_id = slow[0]?.data.run_id
    assert.deepEqual(await frames(server(), `/threads/${thread_id}/runs/${run_id}/stream`), slow)
    assert.equal(await status(`/threads/${thread_id}/runs/${run_id}`), 'success')
  })

  test('waiting for a run that fails says what failed', async () => {
    const result = await ask(server(), '/runs/wait', { assistant_id: 'fail', input: {} })
    const message = 'this node fails on purpose'
    assert.deepEqual(result, { status: 'error', error: message, __error__: { error: 'TypeError', message } })
  })

  test('a busy thread is 409 and names its run, whatever the call', async () => {
    const { thread_id, run_id, path } = await busyThread(server())
    for (const kind of ['', '/stream', '/wait']) {
      const { detail, ...holder } = await refused(server(), 409, `/threads/${thread_id}/runs${kind}`, SHORT)
      assert.match(detail, new RegExp(`${thread_id} is already running a task`))
      assert.deepEqual(holder, { run_id, status: 'running' })
    }
    await ask(server(), `${path}/cancel?wait=1`, {})
  })

  test('of ten parallel creates on an idle thread one is accepted', async () => {
    const thread_id = threadName()
    const creates = Array.from({ length: 10 }, () => call(server(), `/threads/${thread_id}/runs`, LONG))
    const statuses = (await Promise.all(creates)).map(response => response.status)
    assert.deepEqual(statuses.sort(), [200, ...Array.from({ length: 9 }, () => 409)])
    const [{ run_id }] = await ask(server(), `/threads/${thread_id}/runs`)
    await ask(server(), `/threads/${thread_id}/runs/${run_id}/cancel?wait=1`, {})
  })

  test('rolling a running run back restores the state, and leaves no run', async () => {
    const thread_id = threadName()
    const before = await ask(server(), `/threads/${thread_id}/runs/wait`, {
      assistant_id: 'steps',
      input: { count: 2 },
    })
    const { path } = await busyThread(server(), thread_id)
    assert.deepEqual(await ask(server(), `${path}/cancel?action=rollback&wait=true`, {}), before)
    assert.deepEqual((await ask(server(), `/threads/${thread_id}/state`)).values, before)
    assert.equal((await ask(server(), `/threads/${thread_id}`)).status, 'idle')
    await refused(server(), 404, path)
  })

  test('rolling back the first run of a thread leaves it without a state', async () => {
    const { thread_id, path } = await busyThread(server())
    const left = await ask(server(), `${path}/cancel?action=rollback&wait=1`, {})
    assert.deepEqual(left, { status: 'interrupted', error: null })
    assert.deepEqual((await ask(server(), `/threads/${thread_id}/state`)).next, [])
    assert.deepEqual(await ask(server(), `/threads/${thread_id}/runs`), [])
  })

  test('an old run is listed by its status behind more than a hundred newer ones', async () => {
    const thread_id = threadName()
    await ask(server(), `/threads/${thread_id}/runs/wait`, { assistant_id: 'fail', input: {} })
    const later = { ...SHORT, after_seconds: 3600, multitask_strategy: 'enqueue' }
    await Promise.all(Array.from({ length: 101 }, () => ask(server(), `/threads/${thread_id}/runs`, later)))
    const path = `/threads/${thread_id}/runs`
    const all = await ask(server(), path)
    assert.equal(all.length, 100)
    assert.ok(all.every((run: { status: string }) => run.status === 'pending'))
    const [failed, ...more] = await ask(server(), `${path}?status=error`)
    assert.deepEqual(
      [failed.status, failed.error, failed.stop_reason, more],
      ['error', 'this node fails on purpose', 'failed', []],
    )
    const [oldest] = await ask(server(), `${path}?limit=1&offset=101`)
    assert.equal(oldest.run_id, failed.run_id)
    assert.deepEqual(await ask(server(), `${path}?status=starting`), [])
  })

  test('a client that leaves cancels its run by default, and not when it said continue', async () => {
    for (const [on_disconnect, ended] of [
      [undefined, 'interrupted'],
      ['cancel', 'interrupted'],
      ['continue', 'success'],
    ]) {
      for (const kind of ['stream', 'wait']) {
        const thread_id = threadName()
        const gone = new AbortController()
        const count = ended === 'success' ? 20 : 2000
        const body = {
          assistant_id: 'steps',
          input: { count, delay_ms: 20 },
          config: { recursion_limit: 5000 },
          on_disconnect,
        }
        const response = await call(server(), `/threads/${thread_id}/runs/${kind}`, body, { signal: gone.signal })
        const reader = (response.body as ReadableStream<Uint8Array>).getReader()
        await reader.read()
        gone.abort()
        await reader.cancel().catch(() => {})
        await eventually(async () => assert.equal((await ask(server(), `/threads/${thread_id}/runs`))[0].status, ended))
      }
    }
  })

  test('roles of the input stay what they are', async () => {
    const messages = [
      { role: 'system', content: 'be brief' },
      { type: 'human', content: 'hello', id: 'h-1', additional_kwargs: { files: [{ filename: 'a.txt' }] } },
      { role: 'assistant', content: 'hi' },
      { role: 'user', content: [{ type: 'text', text: 'bye' }] },
    ]
    const values = await ask(server(), '/runs/wait', { assistant_id: 'echo', input: { messages } })
    const kinds = values.messages.map((message: { type: string }) => message.type)
    assert.deepEqual(kinds, ['system', 'human', 'ai', 'human', 'ai'])
    const { id, additional_kwargs } = values.messages[1]
    assert.deepEqual({ id, additional_kwargs }, { id: 'h-1', additional_kwargs: { files: [{ filename: 'a.txt' }] } })
  })
})

forEachDatabase('gateway, restarts', open => {
  test('after kill -9 a stateless run goes on, can be read, and joined from the start', async t => {
    const database_url = await open()
    const first = await startServer({ database_url, env: SHORT_LEASE })
    t.after(() => first.kill())
    const body = {
      assistant_id: 'steps',
      input: { count: 30, delay_ms: 50 },
      stream_mode: ['custom'],
      on_disconnect: 'continue',
    }
    const run = await ask({ ...first, fetch }, '/runs', body)
    await eventually(async () => {
      const { values } = await ask({ ...first, fetch }, `/threads/${run.thread_id}/state`)
      assert.ok(values?.log?.length > 2)
    })
    await first.kill()
    const second = { ...(await startServer({ database_url, env: SHORT_LEASE })), fetch }
    t.after(() => second.kill())
    const path = `/threads/${run.thread_id}/runs/${run.run_id}`
    const seen = await frames(second, `${path}/stream`)
    assert.deepEqual(seen[0]?.data, { run_id: run.run_id, thread_id: run.thread_id })
    assert.ok(seen.some(({ event, data }) => event === 'metadata' && data.attempt === 2))
    assert.deepEqual(seen.filter(({ event }) => event === 'end').length, 1)
    assert.deepEqual(new Set(seen.filter(({ event }) => event === 'custom').map(({ data }) => data.at)).size, 30)
    assert.equal((await ask(second, path)).status, 'success')
    assert.equal((await ask(second, `${path}/join`)).log.length, 30)
  })

  test('resuming from an id whose events retention has removed is a gap, then the end', async t => {
    const database_url = await open()
    const first = await startServer({ database_url, env: SHORT_LEASE })
    t.after(() => first.kill())
    const values = await ask({ ...first, fetch }, '/threads/old/runs/wait', {
      assistant_id: 'echo',
      input: say('kept'),
    })
    const [{ run_id }] = await ask({ ...first, fetch }, '/threads/old/runs')
    await first.stop()
    const db = await openDatabase(database_url)
    while ((await db.run(sweep, { retention_ms: 0 })).more);
    await db.close()
    const second = { ...(await startServer({ database_url, env: SHORT_LEASE })), fetch }
    t.after(() => second.kill())
    const path = `/threads/old/runs/${run_id}`
    const gap = {
      code: 'stream_replay_gap',
      run_id,
      requested_event_id: '2',
      earliest_available_event_id: null,
      latest_available_event_id: null,
      recovery: 'reload_durable_state',
    }
    const resumed = await frames(second, `${path}/stream`, undefined, { headers: { 'last-event-id': '2' } })
    assert.deepEqual(resumed, [
      { event: 'gap', data: gap },
      { event: 'end', data: null },
    ])
    const joined = await frames(second, `${path}/stream`)
    assert.deepEqual(joined, [
      { event: 'metadata', data: { run_id, thread_id: 'old' } },
      { event: 'gap', data: { ...gap, requested_event_id: null } },
      { event: 'end', data: null },
    ])
    assert.deepEqual(await ask(second, `${path}/join`), values, 'the state outlives the events')
  })
})
