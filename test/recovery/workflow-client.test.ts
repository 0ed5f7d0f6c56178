// The server of a workflow run is killed with SIGKILL while a client follows it and while its tools are at work. The client
// is told nothing of it.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { z } from 'zod'
import { chain, llm, ToolRunner, tool, WorkflowRunsClient, workflow } from '../../src/client/client.ts'
import type { WorkflowEvent } from '../../src/protocol/workflow-events.ts'
import { forEachDatabase } from '../support/databases.ts'
import { SHORT_LEASE, startServer } from '../support/server.ts'
import { checkStream, startModels } from '../workflow/harness.ts'

let models: Awaited<ReturnType<typeof startModels>>
before(async () => {
  models = await startModels()
})
after(() => models.close())

forEachDatabase('a client of a workflow whose server is killed', open => {
  async function start() {
    const database_url = await open()
    const env = { ...models.env, ...SHORT_LEASE, RUNLOOM_MAX_CRASHES: '20' }
    let server = await startServer({ database_url, env })
    const port = Number(new URL(server.url).port)
    return {
      client: new WorkflowRunsClient({ baseUrl: `${server.url}/api/v1`, auth: 'none' }),
      /** Ends it as a power cut would, and starts it again where it was. */
      crash: async () => {
        await server.kill()
        server = await startServer({ database_url, env, port })
      },
      stop: () => server.stop(),
    }
  }

  test('reads on by itself: every event once, in order, to the end', async () => {
    const { client, crash, stop } = await start()
    try {
      const steps = Array.from({ length: 8 }, (_, index) => llm(`n${index}`, { user: `sleep 50 say ${index}` }))
      const { run_id } = await client.create(chain(steps, { model: 'openai:test' }).text('r', 'n7').build())
      const seen: WorkflowEvent[] = []
      const crashes: Promise<void>[] = []
      for await (const event of await client.streamEvents(run_id)) {
        seen.push(event)
        if (seen.length === 8) crashes.push(crash())
        if (seen.length === 20) crashes.push(Promise.all(crashes).then(crash))
      }
      await Promise.all(crashes)
      checkStream(seen)
      assert.equal(crashes.length, 2)
      assert.deepEqual(seen, await Array.fromAsync(await client.streamEvents(run_id)))
      assert.deepEqual((await client.get(run_id)).outputs, { r: '7' })
    } finally {
      await stop()
    }
  })

  test('answers what its tools said when the server is back; they are run once', async () => {
    const { client, crash, stop } = await start()
    try {
      const calls: string[] = []
      const crashes: Promise<void>[] = []
      const look = tool({
        schema: z.object({ key: z.string() }),
        run: ({ key }) => {
          calls.push(key)
          crashes.push(crash())
          return `saw ${key}`
        },
      })
      const runner = new ToolRunner(client, { look })
      const tools = { tools: runner.definitions, tool_execution: { mode: 'client' as const } }
      const spec = workflow({ model: 'openai:test' })
        .llm('a', { user: 'call look {"key":"k"}', ...tools })
        .text('r', 'a')
      const { run_id } = await client.create(spec.build())
      const events = await Array.fromAsync(runner.follow(run_id))
      await Promise.all(crashes)
      checkStream(events)
      assert.deepEqual([calls, crashes.length], [['k'], 1])
      assert.deepEqual((await client.get(run_id)).outputs, { r: 'saw k' })
    } finally {
      await stop()
    }
  })
})
