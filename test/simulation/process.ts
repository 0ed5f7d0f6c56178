// A simulated server process: the worker's protocol (src/core/worker.ts, leases.ts, events/event-log.ts) with nothing
// left but its conversation with the database. It claims, renews, appends in groups, ends runs, hands them back, and is
// killed, paused or drained from outside. What it believes may be stale at any moment; it must never matter.
import { claimedBy, claimRuns, type Finish, finishRun, handBack, renewLeases } from '../../src/core/claims.ts'
import type { ClaimedRun } from '../../src/core/executor.ts'
import { type Bulk, insertMany } from '../../src/db/database.ts'
import { appendSlices, lastSeq, type NewEvent, type Slice, together } from '../../src/events/log.ts'
import type { Random } from './random.ts'
import { ConnectionLost, call, type Group, type Scheduler, type Script, sleep } from './scheduler.ts'

export const LEASE_MS = 1_000
export const MAX_CRASHES = 3
const RENEW_MS = 333
const POLL_MS = 300
const RETRY_MS = 40
const RESERVE = 0.1

interface Driven {
  claimed: ClaimedRun
  last_seq: number
  commits: number
  queue: { event?: NewEvent; writes: Bulk[] }[]
  in_flight: boolean
  deadline: number
  stop: 'cancelled' | 'lost' | 'draining' | undefined
}

export class Process implements Group {
  readonly name: string
  paused_until = 0
  draining = false
  /** Claims whose answer was lost. */
  readonly lost = new Set<string>()
  #asks = 0
  readonly #driven = new Map<string, Driven>()
  readonly #scheduler: Scheduler
  readonly #random: Random
  readonly #slots: number

  constructor(name: string, scheduler: Scheduler, slots: number) {
    this.name = name
    this.#scheduler = scheduler
    this.#random = scheduler.random
    this.#slots = slots
    for (const part of ['work', 'renew', 'append'] as const) scheduler.start(`${name}.${part}`, this[part](), this)
  }

  get idle(): boolean {
    return this.#driven.size === 0
  }

  /** What a create needs to start its run here, while a slot is free. */
  get claim() {
    const { limit, ...claim } = this.#claim(this.#slots - this.#driven.size)
    return limit > 0 && !this.draining ? claim : undefined
  }

  /** Stops claiming and gives back what it drives. */
  drain() {
    this.draining = true
    for (const driven of this.#driven.values()) this.#stop(driven, 'draining')
  }

  drive(claimed: ClaimedRun, asked_at: number) {
    const deadline = asked_at + LEASE_MS * (1 - RESERVE)
    const { last_seq } = claimed
    const driven: Driven = { claimed, last_seq, commits: 0, queue: [], in_flight: false, deadline, stop: undefined }
    if (this.draining) driven.stop = 'draining'
    this.#driven.set(claimed.run.run_id, driven)
    this.#scheduler.start(`${this.name}.${claimed.run.run_id}`, this.execute(driven), this)
  }

  *work(): Script {
    while (!this.draining) {
      yield* this.#findLost()
      const asked_at = this.#scheduler.now_ms
      const limit = this.#slots - this.#driven.size
      const claim = this.#claim(limit)
      const claimed = limit > 0 ? yield* orLost(call(claimRuns, claim)) : []
      if (!claimed) this.lost.add(claim.worker_id)
      for (const run of claimed ?? []) this.drive(run, asked_at)
      if (!claimed?.length) yield* sleep(POLL_MS, 'work')
    }
  }

  *#findLost(): Script {
    for (const worker_id of this.lost) {
      const asked_at = this.#scheduler.now_ms
      const found = yield* orLost(call(claimedBy, { worker_id, lease_ms: LEASE_MS }))
      for (const run of found ?? []) this.drive(run, asked_at)
      if (found) this.lost.delete(worker_id)
    }
  }

  *renew(): Script {
    for (;;) {
      yield* sleep(RENEW_MS)
      const runs = [...this.#driven.values()].map(({ claimed }) => ({
        run_id: claimed.run.run_id,
        attempt: claimed.attempt,
      }))
      if (runs.length > 0) {
        const asked_at = this.#scheduler.now_ms
        const renewed = yield* orLost(call(renewLeases, { runs, lease_ms: LEASE_MS }))
        for (const { run_id, attempt } of renewed ? runs : []) {
          const driven = this.#driven.get(run_id)
          if (driven?.claimed.attempt !== attempt) continue
          const kept = renewed?.find(run => run.run_id === run_id)
          if (kept?.renewed) driven.deadline = asked_at + LEASE_MS * (1 - RESERVE)
          if (!kept) this.#stop(driven, 'lost')
          else if (kept.cancelled) this.#stop(driven, 'cancelled')
        }
      }
      for (const driven of this.#driven.values()) {
        if (this.#scheduler.now_ms > driven.deadline) this.#stop(driven, 'lost')
      }
    }
  }

  /** Commits what the runs of this process have queued, in groups. */
  *append(): Script {
    for (;;) {
      const writers = [...this.#driven.values()].filter(driven => driven.queue.length > 0 && !driven.in_flight)
      if (writers.length === 0) {
        yield* sleep(Number.POSITIVE_INFINITY, `append ${this.name}`)
        continue
      }
      const slices = new Map(writers.map(driven => [driven, this.#slice(driven)]))
      for (const driven of slices.keys()) driven.in_flight = true
      yield* this.#commit(slices)
      for (const driven of slices.keys()) driven.in_flight = false
      this.#scheduler.wake(`appended ${this.name}`)
    }
  }

  *#commit(slices: Map<Driven, Slice>): Script {
    for (;;) {
      const live = [...slices].filter(([driven]) => driven.stop !== 'lost')
      if (live.length === 0) return
      const refused = yield* orLost(
        call(
          appendSlices,
          live.map(([, slice]) => slice),
        ),
      )
      for (const [driven, slice] of refused ? live : []) {
        driven.last_seq = lastSeq(slice)
        driven.commits++
        if (refused?.includes(slice.run_id)) this.#stop(driven, 'lost')
        this.#scheduler.hint(`run:${slice.run_id}`)
      }
      if (refused) return
      yield* sleep(RETRY_MS)
    }
  }

  /** One run, from its claim to its end: a few events and rows, then one of the ways in which runs end. */
  *execute(driven: Driven): Script {
    const { run } = driven.claimed
    const random = this.#random
    for (let left = random.between(0, 5); left > 0 && !driven.stop; left--) {
      driven.queue.push(this.#event(driven, random.chance(0.3) ? 'values' : 'messages'))
      this.#scheduler.wake(`append ${this.name}`)
      yield* sleep(random.between(0, RENEW_MS), `stop ${run.run_id}`)
    }
    while (driven.in_flight && driven.stop !== 'lost') yield* sleep(RETRY_MS, `appended ${this.name}`)
    if (driven.stop === 'draining') yield* this.#insist(driven, this.#giveBack(driven))
    else if (driven.stop !== 'lost') yield* this.#insist(driven, this.#finish(driven))
    this.#driven.delete(run.run_id)
    this.#scheduler.hint('work')
    this.#scheduler.hint(`run:${run.run_id}`)
  }

  /** Repeats a write whose answer was lost while the run may be ours. */
  *#insist(driven: Driven, write: () => Script): Script {
    while (driven.stop !== 'lost') {
      try {
        return yield* write()
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error
        yield* sleep(RETRY_MS)
      }
    }
  }

  #giveBack(driven: Driven): () => Script {
    const args = { thread_id: driven.claimed.run.thread_id, slice: this.#slice(driven) }
    return function* () {
      yield* call(handBack, args)
    }
  }

  #finish(driven: Driven): () => Script {
    const how =
      driven.stop === 'cancelled' ? 'cancelled' : this.#random.pick(['completed', 'completed', 'asked', 'failed'])
    if (how === 'failed') driven.queue.push(this.#event(driven, 'error'))
    const claim = this.draining ? {} : { claim: this.#claim(1) }
    const args: Finish = {
      thread_id: driven.claimed.run.thread_id,
      slice: this.#slice(driven),
      ...ENDINGS[how as keyof typeof ENDINGS],
      ...claim,
    }
    const { now_ms } = this.#scheduler
    const drive = (next: ClaimedRun) => this.drive(next, now_ms)
    return function* () {
      const { next } = yield* call(finishRun, args)
      if (next) drive(next)
    }
  }

  #claim(limit: number) {
    return {
      worker_id: `${this.name}.${++this.#asks}`,
      lease_ms: LEASE_MS,
      max_crashes: MAX_CRASHES,
      limit,
      driving: [...this.#driven.keys()],
    }
  }

  #stop(driven: Driven, reason: NonNullable<Driven['stop']>) {
    if (reason === 'lost' || !driven.stop) driven.stop = reason
    this.#scheduler.wake(`stop ${driven.claimed.run.run_id}`)
  }

  #slice({ claimed, last_seq, commits, queue }: Driven): Slice {
    const entries = queue.splice(0)
    const timed = entries.flatMap(({ event }) => (event ? [{ ...event, at_ms: this.#scheduler.now_ms }] : []))
    const events = together(timed)
    const writes = entries.flatMap(entry => entry.writes)
    return { run_id: claimed.run.run_id, attempt: claimed.attempt, last_seq, commits, events, writes }
  }

  #event({ claimed }: Driven, event: string) {
    const { run, attempt } = claimed
    const data = JSON.stringify({ attempt, by: this.name })
    const writes = this.#random.chance(0.5) ? stateRows(run, this.#scheduler.steps) : []
    const withoutEvent = writes.length > 0 && this.#random.chance(0.2)
    return withoutEvent ? { writes } : { event: { event, data }, writes }
  }
}

const ENDINGS = {
  completed: { status: 'success', ending: { reason: 'completed' }, interrupts: {}, resting_status: 'idle' },
  asked: {
    status: 'success',
    ending: { reason: 'completed' },
    interrupts: { task: [{ value: 'well?' }] },
    resting_status: 'interrupted',
  },
  failed: {
    status: 'error',
    ending: { reason: 'failed', error: { error: 'Error', message: 'it failed' } },
    interrupts: {},
    resting_status: 'error',
  },
  cancelled: { status: 'interrupted', ending: { reason: 'cancelled' }, interrupts: {}, resting_status: 'interrupted' },
} as const

/** A checkpoint and what it needs: one row in each table of state. Never the same twice: a repeat would be refused. */
export function stateRows({ run_id, thread_id }: { run_id: string; thread_id: string }, number: number): Bulk[] {
  const id = String(number).padStart(9, '0')
  const own = { thread_id, run_id }
  const place = { checkpoint_ns: '', checkpoint_id: id }
  return [
    insert('lists', { ...own, list_id: id, parent_id: null, parent_length: 0, closed: 0 }),
    insert('list_items', { ...own, list_id: id, idx: 0, data: '"item"', exact: null }),
    insert('blobs', { ...own, hash: id, data: '"blob"', exact: null }),
    insert('checkpoints', { ...own, ...place, parent_id: null, checkpoint: '{}', channels: id, metadata: '{}' }),
    insert('checkpoint_writes', { ...own, ...place, task_id: 'task', idx: 0, channel: 'c', exact: '{}' }),
  ]
}

function insert(table: string, row: Record<string, string | number | null>): Bulk {
  const columns = Object.entries(row).map(([name, value]) => [name, typeof value === 'number' ? 'bigint' : 'text'])
  return insertMany(table, Object.fromEntries(columns))([row])
}

/** A call whose lost answer is not worth insisting on. */
function* orLost<T>(script: Script<T>): Script<T | undefined> {
  try {
    return yield* script
  } catch (error) {
    if (error instanceof ConnectionLost) return undefined
    throw error
  }
}
