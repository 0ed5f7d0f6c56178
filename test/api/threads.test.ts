// Threads through the official SDK: made, patched, copied, pruned, deleted; on every way of running the server.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from '@langchain/langgraph-sdk'
import { forEachServer } from '../support/server.ts'
import { collect, eventually, say, status } from './harness.ts'

interface Ttl {
  strategy: string
  ttl_minutes: number
  expires_at: string
}

forEachServer('threads', server => {
  const ttlOf = async (client: Client, thread_id: string) =>
    ((await client.threads.get(thread_id, { include: ['ttl'] })) as { ttl?: Ttl | null }).ttl

  const messages = (values: unknown) =>
    (values as { messages: { content: string }[] }).messages.map(({ content }) => content)

  /** A thread on which a run asked a question. */
  const asked = async (graph: string) => {
    const { client } = server()
    const { thread_id } = await client.threads.create()
    await client.runs.wait(thread_id, graph, { input: {} })
    return thread_id
  }

  test('one is created, read, patched and deleted', async () => {
    const { client, other } = server()
    const thread_id = crypto.randomUUID()
    const thread = await client.threads.create({ threadId: thread_id, metadata: { a: { x: 1 } }, graphId: 'echo' })
    assert.equal(thread.thread_id, thread_id)
    assert.deepEqual(thread.metadata, { a: { x: 1 }, graph_id: 'echo' })
    await other.threads.update(thread_id, { metadata: { b: 2, a: { y: 1 } } })
    const patched = await client.threads.get(thread_id)
    assert.deepEqual(patched.metadata, { a: { y: 1 }, b: 2, graph_id: 'echo' })
    assert.equal(patched.created_at, thread.created_at)
    await client.threads.delete(thread_id)
    await assert.rejects(other.threads.get(thread_id), status(404))
    await assert.rejects(other.threads.delete(thread_id), status(404))
    await assert.rejects(other.threads.update(thread_id, { metadata: {} }), status(404))
  })

  test('an id is taken once; do_nothing answers with what is there', async () => {
    const { client, other } = server()
    const { thread_id } = await client.threads.create({ metadata: { a: 1 } })
    await assert.rejects(other.threads.create({ threadId: thread_id }), status(409, /exists already/))
    const again = await other.threads.create({ threadId: thread_id, ifExists: 'do_nothing', metadata: { b: 1 } })
    assert.deepEqual(again.metadata, { a: 1 })
  })

  test('a new one says that it has no values, and when its state last changed', async () => {
    const thread = await server().client.threads.create()
    assert.equal(thread.values, null)
    assert.equal(thread.state_updated_at, thread.created_at)
    assert.deepEqual([thread.status, thread.interrupts, thread.config], ['idle', {}, {}])
    assert.equal('error' in thread || 'ttl' in thread || 'extracted' in thread, false)
  })

  test('after a run it shows values, status, error and when its state changed', async () => {
    const { client } = server()
    const { thread_id, created_at } = await client.threads.create()
    await sleep(2)
    await client.runs.wait(thread_id, 'echo', { input: say('shown') })
    const thread = await client.threads.get(thread_id)
    assert.deepEqual(thread.values, (await client.threads.getState(thread_id)).values)
    assert.equal(thread.metadata?.graph_id, 'echo')
    assert.ok(thread.state_updated_at > created_at)
    const failed = await client.threads.create()
    await client.runs.wait(failed.thread_id, 'fail', { input: {}, raiseError: false })
    const { status, error } = await client.threads.get(failed.thread_id)
    assert.equal(status, 'error')
    assert.match(String(error), /fails on purpose/)
  })

  test('a patch that asks for a minimal answer gets none', async () => {
    const { client, url, fetch } = server()
    const { thread_id } = await client.threads.create()
    const request = { method: 'PATCH', headers: { prefer: 'return=minimal' }, body: '{"metadata":{"a":1}}' }
    const response = await fetch(`${url}/threads/${thread_id}`, request)
    assert.deepEqual([response.status, await response.text()], [204, ''])
    assert.equal(await client.threads.update(thread_id, { metadata: { b: 1 }, returnMinimal: true }), undefined)
    assert.deepEqual((await client.threads.get(thread_id)).metadata, { a: 1, b: 1 })
  })

  test('a time to live is shown when asked for, moves with every use, and can be changed', async () => {
    const { client, url, fetch } = server()
    const { thread_id } = await client.threads.create({ ttl: 60 })
    const first = await ttlOf(client, thread_id)
    assert.deepEqual([first?.strategy, first?.ttl_minutes], ['delete', 60])
    assert.ok(Math.abs(Date.parse(first?.expires_at ?? '') - Date.now() - 3_600_000) < 10_000)
    assert.equal('ttl' in (await client.threads.get(thread_id)), false)
    for (const query of ['include=ttl', 'include=["ttl"]', 'include=values&include=ttl', 'include=values,ttl']) {
      assert.ok(((await (await fetch(`${url}/threads/${thread_id}?${query}`)).json()) as { ttl?: Ttl }).ttl, query)
    }
    await sleep(2)
    await client.runs.wait(thread_id, 'echo', { input: say('hi') })
    assert.ok(((await ttlOf(client, thread_id))?.expires_at ?? '') > (first?.expires_at ?? ''))
    await client.threads.update(thread_id, { ttl: { ttl: 1.5, strategy: 'keep_latest' as 'delete' } })
    const changed = await ttlOf(client, thread_id)
    assert.deepEqual([changed?.strategy, changed?.ttl_minutes], ['keep_latest', 1.5])
    assert.equal(await ttlOf(client, (await client.threads.create()).thread_id), null)
    await assert.rejects(client.threads.create({ ttl: -1 }), status(422, /ttl/))
  })

  test('supersteps recreate a thread as if it had run', async () => {
    const { client } = server()
    const human = { role: 'user', content: 'hi', id: 'h' }
    const ai = { role: 'assistant', content: 'hello', id: 'a' }
    const { thread_id, values } = await client.threads.create({
      graphId: 'echo',
      supersteps: [
        { updates: [{ values: { messages: [human] }, asNode: '__input__' }] },
        { updates: [{ values: { messages: [human] }, asNode: '__start__' }] },
        { updates: [{ values: { messages: [ai] }, asNode: 'model' }] },
      ],
    })
    assert.deepEqual(messages(values), ['hi', 'hello'])
    const history = await client.threads.getHistory(thread_id)
    assert.deepEqual(
      history.map(({ metadata, next }) => [metadata?.source, metadata?.step, next]),
      [
        ['update', 1, []],
        ['update', 0, ['model']],
        ['input', -1, ['__start__']],
      ],
    )
    await client.runs.wait(thread_id, 'echo', { input: say('more') })
    assert.deepEqual(messages((await client.threads.get(thread_id)).values), ['hi', 'hello', 'more', 'more'])
  })

  test('supersteps may leave nodes to run, and speak in commands', async () => {
    const { client } = server()
    const { thread_id, status } = await client.threads.create({
      graphId: 'steps',
      supersteps: [
        { updates: [{ values: { count: 3, log: ['from before'] }, asNode: '__input__' }] },
        { updates: [{ values: { count: 3, log: ['from before'] }, asNode: '__start__' }] },
        { updates: [{ values: null, command: { update: { log: ['commanded'] } }, asNode: 'step' }] },
      ],
    })
    assert.equal(status, 'interrupted')
    assert.deepEqual((await client.threads.getState(thread_id)).next, ['step'])
    const values = (await client.runs.wait(thread_id, 'steps', { input: null })) as { log: string[] }
    assert.deepEqual(values.log, ['from before', 'commanded', 'step 2'])
  })

  test('a thread whose supersteps cannot be applied is not created', async () => {
    const { client } = server()
    const good = { updates: [{ values: { answers: ['x'] }, asNode: 'ask' }] }
    const bad = { updates: [{ values: {}, asNode: 'nobody' }] }
    const refused = [
      { graphId: 'ask', supersteps: [good, bad], answer: status(422, /Node \\"nobody\\" does not exist/) },
      { supersteps: [good], answer: status(400, /has no graph/) },
      { graphId: 'unheard-of', supersteps: [good], answer: status(404, /Graph \\"unheard-of\\" not found/) },
      { graphId: 'ask', supersteps: [{ updates: [] }], answer: status(422, /supersteps\.0\.updates/) },
    ]
    for (const { answer, ...payload } of refused) {
      const threadId = crypto.randomUUID()
      await assert.rejects(client.threads.create({ threadId, ...payload }), answer)
      await assert.rejects(client.threads.get(threadId), status(404))
    }
  })

  test('deleting one stops what runs on it', async () => {
    const { client, other } = server()
    const { thread_id } = await client.threads.create()
    const input = { count: 1000, delay_ms: 50 }
    const run = await client.runs.create(thread_id, 'steps', { input, streamMode: ['custom'] })
    const reader = collect(other.runs.joinStream(thread_id, run.run_id))
    await eventually(async () => assert.equal((await client.runs.get(thread_id, run.run_id)).status, 'running'))
    await other.threads.delete(thread_id)
    assert.ok((await reader).every(event => event.event !== 'error'))
    await assert.rejects(client.runs.get(thread_id, run.run_id), status(404))
  })

  test('a copy has the whole state, says whose it is, and goes its own way', async () => {
    const { client, other } = server()
    const { thread_id } = await client.threads.create({ metadata: { name: 'original' }, ttl: 60 })
    await client.runs.wait(thread_id, 'configured', { input: {}, config: { configurable: { flavour: 'sweet' } } })
    const source = await client.threads.get(thread_id)
    const copy = await other.threads.copy(thread_id)
    assert.notEqual(copy.thread_id, thread_id)
    assert.deepEqual(copy.metadata, { ...source.metadata, thread_id: copy.thread_id })
    assert.deepEqual([copy.values, copy.config, copy.status], [source.values, source.config, 'idle'])
    assert.equal((await ttlOf(client, copy.thread_id))?.ttl_minutes, 60)
    const [original, copied] = [
      await client.threads.getHistory(thread_id),
      await client.threads.getHistory(copy.thread_id),
    ]
    assert.deepEqual(
      copied.map(({ values, checkpoint: { checkpoint_id } }) => [values, checkpoint_id]),
      original.map(({ values, checkpoint: { checkpoint_id } }) => [values, checkpoint_id]),
    )
    for (const { checkpoint, metadata } of copied) {
      assert.equal(checkpoint.thread_id, copy.thread_id)
      assert.equal((metadata as { thread_id: string }).thread_id, copy.thread_id)
    }
    await client.runs.wait(copy.thread_id, 'configured', { input: {} })
    assert.equal(((await client.threads.get(thread_id)).values as { answers: [] }).answers.length, 2)
    assert.deepEqual((await client.threads.get(copy.thread_id)).values, {
      answers: ['sweet', 'sweet', 'sweet', 'sweet'],
    })
    await client.threads.delete(thread_id)
    assert.equal((await client.threads.getHistory(copy.thread_id, { limit: 100 })).length, original.length * 2)
  })

  test('a copy of a thread with an open question has the question, and can be answered', async () => {
    const { client } = server()
    const thread_id = await asked('ask')
    const copy = await client.threads.copy(thread_id)
    assert.equal(copy.status, 'interrupted')
    assert.deepEqual(copy.interrupts, (await client.threads.get(thread_id)).interrupts)
    assert.equal(Object.keys(copy.interrupts).length, 1)
    for (const resume of ['one', 'two']) await client.runs.wait(copy.thread_id, 'ask', { command: { resume } })
    assert.deepEqual((await client.threads.get(copy.thread_id)).values, { answers: ['one', 'two'] })
    assert.equal((await client.threads.get(thread_id)).status, 'interrupted')
  })

  test('copying a thread that is not there is 404', async () => {
    await assert.rejects(server().client.threads.copy(crypto.randomUUID()), status(404))
  })

  test('pruning deletes the threads that there are', async () => {
    const { client, other } = server()
    const { thread_id } = await client.threads.create()
    const pruned = await other.threads.prune([thread_id, thread_id, crypto.randomUUID()])
    assert.deepEqual(pruned, { pruned_count: 1 })
    await assert.rejects(client.threads.get(thread_id), status(404))
  })

  test('pruning to the latest keeps what a thread is, and it goes on', async () => {
    const { client, other } = server()
    const { thread_id } = await client.threads.create()
    for (const text of ['one', 'two', 'three']) await client.runs.wait(thread_id, 'nested', { input: say(text) })
    const [state, values] = [await client.threads.getState(thread_id), (await client.threads.get(thread_id)).values]
    const pruned = await other.threads.prune([thread_id, crypto.randomUUID()], { strategy: 'keep_latest' })
    assert.deepEqual(pruned, { pruned_count: 1 })
    const history = await client.threads.getHistory(thread_id)
    assert.deepEqual(history, [{ ...state, parent_checkpoint: null }])
    assert.deepEqual((await client.threads.get(thread_id)).values, values)
    await other.runs.wait(thread_id, 'nested', { input: say('four') })
    assert.deepEqual(
      messages((await client.threads.get(thread_id)).values),
      ['one', 'two', 'three', 'four'].flatMap(text => [text, text]),
    )
  })

  test('pruning keeps an open question, also one from within a subgraph', async () => {
    const { client, other } = server()
    for (const [graph, answers] of [
      ['ask', ['one', 'two']],
      ['ask-inside', ['one']],
    ] as const) {
      const thread_id = await asked(graph)
      await client.threads.prune([thread_id], { strategy: 'keep_latest' })
      assert.equal((await client.threads.get(thread_id)).status, 'interrupted')
      for (const resume of answers) await other.runs.wait(thread_id, graph, { command: { resume } })
      assert.deepEqual((await client.threads.get(thread_id)).values, { answers })
    }
  })

  test('pruning to the latest leaves out a thread with a run in flight', async () => {
    const { client } = server()
    const { thread_id } = await client.threads.create()
    await client.runs.create(thread_id, 'echo', { input: say('later'), afterSeconds: 60 })
    assert.deepEqual(await client.threads.prune([thread_id], { strategy: 'keep_latest' }), { pruned_count: 0 })
  })

  test('the storage report says what a thread takes up', async () => {
    const { client, url, fetch } = server()
    const { thread_id } = await client.threads.create()
    const storage = async () => {
      const report = await (await fetch(`${url}/threads/${thread_id}/storage`)).json()
      return report as {
        thread_id: string
        total_bytes: number
        checkpoints: { count: number; bytes: number }
        channel_values: { count: number; bytes: number; by_channel: Record<string, { count: number; bytes: number }> }
        pending_writes: { count: number; bytes: number }
        events: { count: number; bytes: number }
        messages: { count: number; bytes: number }
      }
    }
    assert.equal((await storage()).total_bytes, 0)
    await client.runs.wait(thread_id, 'echo', { input: say('x'.repeat(2_000)) })
    const { total_bytes, checkpoints, channel_values, pending_writes, events, messages } = await storage()
    assert.equal(checkpoints.count, 3)
    assert.ok(pending_writes.count > 0 && events.count > 0)
    const { count, bytes } = channel_values.by_channel.messages ?? { count: 0, bytes: 0 }
    assert.ok(count >= 2 && bytes > 4_000 && bytes < 20_000)
    assert.ok(messages.count === 2 && messages.bytes > 4_000)
    const parts = [checkpoints, channel_values, pending_writes, events, messages]
    assert.equal(
      total_bytes,
      parts.reduce((sum, part) => sum + part.bytes, 0),
    )
    assert.equal((await fetch(`${url}/threads/${crypto.randomUUID()}/storage`)).status, 404)
  })
})
