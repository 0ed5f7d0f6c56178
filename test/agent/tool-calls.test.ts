// Calls without results, and calls again and again.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AIMessage, HumanMessage, ToolMessage } from '@langchain/core/messages'
import { withResults } from '../../src/agent/tool-results.ts'
import type { ChatRequest, ScriptedReply } from '../support/openai-server.ts'
import { startAgent, textOf } from './harness.ts'

const call = (id: string) => ({ id, name: 'calculate', args: {} })
const ai = (...ids: string[]) => new AIMessage({ content: '', tool_calls: ids.map(call) })
const result = (id: string, content = id) => new ToolMessage({ tool_call_id: id, content })

test('every call has its result right behind it, whatever came between or never came', () => {
  const whole = [new HumanMessage('hi'), ai('a', 'b'), result('b'), result('a'), new AIMessage('done')]
  assert.equal(withResults(whole), whole, 'nothing to repair')

  const human = new HumanMessage('an answer')
  const repaired = withResults([ai('a', 'b', 'c'), result('a'), human, result('c'), result('of nothing')])
  assert.deepEqual(
    repaired.map(message => (ToolMessage.isInstance(message) ? [message.tool_call_id, message.status] : message.type)),
    ['ai', ['a', undefined], ['b', 'error'], ['c', undefined], 'human'],
  )
})

test('a thread whose tools were interrupted goes on', async t => {
  const { ask, requests } = await startAgent(t, { script: () => ({ text: 'yes' }) })
  const lost = { role: 'assistant', content: '', tool_calls: [{ ...call('lost'), type: 'tool_call' }] }
  const { values } = await ask({ messages: [{ role: 'user', content: 'one' }, lost, { role: 'user', content: 'two' }] })
  const seen = requests[0]?.body.messages.slice(1) ?? []
  assert.deepEqual(
    seen.map(({ role, tool_call_id }) => [role, tool_call_id]),
    [
      ['user', undefined],
      ['assistant', undefined],
      ['tool', 'lost'],
      ['user', undefined],
    ],
  )
  assert.match(textOf(seen[2]), /interrupted/)
  assert.deepEqual(
    values.messages.map(message => message.type),
    ['human', 'ai', 'human', 'ai'],
  )
})

/** Calls the same thing for ever; the arguments differ where told. */
const looping = (args: (count: number) => object) => {
  let count = 0
  return (_request: ChatRequest) => ({
    text: 'again',
    calls: [{ name: 'calculate', args: { expression: '1 + 1', ...args(count++) } }],
  })
}

test('equal calls are warned of, then stopped, with a last word that says so', async t => {
  const { ask, requests } = await startAgent(t, {
    script: looping(() => ({})),
    file: { agent: { loop_warn: 2, loop_stop: 4 } },
  })
  const { values, last } = await ask('go')
  const warned = requests.map(({ body }) => textOf(body.messages.at(-1)).includes('Another such call'))
  assert.deepEqual(warned, [false, false, true, true])
  assert.match(last, /^I stopped: I was about to call calculate with the same arguments once more, after 3 times/)
  assert.equal(values.messages.filter(message => message.type === 'tool').length, 3)
  assert.ok(!values.messages.some(message => message.text.includes('Another such call')), 'only the model is told')
  assert.equal(
    (await ask('once more')).values.messages.filter(message => message.type === 'tool').length,
    6,
    'each turn counts anew',
  )
})

test('calls that differ are no loop', async t => {
  const script = looping(count => ({ expression: `${count} + 1` }))
  const { ask, requests } = await startAgent(t, {
    script: request => (requests.length < 8 ? script(request) : { text: 'done' }),
    file: { agent: { loop_warn: 2, loop_stop: 3 } },
  })
  assert.equal((await ask('go')).last, 'done')
})

test('arguments that do not fit are told to the model, without where in the code that was found', async t => {
  const calls = [{ name: 'calculate', args: { sum: '2 + 3' } }]
  const script = ({ messages }: ChatRequest): ScriptedReply =>
    messages.at(-1)?.role === 'tool' ? { text: 'I see' } : { calls }
  const { ask } = await startAgent(t, { script })
  const { values } = await ask('2 + 3?')
  const told = values.messages.find(message => ToolMessage.isInstance(message))
  assert.equal(told?.status, 'error')
  assert.match(told.text, /did not match expected schema.+at expression/s)
  assert.doesNotMatch(told.text, /node_modules|file:/)
})
