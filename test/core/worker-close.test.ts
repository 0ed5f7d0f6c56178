// The end of a worker: a drain gives its runs time, then hands them back; a lost lease takes them away; and nothing that
// it started outlives it.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, beforeEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker as Thread } from 'node:worker_threads'
import { LeaseBoard } from '../../src/core/lease-board.ts'
import type { LeaseThread } from '../../src/core/leases.ts'
import { cancelRun } from '../../src/core/runs.ts'
import { LocalBus } from '../../src/events/bus.ts'
import { FlakyDatabase, numbers } from '../events/support.ts'
import { forEachDatabase } from '../support/databases.ts'
import { Executions } from './executors.ts'
import {
  begin,
  type Core,
  create,
  event,
  eventsOf,
  expire,
  newThread,
  openCore,
  runOf,
  startWorker,
  statusOf,
  until,
} from './harness.ts'

forEachDatabase('a worker that ends', open => {
  let core: Core
  before(async () => {
    core = await openCore(await open())
  })
  after(() => core.close())
  beforeEach(() => core.empty())

  test('lets its runs finish within the time it is given', async () => {
    const executions = new Executions()
    const worker = startWorker(core, executions.executor, { drain_ms: 60_000 })
    const { run_id } = await worker.start()
    const execution = await executions.nth(1)
    const closing = worker.close()
    assert.equal((await worker.start()).status, 'pending')
    assert.equal(execution.signal.aborted, false)
    execution.end()
    await closing
    assert.equal(await statusOf(core, run_id), 'success')
  })

  test('hands back what has not finished, for another to go on with, and no crash is counted', async () => {
    const [executions, others] = [new Executions(), new Executions()]
    const worker = startWorker(core, executions.executor)
    const runs = await Promise.all(numbers(1, 3).map(() => worker.start()))
    for (const n of numbers(1, 3)) void (await executions.nth(n)).writer.append(event('custom', n))
    await worker.close()
    for (const { signal } of executions.all) assert.deepEqual(signal.reason.reason, { type: 'shutting_down' })
    const next = startWorker(core, others.executor)
    for (const n of numbers(1, 3)) (await others.nth(n)).end()
    for (const { run_id } of runs) {
      await next.log.ended(run_id, AbortSignal.timeout(60_000))
      const run = await runOf(core, run_id)
      assert.deepEqual([run?.status, run?.crashes], ['success', 0])
      const log = (await eventsOf(core, run_id)).map(one => one.event)
      assert.deepEqual(log, ['metadata', 'custom', 'metadata'])
    }
    await next.close()
  })

  test('does not hand back what finished in spite of the stop', async () => {
    const executions = new Executions({ obedient: false })
    const worker = startWorker(core, executions.executor)
    const { run_id } = await worker.start()
    const { signal, end } = await executions.nth(1)
    signal.addEventListener('abort', () => end())
    await worker.close()
    assert.equal(await statusOf(core, run_id), 'success')
  })

  test('does not hand back what was cancelled meanwhile', async () => {
    const executions = new Executions()
    const worker = startWorker(core, executions.executor, { lease_ms: 60_000 })
    const { run_id } = await worker.start()
    await executions.nth(1)
    await core.db.run(cancelRun, { run_id, action: 'interrupt', by: 'test' })
    await worker.close()
    assert.equal(await statusOf(core, run_id), 'interrupted')
  })

  test('drives and hands back what was being created when it was closed', async () => {
    const executions = new Executions()
    const worker = startWorker(core, executions.executor, { concurrency: 100 })
    const created = Promise.withResolvers<void>()
    const starting = worker.worker.startHere(async claim => {
      const made = await create(core, claim ? { claim } : {})
      await created.promise
      return made
    })
    await until(async () => (await core.sql`select 1 from runs where status = 'running'`).length === 1, 'it is claimed')
    const closing = worker.close()
    created.resolve()
    const { run } = await starting
    await closing
    assert.equal(await statusOf(core, run.run_id), 'pending')
  })

  test('starts no successor of a run that it lets finish', async () => {
    const executions = new Executions()
    const db = new FlakyDatabase(core.db)
    const worker = startWorker(core, executions.executor, { db, drain_ms: 60_000, poll_ms: 60_000 })
    const thread_id = await newThread(core)
    const [first, second] = [await worker.start({ thread_id }), await worker.start({ thread_id })]
    const execution = await executions.nth(1)
    let closing: Promise<void> | undefined
    // Closed in the very moment in which it does not look for runs: a claim on its way would be honoured.
    await until(() => {
      if (db.active === 0) closing = worker.close()
      return closing !== undefined
    }, 'it has looked for runs')
    execution.end()
    await closing
    assert.deepEqual([await statusOf(core, first.run_id), await statusOf(core, second.run_id)], ['success', 'pending'])
  })

  test('gives up an executor that does not listen, after a grace; what it writes then is refused', async () => {
    const executions = new Executions({ obedient: false })
    const worker = startWorker(core, executions.executor)
    const { run_id } = await worker.start()
    const { writer } = await executions.nth(1)
    await worker.close()
    assert.equal(await statusOf(core, run_id), 'pending')
    await assert.rejects(writer.append(event('late')))
    assert.equal((await eventsOf(core, run_id)).length, 1)
  })

  test('a run whose lease was taken is stopped at once, and nothing of it is written any more', async () => {
    const executions = new Executions()
    const worker = startWorker(core, executions.executor, { lease_ms: 1_500 })
    const { run_id, thread_id } = await worker.start()
    const { signal, writer } = await executions.nth(1)
    await expire(core, thread_id)
    await core.sql`update run_heads set attempt = 7 where run_id = ${run_id}`
    await until(() => signal.aborted, 'the renewal tells that it is lost')
    assert.deepEqual(signal.reason.reason, { type: 'lease_lost' })
    await assert.rejects(writer.append(event('late')))
    await worker.close()
    assert.deepEqual([await statusOf(core, run_id), (await eventsOf(core, run_id)).length], ['running', 1])
  })

  test('a worker that cannot renew stops its runs before their leases end, and another takes them over', async () => {
    const [executions, others] = [new Executions(), new Executions()]
    const lease_ms = 3_000
    const url = core.db.dialect === 'sqlite' ? 'sqlite:/dev/null/nowhere.db' : 'postgres://nobody@127.0.0.1:1/none'
    const worker = startWorker(core, executions.executor, {
      url,
      db: new FlakyDatabase(core.db),
      lease_ms,
      poll_ms: 60_000,
    })
    const { run_id } = await worker.start()
    const { signal } = await executions.nth(1)
    const left = await new Promise<number>(resolve => {
      signal.addEventListener('abort', async () => {
        const [lease] = await core.sql`select due_at - now_ms() as ms from threads`
        resolve(lease?.ms as number)
      })
    })
    assert.deepEqual(signal.reason.reason, { type: 'lease_lost' })
    assert.ok(left >= 0, `stopped ${-left} ms after the lease`)
    const next = startWorker(core, others.executor, { bus: new LocalBus(), poll_ms: 20 })
    const { claimed, end } = await others.nth(1)
    assert.deepEqual([claimed.run.run_id, claimed.run.crashes], [run_id, 1])
    end()
    await next.log.ended(run_id, AbortSignal.timeout(60_000))
    await Promise.all([worker.close(), next.close()])
  })

  /** Waits until the lease of the only run has been moved so far beyond its first end. */
  async function leaseMoves(ms: number) {
    const end = async () => (await core.sql`select due_at as ms from threads`)[0]?.ms as number
    const first = await end()
    await until(async () => (await end()) > first + ms, 'the lease is renewed')
  }

  test('a lease lasts as long as it is renewed', async () => {
    const executions = new Executions()
    const worker = startWorker(core, executions.executor, { lease_ms: 4_000 })
    const rival = startWorker(core, executions.executor, { poll_ms: 20 })
    const { run_id } = await worker.start()
    const execution = await executions.nth(1)
    await leaseMoves(4_000)
    assert.deepEqual([executions.running, execution.signal.aborted], [1, false])
    execution.end()
    await worker.log.ended(run_id, AbortSignal.timeout(60_000))
    assert.equal((await runOf(core, run_id))?.crashes, 0)
    await Promise.all([worker.close(), rival.close()])
  })

  test('a live run on a loop that hangs for longer than its lease is kept while the thread renews it', async () => {
    const executions = new Executions()
    const worker = startWorker(core, executions.executor, { lease_ms: 6_000 })
    const { run_id } = await worker.start()
    const execution = await executions.nth(1)
    await leaseMoves(0)
    const blocked_until = Date.now() + 6_400
    while (Date.now() < blocked_until);
    await execution.writer.append(event('custom'))
    assert.equal(execution.signal.aborted, false)
    execution.end()
    await worker.log.ended(run_id, AbortSignal.timeout(60_000))
    const run = await runOf(core, run_id)
    assert.deepEqual([run?.status, run?.crashes], ['success', 0])
    await worker.close()
  })

  test('renewing ends when the main loop has not turned for too long, and goes on when it turns', async () => {
    const { run, attempt } = await begin(core)
    const ticks = new Int32Array(new SharedArrayBuffer(4))
    const board = new LeaseBoard()
    board.add({ run_id: run.run_id, attempt })
    const workerData: LeaseThread = {
      url: core.url,
      door: undefined,
      lease_ms: 300,
      ticks,
      hung_ms: 500,
      board: board.memory,
    }
    const thread = new Thread(new URL('../../src/core/lease-thread.ts', import.meta.url), { workerData })
    let reports = 0
    thread.on('message', () => reports++)
    await until(() => reports > 0, 'it renews')
    await until(async () => {
      const before = reports
      await sleep(700)
      return reports === before
    }, 'it has stopped')
    const stopped = reports
    Atomics.add(ticks, 0, 1)
    await until(() => reports > stopped, 'it goes on')
    thread.postMessage('close')
    await once(thread, 'exit')
  })

  test('its process ends when everything is closed', async () => {
    const script = join(import.meta.dirname, 'closing-process.ts')
    const child = spawn(process.execPath, [script, core.url], { stdio: ['ignore', 'pipe', 'inherit'] })
    const timer = setTimeout(() => child.kill('SIGKILL'), 60_000)
    const said = text(child.stdout)
    const [exit] = await once(child, 'exit')
    clearTimeout(timer)
    assert.deepEqual([exit, await said], [0, 'closed\n'])
  })
})
