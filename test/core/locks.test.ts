// Postgres only: who waits for whom. A thread that a long transaction holds must not stop the others, nor a renewal that hangs
// its run.
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import pg from 'pg'
import { renewLeases, sweep } from '../../src/core/claims.ts'
import { createDatabase, dropDatabase } from '../support/postgres.ts'
import { Executions } from './executors.ts'
import { begin, type Core, claim, create, finish, openCore, startWorker, statusOf, until } from './harness.ts'

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

  test('a renewal that gets no answer is asked for again at once, and costs no run its lease', async () => {
    const executions = new Executions()
    const worker = startWorker(core, executions.executor, { lease_ms: 9_000, poll_ms: 60_000 })
    await worker.start()
    const { signal, end } = await executions.nth(1)
    const leaseEnd = async () => (await core.sql`select due_at as ms from threads`)[0]?.ms as number
    const first = await leaseEnd()
    await until(async () => (await leaseEnd()) > first, 'it renews')
    await holder.query('lock table runs in access exclusive mode')
    const asking = new Set<number>()
    await until(async () => {
      const waiting = await core.sql`
        select pid from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and query like '%for update skip locked'`
      for (const { pid } of waiting) asking.add(pid as number)
      return asking.size === 2
    }, 'another connection asks, as the first one was given up')
    assert.equal(signal.aborted, false)
    const before = await leaseEnd()
    await holder.query('rollback')
    await until(async () => (await leaseEnd()) > before, 'the lease is renewed')
    assert.equal(signal.aborted, false)
    end()
    await worker.close()
  })
})
