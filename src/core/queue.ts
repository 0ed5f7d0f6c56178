// How many runs may wait, on one thread and on all. The thread's queue is checked whenever a run has to wait; the whole
// queue is counted at most twice a second and process while it is far from its ceiling, so accepting a run costs the same
// at any length. With several processes the ceiling of the whole queue may be overshot by what they accept in that time.
import sql from 'sql-template-tag'
import { first, type Steps, transition } from '../db/database.ts'
import { RunloomError } from './errors.ts'

/** What a run that has to wait is measured against. */
export interface QueueLimits {
  /** Pending runs of one thread. */
  thread: number
  /** Pending runs of all threads; absent where they need not be counted this time. */
  total?: number
}

const RECOUNT_MS = 500

/** Admits runs of this process: remembers how much room the whole queue had when it was last counted. */
export class QueueGate {
  readonly #limits: Required<QueueLimits>
  /** How many more may wait before the queue is counted again; 0 when it was full. */
  #room = 0
  #counted_at = Number.NEGATIVE_INFINITY

  constructor(limits: Required<QueueLimits>) {
    this.#limits = limits
  }

  /** Creates runs under the limits that they have to be measured against. Throws `busy` when the queue is full. */
  async admit<T extends { queued?: number }>(create: (limits: QueueLimits) => Promise<T>, runs = 1): Promise<T> {
    const { thread, total } = this.#limits
    const known = performance.now() - this.#counted_at < RECOUNT_MS
    if (known && this.#room === 0) throw fullQueue(total)
    if (known && this.#room > runs) {
      this.#room -= runs
      return create({ thread })
    }
    try {
      const created = await create({ thread, total })
      if (created.queued !== undefined) this.#note(Math.max(1, Math.floor((total - created.queued) / 2)))
      return created
    } catch (error) {
      if (error instanceof RunloomError && error.details?.queue === 'total' && runs === 1) this.#note(0)
      throw error
    }
  }

  #note(room: number) {
    this.#room = room
    this.#counted_at = performance.now()
  }
}

/** Counts all pending runs, up to the limit, but for those that wait for somebody else (`wait_reason`); throws `busy` when `more` would be too many. */
export function* refuseFullQueue(limit: number, more = 1): Steps<number> {
  const queued = yield* count(sql`select 1 from runs where status = 'pending' and wait_reason is null limit ${limit}`)
  if (queued + more > limit) throw fullQueue(limit)
  return queued + more
}

/**
 * Throws `busy` when a thread's queue is full. Its pending runs are at most those created since the oldest of them, so
 * they are counted only when that many would be too many.
 */
export function* refuseLongQueue(
  { thread_id, last_position }: { thread_id: string; last_position: number },
  oldest: number,
  limit: number,
): Steps<void> {
  if (last_position - oldest + 1 < limit) return
  const queued = yield* count(
    sql`select 1 from runs where thread_id = ${thread_id} and status = 'pending' limit ${limit}`,
  )
  if (queued < limit) return
  throw new RunloomError('busy', `${queued} runs wait on thread ${thread_id}, as many as may; try again later`, {
    details: { queue: 'thread' },
  })
}

function fullQueue(limit: number): RunloomError {
  const message = `${limit} runs wait on this server, as many as may; try again later`
  return new RunloomError('busy', message, { details: { queue: 'total' } })
}

function* count(rows: ReturnType<typeof sql>): Steps<number> {
  return (yield* first<{ n: number }>(sql`select count(*) as n from (${rows}) as waiting`))?.n ?? 0
}

export interface QueueFacts {
  /** Delayed runs included. */
  pending: number
  running: number
  /** Pending runs whose time has come. */
  due: number
  /** How long the oldest of them has waited; 0 when there is none. */
  oldest_ms: number
}

/** What of all runs is in flight. */
export const queueFacts = transition(import.meta.url, 'queueFacts', function* (): Steps<QueueFacts> {
  const waiting = yield* first<Omit<QueueFacts, 'running'>>(sql`
    select count(*) as pending, count(case when not_before <= (select now_ms()) then 1 end) as due,
      coalesce((select now_ms()) - min(case when not_before <= (select now_ms()) then not_before end), 0) as oldest_ms
    from runs where status = 'pending'`)
  const executing = yield* first<{ n: number }>(sql`select count(*) as n from runs where status = 'running'`)
  return { pending: 0, due: 0, oldest_ms: 0, ...waiting, running: executing?.n ?? 0 }
})
