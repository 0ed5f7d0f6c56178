import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChatRequest, ScriptedReply } from '../support/openai-server.ts'
import { question, startAgent, textOf } from './harness.ts'

const isSummary = (request: ChatRequest) => question(request).startsWith('Sum up')
const small = { trigger: { type: 'messages', value: 6 }, keep: { type: 'messages', value: 2 } }

/** Sums up as told, and else answers `yes`. */
function summing(
  summary: () => ScriptedReply,
  answer: (request: ChatRequest) => ScriptedReply = () => ({ text: 'yes' }),
) {
  return (request: ChatRequest) => (isSummary(request) ? summary() : answer(request))
}

test('the model sees a summary and the newest messages; the state keeps all of them', async t => {
  const summaries = ['They said one and two.', 'They said one to four.']
  const script = summing(() => ({ text: summaries.shift() ?? assert.fail('a third summary') }))
  const { ask, requests } = await startAgent(t, { script, file: { summarization: small } })
  for (const text of ['one', 'two', 'three']) await ask(text)
  assert.ok(!requests.some(({ body }) => isSummary(body)))
  const { values } = await ask('four')
  assert.equal(values.summary?.text, 'They said one and two.')
  assert.deepEqual(requests.at(-1)?.body.messages.slice(1).map(textOf), [
    '[Note of the system, not of the user] What was said before, summed up:\n\nThey said one and two.',
    'yes',
    'four',
  ])
  await ask('five')
  const { values: after } = await ask('six')
  assert.equal(after.summary?.text, 'They said one to four.')
  assert.match(
    requests.map(({ body }) => question(body)).findLast(text => text.startsWith('Sum up')) ?? '',
    /They said one and two\./,
  )
  assert.deepEqual(
    after.messages.map(message => message.text),
    ['one', 'yes', 'two', 'yes', 'three', 'yes', 'four', 'yes', 'five', 'yes', 'six', 'yes'],
  )
})

test('a call is never parted from its results', async t => {
  const calls = [1, 2, 3, 4, 5, 6, 7].map(number => ({ name: 'calculate', args: { expression: `${number} + 1` } }))
  const answer = ({ messages }: ChatRequest) => (messages.at(-1)?.role === 'user' ? { calls } : { text: 'yes' })
  const script = summing(() => ({ text: 'summed' }), answer)
  const { ask, requests } = await startAgent(t, { script, file: { summarization: small } })
  await ask('first')
  await ask('second')
  for (const { body } of requests.filter(({ body }) => !isSummary(body))) {
    const open = new Set<string>()
    for (const { role, tool_calls = [], tool_call_id = '' } of body.messages) {
      if (role === 'tool') assert.ok(open.delete(tool_call_id), 'a result follows its call')
      else assert.equal(open.size, 0, 'every call has its result')
      for (const { id } of tool_calls) open.add(id)
    }
    assert.equal(open.size, 0)
  }
  assert.ok(requests.some(({ body }) => isSummary(body)))
})

test('without a summary, because its model fails or says nothing, the run goes on with everything', async t => {
  const replies: ScriptedReply[] = [{ status: 400 }, { text: '' }]
  const script = summing(() => replies.shift() ?? { text: 'summed' })
  const { ask, requests } = await startAgent(t, { script, file: { summarization: small } })
  for (const text of ['one', 'two', 'three', 'four']) await ask(text)
  assert.equal(requests.at(-1)?.body.messages.length, 1 + 7)
  const { values, last } = await ask('five')
  assert.equal(last, 'yes')
  assert.equal(values.summary, undefined)
  assert.equal((await ask('six')).values.summary?.text, 'summed')
})

test('by default at 80 % of the window, by the model that the configuration names for it, without its tokens in the stream', async t => {
  const summarization = { model_name: 'other', keep: { type: 'messages', value: 1 } }
  const script = summing(() => ({ text: 'They said a lot.' }))
  const { ask, requests } = await startAgent(t, { script, file: { summarization }, model: { max_input_tokens: 1_000 } })
  await ask('word '.repeat(600)) // 750 tokens
  await ask('short')
  assert.ok(!requests.some(({ body }) => isSummary(body)))
  const { tokens } = await ask('word '.repeat(100))
  const summed = requests.filter(({ body }) => isSummary(body)).map(({ body }) => body.model)
  assert.deepEqual(summed, ['other'])
  assert.ok(!tokens.some(token => token.text.includes('lot')))
})

test('a summary of messages that are gone counts no more', async t => {
  const script = summing(() => ({ text: 'They said one and two.' }))
  const { ask, requests, graph } = await startAgent(t, { script, file: { summarization: small } })
  for (const text of ['one', 'two', 'three', 'four']) await ask(text)
  const messages = [
    { role: 'remove', content: '', id: '__remove_all__' },
    { role: 'user', content: 'afresh' },
  ]
  await graph.updateState({ configurable: { thread_id: 'one' } }, { messages } as never, 'model_request')
  await ask('hi')
  assert.deepEqual(requests.at(-1)?.body.messages.slice(1).map(textOf), ['afresh', 'hi'])
})
