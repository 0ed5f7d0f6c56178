// The real thing as the model's counterpart: the transitions of src/core over a database, and a worker that keeps what
// a worker knows of the runs it holds.
import { randomUUID } from 'node:crypto'
import { syncSystemAssistants } from '../../src/core/assistants.ts'
import { type Claim, claimRuns, finishRun, handBack } from '../../src/core/claims.ts'
import { RunloomError } from '../../src/core/errors.ts'
import type { ClaimedRun } from '../../src/core/executor.ts'
import { cancelRun, createRun, deleteRun } from '../../src/core/runs.ts'
import { commitState } from '../../src/core/states.ts'
import { copyThread } from '../../src/core/thread-copy.ts'
import { deleteThread } from '../../src/core/threads.ts'
import { type Database, insertMany, openDatabase, type Transition } from '../../src/db/database.ts'
import { migrate } from '../../src/db/migrate.ts'
import { appendSlices, type Slice } from '../../src/events/log.ts'
import { type Create, type Hold, type How, inFlight, Refused, type Subject, type View } from './model.ts'
import { empty, lookAround, orphanThread, ripenThread, type Sight } from './transitions.ts'

/** Longer than any test: leases end and delays pass only where a step says so. */
const AGES_MS = 3_600_000
/** Each claim has an id of its own. */
function claimOnce(): Claim {
  return { worker_id: randomUUID(), lease_ms: AGES_MS, limit: 1_000, max_crashes: 3, driving: [] }
}

const ENDINGS = {
  success: { status: 'success', resting_status: 'idle', interrupts: {} },
  question: { status: 'success', resting_status: 'interrupted', interrupts: { task: [{ value: 'well?' }] } },
  error: { status: 'error', resting_status: 'error', interrupts: {} },
} as const

export class System implements Subject {
  readonly #db: Database
  readonly #held = new Map<string, { claimed: ClaimedRun; last_seq: number; commits: number }>()
  readonly #claims = new Map<string, number>()
  #checkpoints = 0

  constructor(db: Database) {
    this.#db = db
  }

  async create({ run_id, thread_id, strategy, delayed, start, if_not_exists }: Create): Promise<string> {
    const { run, claimed } = await this.#run(createRun, {
      run_id,
      thread_id,
      assistant_id: 'graph',
      if_not_exists,
      kwargs: {},
      metadata: {},
      multitask_strategy: strategy,
      after_ms: delayed ? AGES_MS : 0,
      ...(start && { claim: claimOnce() }),
    })
    if (claimed) this.#hold(claimed)
    return run.status
  }

  async cancel(run_id: string, action: 'interrupt' | 'rollback'): Promise<string> {
    return (await this.#run(cancelRun, { run_id, action, by: 'client' })).pending ? 'pending' : 'done'
  }

  async deleteRun(run_id: string): Promise<string> {
    return (await this.#run(deleteRun, { run_id })).pending ? 'pending' : 'done'
  }

  async deleteThread(thread_id: string): Promise<string> {
    await this.#run(deleteThread, { thread_id })
    return 'done'
  }

  async copy(thread_id: string, copy_id: string): Promise<string> {
    return (await this.#run(copyThread, { thread_id, copy_id })).status
  }

  async update(thread_id: string, values: string): Promise<string> {
    const { checkpoints } = await this.#run(lookAround, undefined)
    const head = checkpoints
      .filter(one => one.thread_id === thread_id)
      .map(one => one.checkpoint_id)
      .sort()
      .at(-1)
    const made = { state: values, resting_status: 'idle', interrupts: '{}' } as const
    return (await this.#run(commitState, { thread_id, head, sources: [], writes: [], ...made })) ? 'done' : 'stale'
  }

  async claim(): Promise<string> {
    const claimed = await this.#run(claimRuns, claimOnce())
    for (const one of claimed) this.#hold(one)
    return claimed
      .map(one => one.run.run_id)
      .sort()
      .join(' ')
  }

  async append(hold: Hold, values: string): Promise<string> {
    const slice = this.#slice(hold, values)
    if ((await this.#run(appendSlices, [slice])).length > 0) return 'fenced'
    const held = this.#held.get(nameOf(hold))
    if (held) Object.assign(held, { last_seq: held.last_seq + 1, commits: held.commits + 1 })
    return 'done'
  }

  async finish(hold: Hold, how: How, goOn: boolean): Promise<string> {
    const args = { thread_id: hold.thread_id, slice: this.#slice(hold), ...ENDINGS[how], ending: { reason: how } }
    const { landed, next } = await this.#run(finishRun, goOn ? { ...args, claim: claimOnce() } : args)
    if (next) this.#hold(next)
    return landed ? `done ${next?.run.run_id ?? ''}` : 'fenced'
  }

  async handBack(hold: Hold): Promise<string> {
    const landed = await this.#run(handBack, { thread_id: hold.thread_id, slice: this.#slice(hold) })
    return landed ? 'done' : 'fenced'
  }

  async ripen(thread_id: string): Promise<string> {
    await this.#run(ripenThread, thread_id)
    return 'done'
  }

  async orphan(thread_id: string): Promise<string> {
    await this.#run(orphanThread, thread_id)
    return 'done'
  }

  async view(): Promise<View> {
    const sight = await this.#run(lookAround, undefined)
    const view: View = { threads: {}, runs: {}, checkpoints: [] }
    for (const { thread_id, status, resting_status, state } of sight.threads) {
      const values = state
      view.threads[thread_id] = { status, resting: resting_status, values }
      view.runs[thread_id] = sight.runs.filter(run => run.thread_id === thread_id).map(show)
    }
    view.checkpoints = sight.checkpoints.map(one => `${one.thread_id} ${one.run_id}`).sort()
    return view
  }

  async #run<A, T>(transition: Transition<A, T>, args: A): Promise<T> {
    try {
      return await this.#db.run(transition, args)
    } catch (error) {
      throw error instanceof RunloomError ? new Refused(error.code) : error
    }
  }

  #hold(claimed: ClaimedRun) {
    const { run_id } = claimed.run
    const claim = (this.#claims.get(run_id) ?? 0) + 1
    this.#claims.set(run_id, claim)
    this.#held.set(nameOf({ run_id, claim }), { claimed, last_seq: claimed.last_seq, commits: 0 })
  }

  /** What a worker would write next under one of its holds, which may be an old one. */
  #slice(hold: Hold, values?: string): Slice {
    const held = this.#held.get(nameOf(hold))
    if (!held) throw new Error(`${nameOf(hold)} was never claimed`)
    const { claimed, last_seq, commits } = held
    const { thread_id, run_id } = hold
    const checkpoint_id = String(++this.#checkpoints).padStart(6, '0')
    const row = {
      thread_id,
      checkpoint_id,
      run_id,
      checkpoint: '{}',
      channels: '{}',
      metadata: '{}',
      checkpoint_ns: '',
    }
    const columns = Object.fromEntries(Object.keys(row).map(name => [name, 'text' as const]))
    const event = { event: 'values', data: values ?? '', lines: 1, at_ms: 0 }
    const written = values === undefined ? [] : [insertMany('checkpoints', columns)([row])]
    return {
      run_id,
      attempt: claimed.attempt,
      last_seq,
      commits,
      events: values === undefined ? [] : [event],
      writes: written,
    }
  }
}

function nameOf({ run_id, claim }: Pick<Hold, 'run_id' | 'claim'>): string {
  return `${run_id} ${claim}`
}

function show({ run_id, status, cancel_action, ending, crashes, events }: Sight['runs'][number]): string {
  const reason = ending ? (JSON.parse(ending) as { reason: string }).reason : ''
  const stored = inFlight({ status }) && cancel_action ? `${cancel_action} ${reason}` : reason
  return `${run_id} ${status} ${stored} crashes ${crashes} values ${events}`
}

/** Opens a database; each subject that it makes begins with nothing in it. */
export async function openSystems(url: string) {
  const db = await openDatabase(url, { sync: 'normal', connections: 2 })
  await migrate(db)
  await db.run(syncSystemAssistants, [{ graph_id: 'graph', description: null }])
  return {
    async fresh(): Promise<System> {
      await db.run(empty, undefined)
      return new System(db)
    },
    close: () => db.close(),
  }
}
