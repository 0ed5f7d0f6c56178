// Following a thread across its runs through the official SDK; on every way of running the server.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Client } from '@langchain/langgraph-sdk'
import { forEachServer } from '../support/server.ts'
import { type Seen, status } from './harness.ts'

type Modes = ('run_modes' | 'lifecycle' | 'state_update')[]

const WITHIN_MS = 60_000

forEachServer('thread stream', server => {
  /** What is streamed from now on, or after an id, until it is enough. */
  const follow = (client: Client, thread_id: string, until: (seen: Seen[]) => boolean, options: object = {}) => {
    const gone = AbortSignal.timeout(WITHIN_MS)
    const stream = client.threads.joinStream(thread_id, { signal: gone, ...options }) as AsyncGenerator<Seen>
    const first = stream.next()
    first.catch(() => {})
    const all = (async () => {
      const seen: Seen[] = []
      for (let next = await first; !next.done; next = await stream.next()) {
        seen.push(next.value)
        if (until(seen)) return seen
      }
      throw new Error(`the stream ended after ${JSON.stringify(seen)}`)
    })()
    all.catch(() => {})
    return all
  }

  const isDone = ({ event, data }: Seen) => event === 'metadata' && (data as { status?: string }).status === 'run_done'
  const runsDone = (count: number) => (seen: Seen[]) => seen.filter(isDone).length === count

  const run = async (thread_id: string, mode = 'custom' as const) => {
    const { client } = server()
    const { run_id } = await client.runs.create(thread_id, 'steps', { input: { count: 1 }, streamMode: [mode] })
    await client.runs.join(thread_id, run_id)
    return run_id
  }

  test('it stays open across runs, and shows of each what it streams, its start and its end', async () => {
    const { client, other } = server()
    const { thread_id } = await client.threads.create()
    const following = follow(other, thread_id, runsDone(2), { lastEventId: '-' })
    const runs = [await run(thread_id), await run(thread_id)]
    const seen = await following
    assert.deepEqual(
      seen.map(({ event, data }) => [event, data]),
      runs.flatMap((run_id, n) => [
        ['metadata', { run_id, attempt: 1 }],
        ['custom', { at: n }],
        ['metadata', { status: 'run_done', run_id }],
      ]),
    )
  })

  test('it goes on after any of its events, and after the end of a run', async () => {
    const { client, other } = server()
    const { thread_id } = await client.threads.create()
    for (let n = 0; n < 3; n++) await run(thread_id)
    const all = await follow(client, thread_id, runsDone(3), { lastEventId: '-' })
    const ids = all.map(({ id }) => id as string)
    assert.equal(new Set(ids).size, all.length)
    const numbers = ids.map(id => Number.parseInt(id, 10))
    assert.deepEqual(
      numbers,
      [...numbers].sort((a, b) => a - b),
    )
    for (const [n, lastEventId] of ids.slice(0, -1).entries()) {
      const rest = all.slice(n + 1)
      const seen = await follow(other, thread_id, seen => seen.length === rest.length, { lastEventId })
      assert.deepEqual(seen, rest)
    }
  })

  test('without an id it begins now', async () => {
    const { client } = server()
    const { thread_id } = await client.threads.create()
    const before = await run(thread_id)
    const following = follow(client, thread_id, runsDone(1))
    await client.threads.get(thread_id) // it is open by now, or sees the run as its first all the same
    await new Promise(resolve => setTimeout(resolve, 300))
    const after = await run(thread_id)
    const seen = await following
    assert.ok(!JSON.stringify(seen).includes(before))
    assert.deepEqual(seen[0]?.data, { run_id: after, attempt: 1 })
  })

  test('lifecycle is starts and ends only, state_update the state after each run', async () => {
    const { client, other } = server()
    const { thread_id } = await client.threads.create()
    const modes = (...streamMode: Modes) => ({ streamMode, lastEventId: '-' })
    const lifecycle = follow(other, thread_id, runsDone(2), modes('lifecycle'))
    const updates = follow(other, thread_id, seen => seen.length === 2, modes('state_update'))
    const both = follow(other, thread_id, seen => seen.length === 6, modes('lifecycle', 'state_update'))
    for (let n = 0; n < 2; n++) await run(thread_id)
    assert.deepEqual(
      (await lifecycle).map(({ event }) => event),
      ['metadata', 'metadata', 'metadata', 'metadata'],
    )
    const states = await updates
    assert.deepEqual(
      states.map(({ event }) => event),
      ['state_update', 'state_update'],
    )
    assert.deepEqual(states[1]?.data, await client.threads.getState(thread_id))
    assert.deepEqual(
      (await both).map(({ event }) => event),
      ['metadata', 'metadata', 'state_update', 'metadata', 'metadata', 'state_update'],
    )
  })

  test('modes are understood in every spelling, unknown ones refused', async () => {
    const { client, url, fetch } = server()
    const { thread_id } = await client.threads.create()
    const run_id = await run(thread_id)
    const spellings = ['stream_mode=["lifecycle"]', 'stream_mode=lifecycle', 'stream_modes=lifecycle']
    for (const query of spellings) {
      const gone = new AbortController()
      const headers = { 'last-event-id': '-' }
      const response = await fetch(`${url}/threads/${thread_id}/stream?${query}`, { headers, signal: gone.signal })
      assert.equal(response.headers.get('location'), `/threads/${thread_id}/stream?stream_mode=lifecycle`)
      const reader = (response.body as ReadableStream<Uint8Array>).getReader()
      const { value } = await reader.read()
      assert.match(new TextDecoder().decode(value), new RegExp(`event: metadata\ndata: {"run_id":"${run_id}"`))
      await reader.cancel()
      gone.abort()
    }
    assert.equal((await fetch(`${url}/threads/${thread_id}/stream?stream_mode=everything`)).status, 422)
  })

  test('a run that is rolled back ends, and the next one is shown', async () => {
    const { client, other } = server()
    const { thread_id } = await client.threads.create()
    const following = follow(other, thread_id, runsDone(2), { lastEventId: '-', streamMode: ['lifecycle'] })
    const input = { count: 1000, delay_ms: 30 }
    const first = await client.runs.create(thread_id, 'steps', { input, streamMode: ['custom'] })
    await new Promise(resolve => setTimeout(resolve, 200))
    const second = await client.runs.create(thread_id, 'steps', { input: { count: 1 }, multitaskStrategy: 'rollback' })
    const seen = (await following).map(({ data }) => (data as { run_id: string }).run_id)
    assert.deepEqual(seen, [first.run_id, first.run_id, second.run_id, second.run_id])
  })

  test('it is 404 for a thread that is not there, and ends with the thread', async () => {
    const { client, other } = server()
    const { thread_id } = await client.threads.create()
    const following = follow(other, thread_id, () => false)
    await new Promise(resolve => setTimeout(resolve, 300))
    await client.threads.delete(thread_id)
    await assert.rejects(following, /the stream ended after \[\]|404/)
    await assert.rejects(
      follow(client, thread_id, () => false),
      status(404),
    )
  })
})
