import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ToolMessage } from '@langchain/core/messages'
import { Command } from '@langchain/langgraph'
import { tool } from 'langchain'
import { z } from 'zod'
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

/** Fails, falls silent or never ends, as the prompt says. */
const unlucky = delegating((prompt, { messages }) => {
  if (prompt === 'fail') return { status: 400 }
  if (prompt === 'stall') return { text: 'one two', stall_after: 1 }
  return { calls: [{ name: 'calculate', args: { expression: `${messages.length} + 1` } }] }
})

for (const [prompt, file, reason] of [
  ['fail', {}, /^The sub-agent has failed: The model "main" answered with HTTP 400/],
  ['turn', { max_turns: 3 }, /^The sub-agent has failed: it was not done after 3 turns/],
  ['stall', { timeout_seconds: 1 }, /^The sub-agent has failed: it was not done after 1 s/],
] as const) {
  test(`a sub-agent that has failed (${prompt}) is told to the agent, whose run goes on`, async t => {
    const { ask } = await startAgent(t, { script: unlucky, file: { subagents: file } })
    const { last, custom } = await ask(`delegate ${prompt}`, on)
    assert.match(last, reason)
    assert.equal(custom.at(-1)?.type, 'task_failed')
  })
}

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

test('a tool of a sub-agent that asks first asks the user, and the sub-agent goes on where it was', async t => {
  const remove = tool(({ id }) => `removed ${id}`, {
    name: 'remove',
    description: 'Removes.',
    schema: z.object({ id: z.number() }),
  })
  const script = delegating(prompt =>
    prompt ? { calls: [{ name: 'remove', args: { id: 7 } }] } : { text: 'it is gone' },
  )
  const functions = { tools: [remove], approved: ['remove'] }
  const { ask, requests } = await startAgent(t, { script, functions })
  const { values } = await ask('delegate seven', on)
  assert.partialDeepStrictEqual(values.__interrupt__, [{ value: { actionRequests: [{ name: 'remove' }] } }])
  const { last } = await ask(new Command({ resume: { decisions: [{ type: 'approve' }] } }), on)
  assert.equal(last, 'it is gone')
  assert.equal(requests.length, 4, 'no model was asked twice')
})
