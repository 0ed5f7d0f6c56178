// Creating runs: what is refused, what is merged, and who gets an idle thread.
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { syncSystemAssistants } from '../../src/core/assistants.ts'
import { RunloomError } from '../../src/core/errors.ts'
import { assistantId, newId } from '../../src/core/ids.ts'
import { commitState } from '../../src/core/states.ts'
import { forEachDatabase } from '../support/databases.ts'
import {
  begin,
  type Core,
  claim,
  create,
  eventsOf,
  finish,
  newThread,
  openCore,
  rowsOf,
  runOf,
  statusOf,
  threadOf,
} from './harness.ts'

forEachDatabase('creating a run', open => {
  let core: Core
  before(async () => {
    core = await openCore(await open())
  })
  after(() => core.close())
  beforeEach(() => core.empty())

  const storeCheckpoint = (thread_id: string, id: string, position: number) =>
    core.sql`insert into checkpoints (thread_id, checkpoint_ns, checkpoint_id, run_id, checkpoint, channels, metadata, position)
      values (${thread_id}, '', ${id}, 'r', '{}', '{}', '{}', ${position})`

  test('makes a pending run with its head, a busy thread, and nothing in the log', async () => {
    const { run, repeated, superseded, claimed } = await create(core)
    assert.deepEqual(
      [run.status, run.position, run.crashes, repeated, superseded, claimed],
      ['pending', 1, 0, false, [], undefined],
    )
    assert.deepEqual(await rowsOf(core, 'run_id', run.run_id), { runs: 1, run_heads: 1 })
    assert.equal((await threadOf(core, run.thread_id)).status, 'busy')
  })

  test('with a claim and an idle thread it starts at once, in the same transaction', async () => {
    const { run, attempt, last_seq } = await begin(core)
    assert.deepEqual([run.status, run.worker_id, attempt, last_seq], ['running', 'w', 1, 1])
    assert.deepEqual(
      (await eventsOf(core, run.run_id)).map(one => [one.event, JSON.parse(one.data)]),
      [['metadata', { run_id: run.run_id, attempt: 1 }]],
    )
    assert.deepEqual(await claim(core), [])
  })

  test('with a claim it waits all the same while the thread has something in flight, or its time has not come', async () => {
    const waiting = await create(core)
    const options = { worker_id: 'w', lease_ms: 60_000 }
    const behind = await create(core, { thread_id: waiting.run.thread_id, claim: options })
    assert.equal(behind.claimed, undefined)
    const later = await create(core, { claim: options, after_ms: 60_000 })
    assert.equal(later.claimed, undefined)
  })

  describe('refuses', () => {
    const refusal = async (making: Promise<unknown>) => {
      const error = await making.then(
        () => assert.fail('it was accepted'),
        error => error,
      )
      assert.ok(error instanceof RunloomError, String(error))
      return error
    }

    test('an unknown assistant, and makes no thread for it', async () => {
      const thread_id = newId()
      const error = await refusal(create(core, { assistant_id: 'nobody', thread_id }))
      assert.deepEqual([error.code, /No assistant found for "nobody"/.test(error.message)], ['not_found', true])
      assert.deepEqual(await rowsOf(core, 'thread_id', thread_id), {})
    })

    for (const multitask_strategy of ['reject', 'enqueue', 'interrupt', 'rollback'] as const) {
      test(`an unknown thread, with strategy ${multitask_strategy}`, async () => {
        const error = await refusal(create(core, { if_not_exists: 'reject', multitask_strategy }))
        assert.equal(error.code, 'not_found')
      })
    }
  })

  test('if_not_exists: create makes the thread with what the run says of it', async () => {
    const thread_id = newId()
    await create(core, { thread_id, metadata: { customer: 7 } })
    const thread = await threadOf(core, thread_id)
    assert.deepEqual(JSON.parse(thread.metadata), { customer: 7, graph_id: 'g', assistant_id: assistantId('g') })
    assert.equal(thread.hidden, 0)
  })

  test('if_not_exists: create takes a thread that is there as it is', async () => {
    const thread_id = await newThread(core)
    await core.sql`update threads set metadata = '{"mine":1}' where thread_id = ${thread_id}`
    await create(core, { thread_id, metadata: { yours: 2 } })
    const { metadata } = await threadOf(core, thread_id)
    assert.deepEqual(JSON.parse(metadata), { mine: 1, graph_id: 'g', assistant_id: assistantId('g') })
  })

  test('an assistant is found by its id and by its graph', async () => {
    const [byGraph, byId] = [await create(core), await create(core, { assistant_id: assistantId('g') })]
    assert.equal(byGraph.run.assistant_id, byId.run.assistant_id)
  })

  test('twenty at once that make the same thread get one thread and twenty places in its order', async () => {
    const thread_id = newId()
    const created = await Promise.all(Array.from({ length: 20 }, () => create(core, { thread_id })))
    assert.deepEqual(
      created.map(({ run }) => run.position).sort((a, b) => a - b),
      Array.from({ length: 20 }, (_, index) => index + 1),
    )
  })

  describe('merges (contract §4.3)', () => {
    before(async () => {
      await core.db.run(syncSystemAssistants, [{ graph_id: 'tuned', description: null }])
      const config = { recursion_limit: 5, tags: ['a'], configurable: { of: 'assistant', only_a: 1, both: 'a' } }
      await core.sql`update assistants set config = ${JSON.stringify(config)}, context = '{"of":"assistant","a":1}',
        metadata = '{"of":"assistant","a":1}' where graph_id = 'tuned'`
    })

    const kwargsOf = async (run_id: string) => JSON.parse((await runOf(core, run_id))?.kwargs as string)

    test('config: the assistant’s, then the thread’s, then the run’s, then what the server knows', async () => {
      const thread_id = await newThread(core)
      await core.sql`update threads set config = '{"configurable":{"of":"thread","only_t":2,"both":"t"}}'
        where thread_id = ${thread_id}`
      const configurable = { of: 'run', only_r: 3, run_id: 'forged', thread_id: 'forged', graph_id: 'forged' }
      const { run } = await create(core, {
        thread_id,
        assistant_id: 'tuned',
        kwargs: { input: 1, config: { tags: ['r'], configurable } },
      })
      const { config, input } = await kwargsOf(run.run_id)
      assert.deepEqual([config.recursion_limit, config.tags, input], [5, ['r'], 1])
      assert.deepEqual(config.configurable, {
        of: 'run',
        both: 't',
        only_a: 1,
        only_t: 2,
        only_r: 3,
        run_id: run.run_id,
        thread_id,
        graph_id: 'tuned',
        assistant_id: assistantId('tuned'),
      })
    })

    test('metadata: the assistant’s, then the thread’s, then the run’s', async () => {
      const thread_id = await newThread(core)
      await core.sql`update threads set metadata = '{"of":"thread","t":2}' where thread_id = ${thread_id}`
      const { run } = await create(core, { thread_id, assistant_id: 'tuned', metadata: { of: 'run', r: 3 } })
      assert.deepEqual(JSON.parse(run.metadata), { of: 'run', a: 1, t: 2, r: 3 })
    })

    test('context: the assistant’s, then the run’s, also where the run gives none', async () => {
      const given = { input: null, context: { of: 'run', r: 2 } }
      const [own, none] = [
        await create(core, { assistant_id: 'tuned', kwargs: given }),
        await create(core, { assistant_id: 'tuned' }),
      ]
      assert.deepEqual((await kwargsOf(own.run.run_id)).context, { of: 'run', a: 1, r: 2 })
      assert.deepEqual((await kwargsOf(none.run.run_id)).context, { of: 'assistant', a: 1 })
    })

    test('no context where nobody gives one', async () => {
      const { run } = await create(core)
      assert.equal('context' in (await kwargsOf(run.run_id)), false)
    })

    test('a checkpoint that there is not is refused wherever the request names it', async () => {
      const thread_id = await newThread(core)
      const named = { checkpoint_id: 'nowhere' }
      for (const from of [named, { checkpoint: named }, { config: { configurable: named } }]) {
        await assert.rejects(
          create(core, { thread_id, kwargs: { input: null, ...from } }),
          (error: RunloomError) => error.code === 'not_found' && /Checkpoint nowhere of thread/.test(error.message),
        )
      }
      const odd = { config: { configurable: { checkpoint_id: {}, checkpoint_ns: [] } } }
      await assert.rejects(create(core, { thread_id, kwargs: { input: null, ...odd } }), /Checkpoint .* not found/)
      assert.equal((await threadOf(core, thread_id)).last_position, 0)
    })

    test('a thread keeps a run’s configurable, but nothing that points at a checkpoint or names a person', async () => {
      const configurable = {
        model: 'm',
        user: 'u',
        checkpoint_id: '1',
        checkpoint_ns: '',
        checkpoint_map: {},
        thread_ts: 't',
        __pregel_resuming: true,
        langgraph_auth_user: {},
        run_id: 'r',
      }
      const thread_id = await newThread(core)
      await storeCheckpoint(thread_id, '1', 0)
      const { run } = await create(core, { thread_id, kwargs: { input: null, config: { configurable } } })
      assert.deepEqual(JSON.parse((await threadOf(core, run.thread_id)).config), {
        configurable: { model: 'm', user: 'u' },
      })
      const next = await create(core, { thread_id: run.thread_id })
      assert.equal((await kwargsOf(next.run.run_id)).config.configurable.checkpoint_id, undefined)
      assert.equal((await kwargsOf(run.run_id)).config.configurable.checkpoint_id, '1')
    })
  })

  describe('follows up to', () => {
    test('the newest run of the thread that succeeded, or none', async () => {
      const first = await begin(core)
      const { thread_id, run_id } = first.run
      assert.equal(first.run.follow_up_to_run_id, null)
      const waiting = await create(core, { thread_id })
      assert.equal(waiting.run.follow_up_to_run_id, null, 'what has not succeeded is not gone on from')
      await finish(core, first)
      const [failing] = await claim(core)
      await finish(core, failing as NonNullable<typeof failing>, { status: 'error' })
      assert.equal((await create(core, { thread_id })).run.follow_up_to_run_id, run_id)
    })

    test('the run that is named, if it is one of the thread', async () => {
      const { run } = await create(core)
      const { thread_id, run_id } = run
      const next = await create(core, { thread_id, follow_up_to_run_id: run_id })
      assert.equal(next.run.follow_up_to_run_id, run_id)
      const code = (args: Parameters<typeof create>[1]) =>
        create(core, args).then(
          () => assert.fail('it was accepted'),
          (error: RunloomError) => [error.code, /follow_up_to_run_id/.test(error.message)],
        )
      assert.deepEqual(await code({ thread_id, follow_up_to_run_id: newId() }), ['not_found', true])
      assert.deepEqual(await code({ follow_up_to_run_id: run_id }), ['invalid', true])
      assert.deepEqual(await code({ thread_id: await newThread(core), follow_up_to_run_id: run_id }), ['invalid', true])
    })
  })

  describe('with strategy reject', () => {
    test('of twenty at once on an idle thread one is accepted, and the others name it', async () => {
      const thread_id = await newThread(core)
      const outcomes = await Promise.allSettled(
        Array.from({ length: 20 }, () => create(core, { thread_id, multitask_strategy: 'reject' })),
      )
      const accepted = outcomes.flatMap(outcome => (outcome.status === 'fulfilled' ? [outcome.value.run.run_id] : []))
      assert.equal(accepted.length, 1)
      for (const outcome of outcomes) {
        if (outcome.status === 'fulfilled') continue
        assert.equal(outcome.reason.code, 'conflict')
        assert.deepEqual(outcome.reason.details, { run_id: accepted[0], status: 'pending' })
        assert.match(outcome.reason.message, new RegExp(`run ${accepted[0]} is pending`))
      }
      assert.equal((await rowsOf(core, 'thread_id', thread_id)).runs, 1)
    })

    test('the run that executes is named before those that wait', async () => {
      const { run } = await begin(core)
      await create(core, { thread_id: run.thread_id })
      const rejected = create(core, { thread_id: run.thread_id, multitask_strategy: 'reject' })
      await assert.rejects(rejected, (error: RunloomError) => {
        assert.deepEqual(error.details, { run_id: run.run_id, status: 'running' })
        return true
      })
    })

    test('a thread whose runs have all ended takes it', async () => {
      const claimed = await begin(core)
      await finish(core, claimed)
      const { run } = await create(core, { thread_id: claimed.run.thread_id, multitask_strategy: 'reject' })
      assert.equal(run.status, 'pending')
    })
  })

  describe('with strategy enqueue', () => {
    test('runs execute one at a time in the order of their creation, however they were created', async () => {
      const thread_id = await newThread(core)
      const created = await Promise.all(Array.from({ length: 15 }, () => create(core, { thread_id })))
      const expected = created.map(({ run }) => run).sort((a, b) => a.position - b.position)
      for (const run of expected) {
        const claimed = await claim(core)
        assert.deepEqual(
          claimed.map(one => one.run.run_id),
          [run.run_id],
        )
        assert.deepEqual(await claim(core), [])
        await finish(core, claimed[0] as NonNullable<(typeof claimed)[0]>)
      }
      assert.equal((await threadOf(core, thread_id)).status, 'idle')
    })
  })

  describe('that is due later', () => {
    test('is not claimed before its time, and is then', async () => {
      const { run } = await create(core, { after_ms: 60_000 })
      assert.deepEqual(await claim(core), [])
      const [row] = await core.sql`select not_before - now_ms() as wait from runs where run_id = ${run.run_id}`
      assert.ok((row?.wait as number) > 50_000 && (row?.wait as number) <= 60_000)
      await core.sql`update runs set not_before = 1 where run_id = ${run.run_id}`
      await core.sql`update threads set due_at = 1 where thread_id = ${run.thread_id}`
      assert.equal((await claim(core))[0]?.run.run_id, run.run_id)
    })

    test('blocks reject and state updates, and shows as busy', async () => {
      const { run } = await create(core, { after_ms: 60_000 })
      const { thread_id } = run
      assert.equal((await threadOf(core, thread_id)).status, 'busy')
      await assert.rejects(create(core, { thread_id, multitask_strategy: 'reject' }), /is already running a task/)
      const made = { writes: [], state: '{}', resting_status: 'idle', interrupts: '{}' } as const
      const update = { thread_id, head: undefined, sources: [], ...made, writes: [] }
      await assert.rejects(core.db.run(commitState, update), (error: RunloomError) => {
        assert.deepEqual([error.code, error.details?.run_id], ['conflict', run.run_id])
        return true
      })
    })

    test('does not block a run that is due, which keeps its own turn for it', async () => {
      const later = await create(core, { after_ms: 60_000 })
      const due = await create(core, { thread_id: later.run.thread_id })
      const [claimed] = await claim(core)
      assert.equal(claimed?.run.run_id, due.run.run_id)
      await finish(core, claimed as NonNullable<typeof claimed>)
      assert.deepEqual(await claim(core), [])
      assert.equal(await statusOf(core, later.run.run_id), 'pending')
      const { due_at } = await threadOf(core, later.run.thread_id)
      assert.equal(due_at, later.run.not_before)
    })
  })
})
