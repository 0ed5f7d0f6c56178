// The messages of threads and runs over HTTP (contracts: gateway §1.7), and what becomes of them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Checkpoint } from '@langchain/langgraph-sdk'
import { forEachServer } from '../support/server.ts'
import { eventually, follow, say } from './harness.ts'

interface Row {
  run_id: string
  thread_id: string
  seq: number
  event_type: string
  category: string
  content: { type: string; id: string; content: string; additional_kwargs: Record<string, unknown> }
  metadata: Record<string, unknown>
  created_at: string
  feedback?: { rating: number } | null
}

interface Page {
  data: Row[]
  has_more: boolean
  hasMore?: boolean
  next_before_seq?: number | null
}

interface Prepared {
  input: { messages: object[] }
  checkpoint: Checkpoint
  metadata: Record<string, unknown>
  target_run_id: string
}

const COLUMNS = ['category', 'content', 'created_at', 'event_type', 'metadata', 'run_id', 'seq', 'thread_id']

forEachServer('messages', server => {
  const get = async <T>(path: string, status = 200): Promise<T> => {
    const { url, fetch } = server()
    const response = await fetch(`${url}/api${path}`)
    const text = await response.text()
    assert.equal(response.status, status, text)
    return JSON.parse(text) as T
  }
  const newThread = async () => (await server().client.threads.create()).thread_id
  const talk = async (thread_id: string, text: string, graph = 'echo') => {
    const run = await server().client.runs.create(thread_id, graph, { input: say(text) })
    await server().client.runs.join(thread_id, run.run_id)
    return run.run_id
  }
  const texts = (rows: Row[]) => rows.map(({ content }) => `${content.type} ${content.content}`)
  const all = (thread_id: string) => get<Row[]>(`/threads/${thread_id}/messages?limit=200`)

  test('each is there once, in order, with every column, on every path', async () => {
    const thread_id = await newThread()
    const one = await talk(thread_id, 'one')
    const two = await talk(thread_id, 'two')
    const rows = await all(thread_id)
    assert.deepEqual(texts(rows), ['human one', 'ai one', 'human two', 'ai two'])
    assert.deepEqual(
      rows.map(row => row.seq),
      [1, 2, 3, 4],
    )
    assert.deepEqual(
      rows.map(row => row.run_id),
      [one, one, two, two],
    )
    assert.deepEqual(
      rows.map(row => row.event_type),
      ['llm.human.input', 'llm.ai.response', 'llm.human.input', 'llm.ai.response'],
    )
    assert.deepEqual(
      rows.map(row => row.metadata),
      [{}, { caller: 'lead_agent' }, {}, { caller: 'lead_agent' }],
    )
    const stored = (await server().client.threads.getState(thread_id)).values as { messages: Row['content'][] }
    assert.deepEqual(
      rows.map(row => row.content.id),
      stored.messages.map(message => message.id),
    )
    const pages = [
      (await get<Page>(`/threads/${thread_id}/runs/${one}/messages`)).data,
      (await get<Page>(`/runs/${one}/messages`)).data,
      (await get<Page>(`/threads/${thread_id}/runs/${one}/messages?after_seq=0`)).data,
      (await get<Page>(`/runs/${one}/messages?before_seq=3`)).data,
    ]
    for (const data of pages) {
      assert.deepEqual(texts(data), ['human one', 'ai one'])
      for (const row of data) assert.deepEqual(Object.keys(row).sort(), COLUMNS)
      assert.ok(data.every(row => row.category === 'message' && row.thread_id === thread_id))
      assert.ok(data.every(row => !Number.isNaN(Date.parse(row.created_at))))
    }
  })

  test('pages are trimmed at the end where there is more', async () => {
    const { client } = server()
    const thread_id = await newThread()
    const messages = ['a', 'b', 'c', 'd', 'e'].map(content => ({ role: 'user', content }))
    const run = await client.runs.create(thread_id, 'echo', { input: { messages } })
    await client.runs.join(thread_id, run.run_id)
    const page = async (query: string) => {
      const found = await get<Page>(`/threads/${thread_id}/runs/${run.run_id}/messages?${query}`)
      assert.equal(found.hasMore, found.has_more)
      return [found.data.map(row => row.seq).join(' '), found.has_more]
    }
    assert.deepEqual(await page(''), ['1 2 3 4 5 6', false])
    assert.deepEqual(await page('limit=6'), ['1 2 3 4 5 6', false])
    assert.deepEqual(await page('limit=2'), ['5 6', true], 'the newest is not lost')
    assert.deepEqual(await page('limit=2&before_seq=5'), ['3 4', true])
    assert.deepEqual(await page('limit=2&before_seq=3'), ['1 2', false])
    assert.deepEqual(await page('limit=2&after_seq=0'), ['1 2', true])
    assert.deepEqual(await page('limit=2&after_seq=4'), ['5 6', false])
    assert.deepEqual(await page('limit=2&after_seq=1&before_seq=6'), ['2 3', true], 'strictly between, from the first')
    assert.deepEqual(await page('limit=9&after_seq=1&before_seq=4'), ['2 3', false])
    assert.deepEqual(await page('after_seq=6'), ['', false])
    assert.deepEqual(await page('before_seq=1'), ['', false])
    for (const [query, name] of [
      ['limit=0', 'limit'],
      ['limit=201', 'limit'],
      ['limit=x', 'limit'],
      ['after_seq=x', 'after_seq'],
      ['before_seq=-1', 'before_seq'],
    ]) {
      const { detail } = await get<{ detail: unknown }>(`/runs/${run.run_id}/messages?${query}`, 422)
      assert.match(JSON.stringify(detail), new RegExp(`${name}: `))
    }
  })

  test('the page of a thread goes backwards, with feedback on the last answer of each run', async () => {
    const { url, fetch } = server()
    const thread_id = await newThread()
    const runs = [await talk(thread_id, 'x', 'team'), await talk(thread_id, 'y', 'team')]
    await fetch(`${url}/api/threads/${thread_id}/runs/${runs[0]}/feedback`, { method: 'PUT', body: '{"rating":-1}' })
    const path = `/threads/${thread_id}/messages/page`
    const newest = await get<Page>(`${path}?limit=4`)
    assert.deepEqual(texts(newest.data), ['ai x', 'human y', 'ai y', 'ai y'], 'without what the middleware said')
    assert.equal(newest.has_more, true)
    assert.deepEqual(
      newest.data.map(({ feedback }) => (feedback === undefined ? undefined : (feedback?.rating ?? null))),
      [-1, undefined, undefined, null],
    )
    assert.equal(typeof newest.data.at(-1)?.content.additional_kwargs.turn_duration, 'number')
    const older = await get<Page>(`${path}?limit=4&before_seq=${newest.next_before_seq}`)
    assert.deepEqual(texts(older.data), ['human x', 'ai x'])
    assert.deepEqual([older.has_more, older.next_before_seq], [false, null])
    assert.match(JSON.stringify(await get(`${path}?after_seq=1`, 422)), /after_seq: /)
    const callers = (await all(thread_id)).map(row => row.metadata.caller ?? row.content.type)
    assert.deepEqual(callers.slice(0, 4), ['human', 'middleware:title', 'lead_agent', 'lead_agent'])
  })

  test('a run that was made anew is shown no more', async () => {
    const { url, fetch, client } = server()
    for (const turns of [['first', 'second'], ['only']]) {
      const thread_id = await newThread()
      const runs: string[] = []
      for (const text of turns) runs.push(await talk(thread_id, text))
      const prepare = async (how: string, asked: object, status = 200) => {
        const path = `${url}/api/threads/${thread_id}/runs/${how}/prepare`
        const response = await fetch(path, { method: 'POST', body: JSON.stringify(asked) })
        assert.equal(response.status, status, await response.clone().text())
        return (await response.json()) as Prepared
      }
      const repeat = async ({ input, checkpoint, metadata }: Prepared) => {
        const run = await client.runs.create(thread_id, 'echo', { input, checkpoint, metadata })
        await client.runs.join(thread_id, run.run_id)
        return run.run_id
      }
      const shown = async () => texts((await get<Page>(`/threads/${thread_id}/messages/page`)).data)
      const before = await all(thread_id)
      const [question, answer] = before.slice(-2).map(({ content }) => content.id)
      const again = await prepare('regenerate', { message_id: answer })
      assert.equal(again.target_run_id, runs.at(-1))
      const repeated = await repeat(again)
      assert.deepEqual(await shown(), texts(before), 'the same question with another answer')
      assert.equal((await all(thread_id)).length, before.length + 2)
      const [, other] = (await all(thread_id)).slice(-2).map(({ content }) => content.id)
      assert.notEqual(other, answer)
      await prepare('regenerate', { message_id: answer }, 404)
      await prepare('regenerate', { message_id: question }, 409)

      const asked = { human_message_id: question, replacement_text: 'changed' }
      const edited = await prepare('edit-regenerate', asked)
      assert.equal(edited.target_run_id, repeated)
      await repeat(edited)
      const last = (await all(thread_id)).at(-1) as Row
      await repeat(await prepare('regenerate', { message_id: last.content.id }))
      const { messages } = (await client.threads.getState(thread_id)).values as { messages: Row['content'][] }
      const earlier = turns.slice(0, -1).flatMap(text => [text, text])
      assert.equal(messages.length, earlier.length + 2)
      assert.deepEqual(messages.at(-2)?.content, [{ type: 'text', text: 'changed' }])
      const pages = (await get<Page>(`/threads/${thread_id}/messages/page`)).data
      assert.deepEqual(
        pages.map(({ content }) => content.id),
        messages.map(({ id }) => id),
        'the page shows what the state has',
      )
      await prepare('edit-regenerate', asked, 404)
    }
  })

  test('tools and their results; what is said again with the same id comes once', async () => {
    const { client } = server()
    const thread_id = await newThread()
    const asked = { messages: [{ type: 'human', id: 'question-1', content: 'what is 6*7?' }] }
    await client.runs.wait(thread_id, 'agent', { input: asked })
    const types = (await all(thread_id)).map(row => row.event_type)
    const turn = ['llm.ai.response', 'llm.tool.result', 'llm.ai.response']
    assert.deepEqual(types, ['llm.human.input', ...turn])
    await client.runs.wait(thread_id, 'agent', { input: asked })
    const rows = await all(thread_id)
    assert.equal(rows.filter(row => row.content.id === 'question-1').length, 1)
    await client.runs.wait(thread_id, 'agent', {
      input: { messages: [{ type: 'human', id: 'question-1', content: 'what is 6*8?' }] },
    })
    const changed = (await all(thread_id)).filter(row => row.content.id === 'question-1')
    assert.deepEqual(
      changed.map(row => row.content.content),
      ['what is 6*7?', 'what is 6*8?'],
      'what a later run changed is once more there, as that run has it',
    )
  })

  test('a rollback takes back what its run said; numbers are not used again', async () => {
    const { client } = server()
    const thread_id = await newThread()
    await talk(thread_id, 'kept')
    const run = await client.runs.create(thread_id, 'echo', { input: say('60ms gone a b c d e f g h') })
    await eventually(async () => assert.equal((await all(thread_id)).length, 3))
    await client.runs.cancel(thread_id, run.run_id, true, 'rollback')
    await eventually(async () => assert.deepEqual(texts(await all(thread_id)), ['human kept', 'ai kept']))
    await talk(thread_id, 'next')
    assert.deepEqual(
      (await all(thread_id)).map(row => row.seq),
      [1, 2, 4, 5],
    )
  })

  test('a deleted run leaves its messages, a copy has them, a deleted thread has none', async () => {
    const { client, url, fetch } = server()
    const thread_id = await newThread()
    const run_id = await talk(thread_id, 'stays')
    await client.runs.delete(thread_id, run_id)
    assert.deepEqual(texts(await all(thread_id)), ['human stays', 'ai stays'])
    await get(`/runs/${run_id}/messages`, 404)
    const copy = (await (await fetch(`${url}/threads/${thread_id}/copy`, { method: 'POST' })).json()) as {
      thread_id: string
    }
    await talk(copy.thread_id, 'more')
    assert.deepEqual(texts(await all(copy.thread_id)), ['human stays', 'ai stays', 'human more', 'ai more'])
    assert.equal((await all(thread_id)).length, 2)
    await client.threads.delete(thread_id)
    await get(`/threads/${thread_id}/messages`, 404)
    assert.equal((await all(copy.thread_id)).length, 4)
  })

  test('a cancelled answer is not there, nor what a client saw of it; state updates and threads without messages', async () => {
    const { client } = server()
    const thread_id = await newThread()
    const input = say('60ms one two three four five six seven')
    const stream = client.runs.stream(thread_id, 'echo', { input, streamMode: 'messages-tuple', streamResumable: true })
    const { ended } = await follow(stream)
    const [run] = await client.runs.list(thread_id)
    await eventually(async () => assert.equal((await all(thread_id)).length, 1))
    await client.runs.cancel(thread_id, run?.run_id as string, true)
    await ended
    assert.deepEqual(texts(await all(thread_id)), [`human ${input.messages[0]?.content}`])
    await client.threads.updateState(thread_id, {
      values: { messages: [{ role: 'assistant', content: 'written by hand' }] },
      asNode: 'model',
    })
    assert.deepEqual(texts(await all(thread_id)).slice(1), ['ai written by hand'])
    const other = await newThread()
    await client.runs.wait(other, 'steps', { input: { count: 1 } })
    assert.deepEqual(await all(other), [])
  })

  test('with checkpoints at the end only, messages come with them', async () => {
    const { client } = server()
    const thread_id = await newThread()
    await client.runs.wait(thread_id, 'agent', { input: say('what is 1+2?'), durability: 'exit' })
    assert.deepEqual(
      (await all(thread_id)).map(row => row.content.type),
      ['human', 'ai', 'tool', 'ai'],
    )
  })

  test("a run's events: by name, by task, after a number", async () => {
    const thread_id = await newThread()
    await talk(thread_id, 'before')
    const run_id = await talk(thread_id, 'one two three', 'nested')
    const path = `/threads/${thread_id}/runs/${run_id}/events`
    type Event = Omit<Row, 'content'> & { content: Record<string, never> }
    const events = await get<Event[]>(path)
    const seqs = events.map(event => event.seq)
    assert.ok((seqs[0] as number) > 1, 'numbers count over the thread')
    assert.deepEqual(
      seqs,
      seqs.map((_, index) => (seqs[0] as number) + index),
    )
    assert.deepEqual(Object.keys(events[0] as object).sort(), COLUMNS)
    assert.deepEqual([events[0]?.event_type, events[0]?.category], ['metadata', 'lifecycle'])
    const some = await get<Event[]>(`${path}?event_types=updates,metadata&limit=2`)
    assert.deepEqual(
      some.map(event => event.event_type),
      ['metadata', 'updates'],
    )
    const updated = some[1] as Event
    const [task = ''] = updated.metadata.namespace as string[]
    assert.match(task, /^inner:/, 'subgraphs are included')
    const rest = await get<Event[]>(`${path}?after_seq=${updated.seq}`)
    assert.deepEqual(rest, events.slice(events.findIndex(event => event.seq === updated.seq) + 1))
    const task_id = task.split(':')[1]
    const below = await get<Event[]>(`${path}?task_id=${task_id}`)
    assert.ok(below.length > 0 && below.every(event => String(event.metadata.namespace).includes(`:${task_id}`)))
    assert.deepEqual(await get(`${path}?event_types=nothing`), [])
    for (const query of ['limit=0', 'limit=2001', 'event_types=a%27b', 'after_seq=x'])
      await get(`${path}?${query}`, 422)
    await get(`/threads/${await newThread()}/runs/${run_id}/events`, 404)
  })

  test('what does not exist is not found', async () => {
    const thread_id = await newThread()
    const run_id = await talk(await newThread(), 'elsewhere')
    await get(`/threads/${crypto.randomUUID()}/messages`, 404)
    await get(`/threads/${crypto.randomUUID()}/messages/page`, 404)
    await get(`/threads/${thread_id}/runs/${run_id}/messages`, 404)
    await get(`/runs/${crypto.randomUUID()}/messages`, 404)
  })
})
