// Times and what is made of them. Everything is a ratio of two figures of the same run, taken in turns.
import { monitorEventLoopDelay } from 'node:perf_hooks'

/** One line of the result. `goal` is issue 3's: the ratio where there is one, else the value, is at most (or at least) it. */
export interface Figure {
  figure: string
  target: string
  unit: string
  value: number
  in_process?: number
  ratio?: number
  goal?: string
  reached?: boolean
}

export interface Goal {
  of: 'ratio' | 'value'
  most?: number
  least?: number
}

export function figure(
  target: string,
  name: string,
  unit: string,
  value: number,
  { here, goal }: { here?: number | undefined; goal?: Goal | undefined } = {},
): Figure {
  const ratio = here === undefined ? undefined : value / here
  const judged = goal?.of === 'ratio' ? ratio : value
  const sign = goal?.most !== undefined ? '≤' : '≥'
  const bound = goal?.most ?? goal?.least ?? Number.NaN
  return {
    figure: name,
    target,
    unit,
    value: round(value),
    ...(here !== undefined && { in_process: round(here) }),
    ...(ratio !== undefined && { ratio: round(ratio) }),
    ...(goal &&
      judged !== undefined && {
        goal: `${sign} ${bound}${goal.of === 'ratio' ? '×' : ` ${unit}`}`,
        reached: sign === '≤' ? judged <= bound : judged >= bound,
      }),
  }
}

/** Times of both sides in turns, so that they see the same machine; a tenth more at the start warms them up. */
export async function inTurns<A, B>(rounds: number, remote: () => Promise<A>, here: () => Promise<B>) {
  const results: { remote: A[]; here: B[] } = { remote: [], here: [] }
  for (let index = -Math.ceil(rounds / 10); index < rounds; index++) {
    const [a, b] = [await remote(), await here()]
    if (index < 0) continue
    results.remote.push(a)
    results.here.push(b)
  }
  return results
}

/** Milliseconds that `work` takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now()
  await work()
  return performance.now() - from
}

/** Calls `work` `count` times from `clients` loops. Returns calls a second. */
export async function throughput(clients: number, count: number, work: (index: number) => Promise<unknown>) {
  let next = 0
  const loop = async () => {
    while (next < count) await work(next++)
  }
  const ms = await timed(() => Promise.all(Array.from({ length: clients }, loop)))
  return (count * 1000) / ms
}

/** Milliseconds of CPU that this process spends on `work`, all threads. */
export async function cpuHere(work: () => Promise<unknown>): Promise<number> {
  const from = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(from)
  return (user + system) / 1000
}

/** Milliseconds by which turns of the event loop were late. */
export interface Delay {
  p99: number
}

/** Of the delay histogram, whose values include it. */
const RESOLUTION_MS = 1

/** Measures the delay of this process's event loop until the returned function is called. */
export function loopDelay(): () => Delay {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  histogram.enable()
  return () => {
    histogram.disable()
    return { p99: Math.max(0, histogram.percentile(99) / 1e6 - RESOLUTION_MS) }
  }
}

export function quantile(numbers: number[], q: number): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] as number
}

export function median(numbers: number[]): number {
  return quantile(numbers, 0.5)
}

function round(value: number): number {
  return Number(value.toPrecision(3))
}
