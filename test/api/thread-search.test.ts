// Searching and counting threads, and listing their runs, through the official SDK; on every way of running the server.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Thread } from '@langchain/langgraph-sdk'
import { forEachServer } from '../support/server.ts'
import { say, status } from './harness.ts'

/** More than is stored inline. */
const LONG = 'long '.repeat(400)

forEachServer('thread search', server => {
  const ids = (threads: Thread[]) => threads.map(thread => thread.thread_id)

  /** Threads that a search finds by the mark; the oldest first. */
  const marked = async (count: number) => {
    const mark = crypto.randomUUID()
    const made: string[] = []
    for (let n = 0; n < count; n++) {
      made.push((await server().client.threads.create({ metadata: { mark, n } })).thread_id)
      await sleep(2) // a time of its own for each
    }
    return { mark, made: made as [string, ...string[]] }
  }

  test('finds by metadata, nested and in lists, the newest first', async () => {
    const { client, other } = server()
    const { mark, made } = await marked(3)
    await client.threads.update(made[0], { metadata: { tags: ['a', 'b'], deep: { x: { y: 1 } } } })
    const find = async (metadata: object) => ids(await other.threads.search({ metadata: { mark, ...metadata } }))
    assert.deepEqual(await find({}), [...made].reverse())
    assert.deepEqual(await find({ tags: ['b'] }), [made[0]])
    assert.deepEqual(await find({ deep: { x: { y: 1 } } }), [made[0]])
    assert.deepEqual(await find({ deep: { x: 1 } }), [])
  })

  test('finds by ids, and nothing by none', async () => {
    const { client } = server()
    const { mark, made } = await marked(3)
    const found = await client.threads.search({ ids: [made[2] as string, made[0], crypto.randomUUID()] })
    assert.deepEqual(ids(found), [made[2], made[0]])
    assert.deepEqual(await client.threads.search({ ids: [], metadata: { mark } }), [])
  })

  test('finds by status', async () => {
    const { client } = server()
    const { mark, made } = await marked(3)
    await client.runs.wait(made[0], 'ask', { input: {} })
    await client.runs.wait(made[1] as string, 'fail', { input: {}, raiseError: false })
    await client.runs.create(made[2] as string, 'echo', { input: say('later'), afterSeconds: 60 })
    for (const [n, status] of (['interrupted', 'error', 'busy'] as const).entries()) {
      assert.deepEqual(ids(await client.threads.search({ metadata: { mark }, status })), [made[n]])
      assert.equal(await client.threads.count({ metadata: { mark }, status }), 1)
    }
    assert.deepEqual(await client.threads.search({ metadata: { mark }, status: 'idle' }), [])
  })

  test('sorts by each of five fields, both ways', async () => {
    const { client } = server()
    const { mark, made } = await marked(3)
    const [a, b, c] = made as [string, string, string]
    await client.runs.wait(b, 'ask', { input: {} }) // b: interrupted, its state changed last but one
    await client.runs.wait(a, 'echo', { input: say('hi') })
    await client.threads.update(c, { metadata: { touched: true } })
    const sorted = async (sortBy: 'thread_id' | 'status' | 'created_at' | 'updated_at' | 'state_updated_at') => {
      const [up, down] = await Promise.all(
        (['asc', 'desc'] as const).map(sortOrder => client.threads.search({ metadata: { mark }, sortBy, sortOrder })),
      )
      assert.deepEqual(ids(down as Thread[]), ids(up as Thread[]).reverse())
      return ids(down as Thread[])
    }
    assert.deepEqual(await sorted('created_at'), [c, b, a])
    assert.deepEqual(await sorted('updated_at'), [c, a, b])
    assert.deepEqual(await sorted('state_updated_at'), [a, b, c])
    assert.deepEqual(await sorted('thread_id'), [a, b, c].sort().reverse())
    assert.deepEqual((await sorted('status'))[0], b)
  })

  test('every page tells the total and where the next begins, with a filter on values too', async () => {
    const { client, url, fetch } = server()
    const { mark, made } = await marked(5)
    for (const thread_id of made) await client.runs.wait(thread_id, 'steps', { input: { count: 1 } })
    for (const filter of [{}, { values: { count: 1 } }]) {
      const page = async (offset: number) => {
        const body = JSON.stringify({ metadata: { mark }, ...filter, limit: 2, offset, sort_order: 'asc' })
        const response = await fetch(`${url}/threads/search`, { method: 'POST', body })
        const found = ids((await response.json()) as Thread[])
        return [found, response.headers.get('x-pagination-total'), response.headers.get('x-pagination-next')]
      }
      assert.deepEqual(await page(0), [made.slice(0, 2), '5', '2'])
      assert.deepEqual(await page(2), [made.slice(2, 4), '5', '4'])
      assert.deepEqual(await page(3), [made.slice(3, 5), '5', null])
      assert.deepEqual(await page(4), [made.slice(4), '5', null])
      assert.deepEqual(await page(7), [[], '5', null])
    }
  })

  test('finds by values: short and long, in lists, nested; never a thread that has none', async () => {
    const { client, other } = server()
    const { mark, made } = await marked(4)
    const [short, talk, updated] = made as [string, string, string]
    await client.runs.wait(short, 'steps', { input: { count: 2 } })
    await client.runs.wait(talk, 'echo', { input: say(LONG) })
    await client.runs.wait(updated, 'steps', { input: { count: 1 } })
    await client.threads.updateState(updated, { values: { count: 7, log: ['@0', '@'] } })
    const find = async (values: Record<string, unknown>) =>
      ids(await other.threads.search({ metadata: { mark }, values })).reverse()
    assert.deepEqual(await find({ count: 2 }), [short])
    assert.deepEqual(await find({ log: ['step 1'] }), [short])
    assert.deepEqual(await find({ count: 2, log: ['step 7'] }), [])
    assert.deepEqual(await find({ messages: [{ type: 'ai', content: LONG }] }), [talk])
    assert.deepEqual(await find({ messages: [{ type: 'ai', content: 'short' }] }), [])
    assert.deepEqual(await find({ count: 7, log: ['@0'] }), [updated])
    assert.deepEqual(await find({ count: 1 }), [])
    assert.deepEqual(await find({}), [short, talk, updated])
    assert.equal(await other.threads.count({ metadata: { mark }, values: { log: ['step 0'] } }), 2)
    assert.equal(await other.threads.count({ metadata: { mark } }), 4)
  })

  test('finds by values that are a long conversation, as they are now', async () => {
    const { client } = server()
    const { mark, made } = await marked(1)
    for (let turn = 0; turn < 8; turn++) await client.runs.wait(made[0], 'echo', { input: say(`turn ${turn}`) })
    const find = async (content: string) =>
      (await client.threads.search({ metadata: { mark }, values: { messages: [{ type: 'human', content }] } })).length
    assert.deepEqual([await find('turn 0'), await find('turn 7'), await find('turn 8')], [1, 1, 0])
  })

  test('shows only the selected fields', async () => {
    const { client } = server()
    const { mark, made } = await marked(1)
    await client.runs.wait(made[0], 'steps', { input: { count: 1 } })
    const show = async (...select: ('thread_id' | 'values' | 'status' | 'metadata')[]) =>
      (await client.threads.search({ metadata: { mark }, select }))[0]
    assert.deepEqual(await show('thread_id', 'status'), { thread_id: made[0], status: 'idle' })
    assert.deepEqual(await show('values'), { values: { log: ['step 0'], count: 1 } })
  })

  test('extracts what is at a path, from the last too; nothing is null', async () => {
    const { client } = server()
    const { mark, made } = await marked(1)
    await client.runs.wait(made[0], 'echo', { input: say('hello') })
    const extract = {
      last: 'values.messages[-1].content',
      first: 'values.messages[0].type',
      n: 'metadata.n',
      all: 'metadata',
      flavour: 'config.configurable.flavour',
      missing: 'values.messages[9].content',
    }
    const [thread] = await client.threads.search({ metadata: { mark }, select: ['thread_id'], extract })
    const { metadata } = await client.threads.get(made[0])
    assert.deepEqual(thread, {
      thread_id: made[0],
      extracted: { last: 'hello', first: 'human', n: 0, all: metadata, flavour: null, missing: null },
    })
    const refused = (extract: Record<string, string>) => client.threads.search({ extract })
    await assert.rejects(refused({ id: 'thread_id' }), status(422, /extract\.id: must begin with values/))
    const eleven = Object.fromEntries(Array.from({ length: 11 }, (_, n) => [`n${n}`, 'metadata.n']))
    await assert.rejects(refused(eleven), status(422, /extract: at most 10/))
  })

  test('threads of stateless runs are not found', async () => {
    const { client } = server()
    const mark = crypto.randomUUID()
    await client.runs.wait(null, 'echo', { input: say('hi'), metadata: { mark } })
    assert.equal(await client.threads.count({ metadata: { mark } }), 0)
  })

  test('runs are listed newest first, by page, status and metadata, with the selected fields', async () => {
    const { client, url, fetch } = server()
    const { thread_id } = await client.threads.create()
    const runs: string[] = []
    for (let n = 0; n < 4; n++) {
      runs.unshift((await client.runs.create(thread_id, 'steps', { input: { count: 1 }, metadata: { n } })).run_id)
      await client.runs.join(thread_id, runs[0] as string)
    }
    const waiting = await client.runs.create(thread_id, 'steps', { input: {}, afterSeconds: 60 })
    const list = async (options: object) => (await client.runs.list(thread_id, options)).map(run => run.run_id)
    assert.deepEqual(await list({}), [waiting.run_id, ...runs])
    assert.deepEqual(await list({ limit: 2, offset: 2 }), runs.slice(1, 3))
    assert.deepEqual(await list({ offset: 4 }), runs.slice(3))
    assert.deepEqual(await list({ status: 'pending' }), [waiting.run_id])
    assert.deepEqual(await list({ status: 'success', limit: 1 }), runs.slice(0, 1))
    const selected = await client.runs.list(thread_id, { limit: 1, select: ['run_id', 'status'] })
    assert.deepEqual(selected, [{ run_id: waiting.run_id, status: 'pending' }])
    const get = async (query: string) => (await fetch(`${url}/threads/${thread_id}/runs?${query}`)).json()
    const byMetadata = (await get(`metadata=${encodeURIComponent('{"n":2}')}`)) as { run_id: string }[]
    assert.deepEqual(
      byMetadata.map(run => run.run_id),
      [runs[1]],
    )
    for (const select of ['select=run_id&select=status', 'select=["run_id","status"]', 'select=run_id,status']) {
      assert.deepEqual(await get(`limit=1&${select}`), selected)
    }
    assert.match(((await get('metadata={')) as { detail: string }).detail, /^metadata: must be a JSON object/)
    assert.match(((await get('select=["nothing"]')) as { detail: string }).detail, /^select/)
  })
})
