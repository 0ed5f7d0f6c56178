// Claiming: one executing run a thread, each run claimed once an attempt, and a dead owner's run by somebody else.
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { join } from 'sql-template-tag'
import { handBack } from '../../src/core/claims.ts'
import type { ClaimedRun } from '../../src/core/executor.ts'
import { cancelRun } from '../../src/core/runs.ts'
import { startAlone } from '../../src/core/startup.ts'
import { appendSlices } from '../../src/events/log.ts'
import { numbers } from '../events/support.ts'
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
  newThread,
  openCore,
  runOf,
  sliceOf,
  statusOf,
  threadOf,
} from './harness.ts'

forEachDatabase('claiming', open => {
  let core: Core
  let other: Core
  before(async () => {
    core = await openCore(await open())
    other = await core.again()
  })
  after(async () => {
    await other.close()
    await core.close()
  })
  beforeEach(() => core.empty())

  test('many claimers on two connections share the runs of many threads, and each thread executes one at a time', async () => {
    const threads = await Promise.all(numbers(1, 12).map(() => newThread(core)))
    const created = await Promise.all(
      numbers(1, 60).map(n => create(core, { thread_id: threads[(n * 7) % 12] as string })),
    )
    const claims: ClaimedRun[] = []
    const executing = new Map<string, string>()
    const claimer = async (n: number) => {
      const mine = n % 2 ? core : other
      while (claims.length < created.length) {
        for (const claimed of await claim(mine, { worker_id: `w${n}`, limit: (n % 3) + 1 })) {
          const { run_id, thread_id } = claimed.run
          claims.push(claimed)
          assert.equal(executing.get(thread_id), undefined, 'two runs of a thread at once')
          executing.set(thread_id, run_id)
          await new Promise(setImmediate)
          executing.delete(thread_id)
          assert.deepEqual(await finish(mine, claimed), { landed: true })
        }
      }
    }
    await Promise.all(numbers(1, 6).map(claimer))
    assert.equal(new Set(claims.map(({ run }) => run.run_id)).size, created.length)
    assert.equal(claims.length, created.length)
    for (const thread_id of threads) {
      const order = claims.filter(({ run }) => run.thread_id === thread_id).map(({ run }) => run.position)
      assert.deepEqual(order, numbers(1, order.length))
    }
  })

  test('a thread with hundreds of queued runs takes one place of a claim', async () => {
    const busy = await newThread(core)
    await Promise.all(numbers(1, 300).map(() => create(core, { thread_id: busy })))
    const others = await Promise.all(numbers(1, 5).map(() => create(core)))
    const claimed = await claim(core, { limit: 6 })
    const threads = claimed.map(({ run }) => run.thread_id)
    assert.deepEqual(new Set(threads), new Set([busy, ...others.map(({ run }) => run.thread_id)]))
    assert.deepEqual(await claim(core), [])
  })

  test('takes no more than asked for, the longest due first', async () => {
    const created = []
    for (const n of numbers(1, 4)) {
      const { run } = await create(core)
      await core.sql`update threads set due_at = ${n} where thread_id = ${run.thread_id}`
      created.push(run.run_id)
    }
    const ids = async (limit: number) => (await claim(core, { limit })).map(({ run }) => run.run_id)
    assert.deepEqual(await ids(0), [])
    assert.deepEqual(await ids(3), created.slice(0, 3))
    assert.deepEqual(await ids(3), created.slice(3))
  })

  test('begins an attempt with an event, and the lease with the claim', async () => {
    const { run } = await create(core)
    const [claimed] = await claim(core, { worker_id: 'me', lease_ms: 30_000 })
    assert.deepEqual([claimed?.attempt, claimed?.last_seq, claimed?.run.worker_id], [1, 1, 'me'])
    assert.equal(claimed?.run.status, 'running')
    assert.ok(claimed?.run.started_at)
    const [lease] = await core.sql`select due_at - now_ms() as ms from threads where thread_id = ${run.thread_id}`
    assert.ok((lease?.ms as number) > 25_000 && (lease?.ms as number) <= 30_000)
  })

  describe('a run whose lease has ended', () => {
    test('is taken over: a higher attempt, one crash more, the log goes on', async () => {
      const first = await begin(core)
      await core.db.run(appendSlices, [sliceOf(first, [event('custom')])])
      await expire(core, first.run.thread_id)
      const [second] = await claim(other, { worker_id: 'b' })
      assert.deepEqual([second?.attempt, second?.last_seq, second?.run.crashes], [2, 3, 1])
      assert.equal(second?.run.started_at, first.run.started_at)
      const events = (await eventsOf(core, first.run.run_id)).map(one => [
        one.seq,
        one.event,
        JSON.parse(one.data).attempt,
      ])
      assert.deepEqual(events, [
        [1, 'metadata', 1],
        [2, 'custom', undefined],
        [3, 'metadata', 2],
      ])
    })

    test('is not taken while its lease runs', async () => {
      await begin(core)
      assert.deepEqual(await claim(other), [])
    })

    test('is taken by one of many who try', async () => {
      const first = await begin(core)
      await expire(core, first.run.thread_id)
      const claimed = await Promise.all(numbers(1, 10).map(n => claim(n % 2 ? core : other, { worker_id: `w${n}` })))
      assert.equal(claimed.flat().length, 1)
      assert.equal((await runOf(core, first.run.run_id))?.crashes, 1)
    })

    test('comes before what waits behind it', async () => {
      const first = await begin(core)
      const second = await create(core, { thread_id: first.run.thread_id })
      await expire(core, first.run.thread_id)
      assert.deepEqual(
        (await claim(core)).map(({ run }) => run.run_id),
        [first.run.run_id],
      )
      assert.equal(await statusOf(core, second.run.run_id), 'pending')
    })

    test('is renewed, not taken over, by the process that is still driving it', async () => {
      const first = await begin(core)
      const { run_id, thread_id } = first.run
      await expire(core, thread_id)
      assert.deepEqual(await claim(core, { driving: [run_id], lease_ms: 30_000 }), [])
      const run = await runOf(core, run_id)
      assert.deepEqual([run?.status, run?.crashes], ['running', 0])
      assert.deepEqual(await claim(other), [])
      assert.deepEqual(await core.db.run(appendSlices, [sliceOf(first, [event('custom')])]), [])
    })

    test('is ended with a sentence after too many crashes, in the log too, and what waits behind it starts', async () => {
      const first = await begin(core)
      const { run_id, thread_id } = first.run
      const second = await create(core, { thread_id })
      for (const crashes of [1, 2, 3]) {
        await expire(core, thread_id)
        assert.equal((await claim(core))[0]?.run.crashes, crashes)
      }
      await expire(core, thread_id)
      assert.deepEqual(
        (await claim(core)).map(({ run }) => run.run_id),
        [second.run.run_id],
      )
      const run = await runOf(core, run_id)
      const { reason, error } = JSON.parse(run?.ending as string)
      assert.deepEqual([run?.status, reason, error.error], ['error', 'crashed', 'RunCrashed'])
      assert.match(error.message, /died 4 times; it is not tried again/)
      const log = await eventsOf(core, run_id)
      assert.deepEqual([log.at(-1)?.event, log.at(-1)?.data], ['error', JSON.stringify(error)])
      assert.deepEqual(
        log.map(one => one.seq),
        numbers(1, 5),
      )
      assert.equal((await threadOf(core, thread_id)).error, error.message)
    })

    test('and that was cancelled is ended, not started again', async () => {
      const first = await begin(core)
      await core.db.run(cancelRun, { run_id: first.run.run_id, action: 'interrupt', by: 'me' })
      await expire(core, first.run.thread_id)
      assert.deepEqual(await claim(core), [])
      assert.equal(await statusOf(core, first.run.run_id), 'interrupted')
      assert.equal((await eventsOf(core, first.run.run_id)).length, 1)
      assert.equal((await threadOf(core, first.run.thread_id)).due_at, null)
    })
  })

  describe('handing back', () => {
    const give = (claimed: ClaimedRun, slice = sliceOf(claimed)) =>
      core.db.run(handBack, { thread_id: claimed.run.thread_id, slice })

    test('makes the run due again for anybody, before what waits behind it, and counts no crash', async () => {
      const first = await begin(core)
      await create(core, { thread_id: first.run.thread_id })
      assert.equal(await give(first, sliceOf(first, [event('custom')])), true)
      const run = await runOf(core, first.run.run_id)
      assert.deepEqual([run?.status, run?.worker_id, run?.crashes], ['pending', null, 0])
      const [second] = await claim(other, { worker_id: 'b' })
      assert.deepEqual([second?.run.run_id, second?.run.crashes, second?.last_seq], [first.run.run_id, 0, 3])
      assert.deepEqual(
        (await eventsOf(core, first.run.run_id)).map(one => [one.event, JSON.parse(one.data).attempt]),
        [
          ['metadata', 1],
          ['custom', undefined],
          ['metadata', 1],
        ],
      )
    })

    test('fences the one who gave it back at once', async () => {
      const first = await begin(core)
      await give(first)
      assert.deepEqual(await core.db.run(appendSlices, [sliceOf(first, [event('late')], { commits: 1 })]), [
        first.run.run_id,
      ])
      assert.equal(await give(first), false)
    })

    test('ends a run that was cancelled meanwhile: it is never tried again', async () => {
      for (const action of ['interrupt', 'rollback'] as const) {
        const first = await begin(core)
        await core.db.run(cancelRun, { run_id: first.run.run_id, action, by: 'me' })
        assert.equal(await give(first), true)
        assert.equal(await statusOf(core, first.run.run_id), action === 'interrupt' ? 'interrupted' : undefined)
        assert.deepEqual(await claim(core), [])
      }
    })

    test('is refused when the run is somebody else’s', async () => {
      const first = await begin(core)
      await expire(core, first.run.thread_id)
      await claim(other, { worker_id: 'b' })
      assert.equal(await give(first, sliceOf(first, [event('late')])), false)
      assert.deepEqual(
        [await statusOf(core, first.run.run_id), (await eventsOf(core, first.run.run_id)).length],
        ['running', 2],
      )
    })

    test('a pending run that was never started again is ended like any other', async () => {
      const first = await begin(core)
      await give(first, sliceOf(first, [event('values', { n: 1 })]))
      await core.db.run(cancelRun, { run_id: first.run.run_id, action: 'interrupt', by: 'me' })
      const thread = await threadOf(core, first.run.thread_id)
      assert.deepEqual([thread.status, thread.state, thread.last_thread_seq], ['interrupted', '{"n":1}', 2])
    })
  })

  test('after a start of the one process every executing run is due, and nothing else is', async () => {
    const [executing, later] = [await begin(core), await create(core, { after_ms: 60_000 })]
    const ended = await begin(core)
    await finish(core, ended)
    await core.db.run(startAlone, undefined)
    assert.deepEqual(
      (await claim(core)).map(({ run }) => run.run_id),
      [executing.run.run_id],
    )
    assert.equal((await threadOf(core, later.run.thread_id)).due_at, later.run.not_before)
    assert.equal((await threadOf(core, ended.run.thread_id)).due_at, null)
  })

  test('at a start with a clock that went back, what waits is due in as long as when it began to wait', async () => {
    const [now, later] = [await create(core), await create(core, { after_ms: 60_000 })]
    const [behind, untouched] = [await create(core), await create(core, { after_ms: 60_000 })]
    const thread_ids = [now, later, behind].map(({ run }) => run.thread_id)
    const hour = 60 * 60 * 1000
    const then = new Date(Date.now() + hour).toISOString()
    await core.sql`
      update runs set not_before = not_before + ${hour}, updated_at = ${then} where thread_id in (${join(thread_ids)})`
    await core.sql`
      update threads set due_at = due_at + ${hour} where thread_id in (${join(thread_ids)})`
    await core.sql`update threads set turn_at = ${Date.now() + hour} where thread_id = ${behind.run.thread_id}`
    assert.deepEqual(await claim(core), [])
    await core.db.run(startAlone, undefined)
    assert.deepEqual(
      (await claim(core)).map(({ run }) => run.run_id).sort(),
      [now.run.run_id, behind.run.run_id].sort(),
    )
    const due = (await threadOf(core, later.run.thread_id)).due_at as number
    assert.ok(Math.abs(due - Date.now() - 60_000) < 10_000, `${due - Date.now()} ms`)
    assert.equal((await threadOf(core, untouched.run.thread_id)).due_at, untouched.run.not_before)
  })

  test('a thread that says it is due and is not is set right', async () => {
    const thread_id = await newThread(core)
    await core.sql`update threads set due_at = 1 where thread_id = ${thread_id}`
    assert.deepEqual(await claim(core, CLAIM), [])
    assert.equal((await threadOf(core, thread_id)).due_at, null)
  })
})
