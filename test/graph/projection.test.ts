// What a reader is shown of a recorded run is what LangGraph itself streams for the same modes, and the wire shapes that
// LangGraph has no mode for.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { AIMessage, type BaseMessage } from '@langchain/core/messages'
import {
  Annotation,
  InMemoryStore,
  interrupt,
  MemorySaver,
  MessagesAnnotation,
  Send,
  START,
  StateGraph,
} from '@langchain/langgraph'
import { leadAgent } from '../../src/agent/lead-agent.ts'
import { OfflineModel } from '../../src/agent/offline-model.ts'
import { newId } from '../../src/core/ids.ts'
import { bind, type CompiledGraph } from '../../src/graph/load.ts'
import { type Frame, needsHistory, project, waitResult } from '../../src/graph/projection.ts'
import { wireCheckpoint, wireDebug } from '../../src/graph/recording-wire.ts'
import { wireText } from '../../src/graph/serde.ts'
import { stored, wire } from './checkpoint-support.ts'
import { TestServer } from './harness.ts'

const State = Annotation.Root({
  log: Annotation<string[]>({ reducer: (left, right) => left.concat(right), default: () => [] }),
})

type Config = { writer?: (chunk: unknown) => void }

const say = (name: string) => async (_: unknown, config: Config) => {
  config.writer?.({ from: name })
  return { log: [name] }
}

const plain = new StateGraph(State).addNode('a', say('a')).addNode('b', say('b')).addEdge(START, 'a').addEdge('a', 'b')

const fanOut = new StateGraph(State)
  .addNode('plan', say('plan'))
  .addNode('work', async ({ item }: { item: number }) => ({ log: [`work ${item}`] }), {
    input: Annotation.Root({ item: Annotation<number> }),
  })
  .addEdge(START, 'plan')
  .addConditionalEdges('plan', () => [1, 2, 3].map(item => new Send('work', { item })), ['work'])

const nested = new StateGraph(State)
  .addNode('before', say('before'))
  .addNode('sub', plain.compile())
  .addEdge(START, 'before')
  .addEdge('before', 'sub')

const asking = new StateGraph(State)
  .addNode('x', async () => ({ log: [interrupt({ question: 'x?' })] }))
  .addNode('y', async () => ({ log: [interrupt({ question: 'y?' })] }))
  .addEdge(START, 'x')
  .addEdge(START, 'y')

const nestedAgent = new StateGraph(Annotation.Root({ messages: Annotation<BaseMessage[]>, topic: Annotation<string> }))
  .addNode('assistant', leadAgent({ model: new OfflineModel({ delay_ms: 0 }) }).graph as never)
  .addEdge(START, 'assistant')

/** The change of an old message, when all that was said before it is read. */
async function change(messages: BaseMessage[], index: number) {
  await nextTurn()
  Object.assign(messages[index] as object, { content: `changed ${index} of ${messages.length}` })
}

const Chat = Annotation.Root({ ...MessagesAnnotation.spec, topic: Annotation<string> })

const touching = new StateGraph(Chat)
  .addNode('touch', ({ messages }) => change(messages, 3).then(() => ({ topic: 'x' })))
  .addEdge(START, 'touch')

const changing = new StateGraph(Chat)
  .addNode('fill', () => ({
    messages: Array.from({ length: 60 }, (_, index) => new AIMessage({ id: `m${index}`, content: `message ${index}` })),
  }))
  .addNode('returns nothing', ({ messages }) => change(messages, 3).then(() => ({})))
  .addNode('returns something else', ({ messages }) => change(messages, 4).then(() => ({ topic: 'x' })))
  .addNode('returns them', ({ messages }) => change(messages, 5).then(() => ({ messages })))
  .addNode('returns one more', ({ messages }) =>
    change(messages, 6).then(() => ({ messages: [new AIMessage('more')] })),
  )
  .addEdge(START, 'fill')
  .addEdge('fill', 'returns nothing')
  .addEdge('returns nothing', 'returns something else')
  .addEdge('returns something else', 'returns them')
  .addEdge('returns them', 'returns one more')

const question = { messages: [{ role: 'user', content: 'what is 2+3?' }] }

const GRAPHS: [name: string, graph: { compile(): unknown } | object, input: Record<string, unknown>][] = [
  ['a plain graph', plain, { log: ['in'] }],
  ['a fan-out with Send', fanOut, { log: [] }],
  ['a subgraph', nested, { log: ['in'] }],
  ['two interrupts', asking, { log: [] }],
  ['a tool-calling agent', leadAgent({ model: new OfflineModel({ delay_ms: 0 }) }).graph, question],
  ['a graph that changes messages in place', changing, { topic: '' }],
  ['an agent as a subgraph', nestedAgent, { ...question, topic: 'sums' }],
]

const MODES = [
  ['values'],
  ['updates'],
  ['messages-tuple'],
  ['custom'],
  ['tasks'],
  ['checkpoints'],
  ['debug'],
  ['tools'],
  ['values', 'updates'],
  ['messages-tuple', 'values', 'custom'],
  ['updates', 'debug', 'tasks', 'checkpoints', 'messages-tuple', 'tools', 'custom', 'values'],
]

describe('a view of a recorded run', () => {
  let folder: string
  let server: TestServer

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'runloom-projection-'))
    server = await TestServer.open(`sqlite:${join(folder, 'runloom.db')}`)
    for (const [name, graph] of GRAPHS) await server.serve(name, graph)
  })

  after(async () => {
    await server.close()
    await rm(folder, { recursive: true, force: true })
  })

  const frames = async (graph: string, input: object, stream_mode: string[], subgraphs: boolean, from = 0) => {
    const { run } = await server.run(graph, { input, stream_mode: ['debug', 'tools'] })
    const render = (template: string) => server.texts.render(run.thread_id, template)
    const events = server.read(run.run_id, needsHistory(stream_mode) ? 0 : from)
    return (await Array.fromAsync(project(events, { stream_mode, subgraphs, after: from, render }))).flat()
  }

  for (const [name, , input] of GRAPHS) {
    for (const modes of MODES) {
      for (const subgraphs of [false, true]) {
        test(`shows ${modes} of ${name}${subgraphs ? ' with subgraphs' : ''} as LangGraph streams them`, async () => {
          const graph = await server.graphs.get(name, {})
          const shown = await frames(name, input, modes, subgraphs)
          assert.equal(shown[0]?.event, 'metadata')
          assert.deepEqual(comparable(shown.slice(1)), comparable(await native(graph, input, modes, subgraphs)))
        })
      }
    }
  }

  for (const durability of ['sync', 'async', 'exit']) {
    test(`the last values are what is stored, also when an old message was changed in place (durability ${durability})`, async () => {
      await server.serve('touching', touching)
      const thread_id = newId()
      for (const count of [60, 61]) {
        const messages = Array.from({ length: count }, (_, index) => ({ role: 'user', content: 'hi', id: `m${index}` }))
        const input = { messages: count === 60 ? messages : messages.slice(60) }
        const { run } = await server.run('touching', { input, durability }, thread_id)
        const values = (await server.events(run.run_id)).findLast(({ event }) => event === 'values')
        const shown = JSON.parse(values?.data ?? '')
        assert.equal(shown.messages[3].content, `changed 3 of ${count}`)
        assert.deepEqual(shown.messages, wire(await stored(server.db, thread_id)).messages)
      }
    })
  }

  test('shows legacy messages as they grow, and whole when they are in the state', async () => {
    const shown = await frames('a tool-calling agent', question, ['messages'], false)
    const kinds = [...new Set(shown.map(frame => frame.event))]
    assert.deepEqual(kinds, ['metadata', 'messages/complete', 'messages/metadata', 'messages/partial'])
    const partials = shown.filter(frame => frame.event === 'messages/partial').map(frame => JSON.parse(frame.data)[0])
    const said = partials.at(-1)
    assert.equal(said.content, '2+3 is 5.')
    assert.equal(said.type, 'ai')
    const call = partials.findLast(message => message.id !== said.id)
    assert.deepEqual(call.tool_calls[0].args, { expression: '2+3' })
    for (const [index, message] of partials.entries()) {
      const earlier = partials[index - 1]
      if (earlier?.id === message.id) assert.ok(message.content.startsWith(earlier.content))
    }
    const metadata = shown.filter(frame => frame.event === 'messages/metadata').map(frame => JSON.parse(frame.data))
    assert.deepEqual(
      metadata.map(data => Object.keys(data)[0]),
      [call.id, said.id],
    )
    assert.equal(metadata[0][call.id].metadata.langgraph_node, 'model_request')
    const complete = shown.filter(frame => frame.event === 'messages/complete').flatMap(frame => JSON.parse(frame.data))
    assert.deepEqual(
      complete.map(message => message.type),
      ['human', 'ai', 'tool', 'ai'],
    )
  })

  test('goes on from a cursor where the rest began, whatever the modes', async () => {
    const { run } = await server.run('a tool-calling agent', { input: question })
    const render = (template: string) => server.texts.render(run.thread_id, template)
    for (const stream_mode of [['values'], ['messages', 'updates'], ['messages-tuple'], []]) {
      const read = async (from: number) => {
        const events = server.read(run.run_id, needsHistory(stream_mode) ? 0 : from)
        return (await Array.fromAsync(project(events, { stream_mode, subgraphs: true, after: from, render }))).flat()
      }
      const all = await read(0)
      for (const { id } of all) {
        if (id === undefined) continue
        const rest = all.slice(all.findIndex(frame => frame.id === id) + 1)
        assert.deepEqual(await read(Number(id)), rest)
      }
      assert.ok(all.at(-1)?.id)
    }
  })

  test('shows nothing that was not asked for', async () => {
    const shown = await frames('a tool-calling agent', question, ['messages-tuple'], false)
    assert.deepEqual(new Set(shown.map(frame => frame.event)), new Set(['metadata', 'messages']))
  })
})

describe('the result of waiting', () => {
  test('is the last values', () => {
    assert.equal(waitResult('{"a":1}', []), '{"a":1}')
    assert.equal(waitResult(null, []), 'null')
  })

  test('says what a run waits for, beside its values', () => {
    const interrupts = [
      { id: 'i', value: '?' },
      { id: 'j', value: '!' },
    ]
    assert.deepEqual(JSON.parse(waitResult('{"a":1}', interrupts)), { a: 1, __interrupt__: interrupts })
    assert.deepEqual(JSON.parse(waitResult(null, interrupts)), { __interrupt__: interrupts })
  })
})

/**
 * LangGraph's own stream as frames: its names, and its payloads in their wire form. Messages are always streamed, since a
 * recording always does: it makes models stream and gives tool messages their ids.
 */
async function native(graph: CompiledGraph, input: object, modes: string[], subgraphs: boolean): Promise<Frame[]> {
  const config = {
    configurable: { thread_id: newId() },
    streamMode: [...new Set(['messages', ...modes])].filter(mode => mode !== 'messages-tuple'),
    subgraphs,
  }
  const bound = bind(graph, { checkpointer: new MemorySaver(), store: new InMemoryStore() })
  const shown: Frame[] = []
  for await (const chunk of await bound.stream(input as never, config as never)) {
    const [namespace, mode, payload] = (subgraphs ? chunk : [[], ...(chunk as unknown[])]) as [
      string[],
      string,
      unknown,
    ]
    if (mode === 'messages' && !modes.includes('messages-tuple')) continue
    const wire = mode === 'checkpoints' ? wireCheckpoint(payload) : mode === 'debug' ? wireDebug(payload) : payload
    shown.push({ event: [mode, ...namespace].join('|'), data: wireText(wire) })
  }
  return shown
}

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g
const HASH = /[0-9a-f]{32}/g
const TIME = /\d{4}-\d\d-\d\dT[\d:.]+Z/g
/** A tool message gets its id while it is being streamed. */
const TOOL_ID = /"id":"run-uuid-tool-call-uuid",/g
/** What the server says of a run in every config. */
const OURS = new Set(['run_id', 'graph_id', 'assistant_id', 'created_by', 'thread_id', 'metadata', 'ls_integration'])

/** Frames without ids and times. Tasks of one superstep end in any order. */
function comparable(shown: Frame[]): string[] {
  return shown.map(({ event, data }) => {
    const text = `${event} ${JSON.stringify(withoutOurs(JSON.parse(data)))}`
    return text.replace(UUID, 'uuid').replace(HASH, 'hash').replace(TIME, 'time').replace(TOOL_ID, '')
  })
}

function withoutOurs(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutOurs)
  if (value === null || typeof value !== 'object') return value
  const kept = Object.entries(value).filter(([key]) => !OURS.has(key))
  return Object.fromEntries(
    kept.sort(([left], [right]) => left.localeCompare(right)).map(([key, part]) => [key, withoutOurs(part)]),
  )
}
