// Threads: made once, copied whole, and gone with all that is in them.
import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import type { RunloomError } from '../../src/core/errors.ts'
import { newId } from '../../src/core/ids.ts'
import { commitState, patchStateMetadata } from '../../src/core/states.ts'
import { copyThread } from '../../src/core/thread-copy.ts'
import { searchThreads } from '../../src/core/thread-search.ts'
import { createThread, deleteThread, getThread, patchThread } from '../../src/core/threads.ts'
import { appendSlices } from '../../src/events/log.ts'
import { checkpointWrite } from '../events/support.ts'
import { forEachDatabase } from '../support/databases.ts'
import { begin, type Core, create, event, finish, newThread, openCore, rowsOf, sliceOf, threadOf } from './harness.ts'

forEachDatabase('threads', open => {
  let core: Core
  before(async () => {
    core = await openCore(await open())
  })
  after(() => core.close())
  beforeEach(() => core.empty())

  const hasCode = (code: string) => (error: RunloomError) => error.code === code

  test('an id is taken once, of twenty at once too; do_nothing answers with what is there', async () => {
    const thread_id = newId()
    const make = (if_exists: 'raise' | 'do_nothing', metadata = '{}') =>
      core.db.run(createThread, { thread_id, metadata, hidden: 0, if_exists })
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => make('raise', '{"first":1}')))
    assert.equal(outcomes.filter(outcome => outcome.status === 'fulfilled').length, 1)
    await assert.rejects(make('raise'), hasCode('conflict'))
    assert.equal((await make('do_nothing', '{"second":2}')).metadata, '{"first":1}')
  })

  test('a patch merges metadata shallowly, of many at once none is lost', async () => {
    const thread_id = await newThread(core)
    await Promise.all(
      Array.from({ length: 10 }, (_, n) =>
        core.db.run(patchThread, { thread_id, metadata: JSON.stringify({ [`k${n}`]: n, same: { n } }) }),
      ),
    )
    const metadata = JSON.parse((await threadOf(core, thread_id)).metadata)
    assert.equal(Object.keys(metadata).length, 11)
    assert.equal(Object.keys(metadata.same).length, 1)
    await assert.rejects(core.db.run(patchThread, { thread_id: newId(), metadata: '{}' }), hasCode('not_found'))
  })

  test('a search shows the newest first, without temporary ones, by metadata and status', async () => {
    const ids = [await newThread(core), await newThread(core), await newThread(core)].sort().reverse() // as made in one ms
    await core.sql`update threads set created_at = '2026-01-01T00:00:00.000Z'`
    await create(core, { if_not_exists: 'temporary' })
    await core.db.run(patchThread, { thread_id: ids[1] as string, metadata: '{"a":{"b":1}}' })
    await create(core, { thread_id: ids[0] as string })
    const search = async (args: object) =>
      (await core.db.run(searchThreads, { limit: 10, offset: 0, ...args })).threads.map(thread => thread.thread_id)
    assert.deepEqual(await search({}), ids)
    assert.deepEqual(await search({ limit: 1, offset: 1 }), [ids[1]])
    assert.deepEqual(await search({ metadata: '{"a":{"b":1}}' }), [ids[1]])
    assert.deepEqual(await search({ status: 'busy' }), [ids[0]])
  })

  test('deleting one removes every row of it, and fences the run that executes on it', async () => {
    const claimed = await begin(core)
    const { run_id, thread_id } = claimed.run
    const waiting = await create(core, { thread_id })
    await core.db.run(appendSlices, [
      sliceOf(claimed, [event('a')], { writes: [checkpointWrite(thread_id, 't', run_id)] }),
    ])
    const gone = await core.db.run(deleteThread, { thread_id })
    assert.deepEqual(gone.sort(), [run_id, waiting.run.run_id].sort())
    assert.deepEqual(await rowsOf(core, 'thread_id', thread_id), {})
    for (const id of gone) assert.deepEqual(await rowsOf(core, 'run_id', id), {})
    const late = {
      ...sliceOf(claimed, [event('b')], { writes: [checkpointWrite(thread_id, 'u', run_id)] }),
      commits: 1,
    }
    assert.deepEqual(await core.db.run(appendSlices, [{ ...late, last_seq: 2 }]), [run_id])
    assert.deepEqual(await finish(core, claimed, { slice: { ...late, last_seq: 2 } }), { landed: false })
    assert.deepEqual(await rowsOf(core, 'thread_id', thread_id), {})
    await assert.rejects(core.db.run(getThread, { thread_id }), hasCode('not_found'))
  })

  test('one with more runs than a statement takes parameters can be deleted', async () => {
    const thread_id = await newThread(core)
    await core.sql`
      insert into runs (run_id, thread_id, position, kind, assistant_id, status, metadata, kwargs, multitask_strategy,
        created_at, updated_at, not_before, crashes)
      with recursive n (i) as (select 1 union all select i + 1 from n where i < 70000)
      select 'many-' || i, ${thread_id}, i, 'graph', 'a', 'success', '{}', '{}', 'enqueue', '', '', 0, 0 from n`
    await core.sql`insert into run_heads (run_id, attempt, last_seq, ended) select run_id, 1, 0, 1 from runs
      where thread_id = ${thread_id}`
    assert.equal((await core.db.run(deleteThread, { thread_id })).length, 70_000)
    assert.equal((await core.sql`select count(*) as n from run_heads`)[0]?.n, 0)
  })

  test('a copy has the state and what the thread waits for, and none of its runs', async () => {
    const claimed = await begin(core, { kwargs: { input: null, config: { configurable: { model: 'm' } } } })
    const { run_id, thread_id } = claimed.run
    const slice = sliceOf(claimed, [event('values', { n: 1 })], { writes: [checkpointWrite(thread_id, 't', run_id)] })
    const interrupts = { task: [{ value: 'why?' }] }
    await finish(core, claimed, { slice, interrupts, resting_status: 'interrupted' })
    const source = await threadOf(core, thread_id)
    const copy = await core.db.run(copyThread, { thread_id, copy_id: newId() })
    assert.deepEqual(JSON.parse(copy.metadata), { ...JSON.parse(source.metadata), thread_id: copy.thread_id })
    for (const field of ['config', 'status', 'interrupts', 'state', 'state_updated_at'] as const) {
      assert.deepEqual(copy[field], source[field], field)
    }
    assert.deepEqual(await rowsOf(core, 'thread_id', copy.thread_id), { threads: 1, checkpoint_writes: 1 })
    await core.db.run(deleteThread, { thread_id })
    assert.deepEqual(await rowsOf(core, 'thread_id', copy.thread_id), { threads: 1, checkpoint_writes: 1 })
  })

  test('a copy of a busy thread is at rest', async () => {
    const { run } = await begin(core)
    const copy = await core.db.run(copyThread, { thread_id: run.thread_id, copy_id: newId() })
    assert.deepEqual([copy.status, copy.due_at], ['idle', null])
  })

  test('a state update is refused while a run is in flight, and when the thread has moved on', async () => {
    const thread_id = await newThread(core)
    const made = {
      writes: [checkpointWrite(thread_id, 'u', 'update')],
      state: '{}',
      resting_status: 'interrupted',
      interrupts: '{"t":[]}',
    } as const
    const update = { thread_id, head: undefined, sources: [], ...made, writes: [...made.writes] }
    assert.equal(await core.db.run(commitState, { ...update, head: '7' }), false)
    assert.deepEqual(await rowsOf(core, 'thread_id', thread_id), { threads: 1 })
    assert.equal(await core.db.run(commitState, update), true)
    assert.equal((await threadOf(core, thread_id)).state, '{}')
    assert.equal((await threadOf(core, thread_id)).status, 'interrupted')
    await create(core, { thread_id })
    await assert.rejects(core.db.run(commitState, update), hasCode('conflict'))
  })

  test('its newest checkpoint is the one stored last, whatever its id', async () => {
    const thread_id = await newThread(core)
    for (const [position, id] of ['9', '1'].entries()) {
      await core.sql`insert into checkpoints (thread_id, checkpoint_ns, checkpoint_id, run_id, checkpoint, channels, metadata, position)
        values (${thread_id}, '', ${id}, 'r', '{}', '{}', '{}', ${position})`
    }
    await core.db.run(patchStateMetadata, { thread_id, metadata: '{"note":1}' })
    const stored = await core.sql`select checkpoint_id, metadata from checkpoints order by position`
    assert.deepEqual(
      stored.map(row => [row.checkpoint_id, row.metadata]),
      [
        ['9', '{}'],
        ['1', '{"note":1}'],
      ],
    )
    const made = { writes: [], state: '{}', resting_status: 'idle', interrupts: '{}' } as const
    const update = { thread_id, sources: [], ...made, writes: [] }
    assert.equal(await core.db.run(commitState, { ...update, head: '9' }), false)
    assert.equal(await core.db.run(commitState, { ...update, head: '1' }), true)
  })
})
