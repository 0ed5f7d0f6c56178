// Loaded into a measured server by `--import`: answers questions of the benchmark about the process over its IPC channel.
// Nothing runs in it between questions.
import { setTimeout as sleep } from 'node:timers/promises'
import { isMainThread } from 'node:worker_threads'
import { type Delay, loopDelay } from './measure.ts'

export type Question = 'cpu' | 'memory' | 'delay start' | 'delay stop'

/** Milliseconds (CPU of all threads) and bytes after a full collection. */
export interface Answers {
  cpu: { cpu_ms: number }
  memory: { heap: number; rss: number }
  'delay start': null
  'delay stop': Delay
}

let stopDelay: (() => Delay) | undefined

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
    stopDelay = loopDelay()
    return null
  },
  'delay stop'() {
    if (!stopDelay) throw new Error('the delay was not started')
    return stopDelay()
  },
}

if (isMainThread && process.send) {
  process.on('message', async (question: Question) => process.send?.(await answers[question]()))
  process.on('disconnect', () => process.exit(1)) // the benchmark died
  process.channel?.unref()
}
