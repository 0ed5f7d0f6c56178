// Threads with a time to live: swept when it is over since their last use, and never while a run is in flight.
import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { newId } from '../../src/core/ids.ts'
import { sweepThreads } from '../../src/core/thread-prune.ts'
import { createThread, patchThread, type TtlStrategy } from '../../src/core/threads.ts'
import { checkpointWrite } from '../events/support.ts'
import { forEachDatabase } from '../support/databases.ts'
import { begin, type Core, event, finish, openCore, rowsOf, sliceOf, threadOf } from './harness.ts'

forEachDatabase('threads with a time to live', open => {
  let core: Core
  before(async () => {
    core = await openCore(await open())
  })
  after(() => core.close())
  beforeEach(() => core.empty())

  const make = async (ttl_strategy: TtlStrategy = 'delete') => {
    const thread_id = newId()
    const ttl = { ttl_minutes: 0.5, ttl_strategy }
    await core.db.run(createThread, { thread_id, metadata: '{}', hidden: 0, if_exists: 'raise', ttl })
    return thread_id
  }
  const elapse = (thread_id: string) =>
    core.sql`update threads set expires_at = expires_at - 30000 where thread_id = ${thread_id}`
  const swept = () => core.db.run(sweepThreads, 100)

  test('one is deleted with all that is in it when its time is over, and not before', async () => {
    const thread_id = await make()
    const claimed = await begin(core, { thread_id })
    await finish(core, claimed, {
      slice: sliceOf(claimed, [event('a')], { writes: [checkpointWrite(thread_id, 't', claimed.run.run_id)] }),
    })
    assert.equal(await swept(), 0)
    await elapse(thread_id)
    assert.equal(await swept(), 1)
    assert.deepEqual(await rowsOf(core, 'thread_id', thread_id), {})
    assert.equal(await swept(), 0)
  })

  test('every use begins the time anew: a patch, a run, its end', async () => {
    const thread_id = await make()
    const used = async (use: () => Promise<unknown>) => {
      await elapse(thread_id)
      await use()
      assert.equal(await swept(), 0)
      const [row] = await core.sql`select expires_at - now_ms() as left from threads where thread_id = ${thread_id}`
      assert.ok((row?.left as number) > 20_000 && (row?.left as number) <= 30_000)
    }
    await used(() => core.db.run(patchThread, { thread_id, metadata: '{}' }))
    let claimed: Awaited<ReturnType<typeof begin>> | undefined
    await used(async () => {
      claimed = await begin(core, { thread_id })
    })
    await used(() => finish(core, claimed as NonNullable<typeof claimed>))
  })

  test('one with a run in flight is left alone', async () => {
    const thread_id = await make()
    await begin(core, { thread_id })
    await elapse(thread_id)
    assert.equal(await swept(), 0)
    assert.equal((await threadOf(core, thread_id)).status, 'busy')
  })

  test('to keep the latest leaves the thread, and looks at it again only after its next use', async () => {
    const thread_id = await make('keep_latest')
    await elapse(thread_id)
    assert.deepEqual([await swept(), await swept()], [1, 0])
    assert.equal((await threadOf(core, thread_id)).expires_at, null)
    await finish(core, await begin(core, { thread_id }))
    await elapse(thread_id)
    assert.deepEqual([await swept(), await swept()], [1, 0])
  })

  test('one without a time to live stays for ever', async () => {
    const thread_id = newId()
    await core.db.run(createThread, { thread_id, metadata: '{}', hidden: 0, if_exists: 'raise' })
    assert.equal((await threadOf(core, thread_id)).expires_at, null)
    assert.equal(await swept(), 0)
  })
})
