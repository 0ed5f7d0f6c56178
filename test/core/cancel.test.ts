// Stopping and removing runs: at once where nobody executes them, by their owner where somebody does.
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { cancelledAmong } from '../../src/core/claims.ts'
import { RunloomError } from '../../src/core/errors.ts'
import { newId } from '../../src/core/ids.ts'
import { type CancelAction, cancelRun, deleteRun, findRunsInFlight, getRun, listRuns } from '../../src/core/runs.ts'
import { createThread } from '../../src/core/threads.ts'
import { appendSlices } from '../../src/events/log.ts'
import { checkpointWrite } from '../events/support.ts'
import { forEachDatabase } from '../support/databases.ts'
import {
  begin,
  type Core,
  claim,
  create,
  event,
  eventsOf,
  expire,
  finish,
  newThread,
  openCore,
  rowsOf,
  runOf,
  sliceOf,
  statusOf,
  threadOf,
} from './harness.ts'

forEachDatabase('stopping runs', open => {
  let core: Core
  before(async () => {
    core = await openCore(await open())
  })
  after(() => core.close())
  beforeEach(() => core.empty())

  const cancel = (run_id: string, action: CancelAction = 'interrupt', by = 'test') =>
    core.db.run(cancelRun, { run_id, action, by })
  const endingOf = async (run_id: string) => JSON.parse((await runOf(core, run_id))?.ending as string)
  const failsWith = (code: string) => (error: unknown) => error instanceof RunloomError && error.code === code

  describe('a cancel', () => {
    test('ends a waiting run at once, and says by whom', async () => {
      const { run } = await create(core)
      assert.deepEqual(await cancel(run.run_id), { pending: false })
      assert.equal(await statusOf(core, run.run_id), 'interrupted')
      assert.deepEqual(await endingOf(run.run_id), { reason: 'cancelled', by: 'test' })
      assert.equal((await threadOf(core, run.thread_id)).status, 'idle')
      assert.deepEqual(await claim(core), [])
      assert.deepEqual(await eventsOf(core, run.run_id), [])
    })

    test('of a waiting run by rollback erases it', async () => {
      const { run } = await create(core)
      await cancel(run.run_id, 'rollback')
      assert.deepEqual(await rowsOf(core, 'run_id', run.run_id), {})
      assert.equal((await threadOf(core, run.thread_id)).status, 'idle')
    })

    test('of a run that executes is left for its owner, who is told with the next renewal', async () => {
      const claimed = await begin(core)
      const { run_id } = claimed.run
      assert.deepEqual(await cancel(run_id), { pending: true })
      assert.equal(await statusOf(core, run_id), 'running')
      assert.deepEqual(await core.db.run(cancelledAmong, [run_id, newId()]), [
        { ...(await core.sql`select ${run_id} as run_id`)[0] },
      ])
      await finish(core, claimed, { slice: sliceOf(claimed, [event('values', { n: 1 })]) })
      assert.equal(await statusOf(core, run_id), 'interrupted')
      assert.deepEqual(await endingOf(run_id), { reason: 'cancelled', by: 'test' })
      const thread = await threadOf(core, claimed.run.thread_id)
      assert.deepEqual([thread.status, thread.state], ['idle', '{"n":1}'])
    })

    test('of a run whose owner is dead ends it at once, and fences that owner', async () => {
      const claimed = await begin(core)
      await core.db.run(appendSlices, [sliceOf(claimed, [event('values', { n: 1 })])])
      await expire(core, claimed.run.thread_id)
      assert.deepEqual(await cancel(claimed.run.run_id), { pending: false })
      assert.equal(await statusOf(core, claimed.run.run_id), 'interrupted')
      assert.equal((await threadOf(core, claimed.run.thread_id)).state, '{"n":1}')
      const late = { ...sliceOf(claimed, [event('late')]), last_seq: 2, commits: 1 }
      assert.deepEqual(await core.db.run(appendSlices, [late]), [claimed.run.run_id])
      assert.deepEqual(await finish(core, claimed, { slice: late }), { landed: false })
    })

    test('that was left for an owner who then died is carried out by the next claim, which starts the successor', async () => {
      const claimed = await begin(core)
      const { run_id, thread_id } = claimed.run
      const next = await create(core, { thread_id })
      await cancel(run_id)
      await expire(core, thread_id)
      const started = await claim(core)
      assert.deepEqual(
        started.map(one => one.run.run_id),
        [next.run.run_id],
      )
      assert.equal(await statusOf(core, run_id), 'interrupted')
      assert.equal((await runOf(core, run_id))?.crashes, 0)
    })

    test('the first one decides, how often and however it is repeated', async () => {
      const claimed = await begin(core)
      await cancel(claimed.run.run_id, 'interrupt', 'first')
      await cancel(claimed.run.run_id, 'rollback', 'second')
      await finish(core, claimed)
      assert.equal(await statusOf(core, claimed.run.run_id), 'interrupted')
      assert.equal((await endingOf(claimed.run.run_id)).by, 'first')
    })

    test('also where the owner died between two of them', async () => {
      const claimed = await begin(core)
      await cancel(claimed.run.run_id, 'interrupt', 'first')
      await expire(core, claimed.run.thread_id)
      await cancel(claimed.run.run_id, 'rollback', 'second')
      assert.equal(await statusOf(core, claimed.run.run_id), 'interrupted')
      assert.equal((await endingOf(claimed.run.run_id)).by, 'first')
    })

    test('of a run that has ended is a conflict, of one that is unknown not found', async () => {
      const claimed = await begin(core)
      await finish(core, claimed)
      await assert.rejects(cancel(claimed.run.run_id), failsWith('conflict'))
      await assert.rejects(cancel(newId()), failsWith('not_found'))
      assert.equal(await statusOf(core, claimed.run.run_id), 'success')
    })

    test('of a run on another thread than the one named is not found', async () => {
      const { run } = await create(core)
      const elsewhere = { run_id: run.run_id, thread_id: newId(), action: 'interrupt', by: 'test' } as const
      await assert.rejects(core.db.run(cancelRun, elsewhere), failsWith('not_found'))
    })

    test('lets what waits behind it go on', async () => {
      const first = await create(core)
      const second = await create(core, { thread_id: first.run.thread_id })
      await cancel(first.run.run_id)
      assert.deepEqual(
        (await claim(core)).map(one => one.run.run_id),
        [second.run.run_id],
      )
    })

    test('and an ending at the same moment agree on who was first', async () => {
      for (let round = 0; round < 10; round++) {
        const claimed = await begin(core)
        const [cancelled] = await Promise.allSettled([cancel(claimed.run.run_id), finish(core, claimed)])
        const status = await statusOf(core, claimed.run.run_id)
        assert.equal(status, cancelled.status === 'fulfilled' ? 'interrupted' : 'success')
      }
    })
  })

  describe('deleting a run', () => {
    const remove = (run_id: string) => core.db.run(deleteRun, { run_id })

    test('that waits removes it and its place in the queue', async () => {
      const { run } = await create(core)
      assert.deepEqual(await remove(run.run_id), { pending: false })
      assert.deepEqual(await rowsOf(core, 'run_id', run.run_id), {})
      assert.equal((await threadOf(core, run.thread_id)).status, 'idle')
      await assert.rejects(core.db.run(getRun, { run_id: run.run_id }), failsWith('not_found'))
    })

    test('that has ended removes it and its events, and keeps its checkpoints', async () => {
      const claimed = await begin(core)
      const { run_id, thread_id } = claimed.run
      await finish(core, claimed, {
        slice: sliceOf(claimed, [event('values')], { writes: [checkpointWrite(thread_id, 't', run_id)] }),
      })
      const before = await threadOf(core, thread_id)
      assert.deepEqual(await remove(run_id), { pending: false })
      assert.deepEqual(await rowsOf(core, 'run_id', run_id), { checkpoint_writes: 1 })
      const { state, last_thread_seq } = await threadOf(core, thread_id)
      assert.deepEqual([state, last_thread_seq], [before.state, before.last_thread_seq])
    })

    test('that executes is done by its owner', async () => {
      const claimed = await begin(core)
      const { run_id, thread_id } = claimed.run
      assert.deepEqual(await remove(run_id), { pending: true })
      const slice = sliceOf(claimed, [event('values', { n: 1 })], { writes: [checkpointWrite(thread_id, 't', run_id)] })
      await finish(core, claimed, { slice })
      assert.deepEqual(await rowsOf(core, 'run_id', run_id), { checkpoint_writes: 1 })
      assert.equal((await threadOf(core, thread_id)).state, '{"n":1}')
    })

    test('whose owner is dead is done at once', async () => {
      const claimed = await begin(core)
      await expire(core, claimed.run.thread_id)
      assert.deepEqual(await remove(claimed.run.run_id), { pending: false })
      assert.deepEqual(await rowsOf(core, 'run_id', claimed.run.run_id), {})
    })

    test('that is being interrupted deletes it all the same', async () => {
      const [executing, dead] = [await begin(core), await begin(core)]
      for (const { run } of [executing, dead]) await cancel(run.run_id)
      await expire(core, dead.run.thread_id)
      for (const { run } of [executing, dead]) await remove(run.run_id)
      await finish(core, executing)
      for (const { run } of [executing, dead]) assert.deepEqual(await rowsOf(core, 'run_id', run.run_id), {})
    })

    test('that is unknown is not found', async () => {
      await assert.rejects(remove(newId()), failsWith('not_found'))
    })

    test('leaves a run behind it to be claimed', async () => {
      const first = await begin(core)
      const second = await create(core, { thread_id: first.run.thread_id })
      await remove(first.run.run_id)
      const { next } = await finish(core, first, {
        claim: { worker_id: 'w', lease_ms: 60_000, limit: 1, max_crashes: 3, driving: [] },
      })
      assert.equal(next?.run.run_id, second.run.run_id)
    })
  })

  describe('a temporary thread', () => {
    const temporary = { if_not_exists: 'temporary' } as const

    test('goes with its only run, however that goes', async () => {
      const runs = [await create(core, temporary), await create(core, temporary)]
      const executing = await begin(core, temporary)
      await core.db.run(deleteRun, { run_id: (runs[0] as (typeof runs)[0]).run.run_id })
      await cancel((runs[1] as (typeof runs)[0]).run.run_id, 'rollback')
      await cancel(executing.run.run_id, 'rollback')
      await finish(core, executing, { slice: sliceOf(executing, [event('values')]) })
      for (const { run } of [...runs, executing]) assert.deepEqual(await rowsOf(core, 'thread_id', run.thread_id), {})
    })

    test('stays while it has a run, and when a run makes way for another', async () => {
      const first = await create(core, temporary)
      const { thread_id } = first.run
      const second = await create(core, { thread_id, multitask_strategy: 'rollback' })
      assert.equal(await statusOf(core, first.run.run_id), undefined)
      await cancel(second.run.run_id)
      assert.equal((await threadOf(core, thread_id)).status, 'idle')
    })

    test('a thread that a client made stays when its last run goes', async () => {
      const thread_id = newId()
      await core.db.run(createThread, { thread_id, metadata: '{}', hidden: 0, if_exists: 'raise' })
      const { run } = await create(core, { thread_id })
      await core.db.run(deleteRun, { run_id: run.run_id })
      assert.equal((await threadOf(core, thread_id)).status, 'idle')
    })
  })

  describe('listing', () => {
    test('runs of a thread come newest first, in pages, by status and by metadata', async () => {
      const thread_id = await newThread(core)
      const ids: string[] = []
      for (let n = 0; n < 5; n++)
        ids.unshift((await create(core, { thread_id, metadata: { odd: n % 2 === 1 } })).run.run_id)
      await cancel(ids[0] as string)
      const list = async (args: object) =>
        (await core.db.run(listRuns, { thread_id, limit: 10, offset: 0, ...args })).map(run => run.run_id)
      assert.deepEqual(await list({}), ids)
      assert.deepEqual(await list({ limit: 2, offset: 1 }), ids.slice(1, 3))
      assert.deepEqual(await list({ status: 'pending' }), ids.slice(1))
      assert.deepEqual(await list({ metadata: '{"odd":true}' }), [ids[1], ids[3]])
      assert.deepEqual(await list({ offset: 9 }), [])
      await assert.rejects(list({ thread_id: newId() }), failsWith('not_found'))
    })

    test('runs in flight are those that wait and those that execute', async () => {
      const [waiting, executing, ended] = [await create(core), await begin(core), await begin(core)]
      await finish(core, ended)
      const found = async (args: object) => (await core.db.run(findRunsInFlight, args)).map(run => run.run_id).sort()
      assert.deepEqual(await found({}), [waiting.run.run_id, executing.run.run_id].sort())
      assert.deepEqual(await found({ status: 'running' }), [executing.run.run_id])
      assert.deepEqual(await found({ thread_id: waiting.run.thread_id }), [waiting.run.run_id])
      assert.deepEqual(await found({ run_ids: [ended.run.run_id, waiting.run.run_id] }), [waiting.run.run_id])
    })
  })
})
