// What real providers do on a bad day, and what becomes of the run.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ScriptedReply } from '../support/openai-server.ts'
import { startAgent } from './harness.ts'

/** Replies in this order, the last one for ever. */
function inOrder(...replies: ScriptedReply[]) {
  return () => (replies.length > 1 ? replies.shift() : replies[0]) ?? {}
}

const soon = { 'retry-after-ms': '1' }

for (const [name, reply] of Object.entries<ScriptedReply>({
  'a rate limit': { status: 429, headers: soon },
  'a failure of the provider': { status: 503, headers: soon },
  'a connection that breaks in mid-answer': { text: 'one two three four', break_after: 3 },
  'a model that falls silent in mid-answer': { text: 'one two three four', stall_after: 3 },
})) {
  test(`${name} passes: the model is asked again`, async t => {
    const script = inOrder(reply, { text: 'here I am' })
    const { ask, requests } = await startAgent(t, { script, file: { agent: { model_silence_seconds: 3 } } })
    const { values } = await ask('hello')
    assert.deepEqual(
      values.messages.map(message => message.text),
      ['hello', 'here I am'],
    )
    assert.equal(requests.length, 2)
  })
}

test('when it does not pass, the run fails with a sentence that names the model and what to do', async t => {
  const script = () => ({
    status: 429,
    headers: soon,
    error: 'Too many tokens for sk-proj-abcdefghijkl today.\nSecond line',
  })
  const { ask, requests } = await startAgent(t, { script, file: { agent: { model_retries: 1 } } })
  await assert.rejects(ask('hello'), {
    name: 'ModelError',
    message:
      'The model "main" answered with HTTP 429, 2 times: Too many tokens for […] today. Wait a while, raise the limit at the provider, or choose another model',
  })
  assert.equal(requests.length, 2)
})

test('a wrong key is not tried again, and nothing of it is told', async t => {
  const script = () => ({ status: 401, error: 'Incorrect API key provided: sk-of-the-test-1234567890.' })
  const { ask, requests } = await startAgent(t, { script })
  await assert.rejects(ask('hello'), {
    name: 'ModelError',
    message: 'The model "main" answered with HTTP 401. Check the API key of its provider, and what that key may use',
  })
  assert.equal(requests.length, 1)
})

test('a server that nobody reaches is named as such', async t => {
  const model = { base_url: 'http://127.0.0.1:9/v1' }
  const { ask } = await startAgent(t, { model, file: { agent: { model_retries: 0 } } })
  await assert.rejects(ask('hello'), {
    name: 'ModelError',
    message: 'The model "main" did not answer: Connection error. Check its base URL and the network',
  })
})

test('a base URL that is none is named as such', async t => {
  const { OPENAI_BASE_URL = '' } = process.env
  t.after(() => (process.env.OPENAI_BASE_URL = OPENAI_BASE_URL))
  process.env.OPENAI_BASE_URL = 'not-a-url'
  const { ask } = await startAgent(t, { model: { base_url: undefined } })
  await assert.rejects(ask('hello'), {
    name: 'ModelError',
    message: 'The model "main" did not answer: Invalid URL. Check its base URL and the network',
  })
})

test('a cancelled run does not wait for the model, nor for its next try', async t => {
  const stop = new AbortController()
  const script = () => {
    setImmediate(() => stop.abort(new Error('the user left')))
    return { text: 'one two three', stall_after: 1 }
  }
  const { ask, requests } = await startAgent(t, { script })
  await assert.rejects(ask('hello', { signal: stop.signal }), /the user left|Abort/)
  assert.equal(requests.length, 1)
})

test('what a model thinks is kept with its answer', async t => {
  const { ask } = await startAgent(t, { script: () => ({ reasoning: 'let me see', text: 'four' }) })
  const { values } = await ask('2 + 2?')
  assert.equal(values.messages.at(-1)?.additional_kwargs.reasoning_content, 'let me see')
})
