// The graphs that the benchmark runs, on the server and in process.
import { SimpleChatModel } from '@langchain/core/language_models/chat_models'
import { AIMessageChunk } from '@langchain/core/messages'
import { ChatGenerationChunk } from '@langchain/core/outputs'
import { MessagesAnnotation, START, StateGraph } from '@langchain/langgraph'

export const TOKENS = 200

/** Streams TOKENS tokens as fast as it can. */
class TokenModel extends SimpleChatModel {
  _llmType() {
    return 'tokens'
  }

  async _call() {
    return ''
  }

  override async *_streamResponseChunks(
    _messages: unknown,
    _options: unknown,
    runManager?: Parameters<SimpleChatModel['_streamResponseChunks']>[2],
  ) {
    const id = crypto.randomUUID()
    for (let index = 0; index < TOKENS; index++) {
      const text = `token-${index} `
      const chunk = new ChatGenerationChunk({ text, message: new AIMessageChunk({ content: text, id }) })
      yield chunk
      await runManager?.handleLLMNewToken(text, undefined, undefined, undefined, undefined, { chunk })
    }
  }
}

const model = new TokenModel({})

export const noop = new StateGraph(MessagesAnnotation).addNode('noop', () => ({})).addEdge(START, 'noop')

export const tokens = new StateGraph(MessagesAnnotation)
  .addNode('model', async state => ({ messages: [await model.invoke(state.messages)] }))
  .addEdge(START, 'model')
