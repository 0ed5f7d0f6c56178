// A run whose process dies, at every commit it makes, and is taken over: what it leaves and what its readers saw must be
// what an uninterrupted run leaves and shows; only the node that was executing may execute again.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { newId } from '../../src/core/ids.ts'
import type { Run } from '../../src/core/runs.ts'
import type { RunEvent } from '../../src/events/log.ts'
import { forEachDatabase } from '../support/databases.ts'
import { TestServer } from './harness.ts'
import { agent, asking, chain, fanOut, nested, parallel, type Ran } from './recovery-graphs.ts'

type Kwargs = Record<string, unknown>
/** A request, or one made from the interrupts that the run before left, by their values. */
type Request = Kwargs | ((open: Open[]) => Kwargs)

interface Open {
  id: string
  value: string
}

interface Case {
  name: string
  graph: (ran: Ran) => object
  /** Runs on one thread, one after the other. Each is killed in its turn, while those before it are whole. */
  runs: Request[]
  /** Not with `exit`: there LangGraph stores what earlier runs left for the step once more, under other indices. */
  mixed?: boolean
}

const START_LOG = { input: { log: ['in'] } }
const human = (id: string, content: string) => ({ input: { messages: [{ type: 'human', content, id }] } })
const resume = (value: unknown, more = {}) => ({ command: { resume: value, ...more } })
const answer = (open: Open[]) => resume(Object.fromEntries(open.map(({ id, value }) => [id, `to ${value}`])))
const goto = (node: string, item: number) => ({ command: { goto: [{ node, input: { item } }] } })
const update = { command: { update: [['log', ['updated']]], goto: 'b' } }
const stopBefore = { interrupt_before: ['b', 'c'] }
const stopAfter = { interrupt_after: ['a', 'b'] }

const CASES: Case[] = [
  { name: 'a simple chain', graph: chain, runs: [START_LOG, START_LOG] },
  { name: 'a tool-calling loop', graph: agent, runs: [human('h', 'what is 2+3?'), human('i', 'and what is 7*8?')] },
  { name: 'a fan-out with Send', graph: fanOut, runs: [START_LOG] },
  { name: 'two questions of one node', graph: asking, runs: [START_LOG, resume('1'), resume('2')] },
  { name: 'questions inside a subgraph', graph: nested, runs: [START_LOG, resume('yes'), resume('no')] },
  { name: 'update and goto', graph: chain, runs: [START_LOG, update] },
  { name: 'goto with a Send', graph: fanOut, runs: [START_LOG, goto('work', 2)] },
  {
    name: 'resume with update',
    graph: asking,
    runs: [START_LOG, resume('1', { update: { log: ['u'] } }), resume('2')],
  },
  { name: 'answers to named interrupts', graph: parallel, runs: [START_LOG, answer, answer] },
  {
    name: 'one named interrupt of two',
    graph: parallel,
    runs: [START_LOG, open => answer(open.slice(1)), answer],
    mixed: true,
  },
  { name: 'answers that are false', graph: asking, runs: [START_LOG, resume(false), resume(0)] },
  { name: 'a named interrupt inside a subgraph', graph: nested, runs: [START_LOG, answer, answer] },
  { name: 'null after a taken answer', graph: asking, runs: [START_LOG, resume('1'), { input: null }] },
  { name: 'null after a taken answer in a subgraph', graph: nested, runs: [START_LOG, resume('1'), { input: null }] },
  {
    name: 'breakpoints before nodes',
    graph: chain,
    runs: [{ ...START_LOG, ...stopBefore }, { input: null, ...stopBefore }, { input: null }],
  },
  {
    name: 'breakpoints after nodes',
    graph: chain,
    runs: [{ ...START_LOG, ...stopAfter }, { input: null, ...stopAfter }, { input: null }],
  },
  {
    name: 'breakpoints of the graph and everywhere',
    graph: ran => chain(ran, { interruptBefore: ['b'] }),
    runs: [START_LOG, { input: null, interrupt_after: '*' }],
  },
]

forEachDatabase('a run that is taken over', open => {
  cases(open, 'async')
})

// How often LangGraph stores is nothing to the database.
describe('a run that is taken over and stores', () => {
  let folder: string
  let files = 0
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'runloom-recovery-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))
  const open = async () => `sqlite:${join(folder, `${++files}.db`)}`
  describe('every step before the next', () => cases(open, 'sync'))
  describe('at its end', () => cases(open, 'exit'))
})

function cases(open: () => Promise<string>, durability: string) {
  for (const { name, graph, runs, mixed } of CASES) {
    if (mixed && durability === 'exit') continue
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
}

async function takeOver(server: TestServer, graph: Case['graph'], runs: Request[], durability: string) {
  const counts = new Map<string, number>()
  const ran = async (node: string) => {
    counts.set(node, (counts.get(node) ?? 0) + 1)
    await sleep(1)
  }
  await server.serve('graph', graph(ran))
  const create = async (): Promise<Run> => {
    const thread_id = newId()
    const requests = runs.slice(0, -1)
    for (const request of requests) await server.run('graph', await kwargs(server, request, thread_id), thread_id)
    counts.clear()
    const last = await kwargs(server, runs.at(-1) as Request, thread_id)
    return server.create('graph', { ...last, durability }, thread_id)
  }
  const whole = await create()
  const { commits: all } = await server.drive(await server.claim())
  const expected = await seen(server, whole)
  const once = new Map(counts)
  // With all commits it has stored everything but its ending.
  for (let commits = 0; commits <= all; commits++) {
    const run = await create()
    const died = await server.drive(await server.claim(), { commits })
    assert.ok(died.killed)
    await server.drive(await server.claim())
    const message = `killed after ${commits} of ${all} commits`
    assertSame(await seen(server, run), expected, durability, message)
    for (const [node, times] of counts) assert.ok(times <= (once.get(node) ?? 0) * 2, `${message}: ${node} ran again`)
  }
}

async function kwargs(server: TestServer, request: Request, thread_id: string): Promise<Kwargs> {
  if (typeof request !== 'function') return request
  const interrupts = JSON.parse((await server.thread(thread_id)).interrupts) as Record<string, Open[]>
  const open = Object.values(interrupts).flat()
  return request(open.sort((left, right) => left.value.localeCompare(right.value)))
}

type Seen = Awaited<ReturnType<typeof seen>>

/** What a thread and a run's log come to, without ids and times, and the values apart that open an attempt. */
async function seen(server: TestServer, { run_id, thread_id }: Run) {
  const events = (await server.events(run_id)).map(event => ({ ...event, data: withoutIds(event.data) }))
  const seqs = events.map(event => event.seq)
  assert.deepEqual(
    seqs,
    seqs.map((_, index) => index + 1),
  )
  const { status, interrupts } = await server.thread(thread_id)
  const named = (name: string) => events.filter(event => event.event.split('|')[0] === name)
  return {
    status,
    interrupts: Object.values(JSON.parse(interrupts) as Record<string, Open[]>).map(open => open.map(values)),
    values: events.flatMap(({ event, data }, index) => {
      return event === 'values' ? [{ data, opens: index > 1 && events[index - 1]?.event === 'metadata' }] : []
    }),
    others: ['updates', 'interrupt', 'tasks', 'checkpoints', 'error'].map(name => named(name).map(gist).sort()),
  }
}

/** What an event says, at which depth. */
function gist({ event, data }: RunEvent): string {
  const { __interrupt__, id: _, interrupts, ...rest } = JSON.parse(data)
  const depth = event.split('|').length
  if ('next' in rest) return JSON.stringify([depth, rest.next, rest.values])
  if ('input' in rest) return JSON.stringify([depth, rest.name, rest.input])
  return JSON.stringify([depth, rest, (__interrupt__ ?? interrupts)?.map(values)])
}

function values({ value }: Open): string {
  return value
}

const IDS = /(msg-|call-)?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g

function withoutIds(data: string): string {
  return data.replace(IDS, 'id')
}

function assertSame(actual: Seen, expected: Seen, durability: string, message: string) {
  if (durability !== 'exit') {
    assert.deepEqual({ ...actual, values: [] }, { ...expected, values: [] }, message)
    return assertShown(actual.values, expected.values, message)
  }
  // Nothing is stored before the end, so everything is executed and shown again.
  const outcome = ({ others, values, ...rest }: Seen) => {
    return { ...rest, values: values.at(-1)?.data, others: others.slice(0, 2).map(events => [...new Set(events)]) }
  }
  assert.deepEqual(outcome(actual), outcome(expected), message)
}

/** Readers are shown every state in its order; in between only one that opens an attempt, and what they have seen. */
function assertShown(actual: Seen['values'], expected: Seen['values'], message: string) {
  let next = 0
  for (const { data, opens } of actual) {
    if (data === expected[next]?.data) next++
    else
      assert.ok(
        opens || expected.slice(0, next).some(shown => shown.data === data),
        `${message}: values out of turn: ${data}`,
      )
  }
  assert.equal(next, expected.length, message)
  assert.equal(actual.at(-1)?.data, expected.at(-1)?.data, message)
}
