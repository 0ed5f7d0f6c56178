import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AIMessageChunk } from '@langchain/core/messages'
import { chatModel } from '../../src/agent/models.ts'
import { OfflineModel } from '../../src/agent/offline-model.ts'
import { startOpenAIServer } from '../support/openai-server.ts'

test('without a spec it is the offline model', async () => {
  assert.ok((await chatModel(undefined, {})) instanceof OfflineModel)
  assert.ok((await chatModel('', {})) instanceof OfflineModel)
})

test('a provider that is not installed is named with the command that installs it', async () => {
  await assert.rejects(chatModel('groq:llama-3.3-70b', {}), {
    message:
      'RUNLOOM_MODEL=groq:llama-3.3-70b: the package of provider "groq" is not installed. ' +
      'Run: npm install @langchain/groq',
  })
})

for (const [spec, fault] of [
  ['gpt-5-mini', 'names no provider'],
  ['acme:gpt', 'names an unknown provider "acme"'],
  ['openai:', 'names no model'],
] as const) {
  test(`RUNLOOM_MODEL=${spec} ${fault}`, async () => {
    await assert.rejects(chatModel(spec, {}), ({ message }: Error) => {
      assert.ok(message.startsWith(`RUNLOOM_MODEL=${spec} ${fault}. Use provider:name; the known providers are `))
      assert.match(message, /anthropic, .*ollama, openai/)
      return true
    })
  })
}

test('an OpenAI-compatible base URL needs no key and streams tokens and usage', async t => {
  const server = await startOpenAIServer()
  t.after(server.close)
  const model = await chatModel('openai:fake:7b', { OPENAI_API_BASE: server.url })
  const chunks: AIMessageChunk[] = []
  for await (const chunk of await model.stream('good day to you')) chunks.push(chunk)
  assert.equal(chunks.map(chunk => chunk.text).join(''), 'You said: good day to you')
  assert.ok(chunks.filter(chunk => chunk.text !== '').length > 3)
  const [usage, ...more] = chunks.map(chunk => chunk.usage_metadata).filter(Boolean)
  assert.partialDeepStrictEqual(usage, { input_tokens: 11, output_tokens: 7, total_tokens: 18 })
  assert.deepEqual(more, [])
  assert.equal(server.requests[0]?.body.model, 'fake:7b')
})

test('a given key is sent, and the model is not for the caller to change', async t => {
  const server = await startOpenAIServer()
  t.after(server.close)
  const model = await chatModel('openai:fake', { OPENAI_BASE_URL: server.url, OPENAI_API_KEY: 'sk-test' })
  await model.invoke('hi', { configurable: { model: 'dearer' } })
  assert.equal(server.requests[0]?.authorization, 'Bearer sk-test')
  assert.equal(server.requests[0]?.body.model, 'fake')
})
