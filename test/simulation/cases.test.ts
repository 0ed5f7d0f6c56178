// What the simulation has found, each as the shortest interleaving that shows it. A case names what must hold; on the
// code of its day it did not.
import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { claimRuns, finishRun, handBack, renewLeases } from '../../src/core/claims.ts'
import type { ClaimedRun } from '../../src/core/executor.ts'
import { cancelRun, createRun, deleteRun } from '../../src/core/runs.ts'
import { createThread, deleteThread } from '../../src/core/threads.ts'
import type { Statement, Steps, Transition } from '../../src/db/database.ts'
import { appendSlices, type Slice } from '../../src/events/log.ts'
import { stateRows } from './process.ts'
import type { Committed, Store, Transaction } from './store.ts'
import { forEachStore } from './stores.ts'

const LEASE_MS = 1_000
const CLAIM = { worker_id: 'worker', lease_ms: LEASE_MS, limit: 10, max_crashes: 3, driving: [] }
const DONE = { status: 'success', ending: { reason: 'completed' }, interrupts: {}, resting_status: 'idle' } as const

/** A transition that is taken as far as a case wants. */
class Play<A, T> {
  readonly #store: Store
  readonly #steps: Steps<T>
  #transaction: Transaction | undefined
  #next: IteratorResult<Statement, T> | undefined

  constructor(store: Store, transition: Transition<A, T>, args: A) {
    this.#store = store
    this.#steps = transition.steps(args)
  }

  /** Takes steps up to and with the first statement that matches; false when it has to wait for another's lock. */
  async upTo(last: RegExp): Promise<boolean> {
    this.#transaction ??= await this.#store.begin()
    this.#next ??= this.#steps.next()
    while (!this.#next.done) {
      const statement = this.#next.value
      const rows = await this.#transaction.execute(statement)
      if (rows === 'waits') return false
      this.#next = this.#steps.next(rows)
      if (last.test('each' in statement ? statement.each : statement.text)) return true
    }
    return true
  }

  /** The rest and the commit. */
  async end(): Promise<T> {
    assert.ok(await this.upTo(/never/), 'it waits for a lock')
    assert.ok(this.#next?.done)
    await this.#transaction?.commit()
    this.#transaction = undefined
    return this.#next.value
  }

  async undo() {
    await this.#transaction?.rollback()
    this.#transaction = undefined
  }
}

forEachStore('found by the simulation', store => {
  const plays: { undo(): Promise<void> }[] = []
  const play = <A, T>(transition: Transition<A, T>, args: A) => {
    const started = new Play(store(), transition, args)
    plays.push(started)
    return started
  }
  const run = <A, T>(transition: Transition<A, T>, args: A) => play(transition, args).end()

  beforeEach(async () => {
    await store().reset()
    await run(createThread, { thread_id: 'thread', metadata: '{}', hidden: 0, if_exists: 'raise' })
  })

  // A case that fails leaves transactions open.
  afterEach(async () => {
    for (const started of plays.splice(0)) await started.undo()
  })

  async function create(run_id: string, after_ms = 0) {
    const rest = { assistant_id: 'graph', if_not_exists: 'reject', kwargs: {}, metadata: {} } as const
    await run(createRun, { run_id, thread_id: 'thread', multitask_strategy: 'enqueue', after_ms, ...rest })
  }

  async function claim(): Promise<ClaimedRun> {
    const [claimed] = await run(claimRuns, CLAIM)
    assert.ok(claimed)
    return claimed
  }

  /** A slice with an event and rows of state, as the first of an attempt. */
  function sliceOf(claimed: ClaimedRun, events = 1): Slice {
    const { attempt, last_seq, run } = claimed
    const event = { event: 'values', data: '{}', lines: 1, at_ms: 0 }
    const writes = stateRows(run, 1)
    return { run_id: run.run_id, attempt, last_seq, commits: 0, events: Array(events).fill(event), writes }
  }

  function rowsOf({ events, stored }: Committed, run_id: string) {
    return [...(events.get(run_id) ?? []), ...stored.filter(row => row.run_id === run_id)]
  }

  test('a rollback leaves nothing of a slice that was under way', async () => {
    await create('run')
    const append = play(appendSlices, [sliceOf(await claim())])
    await append.upTo(/insert into run_events/)
    store().now_ms += LEASE_MS + 1
    const cancel = play(cancelRun, { run_id: 'run', action: 'rollback', by: 'client' })
    await cancel.upTo(/never/)
    await append.end()
    await cancel.end()
    assert.deepEqual(rowsOf(await store().look(), 'run'), [])
  })

  test('the deletion of a thread leaves nothing of a slice that was under way', async () => {
    await create('run')
    const append = play(appendSlices, [sliceOf(await claim())])
    await append.upTo(/insert into run_events/)
    const deletion = play(deleteThread, { thread_id: 'thread' })
    await deletion.upTo(/never/)
    await append.end()
    await deletion.end()
    assert.deepEqual(rowsOf(await store().look(), 'run'), [])
  })

  test('a takeover goes on from the numbers of a slice that was under way', async () => {
    await create('run')
    const append = play(appendSlices, [sliceOf(await claim(), 3)])
    await append.upTo(/insert into run_events/)
    store().now_ms += LEASE_MS + 1
    const takeover = play(claimRuns, CLAIM)
    await takeover.upTo(/never/)
    await append.end()
    const [claimed] = await takeover.end()
    assert.equal(claimed?.last_seq, 5)
    const events = (await store().look()).events.get('run') ?? []
    assert.deepEqual(
      events.map(event => [event.seq, event.event]),
      [[1, 'metadata'], ...[2, 3, 4].map(seq => [seq, 'values']), [5, 'metadata']],
    )
  })

  test('a run whose cancel was stored before it was handed back is not started again', async () => {
    await create('run')
    const slice = sliceOf(await claim())
    await run(cancelRun, { run_id: 'run', action: 'interrupt', by: 'client' })
    await run(handBack, { thread_id: 'thread', slice })
    assert.deepEqual(await run(claimRuns, CLAIM), [])
    assert.equal((await store().look()).runs.get('run')?.status, 'interrupted')
  })

  test('a run that was handed back goes on before an older one whose time has come', async () => {
    await create('delayed', 100)
    await create('run')
    const claimed = await claim()
    store().now_ms += 200
    await run(handBack, { thread_id: 'thread', slice: sliceOf(claimed) })
    const again = await claim()
    assert.equal(again.run.run_id, 'run')
    const { next } = await run(finishRun, {
      thread_id: 'thread',
      slice: { ...sliceOf(again), writes: [] },
      ...DONE,
      claim: CLAIM,
    })
    assert.equal(next?.run.run_id, 'delayed')
    assert.equal(next.run.base_seq, again.last_seq + 1)
  })

  test('rows without an event whose answer was lost are not written twice', async () => {
    await create('run')
    const slice = sliceOf(await claim(), 0)
    assert.deepEqual(await run(appendSlices, [slice]), [])
    assert.deepEqual(await run(appendSlices, [slice]), [])
    assert.equal(rowsOf(await store().look(), 'run').filter(row => 'name' in row && row.name === 'lists').length, 1)
  })

  async function cancelledFirst(): Promise<string> {
    await create('run')
    await claim()
    await run(cancelRun, { run_id: 'run', action: 'interrupt', by: 'the first' })
    return (await store().look()).runs.get('run')?.ending as string
  }

  test('a cancel after the lease has ended does not change why the run was cancelled first', async () => {
    const first = await cancelledFirst()
    store().now_ms += LEASE_MS + 1
    await run(cancelRun, { run_id: 'run', action: 'rollback', by: 'the second' })
    assert.equal((await store().look()).runs.get('run')?.ending, first)
  })

  test('a delete after a cancel is carried out, and does not change why the run was cancelled', async () => {
    const first = await cancelledFirst()
    await run(deleteRun, { run_id: 'run' })
    assert.equal((await store().look()).runs.get('run')?.ending, first)
    store().now_ms += LEASE_MS + 1
    await run(claimRuns, CLAIM)
    assert.equal((await store().look()).runs.get('run'), undefined)
  })

  test('a create that may make its thread does so also when another deletes it meanwhile', async () => {
    const rest = {
      assistant_id: 'graph',
      kwargs: {},
      metadata: {},
      multitask_strategy: 'enqueue',
      after_ms: 0,
    } as const
    const creation = play(createRun, { run_id: 'run', thread_id: 'thread', if_not_exists: 'create', ...rest })
    await creation.upTo(/insert into threads/)
    await run(deleteThread, { thread_id: 'thread' })
    assert.equal((await creation.end()).run.status, 'pending')
    assert.equal((await store().look()).threads.get('thread')?.status, 'busy')
  })

  // It failed on Postgres alone, where a statement that has waited sees the older state of all other rows.
  test('a renewal that meets a run at its end does not put off the next one', async () => {
    await create('run')
    await create('next')
    const claimed = await claim()
    const end = play(finishRun, { thread_id: 'thread', slice: sliceOf(claimed), ...DONE })
    await end.upTo(/update runs set status/)
    const renewal = play(renewLeases, { runs: [{ run_id: 'run', attempt: claimed.attempt }], lease_ms: LEASE_MS })
    await renewal.upTo(/never/)
    await end.end()
    await renewal.end()
    assert.equal((await claim()).run.run_id, 'next')
  })
})
