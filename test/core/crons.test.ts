// Crons in the database: made, changed, and fired exactly once for each date by any number of schedulers.
import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import {
  type Cron,
  createCron,
  deleteCron,
  fireCron,
  getCron,
  type NewCron,
  patchCron,
  searchCrons,
} from '../../src/core/crons.ts'
import { newId } from '../../src/core/ids.ts'
import type { Run } from '../../src/core/runs.ts'
import { Scheduler } from '../../src/core/scheduler.ts'
import { deleteThread } from '../../src/core/threads.ts'
import { LocalBus } from '../../src/events/bus.ts'
import { forEachDatabase } from '../support/databases.ts'
import { begin, type Core, newThread, openCore, until } from './harness.ts'

const HOUR = 3_600_000
const soon = (date: string | null) => date !== null && Math.abs(Date.parse(date) - Date.now()) <= 61_000

forEachDatabase('crons', open => {
  let core: Core
  before(async () => {
    core = await openCore(await open())
  })
  after(() => core.close())
  beforeEach(async () => {
    await core.empty()
    await core.sql`delete from crons`
  })

  const make = (args: Partial<NewCron> = {}): Promise<Cron> =>
    core.db.run(createCron, {
      cron_id: newId(),
      assistant_id: 'g',
      thread_id: null,
      user_id: null,
      schedule: '* * * * *',
      timezone: null,
      end_time: null,
      payload: {},
      metadata: {},
      on_run_completed: 'keep',
      enabled: true,
      ...args,
    })
  const due = ({ cron_id }: Cron, date = new Date(Date.now() - 1000).toISOString()) =>
    core.sql`update crons set next_run_date = ${date} where cron_id = ${cron_id}`
  const fire = ({ cron_id, thread_id }: Cron, on = core) =>
    on.db.run(fireCron, { cron_id, thread_id, run_id: newId(), new_thread_id: newId() })
  const read = ({ cron_id }: Cron) => core.db.run(getCron, { cron_id })
  const runs = async () => (await core.sql`select * from runs order by run_id`) as unknown as Run[]
  const startSchedulers = (cores: Core[]) =>
    cores.map(({ db }) => new Scheduler({ db, bus: new LocalBus(), logger: () => {} }, { poll_ms: 50 }))

  test('many schedulers over one database fire each date once', async () => {
    const others = await Promise.all(Array.from({ length: 4 }, () => core.again()))
    const crons: Cron[] = []
    const schedule = '0 0 1 1 *'
    for (let n = 0; n < 25; n++) crons.push(await make({ schedule, metadata: { n } }))
    const onThread = await make({ schedule, thread_id: await newThread(core) })
    for (const cron of [...crons, onThread]) await due(cron)
    const schedulers = startSchedulers([core, core, ...others, ...others])
    await until(async () => (await runs()).length >= 26, 'all have fired')
    await Promise.all(schedulers.map(scheduler => scheduler.close()))
    await Promise.all(others.map(other => other.close()))
    const fired = (await runs()).map(run => JSON.parse(run.metadata).cron_id as string)
    assert.deepEqual(fired.sort(), [...crons, onThread].map(cron => cron.cron_id).sort())
    for (const cron of crons) assert.equal((await read(cron)).next_run_date, cron.next_run_date)
  })

  test('dates missed while nobody looked are made up for by one run', async () => {
    const cron = await make()
    await due(cron, new Date(Date.now() - 3 * HOUR).toISOString())
    const schedulers = startSchedulers([core, core])
    await until(async () => (await runs()).length > 0, 'it has fired')
    const { next_run_date } = await read(cron)
    assert.ok(soon(next_run_date))
    await Promise.all(schedulers.map(scheduler => scheduler.close()))
    assert.ok((await runs()).length <= 2) // another when the minute ended just now
  })

  test('a cron that is not due, disabled or deleted does nothing', async () => {
    const cron = await make()
    assert.deepEqual(await fire(cron), {})
    const disabled = await make({ enabled: false })
    assert.equal(disabled.next_run_date, null)
    assert.deepEqual(await fire(disabled), {})
    await due(cron)
    await core.db.run(deleteCron, { cron_id: cron.cron_id })
    assert.deepEqual(await fire(cron), {})
    assert.deepEqual(await runs(), [])
    await assert.rejects(core.db.run(deleteCron, { cron_id: cron.cron_id }), { code: 'not_found' })
  })

  test('its run is what the payload says, on a thread of its own that goes or stays', async () => {
    const payload = {
      input: { a: 1 },
      context: { c: 2 },
      config: { tags: ['t'] },
      multitask_strategy: 'reject' as const,
    }
    for (const on_run_completed of ['delete', 'keep'] as const) {
      const cron = await make({ payload, metadata: { by: 'me' }, on_run_completed })
      await due(cron)
      const { created } = await fire(cron)
      const { run } = created ?? assert.fail()
      const { input, context, config, stream_mode, multitask_strategy } = JSON.parse(run.kwargs)
      assert.deepEqual([input, context, config.tags, stream_mode], [{ a: 1 }, { c: 2 }, ['t'], ['values']])
      assert.deepEqual([run.status, run.multitask_strategy, multitask_strategy], ['pending', 'reject', undefined])
      const { by, cron_id } = JSON.parse(run.metadata)
      assert.deepEqual([by, cron_id], ['me', cron.cron_id])
      const [thread] = await core.sql`select hidden from threads where thread_id = ${run.thread_id}`
      assert.equal(thread?.hidden, on_run_completed === 'delete' ? 1 : 0)
    }
  })

  test('a run that is refused leaves no thread behind', async () => {
    const cron = await make({ payload: { config: { configurable: { checkpoint_id: 'unknown' } } } })
    await due(cron)
    assert.match((await fire(cron)).skipped ?? '', /Checkpoint unknown .* not found/)
    assert.deepEqual(await core.sql`select thread_id from threads`, [])
  })

  test('on a busy thread its strategy decides; a refused run is left out, and the next date comes', async () => {
    const { run } = await begin(core)
    const { thread_id } = run
    const refused = await make({ thread_id, payload: { multitask_strategy: 'reject' } })
    await due(refused)
    assert.match((await fire(refused)).skipped ?? '', /already running/)
    assert.ok(soon((await read(refused)).next_run_date))
    const interrupting = await make({ thread_id, payload: { multitask_strategy: 'interrupt' } })
    await due(interrupting)
    assert.deepEqual((await fire(interrupting)).created?.superseded, [run.run_id])
    assert.equal((await runs()).length, 2)
  })

  test('a cron whose assistant is gone is disabled and says why; the others go on', async () => {
    const orphan = await make()
    const other = await make()
    await core.sql`update crons set assistant_id = 'gone' where cron_id = ${orphan.cron_id}`
    await Promise.all([due(orphan), due(other)])
    const schedulers = startSchedulers([core])
    await until(async () => (await runs()).length > 0 && (await read(orphan)).enabled === 0, 'both were looked at')
    await Promise.all(schedulers.map(scheduler => scheduler.close()))
    const { enabled, next_run_date, disabled_reason } = await read(orphan)
    assert.deepEqual([enabled, next_run_date], [0, null])
    assert.match(disabled_reason ?? '', /No assistant found for "gone"/)
    assert.equal((await read(other)).enabled, 1)
  })

  test('a cron on a thread goes with the thread', async () => {
    const thread_id = await newThread(core)
    const cron = await make({ thread_id })
    await make()
    await core.db.run(deleteThread, { thread_id })
    await assert.rejects(read(cron), { code: 'not_found' })
    assert.deepEqual(await fire(cron), {})
    const search = { sort_by: 'created_at', sort_order: 'asc', limit: 10, offset: 0 } as const
    assert.equal((await core.db.run(searchCrons, search)).total, 1)
    await assert.rejects(make({ thread_id }), { code: 'not_found' })
  })

  test('firing and deleting the thread at once leaves nothing half done', async () => {
    for (let round = 0; round < 10; round++) {
      const thread_id = await newThread(core)
      const cron = await make({ thread_id })
      await due(cron)
      await Promise.all([fire(cron), core.db.run(deleteThread, { thread_id })])
      assert.deepEqual(await core.sql`select run_id from runs where thread_id = ${thread_id}`, [])
      await assert.rejects(read(cron), { code: 'not_found' })
    }
  })

  test('after its end it comes no more', async () => {
    const cron = await make({ end_time: new Date(Date.now() + 90_000).toISOString() })
    await core.sql`update crons set end_time = ${new Date(Date.now() + 1).toISOString()} where cron_id = ${cron.cron_id}`
    await due(cron)
    assert.ok((await fire(cron)).created)
    const ended = await read(cron)
    assert.deepEqual([ended.next_run_date, ended.enabled], [null, 1])
    const revived = await core.db.run(patchCron, { cron_id: cron.cron_id, payload: {}, metadata: {}, end_time: null })
    assert.deepEqual([soon(revived.next_run_date), revived.end_time], [true, null])
  })

  test('a patch changes what it names and finds the next date anew only then', async () => {
    const cron = await make({ payload: { input: 1, webhook: 'w' }, metadata: { a: 1, b: 2 } })
    const patch = (args: object) =>
      core.db.run(patchCron, { cron_id: cron.cron_id, payload: {}, metadata: {}, ...args })
    const patched = await patch({ payload: { input: null }, metadata: { b: 3 } })
    assert.deepEqual(JSON.parse(patched.payload), { input: null, webhook: 'w' })
    assert.deepEqual(JSON.parse(patched.metadata), { a: 1, b: 3 })
    assert.equal(patched.next_run_date, cron.next_run_date)
    const yearly = await patch({ schedule: '0 0 1 1 *', timezone: 'Europe/Berlin' })
    assert.match(yearly.next_run_date ?? '', /-12-31T23:00:00\.000Z$/)
    assert.equal((await patch({ enabled: false })).next_run_date, null)
    assert.equal((await patch({ metadata: { c: 1 } })).next_run_date, null)
    assert.equal((await patch({ enabled: true })).next_run_date, yearly.next_run_date)
    await assert.rejects(patch({ schedule: 'often' }), { code: 'invalid', message: /^schedule: / })
    await assert.rejects(patch({ timezone: 'Mars' }), { code: 'invalid', message: /^timezone: / })
    await assert.rejects(patch({ end_time: '2020-01-01T00:00:00.000Z' }), { code: 'invalid', message: /^end_time: / })
  })
})
