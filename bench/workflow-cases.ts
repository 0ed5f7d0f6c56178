// What is measured of workflow runs: events, fan-outs, the scheduler alone, and whether a long log costs more than a short one.
import { HumanMessage } from '@langchain/core/messages'
import { OfflineModel } from '../src/agent/offline-model.ts'
import { Slots } from '../src/workflow/slots.ts'
import type { Case } from './cases.ts'
import { figure, inTurns, median, timed } from './measure.ts'
import type { Target } from './server.ts'
import { call } from './wire.ts'

interface Event {
  seq: number
  ts: string
  type: string
}

const QUESTION = 'count to 3'
const PARALLEL = 64
/** Of one workflow, whose items come as its input. */
const ITEMS = 'items'

const each = (subnode: object) => ({
  kind: 'workflow',
  max_parallelism: PARALLEL,
  inputs: [{ name: ITEMS, type: 'array' }],
  nodes: [{ id: 'each', type: 'map.fanout', items_from_input: ITEMS, subnode }],
  outputs: [{ name: 'each', from: 'each' }],
})
const asked = each({ id: 'ask', type: 'llm', model: 'offline', user: `${QUESTION} {{item}}` })
/** Nothing but the scheduler: no call, no slot. */
const plain = each({ id: 'plain', type: 'transform.json', object: { item: { from: 'item' } } })
const chained = (length: number) => ({
  kind: 'workflow',
  nodes: Array.from({ length }, (_, n) => {
    if (n === 0) return { id: 'n0', type: 'join.all' }
    return {
      id: `n${n}`,
      type: 'transform.json',
      object: { x: { from: `n${n - 1}`, ...(n > 1 && { pointer: '/x' }) } },
    }
  }),
  outputs: [{ name: 'last', from: `n${length - 1}` }],
})

function api({ urls: [url] }: Target): string {
  return `${url}/api/v1`
}

async function create(target: Target, spec: object, items: number): Promise<string> {
  const input = items > 0 ? { input: { [ITEMS]: Array.from({ length: items }, (_, index) => index) } } : {}
  const { run_id } = JSON.parse(await call(`${api(target)}/runs`, { spec, ...input })) as { run_id: string }
  return run_id
}

/** Follows a run to its end. */
async function followed(target: Target, run_id: string, query = ''): Promise<Event[]> {
  const response = await fetch(`${api(target)}/runs/${run_id}/events${query}`)
  const lines = (await response.text()).split('\n').filter(Boolean)
  return lines.map(line => JSON.parse(line) as Event)
}

async function run(target: Target, spec: object, items = 0): Promise<Event[]> {
  const events = await followed(target, await create(target, spec, items))
  if (events.at(-1)?.type !== 'run_completed') throw new Error(`the run ended with ${JSON.stringify(events.at(-1))}`)
  return events
}

/** The same calls of the same model, as many at once, with nothing else. */
async function calls(items: number): Promise<void> {
  const model = new OfflineModel()
  const slots = new Slots(PARALLEL)
  const one = async (_: unknown, index: number) => {
    const giveBack = await slots.take(String(index))
    await model.invoke([new HumanMessage(`${QUESTION} ${index}`)])
    giveBack()
  }
  await Promise.all(Array.from({ length: items }, one))
}

export const workflows: Case = async (target, { items, events }, goals) => {
  const { remote, here } = await inTurns(
    5,
    () => timed(() => run(target, asked, items)),
    () => timed(() => calls(items)),
  )
  const figures = [
    figure(target.name, `workflow fan-out of ${items} model nodes`, 'ms', median(remote), { here: median(here) }),
  ]
  const { cpu } = target
  if (cpu) {
    const spec = chained(items)
    await run(target, spec)
    const before = await cpu()
    for (let round = 0; round < 5; round++) await run(target, spec)
    const each_ms = ((await cpu()) - before) / 5 / items
    figures.push(figure(target.name, `scheduler per node, a chain of ${items}`, 'µs CPU', each_ms * 1_000))
  }
  return [...figures, ...(await flatness(target, events, goals))]
}

/** What an event costs early and late in one log: when it is written, and when it is read from a cursor. */
const flatness = async (target: Target, count: number, goals: Parameters<Case>[2]) => {
  const from = performance.now()
  const run_id = await create(target, plain, Math.ceil(count / 3) + 400)
  const log = await followed(target, run_id)
  const seconds = (performance.now() - from) / 1_000
  const at = (seq: number) => Date.parse(log[seq - 1]?.ts as string)
  const part = Math.floor(count / 10)
  const [early, late] = [at(10 + part) - at(10), at(count) - at(count - part)]
  const page = (after: number) => () => timed(() => followed(target, run_id, `?wait=0&limit=10&after_seq=${after}`))
  const { remote, here } = await inTurns(40, page(count - 10), page(1))
  return [
    figure(target.name, `workflow events per second, of ${log.length} without models`, '/s', log.length / seconds),
    figure(target.name, `written: an event at ${count} over one at 10`, '×', late / early, { goal: goals.flat }),
    figure(target.name, `read from a cursor: at ${count} over at 10`, '×', median(remote) / median(here), {
      goal: goals.flat,
    }),
  ]
}
