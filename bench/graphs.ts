// The graphs that the benchmark runs, on the server and in process; a peer of `--peer` deploys this file, too. What the
// model says is in the last message: `200` is 200 tokens as fast as they come, `50@25` is 50 tokens at 25 a second.
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { SimpleChatModel } from '@langchain/core/language_models/chat_models'
import { AIMessageChunk, type BaseMessage } from '@langchain/core/messages'
import { ChatGenerationChunk } from '@langchain/core/outputs'
import { MessagesAnnotation, START, StateGraph } from '@langchain/langgraph'

/** Streams tokens, giving way to the event loop before each, as a model behind a socket does. */
class TokenModel extends SimpleChatModel {
  _llmType() {
    return 'tokens'
  }

  async _call() {
    return ''
  }

  override async *_streamResponseChunks(
    messages: BaseMessage[],
    { signal }: this['ParsedCallOptions'],
    runManager?: Parameters<SimpleChatModel['_streamResponseChunks']>[2],
  ) {
    const [count = 1, rate] = String(messages.at(-1)?.content).split('@').map(Number)
    const id = crypto.randomUUID()
    const started = performance.now()
    for (let index = 0; index < count; index++) {
      // Against the clock, so that late timers do not add up: the ideal time is (count - 1) / rate.
      if (rate) await sleep(Math.max(0, started + (index * 1000) / rate - performance.now()), undefined, { signal })
      else await nextTurn()
      const text = `token-${index} `
      const chunk = new ChatGenerationChunk({ text, message: new AIMessageChunk({ content: text, id }) })
      yield chunk
      await runManager?.handleLLMNewToken(text, undefined, undefined, undefined, undefined, { chunk })
    }
  }
}

const model = new TokenModel({})
export const REPLY =
  'A reply of the length that a short answer has, so that the state grows as a real one does. '.repeat(2)

export const noop = new StateGraph(MessagesAnnotation).addNode('noop', () => ({})).addEdge(START, 'noop')

export const tokens = new StateGraph(MessagesAnnotation)
  .addNode('model', async ({ messages }, { signal }) => ({
    messages: [await model.invoke(messages, signal && { signal })],
  }))
  .addEdge(START, 'model')

/** One turn adds two messages: the user's and this reply. */
export const chat = new StateGraph(MessagesAnnotation)
  .addNode('reply', () => ({ messages: [{ role: 'assistant', content: REPLY }] }))
  .addEdge(START, 'reply')
