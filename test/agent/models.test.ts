import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { AIMessageChunk } from '@langchain/core/messages'
import { type AgentMiddleware, createAgent, summarizationMiddleware } from 'langchain'
import { ChatModels } from '../../src/agent/models.ts'
import { OfflineModel } from '../../src/agent/offline-model.ts'
import { type ModelConfig, modelConfig } from '../../src/protocol/runloom-file.ts'
import { type ChatRequest, startOpenAIServer } from '../support/openai-server.ts'

/** The default model of a server with that RUNLOOM_MODEL. */
const serversOwn = (spec: string | undefined, env = {}) => new ChatModels([], spec, env).get('default')

test('without a spec it is the offline model', async () => {
  for (const spec of [undefined, '']) assert.ok((await serversOwn(spec)) instanceof OfflineModel)
})

test('a provider that is not installed is named with the command that installs it', async () => {
  await assert.rejects(serversOwn('groq:llama-3.3-70b'), {
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
    await assert.rejects(serversOwn(spec), ({ message }: Error) => {
      assert.ok(message.startsWith(`RUNLOOM_MODEL=${spec} ${fault}. Use provider:name; the known providers are `))
      assert.match(message, /anthropic, .*ollama, openai/)
      return true
    })
  })
}

test('an OpenAI-compatible base URL needs no key and streams tokens and usage', async t => {
  const server = await startOpenAIServer()
  t.after(server.close)
  const model = await serversOwn('openai:fake:7b', { OPENAI_API_BASE: server.url })
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
  const model = await serversOwn('openai:fake', { OPENAI_BASE_URL: server.url, OPENAI_API_KEY: 'sk-test' })
  await model.invoke('hi', { configurable: { model: 'dearer' } })
  assert.equal(server.requests[0]?.authorization, 'Bearer sk-test')
  assert.equal(server.requests[0]?.body.model, 'fake')
})

/** Configured models of the tests' own server, and what it is asked for. */
async function configured(t: TestContext, ...models: Partial<ModelConfig>[]) {
  const server = await startOpenAIServer()
  t.after(server.close)
  const configs = models.map(model => modelConfig.parse({ provider: 'openai', base_url: server.url, ...model }))
  const chat = new ChatModels(configs, 'openai:not-this', { OPENAI_API_KEY: 'sk-of-openai' })
  const asked = async (name: string, settings = {}) => {
    await (await chat.get(name, settings)).invoke('hi')
    const { body, authorization } = server.requests.at(-1) ?? assert.fail('nothing was asked')
    const { messages: _, stream: __, ...fields } = body as ChatRequest & Record<string, unknown>
    return { ...fields, authorization }
  }
  return { chat, asked }
}

test('a configured model is called with its key, its limits and its parameters', async t => {
  const { asked } = await configured(
    t,
    { name: 'fast', model: 'real-name', api_key: 'sk-mine', temperature: 0.25, max_output_tokens: 99 },
    { name: 'plain', parameters: { topP: 0.5, modelKwargs: { top_k: 3 } } },
  )
  const fast = { model: 'real-name', temperature: 0.25, max_tokens: 99, authorization: 'Bearer sk-mine' }
  assert.partialDeepStrictEqual(await asked('fast'), fast)
  assert.partialDeepStrictEqual(await asked('default'), fast)
  const settings = { temperature: 0.75, max_output_tokens: 5 }
  assert.partialDeepStrictEqual(await asked('fast', settings), { temperature: 0.75, max_tokens: 5 })
  // Its server is told no key that was set for another.
  const plain = { model: 'plain', top_p: 0.5, top_k: 3, authorization: 'Bearer none' }
  assert.partialDeepStrictEqual(await asked('plain'), plain)
})

test('thinking and reasoning effort are sent to models that have them, and only where a run asks', async t => {
  const thinking_parameters = { modelKwargs: { chat_template_kwargs: { enable_thinking: true } } }
  const parameters = { modelKwargs: { top_k: 3 } }
  const able = { supports_thinking: true, supports_reasoning_effort: true, parameters, thinking_parameters }
  const { asked } = await configured(t, { name: 'able', ...able }, { name: 'unable', parameters, thinking_parameters })
  const wish = { thinking: true, reasoning_effort: 'high' }
  const sent = async (name: string, settings = {}) => {
    const { chat_template_kwargs, reasoning_effort, top_k } = (await asked(name, settings)) as Record<string, unknown>
    return { chat_template_kwargs, reasoning_effort, top_k }
  }
  const nothing = { chat_template_kwargs: undefined, reasoning_effort: undefined, top_k: 3 }
  assert.deepEqual(await sent('able', wish), {
    chat_template_kwargs: { enable_thinking: true },
    reasoning_effort: 'high',
    top_k: 3,
  })
  assert.deepEqual(await sent('able'), nothing)
  assert.deepEqual(await sent('able', { thinking: false }), nothing)
  assert.deepEqual(await sent('unable', wish), nothing)
})

test("OpenAI's own reasoning models are asked for an effort in their own way", async t => {
  const server = await startOpenAIServer()
  t.after(server.close)
  const config = { name: 'thinker', provider: 'openai', model: 'gpt-5', supports_reasoning_effort: true }
  const chat = new ChatModels([modelConfig.parse(config)], undefined, { OPENAI_BASE_URL: server.url })
  await (await chat.get('thinker', { reasoning_effort: 'low', max_output_tokens: 7 })).invoke('hi')
  const { body } = server.requests[0] ?? assert.fail('nothing was asked')
  assert.partialDeepStrictEqual(body, { reasoning_effort: 'low', max_completion_tokens: 7 })
})

test('a share of what fits into a model is enough to summarize', async t => {
  const { chat } = await configured(t, { name: 'narrow', max_input_tokens: 100 })
  const model = await chat.get('narrow')
  assert.equal(model.profile.maxInputTokens, 100)
  const summarize = summarizationMiddleware({ model, trigger: { fraction: 0.8 }, keep: { messages: 1 } } as never)
  const messages = ['one '.repeat(400), 'two', 'three'].map(text => ({ role: 'user', content: text }))
  const after = await createAgent({ model, tools: [], middleware: [summarize as unknown as AgentMiddleware] }).invoke({
    messages,
  })
  assert.deepEqual([messages.length, after.messages.length], [3, 3]) // the summary, the last question, its answer
  assert.ok(!after.messages.some(message => message.text.startsWith('one one')))
})

test('models are listed, found and priced by name; others go on working beside them', async t => {
  const price = { input: 1, output: 2 }
  const { chat, asked } = await configured(t, { name: 'a', model: 'real', price }, { name: 'b' })
  assert.deepEqual([chat.default_name, chat.list().map(model => model.name)], ['a', ['a', 'b']])
  assert.deepEqual([chat.find('b')?.name, chat.find('default')?.name, chat.find('c')], ['b', 'a', undefined])
  for (const name of ['a', 'default', 'real']) assert.deepEqual(chat.priceOf(name), price)
  for (const name of ['b', 'c']) assert.equal(chat.priceOf(name), undefined)
  assert.ok((await chat.get('offline')) instanceof OfflineModel)
  await assert.rejects(chat.get('c'), /^Error: model "c" names no provider\. Use provider:name/)
  await assert.rejects(chat.get('groq:x'), /^Error: model "groq:x": .+ npm install @langchain\/groq$/)
  const once = await chat.get('a')
  assert.equal(await chat.get('a'), once)
  assert.partialDeepStrictEqual(await asked('b'), { model: 'b' })
})

test('a configured model with an unknown provider is named', async t => {
  const { chat } = await configured(t, { name: 'mine', provider: 'acme' })
  await assert.rejects(chat.get('mine'), /^Error: model "mine" names an unknown provider "acme"/)
})
