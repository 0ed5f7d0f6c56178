// A server process is killed while the lead agent works off a plan: the plan goes on where it was, and no step of it comes
// twice.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually, say } from '../api/harness.ts'
import { forEachDatabase } from '../support/databases.ts'
import { clientOf, startServer } from '../support/server.ts'

/** Long enough that a busy machine is no reason to lose a run. */
const env = { RUNLOOM_LEASE_MS: '5000' }

interface Values {
  messages: { type: string; content: string; tool_calls?: { name: string; args: { todos?: { status: string }[] } }[] }[]
  todos?: { status: string }[]
}

forEachDatabase('after kill -9 in the middle of a plan', open => {
  test('the agent goes on with it', async () => {
    const database_url = await open()
    let server = await startServer({ database_url, env })
    let client = clientOf(server.url)
    const { thread_id } = await client.threads.create()
    const { run_id } = await client.runs.create(thread_id, 'lead_agent', {
      input: say('Plan: what is 2 + 3 and then what is 6 * 7 and then what is 8 - 1 and then count to 3'),
      context: { is_plan_mode: true },
    })
    await eventually(async () => {
      const { values } = await client.threads.getState<Values>(thread_id)
      assert.equal(values.todos?.[0]?.status, 'completed')
    })
    await server.kill()
    server = await startServer({ database_url, env })
    try {
      client = clientOf(server.url)
      const values = (await client.runs.join(thread_id, run_id)) as unknown as Values
      const calls = values.messages.flatMap(message => message.tool_calls ?? [])
      const plans = calls.flatMap(({ args }) => (args.todos ? [args.todos.map(({ status }) => status).join()] : []))
      assert.deepEqual(plans, [...new Set(plans)], 'no step was written twice')
      assert.equal(plans.length, 5)
      assert.equal(calls.filter(({ name }) => name === 'calculate').length, 3)
      assert.ok(values.todos?.every(({ status }) => status === 'completed'))
      assert.match(
        values.messages.at(-1)?.content ?? '',
        /1\. 2 \+ 3 is 5\.\n2\. 6 \* 7 is 42\.\n3\. 8 - 1 is 7\.\n4\. 1, 2, 3\.$/,
      )
      const [attempted] = (await client.runs.list(thread_id)) as { run_id: string; status: string }[]
      assert.deepEqual([attempted?.run_id, attempted?.status], [run_id, 'success'])
    } finally {
      await server.stop()
    }
  })
})
