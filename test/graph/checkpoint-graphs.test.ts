// Real graphs over several turns: what they return, their state and their history are the same as with LangGraph's own
// MemorySaver, though every turn here starts with nothing in memory.
import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import { AIMessage, AIMessageChunk, type BaseMessage, HumanMessage, isAIMessageChunk } from '@langchain/core/messages'
import { Annotation, Command, interrupt, MemorySaver, MessagesAnnotation, Send, StateGraph } from '@langchain/langgraph'
import type { BaseCheckpointSaver } from '@langchain/langgraph-checkpoint'
import { leadAgent } from '../../src/agent/lead-agent.ts'
import { OfflineModel } from '../../src/agent/offline-model.ts'
import { newId } from '../../src/core/ids.ts'
import type { Database } from '../../src/db/database.ts'
import { StateCache } from '../../src/graph/state-cache.ts'
import { forEachDatabase } from '../support/databases.ts'
import { checkpointerOf, openMigrated, wire } from './checkpoint-support.ts'

interface Runnable {
  invoke(input: unknown, config: object): Promise<unknown>
  getState(config: object, options?: object): Promise<Snapshot>
  getStateHistory(config: object): AsyncIterable<Snapshot>
  updateState(config: object, values: unknown): Promise<unknown>
}

interface Snapshot {
  values: unknown
  next: unknown
  tasks: unknown
  metadata?: { source?: string; step?: number }
  config: object
}

type Build = (checkpointer: BaseCheckpointSaver) => Runnable
type Turn = (graph: Runnable, config: object) => Promise<unknown>

/** A history longer than what is stored inline. */
const LONG = 'x'.repeat(300)

function human(text: string) {
  return { messages: [new HumanMessage({ content: `${text} ${LONG}`, id: text })] }
}

function ai(text: string, { messages }: { messages: BaseMessage[] }) {
  return { messages: [new AIMessage({ content: `${text} ${LONG}`, id: `${text}${messages.length}` })] }
}

/** Parent and subgraph share their messages; the subgraph asks, and tool-like workers are sent to in parallel. */
const asking: Build = checkpointer => {
  const child = new StateGraph(MessagesAnnotation)
    .addNode('think', state => ai('think', state))
    .addNode('ask', state => {
      const answer: string = interrupt({ question: 'sure?', seen: state.messages.length })
      return ai(`answered-${answer}`, state)
    })
    .addEdge('__start__', 'think')
    .addEdge('think', 'ask')
    .compile()
  const State = Annotation.Root({
    ...MessagesAnnotation.spec,
    results: Annotation<string[]>({ reducer: (left, right) => [...left, ...right], default: () => [] }),
    notes: Annotation<Record<string, unknown>>(),
  })
  const graph = new StateGraph(State)
    .addNode('child', child)
    .addNode(
      'spread',
      () => new Command({ goto: [1, 2, 3].map(part => new Send('worker', { part, when: new Date(part) })) }),
      {
        ends: ['worker'],
      },
    )
    .addNode('worker', ({ part, when }: { part: number; when: Date | string }) => ({
      results: [`${part}-${new Date(when).getTime()}`],
      ...(part === 1 && { notes: { text: LONG + LONG, set: new Set([part]) } }),
    }))
    .addEdge('__start__', 'child')
    .addEdge('child', 'spread')
    .compile({ checkpointer })
  return graph as unknown as Runnable
}

const CASES: { name: string; build: Build; turns: Turn[] }[] = [
  {
    name: 'a subgraph that interrupts, and parallel sends',
    build: asking,
    turns: ['one', 'two', 'three'].flatMap((text): Turn[] => [
      (graph, config) => graph.invoke(human(text), config),
      (graph, config) => graph.invoke(new Command({ resume: `yes-${text}` }), config),
    ]),
  },
  {
    name: 'state updates, edits and removals between turns',
    build: checkpointer =>
      new StateGraph(MessagesAnnotation)
        .addNode('reply', state => ai('reply', state))
        .addEdge('__start__', 'reply')
        .compile({ checkpointer, interruptBefore: ['reply'] }) as unknown as Runnable,
    turns: [
      (graph, config) => graph.invoke(human('one'), config),
      (graph, config) => graph.updateState(config, human('between')),
      (graph, config) => graph.invoke(null, config),
      (graph, config) => graph.updateState(config, { messages: [new HumanMessage({ content: 'edited', id: 'one' })] }),
      (graph, config) => graph.invoke(human('two'), config),
      (graph, config) => graph.invoke(null, config),
    ],
  },
]

forEachDatabase('graphs', open => {
  let db: Database
  before(async () => {
    db = await openMigrated(await open())
  })
  after(() => db.close())

  for (const { name, build, turns } of CASES) {
    for (const durability of ['sync', 'async', 'exit'] as const) {
      it(`${name}: the same as with MemorySaver (${durability})`, async () => {
        const config = { configurable: { thread_id: newId() }, durability }
        const memory = new MemorySaver()
        const cache = new StateCache()
        for (const [index, turn] of turns.entries()) {
          const shared = index % 2 === 0 ? { cache } : {}
          const { checkpointer } = checkpointerOf(db, { run_id: `run-${index}`, ...shared })
          const expected = await seen(build(memory), turn, config)
          assert.deepEqual(await seen(build(checkpointer), turn, config), expected, `turn ${index + 1}`)
        }
      })
    }
  }

  it('the built-in agent goes on with its own tool calls and chunks', async () => {
    const thread_id = newId()
    const config = { configurable: { thread_id } }
    const cache = new StateCache()
    let messages: BaseMessage[] = []
    for (const [index, text] of ['What is 6 * 7?', 'Hello', 'What is 1 + 1?'].entries()) {
      const { checkpointer } = checkpointerOf(db, { run_id: `run-${index}`, ...(index > 0 && { cache }) })
      const { graph } = leadAgent({ model: new OfflineModel({ delay_ms: 0 }) })
      graph.checkpointer = checkpointer
      const result = await graph.invoke({ messages: [new HumanMessage(text)] }, config)
      assert.deepEqual(wire(result.messages.slice(0, messages.length)), wire(messages))
      messages = result.messages
    }
    const { checkpointer } = checkpointerOf(db)
    const back = (await checkpointer.getTuple(config))?.checkpoint.channel_values.messages as BaseMessage[]
    assert.deepEqual(wire(back), wire(messages))
    assert.deepEqual(
      back.map(message => message.constructor),
      messages.map(message => message.constructor),
    )
    assert.ok(
      back.some(
        message => message instanceof AIMessageChunk && isAIMessageChunk(message) && message.tool_calls?.length,
      ),
    )
    assert.ok(back.some(message => message._getType() === 'tool'))
  })
})

/** What a turn returns and leaves, without the ids and times that differ between any two runs. */
async function seen(graph: Runnable, turn: Turn, config: { configurable: { thread_id: string } }) {
  const { thread_id } = config.configurable
  const result = await turn(graph, config)
  const place = { configurable: { thread_id } }
  const history: Snapshot[] = []
  for await (const snapshot of graph.getStateHistory(place)) history.push(snapshot)
  const states = [await graph.getState(place, { subgraphs: true }), ...history].map(
    ({ values, next, tasks, metadata }) => {
      return { values, next, tasks, source: metadata?.source, step: metadata?.step }
    },
  )
  const known = new Set([
    'checkpoint_id',
    'checkpoint_ns',
    'id',
    'createdAt',
    'ts',
    'checkpoint_map',
    'parents',
    'thread_id',
  ])
  return JSON.parse(JSON.stringify(wire({ result, states })), (key, value) => {
    return known.has(key) && !/^[a-z-]+\d*$/.test(String(value)) ? undefined : value
  })
}
