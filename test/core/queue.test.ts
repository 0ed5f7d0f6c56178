// How many runs may wait, and that those who wait on one thread keep nobody else waiting.
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { createCron, fireCron } from '../../src/core/crons.ts'
import type { Executor } from '../../src/core/executor.ts'
import { newId } from '../../src/core/ids.ts'
import { QueueGate, queueFacts } from '../../src/core/queue.ts'
import { type CreateRun, createRuns } from '../../src/core/runs.ts'
import { forEachDatabase } from '../support/databases.ts'
import {
  begin,
  CLAIM,
  type Core,
  claim,
  create,
  DONE,
  expire,
  newThread,
  openCore,
  startWorker,
  statusOf,
  until,
} from './harness.ts'

const busy = { name: 'RunloomError', code: 'busy' }

forEachDatabase('the queue', open => {
  let core: Core
  before(async () => {
    core = await openCore(await open())
  })
  after(() => core.close())
  beforeEach(() => core.empty())

  const pending = async () => (await core.sql`select count(*) as n from runs where status = 'pending'`)[0]?.n

  test('a thread takes as many runs as may wait on it, and more when some have gone', async () => {
    const thread_id = await newThread(core)
    const add = () => create(core, { thread_id, queue: { thread: 3 } })
    for (let count = 0; count < 3; count++) await add()
    await assert.rejects(add, { ...busy, message: /^3 runs wait on thread/ })
    const [run] = await claim(core)
    assert.ok(run)
    await add()
    await assert.rejects(add, busy)
    // Gaps in the numbering are no runs.
    await core.sql`delete from runs where thread_id = ${thread_id} and position = 3`
    await add()
    await assert.rejects(add, busy)
    assert.equal(await pending(), 3)
    const other = await create(core, { queue: { thread: 3 } })
    assert.equal(other.run.status, 'pending')
  })

  test('what takes the place of others is not kept out by them', async () => {
    const thread_id = await newThread(core)
    for (let count = 0; count < 3; count++) await create(core, { thread_id })
    await create(core, { thread_id, multitask_strategy: 'interrupt', queue: { thread: 3 } })
    assert.equal(await pending(), 1)
  })

  test('all threads together take as many as may wait; a run that starts at once does not wait', async () => {
    const queue = { thread: 10, total: 2 }
    assert.equal((await create(core, { queue })).queued, 1)
    assert.equal((await create(core, { queue })).queued, 2)
    await assert.rejects(create(core, { queue }), { ...busy, message: /^2 runs wait on this server/ })
    await assert.rejects(create(core, { queue, claim: CLAIM, after_ms: 1_000 }), busy)
    const started = await create(core, { queue, claim: CLAIM })
    assert.equal(started.queued, undefined)
    const { thread_id } = started.run
    await assert.rejects(create(core, { queue, claim: CLAIM, thread_id }), busy)
    assert.equal(await pending(), 2)
    assert.equal((await core.sql`select count(*) as n from threads`)[0]?.n, 3)
  })

  test('a batch is taken as a whole or not at all', async () => {
    const queue = { thread: 10, total: 3 }
    const make = (assistant_id = 'g'): CreateRun => ({
      run_id: newId(),
      thread_id: newId(),
      assistant_id,
      if_not_exists: 'temporary',
      kwargs: { input: null },
      metadata: {},
      multitask_strategy: 'enqueue',
      after_ms: 0,
    })
    await assert.rejects(core.db.run(createRuns, { runs: [make(), make(), make(), make()], queue }), busy)
    await assert.rejects(core.db.run(createRuns, { runs: [make(), make('nobody')], queue }), { code: 'not_found' })
    assert.equal(await pending(), 0)
    const { runs, queued } = await core.db.run(createRuns, { runs: [make(), make(), make()], queue })
    assert.deepEqual([runs.length, queued, await pending()], [3, 3, 3])
  })

  test('a cron whose run is turned away leaves nothing behind', async () => {
    await create(core)
    const cron = { cron_id: newId(), assistant_id: 'g', thread_id: null, user_id: null, timezone: null, end_time: null }
    const options = { payload: {}, metadata: {}, on_run_completed: 'delete' as const, enabled: true }
    await core.db.run(createCron, { ...cron, ...options, schedule: '* * * * *' })
    await core.sql`update crons set next_run_date = now_iso()`
    const fire = { cron_id: cron.cron_id, thread_id: null, run_id: newId(), new_thread_id: newId() }
    const { created, skipped } = await core.db.run(fireCron, { ...fire, queue: { thread: 1, total: 1 } })
    assert.equal(created, undefined)
    assert.match(skipped ?? '', /1 runs wait on this server/)
    assert.equal((await core.sql`select count(*) as n from threads`)[0]?.n, 1)
    await core.sql`delete from crons`
  })

  test('a thread with a thousand queued runs keeps no other waiting, with a single slot', async () => {
    const ended: string[] = []
    const held = Promise.withResolvers<void>()
    const long = await newThread(core)
    const first = await create(core, { thread_id: long })
    const executor: Executor = async ({ run }) => {
      if (run.run_id === first.run.run_id) await held.promise
      ended.push(run.thread_id)
      return DONE
    }
    const worker = startWorker(core, executor, { concurrency: 1 })
    await until(async () => (await statusOf(core, first.run.run_id)) === 'running', 'the first run has begun')
    for (let count = 0; count < 10; count++) {
      await Promise.all(Array.from({ length: 100 }, () => create(core, { thread_id: long })))
    }
    const others = await Promise.all(Array.from({ length: 5 }, () => create(core)))
    held.resolve()
    await Promise.all(others.map(other => worker.log.ended(other.run.run_id, AbortSignal.timeout(60_000))))
    const before = ended.slice(0, ended.findLastIndex(thread_id => thread_id !== long) + 1)
    // The one that held the slot, and at most one for each of the others.
    assert.ok(before.filter(thread_id => thread_id === long).length <= 6, `${before}`)
    assert.ok(((await pending()) as number) > 900)
    await worker.close()
  })
})

forEachDatabase('what a worker has done', open => {
  test('is counted: the runs it ended by status, and those it took over', async () => {
    const core = await openCore(await open())
    const abandoned = await begin(core)
    await expire(core, abandoned.run.thread_id)
    const { worker, log } = startWorker(core, async ({ run }) => {
      if (run.run_id !== abandoned.run.run_id) throw new Error('no')
      return DONE
    })
    const other = await create(core)
    for (const { run } of [abandoned, other]) await log.ended(run.run_id, AbortSignal.timeout(60_000))
    assert.deepEqual(worker.counts, { taken_over: 1, ended: { success: 1, error: 1 } })
    const facts = await core.db.run(queueFacts, undefined)
    assert.deepEqual(facts, { pending: 0, running: 0, due: 0, oldest_ms: 0 })
    await core.close()
  })
})

describe('the gate', () => {
  test('has the queue counted rarely while there is room, and not at all for a moment when it was full', async () => {
    const gate = new QueueGate({ thread: 5, total: 100 })
    const asked: (number | undefined)[] = []
    const admit = (queued: number, runs = 1) =>
      gate.admit(async ({ total }) => {
        asked.push(total)
        return total === undefined ? {} : { queued }
      }, runs)
    for (let count = 0; count < 20; count++) await admit(10)
    assert.deepEqual(asked.splice(0), [100, ...Array(19).fill(undefined)])
    await admit(98, 50)
    assert.deepEqual(asked.splice(0), [100])
    await admit(99)
    await admit(99)
    assert.deepEqual(asked.splice(0), [100, 100])
  })

  test('passes on what is refused, and refuses without asking for a moment', async () => {
    const gate = new QueueGate({ thread: 5, total: 1 })
    const full = Object.assign(new Error('full'), { name: 'RunloomError', code: 'busy', details: { queue: 'total' } })
    await assert.rejects(
      gate.admit(() => Promise.reject(full)),
      full,
    )
    let asked = false
    const again = gate.admit(async () => {
      asked = true
      return {}
    })
    await assert.rejects(again, { ...busy, message: /^1 runs wait/ })
    assert.equal(asked, false)
  })
})
