// Memory (contracts: gateway §2, §3.7): its document over HTTP, and what the lead agent makes of it.
import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import * as protocol from '../../src/protocol/memory.ts'
import { forEachDatabase } from '../support/databases.ts'
import { type AgentServer, startAgentServer, startScriptedModel, systemOf, talk, textOf } from './agent-harness.ts'
import { ask, call, refused } from './gateway-harness.ts'
import { eventually } from './harness.ts'

const ALICE = { headers: { 'x-api-key': 'key-of-alice-0123456789' } }
const KEYS = { RUNLOOM_API_KEYS: 'key-of-alice-0123456789,key-of-bob-0123456789ab' }

forEachDatabase('memory', open => {
  let server: AgentServer
  let model: Awaited<ReturnType<typeof startScriptedModel>>
  before(async () => {
    model = await startScriptedModel()
    const agent = { memory: { max_facts: 5, max_injection_tokens: 100 } }
    server = await startAgentServer(await open(), { agent, model_url: model.url })
  })
  after(async () => {
    await server.close()
    await model.close()
  })
  beforeEach(() => ask(server, '/memory', undefined, { method: 'DELETE' }))

  const add = (content: string, confidence?: number) => ask(server, '/memory/facts', { content, confidence })
  const patch = (id: string, body: object) =>
    ask(server, `/memory/facts/${id}`, undefined, { method: 'PATCH', body: JSON.stringify(body) })
  const contents = (document: protocol.MemoryDocument) => document.facts.map(({ content }) => content)

  test('a fact from its making to its end', async () => {
    const made = await add('Lives in Berlin', 0.8)
    protocol.memoryDocument.parse(made)
    const [{ id, createdAt, ...fact }] = made.facts
    assert.deepEqual(fact, { content: 'Lives in Berlin', category: 'context', confidence: 0.8, source: 'manual' })
    assert.equal(made.lastUpdated, createdAt)
    const moved = await patch(id, { content: 'Lives in Rome', category: null })
    assert.deepEqual(moved.facts, [{ ...fact, id, createdAt, content: 'Lives in Rome' }])
    const sure = await patch(id, { confidence: 1, category: 'home' })
    assert.deepEqual(sure.facts, [
      { id, createdAt, source: 'manual', content: 'Lives in Rome', confidence: 1, category: 'home' },
    ])
    assert.deepEqual((await ask(server, '/memory')).facts, sure.facts)
    const gone = await ask(server, `/memory/facts/${id}`, undefined, { method: 'DELETE' })
    assert.deepEqual(gone.facts, [])
    for (const method of ['PATCH', 'DELETE']) {
      const { detail } = await refused(server, 404, `/memory/facts/${id}`, undefined, { method, body: '{}' })
      assert.match(detail, new RegExp(id))
    }
  })

  test('its configuration and status, and the same document to keep', async () => {
    await add('Likes tea')
    const data = await ask(server, '/memory')
    const config = protocol.memoryConfig.parse(await ask(server, '/memory/config'))
    assert.deepEqual([config.enabled, config.max_facts, config.extraction_enabled], [true, 5, false])
    assert.deepEqual(protocol.memoryStatus.parse(await ask(server, '/memory/status')), { config, data })
    assert.deepEqual(await ask(server, '/memory/export'), data)
    assert.deepEqual(await ask(server, '/memory/reload', {}), data)
  })

  test('what was exported can be imported, summaries too', async () => {
    await add('Likes tea', 0.9)
    const kept = await ask(server, '/memory/export')
    kept.user.workContext = { summary: 'Builds boats', updatedAt: '2026-01-01' }
    assert.deepEqual((await ask(server, '/memory', undefined, { method: 'DELETE' })).facts, [])
    const back = await ask(server, '/memory/import', kept)
    assert.deepEqual({ ...back, lastUpdated: '' }, { ...kept, lastUpdated: '' })
    assert.deepEqual(await ask(server, '/memory'), back)
    const plain = await ask(server, '/memory/import', { facts: [{ id: 'x', content: 'Short' }] })
    assert.deepEqual([plain.facts[0].confidence, plain.user.workContext.summary], [0.5, ''])
    assert.match(plain.facts[0].createdAt, /^20/)
  })

  test('no fact comes twice', async () => {
    const { facts } = await add('Likes green tea')
    await refused(server, 409, '/memory/facts', { content: ' likes  GREEN tea' })
    const [other] = (await add('Likes cake', 0.1)).facts.slice(-1)
    const body = JSON.stringify({ content: 'likes green tea' })
    await refused(server, 409, `/memory/facts/${other.id}`, undefined, { method: 'PATCH', body })
    await patch(facts[0].id, { content: 'Likes GREEN tea' })
    const twice = { id: 'b', content: 'same', confidence: 0.9 }
    const imported = await ask(server, '/memory/import', { facts: [{ id: 'a', content: 'Same' }, twice] })
    assert.deepEqual(
      imported.facts.map(({ id }: { id: string }) => id),
      ['b'],
    )
  })

  test('of too many the most certain stay, then the newest', async () => {
    for (const [content, confidence] of [
      ['a', 0.5],
      ['b', 0.9],
      ['c', 0.5],
      ['d', 0.5],
      ['e', 0.5],
    ] as const)
      await add(content, confidence)
    assert.deepEqual(contents(await add('f', 0.6)), ['b', 'f', 'e', 'd', 'c'])
    const { detail } = await refused(server, 409, '/memory/facts', { content: 'g', confidence: 0.2 })
    assert.match(detail, /5 facts/)
    assert.deepEqual(contents(await ask(server, '/memory')), ['b', 'f', 'e', 'd', 'c'])
  })

  test('facts that come at once are all there', async () => {
    await Promise.all(['a', 'b', 'c', 'd', 'e'].map(content => add(content)))
    assert.deepEqual(contents(await ask(server, '/memory')).sort(), ['a', 'b', 'c', 'd', 'e'])
  })

  test('what is wrong is refused with its field', async () => {
    for (const [body, field] of [
      [{}, 'content'],
      [{ content: '  ' }, 'content'],
      [{ content: 'x', confidence: 1.5 }, 'confidence'],
      [{ content: 'x', category: '' }, 'category'],
    ] as const) {
      const { detail } = await refused(server, 422, '/memory/facts', body)
      assert.deepEqual(detail[0].loc, ['body', field])
    }
    const { detail } = await refused(server, 422, '/memory/import', { facts: [{ content: 'x' }] })
    assert.deepEqual(detail[0].loc, ['body', 'facts', 0, 'id'])
    assert.deepEqual((await ask(server, '/memory')).facts, [])
  })

  test('the agent is told the facts, the most certain and newest, as many as fit', async () => {
    await add('Is called Ada', 0.9)
    await add(`Told a long story: ${'and then '.repeat(60)}`, 0.8)
    await add('Works\n- on engines', 0.7)
    await talk(server, 'hello')
    const system = model.requests.at(-1)?.body.messages[0]?.content
    assert.ok(typeof system === 'string', 'not every server takes content parts there')
    const [, told] = system.split('what they say now counts:\n')
    assert.equal(told, '- Is called Ada\n- Works - on engines')
    await ask(server, '/memory', undefined, { method: 'DELETE' })
    await talk(server, 'hello')
    assert.doesNotMatch(systemOf(model.requests.at(-1)?.body as never), /user from before/)
  })

  test('everybody has a memory of their own', async t => {
    const own = await startAgentServer(await open(), { model_url: model.url, env: KEYS })
    t.after(() => own.close())
    const bob = { headers: { 'x-api-key': 'key-of-bob-0123456789ab' } }
    await ask(own, '/memory/facts', { content: 'Is called Ada' }, ALICE)
    assert.deepEqual((await ask(own, '/memory', undefined, bob)).facts, [])
    assert.deepEqual(contents(await ask(own, '/memory', undefined, ALICE)), ['Is called Ada'])
    await talk(own, 'hello', { init: bob })
    assert.doesNotMatch(systemOf(model.requests.at(-1)?.body as never), /Ada/)
    await talk(own, 'hello', { init: ALICE })
    assert.match(systemOf(model.requests.at(-1)?.body as never), /- Is called Ada/)
  })

  test('facts are kept and not told where that is switched off', async t => {
    const agent = { memory: { injection_enabled: false } }
    const quiet = await startAgentServer(await open(), { agent, model_url: model.url })
    t.after(() => quiet.close())
    await ask(quiet, '/memory/facts', { content: 'Is called Ada' })
    await talk(quiet, 'hello')
    assert.doesNotMatch(systemOf(model.requests.at(-1)?.body as never), /Ada/)
  })
})

forEachDatabase('facts from conversations', open => {
  const READS = /^You read a conversation/

  test('a model reads a finished turn for facts, beside the run', async t => {
    const asked: string[] = []
    const model = await startModel(text => {
      asked.push(text)
      const facts = [
        { content: 'Is called Ada', category: 'knowledge', confidence: 0.95 },
        { content: 'Might like tea', category: 'preference', confidence: 0.3 },
      ]
      return { text: `Here it is: ${JSON.stringify({ facts })}` }
    })
    const agent = { memory: { extraction_enabled: true, debounce_seconds: 0 } }
    const server = await startAgentServer(await open(), { agent, model_url: model.url })
    t.after(async () => {
      await server.close()
      await model.close()
    })
    const thread_id = crypto.randomUUID()
    assert.equal(await talk(server, 'call calculate {"expression":"1+1"}', { thread_id }), 'The tool said: 2')
    await eventually(async () => {
      const { facts } = await ask(server, '/memory')
      assert.deepEqual(
        facts.map(({ content, source }: { content: string; source: string }) => [content, source]),
        [['Is called Ada', thread_id]],
      )
    })
    assert.deepEqual(asked, ['User: call calculate {"expression":"1+1"}\n\nAssistant: The tool said: 2'])
  })

  test('what the model answers instead of facts is logged, and changes nothing', async t => {
    const model = await startModel(() => ({ text: 'I would rather not.' }))
    const agent = { memory: { extraction_enabled: true, debounce_seconds: 0 } }
    const server = await startAgentServer(await open(), { agent, model_url: model.url })
    t.after(async () => {
      await server.close()
      await model.close()
    })
    assert.equal(await talk(server, 'hello'), 'Well.')
    await eventually(async () =>
      assert.ok(server.logged.some(({ message }) => /could not be read for facts/.test(message))),
    )
    assert.deepEqual((await ask(server, '/memory')).facts, [])
    assert.equal((await call(server, '/models')).status, 200)
  })

  function startModel(read: (text: string) => { text: string }) {
    return startScriptedModel(request =>
      READS.test(systemOf(request)) ? read(textOf(request.messages.at(-1))) : undefined,
    )
  }
})
