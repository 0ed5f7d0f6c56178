// What runs say, as the thread's list has it: each message once whatever graphs do to their state, and wherever a process
// dies; and what their model calls spent, each once.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { SimpleChatModel } from '@langchain/core/language_models/chat_models'
import { AIMessage, type BaseMessage, HumanMessage, RemoveMessage, SystemMessage } from '@langchain/core/messages'
import { Annotation, MessagesAnnotation, START, StateGraph } from '@langchain/langgraph'
import { newId } from '../../src/core/ids.ts'
import { threadMessages } from '../../src/core/messages.ts'
import { runTotals } from '../../src/core/usage.ts'
import { anySql } from '../core/harness.ts'
import { forEachDatabase } from '../support/databases.ts'
import { TestServer } from './harness.ts'

let calls = 0

/** Every call has a number, which it says and which it costs. */
class CountingModel extends SimpleChatModel {
  _llmType() {
    return 'counting'
  }

  async _call() {
    return ''
  }

  override async _generate() {
    const number = ++calls
    const usage_metadata = { input_tokens: number, output_tokens: 0, total_tokens: number }
    const message = Object.assign(new AIMessage(`call ${number}`), { usage_metadata })
    return { generations: [{ text: `call ${number}`, message }] }
  }
}

const model = new CountingModel({})
const answer = async ({ messages }: { messages: BaseMessage[] }) => ({ messages: [await model.invoke(messages)] })

/** Three answers, one of them from a subgraph. */
const answering = () =>
  new StateGraph(MessagesAnnotation)
    .addNode('first', answer)
    .addNode('below', new StateGraph(MessagesAnnotation).addNode('second', answer).addEdge(START, 'second').compile())
    .addNode('third', answer)
    .addEdge(START, 'first')
    .addEdge('first', 'below')
    .addEdge('below', 'third')

forEachDatabase('what runs say', open => {
  let server: TestServer
  before(async () => {
    server = await TestServer.open(await open())
  })
  after(() => server.close())

  const said = async (thread_id: string) =>
    (await server.db.run(threadMessages, { thread_id, user_id: 'me', limit: 1_000, shown_only: false })).messages.map(
      ({ feedback: _, duration_ms: __, ...message }) => ({
        ...message,
        content: JSON.parse(message.content) as { id?: string; content: string; type: string },
      }),
    )
  const texts = async (thread_id: string) => (await said(thread_id)).map(({ content }) => content.content)
  const state = async (thread_id: string) => {
    const thread = await server.thread(thread_id)
    const values = JSON.parse(await server.texts.render(thread_id, thread.state as string))
    return values.messages as { id: string; content: string }[]
  }

  for (const durability of ['async', 'sync', 'exit'] as const) {
    test(`each message and each call once, wherever a process dies (durability ${durability})`, async () => {
      await server.serve('answering', answering())
      const input = { messages: [{ role: 'user', content: 'hello' }] }
      for (let commits = 0, killed = true; killed; commits++) {
        const thread_id = newId()
        await server.run('answering', { input, durability }, thread_id)
        const run = await server.create('answering', { input, durability }, thread_id)
        killed = (await server.drive(await server.claim(), { commits })).commits === commits
        const early = await said(thread_id)
        await server.drive(await server.claim())
        const rows = await said(thread_id)
        assert.deepEqual(
          rows.map(({ content }) => content.id),
          (await state(thread_id)).map(({ id }) => id),
          `after ${commits} commits`,
        )
        assert.deepEqual(rows.slice(0, early.length), early, `after ${commits} commits`)
        const strings = ['select input_tokens from model_calls where run_id = ', '']
        const spent = await server.db.run(anySql, { strings, values: [run.run_id] })
        const numbers = spent.map(call => Number(call.input_tokens))
        assert.equal(new Set(numbers).size, numbers.length)
        const answers = rows.filter(row => row.run_id === run.run_id && row.content.type === 'ai')
        for (const { content } of answers) {
          assert.ok(numbers.includes(Number(content.content.slice(5))), `${content.content} after ${commits} commits`)
        }
        const { [run.run_id]: totals } = await server.db.run(runTotals, { thread_id, run_ids: [run.run_id] })
        assert.deepEqual(
          [totals?.llm_call_count, totals?.total_input_tokens, totals?.message_count],
          [numbers.length, numbers.reduce((sum, number) => sum + number, 0), 4],
        )
      }
    })
  }

  test('messages that a graph removes stay, and those it keeps are not said again', async () => {
    const keep = 6
    const graph = new StateGraph(MessagesAnnotation)
      .addNode('trim', ({ messages }) => ({
        messages: messages.slice(0, -keep).map(({ id }) => new RemoveMessage({ id: id as string })),
      }))
      .addNode('answer', ({ messages }) => ({ messages: [new AIMessage(`to ${messages.at(-1)?.content}`)] }))
      .addEdge(START, 'trim')
      .addEdge('trim', 'answer')
    await server.serve('trimming', graph)
    const thread_id = newId()
    const expected: string[] = []
    for (let turn = 0; turn < 12; turn++) {
      const content = `question ${turn} ${'long '.repeat(turn % 3 === 0 ? 200 : 1)}`
      await server.run('trimming', { input: { messages: [{ role: 'user', content }] } }, thread_id)
      expected.push(content, `to ${content}`)
    }
    assert.deepEqual(await texts(thread_id), expected)
    assert.equal((await state(thread_id)).length, keep + 1)
  })

  test('a message that its run changes is replaced in its place; system prompts are not said', async () => {
    const graph = new StateGraph(MessagesAnnotation)
      .addNode('prompt', () => ({ messages: [new SystemMessage('be brief')] }))
      .addNode('first', () => ({ messages: [new AIMessage({ id: 'answer', content: 'draft' })] }))
      .addNode('more', () => ({ messages: [new HumanMessage({ id: 'more', content: 'more?' })] }))
      .addNode('last', () => ({ messages: [new AIMessage({ id: 'answer', content: 'final' })] }))
      .addEdge(START, 'prompt')
      .addEdge('prompt', 'first')
      .addEdge('first', 'more')
      .addEdge('more', 'last')
    await server.serve('changing', graph)
    const thread_id = newId()
    const input = { messages: [{ role: 'user', content: 'hi', id: 'q' }] }
    await server.run('changing', { input }, thread_id)
    assert.deepEqual(await texts(thread_id), ['hi', 'final', 'more?'])
  })

  test('a message changed in place, far back in a long list', async () => {
    const graph = new StateGraph(MessagesAnnotation)
      .addNode('fill', () => ({
        messages: Array.from({ length: 40 }, (_, n) => new AIMessage({ id: `m${n}`, content: `message ${n}` })),
      }))
      .addNode('change', ({ messages }) => {
        Object.assign(messages[20] as object, { content: 'changed' })
        return { messages: [new AIMessage({ id: 'last', content: 'last' })] }
      })
      .addEdge(START, 'fill')
      .addEdge('fill', 'change')
    await server.serve('mutating', graph)
    const thread_id = newId()
    await server.run('mutating', { input: { messages: [] } }, thread_id)
    const found = await texts(thread_id)
    assert.equal(found.length, 41)
    assert.equal(found[20], 'changed')
  })

  test('messages without ids, and plain objects of their form', async () => {
    const Concatenated = Annotation.Root({
      messages: Annotation<unknown[]>({ reducer: (left, right) => left.concat(right), default: () => [] }),
    })
    const graph = new StateGraph(Concatenated)
      .addNode('answer', ({ messages }) => ({
        messages: [new AIMessage('yes'), { type: 'human', content: `again ${messages.length}` }, 'no message'],
      }))
      .addEdge(START, 'answer')
    await server.serve('nameless', graph)
    const thread_id = newId()
    for (let turn = 0; turn < 4; turn++) {
      await server.run('nameless', { input: { messages: [{ type: 'human', content: 'yes' }] } }, thread_id)
    }
    const turns = [1, 5, 9, 13].map(length => ['yes', 'yes', `again ${length}`])
    assert.deepEqual(await texts(thread_id), turns.flat())
  })
})
