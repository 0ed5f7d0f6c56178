import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ToolMessage } from '@langchain/core/messages'
import { leadAgent } from '../../src/agent/lead-agent.ts'
import { OfflineModel } from '../../src/agent/offline-model.ts'
import type { ChatRequest, ScriptedReply } from '../support/openai-server.ts'
import { question, startAgent, textOf, toolsOf } from './harness.ts'

const plan = { context: { is_plan_mode: true } }
const todos = (...statuses: string[]) => statuses.map((status, index) => ({ content: `part ${index + 1}`, status }))
const write = (...statuses: string[]): ScriptedReply => ({
  calls: [{ name: 'write_todos', args: { todos: todos(...statuses) } }],
})

/** A reply for each request, by what it ends with. */
const script = (replies: (request: ChatRequest) => ScriptedReply | undefined) => (request: ChatRequest) =>
  replies(request) ?? { text: 'done' }

test('the plan is a part of the state that each write replaces; other runs have none', async t => {
  const steps = [write('in_progress', 'pending'), write('completed', 'in_progress'), write('completed', 'completed')]
  const { ask, requests } = await startAgent(t, { script: script(() => steps.shift()) })
  const { values, last } = await ask('two parts', plan)
  assert.equal(last, 'done')
  assert.deepEqual(values.todos, todos('completed', 'completed'))
  assert.match(textOf(requests[0]?.body.messages[0]), /write_todos/)

  await ask({ messages: [{ role: 'user', content: 'hi' }] }, { configurable: { thread_id: 'other' } })
  const { body } = requests.at(-1) ?? assert.fail()
  assert.ok(!toolsOf(body).includes('write_todos'))
  assert.doesNotMatch(textOf(body.messages[0]), /write_todos/)
})

test('a plan left unfinished is brought to mind twice at most, and nobody else sees that', async t => {
  let asked = 0
  const { ask, requests } = await startAgent(t, {
    script: script(() => (asked++ === 0 ? write('pending') : undefined)),
  })
  const { values } = await ask('one part', plan)
  const notes = requests.map(({ body }) => question(body)).filter(text => text.includes('not finished'))
  assert.equal(notes.length, 2)
  assert.match(notes[0] ?? '', /- \[pending\] part 1/)
  assert.deepEqual(
    values.messages.map(message => message.type),
    ['human', 'ai', 'tool', 'ai', 'ai', 'ai'],
  )
  assert.ok(!values.messages.some(message => message.text.includes('not finished')))
  await ask('and without a plan?')
  assert.equal(requests.length, 5, 'a run without plan mode is not reminded')
})

test('a plan that was summed up is shown to the model again', async t => {
  let asked = 0
  const summarization = { trigger: { type: 'messages', value: 5 }, keep: { type: 'messages', value: 1 } }
  const file = { summarization, agent: { model_retries: 0 } }
  const { ask, requests } = await startAgent(t, {
    file,
    script: script(() => (asked++ === 0 ? write('completed', 'in_progress') : undefined)),
  })
  await ask('two parts', plan)
  await ask('go on', plan)
  const seen = requests.map(({ body }) => body.messages.map(textOf).join('\n'))
  const [shown = ''] = seen.filter(text => text.includes('no longer among the messages'))
  assert.match(shown, /- \[completed\] part 1\n- \[in_progress\] part 2/)
  assert.ok(seen[1] && !seen[1].includes('no longer among'), 'one that it can see is not shown twice')
})

test('of several plans in one message none counts, and plan mode is off where nobody asked for it', async t => {
  let asked = 0
  const both = { calls: [...(write('pending').calls ?? []), ...(write('completed').calls ?? [])] }
  const { ask } = await startAgent(t, { script: script(() => (asked++ % 2 === 0 ? both : undefined)) })
  const results = async (options?: typeof plan) => {
    const { values } = await ask('plan', options)
    assert.equal(values.todos, undefined)
    return values.messages.filter(message => ToolMessage.isInstance(message)).slice(-2)
  }
  for (const result of await results(plan)) assert.match(result.text, /once in a message/)
  for (const result of await results()) assert.match(result.text, /Plan mode is off/)
})

test('the offline model writes a plan of the parts of a question, and works it off', async () => {
  const { graph } = leadAgent({ model: new OfflineModel({ delay_ms: 0 }) })
  const written: string[][] = []
  const input = { messages: [{ role: 'user', content: 'What is 2 + 3, and then count to 4 and what is 6 * 7?' }] }
  const options = { context: plan.context, streamMode: 'values' as const }
  let last: { todos?: { status: string }[]; messages: { text: string }[] } = { messages: [] }
  for await (const values of (await graph.stream(input as never, options as never)) as AsyncIterable<typeof last>) {
    const statuses = values.todos?.map(todo => todo.status) ?? []
    if (statuses.join() !== written.at(-1)?.join()) written.push(statuses)
    last = values
  }
  assert.deepEqual(written.slice(1), [
    ['in_progress', 'pending', 'pending'],
    ['completed', 'in_progress', 'pending'],
    ['completed', 'completed', 'in_progress'],
    ['completed', 'completed', 'completed'],
  ])
  assert.equal(
    last.messages.at(-1)?.text,
    "I am Runloom's offline model, a few fixed rules. The plan is done:\n1. 2 + 3 is 5.\n2. 1, 2, 3, 4.\n3. 6 * 7 is 42.",
  )
})
