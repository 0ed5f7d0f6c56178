// Symptoms that users of other servers reported, about streams. Each test is named by what they saw; none may be seen here.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { collect, follow, type Seen, say } from '../api/harness.ts'
import { forEachServer } from '../support/server.ts'

forEachServer('the museum: streams', server => {
  const namesOf = (events: Seen[]) => events.map(({ event }) => event)

  test('two who join one run get a part of its events each', async () => {
    const { client, other } = server()
    const { thread_id } = await client.threads.create()
    const input = { count: 10, delay_ms: 20 }
    const { run_id } = await client.runs.create(thread_id, 'steps', { input, streamMode: ['custom'] })
    const join = (from: typeof client) => collect(from.runs.joinStream(thread_id, run_id))
    const [one, two, three] = await Promise.all([join(client), join(other), join(client)])
    assert.equal(one.filter(({ event }) => event === 'custom').length, 10)
    assert.deepEqual(two, one)
    assert.deepEqual(three, one)
  })

  test('a run that starts before anybody listens loses its first events, or is told of twice', async () => {
    const { client } = server()
    const one = async () => {
      const { thread_id } = await client.threads.create()
      const streamed = await collect(
        client.runs.stream(thread_id, 'steps', { input: { count: 2 }, streamMode: 'custom' }),
      )
      assert.deepEqual(namesOf(streamed), ['metadata', 'custom', 'custom'])
      assert.deepEqual(
        streamed.slice(1).map(({ data }) => data),
        [{ at: 0 }, { at: 1 }],
      )
      assert.equal(new Set(streamed.map(({ id }) => id)).size, streamed.length)
    }
    await Promise.all(Array.from({ length: 20 }, one))
  })

  test('joining with a stream mode loses the events of subgraphs', async () => {
    const { client, other } = server()
    const { thread_id } = await client.threads.create()
    const payload = {
      input: say('a b'),
      streamMode: ['updates' as const, 'messages-tuple' as const],
      streamSubgraphs: true,
    }
    const { run_id } = await client.runs.create(thread_id, 'nested', payload)
    const all = await collect(other.runs.joinStream(thread_id, run_id))
    for (const mode of ['updates', 'messages'] as const) {
      const streamMode = mode === 'messages' ? ('messages-tuple' as const) : mode
      const joined = await collect(other.runs.joinStream(thread_id, run_id, { streamMode: [streamMode] }))
      const expected = all.filter(({ event }) => event === 'metadata' || event.split('|')[0] === mode)
      assert.deepEqual(joined, expected)
      assert.ok(joined.some(({ event }) => event.startsWith(`${mode}|inner:`)))
    }
  })

  test('messages of a subgraph cannot be told from those of the graph', async () => {
    const { client } = server()
    const payload = { input: say('a b'), streamMode: 'messages-tuple' as const, streamSubgraphs: true }
    const events = await collect(client.runs.stream(null, 'nested', payload) as AsyncIterable<Seen>)
    const pieces = events.filter(({ event }) => event.startsWith('messages'))
    for (const { event, data } of pieces) {
      const [, metadata] = data as [unknown, Record<string, string>]
      assert.match(event, /^messages\|inner:[0-9a-f-]+/)
      assert.equal(metadata.langgraph_node, 'speak')
      assert.ok(metadata.langgraph_checkpoint_ns?.startsWith(event.slice('messages|'.length)))
    }
    assert.ok(pieces.length >= 2)
  })

  test('the stream mode changes what is saved: messages come twice, under two ids', async () => {
    const { client } = server()
    const modes = ['values', 'updates', 'messages', 'messages-tuple', 'events', 'debug'] as const
    for (const streamMode of [...modes.map(mode => [mode]), [...modes]]) {
      const { thread_id } = await client.threads.create()
      for (const text of ['one', 'two']) {
        const payload = { input: say(text), streamMode, streamSubgraphs: true }
        await collect(client.runs.stream(thread_id, 'echo', payload) as AsyncIterable<Seen>)
      }
      const { messages } = (await client.threads.getState(thread_id)).values as { messages: Record<string, string>[] }
      assert.deepEqual(
        messages.map(({ type, content }) => [type, content]),
        ['one', 'two'].flatMap(text => [
          ['human', text],
          ['ai', text],
        ]),
        streamMode.join(),
      )
      assert.equal(new Set(messages.map(({ id }) => id)).size, 4)
    }
  })

  test('a stream that breaks cannot be taken up again: no Location, no ids on stateless runs', async () => {
    const { client, url, fetch } = server()
    const body = JSON.stringify({ assistant_id: 'steps', input: { count: 2 }, stream_mode: ['custom'] })
    const made = await fetch(`${url}/runs/stream`, { method: 'POST', body })
    const path = made.headers.get('location') as string
    assert.match(path, /^\/runs\/[0-9a-f-]+\/stream$/)
    const text = await made.text()
    const [first] = [...text.matchAll(/^id: (\d+)$/gm)]
    const again = await fetch(`${url}${path}`, { headers: { 'last-event-id': first?.[1] as string } })
    assert.equal(again.headers.get('location'), path)
    assert.equal(await again.text(), text.slice(text.indexOf('\n\n') + 2))
    const { thread_id } = await client.threads.create()
    const { run_id } = await client.runs.create(thread_id, 'steps', { input: { count: 1 } })
    const joined = await fetch(`${url}/threads/${thread_id}/runs/${run_id}/stream`)
    assert.equal(joined.headers.get('location'), `/threads/${thread_id}/runs/${run_id}/stream`)
    await joined.text()
  })

  test('a proxy holds the stream back, or compresses it', async () => {
    const { url, fetch } = server()
    const body = JSON.stringify({ assistant_id: 'steps', input: { count: 1 } })
    const response = await fetch(`${url}/runs/stream`, { method: 'POST', body })
    assert.equal(response.headers.get('x-accel-buffering'), 'no')
    assert.match(response.headers.get('cache-control') ?? '', /no-transform/)
    await response.text()
  })

  test('a stream ends while its run is still shown as running', async () => {
    const { client, other } = server()
    for (const assistant of ['steps', 'fail', 'ask']) {
      const { thread_id } = await client.threads.create()
      await collect(client.runs.stream(thread_id, assistant, { input: { count: 1 } }))
      const [[run], thread] = await Promise.all([other.runs.list(thread_id), other.threads.get(thread_id)])
      assert.notEqual(run?.status, 'running')
      assert.notEqual(thread.status, 'busy')
    }
  })

  test('the stream of a cancelled run never ends', async () => {
    const { client, other } = server()
    const { thread_id } = await client.threads.create()
    const { run_id } = await client.runs.create(thread_id, 'steps', {
      input: { count: 1000, delay_ms: 50 },
      streamMode: ['custom'],
    })
    const joined = await follow(other.runs.joinStream(thread_id, run_id))
    await client.runs.cancel(thread_id, run_id)
    const seen = await joined.ended
    assert.ok(seen.every(({ event }) => event !== 'error'))
  })
})
