// The frames of the gateway dialect (contracts: gateway §1.4): their order, their ends, and that every reader sees the same.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { clientOf, forEachServer } from '../support/server.ts'
import {
  ask,
  busyThread,
  call,
  frames,
  framesOf,
  LONG,
  refused,
  SHORT,
  threadName,
  type WireFrame,
} from './gateway-harness.ts'
import { collect, eventually, say } from './harness.ts'

const names = (seen: WireFrame[]) => seen.map(({ event }) => event)

/** `metadata` first, one `end` last. */
function whole(seen: WireFrame[], before: string[] = []) {
  assert.equal(seen[0]?.event, 'metadata')
  assert.deepEqual(names(seen).slice(-1 - before.length), [...before, 'end'])
  assert.equal(
    names(seen).filter(event => event === 'end' || event === 'cancel').length,
    1 + before.filter(event => event === 'cancel').length,
  )
}

forEachServer('gateway frames', server => {
  test('the default is values and messages; ids rise, the text is as it was said', async () => {
    const thread_id = threadName()
    const response = await call(server(), `/threads/${thread_id}/runs/stream`, {
      assistant_id: 'echo',
      input: say('grüße ✓'),
    })
    const text = await response.text()
    assert.match(text, /"grüße ✓"/)
    const seen = framesOf(text)
    whole(seen)
    const [first] = seen
    assert.deepEqual(first?.data, { run_id: first?.data.run_id, thread_id })
    assert.deepEqual(new Set(names(seen)), new Set(['metadata', 'values', 'messages', 'end']))
    const ids = seen.flatMap(({ id }) => (id ? [Number(id)] : []))
    assert.deepEqual(
      ids,
      [...ids].sort((a, b) => a - b),
    )
    assert.equal(ids.length, seen.length - 1, 'the end has none')
    const pieces = seen.filter(({ event }) => event === 'messages').map(({ data }) => data)
    assert.deepEqual(
      pieces.map(([{ type, content }, { langgraph_node }]) => [type, content, langgraph_node]),
      [
        ['AIMessageChunk', 'grüße ', 'model'],
        ['AIMessageChunk', '✓', 'model'],
      ],
    )
  })

  test('messages and messages-tuple are the same, singly or in a list', async () => {
    for (const stream_mode of ['messages', 'messages-tuple', ['messages'], ['messages', 'messages-tuple']]) {
      const seen = await frames(server(), '/runs/stream', { assistant_id: 'echo', input: say('one two'), stream_mode })
      assert.deepEqual(names(seen), ['metadata', 'messages', 'messages', 'end'])
    }
  })

  test('nested graphs speak under their namespace when asked', async () => {
    const body = { assistant_id: 'nested', input: say('hi'), stream_mode: ['updates', 'messages'] }
    const plain = await frames(server(), '/runs/stream', body)
    assert.ok(plain.every(({ event }) => !event.includes('|')))
    const deep = await frames(server(), '/runs/stream', { ...body, stream_subgraphs: true })
    whole(deep)
    assert.ok(deep.some(({ event }) => /^updates\|inner:[0-9a-f-]+$/.test(event)))
    const pieces = deep.filter(({ event }) => event.startsWith('messages|')).map(({ data }) => data[0].type)
    assert.deepEqual(pieces, ['AIMessageChunk'])
  })

  test('a failed run says what failed, then ends', async () => {
    const seen = await frames(server(), '/runs/stream', { assistant_id: 'fail', input: {} })
    whole(seen, ['error'])
    assert.deepEqual(seen.at(-2)?.data, { message: 'this node fails on purpose', name: 'TypeError' })
  })

  test('a cancelled run says so before its end, to every reader, then and later', async () => {
    const { path } = await busyThread(server())
    const joined = frames(server(), `${path}/stream`)
    await ask(server(), `${path}/cancel?wait=0&action=interrupt`, {})
    const seen = await joined
    whole(seen, ['cancel'])
    assert.equal(seen.at(-2)?.data, null)
    assert.deepEqual(await frames(server(), `${path}/stream`), seen)
    assert.equal((await ask(server(), path)).stop_reason, 'cancelled')
  })

  test('a run that makes way ends with cancel; one that never began has its metadata, too', async () => {
    const { thread_id, path } = await busyThread(server())
    const queued = await ask(server(), `/threads/${thread_id}/runs`, { ...SHORT, multitask_strategy: 'enqueue' })
    const readers = [path, `/threads/${thread_id}/runs/${queued.run_id}`].map(run => frames(server(), `${run}/stream`))
    await sleep(100)
    await ask(server(), `/threads/${thread_id}/runs/wait`, { ...SHORT, multitask_strategy: 'interrupt' })
    const [held, waiting] = (await Promise.all(readers)) as [WireFrame[], WireFrame[]]
    whole(held, ['cancel'])
    assert.deepEqual(waiting, [
      { event: 'metadata', data: { run_id: queued.run_id, thread_id } },
      { event: 'cancel', data: null },
      { event: 'end', data: null },
    ])
  })

  test('joining with rollback cancels, and the stream ends when the run is gone', async () => {
    const { thread_id, path } = await busyThread(server())
    const seen = await frames(server(), `${path}/stream?action=rollback`, {})
    whole(seen, ['cancel'])
    await refused(server(), 404, path)
    await eventually(async () => assert.deepEqual(await ask(server(), `/threads/${thread_id}/runs`), []))
  })

  test('so it does when what the run has stored is gone before a reader has it', async () => {
    const input = say(`count to 1000 ${'x'.repeat(3_000)}`)
    for (let round = 0; round < 4; round++) {
      const runs = `/threads/${threadName()}/runs`
      const { run_id } = await ask(server(), runs, { assistant_id: 'lead_agent', input })
      whole(await frames(server(), `${runs}/${run_id}/stream?action=rollback`), ['cancel'])
    }
  })

  test('joining with an action and wait answers when the run has stopped, without a body', async () => {
    const { path } = await busyThread(server())
    const response = await call(server(), `${path}/stream?action=interrupt&wait=1`)
    assert.deepEqual([response.status, await response.text()], [204, ''])
    assert.equal((await ask(server(), path)).status, 'interrupted')
    await refused(server(), 409, `${path}/stream?action=interrupt`)
    const { detail } = await refused(server(), 422, `${path}/stream?action=explode`)
    assert.deepEqual(detail[0].loc, ['query', 'action'])
    whole(await frames(server(), `${path}/stream?wait=true`), ['cancel'])
  })

  test('two joiners and one slow reader of a run see the same from the first frame to the last', async () => {
    const { url, otherUrl, fetch } = server()
    const thread_id = threadName()
    const body = {
      assistant_id: 'steps',
      input: { count: 80, delay_ms: 5 },
      stream_mode: ['values', 'custom', 'updates'],
      config: { recursion_limit: 500 },
    }
    const run = await ask(server(), `/threads/${thread_id}/runs`, body)
    const path = `/threads/${thread_id}/runs/${run.run_id}/stream`
    const slow = async () => {
      const response = await call(server(), path)
      const decoder = new TextDecoder()
      let text = ''
      for await (const part of response.body as ReadableStream<Uint8Array>) {
        text += decoder.decode(part, { stream: true })
        await sleep(20)
      }
      return framesOf(text)
    }
    const readers = [frames({ url, fetch }, path), frames({ url: otherUrl, fetch }, path, {}), slow()]
    const [one, two, three] = (await Promise.all(readers)) as [WireFrame[], WireFrame[], WireFrame[]]
    whole(one)
    assert.equal(one.filter(({ event }) => event === 'custom').length, 80)
    assert.deepEqual(two, one)
    assert.deepEqual(three, one)
  })

  test('resuming from every cursor of a run gives exactly the rest', async () => {
    const { otherUrl, fetch } = server()
    const stream_mode = ['values', 'custom', 'messages', 'updates']
    for (const what of [
      { assistant_id: 'steps', input: { count: 6 } },
      { assistant_id: 'echo', input: say('one two three four five six seven') },
    ]) {
      const thread_id = threadName()
      const all = await frames(server(), `/threads/${thread_id}/runs/stream`, { ...what, stream_mode })
      const path = `/threads/${thread_id}/runs/${all[0]?.data.run_id}/stream`
      const from = (id: string) =>
        frames({ url: otherUrl, fetch }, path, undefined, { headers: { 'last-event-id': id } })
      const last = Math.max(...all.map(({ id }) => Number(id ?? 0)))
      for (let cursor = 1; cursor <= last; cursor++) {
        const rest = all.filter(({ id }) => id === undefined || Number(id) > cursor)
        assert.deepEqual(await from(String(cursor)), rest)
      }
      for (const start of ['-1', '0', '1763625600000-7']) assert.deepEqual(await from(start), all)
    }
  })

  test('silence is filled with heartbeats', async () => {
    const body = { assistant_id: 'steps', input: { count: 1, delay_ms: 1000 } }
    const response = await call(server(), '/runs/stream', body)
    const text = await response.text()
    assert.ok(text.split(': heartbeat\n').length > 2)
    whole(framesOf(text))
  })

  test('a killed socket costs the SDK nothing: it goes on at the location it was given', async () => {
    const { url, fetch } = server()
    let calls = 0
    const cutting = (async (input, init) => {
      const response = await fetch(input, init)
      if (++calls > 1) return response
      let bytes = 0
      const cut = new TransformStream<Uint8Array, Uint8Array>({
        transform(part, controller) {
          bytes += part.length
          if (bytes > 2000) controller.error(new TypeError('terminated'))
          else controller.enqueue(part)
        },
      })
      return new Response(response.body?.pipeThrough(cut), response)
    }) as typeof globalThis.fetch
    const client = clientOf(`${url}/api`, cutting)
    const payload = {
      input: { count: 60, delay_ms: 10 },
      streamMode: ['custom' as const],
      onDisconnect: 'continue' as const,
    }
    const seen = await collect(
      client.runs.stream(threadName(), 'steps', { ...payload, config: { recursion_limit: 500 } }),
    )
    assert.ok(calls > 1, 'the socket was killed')
    const custom = seen.filter(({ event }) => event === 'custom').map(({ data }) => (data as { at: number }).at)
    assert.deepEqual(
      custom,
      Array.from({ length: 60 }, (_, at) => at),
    )
    assert.equal(seen.at(-1)?.event, 'end')
  })

  test('feedback keys come with the place to send a rating to, before the end', async () => {
    const thread_id = threadName()
    const body = { ...SHORT, stream_mode: 'custom', feedback_keys: ['helpful'] }
    const seen = await frames(server(), `/threads/${thread_id}/runs/stream`, body)
    whole(seen, ['feedback'])
    const helpful = `/api/threads/${thread_id}/runs/${seen[0]?.data.run_id}/feedback`
    assert.deepEqual(seen.at(-2)?.data, { helpful })
  })

  test('joining shows the modes of the run, whatever modes are asked for', async () => {
    const thread_id = threadName()
    const run = await ask(server(), `/threads/${thread_id}/runs`, { ...SHORT, stream_mode: ['custom'] })
    const seen = await frames(
      server(),
      `/threads/${thread_id}/runs/${run.run_id}/stream?stream_mode=values&cancel_on_disconnect=0`,
    )
    assert.deepEqual(names(seen), ['metadata', 'custom', 'end'])
  })

  test('a joiner that leaves cancels the run only when it said so', async () => {
    const { thread_id, path } = await busyThread(server())
    const leave = async (query: string) => {
      const gone = new AbortController()
      const response = await call(server(), `${path}/${query}`, undefined, { signal: gone.signal })
      const reader = (response.body as ReadableStream<Uint8Array>).getReader()
      await reader.read()
      gone.abort()
      await reader.cancel().catch(() => {})
    }
    await leave('stream?cancel_on_disconnect=0')
    await leave('join')
    await sleep(200)
    assert.equal((await ask(server(), path)).status, 'running')
    await leave('join?cancel_on_disconnect=1')
    await eventually(async () => assert.equal((await ask(server(), path)).status, 'interrupted'))
    const { run_id } = await ask(server(), `/threads/${thread_id}/runs`, LONG)
    const again = `/threads/${thread_id}/runs/${run_id}`
    await refused(server(), 422, `${again}/stream?cancel_on_disconnect=perhaps`)
    await ask(server(), `${again}/cancel?wait=1`, {})
  })
})
