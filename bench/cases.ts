// What is measured of runs and streams. Each case takes a target and the sizes, and gives figures.
import { setTimeout as sleep } from 'node:timers/promises'
import * as local from './local.ts'
import {
  cpuHere,
  type Figure,
  figure,
  type Goal,
  inTurns,
  loopDelay,
  median,
  quantile,
  throughput,
  timed,
} from './measure.ts'
import type { Target } from './server.ts'
import { call, readStream } from './wire.ts'

export interface Sizes {
  /** Sequential runs of the no-op and of the first token. */
  runs: number
  /** Runs of the throughput case, and its clients. */
  flood: number
  clients: number
  /** Of one streamed run. */
  tokens: number
  /** Streams of the CPU case, at each width. */
  streams: number
  slow: number
  slow_tokens: number
  slow_rate: number
  open: number
  heap_runs: number
  turns: number
  replay: number
  deltas: number
  /** Nodes of a fan-out and of a chain, and events of the longest run, of workflows; events of the run that the page opens. */
  items: number
  events: number
  /** How long an answer is streamed to the web page. */
  page_seconds: number
}

export type Case = (target: Target, sizes: Sizes, goals: Goals) => Promise<Figure[]>
export type Goals = Record<string, Goal>

const streamed = (content: string) => ({
  assistant_id: 'tokens',
  input: local.say(content),
  stream_mode: ['messages-tuple'],
  on_disconnect: 'cancel',
})

/** Of the slow streams, after one that warms up. */
const SLOW_ROUNDS = 3

let turnOf = 0
function urlOf({ urls }: Target): string {
  return urls[turnOf++ % urls.length] as string
}

function waitNoop(target: Target): Promise<string> {
  return call(`${urlOf(target)}/runs/wait`, { assistant_id: 'noop', input: local.say('go') })
}

function stream(target: Target, content: string, onFirst?: (close: () => void) => void) {
  return readStream(`${urlOf(target)}/runs/stream`, streamed(content), onFirst)
}

export const waiting: Case = async (target, { runs }, goals) => {
  const { remote, here } = await inTurns(
    runs,
    () => timed(() => waitNoop(target)),
    () => timed(local.runNoop),
  )
  const at = (q: number) => [quantile(remote, q), quantile(here, q)] as const
  return [0.5, 0.99].map(q => {
    const [value, base] = at(q)
    const name = `no-op wait p${q * 100}`
    return figure(target.name, name, 'ms', value, { here: base, goal: goals[name] })
  })
}

/** What no durable server can do without: a request, two commits of a row, and the graph with what is to be recorded of it. */
export const floor: Case = async (target, { runs, flood }) => {
  const { bareCommit } = target
  if (!bareCommit) return []
  const { remote, here } = await inTurns(
    runs,
    async () => ({
      request: await timed(() => call(`${urlOf(target)}/ok`)),
      commit: await timed(bareCommit),
      graph: await timed(local.runNoopRecorded),
    }),
    () => timed(local.runNoop),
  )
  const of = (part: 'request' | 'commit' | 'graph') => median(remote.map(one => one[part]))
  const least = median(remote.map(({ request, commit, graph }) => request + 2 * commit + graph))
  const many = (work: () => Promise<unknown>) => cpuHere(() => throughput(1, flood, work))
  const [recorded, plain] = [await many(local.runNoopRecorded), await many(local.runNoop)]
  return [
    figure(target.name, 'the least of a no-op wait p50', 'ms', least, { here: median(here) }),
    figure(target.name, 'of it: an empty request', 'ms', of('request')),
    figure(target.name, 'of it: a bare commit, twice', 'ms', of('commit')),
    figure(target.name, 'of it: the graph, recorded', 'ms', of('graph')),
    figure(target.name, 'CPU of the graph, recorded', 'ms', recorded / flood, { here: plain / flood }),
  ]
}

export const firstToken: Case = async (target, { runs }, goals) => {
  const few = Math.ceil(runs / 2)
  const { remote, here } = await inTurns(
    few,
    () => stream(target, '20'),
    () => local.streamTokens('20'),
  )
  const [value, base] = [median(remote.map(one => one.first_ms)), median(here.map(one => one.first_ms))]
  return [figure(target.name, 'first token p50', 'ms', value, { here: base, goal: goals['first token'] })]
}

/** Streams at once, or one after the other, between two readings of the CPU, which cost some themselves. */
const STREAMS = 32

export const tokenCpu: Case = async (target, { streams, tokens }, goals) => {
  const figures: Figure[] = []
  const { cpu } = target
  for (const width of [1, STREAMS]) {
    const all = (one: () => Promise<unknown>) => async () => {
      for (let started = 0; started < STREAMS; started += width) await Promise.all(Array.from({ length: width }, one))
    }
    const remote = all(() => stream(target, String(tokens)))
    const spent = async () => {
      const from = (await cpu?.()) ?? 0
      const ms = await timed(remote)
      return { ms, cpu: ((await cpu?.()) ?? 0) - from }
    }
    const here = all(() => local.streamTokens(String(tokens)))
    const times = await inTurns(Math.max(2, Math.ceil(streams / STREAMS)), spent, async () => {
      let spent = 0
      const ms = await timed(async () => {
        spent = await cpuHere(here)
      })
      return { ms, cpu: spent }
    })
    const per = (side: { ms: number; cpu: number }[], of: 'ms' | 'cpu') =>
      (side.reduce((sum, one) => sum + one[of], 0) * 1000) / (side.length * STREAMS * tokens)
    const both = (of: 'ms' | 'cpu') => [per(times.remote, of), per(times.here, of)] as const
    if (cpu) {
      const [value, base] = both('cpu')
      const name = `CPU per token, ${width} stream${width > 1 ? 's' : ''}`
      figures.push(figure(target.name, name, 'µs', value, { here: base, goal: goals['CPU per token'] }))
    }
    const [value, base] = both('ms')
    figures.push(
      figure(target.name, `time per token, ${width} stream${width > 1 ? 's' : ''}`, 'µs', value, { here: base }),
    )
  }
  return figures
}

export const flood: Case = async (target, { flood, clients }, goals) => {
  await throughput(clients, flood / 5, () => waitNoop(target))
  await throughput(clients, flood / 5, local.runNoop)
  const here: number[] = []
  const remote: number[] = []
  const cpuBefore = await target.cpu?.()
  let cpuLocal = 0
  for (let round = 0; round < 2; round++) {
    remote.push(await throughput(clients, flood / 2, () => waitNoop(target)))
    cpuLocal += await cpuHere(async () => {
      here.push(await throughput(clients, flood / 2, local.runNoop))
    })
  }
  const cpuAfter = await target.cpu?.()
  await target.ask?.('delay start') // on its own: sampling costs a little
  if (target.ask) await throughput(clients, flood / 2, () => waitNoop(target))
  const delay = await target.ask?.('delay stop')
  const mean = (numbers: number[]) => 2 / numbers.reduce((sum, one) => sum + 1 / one, 0)
  const name = `runs per second, ${clients} clients`
  const goal = goals['runs per second']
  const rows = [figure(target.name, name, '/s', mean(remote), { here: mean(here), goal })]
  if (cpuBefore !== undefined && cpuAfter !== undefined) {
    rows.push(
      figure(target.name, 'CPU per no-op run', 'ms', (cpuAfter - cpuBefore) / flood, { here: cpuLocal / flood }),
    )
  }
  if (delay) rows.push(figure(target.name, `loop delay p99, ${clients} clients`, 'ms', delay.p99))
  return rows
}

export const slowStreams: Case = async (target, { slow, slow_tokens, slow_rate }, goals) => {
  const content = `${slow_tokens}@${slow_rate}`
  const ideal = ((slow_tokens - 1) * 1000) / slow_rate
  const many = (one: () => Promise<unknown>) => timed(() => Promise.all(Array.from({ length: slow }, one)))
  const { remote, here } = await inTurns(
    SLOW_ROUNDS,
    async () => {
      const from = await target.cpu?.()
      await target.ask?.('delay start')
      const ms = await many(() => stream(target, content))
      const delay = await target.ask?.('delay stop')
      const to = await target.cpu?.()
      return { ms, delay: delay?.p99, cpu: from === undefined || to === undefined ? undefined : to - from }
    },
    async () => {
      const stopDelay = loopDelay()
      let ms = 0
      const cpu = await cpuHere(async () => {
        ms = await many(() => local.streamTokens(content))
      })
      return { ms, delay: stopDelay().p99, cpu }
    },
  )
  const both = (of: 'ms' | 'delay' | 'cpu', scale: number) =>
    [remote, here].map(side => median(side.map(one => one[of] ?? Number.NaN)) * scale) as [number, number]
  const row = (name: string, unit: string, [value, base]: [number, number], goal?: Goal) =>
    Number.isNaN(value) ? [] : [figure(target.name, name, unit, value, { here: base, goal })]
  return [
    ...row(`${slow} slow streams over ideal`, '×', both('ms', 1 / ideal), goals['slow streams']),
    ...row(`loop delay p99, ${slow} slow streams`, 'ms', both('delay', 1), goals.delay),
    ...row(`CPU per token, ${slow} slow streams`, 'µs', both('cpu', 1000 / (slow * slow_tokens))),
  ]
}

/** Streams of runs that wait for their next token: a run and a stream each, and a second reader of each. */
export const openStreams: Case = async (target, { open }, goals) => {
  if (!target.ask) return []
  const { ask } = target
  const content = '2@0.02'
  await Promise.all(Array.from({ length: open }, () => stream(target, '2'))) // what stays behind anyway
  const idle = await ask('memory')
  const runs = await opened(open, onFirst => stream(target, content, onFirst))
  const running = await ask('memory')
  runs.close()
  await runs.ended
  await sleep(500)
  const [url] = target.urls
  const kept = JSON.parse(await call(`${url}/threads`, {})) as { thread_id: string }
  const path = `${url}/threads/${kept.thread_id}/runs`
  const { run_id } = JSON.parse(await call(path, streamed(content))) as { run_id: string }
  const alone = await ask('memory')
  const readers = await opened(open, onFirst => readStream(`${path}/${run_id}/stream`, undefined, onFirst))
  const read = await ask('memory')
  readers.close()
  await readers.ended
  await call(`${path}/${run_id}/cancel?wait=true&action=interrupt`, {}).catch(() => {})
  globalThis.gc?.()
  const before = memoryHere()
  const here = await opened(open, onFirst => local.streamTokens(content, onFirst))
  const after = memoryHere()
  here.close()
  await here.ended
  const kb = (bytes: number) => bytes / 1024 / open
  return [
    figure(target.name, 'heap per open stream', 'KB', kb(read.heap - alone.heap), { goal: goals['open stream'] }),
    figure(target.name, 'heap per open stream with its run', 'KB', kb(running.heap - idle.heap), {
      here: kb(after - before),
    }),
  ]
}

/** Opens `count` streams and resolves when each has shown its first token. */
async function opened(count: number, open: (onFirst: (close: () => void) => void) => Promise<unknown>) {
  const closes: (() => void)[] = []
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const ended = Promise.all(
    Array.from({ length: count }, () =>
      open(close => {
        closes.push(close)
        if (closes.length === count) resolve()
      }),
    ),
  )
  ended.catch(reject)
  await promise
  const close = () => {
    for (const one of closes) one()
  }
  return { close, ended }
}

function memoryHere(): number {
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

export const heapGrowth: Case = async (target, { heap_runs, clients }, goals) => {
  if (!target.ask) return []
  await throughput(clients, 1000, () => waitNoop(target))
  const before = await target.ask('memory')
  await throughput(clients, heap_runs, () => waitNoop(target))
  const after = await target.ask('memory')
  const growth = (of: 'heap' | 'rss') => (after[of] / before[of] - 1) * 100
  return [
    figure(target.name, `heap growth over ${heap_runs} runs`, '%', growth('heap'), { goal: goals['heap growth'] }),
    figure(target.name, 'heap after them', 'MB', after.heap / 2 ** 20),
    figure(target.name, 'resident after them', 'MB', after.rss / 2 ** 20),
  ]
}
