// Idempotency keys: a request that is repeated makes one run.
import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { sweep } from '../../src/core/claims.ts'
import type { RunloomError } from '../../src/core/errors.ts'
import { newId } from '../../src/core/ids.ts'
import { deleteRun } from '../../src/core/runs.ts'
import { forEachDatabase } from '../support/databases.ts'
import { begin, type Core, create, newThread, openCore, rowsOf } from './harness.ts'

forEachDatabase('an idempotency key', open => {
  let core: Core
  before(async () => {
    core = await openCore(await open())
  })
  after(() => core.close())
  beforeEach(() => core.empty())

  const keyed = (key: string, body_hash = 'body') => ({ idempotency: { face: 'test', key, body_hash } })
  const hasCode = (code: string) => (error: RunloomError) => error.code === code

  test('brings back the run that it made', async () => {
    const first = await create(core, keyed('k'))
    const again = await create(core, keyed('k'))
    assert.deepEqual([again.run.run_id, again.repeated], [first.run.run_id, true])
    assert.equal((await core.sql`select count(*) as n from runs`)[0]?.n, 1)
  })

  test('brings it back as it is now, and does not start it twice', async () => {
    const claimed = await begin(core, keyed('k'))
    const again = await create(core, { ...keyed('k'), claim: { worker_id: 'other', lease_ms: 1_000 } })
    assert.deepEqual(
      [again.run.status, again.claimed, again.run.worker_id],
      ['running', undefined, claimed.run.worker_id],
    )
  })

  test('makes one run of twenty requests at once', async () => {
    const thread_id = newId()
    const created = await Promise.all(Array.from({ length: 20 }, () => create(core, { thread_id, ...keyed('k') })))
    assert.equal(new Set(created.map(({ run }) => run.run_id)).size, 1)
    assert.equal(created.filter(({ repeated }) => !repeated).length, 1)
    assert.equal((await rowsOf(core, 'thread_id', thread_id)).runs, 1)
  })

  test('is refused with another body', async () => {
    await create(core, keyed('k'))
    await assert.rejects(create(core, keyed('k', 'other')), (error: RunloomError) => {
      assert.match(error.message, /"k" was used with another request/)
      return error.code === 'conflict'
    })
  })

  test('means something else on another face', async () => {
    await create(core, keyed('k'))
    const other = await create(core, { idempotency: { face: 'other', key: 'k', body_hash: 'x' } })
    assert.equal(other.repeated, false)
  })

  test('is free again when its request was refused', async () => {
    const thread_id = await newThread(core)
    const holder = await create(core, { thread_id })
    const rejecting = { thread_id, multitask_strategy: 'reject', ...keyed('k') } as const
    await assert.rejects(create(core, rejecting), hasCode('conflict'))
    await core.db.run(deleteRun, { run_id: holder.run.run_id })
    assert.equal((await create(core, rejecting)).repeated, false)
  })

  test('never makes a second run, not even after the first was deleted', async () => {
    const { run } = await create(core, keyed('k'))
    await core.db.run(deleteRun, { run_id: run.run_id })
    await assert.rejects(create(core, keyed('k')), hasCode('gone'))
    assert.equal((await core.sql`select count(*) as n from runs`)[0]?.n, 0)
  })

  test('is new again after a day', async () => {
    const { run } = await create(core, keyed('k'))
    await core.sql`update idempotency_keys set created_ms = now_ms() - 86400001`
    const later = await create(core, keyed('k', 'another body'))
    assert.equal(later.repeated, false)
    assert.notEqual(later.run.run_id, run.run_id)
    assert.equal((await create(core, keyed('k', 'another body'))).run.run_id, later.run.run_id)
  })

  test('is forgotten by the sweep after a day, and not before', async () => {
    await create(core, keyed('old'))
    await core.sql`update idempotency_keys set created_ms = now_ms() - 86400001`
    await create(core, keyed('new'))
    await core.db.run(sweep, { retention_ms: 1_000_000 })
    const rows = await core.sql`select idempotency_key as name from idempotency_keys`
    assert.deepEqual(
      rows.map(row => row.name),
      ['new'],
    )
  })
})
