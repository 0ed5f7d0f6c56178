// What retention leaves of a workflow run: its plan.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { sweep } from '../../src/core/claims.ts'
import { newId } from '../../src/core/ids.ts'
import { cancelRun } from '../../src/core/runs.ts'
import { compile } from '../../src/workflow/compile.ts'
import { getPlan } from '../../src/workflow/plans.ts'
import { createWorkflowRun } from '../../src/workflow/runs.ts'
import { type Core, openCore } from '../core/harness.ts'
import { forEachDatabase } from '../support/databases.ts'

const TABLES = [
  'threads',
  'runs',
  'run_heads',
  'run_events',
  'run_inputs',
  'workflow_nodes',
  'workflow_steps',
  'workflow_values',
  'workflow_tasks',
]

forEachDatabase('retention of workflow runs', open => {
  let core: Core
  before(async () => {
    core = await openCore(await open())
  })
  after(() => core.close())

  test('a run goes with all its rows when its time is over, not before; its plan stays', async () => {
    const compiled = compile({
      kind: 'workflow',
      nodes: [{ id: 'j', type: 'join.all' }],
      outputs: [{ name: 'o', from: 'j' }],
    })
    assert.ok(!('issues' in compiled))
    const { plan_hash, text: plan } = compiled
    const run_id = newId()
    const request = { owner: 'me', plan_hash, input: {}, agents: {} }
    const claim = { worker_id: 'w', lease_ms: 60_000 }
    const args = { run_id, thread_id: newId(), request, plan, metadata: {}, auth_user: null, claim }
    await core.db.run(createWorkflowRun, args)
    await core.sql`insert into run_inputs (run_id, input_key, data, taken) values (${run_id}, 'k', '{}', 0)`
    await core.sql`insert into workflow_nodes (run_id, node_id, status, started_ms) values (${run_id}, 'j', 'running', 1)`
    await core.sql`
      insert into workflow_steps (run_id, node_id, step, request_id, model, input_tokens, output_tokens, message, results)
      values (${run_id}, 'j', 0, 'r', 'm', 0, 0, '{}', '{}')`
    await core.sql`insert into workflow_values (scope_id, run_id, key, value) values (${run_id}, ${run_id}, 'k', '1')`
    await core.sql`insert into workflow_tasks (run_id, tasks) values (${run_id}, '[]')`
    await core.db.run(sweep, { retention_ms: 0 })
    assert.deepEqual(
      await counts(),
      TABLES.map(() => 1),
      'a run in flight stays',
    )
    await core.sql`update threads set due_at = 0`
    await core.db.run(cancelRun, { run_id, action: 'interrupt', by: 'client' })
    await core.db.run(sweep, { retention_ms: 60_000 })
    assert.deepEqual(
      await counts(),
      TABLES.map(() => 1),
      'an ended one can still be read',
    )
    await core.db.run(sweep, { retention_ms: -1_000 })
    assert.deepEqual(
      await counts(),
      TABLES.map(() => 0),
    )
    assert.equal(await core.db.run(getPlan, { owner: 'me', plan_hash }), plan)
    await assert.rejects(core.db.run(getPlan, { owner: 'you', plan_hash }), /not found/)
  })

  async function counts(): Promise<unknown[]> {
    const [row] = await core.sql`
      select (select count(*) from threads) as a, (select count(*) from runs) as b, (select count(*) from run_heads) as c,
        (select count(*) from run_events) as d, (select count(*) from run_inputs) as e,
        (select count(*) from workflow_nodes) as f, (select count(*) from workflow_steps) as g,
        (select count(*) from workflow_values) as h, (select count(*) from workflow_tasks) as i`
    return Object.values(row ?? {})
  }
})
