import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { BaseChatModel } from '@langchain/core/language_models/chat_models'
import { type BaseMessage, ToolMessage } from '@langchain/core/messages'
import { MemorySaver } from '@langchain/langgraph'
import { leadAgent } from '../../src/agent/lead-agent.ts'
import { ChatModels } from '../../src/agent/models.ts'
import { OfflineModel } from '../../src/agent/offline-model.ts'
import { startOpenAIServer } from '../support/openai-server.ts'

const MODELS: Record<string, (t: TestContext) => Promise<BaseChatModel>> = {
  'the offline model': async () => new OfflineModel({ delay_ms: 0 }),
  'an OpenAI-compatible server': async t => {
    const server = await startOpenAIServer()
    t.after(server.close)
    return new ChatModels([], 'openai:fake', { OPENAI_BASE_URL: server.url }).get('default')
  },
}

// The compiled graph with a checkpointer put in from outside, as the graph loader does it.
function graphOn(model: BaseChatModel) {
  const { graph } = leadAgent({ model })
  graph.checkpointer = new MemorySaver()
  return graph
}

const human = (content: string) => ({ messages: [{ role: 'user', content }] })
const kinds = (messages: BaseMessage[]): string[] => messages.map(message => message.type)

for (const [name, model] of Object.entries(MODELS)) {
  test(`with ${name}, a conversation goes through the tools and keeps its thread`, async t => {
    const graph = graphOn(await model(t))
    const config = { configurable: { thread_id: 'one' } }

    const first = await graph.invoke(human('What is (2 + 3) * 4?'), config)
    assert.deepEqual(kinds(first.messages), ['human', 'ai', 'tool', 'ai'])
    assert.equal(first.messages[2]?.text, '20')
    assert.match(first.messages[3]?.text ?? '', /is 20\.$/)

    const second = await graph.invoke(human('And 7 - 9'), config)
    assert.deepEqual(kinds(second.messages.slice(4)), ['human', 'ai', 'tool', 'ai'])
    assert.match(second.messages.at(-1)?.text ?? '', /is -2\.$/)

    const ids = second.messages.map(message => message.id)
    assert.equal(new Set(ids).size, ids.length)
    for (const message of second.messages.filter(message => message.type === 'ai')) {
      assert.ok('usage_metadata' in message && message.usage_metadata)
    }
  })

  test(`with ${name}, tokens and pieces of tool calls are streamed`, async t => {
    const graph = graphOn(await model(t))
    const config = { configurable: { thread_id: 'two' }, streamMode: 'messages' as const }
    const messages: BaseMessage[] = []
    for await (const [message] of await graph.stream(human('What is 6 * 7?'), config)) messages.push(message)

    const pieces = messages.flatMap(message => ('tool_call_chunks' in message ? message.tool_call_chunks : []))
    assert.ok(Array.isArray(pieces) && pieces.length > 3)
    assert.equal(messages.find(message => ToolMessage.isInstance(message))?.text, '42')
    const answered = messages.findLastIndex(message => ToolMessage.isInstance(message))
    assert.ok(messages.slice(answered + 1).filter(message => message.text !== '').length > 2)
  })

  test(`with ${name}, a failed tool is told and does not fail the run`, async t => {
    const graph = graphOn(await model(t))
    const { messages } = await graph.invoke(human('What is 1 / 0?'), { configurable: { thread_id: 'three' } })
    const failed = messages.find(message => ToolMessage.isInstance(message))
    assert.equal(failed?.status, 'error')
    assert.equal(failed?.text, 'Division by zero at position 3.')
    assert.match(messages.at(-1)?.text ?? '', /Division by zero/)
  })
}

test('an abort reaches the offline model in mid-answer', async () => {
  const graph = graphOn(new OfflineModel({ delay_ms: 5 }))
  const abort = new AbortController()
  const config = { configurable: { thread_id: 'four' }, streamMode: 'messages' as const, signal: abort.signal }
  let seen = 0
  await assert.rejects(async () => {
    for await (const _ of await graph.stream(human('count to 1000'), config)) {
      if (++seen === 3) abort.abort(new Error('the user left'))
    }
  })
  assert.ok(seen < 10)
})

test('an abort closes the connection to the provider', async t => {
  const server = await startOpenAIServer({ delay_ms: 10, script: () => ({ text: 'word '.repeat(200) }) })
  t.after(server.close)
  const graph = graphOn(await new ChatModels([], 'openai:fake', { OPENAI_BASE_URL: server.url }).get('default'))
  const abort = new AbortController()
  const config = { configurable: { thread_id: 'five' }, streamMode: 'messages' as const, signal: abort.signal }
  await assert.rejects(async () => {
    for await (const _ of await graph.stream(human('talk'), config)) abort.abort(new Error('the user left'))
  })
  while (!server.requests[0]?.disconnected) await new Promise(resolve => setImmediate(resolve))
})
