// Copying a thread on which a run executes: the copy has what the run has stored so far, and is a thread of its own.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { newId } from '../../src/core/ids.ts'
import { copyThread } from '../../src/core/thread-copy.ts'
import { appendSlices } from '../../src/events/log.ts'
import { checkpointWrite } from '../events/support.ts'
import { forEachDatabase } from '../support/databases.ts'
import { begin, type Core, event, finish, openCore, rowsOf, sliceOf, threadOf } from './harness.ts'

forEachDatabase('copying a thread', open => {
  let core: Core
  before(async () => {
    core = await openCore(await open())
  })
  after(() => core.close())

  test('of a run that executes it has what is stored, and nodes left to run', async () => {
    const claimed = await begin(core)
    const { run_id, thread_id } = claimed.run
    const writes = [checkpointWrite(thread_id, 't', run_id)]
    const slice = sliceOf(claimed, [event('values', { n: 1 }), event('values', { n: 2 }), event('custom')], { writes })
    await core.db.run(appendSlices, [slice])
    const copy = await core.db.run(copyThread, { thread_id, copy_id: newId() })
    assert.deepEqual([copy.state, copy.status, copy.due_at], ['{"n":2}', 'interrupted', null])
    assert.deepEqual(await rowsOf(core, 'thread_id', copy.thread_id), { threads: 1, checkpoint_writes: 1 })
    const { attempt, last_seq } = claimed
    const rest = { ...sliceOf(claimed, [event('values', { n: 3 })]), attempt, last_seq: last_seq + 3, commits: 1 }
    assert.deepEqual(await finish(core, claimed, { slice: rest }), { landed: true })
    assert.equal((await threadOf(core, thread_id)).state, '{"n":3}')
    assert.equal((await threadOf(core, copy.thread_id)).state, copy.state)
  })
})
