// A process that is killed between any two commits of a workflow run: each death in turn, and the run goes on from there.
// Events of one commit are there together or not at all, so these are all the places between two events.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ChatModels } from '../../src/agent/models.ts'
import { AddressGuard } from '../../src/core/address-guard.ts'
import { Children } from '../../src/core/children.ts'
import { claimRuns, finishRun, handBack } from '../../src/core/claims.ts'
import { Stopped } from '../../src/core/executor.ts'
import { newId } from '../../src/core/ids.ts'
import { startAlone } from '../../src/core/startup.ts'
import { LocalBus } from '../../src/events/bus.ts'
import { EventLog } from '../../src/events/event-log.ts'
import { StateTexts } from '../../src/events/state.ts'
import { compile } from '../../src/workflow/compile.ts'
import { workflowExecutor } from '../../src/workflow/executor.ts'
import { createWorkflowRun, pendingSteps, readSnapshot, submitToolResults } from '../../src/workflow/runs.ts'
import { type ServerTools, serverTools } from '../../src/workflow/server-tools.ts'
import { lines } from '../../src/workflow/stream.ts'
import { readTasks } from '../../src/workflow/tasks.ts'
import { type Core, openCore } from '../core/harness.ts'
import { forEachDatabase } from '../support/databases.ts'
import { MortalDatabase } from '../support/mortal-database.ts'
import { checkStream, startModels } from './harness.ts'

const tools = ['kv_write', 'kv_read', 'tasks_write', 'user_ask']
const llm = (id: string, user: string, more: object = {}) => ({ id, type: 'llm', user, ...more })

/** Steps with server tools and a client's, branches, a fan-out and a join: everything that leaves rows. */
const SPEC = {
  kind: 'workflow',
  model: 'openai:test',
  nodes: [
    llm(
      'keeps',
      'call kv_write {"key":"k","value":1}; kv_read {"key":"k"}; tasks_write {"tasks":[{"content":"t","status":"pending"}]}',
      { tools },
    ),
    llm('asks', 'call user_ask {"question":"which?"}', { tools, depends_on: ['keeps'] }),
    { id: 'each', type: 'map.fanout', items_from_input: 'list', subnode: llm('one', 'say {{item}}', { stream: true }) },
    { id: 'all', type: 'join.all', depends_on: ['asks', 'each'] },
  ],
  outputs: [{ name: 'asked', from: 'all', pointer: '/asks/output/0/content/0/text' }],
}

let models: Awaited<ReturnType<typeof startModels>>
before(async () => {
  models = await startModels()
})
after(() => models.close())

forEachDatabase('a workflow killed between two commits', open => {
  let core: Core
  before(async () => {
    core = await openCore(await open())
  })
  after(() => core.close())

  /** Drives a claimed run until it ends, waits for its client, or dies after so many commits. */
  async function drive(life?: number): Promise<{ state: 'ended' | 'waits' | 'killed'; commits: number }> {
    await core.db.run(startAlone, undefined)
    await core.sql`update runs set not_before = 0 where status = 'pending'`
    await core.sql`update threads set due_at = 0 where due_at is not null`
    const claim = { worker_id: 'test', lease_ms: 60_000, max_crashes: 1_000, driving: [], limit: 1 }
    const [claimed] = await core.db.run(claimRuns, claim)
    assert.ok(claimed, 'the run is due')
    const { run_id, thread_id } = claimed.run
    const db = new MortalDatabase(core.db, life)
    const bus = new LocalBus()
    const log = new EventLog(db, bus)
    const stop = new AbortController()
    const writer = log.open(run_id, claimed, () => stop.abort(new Stopped({ type: 'lease_lost' })))
    const execute = workflowExecutor({
      db,
      bus,
      models: new ChatModels([], undefined, models.env),
      tools: counted(serverTools({ db, guard: new AddressGuard() })),
      agents: new Children({ db, log, bus, texts: new StateTexts(db) }),
      poll_ms: 60_000,
    })
    const ending = await Promise.race([execute(claimed, writer, stop.signal), db.death])
    if (ending === undefined) {
      writer.fail(new Error('killed'))
      stop.abort(new Stopped({ type: 'lease_lost' }))
      void log.close()
      await models.caughtUp() // with what was on its way
      return { state: 'killed', commits: db.commits }
    }
    const slice = await writer.takeRest()
    const { wait } = ending
    if (wait) await core.db.run(handBack, { thread_id, slice, wait })
    else {
      const status = {
        status: 'success',
        ending: { reason: 'completed' },
        interrupts: {},
        resting_status: 'idle',
      } as const
      await core.db.run(finishRun, { thread_id, slice, ...status })
    }
    writer.fail(new Error('the attempt is over'))
    await log.close()
    return { state: wait ? 'waits' : 'ended', commits: db.commits }
  }

  /** Calls of tools that the server was asked for. */
  const used: string[] = []
  function counted(of: ServerTools): ServerTools {
    return {
      ...of,
      use(call, ...rest) {
        used.push(call.id)
        return of.use(call, ...rest)
      },
    }
  }

  async function answer(run_id: string) {
    const [pending] = await core.db.run(pendingSteps, { run_id })
    if (!pending) return
    const { node_id, step, request_id, message } = pending
    const results = (message.tool_calls ?? []).map(call => ({ call_id: call.id, output: 'this one' }))
    await core.db.run(submitToolResults, { run_id, node_id, step, request_id, results })
  }

  test('no gap, nothing succeeds twice, no step that was finished is done or charged again', async t => {
    for (let life = 1; ; life++) {
      const compiled = compile(SPEC)
      assert.ok(!('issues' in compiled))
      const { plan_hash, text: plan } = compiled
      const run_id = newId()
      const request = { owner: '', plan_hash, input: { list: [life * 10, life * 10 + 1] }, agents: {} }
      const args = { run_id, thread_id: newId(), request, plan, metadata: {}, auth_user: null }
      await core.db.run(createWorkflowRun, args)
      const asked = models.prompts.length
      let left = life
      let driven = await drive(left)
      while (driven.state === 'waits') {
        await answer(run_id)
        left -= driven.commits
        driven = await drive(left)
      }
      const killed = driven.state === 'killed'
      const stored = await eventsOf(run_id)
      const calls = stored.filter(event => event.type === 'node_llm_call').length
      const results = stored.filter(event => event.type === 'node_tool_result')
      const before = models.prompts.length - asked
      while (driven.state !== 'ended') {
        driven = await drive()
        if (driven.state === 'waits') await answer(run_id)
      }
      const events = await eventsOf(run_id)
      await t.test(`after ${life} commits, ${stored.length} events of ${events.length}`, async () => {
        checkStream(events)
        assert.deepEqual(events.slice(0, stored.length), stored, 'what was there stands')
        for (const type of ['node_succeeded', 'node_started', 'node_output'] as const) {
          const ids = events.flatMap(event => (event.type === type ? [event.node_id] : []))
          assert.deepEqual(ids, [...new Set(ids)], `${type} comes once`)
          assert.equal(ids.length, 6)
        }
        const { steps, status, plan } = await core.db.run(readSnapshot, { run_id })
        assert.deepEqual([status, plan.nodes.length], ['succeeded', 4])
        assert.equal(steps.length, 6, 'two calls for each node with tools, one for each item')
        assert.equal(events.filter(event => event.type === 'node_llm_call').length, 6, 'each is charged once')
        // Whatever was in flight at the death is asked again; what had ended is not.
        assert.equal(models.prompts.length - asked, before + 6 - calls)
        const done = events.filter(event => event.type === 'node_tool_result')
        assert.deepEqual(done.slice(0, results.length), results)
        assert.equal(done.length, 4)
        const finished = results.map(({ tool_result }) => tool_result.tool_call.id)
        assert.ok(
          finished.every(id => used.filter(one => one === id).length <= 1),
          'a call that has a result is not made again',
        )
        assert.deepEqual(await core.db.run(readTasks, { run_id }), [{ content: 't', status: 'pending' }])
      })
      if (!killed) break
      assert.ok(life < 100)
    }
  })

  /** As clients read them, the last one included where the run has ended. */
  async function eventsOf(run_id: string) {
    const log = new EventLog(core.db, new LocalBus())
    const gone = new AbortController()
    const found = lines(core.db, { run_id }, log.read(run_id, 0, gone.signal), { after_seq: 0, include_output: false })
    const events = []
    const { run } = await core.db.run(readSnapshot, { run_id })
    const { last_seq } = await core.db.run(readSnapshot, { run_id })
    const wanted = last_seq + (run.ended_at === null ? 0 : 1)
    if (wanted > 0) {
      for await (const batch of found) {
        events.push(...batch.map(({ json }) => JSON.parse(json)))
        if (events.length >= wanted) break
      }
    }
    gone.abort()
    await log.close()
    return events
  }
})
