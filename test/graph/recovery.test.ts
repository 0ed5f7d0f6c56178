// A run whose process dies, at every commit it makes, and is taken over: what it leaves and what its readers saw must be
// what an uninterrupted run leaves and shows; only the node that was executing may execute again.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Annotation, interrupt, Send, START, StateGraph } from '@langchain/langgraph'
import { newId } from '../../src/core/ids.ts'
import type { RunEvent } from '../../src/events/log.ts'
import { forEachDatabase } from '../support/databases.ts'
import { TestServer } from './harness.ts'

type Kwargs = Record<string, unknown>

interface Case {
  name: string
  graph: (ran: (node: string) => Promise<void>) => object
  /** Runs on one thread, one after the other; each is killed at every commit while those before it are whole. */
  runs: Kwargs[]
}

const State = Annotation.Root({
  log: Annotation<string[]>({ reducer: (left, right) => left.concat(right), default: () => [] }),
})

const node = (ran: (node: string) => Promise<void>, name: string) => async () => {
  await ran(name)
  return { log: [name] }
}

const chain = (ran: (node: string) => Promise<void>, options = {}) =>
  new StateGraph(State)
    .addNode('a', node(ran, 'a'))
    .addNode('b', node(ran, 'b'))
    .addNode('c', node(ran, 'c'))
    .addEdge(START, 'a')
    .addEdge('a', 'b')
    .addEdge('b', 'c')
    .compile(options)

const fanOut = (ran: (node: string) => Promise<void>) =>
  new StateGraph(State)
    .addNode('plan', node(ran, 'plan'))
    .addNode(
      'work',
      async ({ item }: { item: number }) => {
        await ran(`work${item}`)
        await sleep(item)
        return { log: [`work${item}`] }
      },
      { input: Annotation.Root({ item: Annotation<number> }) } as never,
    )
    .addNode('join', node(ran, 'join'))
    .addEdge(START, 'plan')
    .addConditionalEdges('plan', () => [1, 4, 8].map(item => new Send('work', { item })), ['work'] as never)
    .addEdge('work' as never, 'join')
    .compile()

const asking = (ran: (node: string) => Promise<void>) =>
  new StateGraph(State)
    .addNode('before', node(ran, 'before'))
    .addNode('ask', async () => {
      await ran('ask')
      const first = interrupt('first?')
      await ran('ask again')
      const second = interrupt('second?')
      await sleep(1)
      return { log: [`first=${first} second=${second}`] }
    })
    .addNode('after', node(ran, 'after'))
    .addEdge(START, 'before')
    .addEdge('before', 'ask')
    .addEdge('ask', 'after')
    .compile()

const nested = (ran: (node: string) => Promise<void>) => {
  const inner = new StateGraph(State)
    .addNode('inner_a', node(ran, 'inner_a'))
    .addNode('inner_ask', async () => {
      await ran('inner_ask')
      const answer = interrupt('inner?')
      await sleep(1)
      return { log: [`inner=${answer}`] }
    })
    .addNode('inner_more', async () => {
      await ran('inner_more')
      return { log: [`more=${interrupt('more?')}`] }
    })
    .addEdge(START, 'inner_a')
    .addEdge('inner_a', 'inner_ask')
    .addEdge('inner_ask', 'inner_more')
    .compile()
  return new StateGraph(State)
    .addNode('before', node(ran, 'before'))
    .addNode('sub', inner)
    .addNode('after', node(ran, 'after'))
    .addEdge(START, 'before')
    .addEdge('before', 'sub')
    .addEdge('sub', 'after')
    .compile()
}

const _parallelAsks = (ran: (node: string) => Promise<void>) => {
  const ask = (name: string) => async () => {
    await ran(name)
    const first = interrupt(`${name}?`)
    const second = name === 'x' ? interrupt('x again?') : ''
    return { log: [`${name}=${first}${second}`] }
  }
  return new StateGraph(State)
    .addNode('x', ask('x'))
    .addNode('y', ask('y'))
    .addNode('z', node(ran, 'z'))
    .addEdge(START, 'x')
    .addEdge(START, 'y')
    .addEdge(START, 'z')
    .compile()
}

const CASES: Case[] = [
  { name: 'a simple chain', graph: chain, runs: [{ input: { log: ['in'] } }, { input: { log: ['in again'] } }] },
  { name: 'a fan-out with Send', graph: fanOut, runs: [{ input: { log: [] } }] },
  {
    name: 'two questions of one node, answered one after the other',
    graph: asking,
    runs: [{ input: { log: [] } }, { command: { resume: '1' } }, { command: { resume: '2' } }],
  },
  {
    name: 'questions inside a subgraph',
    graph: nested,
    runs: [{ input: { log: [] } }, { command: { resume: 'yes' } }, { command: { resume: 'no' } }],
  },
  {
    name: 'update and goto',
    graph: chain,
    runs: [{ input: { log: ['in'] } }, { command: { update: { log: ['updated'] }, goto: 'b' } }],
  },
  {
    name: 'resume with update',
    graph: asking,
    runs: [{ input: { log: [] } }, { command: { resume: '1', update: { log: ['u'] } } }, { command: { resume: '2' } }],
  },
  {
    name: 'goto with a Send',
    graph: fanOut,
    runs: [{ input: { log: [] } }, { command: { goto: [{ node: 'work', input: { item: 2 } }] } }],
  },
  {
    name: 'a breakpoint before a node',
    graph: chain,
    runs: [
      { input: { log: [] }, interrupt_before: ['b', 'c'] },
      { input: null, interrupt_before: ['b', 'c'] },
      { input: null },
    ],
  },
  {
    name: 'a breakpoint after a node',
    graph: chain,
    runs: [
      { input: { log: [] }, interrupt_after: ['a', 'b'] },
      { input: null, interrupt_after: ['a', 'b'] },
      { input: null },
    ],
  },
  {
    name: 'breakpoints everywhere',
    graph: ran => chain(ran, { interruptBefore: ['b'] }),
    runs: [{ input: { log: [] } }, { input: null, interrupt_after: '*' }],
  },
]

forEachDatabase('a run that is taken over', open => {
  for (const durability of ['async', 'sync', 'exit']) {
    describe(`with durability ${durability}`, () => {
      for (const { name, graph, runs } of CASES) {
        for (const [index] of runs.entries()) {
          test(`${name}, run ${index + 1}`, async () => {
            const server = await TestServer.open(await open())
            try {
              await takeOver(server, graph, runs.slice(0, index + 1), durability)
            } finally {
              await server.close()
            }
          })
        }
      }
    })
  }
})

async function takeOver(server: TestServer, graph: Case['graph'], runs: Kwargs[], durability: string) {
  const counts = new Map<string, number>()
  const ran = async (node: string) => {
    counts.set(node, (counts.get(node) ?? 0) + 1)
    await sleep(1)
  }
  await server.serve('graph', graph(ran))
  const earlier = runs.slice(0, -1)
  const last = { ...(runs.at(-1) as Kwargs), durability }
  const prepare = async () => {
    const thread_id = newId()
    for (const kwargs of earlier) await server.run('graph', kwargs, thread_id)
    counts.clear()
    return thread_id
  }
  const whole = await server.run('graph', last, await prepare())
  const expected = await seen(server, whole.run_id, whole.thread_id)
  const once = new Map(counts)
  for (let commits = 0; ; commits++) {
    const run = await server.create('graph', last, await prepare())
    const first = await server.drive(await server.claim(), { commits })
    if (!('killed' in first)) return
    await server.drive(await server.claim())
    const actual = await seen(server, run.run_id, run.thread_id)
    try {
      assert.deepEqual(actual, expected)
      for (const [node, times] of counts) assert.ok(times <= (once.get(node) ?? 0) * 2, `${node} ran ${times} times`)
    } catch (error) {
      ;(error as Error).message +=
        `\nkilled after ${commits} commits\n${(await server.events(run.run_id)).map(e => `${e.seq} ${e.event} ${e.data.slice(0, 160)}`).join('\n')}`
      throw error
    }
  }
}

/** What a thread and a run's log come to, without ids and times, and without the values that open an attempt. */
async function seen(server: TestServer, run_id: string, thread_id: string) {
  const events = await server.events(run_id)
  assert.deepEqual(
    events.map(event => event.seq),
    events.map((_, index) => index + 1),
  )
  const thread = await server.thread(thread_id)
  const named = (name: string) => events.filter(event => event.event.split('|')[0] === name)
  const values = events.filter(event => event.event === 'values').map(event => event.data)
  return {
    status: thread.status,
    interrupts: Object.values(JSON.parse(thread.interrupts)).map(found =>
      (found as { value: unknown }[]).map(({ value }) => value),
    ),
    values: values.filter((value, index) => value !== values[index - 1]),
    updates: named('updates').map(shown).sort(),
    waits: named('interrupt').map(shown).sort(),
    starts: named('tasks')
      .filter(event => event.data.includes('"input":'))
      .map(taskName)
      .sort(),
    results: named('tasks')
      .filter(event => event.data.includes('"result":'))
      .map(event => `${taskName(event)} ${resultOf(event)}`)
      .sort(),
    checkpoints: named('checkpoints')
      .map(event => JSON.stringify([event.event.split('|').length, JSON.parse(event.data).next]))
      .sort(),
    ended: events.filter(event => event.event === 'error').map(event => event.data),
  }
}

function shown(event: RunEvent): string {
  const data = JSON.parse(event.data)
  if (Array.isArray(data.__interrupt__)) for (const found of data.__interrupt__) delete found.id
  return `${event.event.split('|').length} ${JSON.stringify(data)}`
}

function taskName(event: RunEvent): string {
  return JSON.parse(event.data).name
}

function resultOf(event: RunEvent): string {
  const { result, interrupts } = JSON.parse(event.data)
  return JSON.stringify([result, interrupts.map((found: { value: unknown }) => found.value)])
}
