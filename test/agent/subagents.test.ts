import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ToolMessage } from '@langchain/core/messages'
import type { ChatRequest, ScriptedReply } from '../support/openai-server.ts'
import { question, startAgent, textOf, toolsOf } from './harness.ts'

const on = { context: { subagent_enabled: true } }
const task = (prompt: string) => ({ name: 'task', args: { description: `about ${prompt}`, prompt } })

/** Delegates what stands after "delegate", one task a comma, and says what came back; sub-agents answer as told. */
const delegating =
  (work: (prompt: string, request: ChatRequest) => ScriptedReply | Promise<ScriptedReply>) =>
  (request: ChatRequest) => {
    if (textOf(request.messages[0]).includes('for another agent')) return work(question(request), request)
    const [, parts] = /^delegate (.+)$/.exec(question(request)) ?? []
    if (parts) return { calls: parts.split(',').map(task) }
    return {
      text: request.messages
        .filter(({ role }) => role === 'tool')
        .map(textOf)
        .join(' | '),
    }
  }

const types = (custom: Record<string, unknown>[]) => custom.map(({ type }) => type)

test('a sub-agent has its own context and tools, and gives back its last words', async t => {
  const script = delegating(prompt =>
    prompt ? { calls: [{ name: 'calculate', args: { expression: '6 * 7' } }] } : { text: 'it is 42' },
  )
  const { ask, requests } = await startAgent(t, { script })
  const { last, custom, tokens, values } = await ask('delegate six', on)
  assert.equal(last, 'it is 42')
  assert.deepEqual(types(custom), ['task_started', 'task_running', 'task_running', 'task_completed'])
  assert.equal(new Set(custom.map(({ task_id }) => task_id)).size, 1)
  assert.partialDeepStrictEqual(custom, [{ description: 'about six' }, {}, {}, { result: 'it is 42' }])
  const { body } = requests[1] ?? assert.fail()
  assert.deepEqual(body.messages.slice(1).map(textOf), ['six'])
  assert.deepEqual(toolsOf(body), ['current_time', 'calculate'])
  assert.equal(values.messages.length, 4)
  const ids = new Set(tokens.filter(token => token.type === 'ai').map(token => token.id))
  assert.deepEqual([...ids], ['chatcmpl-1', 'chatcmpl-4'], 'what it says to itself is not in the stream')
})

test('at most so many at once: further ones in the same message are refused', async t => {
  let working = 0
  let most = 0
  const script = delegating(async prompt => {
    most = Math.max(most, ++working)
    await new Promise(resolve => setImmediate(resolve))
    working--
    return { text: `${prompt} done` }
  })
  const { ask } = await startAgent(t, { script, file: { subagents: { max_concurrent: 2 } } })
  const { values, custom } = await ask('delegate a,b,c', on)
  const results = values.messages.filter(message => ToolMessage.isInstance(message))
  assert.deepEqual(
    results.map(message => message.text.split(':')[0]),
    ['a done', 'b done', 'Not started'],
  )
  assert.equal(results[2]?.status, 'error')
  assert.equal(types(custom).filter(type => type === 'task_started').length, 2)
  assert.ok(most <= 2)
})

test('a failure, too many turns and too much time are told to the agent, whose run goes on', async t => {
  const script = delegating((prompt, { messages }) => {
    if (messages.some(message => textOf(message) === 'fail')) return { status: 400 }
    if (messages.some(message => textOf(message) === 'stall')) return { text: 'one two', stall_after: 1 }
    return { calls: [{ name: 'calculate', args: { expression: `${messages.length} + 1${prompt && ''}` } }] }
  })
  const file = { subagents: { max_turns: 3, timeout_seconds: 2 } }
  const { ask } = await startAgent(t, { script, file })
  const { last, custom } = await ask('delegate fail,stall,turn', on)
  const [failed = '', stalled = '', turned = ''] = last.split(' | ')
  assert.match(failed, /^The sub-agent has failed: The model "main" answered with HTTP 400/)
  assert.match(stalled, /^The sub-agent has failed: it was not done after 2 s/)
  assert.match(turned, /^The sub-agent has failed: it was not done after 3 turns/)
  assert.equal(types(custom).filter(type => type === 'task_failed').length, 3)
})

test('who cancels the run cancels its sub-agents', async t => {
  const stop = new AbortController()
  const script = delegating(() => {
    setImmediate(() => stop.abort(new Error('the user left')))
    return { text: 'one two three', stall_after: 2 }
  })
  const { ask, requests } = await startAgent(t, { script })
  await assert.rejects(ask('delegate six', { ...on, signal: stop.signal }), /the user left|Abort/)
  while (!requests[1]?.disconnected) await new Promise(resolve => setImmediate(resolve))
})

test('where sub-agents are off, the call of one is refused', async t => {
  const { ask } = await startAgent(t, { script: delegating(() => assert.fail('a sub-agent was asked')) })
  assert.equal((await ask('delegate six')).last, 'Sub-agents are off in this run.')
})
