// Runs through the official SDK: created, streamed, joined, waited for, cancelled; on every way of running the server, and
// with the SDK's base at the root or at the gateway dialect, whose streams say that they end.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Client } from '@langchain/langgraph-sdk'
import { clientOf, forEachServer, type TestServer } from '../support/server.ts'
import { collect, eventually, follow, type Seen, say, status, textOf } from './harness.ts'

for (const base of ['', '/api']) {
  forEachServer(`runs at ${base || 'the root'}`, opened => {
    const server = () => at(opened(), base)
    const ends = base ? ['end'] : []

    test('a streamed run shows metadata first, then its values, and ends', async () => {
      const { client } = server()
      const { thread_id } = await client.threads.create()
      const events = await collect(
        client.runs.stream(thread_id, 'echo', { input: say('hello there'), streamMode: 'values' }),
      )
      assert.equal(events[0]?.event, 'metadata')
      assert.deepEqual(new Set(events.slice(1).map(event => event.event)), new Set(['values', ...ends]))
      assert.equal(textOf(events.findLast(({ event }) => event === 'values')?.data), 'hello there')
      const [run] = await client.runs.list(thread_id)
      assert.equal(run?.status, 'success')
      assert.equal((await client.threads.get(thread_id)).status, 'idle')
    })

    test('messages-tuple streams the answer in pieces', async () => {
      const { client } = server()
      const { thread_id } = await client.threads.create()
      const input = say('one two three')
      const events = await collect(client.runs.stream(thread_id, 'echo', { input, streamMode: 'messages-tuple' }))
      const pieces = events
        .filter(event => event.event === 'messages')
        .map(event => (event.data as [{ content: string }])[0].content)
      assert.deepEqual(pieces, ['one ', 'two ', 'three'])
    })

    test('several modes at once are the union of them, and only they', async () => {
      const { client } = server()
      const { thread_id } = await client.threads.create()
      const modes = ['updates', 'custom', 'tasks'] as const
      const events = await collect(
        client.runs.stream(thread_id, 'steps', { input: { count: 2 }, streamMode: [...modes] }),
      )
      assert.deepEqual(new Set(events.map(event => event.event)), new Set(['metadata', ...modes, ...ends]))
    })

    test('a subgraph speaks under its namespace when asked, and only then', async () => {
      const { client } = server()
      const { thread_id } = await client.threads.create()
      const payload = { input: say('hi'), streamMode: ['updates' as const] }
      const plain = await collect(client.runs.stream(thread_id, 'nested', payload))
      assert.ok(plain.every(event => !event.event.includes('|')))
      const deep = await collect(client.runs.stream(thread_id, 'nested', { ...payload, streamSubgraphs: true }))
      assert.ok(deep.some(event => /^updates\|inner:[0-9a-f-]+$/.test(event.event)))
    })

    test('another process joins a running stream and sees all of it', async () => {
      const { client, other } = server()
      const { thread_id } = await client.threads.create()
      const run = await client.runs.create(thread_id, 'steps', {
        input: { count: 6, delay_ms: 60 },
        streamMode: base ? ['custom'] : ['values'], // what is asked for when joining counts at the root only
      })
      const joined = await collect(other.runs.joinStream(thread_id, run.run_id, { streamMode: ['custom'] }))
      const seen = joined.slice(0, joined.length - ends.length)
      assert.deepEqual(
        seen.slice(1).map(event => event.data),
        [0, 1, 2, 3, 4, 5].map(at => ({ at })),
      )
    })

    test('a reader that comes back with its last id gets the rest, once', async () => {
      const { client, other } = server()
      const { thread_id } = await client.threads.create()
      const run = await client.runs.create(thread_id, 'steps', { input: { count: 5 }, streamMode: ['custom'] })
      const join = async (lastEventId?: string) => {
        const seen = await collect(
          other.runs.joinStream(thread_id, run.run_id, { ...(lastEventId && { lastEventId }) }),
        )
        return seen.slice(0, seen.length - ends.length)
      }
      const all = await join()
      for (const [index, event] of all.entries()) {
        assert.deepEqual(await join(event.id as string), all.slice(index + 1))
      }
      assert.deepEqual(await join('-1'), all)
    })

    test('wait answers with the last values, join with the same', async () => {
      const { client, other } = server()
      const { thread_id } = await client.threads.create()
      const values = await client.runs.wait(thread_id, 'steps', { input: { count: 2 } })
      assert.deepEqual((values as { log: string[] }).log, ['step 0', 'step 1'])
      const [run] = await client.runs.list(thread_id)
      assert.deepEqual(await other.runs.join(thread_id, run?.run_id as string), values)
    })

    test('a failed run ends with one error event, status error, and wait raises it', async () => {
      const { client } = server()
      const { thread_id } = await client.threads.create()
      const events = await collect(client.runs.stream(thread_id, 'fail', { input: {}, streamMode: 'values' }))
      const message = 'this node fails on purpose'
      const error = { error: 'TypeError', message }
      const { event, data } = events[events.length - 1 - ends.length] as Seen
      assert.deepEqual([event, data], ['error', base ? { message, name: 'TypeError' } : error])
      assert.equal(events.filter(event => event.event === 'error').length, 1)
      assert.equal((await client.runs.list(thread_id))[0]?.status, 'error')
      assert.equal((await client.threads.get(thread_id)).status, 'error')
      await assert.rejects(client.runs.wait(thread_id, 'fail', { input: {} }), /TypeError: this node fails on purpose/)
      const raw = await client.runs.wait(thread_id, 'fail', { input: {}, raiseError: false })
      assert.deepEqual(raw, { __error__: error, ...(base && { status: 'error', error: message }) })
    })

    test('interrupts are shown, listed on the thread, and answered one after the other', async () => {
      const { client, other } = server()
      const { thread_id } = await client.threads.create()
      const asked = await client.runs.wait(thread_id, 'ask', { input: {} })
      const [question] = (asked as { __interrupt__: { id: string; value: unknown }[] }).__interrupt__
      assert.deepEqual(question?.value, { question: 'first?' })
      const thread = await other.threads.get(thread_id)
      assert.equal(thread.status, 'interrupted')
      assert.deepEqual(
        Object.values(thread.interrupts ?? {})
          .flat()
          .map(({ id }) => id),
        [question?.id],
      )
      const again = await other.runs.wait(thread_id, 'ask', { command: { resume: 'a' } })
      assert.deepEqual((again as { __interrupt__: { value: unknown }[] }).__interrupt__[0]?.value, {
        question: 'second?',
      })
      assert.deepEqual(await client.runs.wait(thread_id, 'ask', { command: { resume: 'b' } }), { answers: ['a', 'b'] })
      assert.equal((await client.threads.get(thread_id)).status, 'idle')
    })

    test('several questions at once are answered by id, singly or together', async () => {
      const { client, other } = server()
      for (const together of [true, false]) {
        const { thread_id } = await client.threads.create()
        const asked = await client.runs.wait(thread_id, 'ask_both', { input: {} })
        const open = (asked as { __interrupt__: { id: string; value: string }[] }).__interrupt__
        assert.deepEqual(open.map(({ value }) => value).sort(), ['left?', 'right?'])
        const answers = open.map(({ id, value }) => ({ [id]: `to ${value}` }))
        const given = together ? [Object.assign({}, ...answers)] : answers
        let values: unknown
        for (const resume of given) values = await other.runs.wait(thread_id, 'ask_both', { command: { resume } })
        assert.deepEqual(values, { answers: ['left to left?', 'right to right?'] })
      }
    })

    test('static breakpoints stop and go on with null', async () => {
      const { client } = server()
      const { thread_id } = await client.threads.create()
      await client.runs.wait(thread_id, 'steps', { input: { count: 1 }, interruptBefore: ['step'] })
      const { next } = await client.threads.getState(thread_id)
      assert.deepEqual(next, ['step'])
      assert.equal((await client.threads.get(thread_id)).status, 'interrupted')
      const values = await client.runs.wait(thread_id, 'steps', { input: null })
      assert.deepEqual((values as { log: string[] }).log, ['step 0'])
    })

    test('cancel stops a running run, from either process, and keeps its values', async () => {
      const { client, other } = server()
      for (const canceller of [client, other]) {
        const { thread_id } = await client.threads.create()
        const run = await client.runs.create(thread_id, 'steps', { input: { count: 100, delay_ms: 50 } })
        await eventually(async () =>
          assert.ok(((await client.threads.getState(thread_id)).values as { log?: [] }).log?.length),
        )
        await canceller.runs.cancel(thread_id, run.run_id, true)
        assert.equal((await client.runs.get(thread_id, run.run_id)).status, 'interrupted')
        const { log } = (await client.threads.get(thread_id)).values as { log: string[] }
        assert.ok(log.length >= 1 && log.length < 100)
        await assert.rejects(client.runs.cancel(thread_id, run.run_id), status(409))
        const values = await client.runs.wait(thread_id, 'steps', { input: { count: 1, delay_ms: 0 } })
        assert.ok((values as { log: string[] }).log.length > log.length, 'the thread takes the next run')
      }
    })

    test('cancel with rollback leaves no trace, and joined streams end', async () => {
      const { client, other } = server()
      const { thread_id } = await client.threads.create()
      const before = await client.runs.wait(thread_id, 'steps', { input: { count: 2 } })
      const run = await client.runs.create(thread_id, 'steps', {
        input: { count: 100, delay_ms: 50 },
        streamMode: ['custom'],
      })
      const joined = await follow(other.runs.joinStream(thread_id, run.run_id))
      await eventually(async () => assert.equal((await client.runs.get(thread_id, run.run_id)).status, 'running'))
      await client.runs.cancel(thread_id, run.run_id, true, 'rollback')
      await joined.ended
      await assert.rejects(client.runs.get(thread_id, run.run_id), status(404))
      assert.deepEqual((await client.threads.getState(thread_id)).values, before)
      assert.deepEqual((await client.threads.get(thread_id)).values, before)
    })

    test('a stream with on_disconnect cancel stops its run when the client goes', async () => {
      const { client } = server()
      const { thread_id } = await client.threads.create()
      const gone = new AbortController()
      const payload = { input: { count: 200, delay_ms: 50 }, streamMode: ['custom' as const], signal: gone.signal }
      const stream = client.runs.stream(thread_id, 'steps', { ...payload, onDisconnect: 'cancel' })
      for await (const { event } of stream) if (event === 'custom') gone.abort()
      await eventually(async () => assert.equal((await client.runs.list(thread_id))[0]?.status, 'interrupted'))
    })

    test('without it the run goes on without its reader', async () => {
      const { client } = server()
      const { thread_id } = await client.threads.create()
      const gone = new AbortController()
      const onDisconnect = base ? { onDisconnect: 'continue' as const } : {}
      const payload = {
        input: { count: 5, delay_ms: 50 },
        streamMode: ['custom' as const],
        signal: gone.signal,
        ...onDisconnect,
      }
      for await (const { event } of client.runs.stream(thread_id, 'steps', payload))
        if (event === 'custom') gone.abort()
      await eventually(async () => assert.equal((await client.runs.list(thread_id))[0]?.status, 'success'))
    })

    test('a delayed run waits for its time and is shown as pending', async () => {
      const { client } = server()
      const { thread_id } = await client.threads.create()
      const run = await client.runs.create(thread_id, 'steps', { input: { count: 1 }, afterSeconds: 1 })
      assert.equal(run.status, 'pending')
      const age = () => Date.now() - Date.parse(run.created_at)
      assert.ok(age() > -500, 'created_at is now, not the time it is due')
      await client.runs.join(thread_id, run.run_id)
      assert.ok(age() >= 1000)
      assert.equal((await client.runs.get(thread_id, run.run_id)).status, 'success')
    })

    test('forks start at the checkpoint they name', async () => {
      const { client } = server()
      const { thread_id } = await client.threads.create()
      await client.runs.wait(thread_id, 'echo', { input: say('first') })
      const { checkpoint } = await client.threads.getState(thread_id)
      await client.runs.wait(thread_id, 'echo', { input: say('second') })
      const { checkpoint_id } = checkpoint
      const forked = await client.runs.wait(thread_id, 'echo', {
        input: say('other'),
        checkpointId: checkpoint_id as string,
      })
      const contents = (forked as { messages: { content: string }[] }).messages.map(message => message.content)
      assert.deepEqual(contents, ['first', 'first', 'other', 'other'])
    })

    test('config, context and metadata reach the graph; a factory is called with the run’s config', async () => {
      const { client } = server()
      const { thread_id } = await client.threads.create()
      const config = { configurable: { flavour: 'mint' } }
      const payload = { input: {}, config, metadata: { purpose: 'test' } }
      assert.deepEqual(await client.runs.wait(thread_id, 'configured', payload), { answers: ['mint', 'mint'] })
      const [run] = await client.runs.list(thread_id)
      assert.equal((run?.metadata as { purpose?: string } | undefined)?.purpose, 'test')
      assert.deepEqual((await client.threads.getState(thread_id)).values, { answers: ['mint', 'mint'] })
    })
  })
}

function at({ url, otherUrl, fetch }: TestServer, base: string) {
  const [client, other] = [url, otherUrl].map(one => clientOf(`${one}${base}`, fetch)) as [Client, Client]
  return { client, other }
}
