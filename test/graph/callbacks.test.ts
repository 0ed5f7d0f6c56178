// Tokens reach the recording in the call that the model awaits, and never before what was said before their model.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { SimpleChatModel } from '@langchain/core/language_models/chat_models'
import { AIMessageChunk } from '@langchain/core/messages'
import { ChatGenerationChunk } from '@langchain/core/outputs'
import { MessagesAnnotation, START, StateGraph } from '@langchain/langgraph'
import { RunCallbacks } from '../../src/graph/callbacks.ts'

const REPLY = 'hello'

/** Says a letter at a time: in one turn of the event loop without waiting for its handlers, or each in a turn of its own. */
class Letters extends SimpleChatModel {
  readonly #atOnce: boolean

  constructor(atOnce: boolean) {
    super({})
    this.#atOnce = atOnce
  }

  _llmType() {
    return 'letters'
  }

  async _call() {
    return ''
  }

  override async *_streamResponseChunks(...args: Parameters<SimpleChatModel['_streamResponseChunks']>) {
    for (const text of REPLY) {
      if (!this.#atOnce) await nextTurn()
      const chunk = new ChatGenerationChunk({ text, message: new AIMessageChunk({ content: text, id: 'm' }) })
      yield chunk
      const handled = args[2]?.handleLLMNewToken(text, undefined, undefined, undefined, undefined, { chunk })
      if (!this.#atOnce) await handled
    }
  }
}

function run(model: Letters, room: () => Promise<void> | undefined = () => undefined) {
  const graph = new StateGraph(MessagesAnnotation)
    .addNode('model', async ({ messages }) => ({ messages: [await model.invoke(messages)] }))
    .addEdge(START, 'model')
    .compile()
  const seen: string[] = []
  const say = (how: string, [, mode, payload]: [unknown, string, [{ content: string }]]) =>
    seen.push(mode === 'messages' ? `${how} ${payload[0].content}` : mode)
  const callbacks = new RunCallbacks({ take: chunk => say('taken', chunk as never), room })
  const ended = (async () => {
    const options = { callbacks, streamMode: ['tasks', 'messages', 'updates'], subgraphs: true }
    const stream = await graph.stream({ messages: [] }, options as never)
    for await (const chunk of stream) say('streamed', chunk as never)
  })()
  return { seen, ended }
}

describe('the tokens of a model', () => {
  test('are taken at once, after those that follow the start of their task through the stream', async () => {
    const { seen, ended } = run(new Letters(false))
    await ended
    const [first, ...rest] = REPLY
    const tokens = [`streamed ${first}`, ...rest.map(token => `taken ${token}`)]
    assert.deepEqual(seen, ['tasks', ...tokens, 'updates', 'tasks'])
  })

  test('keep their order where the model waits for nothing', async () => {
    const { seen, ended } = run(new Letters(true))
    await ended
    assert.deepEqual(seen, ['tasks', ...[...REPLY].map(token => `streamed ${token}`), 'updates', 'tasks'])
  })

  test('wait for room', async () => {
    const room = Promise.withResolvers<void>()
    const { seen, ended } = run(new Letters(false), () => (seen.length > 2 ? room.promise : undefined))
    for (let turn = 0; turn < 500 && !seen.includes('taken e'); turn++) await nextTurn()
    for (let turn = 0; turn < 100; turn++) await nextTurn()
    assert.deepEqual(seen, ['tasks', 'streamed h', 'taken e'])
    room.resolve()
    await ended
    assert.equal(seen.length, REPLY.length + 3)
  })
})
