// The worker: what runs come to, how many at once, and how they are stopped.
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { after, before, beforeEach, describe, test } from 'node:test'
import type { Executor } from '../../src/core/executor.ts'
import { newId } from '../../src/core/ids.ts'
import { type CancelAction, cancelRun } from '../../src/core/runs.ts'
import { type Bulk, Outage } from '../../src/db/database.ts'
import { LocalBus } from '../../src/events/bus.ts'
import { PostgresBus } from '../../src/events/postgres-bus.ts'
import { checkpointWrite, FlakyDatabase, numbers, Reader } from '../events/support.ts'
import { forEachDatabase } from '../support/databases.ts'
import { Executions } from './executors.ts'
import {
  type Core,
  create,
  DONE,
  event,
  eventsOf,
  newThread,
  openCore,
  readAll,
  runOf,
  startWorker,
  statusOf,
  type TestWorker,
  threadOf,
  until,
} from './harness.ts'

forEachDatabase('a worker', open => {
  let core: Core
  before(async () => {
    core = await openCore(await open())
  })
  after(() => core.close())
  beforeEach(() => core.empty())

  const stopped = (worker: TestWorker, run_id: string) => worker.log.ended(run_id, AbortSignal.timeout(60_000))
  async function cancel(worker: TestWorker, run_id: string, action: CancelAction = 'interrupt') {
    await core.db.run(cancelRun, { run_id, action, by: 'test' })
    worker.bus.publish(`cancel:${run_id}`)
  }

  /** Starts a run of an executor and returns it as it ended, with its log. */
  async function outcome(executor: Executor, options: Parameters<typeof startWorker>[2] = {}) {
    const worker = startWorker(core, executor, options)
    const { run_id, thread_id } = await worker.start()
    const log = await readAll(worker.log, run_id)
    await worker.close()
    const run = await runOf(core, run_id)
    return {
      run,
      ending: JSON.parse(run?.ending as string),
      log,
      thread: await threadOf(core, thread_id),
      logged: worker.logged,
    }
  }

  describe('ends a run', () => {
    test('with success, and all its events before', async () => {
      const { run, ending, log, thread, logged } = await outcome(async (_claimed, writer) => {
        void writer.append(event('custom', 1))
        void writer.append(event('values', { n: 1 }))
        return DONE
      })
      assert.deepEqual([run?.status, ending, thread.status], ['success', { reason: 'completed' }, 'idle'])
      assert.deepEqual(
        log.map(one => [one.seq, one.event]),
        [
          [1, 'metadata'],
          [2, 'custom'],
          [3, 'values'],
        ],
      )
      assert.equal(thread.state, '{"n":1}')
      assert.deepEqual(logged, [])
    })

    test('with success and a thread that waits, at an interrupt and at a breakpoint', async () => {
      const interrupts = { t: [{ id: 'i', value: 'why?' }] }
      const asked = await outcome(async () => ({ interrupts, has_next: true }))
      assert.deepEqual([asked.run?.status, asked.thread.status], ['success', 'interrupted'])
      assert.deepEqual(JSON.parse(asked.thread.interrupts), interrupts)
      const held = await outcome(async () => ({ interrupts: {}, has_next: true }))
      assert.deepEqual([held.run?.status, held.thread.status], ['success', 'interrupted'])
    })

    test('with an error event and the status, when it fails', async () => {
      const { run, ending, log, thread } = await outcome(async (_claimed, writer) => {
        void writer.append(event('custom'))
        throw new RangeError('too far')
      })
      const error = { error: 'RangeError', message: 'too far' }
      assert.deepEqual([run?.status, ending, thread.error], ['error', { reason: 'failed', error }, 'too far'])
      assert.deepEqual(
        log.map(one => one.event),
        ['metadata', 'custom', 'error'],
      )
      assert.deepEqual(JSON.parse(log[2]?.data as string), error)
    })

    const badExecutors: Record<string, [Executor, RegExp]> = {
      'throws before it returns a promise': [() => assert.fail('at once'), /at once/],
      'fails with what is no error': [() => Promise.reject('just text'), /just text/],
      'fails with nothing': [() => Promise.reject(), /undefined/],
    }
    for (const [what, [executor, message]] of Object.entries(badExecutors)) {
      test(`with an error, when its executor ${what}`, async () => {
        const { run, ending } = await outcome(executor)
        assert.equal(run?.status, 'error')
        assert.match(ending.error.message, message)
      })
    }

    test('with an error, when nobody executes its kind here', async () => {
      const worker = startWorker(core, async () => DONE)
      const { run } = await create(core)
      await core.sql`update runs set kind = 'other' where run_id = ${run.run_id}`
      worker.bus.publish('work')
      await stopped(worker, run.run_id)
      assert.match((await runOf(core, run.run_id))?.ending as string, /does not execute runs of kind \\"other\\"/)
      await worker.close()
    })

    test('with an error, when the database refuses what it wrote while it runs', async () => {
      const executions = new Executions()
      const worker = startWorker(core, executions.executor)
      const { run_id, thread_id } = await worker.start()
      const { writer, signal } = await executions.nth(1)
      const row = checkpointWrite(thread_id, 't', run_id)
      await writer.append(event('custom'), [row])
      await assert.rejects(writer.append(event('custom'), [row]))
      assert.equal(signal.aborted, true)
      const log = await readAll(worker.log, run_id)
      assert.deepEqual(
        log.map(one => one.event),
        ['metadata', 'custom', 'error'],
      )
      assert.match(log[2]?.data as string, /unique/i)
      assert.equal(await statusOf(core, run_id), 'error')
      await worker.close()
    })

    test('with an error, when the database refuses the last of what it wrote', async () => {
      const { run, ending, log } = await outcome(async ({ run }, writer) => {
        const rows: Bulk[] = [
          checkpointWrite(run.thread_id, 't', run.run_id),
          checkpointWrite(run.thread_id, 't', run.run_id),
        ]
        void writer.append(event('values'), rows)
        return DONE
      })
      assert.equal(run?.status, 'error')
      assert.match(ending.error.message, /unique/i)
      assert.deepEqual(
        log.map(one => one.event),
        ['metadata', 'error'],
      )
    })

    test('with timeout and an error event, when it takes too long', async () => {
      const { run, ending, log, thread } = await outcome(new Executions().executor, { run_timeout_ms: 30 })
      assert.deepEqual([run?.status, ending.reason, thread.status], ['timeout', 'timeout', 'error'])
      assert.match(JSON.parse(log[1]?.data as string).message, /did not finish within 0.03 s/)
    })

    test('though the database is out of reach for a while at its end', async () => {
      const db = new FlakyDatabase(core.db)
      const { run, log } = await outcome(
        async (_claimed, writer) => {
          await writer.append(event('custom'))
          db.faults.push('before', 'after commit')
          return DONE
        },
        { db },
      )
      assert.deepEqual([run?.status, log.length], ['success', 2])
    })
  })

  describe('stops a run that is cancelled', () => {
    test('quickly, with the reason on its signal, and no error event', async () => {
      const executions = new Executions()
      const worker = startWorker(core, executions.executor, { lease_ms: 60_000 })
      const { run_id, thread_id } = await worker.start()
      const { signal, writer } = await executions.nth(1)
      await writer.append(event('values', { n: 1 }))
      await cancel(worker, run_id)
      await stopped(worker, run_id)
      assert.deepEqual(signal.reason.reason, { type: 'cancelled' })
      assert.equal(await statusOf(core, run_id), 'interrupted')
      assert.equal((await eventsOf(core, run_id)).length, 2)
      assert.equal((await threadOf(core, thread_id)).status, 'interrupted')
      await worker.close()
    })

    test('by rollback: its readers end, its rows are gone', async () => {
      const executions = new Executions()
      const worker = startWorker(core, executions.executor)
      const { run_id } = await worker.start()
      const reader = new Reader(worker.log, run_id)
      await reader.until(1)
      await cancel(worker, run_id, 'rollback')
      await reader.done
      assert.equal(await statusOf(core, run_id), undefined)
      await worker.close()
    })

    test('told by another process', async () => {
      const executions = new Executions()
      const buses = core.db.dialect === 'postgres' ? [new PostgresBus(core.url), new PostgresBus(core.url)] : []
      const [mine = new LocalBus(), theirs = mine] = buses
      const worker = startWorker(core, executions.executor, { bus: mine, lease_ms: 60_000 })
      const { run_id } = await worker.start()
      await executions.nth(1)
      const other = await core.again()
      await other.db.run(cancelRun, { run_id, action: 'interrupt', by: 'other' })
      // A hint may come too early to be heard: until it is, it is repeated.
      const hints = setInterval(() => theirs.publish(`cancel:${run_id}`), 20)
      await stopped(worker, run_id)
      clearInterval(hints)
      assert.equal(await statusOf(core, run_id), 'interrupted')
      await worker.close()
      for (const one of [...buses, other]) await one.close()
    })

    test('also where every hint is lost: the renewal of its lease tells', async () => {
      const executions = new Executions()
      const worker = startWorker(core, executions.executor, { lease_ms: 1_500 })
      const { run_id } = await worker.start()
      await executions.nth(1)
      await core.db.run(cancelRun, { run_id, action: 'interrupt', by: 'test' })
      await stopped(worker, run_id)
      assert.equal(await statusOf(core, run_id), 'interrupted')
      await worker.close()
    })

    test('a cancel that is stored before the ending decides it', async () => {
      const executions = new Executions()
      const worker = startWorker(core, executions.executor, { lease_ms: 60_000 })
      const { run_id } = await worker.start()
      const execution = await executions.nth(1)
      await core.db.run(cancelRun, { run_id, action: 'interrupt', by: 'test' })
      execution.end()
      await stopped(worker, run_id)
      assert.equal(await statusOf(core, run_id), 'interrupted')
      await worker.close()
    })

    test('a hint for a run that nobody cancelled stops nothing', async () => {
      const executions = new Executions()
      const worker = startWorker(core, executions.executor)
      const { run_id } = await worker.start()
      const execution = await executions.nth(1)
      worker.bus.publish(`cancel:${run_id}`)
      await execution.writer.append(event('custom'))
      assert.equal(execution.signal.aborted, false)
      execution.end()
      await stopped(worker, run_id)
      assert.equal(await statusOf(core, run_id), 'success')
      await worker.close()
    })
  })

  test('executes no more than its concurrency at once, and all in the end', async () => {
    const executions = new Executions()
    const worker = startWorker(core, executions.executor, { concurrency: 3 })
    const runs = await Promise.all(numbers(1, 10).map(() => worker.start()))
    for (const n of numbers(1, 10)) {
      const execution = await executions.nth(n)
      const executing = await core.sql`select count(*) as n from runs where status = 'running'`
      assert.ok((executing[0]?.n as number) <= 3, `${executing[0]?.n} at once`)
      execution.end()
    }
    for (const { run_id } of runs) await stopped(worker, run_id)
    assert.equal((await core.sql`select count(*) as n from runs where status = 'success'`)[0]?.n, 10)
    await worker.close()
  })

  test('goes on with the next run of a thread without being told', async () => {
    const executions = new Executions()
    const worker = startWorker(core, executions.executor, { poll_ms: 60_000 })
    const thread_id = await newThread(core)
    const runs = await Promise.all(numbers(1, 5).map(() => worker.start({ thread_id })))
    for (const n of numbers(1, 5)) (await executions.nth(n)).end()
    for (const { run_id } of runs) await stopped(worker, run_id)
    assert.deepEqual(
      executions.all.map(({ claimed }) => claimed.run.position),
      numbers(1, 5),
    )
    await worker.close()
  })

  test('finds runs that nobody told it of', async () => {
    const executions = new Executions()
    const worker = startWorker(core, executions.executor, { poll_ms: 30 })
    const { run } = await create(core, { after_ms: 50 })
    const execution = await executions.nth(1)
    assert.equal(execution.claimed.run.run_id, run.run_id)
    execution.end()
    await stopped(worker, run.run_id)
    await worker.close()
  })

  test('a hint is never lost between looking and waiting', async () => {
    const worker = startWorker(core, async () => DONE, { poll_ms: 60_000 })
    for (const n of numbers(1, 60)) {
      const { run } = await create(core)
      if (n % 3 === 0) await new Promise(setImmediate)
      worker.bus.publish('work')
      if (n % 2 === 0) await stopped(worker, run.run_id)
    }
    for (const { run_id } of await core.sql`select run_id from runs`) await stopped(worker, run_id as string)
    await worker.close()
  })

  test('claims nothing while its loop lags, and goes on after', async () => {
    const executions = new Executions()
    const worker = startWorker(core, executions.executor, { poll_ms: 20 })
    const { run } = await create(core)
    const blocked_until = Date.now() + 500
    while (Date.now() < blocked_until);
    const lagging = await worker.start()
    assert.equal(lagging.status, 'pending')
    await executions.nth(2)
    for (const execution of executions.all) execution.end()
    for (const { run_id } of [run, lagging]) await stopped(worker, run_id)
    await worker.close()
  })

  test('a run that is started here runs at once, without being looked for', async () => {
    const db = new FlakyDatabase(core.db)
    const worker = startWorker(core, async () => DONE, { db, poll_ms: 60_000, concurrency: 100 })
    for (const _ of numbers(1, 5)) {
      const run = await worker.start()
      assert.equal(run.status, 'running')
      await stopped(worker, run.run_id)
    }
    assert.equal(db.tried.get('claimRuns'), 1)
    await worker.close()
  })

  describe('a claim whose answer was lost', () => {
    /** Nobody else would look for its run within the test: the lease and the poll are longer. */
    async function found(
      body: (worker: TestWorker, db: FlakyDatabase, executions: Executions) => Promise<{ run_id: string; nth: number }>,
    ) {
      const executions = new Executions()
      const db = new FlakyDatabase(core.db)
      const worker = startWorker(core, executions.executor, { db, poll_ms: 60_000, lease_ms: 60_000 })
      const { run_id, nth } = await body(worker, db, executions)
      const execution = await executions.nth(nth)
      assert.deepEqual([execution.claimed.run.run_id, execution.claimed.attempt], [run_id, 1])
      await execution.writer.append(event('custom'))
      execution.end()
      await stopped(worker, run_id)
      const run = await runOf(core, run_id)
      assert.deepEqual([run?.status, run?.crashes, executions.all.at(-1)], ['success', 0, execution])
      assert.deepEqual(
        (await eventsOf(core, run_id)).map(one => one.event),
        ['metadata', 'custom'],
      )
      await worker.close()
    }

    test('while looking for work is taken up, and counts no crash', async () => {
      await found(async (worker, db) => {
        await until(() => db.active === 0 && (db.tried.get('claimRuns') ?? 0) > 0, 'it has looked once')
        db.faults.push('after commit')
        const { run } = await create(core)
        worker.bus.publish('work')
        return { run_id: run.run_id, nth: 1 }
      })
    })

    test('while creating the run is taken up, though the client was told of the outage', async () => {
      await found(async (worker, db) => {
        const run_id = newId()
        await until(() => db.active === 0 && (db.tried.get('claimRuns') ?? 0) > 0, 'it has looked once')
        db.faults.push('after commit')
        await assert.rejects(worker.start({ run_id }), Outage)
        return { run_id, nth: 1 }
      })
    })

    test('while ending the run before is taken up', async () => {
      await found(async (worker, db, executions) => {
        const { thread_id } = await worker.start()
        const first = await executions.nth(1)
        const { run } = await create(core, { thread_id })
        db.faults.push('after commit', 'before')
        first.end()
        return { run_id: run.run_id, nth: 2 }
      })
    })
  })

  test('a slot that was wanted is used as soon as it is free', async () => {
    const executions = new Executions()
    const worker = startWorker(core, executions.executor, { concurrency: 1, poll_ms: 60_000 })
    const refused = Promise.withResolvers<never>()
    const starting = worker.worker.startHere(() => refused.promise)
    const { run } = await create(core)
    worker.bus.publish('work')
    await new Promise(setImmediate)
    refused.reject(new Error('no'))
    await assert.rejects(starting, /no/)
    assert.equal((await executions.nth(1)).claimed.run.run_id, run.run_id)
    await worker.start()
    executions.all[0]?.end()
    await executions.nth(2)
    await worker.close()
  })

  test('a run that cannot be created gives its slot back', async () => {
    const executions = new Executions()
    const worker = startWorker(core, executions.executor, { concurrency: 1, poll_ms: 60_000 })
    for (const _ of numbers(1, 3)) await assert.rejects(worker.start({ assistant_id: 'nobody' }))
    await worker.start()
    ;(await executions.nth(1)).end()
    await worker.close()
  })

  test('leaves no listener on the signal or the bus of a run that has ended', async () => {
    const executions = new Executions({ obedient: false })
    const worker = startWorker(core, executions.executor)
    const { run_id } = await worker.start()
    const { signal, end } = await executions.nth(1)
    end()
    await stopped(worker, run_id)
    await worker.close()
    assert.equal(signal.aborted, false)
    assert.ok(getEventListeners(signal, 'abort').length <= 1)
  })
})
