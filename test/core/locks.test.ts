// Postgres only: who waits for whom. A thread that a long transaction holds must not stop the others, nor a renewal that hangs
// its run.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { Worker as Thread } from 'node:worker_threads'
import pg from 'pg'
import { renewLeases, sweep } from '../../src/core/claims.ts'
import { LeaseBoard } from '../../src/core/lease-board.ts'
import type { LeaseReport, LeaseThread } from '../../src/core/leases.ts'
import { createDatabase, dropDatabase } from '../support/postgres.ts'
import { begin, type Core, claim, create, finish, openCore, statusOf, until } from './harness.ts'

describe('while a transaction holds a thread on postgres', () => {
  let url: string
  let core: Core
  let holder: pg.Client
  before(async () => {
    url = await createDatabase()
    core = await openCore(url)
  })
  after(async () => {
    await core.close()
    await dropDatabase(url)
  })
  beforeEach(async () => {
    await core.empty()
    holder = new pg.Client({ connectionString: url })
    await holder.connect()
    await holder.query('begin')
  })
  afterEach(() => holder.end())

  const hold = (thread_id: string) => holder.query('select 1 from threads where thread_id = $1 for update', [thread_id])

  test('the leases of all other runs are renewed, and that of its run is not called lost', async () => {
    const [held, free] = [await begin(core), await begin(core)]
    await hold(held.run.thread_id)
    const runs = [held, free].map(({ run, attempt }) => ({ run_id: run.run_id, attempt }))
    const answer = await core.db.run(renewLeases, { runs, lease_ms: 30_000 })
    const renewed = new Map(answer.map(one => [one.run_id, one.renewed]))
    assert.deepEqual([renewed.get(held.run.run_id), renewed.get(free.run.run_id)], [false, true])
  })

  test('runs of all other threads are claimed and ended', async () => {
    const [held, free] = [await create(core), await create(core)]
    await hold(held.run.thread_id)
    const claimed = await claim(core)
    assert.deepEqual(
      claimed.map(({ run }) => run.run_id),
      [free.run.run_id],
    )
    for (const one of claimed) await finish(core, one)
    assert.equal(await statusOf(core, free.run.run_id), 'success')
  })

  test('the sweep passes by', async () => {
    const [held, free] = [await begin(core), await begin(core)]
    for (const one of [held, free]) await finish(core, one)
    await core.sql`update runs set retained_from = 1`
    await hold(held.run.thread_id)
    assert.equal((await core.db.run(sweep, { retention_ms: 1_000 })).swept, 1)
  })

  test('a renewal that gets no answer is asked for again at once, not a third of the lease later', async () => {
    const { run, attempt } = await begin(core)
    await holder.query('lock table runs in access exclusive mode')
    const lease_ms = 18_000
    const ticks = new Int32Array(new SharedArrayBuffer(4))
    const board = new LeaseBoard()
    board.add({ run_id: run.run_id, attempt })
    const workerData: LeaseThread = { url, door: undefined, lease_ms, ticks, hung_ms: 120_000, board: board.memory }
    const thread = new Thread(new URL('../../src/core/lease-thread.ts', import.meta.url), { workerData })
    const asked = new Map<unknown, number>()
    await until(async () => {
      const waiting = await core.sql`
        select pid, cast(extract(epoch from query_start) * 1000 as bigint) as ms from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and query like '%for update skip locked'`
      for (const { pid, ms } of waiting) asked.set(pid, ms as number)
      return asked.size === 2
    }, 'another connection asks, as the first one was given up')
    const [first = 0, second = 0] = [...asked.values()].sort((a, b) => a - b)
    assert.ok(
      second - first < lease_ms * 0.6,
      `asked after ${second - first} ms; a third of it is the wait for the answer`,
    )
    await holder.query('rollback')
    const [report] = (await once(thread, 'message')) as [LeaseReport]
    // Whether it was renewed this time, or next, depends on what becomes of the one that was given up.
    assert.deepEqual(
      report.renewed.map(one => one.run_id),
      [run.run_id],
    )
    thread.postMessage('close')
    await once(thread, 'exit')
  })
})
