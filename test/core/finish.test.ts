// Ending a run, renewing its lease, and sweeping what is left of it.
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { renewLeases, sweep } from '../../src/core/claims.ts'
import type { ClaimedRun } from '../../src/core/executor.ts'
import { cancelRun, runOutcome } from '../../src/core/runs.ts'
import { appendSlices } from '../../src/events/log.ts'
import { checkpointWrite, FlakyDatabase } from '../events/support.ts'
import { forEachDatabase } from '../support/databases.ts'
import {
  begin,
  CLAIM,
  type Core,
  claim,
  create,
  event,
  eventsOf,
  expire,
  finish,
  openCore,
  rowsOf,
  runOf,
  sliceOf,
  statusOf,
  threadOf,
} from './harness.ts'

forEachDatabase('an executed run', open => {
  let core: Core
  before(async () => {
    core = await openCore(await open())
  })
  after(() => core.close())
  beforeEach(() => core.empty())

  describe('ending it', () => {
    test('writes its last events, its status and the thread’s at once', async () => {
      const claimed = await begin(core)
      const { run_id, thread_id } = claimed.run
      await core.db.run(appendSlices, [sliceOf(claimed, [event('values', { n: 1 })])])
      const slice = { ...sliceOf(claimed, [event('values', { n: 2 }), event('custom')]), last_seq: 2, commits: 1 }
      assert.deepEqual(await finish(core, claimed, { slice }), { landed: true })
      const run = await runOf(core, run_id)
      assert.deepEqual([run?.status, run?.ending, run?.worker_id], ['success', '{"reason":"completed"}', null])
      assert.ok(run?.ended_at && run.retained_from)
      const thread = await threadOf(core, thread_id)
      assert.deepEqual(
        [thread.status, thread.state, thread.due_at, thread.last_thread_seq],
        ['idle', '{"n":2}', null, 4],
      )
      assert.equal((await eventsOf(core, run_id)).length, 4)
    })

    test('leaves what the thread waits for, and the error where it failed', async () => {
      const interrupted = await begin(core)
      const interrupts = { t: [{ id: 'i', value: { question: 1 } }] }
      await finish(core, interrupted, { interrupts, resting_status: 'interrupted' })
      const waiting = await threadOf(core, interrupted.run.thread_id)
      assert.deepEqual([waiting.status, JSON.parse(waiting.interrupts)], ['interrupted', interrupts])
      const failed = await begin(core, { thread_id: interrupted.run.thread_id })
      const error = { error: 'Oops', message: 'it broke' }
      await finish(core, failed, { status: 'error', ending: { reason: 'failed', error }, resting_status: 'error' })
      const broken = await threadOf(core, interrupted.run.thread_id)
      assert.deepEqual([broken.status, broken.error, broken.interrupts], ['error', 'it broke', '{}'])
    })

    test('keeps the thread’s values where the run has none', async () => {
      const first = await begin(core)
      const { thread_id } = first.run
      await finish(core, first, { slice: sliceOf(first, [event('values', { n: 1 })]) })
      await finish(core, await begin(core, { thread_id }))
      assert.equal((await threadOf(core, thread_id)).state, '{"n":1}')
    })

    test('starts the thread’s next due run in the same transaction, unless another thread waits', async () => {
      const first = await begin(core)
      const [second, third] = [
        await create(core, { thread_id: first.run.thread_id }),
        await create(core, { thread_id: first.run.thread_id }),
      ]
      await create(core, { after_ms: 60_000 })
      const { next } = await finish(core, first, { claim: CLAIM })
      assert.equal(next?.run.run_id, second.run.run_id)
      const other = await create(core)
      await core.sql`update threads set due_at = due_at - 1 where thread_id = ${other.run.thread_id}`
      const yielded = await finish(core, next as ClaimedRun, { claim: CLAIM })
      assert.deepEqual(yielded, { landed: true, yielded: true })
      const claimed = await claim(core)
      assert.deepEqual(
        claimed.map(({ run }) => run.run_id),
        [other.run.run_id, third.run.run_id],
      )
      assert.deepEqual(await finish(core, claimed[1] as ClaimedRun, { claim: CLAIM }), { landed: true })
    })

    test('does nothing for an owner that lost it', async () => {
      const first = await begin(core)
      await expire(core, first.run.thread_id)
      const [second] = await claim(core, { worker_id: 'b' })
      const slice = sliceOf(first, [event('values', { n: 1 })], {
        writes: [checkpointWrite(first.run.thread_id, 't', first.run.run_id)],
      })
      assert.deepEqual(await finish(core, first, { slice }), { landed: false })
      assert.deepEqual(await rowsOf(core, 'run_id', first.run.run_id), { runs: 1, run_heads: 1, run_events: 2 })
      assert.deepEqual(await finish(core, second as ClaimedRun), { landed: true })
    })

    test('is done once when the answer to its commit was lost', async () => {
      const claimed = await begin(core)
      const flaky = new FlakyDatabase(core.db)
      const slice = sliceOf(claimed, [event('values')])
      flaky.faults.push('after commit')
      await assert.rejects(finish({ ...core, db: flaky }, claimed, { slice }), /terminated/)
      assert.deepEqual(await finish(core, claimed, { slice }), { landed: true })
      assert.equal((await eventsOf(core, claimed.run.run_id)).length, 2)
      const empty = await begin(core)
      flaky.faults.push('after commit')
      await assert.rejects(finish({ ...core, db: flaky }, empty), /terminated/)
      assert.deepEqual(await finish(core, empty), { landed: true })
    })

    test('what it came to is its last root values', async () => {
      const claimed = await begin(core)
      const events = [event('values', 1), event('values|sub', 9), event('values', 2), event('custom')]
      await finish(core, claimed, { slice: sliceOf(claimed, events) })
      const outcome = await core.db.run(runOutcome, claimed.run.run_id)
      assert.equal(outcome?.values?.data, '2')
      assert.equal(await core.db.run(runOutcome, 'unknown'), undefined)
    })
  })

  describe('renewing leases', () => {
    const renew = (db: Core['db'], ...claimed: ClaimedRun[]) =>
      db.run(renewLeases, {
        runs: claimed.map(({ run, attempt }) => ({ run_id: run.run_id, attempt })),
        lease_ms: 30_000,
      })
    const dueAt = async (claimed: ClaimedRun) => (await threadOf(core, claimed.run.thread_id)).due_at
    const still = (claimed: ClaimedRun, cancelled = false) => ({ run_id: claimed.run.run_id, renewed: true, cancelled })

    test('moves those that are mine, tells which were cancelled, and leaves out those that are lost', async () => {
      const runs = [await begin(core), await begin(core), await begin(core), await begin(core), await begin(core)]
      const [mine, cancelled, taken, ended, gone] = runs as [ClaimedRun, ClaimedRun, ClaimedRun, ClaimedRun, ClaimedRun]
      await core.db.run(cancelRun, { run_id: cancelled.run.run_id, action: 'interrupt', by: 'me' })
      await expire(core, taken.run.thread_id)
      await claim(core, { worker_id: 'b', lease_ms: 90_000 })
      await finish(core, ended)
      await core.sql`delete from threads where thread_id = ${gone.run.thread_id}`
      await core.sql`update threads set due_at = 5 where thread_id = ${mine.run.thread_id}`
      const before = await dueAt(taken)
      const answer = await renew(core.db, ...runs)
      const byId = (a: { run_id: string }, b: { run_id: string }) => (a.run_id < b.run_id ? -1 : 1)
      assert.deepEqual(answer.sort(byId), [still(mine), still(cancelled, true)].sort(byId))
      assert.equal(await dueAt(taken), before)
      assert.equal(await dueAt(ended), null)
      assert.ok(((await dueAt(mine)) as number) > 1_000_000)
    })

    test('does not move the lease of a successor on the same thread', async () => {
      const first = await begin(core)
      const second = await create(core, { thread_id: first.run.thread_id })
      const { next } = await finish(core, first, { claim: { ...CLAIM, lease_ms: 90_000 } })
      assert.equal(next?.run.run_id, second.run.run_id)
      const before = await dueAt(first)
      assert.deepEqual(await renew(core.db, first), [])
      assert.equal(await dueAt(first), before)
    })

    test('is one question however many there are, and none of them is missed', async () => {
      const runs = await Promise.all(Array.from({ length: 100 }, () => begin(core)))
      assert.equal((await renew(core.db, ...runs)).filter(one => one.renewed).length, 100)
    })
  })

  describe('the sweep', () => {
    const swept = (retention_ms = 1_000) => core.db.run(sweep, { retention_ms })
    const age = (claimed: ClaimedRun) =>
      core.sql`update runs set retained_from = 1 where run_id = ${claimed.run.run_id}`

    async function endedRun(args = {}): Promise<ClaimedRun> {
      const claimed = await begin(core, args)
      const { run_id, thread_id } = claimed.run
      await finish(core, claimed, {
        slice: sliceOf(claimed, [event('values')], { writes: [checkpointWrite(thread_id, run_id, run_id)] }),
      })
      return claimed
    }

    test('removes the events of runs that ended long enough ago, not the runs, and no others', async () => {
      const [old, fresh, executing] = [await endedRun(), await endedRun(), await begin(core)]
      await age(old)
      assert.deepEqual(await swept(), { swept: 1, more: false })
      assert.deepEqual(await rowsOf(core, 'run_id', old.run.run_id), { runs: 1, run_heads: 1, checkpoint_writes: 1 })
      assert.equal((await eventsOf(core, fresh.run.run_id)).length, 2)
      assert.equal((await eventsOf(core, executing.run.run_id)).length, 1)
      assert.deepEqual(await swept(), { swept: 0, more: false })
    })

    test('removes a temporary thread with its run', async () => {
      const old = await endedRun({ if_not_exists: 'temporary' })
      await age(old)
      await swept()
      assert.deepEqual(await rowsOf(core, 'thread_id', old.run.thread_id), {})
      assert.deepEqual(await rowsOf(core, 'run_id', old.run.run_id), {})
    })

    test('keeps a temporary thread while another run of it is retained or in flight', async () => {
      const old = await endedRun({ if_not_exists: 'temporary' })
      const { thread_id } = old.run
      const second = await endedRun({ thread_id, if_not_exists: 'temporary' })
      await age(old)
      await swept()
      assert.equal((await eventsOf(core, second.run.run_id)).length, 2)
      const third = await create(core, { thread_id, if_not_exists: 'temporary' })
      await age(second)
      await swept()
      assert.equal(await statusOf(core, third.run.run_id), 'pending')
      const [claimed] = await claim(core)
      await finish(core, claimed as ClaimedRun)
      await age(claimed as ClaimedRun)
      await swept()
      assert.deepEqual(await rowsOf(core, 'thread_id', thread_id), {})
    })

    test('says when there is more, and does it in portions', async () => {
      for (let n = 0; n < 105; n++) await age(await endedRun())
      assert.deepEqual(await swept(), { swept: 100, more: true })
      assert.deepEqual(await swept(), { swept: 5, more: false })
      assert.equal((await core.sql`select count(*) as n from run_events`)[0]?.n, 0)
    })

    test('two at once do it once', async () => {
      const old = await Promise.all(Array.from({ length: 20 }, () => endedRun({ if_not_exists: 'temporary' })))
      for (const claimed of old) await age(claimed)
      await Promise.all([swept(), swept(), swept()])
      while ((await swept()).swept > 0);
      assert.equal((await core.sql`select count(*) as n from threads`)[0]?.n, 0)
    })
  })
})
