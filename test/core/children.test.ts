// Runs that another run starts: one for each question, however often it is asked.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Children } from '../../src/core/children.ts'
import { newId } from '../../src/core/ids.ts'
import { cancelRun } from '../../src/core/runs.ts'
import { StateTexts } from '../../src/events/state.ts'
import { createWorkflowRun } from '../../src/workflow/runs.ts'
import { forEachDatabase } from '../support/databases.ts'
import { Executions } from './executors.ts'
import { type Core, DONE, event, openCore, startWorker, statusOf, type TestWorker } from './harness.ts'

forEachDatabase('children', open => {
  let core: Core
  let worker: TestWorker
  let children: Children
  const executions = new Executions()
  const signal = AbortSignal.timeout(60_000)
  before(async () => {
    core = await openCore(await open())
    worker = startWorker(core, executions.executor)
    const { db, log, bus } = worker
    children = new Children({ db, log, bus, texts: new StateTexts(db) })
  })
  after(() => core.close())

  const ask = (parent_run_id: string) =>
    children.start({ parent_run_id, key: 'node', assistant_id: 'g', input: { x: 1 } })

  test('asking again finds the same run, and what it came to', async () => {
    const parent = newId()
    const [child, again] = await Promise.all([ask(parent), ask(parent)])
    assert.equal(again, child)
    const execution = await executions.nth(1)
    assert.equal(await children.outcome(child, 10, signal), 'running')
    await execution.writer.append(event('values', { said: 'yes' }))
    execution.end(DONE)
    assert.deepEqual(await children.outcome(child, 10_000, signal), { values: { said: 'yes' } })
    assert.equal(await ask(parent), child)
    assert.equal(executions.running, 1)
  })

  test('one that fails says why; one that is stopped stops', async () => {
    const failing = await ask(newId())
    const first = await executions.nth(2)
    first.fail(new Error('no luck'))
    assert.deepEqual(await children.outcome(failing, 10_000, signal), { error: 'no luck' })
    const child = await ask(newId())
    await executions.nth(3)
    await children.cancel(child)
    const stopped = { error: `run ${child} ended as interrupted` }
    assert.deepEqual(await children.outcome(child, 10_000, signal), stopped)
    assert.equal(await statusOf(core, child), 'interrupted')
    await children.cancel(child)
  })

  test('a workflow run that is cancelled takes its children along, begun or not', async () => {
    const parent = newId()
    const claim = { worker_id: 'another', lease_ms: 60_000 }
    const request = { owner: '', plan_hash: '', input: {}, agents: {} }
    const args = { run_id: parent, thread_id: newId(), request, plan: '{}', metadata: {}, auth_user: null, claim }
    await core.db.run(createWorkflowRun, args)
    await core.sql`update threads set due_at = null where thread_id = ${args.thread_id}`
    const begun = await ask(parent)
    await executions.nth(4)
    const { db, log, bus } = worker
    const waiting = await new Children({ db, log, bus, texts: new StateTexts(db) }).start({
      parent_run_id: parent,
      key: 'other',
      assistant_id: 'g',
      input: null,
    })
    const other = await ask(newId())
    await core.db.run(cancelRun, { run_id: parent, action: 'interrupt', by: 'client' })
    for (const child of [begun, waiting]) {
      await children.outcome(child, 10_000, signal)
      assert.equal(await statusOf(core, child), 'interrupted')
    }
    assert.equal(await children.outcome(other, 10, signal), 'running')
  })

  test('one that nobody executes is pending', async () => {
    const { db, log, bus } = worker
    await worker.worker.close()
    const idle = new Children({ db, log, bus, texts: new StateTexts(db) })
    const child = await idle.start({ parent_run_id: newId(), key: 'node', assistant_id: 'g', input: null })
    assert.equal(await idle.outcome(child, 10, signal), 'pending')
  })
})
