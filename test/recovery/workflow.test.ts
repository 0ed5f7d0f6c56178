// A server is killed with SIGKILL in the middle of workflow runs: the stream goes on without a gap, and nothing that was
// finished is done again.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import type { WorkflowEvent } from '../../src/protocol/workflow-events.ts'
import { eventually } from '../api/harness.ts'
import { forEachDatabase } from '../support/databases.ts'
import { type ServerProcess, SHORT_LEASE, startServer } from '../support/server.ts'
import { type Answer, checkStream, startModels, workflowClient } from '../workflow/harness.ts'

let models: Awaited<ReturnType<typeof startModels>>
before(async () => {
  models = await startModels()
})
after(() => models.close())

const MORTAL = { ...SHORT_LEASE, RUNLOOM_MAX_CRASHES: '20' }

forEachDatabase('a workflow after kill -9', open => {
  test('a node in flight is asked again, one that has ended is not', async () => {
    const database_url = await open()
    const env = { ...models.env, ...MORTAL }
    let server = await startServer({ database_url, env })
    const key = randomUUID()
    const spec = {
      kind: 'workflow',
      model: 'openai:test',
      nodes: [
        { id: 'done', type: 'llm', user: `say ${key}` },
        { id: 'held', type: 'llm', user: `hold ${key}`, depends_on: ['done'] },
      ],
      outputs: [{ name: 'o', from: 'held', pointer: '/output/0/content/0/text' }],
    }
    const { run_id } = await workflowClient(server.url).create({ spec })
    await eventually(async () => assert.ok(models.prompts.includes(`hold ${key}`)))
    await server.kill()
    server = await startServer({ database_url, env })
    try {
      const client = workflowClient(server.url)
      const asked = (prompt: string) => models.prompts.filter(one => one === prompt).length
      await eventually(async () => assert.equal(asked(`hold ${key}`), 2))
      models.release(key)
      const events = await Array.fromAsync(client.stream(run_id))
      checkStream(events)
      assert.equal(asked(`say ${key}`), 1)
      assert.deepEqual((await client.get(run_id)).outputs, { o: `released ${key}` })
    } finally {
      await server.stop()
    }
  })

  test('a run that waits goes on waiting; it is answered once', async () => {
    const database_url = await open()
    const env = { ...models.env, ...MORTAL }
    let server = await startServer({ database_url, env })
    const tools = [{ type: 'function', function: { name: 'look' } }]
    const node = { id: 'a', type: 'llm', user: 'call look {}', tools, tool_execution: { mode: 'client' } }
    const outputs = [{ name: 'o', from: 'a', pointer: '/output/0/content/0/text' }]
    const spec = { kind: 'workflow', model: 'openai:test', nodes: [node], outputs }
    const { run_id } = await workflowClient(server.url).create({ spec })
    let pending: Answer
    await eventually(async () => {
      pending = (await workflowClient(server.url).pending(run_id)).pending[0]
      assert.ok(pending)
    })
    await server.kill()
    server = await startServer({ database_url, env })
    try {
      const client = workflowClient(server.url)
      assert.deepEqual((await client.pending(run_id)).pending, [pending])
      const { tool_calls, ...step } = pending
      const results = tool_calls.map(({ tool_call }: Answer) => ({ tool_call, output: 'seen' }))
      assert.equal((await client.answer(run_id, { ...step, results })).accepted, 1)
      await server.kill()
      server = await startServer({ database_url, env })
      const events = await Array.fromAsync(workflowClient(server.url).stream(run_id))
      checkStream(events)
      assert.equal(events.filter(event => event.type === 'node_tool_result').length, 1)
      assert.deepEqual((await workflowClient(server.url).get(run_id)).outputs, { o: 'seen' })
    } finally {
      await server.stop()
    }
  })

  test('killed again and again at any moment, every event comes once and every step is charged once', async () => {
    const database_url = await open()
    const env = { ...models.env, ...MORTAL }
    const tag = randomUUID().slice(0, 8)
    const say = (text: string) => `sleep 30 say ${tag} ${text}`
    const chain = Array.from({ length: 12 }, (_, index) => ({
      id: `c${String(index).padStart(2, '0')}`,
      type: 'llm',
      user: say(`chain ${index}`),
      ...(index > 0 && { depends_on: [`c${String(index - 1).padStart(2, '0')}`] }),
    }))
    const spec = {
      kind: 'workflow',
      model: 'openai:test',
      nodes: [
        ...chain,
        {
          id: 'each',
          type: 'map.fanout',
          items_from_input: 'list',
          subnode: { id: 'one', type: 'llm', user: say('item {{item}}') },
        },
        { id: 'all', type: 'join.all', depends_on: ['c11', 'each'] },
      ],
      outputs: [{ name: 'each', from: 'each', pointer: '/results' }],
    }
    let server: ServerProcess = await startServer({ database_url, env })
    const list = Array.from({ length: 12 }, (_, index) => index)
    const { run_id } = await workflowClient(server.url).create({ spec, input: { list } })
    let seen: WorkflowEvent[] = []
    for (let kills = 0; kills < 5; kills++) {
      const client = workflowClient(server.url)
      const wanted = seen.length + 1 + Math.floor(Math.random() * 12)
      const victim = server
      const timer = setTimeout(() => void victim.kill(), 3_000)
      await (async () => {
        for await (const event of client.stream(run_id, `?after_seq=${seen.length}`)) {
          seen = [...seen, event]
          if (seen.length === wanted) await victim.kill()
        }
      })().catch(() => {})
      clearTimeout(timer)
      await victim.kill()
      server = await startServer({ database_url, env })
      if (seen.at(-1)?.type === 'run_completed') break
    }
    try {
      const client = workflowClient(server.url)
      const events = await Array.fromAsync(client.stream(run_id))
      checkStream(events)
      assert.deepEqual(seen, events.slice(0, seen.length), 'what was seen before the kills stands')
      const snapshot = await client.get(run_id)
      assert.equal(snapshot.status, 'succeeded')
      assert.equal(snapshot.cost_summary.line_items[0].requests, 24)
      const texts = snapshot.outputs.each.map((one: Answer) => one.output[0].content[0].text)
      assert.deepEqual(
        texts,
        list.map(item => `${tag} item ${item}`),
      )
      for (const [id, own] of Map.groupBy(events, event => ('node_id' in event ? event.node_id : ''))) {
        const calls = own.filter(event => event.type === 'node_llm_call')
        assert.ok(calls.length <= 1, `${id} is charged once`)
      }
    } finally {
      await server.stop()
    }
  })
})
