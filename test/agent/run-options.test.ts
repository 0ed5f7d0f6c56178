import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readRunOptions } from '../../src/agent/run-options.ts'
import { runloomFile } from '../../src/protocol/runloom-file.ts'
import { startAgent, toolsOf } from './harness.ts'

const defaults = runloomFile.parse({})

test('the context says what a run asks for, then the configurable, then the configuration', () => {
  const configurable = { model_name: 'a', is_plan_mode: true, reasoning_effort: 'low' }
  const options = readRunOptions({ context: { model_name: 'b', reasoning_effort: null }, configurable }, defaults)
  assert.deepEqual(options, {
    model_name: 'b',
    reasoning_effort: 'low',
    is_plan_mode: true,
    subagent_enabled: false,
  })
  const { is_plan_mode, subagent_enabled } = readRunOptions(
    {},
    runloomFile.parse({ plan_mode: true, subagents: { enabled: true } }),
  )
  assert.deepEqual([is_plan_mode, subagent_enabled], [true, true])
})

test('a value of a wrong type is an error that says where it stands and what to write', () => {
  const refused = (run: Parameters<typeof readRunOptions>[0], message: string) =>
    assert.throws(() => readRunOptions(run, defaults), { code: 'invalid', message })
  refused({ context: { is_plan_mode: 'yes' } }, 'context.is_plan_mode: use true or false')
  refused({ configurable: { model_name: 7 } }, 'config.configurable.model_name: use the name of a model')
  refused({ context: { reasoning_effort: 2 } }, 'context.reasoning_effort: use a word like "low", "medium" or "high"')
})

test('a run has the model that it names, with what it asks of it', async t => {
  const model = {
    supports_reasoning_effort: true,
    supports_thinking: true,
    thinking_parameters: { modelKwargs: { think: 1 } },
  }
  const { ask, requests } = await startAgent(t, { model })
  await ask('hi')
  await ask('hi', { context: { model_name: 'other', thinking_enabled: true, reasoning_effort: 'high' } })
  await ask('hi', { configurable: { model_name: 'other' } })
  const seen = requests.map(({ body }) => [body.model, body.reasoning_effort, (body as { think?: number }).think])
  assert.deepEqual(seen, [
    ['main', undefined, undefined],
    ['other', 'high', 1],
    ['other', undefined, undefined],
  ])
  await assert.rejects(
    ask('hi', { context: { model_name: 'third' } }),
    /^RunloomError: model_name: .*This server has main, other\.$/,
  )
  await assert.rejects(
    ask('hi', { context: { thinking_enabled: 'no' } }),
    /context\.thinking_enabled: use true or false/,
  )
  assert.equal(requests.length, 3)
})

test('tools of plan mode and sub-agents are offered to runs that ask for them', async t => {
  const { ask, requests } = await startAgent(t, {})
  await ask('hi')
  await ask('hi', { context: { is_plan_mode: true } })
  await ask('hi', { context: { subagent_enabled: true } })
  const own = ['current_time', 'calculate', 'ask_clarification']
  assert.deepEqual(
    requests.map(({ body }) => toolsOf(body).filter(name => !own.includes(name))),
    [[], ['write_todos'], ['task']],
  )
})
