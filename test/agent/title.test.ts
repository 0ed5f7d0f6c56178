import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cleaned } from '../../src/agent/title.ts'
import type { ChatRequest, ScriptedReply } from '../support/openai-server.ts'
import { question, startAgent } from './harness.ts'

const isTitle = (request: ChatRequest) => request.model === 'other'
const byModel = { title: { model_name: 'other' } }

/** Answers `yes`, and entitles as told. */
const entitling = (title: () => ScriptedReply) => (request: ChatRequest) =>
  isTitle(request) ? title() : { text: 'yes' }

test('after the first turn the thread has a title, the beginning of the question, without a model', async t => {
  const { ask, requests } = await startAgent(t, { script: () => ({ text: 'yes' }) })
  assert.equal((await ask('Where does\nthe sun rise?')).values.title, 'Where does the sun rise?')
  assert.equal((await ask('Another question')).values.title, 'Where does the sun rise?')
  assert.equal(requests.length, 2)
  const long = await ask(`${'ten chars '.repeat(4)}ten chars👍 and more`, { configurable: { thread_id: 'two' } })
  assert.equal(long.values.title, `${'ten chars '.repeat(4)}ten chars...`)
  const off = await startAgent(t, { script: () => ({ text: 'yes' }), file: { title: { enabled: false } } })
  assert.equal((await off.ask('hello')).values.title, undefined)
})

test('a model entitles where one is named; its words are no message', async t => {
  const script = entitling(() => ({ text: '<think>sun?</think> "**The rising sun**"' }))
  const { ask, requests } = await startAgent(t, { script, file: byModel })
  const { values, tokens } = await ask('Where does the sun rise?')
  assert.equal(values.title, 'The rising sun')
  assert.ok(!tokens.some(token => token.text.includes('rising')))
  const [asked] = requests.filter(({ body }) => isTitle(body))
  assert.match(question(asked?.body as ChatRequest), /at most 6 words[\s\S]*Where does the sun rise\?[\s\S]*yes/)
})

for (const [name, reply] of Object.entries<ScriptedReply>({
  'a model that fails': { status: 500 },
  'a model that says nothing': { text: '<think>hmm' },
})) {
  test(`${name} costs no title and no run`, async t => {
    const { ask } = await startAgent(t, { script: entitling(() => reply), file: byModel })
    const { values, last } = await ask('Where does the sun rise?')
    assert.deepEqual([values.title, last], ['Where does the sun rise?', 'yes'])
  })
}

test('quotes, thoughts and marks go; a long title is cut, never in a character', () => {
  assert.equal(cleaned('„Die Sonne“', 60), 'Die Sonne')
  assert.equal(cleaned('<thinking>a\nb</thinking>\n# Title here\n', 60), 'Title here')
  assert.equal(cleaned("What's new", 60), "What's new")
  assert.equal(cleaned('nine char👍', 10), 'nine char')
})
