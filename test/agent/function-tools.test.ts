import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Command } from '@langchain/langgraph'
import { functionTools } from '../../src/agent/function-tools.ts'
import { SourceFiles } from '../../src/graph/source-files.ts'
import { question, startAgent, toolsOf } from './harness.ts'

const FOLDER = join(import.meta.dirname, '../fixtures/agent')

function load(t: TestContext, ...entries: { use: string; approval?: boolean }[]) {
  const sources = new SourceFiles()
  t.after(() => sources.close())
  const given = entries.map(entry => ({ approval: false, ...entry }))
  return functionTools(given, specifier => sources.importFrom(FOLDER, specifier))
}

test('a tool or a list of them is the export that the configuration names', async t => {
  const { tools, approved } = await load(
    t,
    { use: './tools.ts:search' },
    { use: './tools.ts:changing', approval: true },
  )
  assert.deepEqual([tools.map(tool => tool.name), approved], [['search', 'remove'], ['remove']])
})

test('what cannot be loaded is named, with what is there', async t => {
  const refused = (use: string, message: RegExp) =>
    assert.rejects(load(t, { use: './tools.ts:search' }, { use }), { message })
  await refused(
    './tools.ts:find',
    /^tools\[1\]\.use: \.\/tools\.ts:find: no export "find"; it exports all, changing, notATool, search$/,
  )
  await refused('./tools.ts:notATool', /^tools\[1\]\.use: .*: no tool; export what tool\(\) of "langchain" returns/)
  await refused('./nowhere.ts:search', /^tools\[1\]\.use: \.\/nowhere\.ts:search: Cannot find module/)
  await refused('no-such-package:search', /^tools\[1\]\.use: no-such-package:search: Cannot find package/)
  await refused('./tools.ts:all', /^tools\[1\]\.use: .*: there are two tools "search"; give one of them another name$/)
})

test('a tool with approval asks before each call, whatever the context of the run says', async t => {
  const functions = await load(t, { use: './tools.ts:search' }, { use: './tools.ts:changing', approval: true })
  const calls = [
    { name: 'search', args: { query: 'it' } },
    { name: 'remove', args: { id: 7 } },
  ]
  const { ask, requests } = await startAgent(t, {
    functions,
    script: request => (question(request) ? { calls } : { text: request.messages.at(-1)?.content as string }),
  })
  const context = { interruptOn: {}, interrupt_on: {} }
  const { values } = await ask('clean up', { context })
  assert.ok(toolsOf(requests[0]?.body as never).includes('remove'))
  const [{ value } = assert.fail('nobody was asked')] = values.__interrupt__ ?? []
  assert.partialDeepStrictEqual(value, { actionRequests: [{ name: 'remove', args: { id: 7 } }] })
  assert.equal((value as { actionRequests: unknown[] }).actionRequests.length, 1)
  const answer = (decision: object) => ask(new Command({ resume: { decisions: [decision] } }), { context })
  const { values: done } = await answer({ type: 'approve' })
  assert.deepEqual(
    done.messages
      .filter(message => message.type === 'tool')
      .map(message => message.text)
      .sort(),
    ['nothing about it', 'removed 7'],
  )
  await ask('clean up')
  const { values: rejected } = await answer({ type: 'reject', message: 'not that one' })
  assert.ok(rejected.messages.some(message => message.text === 'not that one'))
  assert.equal(rejected.messages.filter(({ type, text }) => type === 'tool' && text === 'removed 7').length, 1)
})
