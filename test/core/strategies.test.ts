// Making way for a new run: interrupt and rollback against every kind of holder.
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import type { ClaimedRun } from '../../src/core/executor.ts'
import { newId } from '../../src/core/ids.ts'
import { messageRows } from '../../src/core/messages.ts'
import { appendSlices } from '../../src/events/log.ts'
import { checkpointWrite } from '../events/support.ts'
import { forEachDatabase } from '../support/databases.ts'
import {
  anySql,
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
  RUN_TABLES,
  rowsOf,
  runOf,
  sliceOf,
  statusOf,
  threadOf,
} from './harness.ts'

forEachDatabase('a run that makes others give way', open => {
  let core: Core
  before(async () => {
    core = await openCore(await open())
  })
  after(() => core.close())
  beforeEach(() => core.empty())

  /** A thread on which one run has left a state, and what that is. */
  async function restingThread() {
    const thread_id = await newThread(core)
    const claimed = await begin(core, { thread_id })
    await storeState(claimed, 'first')
    const slice = sliceOf(claimed, [event('values', { n: 1 })], { commits: 1 })
    await finish(core, claimed, { slice, interrupts: { t: [{ value: 'why?' }] }, resting_status: 'interrupted' })
    return { thread_id, first: claimed.run.run_id, rest: await threadOf(core, thread_id) }
  }

  /** A row in every table that a run writes. */
  async function storeState({ run: { run_id, thread_id }, attempt, last_seq }: ClaimedRun, id: string) {
    const said = {
      thread_id,
      run_id,
      message_id: id,
      event_type: 'llm.human.input',
      content: '{}',
      caller: null,
      replaced_run_id: null,
    }
    const writes = [checkpointWrite(thread_id, id, run_id), messageRows([said])]
    await core.db.run(appendSlices, [{ run_id, attempt, last_seq, commits: 0, events: [], writes }])
    await core.sql`insert into checkpoints (thread_id, checkpoint_ns, checkpoint_id, run_id, checkpoint, channels, metadata)
      values (${thread_id}, '', ${id}, ${run_id}, '{}', '{}', '{}')`
    await core.sql`insert into lists (thread_id, list_id, run_id, parent_length, closed)
      values (${thread_id}, ${id}, ${run_id}, 0, 0)`
    await core.sql`insert into list_items (thread_id, list_id, idx, run_id, data) values (${thread_id}, ${id}, 0, ${run_id}, '1')`
    await core.sql`insert into blobs (thread_id, hash, run_id, data) values (${thread_id}, ${id}, ${run_id}, '1')`
    await core.sql`insert into feedback (feedback_id, thread_id, run_id, user_id, rating, created_at)
      values (${newId()}, ${thread_id}, ${run_id}, 'me', 1, now_iso())`
  }

  const settled = async (thread_id: string) => {
    const { resting_status, interrupts, error, state, state_updated_at } = await threadOf(core, thread_id)
    return { resting_status, interrupts, error, state, state_updated_at }
  }

  describe('by interrupt', () => {
    const interrupting = (thread_id: string) => create(core, { thread_id, multitask_strategy: 'interrupt' })

    test('ends all that wait; they never execute', async () => {
      const waiting = [await create(core, { after_ms: 60_000 })]
      const { thread_id } = (waiting[0] as (typeof waiting)[0]).run
      waiting.push(await create(core, { thread_id }))
      const next = await interrupting(thread_id)
      assert.deepEqual(
        next.superseded,
        waiting.map(({ run }) => run.run_id),
      )
      for (const { run } of waiting) {
        const ended = await runOf(core, run.run_id)
        assert.deepEqual(
          [ended?.status, JSON.parse(ended?.ending as string)],
          ['interrupted', { reason: 'superseded', by: next.run.run_id }],
        )
        assert.deepEqual(await eventsOf(core, run.run_id), [])
      }
      assert.deepEqual(
        (await claim(core)).map(one => one.run.run_id),
        [next.run.run_id],
      )
    })

    test('starts at once where nothing executes', async () => {
      const waiting = await create(core)
      const { thread_id } = waiting.run
      const next = await begin(core, { thread_id, multitask_strategy: 'interrupt' })
      assert.equal(next.run.status, 'running')
    })

    test('asks the owner of one that executes, and waits for its ending', async () => {
      const { thread_id } = await restingThread()
      const holder = await begin(core, { thread_id })
      const next = await interrupting(thread_id)
      assert.deepEqual(next.superseded, [holder.run.run_id])
      assert.equal((await runOf(core, holder.run.run_id))?.cancel_action, 'interrupt')
      assert.deepEqual(await claim(core), [])
      await finish(core, holder, { slice: sliceOf(holder, [event('values', { n: 2 })]) })
      const ended = await runOf(core, holder.run.run_id)
      assert.deepEqual([ended?.status, JSON.parse(ended?.ending as string).by], ['interrupted', next.run.run_id])
      assert.equal((await threadOf(core, thread_id)).state, '{"n":2}')
      assert.equal((await claim(core))[0]?.run.run_id, next.run.run_id)
    })

    test('ends one whose owner is dead by itself, keeping what it stored', async () => {
      const { thread_id } = await restingThread()
      const holder = await begin(core, { thread_id })
      await storeState(holder, 'second')
      await expire(core, thread_id)
      const next = await begin(core, { thread_id, multitask_strategy: 'interrupt' })
      assert.equal(await statusOf(core, holder.run.run_id), 'interrupted')
      assert.equal((await rowsOf(core, 'run_id', holder.run.run_id)).checkpoints, 1)
      assert.equal(next.run.status, 'running')
      assert.deepEqual(await core.db.run(appendSlices, [sliceOf(holder, [event('late')], { commits: 1 })]), [
        holder.run.run_id,
      ])
    })
  })

  describe('by rollback', () => {
    const rollingBack = (thread_id: string) => create(core, { thread_id, multitask_strategy: 'rollback' })

    test('erases what waits', async () => {
      const waiting = await create(core)
      const next = await rollingBack(waiting.run.thread_id)
      assert.deepEqual(await rowsOf(core, 'run_id', waiting.run.run_id), {})
      assert.deepEqual(
        (await claim(core)).map(one => one.run.run_id),
        [next.run.run_id],
      )
    })

    test('one that executes is erased by its ending, and the thread is what it was before', async () => {
      const { thread_id, first, rest } = await restingThread()
      const holder = await begin(core, { thread_id })
      await storeState(holder, 'second')
      const next = await rollingBack(thread_id)
      assert.deepEqual(await claim(core), [])
      assert.equal(await statusOf(core, holder.run.run_id), 'running')
      const slice = sliceOf(holder, [event('values', { n: 2 })], { commits: 1 })
      const { next: started } = await finish(core, holder, { slice, claim: { ...CLAIM_ONE } })
      assert.equal(started?.run.run_id, next.run.run_id)
      assert.deepEqual(await rowsOf(core, 'run_id', holder.run.run_id), {})
      assert.deepEqual((await rowsOf(core, 'run_id', first)).checkpoints, 1)
      const { resting_status, interrupts, error, state, state_updated_at } = rest
      assert.deepEqual(await settled(thread_id), { resting_status, interrupts, error, state, state_updated_at })
    })

    test('one whose owner is dead is erased at once', async () => {
      const { thread_id, rest } = await restingThread()
      const holder = await begin(core, { thread_id })
      await storeState(holder, 'second')
      await expire(core, thread_id)
      await begin(core, { thread_id, multitask_strategy: 'rollback' })
      assert.deepEqual(await rowsOf(core, 'run_id', holder.run.run_id), {})
      assert.equal((await settled(thread_id)).state, rest.state)
    })

    test('what is erased was the thread’s first run: the thread is empty again', async () => {
      const holder = await begin(core)
      const { thread_id } = holder.run
      await storeState(holder, 'only')
      await finish(core, holder, { slice: sliceOf(holder, [event('values', { n: 1 })], { commits: 1 }) })
      const second = await begin(core, { thread_id })
      await core.sql`update runs set cancel_action = 'rollback', ending = '{}' where run_id = ${second.run.run_id}`
      await finish(core, second, { slice: sliceOf(second, [event('values', { n: 2 })]) })
      assert.equal((await settled(thread_id)).state, '{"n":1}')
      assert.equal((await threadOf(core, thread_id)).status, 'idle')
    })

    test('no table that names runs is left out', async () => {
      const columns =
        core.db.dialect === 'sqlite'
          ? `select m.name as name from sqlite_master m join pragma_table_info(m.name) c where m.type = 'table' and c.name = 'run_id'`
          : `select table_name as name from information_schema.columns where column_name = 'run_id' and table_schema = 'public'`
      const rows = await core.db.run(anySql, { strings: [columns], values: [] })
      // A key keeps saying that its run is gone; a delivery is still to be made; what was spent is spent;
      // a session has its messages from many.
      const kept = ['idempotency_keys', 'webhook_deliveries', 'model_calls', 'session_messages']
      const expected = [...kept, ...RUN_TABLES]
      assert.deepEqual(rows.map(row => row.name).sort(), expected.sort())
    })

    test('the count of the thread’s events does not fall back', async () => {
      const { thread_id, rest } = await restingThread()
      const holder = await begin(core, { thread_id })
      await core.db.run(appendSlices, [sliceOf(holder, [event('a'), event('b')])])
      await expire(core, thread_id)
      await rollingBack(thread_id)
      assert.equal((await threadOf(core, thread_id)).last_thread_seq, rest.last_thread_seq + 3)
    })
  })

  test('a run that was asked to stop already keeps its first request', async () => {
    const holder = await begin(core)
    const { thread_id, run_id } = holder.run
    const first = await create(core, { thread_id, multitask_strategy: 'interrupt' })
    const second = await create(core, { thread_id, multitask_strategy: 'rollback' })
    assert.deepEqual(new Set(second.superseded), new Set([run_id, first.run.run_id]))
    assert.deepEqual(await rowsOf(core, 'run_id', first.run.run_id), {})
    await finish(core, holder)
    const ended = await runOf(core, run_id)
    assert.deepEqual([ended?.status, JSON.parse(ended?.ending as string).by], ['interrupted', first.run.run_id])
  })

  test('so does one whose owner died meanwhile', async () => {
    const holder = await begin(core)
    const { thread_id, run_id } = holder.run
    const first = await create(core, { thread_id, multitask_strategy: 'interrupt' })
    await expire(core, thread_id)
    await create(core, { thread_id, multitask_strategy: 'rollback' })
    const ended = await runOf(core, run_id)
    assert.deepEqual([ended?.status, JSON.parse(ended?.ending as string).by], ['interrupted', first.run.run_id])
  })

  test('of many at once on a busy thread the last one remains', async () => {
    const holder = await begin(core)
    const { thread_id } = holder.run
    const created = await Promise.all(
      Array.from({ length: 12 }, (_, n) =>
        create(core, { thread_id, run_id: newId(), multitask_strategy: n % 2 ? 'interrupt' : 'rollback' }),
      ),
    )
    await finish(core, holder)
    const last = created
      .map(({ run }) => run)
      .sort((a, b) => a.position - b.position)
      .at(-1)
    const claimed = await claim(core)
    assert.deepEqual(
      claimed.map(one => one.run.run_id),
      [last?.run_id],
    )
    await finish(core, claimed[0] as ClaimedRun)
    assert.deepEqual(await claim(core), [])
  })
})

const CLAIM_ONE = { worker_id: 'w', lease_ms: 60_000, limit: 1, max_crashes: 3, driving: [] }
