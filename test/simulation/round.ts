// One round of the simulation: some processes, clients and readers over a store that was empty, faults for a while,
// then none until everything has come to rest. A seed is a round; the same seed is the same round, step by step.
import { createThread } from '../../src/core/threads.ts'
import { client, habits, type World } from './clients.ts'
import { Invariants, Violation } from './invariants.ts'
import { LEASE_MS, Process } from './process.ts'
import { Random } from './random.ts'
import { ConnectionLost, call, type Faults, noFaults, Scheduler, type Script } from './scheduler.ts'
import type { Store } from './store.ts'

const FAULTS: Faults = { lost: 0.002, lost_answer: 0.02, dropped_hint: 0.3, false_hint: 0.01 }
/** What rest may take: every run may wait for a few leases and its delay. */
const REST_MS = 60 * LEASE_MS
const STEPS = 20_000

export interface Round {
  seed: number
  steps: number
  commits: number
  /** How often another script took its step while a transaction was open. */
  switches: number
  /** What every script did, step by step. */
  trace: readonly string[]
  failure?: Error
}

export async function playRound(store: Store, seed: number): Promise<Round> {
  await store.reset()
  const invariants = new Invariants()
  const random = new Random(seed)
  const scheduler = new Scheduler(store, random, (job, state) => invariants.committed(job, state, store.now_ms))
  const wallClock = Date.now
  const wrong = new Random(seed)
  // The clock of the processes is wrong, and not the same twice: nothing may depend on it.
  Date.now = () => store.now_ms + wrong.between(-3_600_000, 3_600_000)
  try {
    await play(scheduler, invariants)
    return result()
  } catch (error) {
    return { ...result(), failure: error as Error }
  } finally {
    Date.now = wallClock
    await scheduler.stop()
  }

  function result(): Round {
    const { steps, switches, trace } = scheduler
    return { seed, steps, commits: invariants.commits, switches, trace }
  }
}

const SHOWN = 60

/** A violation, how to replay it, and what led to it: the last steps, without those of readers. */
export function report({ seed, failure, trace }: Round): string {
  const steps = trace.filter(step => !/^\d+ reader /.test(step)).slice(-SHOWN)
  const what = failure instanceof Violation ? failure.message : failure?.stack
  const replay = `npx node test/simulation/run.ts --replay ${seed}` // and --postgres, if it was there
  return `round ${seed}: ${what}\nreplay: ${replay}\n  ${steps.join('\n  ')}`
}

async function play(scheduler: Scheduler, invariants: Invariants) {
  const { random } = scheduler
  let processes: Process[] = []
  let born = 0
  const bear = () => processes.push(new Process(`p${++born}`, scheduler, random.between(1, 3)))
  const world: World = {
    scheduler,
    invariants,
    processes: () => processes,
    threads: [],
    runs: [],
    busy: new Set(),
    habits: habits(random),
  }

  for (let left = random.between(1, 3); left > 0; left--) bear()
  for (let left = random.between(1, 3); left > 0; left--) world.threads.push(`thread-${world.threads.length + 1}`)
  scheduler.start('threads', makeThreads(world.threads))
  for (let left = random.between(1, 4); left > 0; left--) {
    scheduler.start(`client${left}`, client(world, `client${left}`, random.between(2, 7)))
  }
  const clients = () => [...world.busy].some(name => name.startsWith('client'))

  scheduler.faults = random.chance(0.8) ? FAULTS : noFaults
  const blows = random.skewed({ kill: 4, pause: 4, drain: 2, leap: 1 })
  const blowsPerStep = random.pick([0, 0.002, 0.005, 0.02])
  while (scheduler.steps < 30 || clients() || (invariants.busy && scheduler.steps < 1_500)) {
    if (!(await scheduler.step()) || scheduler.steps > STEPS) break
    processes = await buried(processes)
    if (processes.length === 0) bear()
    if (random.chance(blowsPerStep)) await strike()
  }

  scheduler.faults = noFaults
  scheduler.note('the faults have stopped')
  for (const process of processes) process.paused_until = 0
  if (processes.length === 0) bear()
  const deadline = scheduler.now_ms + REST_MS
  while ((invariants.busy || world.busy.size > 0) && scheduler.now_ms < deadline) {
    if (!(await scheduler.step())) break
    processes = await buried(processes)
    if (processes.length === 0) bear()
  }
  invariants.settled(world.busy)

  /** A process that has drained ends in peace. */
  async function buried(all: Process[]): Promise<Process[]> {
    const ended = all.filter(process => process.draining && process.idle)
    for (const process of ended) await scheduler.kill(process)
    return ended.length > 0 ? all.filter(process => !ended.includes(process)) : all
  }

  async function strike() {
    const process = random.pick(processes)
    const blow = random.weighted(blows)
    scheduler.note(`${blow} ${process.name}`)
    if (blow === 'kill') {
      await scheduler.kill(process)
      processes = processes.filter(other => other !== process)
      if (random.chance(0.7)) bear()
    }
    if (blow === 'pause') process.paused_until = scheduler.now_ms + random.between(LEASE_MS / 2, 2 * LEASE_MS)
    if (blow === 'drain') process.drain()
    if (blow === 'leap') scheduler.store.now_ms += random.between(0, 2 * LEASE_MS)
  }
}

function* makeThreads(threads: readonly string[]): Script {
  for (const thread_id of threads) {
    try {
      yield* call(createThread, { thread_id, metadata: '{}', hidden: 0, if_exists: 'do_nothing' })
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error
    }
  }
}
