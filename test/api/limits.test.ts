// How large things may be and how many may wait, through the official SDK: what is too much is refused with its name and
// its limit, and hurts nobody else.
import assert from 'node:assert/strict'
import { request } from 'node:http'
import { test } from 'node:test'
import { forEachServer } from '../support/server.ts'
import { eventually, say, status, textOf } from './harness.ts'

const env = {
  RUNLOOM_MAX_BODY_BYTES: '60000',
  RUNLOOM_MAX_INPUT_BYTES: '30000',
  RUNLOOM_MAX_EVENT_BYTES: '20000',
  RUNLOOM_MAX_STATE_BYTES: '50000',
  RUNLOOM_MAX_THREAD_QUEUE: '2',
  RUNLOOM_MAX_QUEUE: '4',
}

const text = (chars: number) => 'x'.repeat(chars)

forEachServer(
  'limits',
  (server, kind) => {
    const post = (path: string, body: string) =>
      server().fetch(`${server().url}${path}`, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/json' },
      })

    test('a body that is too large is 413, whether it says so or not', async () => {
      const response = await post('/threads', JSON.stringify({ metadata: { text: text(60_000) } }))
      assert.equal(response.status, 413)
      assert.match(((await response.json()) as { detail: string }).detail, /larger than 60000 bytes/)
      assert.equal((await post('/threads', JSON.stringify({ metadata: { text: text(50_000) } }))).status, 200)
      if (kind === 'in process') return
      const chunked = request(`${server().url}/threads`, { method: 'POST' })
      chunked.on('error', () => {}) // the server may hang up on what it does not want to read
      const answered = new Promise<number | undefined>(resolve =>
        chunked.on('response', response => resolve(response.statusCode)),
      )
      chunked.write('{"metadata": {"text": "')
      for (let part = 0; part < 7; part++) chunked.write(text(10_000))
      chunked.end('"}}')
      assert.equal(await answered, 413)
    })

    test('a run that is given too much is 422 and names what; so is a cron, and one of a batch', async () => {
      const { client } = server()
      const { thread_id } = await client.threads.create()
      const large = { input: say(text(30_000)) }
      await assert.rejects(
        client.runs.create(thread_id, 'echo', large),
        status(422, /input: 30\d\d\d bytes of JSON; at most 30000/),
      )
      const config = { configurable: { flavour: text(30_000) } }
      await assert.rejects(
        client.runs.wait(thread_id, 'echo', { input: null, config }),
        status(422, /config: 30\d\d\d bytes/),
      )
      await assert.rejects(client.crons.create('echo', { schedule: '0 0 * * *', ...large }), status(422, /input: /))
      const batch = [
        { assistantId: 'echo', input: say('hi') },
        { assistantId: 'echo', ...large },
      ]
      await assert.rejects(client.runs.createBatch(batch), status(422, /input: /))
      assert.deepEqual(await client.runs.list(thread_id), [])
    })

    test('an event that is too large ends its run; the thread and the server go on', async () => {
      const { client } = server()
      const { thread_id } = await client.threads.create()
      const failing = client.runs.wait(thread_id, 'echo', { input: say(text(25_000)) })
      await assert.rejects(failing, /event "[^"]+": 25\d\d\d bytes of JSON; at most 20000 are allowed/)
      assert.equal((await client.threads.get(thread_id)).status, 'error')
      const values = await client.runs.wait(thread_id, 'echo', { input: say('still here') })
      assert.equal(textOf(values), 'still here')
      assert.equal((await client.threads.get(thread_id)).status, 'idle')
    })

    test('a state that is too large ends the run that makes it and is not stored', async () => {
      const { client } = server()
      const { thread_id } = await client.threads.create()
      for (const letter of ['a', 'b']) {
        await client.runs.wait(thread_id, 'echo', { input: say(letter.repeat(10_000)) })
      }
      const before = await client.threads.getState(thread_id)
      const failing = client.runs.wait(thread_id, 'echo', { input: say('c'.repeat(10_000)) })
      await assert.rejects(failing, /state: the values are 5\d\d\d\d bytes of JSON; at most 50000 are allowed/)
      const after = await client.threads.getState(thread_id)
      assert.deepEqual(after, before)
      assert.equal(
        (await client.threads.getHistory(thread_id, { limit: 1 }))[0]?.checkpoint.checkpoint_id,
        before.checkpoint.checkpoint_id,
      )
      const { status: ended, values } = await client.threads.get(thread_id)
      assert.equal(ended, 'error')
      assert.deepEqual(values, before.values)
      const update = client.threads.updateState(thread_id, { values: say('d'.repeat(10_000)), asNode: 'model' })
      await assert.rejects(update, status(422, /values: the state would be 5\d\d\d\d bytes/))
      assert.deepEqual(await client.threads.getState(thread_id), before)
      assert.equal(textOf(await client.runs.wait(thread_id, 'echo', { input: say('fits') })), 'fits')
    })

    test('runs that would wait too long a line are 429 and say when to come again', async () => {
      const { client } = server()
      const slow = { input: { count: 100, delay_ms: 100 } }
      const make = async () => (await client.threads.create()).thread_id
      const [one, two] = [await make(), await make()]
      for (const thread_id of [one, one, one]) await client.runs.create(thread_id, 'steps', slow)
      const refused = await post(`/threads/${one}/runs`, JSON.stringify({ assistant_id: 'steps', ...slow }))
      assert.equal(refused.status, 429)
      assert.equal(refused.headers.get('retry-after'), '5')
      assert.match(((await refused.json()) as { detail: string }).detail, /^2 runs wait on thread/)

      for (const thread_id of [two, two, two]) await client.runs.create(thread_id, 'steps', slow)
      await assert.rejects(
        client.runs.create(await make(), 'steps', { ...slow, afterSeconds: 60 }),
        status(429, /4 runs wait on this server/),
      )
      await post('/runs/cancel', JSON.stringify({ status: 'all' }))
      await eventually(async () => {
        await client.runs.create(two, 'steps', { input: { count: 1 } })
      })
    })
  },
  { env },
)
