// Loaded into a measured server by `--import`: answers questions of the benchmark about the process over its IPC channel.
// Nothing runs in it between questions.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { isMainThread } from 'node:worker_threads'

export type Question = 'cpu' | 'memory' | 'delay start' | 'delay stop'

/** Milliseconds (all threads; the loop's delay beyond its sampling interval) and bytes after a full collection. */
export interface Answers {
  cpu: { cpu_ms: number }
  memory: { heap: number; rss: number }
  'delay start': null
  'delay stop': { p50: number; p99: number; max: number }
}

/** Of the delay histogram, whose values include it. */
const RESOLUTION_MS = 1
let delay: ReturnType<typeof monitorEventLoopDelay> | undefined

const answers: { [Q in Question]: () => Promise<Answers[Q]> | Answers[Q] } = {
  cpu() {
    const { user, system } = process.cpuUsage()
    return { cpu_ms: (user + system) / 1000 }
  },
  async memory() {
    for (let round = 0; round < 4; round++) {
      globalThis.gc?.()
      await sleep(20)
    }
    const { heapUsed, external, rss } = process.memoryUsage()
    return { heap: heapUsed + external, rss }
  },
  'delay start'() {
    delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
    delay.enable()
    return null
  },
  'delay stop'() {
    delay?.disable()
    const ms = (nanoseconds = 0) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS)
    return { p50: ms(delay?.percentile(50)), p99: ms(delay?.percentile(99)), max: ms(delay?.max) }
  },
}

if (isMainThread && process.send) {
  process.on('message', async (question: Question) => process.send?.(await answers[question]()))
  process.on('disconnect', () => process.exit(1)) // the benchmark died
  process.channel?.unref()
}
