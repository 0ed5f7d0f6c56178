// Readers in the process that executes a run: they see what is stored, from memory.
import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { cancelRun, runOutcome } from '../../src/core/runs.ts'
import type { Database } from '../../src/db/database.ts'
import type { RunEvent } from '../../src/events/log.ts'
import { forEachDatabase } from '../support/databases.ts'
import { Executions } from './executors.ts'
import { type Core, event, eventsOf, openCore, readAll, startWorker, statusOf } from './harness.ts'

/** Events of one row have its time when they are read from there. */
const told = ({ seq, event, data }: RunEvent) => [seq, event, data]

forEachDatabase('a reader where the run is executed', open => {
  let core: Core
  before(async () => {
    core = await openCore(await open())
  })
  after(() => core.close())
  beforeEach(() => core.empty())

  /** A run with two tokens that came together, and a reader of it; `asked` are the transitions from then on. */
  async function begun() {
    const asked: string[] = []
    const db: Database = {
      dialect: core.db.dialect,
      run: (transition, args) => {
        asked.push(transition.name)
        return core.db.run(transition, args)
      },
      close: async () => {},
    }
    const executions = new Executions()
    const worker = startWorker(core, executions.executor, { db })
    const { run_id } = await worker.start()
    const execution = await executions.nth(1)
    const reading = readAll(worker.log, run_id)
    await execution.writer.append(event('values'))
    for (const text of ['one', 'two']) void execution.writer.append(event('messages', text))
    return { worker, run_id, execution, reading, asked }
  }

  async function storedEnd(run_id: string) {
    const outcome = await core.db.run(runOutcome, run_id)
    const { status, ending } = outcome?.run ?? {}
    return { status, ending, values: outcome?.values?.data }
  }

  for (const how of ['ends', 'fails'] as const) {
    test(`sees all of one that ${how} and what it came to, as it is stored, and asks the database for none of it`, async () => {
      const { worker, run_id, execution, reading, asked } = await begun()
      if (how === 'ends') execution.end()
      else execution.fail(new Error('no'))
      const end = await worker.log.ended(run_id, AbortSignal.timeout(60_000))
      const seen = await reading
      assert.deepEqual(end, await storedEnd(run_id))
      assert.deepEqual(seen.map(told), (await eventsOf(core, run_id)).map(told))
      const error = how === 'fails' ? ['error'] : []
      assert.deepEqual(
        seen.map(one => one.event),
        ['metadata', 'values', 'messages', 'messages', ...error],
      )
      assert.deepEqual(
        asked.filter(name => name.startsWith('read') || name === 'runOutcome'),
        [],
      )
      await worker.close()
    })
  }

  for (const action of ['interrupt', 'rollback'] as const) {
    test(`comes to the end of one that was cancelled (${action})`, async () => {
      const { worker, run_id, reading } = await begun()
      await core.db.run(cancelRun, { run_id, action, by: 'test' })
      worker.bus.publish(`cancel:${run_id}`)
      const end = await worker.log.ended(run_id, AbortSignal.timeout(60_000))
      const seen = await reading
      assert.equal(end, undefined, 'how it ended was decided elsewhere')
      if (action === 'interrupt') assert.deepEqual(seen.map(told), (await eventsOf(core, run_id)).map(told))
      assert.equal(await statusOf(core, run_id), action === 'interrupt' ? 'interrupted' : undefined)
      await worker.close()
    })
  }
})
