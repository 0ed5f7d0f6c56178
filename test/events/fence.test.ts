// The fence of design §10.1 on Postgres, whose READ COMMITTED lets a condition in an insert see the past. Two connections
// are stepped through their statements by hand.
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import pg from 'pg'
import { finishRun } from '../../src/core/claims.ts'
import type { ClaimedRun } from '../../src/core/executor.ts'
import { cancelRun } from '../../src/core/runs.ts'
import { deleteThread } from '../../src/core/threads.ts'
import type { Row, Statement, Transition } from '../../src/db/database.ts'
import { appendSlices } from '../../src/events/log.ts'
import { begin, type Core, claim, event, eventsOf, expire, openCore, rowsOf, sliceOf } from '../core/harness.ts'
import { createDatabase, dropDatabase } from '../support/postgres.ts'
import { checkpointWrite, numbers } from './support.ts'

describe('the fence on postgres', () => {
  let url: string
  let core: Core
  let slow: pg.Client
  let claimed: ClaimedRun
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
    slow = new pg.Client({ connectionString: url })
    await slow.connect()
    claimed = await begin(core)
    await expire(core, claimed.run.thread_id)
  })
  afterEach(() => slow.end())

  /** Begins a transition on the slow connection and does all of it but the commit, which the caller gets. */
  async function allButCommit<A, T>(transition: Transition<A, T>, args: A): Promise<() => Promise<T>> {
    await slow.query('begin')
    const steps = transition.steps(args)
    let next = steps.next()
    while (!next.done) next = steps.next(await query(next.value))
    const { value } = next
    return async () => {
      await slow.query('commit')
      return value
    }
  }

  async function query(statement: Statement): Promise<Row[]> {
    if (!('each' in statement)) return numeric((await slow.query(statement.text, statement.values)).rows)
    if (statement.rows.length === 0) return []
    await slow.query(
      statement.all,
      statement.columns.map(column => statement.rows.map(row => row[column])),
    )
    return []
  }

  function numeric(rows: Row[]): Row[] {
    const number = (value: unknown) => (/^\d+$/.test(String(value)) ? Number(value) : value)
    return rows.map(row => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, number(value)])) as Row)
  }

  /** Resolves when some connection waits for a lock. */
  async function somebodyWaits() {
    for (;;) {
      const [row] = await core.sql`
        select count(*) as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
      if (Number(row?.n) > 0) return
    }
  }

  test('an insert with a condition on the attempt is no fence: an old owner writes after a new one has begun', async () => {
    const { run_id } = claimed.run
    await slow.query('begin')
    const naive = await slow.query(
      `insert into run_events (run_id, seq, event, data, lines, at_ms)
       select run_id, 99, 'naive', '{}', 1, 0 from run_heads where run_id = $1 and attempt = $2`,
      [run_id, claimed.attempt],
    )
    assert.equal(naive.rowCount, 1)
    const [taken] = await claim(core)
    assert.equal(taken?.attempt, 2)
    await slow.query('commit')
    assert.deepEqual(
      (await eventsOf(core, run_id)).map(one => one.event),
      ['metadata', 'metadata', 'naive'],
    )
  })

  test('a claim waits for an append under way, and counts its events', async () => {
    const commit = await allButCommit(appendSlices, [sliceOf(claimed, [event('custom'), event('custom')])])
    const taking = claim(core)
    await somebodyWaits()
    assert.deepEqual(await commit(), [])
    const [taken] = await taking
    assert.deepEqual([taken?.attempt, taken?.last_seq], [2, 4])
    assert.deepEqual(
      (await eventsOf(core, claimed.run.run_id)).map(one => one.seq),
      numbers(1, 4),
    )
  })

  test('an append waits for a claim under way, and is refused', async () => {
    const { claimRuns } = await import('../../src/core/claims.ts')
    const args = { worker_id: 'b', lease_ms: 60_000, limit: 1, max_crashes: 3, driving: [] }
    const commit = await allButCommit(claimRuns, args)
    const appending = core.db.run(appendSlices, [sliceOf(claimed, [event('custom')])])
    await somebodyWaits()
    await commit()
    assert.deepEqual(await appending, [claimed.run.run_id])
    assert.equal((await eventsOf(core, claimed.run.run_id)).length, 2)
  })

  test('an ending waits for an append under way of the same run, and does not overtake it', async () => {
    const commit = await allButCommit(appendSlices, [sliceOf(claimed, [event('custom')])])
    const { thread_id } = claimed.run
    const slice = { ...sliceOf(claimed, [event('last')]), last_seq: 2, commits: 1 }
    const ending = { reason: 'completed' }
    const finishing = core.db.run(finishRun, {
      thread_id,
      slice,
      status: 'success',
      ending,
      interrupts: {},
      resting_status: 'idle',
    })
    await somebodyWaits()
    await commit()
    assert.deepEqual(await finishing, { landed: true })
    assert.deepEqual(
      (await eventsOf(core, claimed.run.run_id)).map(one => one.event),
      ['metadata', 'custom', 'last'],
    )
  })

  test('a rollback of a dead owner waits for its append under way, and leaves no row of it', async () => {
    const { run_id, thread_id } = claimed.run
    const slice = sliceOf(claimed, [event('custom')], { writes: [checkpointWrite(thread_id, 't', run_id)] })
    const commit = await allButCommit(appendSlices, [slice])
    const cancelling = core.db.run(cancelRun, { run_id, action: 'rollback', by: 'test' })
    await somebodyWaits()
    await commit()
    await cancelling
    assert.deepEqual(await rowsOf(core, 'run_id', run_id), {})
  })

  test('the deletion of a thread waits for an append under way, and leaves no row of it', async () => {
    const { run_id, thread_id } = claimed.run
    const slice = sliceOf(claimed, [event('custom')], { writes: [checkpointWrite(thread_id, 't', run_id)] })
    const commit = await allButCommit(appendSlices, [slice])
    const deleting = core.db.run(deleteThread, { thread_id })
    await somebodyWaits()
    await commit()
    assert.deepEqual(await deleting, [run_id])
    assert.deepEqual(await rowsOf(core, 'run_id', run_id), {})
    assert.deepEqual(await rowsOf(core, 'thread_id', thread_id), {})
  })
})
