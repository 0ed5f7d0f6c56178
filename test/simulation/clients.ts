// The clients of a simulation: they create runs with every strategy, cancel, delete, copy and update, repeat what may
// not have happened under its idempotency key, and follow runs by cursor.
import sql from 'sql-template-tag'
import { RunloomError } from '../../src/core/errors.ts'
import { type CreateRun, cancelRun, createRun, deleteRun, type MultitaskStrategy } from '../../src/core/runs.ts'
import { commitState } from '../../src/core/states.ts'
import { copyThread } from '../../src/core/thread-copy.ts'
import { createThread, deleteThread } from '../../src/core/threads.ts'
import { first, type Steps, transition } from '../../src/db/database.ts'
import { eventsOf, readPage } from '../../src/events/log.ts'
import type { Invariants } from './invariants.ts'
import { type Process, stateRows } from './process.ts'
import type { Random } from './random.ts'
import { ConnectionLost, call, type Scheduler, type Script, sleep } from './scheduler.ts'

export interface World {
  scheduler: Scheduler
  invariants: Invariants
  /** Those that live at the moment. */
  processes: () => Process[]
  threads: string[]
  runs: string[]
  /** Clients and readers that have not finished. */
  busy: Set<string>
  habits: Habits
}

/** What the clients of one round are like. */
export interface Habits {
  strategies: Record<MultitaskStrategy, number>
  deeds: Record<Deed, number>
  /** How often a create is delayed, and carries an idempotency key. */
  delayed: number
  keyed: number
  pause_ms: number
}

type Deed = 'create' | 'cancel' | 'delete_run' | 'update' | 'copy' | 'delete_thread'

export function habits(random: Random): Habits {
  const others = random.skewed({ cancel: 5, delete_run: 2, update: 2, copy: 1, delete_thread: 0.5 })
  return {
    strategies: random.skewed({ enqueue: 4, interrupt: 3, rollback: 3, reject: 1 }),
    deeds: { create: 12, ...others },
    delayed: random.pick([0, 0.15, 0.5]),
    keyed: random.pick([0, 0.3, 0.8]),
    pause_ms: random.pick([50, 400, 1_000]),
  }
}

/** A client that wants so many things, one after the other. */
export function* client(world: World, name: string, wishes: number): Script {
  const { random } = world.scheduler
  world.busy.add(name)
  for (let left = wishes; left > 0; left--) {
    yield* sleep(random.between(0, world.habits.pause_ms))
    try {
      yield* DEEDS[random.weighted(world.habits.deeds)](world)
    } catch (error) {
      if (!(error instanceof RunloomError || error instanceof ConnectionLost)) throw error
    }
  }
  world.busy.delete(name)
}

const DEEDS: Record<Deed, (world: World) => Script> = {
  *create(world) {
    const { random } = world.scheduler
    const key = random.chance(world.habits.keyed) ? random.between(1, 3) : undefined
    const thread_id =
      key === undefined ? random.pick(world.threads) : (world.threads[key % world.threads.length] as string)
    const args = {
      thread_id,
      assistant_id: 'graph',
      if_not_exists: random.chance(0.5) ? ('create' as const) : ('reject' as const),
      kwargs: { input: null },
      metadata: {},
      multitask_strategy: random.weighted(world.habits.strategies),
      after_ms: random.chance(world.habits.delayed) ? random.between(100, 3_000) : 0,
      ...(key !== undefined && { idempotency: { face: 'test', key: `key-${key}`, body_hash: `body-${key}` } }),
    }
    // A client without a key forgets what may have happened; one with a key asks again until it knows.
    for (;;) {
      try {
        return yield* create(world, { ...args, run_id: `run-${world.runs.length + 1}` })
      } catch (error) {
        if (error instanceof RunloomError) world.invariants.refused(args, error)
        if (!(error instanceof ConnectionLost) || key === undefined) throw error
      }
    }
  },

  *cancel(world) {
    const { random } = world.scheduler
    if (world.runs.length === 0) return
    const run_id = random.pick(world.runs.slice(-6))
    yield* call(cancelRun, { run_id, action: random.pick(['interrupt', 'rollback'] as const), by: 'client' })
    world.scheduler.hint(`run:${run_id}`)
  },

  *delete_run(world) {
    if (world.runs.length === 0) return
    yield* call(deleteRun, { run_id: world.scheduler.random.pick(world.runs.slice(-6)) })
  },

  *update(world) {
    const { scheduler } = world
    const thread_id = scheduler.random.pick(world.threads)
    const head = yield* call(newestCheckpoint, thread_id)
    const writes = stateRows({ run_id: '', thread_id }, scheduler.steps)
    const state = `["update ${scheduler.steps}"]`
    const made = { state, resting_status: 'idle', interrupts: '{}' } as const
    yield* call(commitState, { thread_id, head, ...made, sources: [], writes })
  },

  *copy(world) {
    const copy_id = `copy-${world.scheduler.steps}`
    yield* call(copyThread, { thread_id: world.scheduler.random.pick(world.threads), copy_id })
    world.threads.push(copy_id)
  },

  *delete_thread(world) {
    const thread_id = world.scheduler.random.pick(world.threads)
    yield* call(deleteThread, { thread_id })
    const args = { thread_id, metadata: '{}', hidden: 0, if_exists: 'do_nothing' } as const
    if (world.scheduler.random.chance(0.5)) yield* call(createThread, args)
  },
}

function* create(world: World, args: CreateRun): Script {
  const { scheduler, invariants } = world
  const { random } = scheduler
  world.runs.push(args.run_id)
  const follower = random.chance(0.5) ? args.run_id : undefined
  if (follower) scheduler.start(`reader of ${args.run_id}`, reader(world, `reader of ${args.run_id}`, args.run_id))
  const process = random.pick(world.processes())
  const claim = random.chance(0.5) ? process?.claim : undefined
  const asked_at = scheduler.now_ms
  const { claimed, superseded, run, repeated } = yield* noting(
    call(createRun, claim ? { ...args, claim } : args),
    () => claim && process?.lost.add(claim.worker_id),
  )
  invariants.answered(args, run.run_id, repeated)
  for (const run_id of superseded) scheduler.hint(`run:${run_id}`)
  if (claimed && process && world.processes().includes(process)) process.drive(claimed, asked_at)
  else scheduler.hint('work')
}

function* noting<T>(script: Script<T>, onLost: () => void): Script<T> {
  try {
    return yield* script
  } catch (error) {
    if (error instanceof ConnectionLost) onLost()
    throw error
  }
}

/** Follows a run from its beginning to its end, a few events at a time. */
export function* reader(world: World, name: string, run_id: string): Script {
  const { scheduler, invariants } = world
  world.busy.add(name)
  let cursor = 0
  let missing = 0
  for (;;) {
    try {
      const { head, rows } = yield* call(readPage, { run_id, after: cursor, limit: scheduler.random.between(1, 4) })
      const events = eventsOf(rows).filter(event => event.seq > cursor)
      invariants.read(run_id, cursor, events)
      cursor = events.at(-1)?.seq ?? cursor
      if (head?.ended && cursor >= head.last_seq) break
      // The run may be on its way: a reader starts with the request that makes it.
      if (!head && (cursor > 0 || ++missing > 20)) break
      if (events.length > 0) continue
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error
    }
    yield* sleep(300, `run:${run_id}`)
  }
  world.busy.delete(name)
}

/** The newest root checkpoint of a thread. */
export const newestCheckpoint = transition(import.meta.url, 'newestCheckpoint', function* (thread_id: string): Steps<
  string | undefined
> {
  const found = yield* first<{ id: string | null }>(
    sql`select max(checkpoint_id) as id from checkpoints where thread_id = ${thread_id} and checkpoint_ns = ''`,
  )
  return found?.id ?? undefined
})
