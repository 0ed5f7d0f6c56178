// The lead agent as clients meet it, with the offline model: its names, questions that the next message answers, titles,
// histories that stay whole, sub-agents.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Client } from '@langchain/langgraph-sdk'
import { forEachServer } from '../support/server.ts'
import { ask, frames, threadName } from './gateway-harness.ts'
import { collect, say, textOf } from './harness.ts'

const config = join(import.meta.dirname, '../fixtures/agent/langgraph.json')
const QUESTION = 'You want me to ask you your name. So: your name?'

interface Message {
  type: string
  content: string
  id: string
  additional_kwargs?: Record<string, unknown>
}

interface Values {
  messages: Message[]
  title?: string
  summary?: { text: string }
  todos?: { status: string }[]
  __interrupt__?: { id: string; value: { type: string; question: string } }[]
}

forEachServer(
  'the lead agent',
  server => {
    const wait = async (client: Client, thread_id: string, content: string, context = {}) =>
      (await client.runs.wait(thread_id, 'lead_agent', { input: say(content), context })) as unknown as Values

    test('it has two names, and is the default of the gateway', async () => {
      const { client } = server()
      const assistants = await client.assistants.search({ limit: 100 })
      assert.deepEqual(assistants.map(({ graph_id }) => graph_id).sort(), ['agent', 'lead_agent'])
      for (const assistant_id of ['agent', 'lead_agent', null]) {
        const run = await ask(server(), `/threads/${threadName()}/runs`, { assistant_id, input: say('hello') })
        assert.equal(run.assistant_id, assistant_id ?? 'lead_agent')
      }
    })

    test('the next message answers its question, and stays in the history as it was sent', async () => {
      const { client } = server()
      const { thread_id } = await client.threads.create()
      const asked = await wait(client, thread_id, 'Ask me your name')
      assert.deepEqual(
        asked.__interrupt__?.map(({ value }) => value),
        [{ type: 'clarification', question: QUESTION }],
      )
      assert.equal(asked.messages.at(-1)?.content, QUESTION, 'who knows of no interrupts sees it, too')
      assert.equal((await client.threads.get(thread_id)).status, 'interrupted')

      const message = { type: 'human', content: 'Ann', id: 'answer-1', additional_kwargs: { files: ['a.txt'] } }
      const answered = (await client.runs.wait(thread_id, 'agent', {
        input: { messages: [message] },
      })) as unknown as Values
      assert.deepEqual(
        answered.messages.map(({ type }) => type),
        ['human', 'ai', 'tool', 'human', 'ai'],
      )
      assert.partialDeepStrictEqual(answered.messages[3], message)
      assert.match(answered.messages[4]?.content ?? '', /^Your answer is "Ann"\./)
      assert.equal((await client.threads.get(thread_id)).status, 'idle')
      assert.equal(answered.title, 'Ask me your name')
    })

    test('so does a resume, and a message that waited behind the run that asks', async () => {
      const { client } = server()
      const { thread_id } = await client.threads.create()
      await wait(client, thread_id, 'Ask me your name')
      const resumed = await client.runs.wait(thread_id, 'lead_agent', { command: { resume: 'Bob' } })
      assert.match(textOf(resumed) ?? '', /^Your answer is "Bob"\./)
      await client.runs.create(thread_id, 'lead_agent', { input: say('Ask me your name') })
      const next = await client.runs.wait(thread_id, 'lead_agent', { input: say('Cid'), multitaskStrategy: 'enqueue' })
      assert.match(textOf(next) ?? '', /^Your answer is "Cid"\./)
    })

    test('on the gateway as well', async () => {
      const path = `/threads/${threadName()}/runs`
      const asked = await ask(server(), `${path}/wait`, { input: say('Ask me your name') })
      assert.equal(asked.__interrupt__.length, 1)
      const message = { type: 'human', content: [{ type: 'text', text: 'Dan' }] }
      const shown = await frames(server(), `${path}/stream`, {
        input: { messages: [message] },
        stream_mode: ['values'],
      })
      assert.equal(shown.at(-1)?.event, 'end')
      const { data } = shown.findLast(({ event }) => event === 'values') ?? assert.fail('no values')
      const { messages } = data as Values
      assert.match(messages.at(-1)?.content ?? '', /^Your answer is "Dan"\./)
      assert.deepEqual(messages.at(-2)?.content, message.content)
    })

    test('a thread has a title, which searches show and which can be changed', async () => {
      const { client } = server()
      const thread_id = threadName()
      await ask(server(), `/threads/${thread_id}/runs/wait`, { input: say('What is a checkpoint?') })
      const search = { limit: 100, select: ['thread_id', 'values'] }
      const found = async () => {
        const threads: { thread_id: string; values: Values }[] = await ask(server(), '/threads/search', search)
        return threads.find(thread => thread.thread_id === thread_id)?.values.title
      }
      assert.equal(await found(), 'What is a checkpoint?')
      await client.threads.updateState(thread_id, { values: { title: 'Mine' } })
      await ask(server(), `/threads/${thread_id}/runs/wait`, { input: say('And a thread?') })
      assert.equal(await found(), 'Mine')
    })

    test('what was summed up stays in the history', async () => {
      const { client } = server()
      const { thread_id } = await client.threads.create()
      const questions = ['count to 1', 'count to 2', 'count to 3', 'count to 4', 'count to 5']
      for (const question of questions) await wait(client, thread_id, question)
      const { values } = await client.threads.getState<Values>(thread_id)
      assert.ok(values.summary?.text, 'it was summed up')
      assert.deepEqual(
        values.messages.filter(({ type }) => type === 'human').map(({ content }) => content),
        questions,
      )
      const rows: { event_type: string; caller: string | null; content: Message }[] = await ask(
        server(),
        `/threads/${thread_id}/messages?limit=100`,
      )
      assert.deepEqual(
        rows.filter(row => row.event_type === 'llm.human.input').map(({ content }) => content.content),
        questions,
      )
      assert.equal(rows.length, 10)
      const { by_caller } = await ask(server(), `/threads/${thread_id}/token-usage`)
      assert.ok(by_caller.middleware > 0)
    })

    test('sub-agents tell how they get on, what they spend is counted as theirs, and a cancel reaches them', async () => {
      const { client } = server()
      const { thread_id } = await client.threads.create()
      const context = { subagent_enabled: true }
      const streamMode = ['custom' as const, 'messages-tuple' as const]
      const input = say('Delegate: what is 6 * 7?')
      const shown = await collect(client.runs.stream(thread_id, 'lead_agent', { input, context, streamMode }))
      const told = shown
        .filter(({ event }) => event === 'custom')
        .map(({ data }) => data as { type: string; message: Message })
      assert.deepEqual(
        told.map(({ type }) => type),
        ['task_started', 'task_running', 'task_running', 'task_completed'],
      )
      assert.equal(told[2]?.message.content, '6 * 7 is 42.')
      const tokens = shown.filter(({ event }) => event === 'messages').map(({ data }) => (data as [Message])[0])
      const own = new Set((await client.threads.getState<Values>(thread_id)).values.messages.map(({ id }) => id))
      for (const { id } of tokens) assert.ok(own.has(id), 'only messages of the thread are in the stream')
      const { by_caller } = await ask(server(), `/threads/${thread_id}/token-usage`)
      assert.ok(by_caller.subagent > 0 && by_caller.lead_agent > 0)

      const { thread_id: other_id } = await client.threads.create()
      const long = { input: say('Delegate: count to 1000'), context, streamMode: ['custom' as const] }
      const run = await client.runs.create(other_id, 'lead_agent', long)
      for await (const { event } of client.runs.joinStream(other_id, run.run_id)) if (event === 'custom') break
      await client.runs.cancel(other_id, run.run_id, true)
      assert.equal((await client.runs.get(other_id, run.run_id)).status, 'interrupted')
      const after = await wait(client, other_id, 'What is 1 + 1?')
      assert.equal(after.messages.at(-1)?.content, '1 + 1 is 2.', 'the thread goes on past the call without a result')
    })

    test('plan mode is asked for per run; a wrong value fails the run and says where', async () => {
      const { client } = server()
      const { thread_id } = await client.threads.create()
      const planned = await wait(client, thread_id, 'count to 2 and then count to 3', { is_plan_mode: true })
      assert.deepEqual(
        planned.todos?.map(({ status }) => status),
        ['completed', 'completed'],
      )
      const failed = client.runs.wait(thread_id, 'lead_agent', {
        input: say('hello'),
        context: { is_plan_mode: 'yes' },
      })
      await assert.rejects(failed, /context\.is_plan_mode: use true or false/)
    })
  },
  { config },
)
