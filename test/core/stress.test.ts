// Everything at once, by chance, from several processes: whatever the order, nothing fails that has no reason to, no
// connections lock each other out, and what is stored fits together.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { type Claim, handBack, renewLeases, sweep } from '../../src/core/claims.ts'
import { RunloomError } from '../../src/core/errors.ts'
import type { ClaimedRun } from '../../src/core/executor.ts'
import { type CancelAction, cancelRun, deleteRun, type MultitaskStrategy } from '../../src/core/runs.ts'
import { deleteThread } from '../../src/core/threads.ts'
import { LocalBus } from '../../src/events/bus.ts'
import { EventLog } from '../../src/events/event-log.ts'
import { Fenced, type RunWriter } from '../../src/events/run-writer.ts'
import { checkpointWrite, numbers } from '../events/support.ts'
import { forEachDatabase } from '../support/databases.ts'
import { CLAIM, type Core, claim, create, event, expire, finish, openCore } from './harness.ts'

const THREADS = numbers(1, 6).map(n => `thread-${n}`)
const ROUNDS = 120
const ACTORS = 4

forEachDatabase('everything at once', open => {
  const cores: Core[] = []
  before(async () => {
    const first = await openCore(await open())
    cores.push(first)
    while (cores.length < 3) cores.push(await first.again())
  })
  after(() => Promise.all(cores.map(core => core.close())))

  test('neither deadlocks nor contradicts itself', async () => {
    const [core] = cores as [Core]
    const processes = cores.map((one, index) => new Process(one, 1_000 + index))
    const before = await deadlocks(core)
    await Promise.all(processes.flatMap(process => numbers(1, ACTORS).map(() => process.live(ROUNDS))))
    await Promise.all(processes.map(process => process.log.close()))
    assert.equal((await deadlocks(core)) - before, 0)
    await fitsTogether(core)
    assert.ok(new Set(processes.flatMap(process => [...process.done])).size >= 12, 'some of what can happen did not')
  })
})

class Process {
  readonly log: EventLog
  /** What has happened at least once. */
  readonly done = new Set<string>()
  readonly #core: Core
  readonly #owned = new Map<string, { claimed: ClaimedRun; writer: RunWriter }>()
  #state: number

  constructor(core: Core, seed: number) {
    this.#core = core
    this.#state = seed
    this.log = new EventLog(core.db, new LocalBus())
  }

  async live(rounds: number) {
    for (let round = 0; round < rounds; round++) await this.#act()
  }

  async #act() {
    const thread_id = this.#pick(THREADS)
    const { db } = this.#core
    const choice = this.#below(20)
    if (choice < 5) {
      const multitask_strategy = this.#pick<MultitaskStrategy>([
        'enqueue',
        'enqueue',
        'reject',
        'interrupt',
        'rollback',
      ])
      const claim = this.#below(2) ? { claim: claimOnce() } : {}
      const created = await this.#try(multitask_strategy, () =>
        create(this.#core, { thread_id, multitask_strategy, ...claim }),
      )
      if (created?.claimed) this.#own(created.claimed)
    } else if (choice < 8) {
      const driving = [...this.#owned.keys()]
      for (const claimed of (await this.#try('claim', () =>
        claim(this.#core, { ...claimOnce(), limit: 4, driving }),
      )) ?? [])
        this.#own(claimed)
    } else if (choice < 12) {
      await this.#try('append', () => Promise.all([...this.#owned.values()].map(owned => this.#append(owned))))
    } else if (choice < 14) await this.#try('end', () => this.#end())
    else if (choice === 14) await this.#try('expire', () => expire(this.#core, thread_id))
    else if (choice === 15) {
      const runs = [...this.#owned.values()].map(({ claimed }) => ({
        run_id: claimed.run.run_id,
        attempt: claimed.attempt,
      }))
      if (runs.length > 0) await this.#try('renew', () => db.run(renewLeases, { runs, lease_ms: 1_000 }))
    } else if (choice === 16) {
      const run_id = await this.#anyRun(thread_id)
      const action = this.#pick<CancelAction>(['interrupt', 'rollback'])
      if (run_id) await this.#try(`cancel by ${action}`, () => db.run(cancelRun, { run_id, action, by: 'chance' }))
    } else if (choice === 17) {
      const run_id = await this.#anyRun(thread_id)
      if (run_id) await this.#try('delete', () => db.run(deleteRun, { run_id }))
    } else if (choice === 18) await this.#try('sweep', () => db.run(sweep, { retention_ms: 0 }))
    else if (this.#below(3) === 0) await this.#try('delete thread', () => db.run(deleteThread, { thread_id }))
  }

  #own(claimed: ClaimedRun) {
    const { run_id } = claimed.run
    this.#owned.set(run_id, { claimed, writer: this.log.open(run_id, claimed, () => this.#owned.delete(run_id)) })
  }

  async #append({ claimed, writer }: { claimed: ClaimedRun; writer: RunWriter }) {
    const { run_id, thread_id } = claimed.run
    const rows = [checkpointWrite(thread_id, String(this.#state++), run_id)]
    await writer.append(event('values', this.#below(100)), rows).catch(expectFenced)
  }

  async #end() {
    const [owned] = this.#owned.values()
    if (!owned) return
    const { claimed, writer } = owned
    this.#owned.delete(claimed.run.run_id)
    void writer.append(event('custom')).catch(() => {})
    const slice = await writer.takeRest().catch(expectFenced)
    if (slice && this.#below(3) === 0) await this.#core.db.run(handBack, { thread_id: claimed.run.thread_id, slice })
    else if (slice) {
      const { next } = await finish(this.#core, claimed, {
        slice,
        claim: { ...claimOnce(), driving: [...this.#owned.keys()] },
      })
      this.log.release(writer)
      if (next) this.#own(next)
      return
    }
    this.log.release(writer)
  }

  async #anyRun(thread_id: string): Promise<string | undefined> {
    const rows = await this.#core
      .sql`select run_id from runs where thread_id = ${thread_id} order by position desc limit 3`
    return rows.length > 0 ? (this.#pick(rows).run_id as string) : undefined
  }

  async #try<T>(name: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      const result = await work()
      this.done.add(name)
      return result
    } catch (error) {
      if (error instanceof RunloomError && ['conflict', 'not_found'].includes(error.code)) return undefined
      throw new Error(`${name} failed`, { cause: error })
    }
  }

  #below(limit: number): number {
    this.#state = (this.#state * 1_103_515_245 + 12_345) % 2 ** 31
    return Math.floor((this.#state / 2 ** 31) * limit)
  }

  #pick<T>(from: readonly T[]): T {
    return from[this.#below(from.length)] as T
  }
}

/** Each claim has an id of its own: what it took is found by it. */
function claimOnce(): Claim {
  return { ...CLAIM, worker_id: randomUUID() }
}

function expectFenced(error: unknown): undefined {
  if (!(error instanceof Fenced)) throw error
}

async function deadlocks({ db, sql }: Core): Promise<number> {
  if (db.dialect === 'sqlite') return 0
  const [row] = await sql`select deadlocks as n from pg_stat_database where datname = current_database()`
  return row?.n as number
}

/** What must hold between rows whatever happened. */
async function fitsTogether({ sql }: Core) {
  const none = async (what: string, rows: Promise<unknown[]>) => assert.deepEqual(await rows, [], what)
  await none(
    'events of no run',
    sql`select distinct run_id from run_events where run_id not in (select run_id from runs)`,
  )
  await none(
    'writes of no thread',
    sql`
    select distinct thread_id from checkpoint_writes where thread_id not in (select thread_id from threads)`,
  )
  await none('runs without a head', sql`select run_id from runs where run_id not in (select run_id from run_heads)`)
  await none(
    'gaps, unless retention made them',
    sql`
    select h.run_id from run_heads h join runs r on r.run_id = h.run_id join run_events e on e.run_id = h.run_id
    where r.retained_from is not null or r.ended_at is null
    group by h.run_id, h.last_seq having min(e.seq - e.lines) <> 0 or max(e.seq) <> h.last_seq or sum(e.lines) <> h.last_seq`,
  )
  await none(
    'heads that disagree with their run',
    sql`
    select r.run_id from runs r join run_heads h on h.run_id = r.run_id where (r.ended_at is null) <> (h.ended = 0)`,
  )
  await none(
    'threads that are busy with nothing, or idle with something',
    sql`
    select thread_id from threads t where (t.status = 'busy') <> exists (
      select 1 from runs where runs.thread_id = t.thread_id and status in ('pending', 'running'))`,
  )
  await none(
    'threads that nobody would look at',
    sql`
    select thread_id from threads t where t.due_at is null and exists (
      select 1 from runs where runs.thread_id = t.thread_id and status in ('pending', 'running'))`,
  )
  await none(
    'runs of a rolled back run’s state',
    sql`
    select run_id from checkpoint_writes w where run_id in (select run_id from runs where cancel_action = 'rollback'
      and ended_at is not null)`,
  )
}
