// The workflow runs client against real servers: create, follow, answer, list, cancel, and what is refused.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { z } from 'zod'
import {
  ApiError,
  chain,
  llm,
  mapItem,
  parallel,
  ToolRunner,
  tool,
  WorkflowRunsClient,
  workflow,
} from '../../src/client/client.ts'
import { forEachServer, startServer, temporaryFolder } from '../support/server.ts'
import { checkStream, startModels } from '../workflow/harness.ts'

let models: Awaited<ReturnType<typeof startModels>>
before(async () => {
  models = await startModels()
})
after(() => models.close())

const model = 'openai:test'

forEachServer(
  'the workflow runs client',
  server => {
    const client = (url = server().url) =>
      new WorkflowRunsClient({ baseUrl: `${url}/api/v1`, auth: 'none', fetch: server().fetch })

    test('a chain is created, followed and read, also by another process', async () => {
      const spec = chain([llm('a', { user: 'say größe {{n}}' }), llm('b', { user: 'say {{a}}!' })], { model })
      const { run_id, plan_hash } = await client().createWithOptions(spec.text('r', 'b').build(), { input: { n: 7 } })
      const stream = await client(server().otherUrl).streamEvents(run_id)
      assert.match(stream.requestId ?? '', /./)
      const events = await Array.fromAsync(stream)
      checkStream(events)
      const { status, outputs, nodes, ...rest } = await client().get(run_id)
      assert.deepEqual([status, outputs, rest.plan_hash], ['succeeded', { r: 'größe 7!' }, plan_hash])
      assert.deepEqual(
        nodes.map(node => [node.id, node.status]),
        [
          ['a', 'succeeded'],
          ['b', 'succeeded'],
        ],
      )
      const part = await Array.fromAsync(await client().streamEvents(run_id, { afterSeq: 2, limit: 3 }))
      assert.deepEqual(part, events.slice(2, 5))
      const none = await Array.fromAsync(await client().streamEvents(run_id, { afterSeq: events.length }))
      assert.deepEqual(none, [])
    })

    test('a lone join; a plan by its hash; a key that is used twice', async () => {
      const spec = workflow().join('a', []).output('r', 'a').build()
      const { plan_hash } = await client().compile(spec)
      const idempotencyKey = randomUUID()
      const first = await client().createFromPlanWithOptions(plan_hash, { idempotencyKey })
      const again = await client(server().otherUrl).createFromPlanWithOptions(plan_hash, { idempotencyKey })
      assert.equal(again.run_id, first.run_id)
      const other = await client().createFromPlan(plan_hash)
      assert.notEqual(other.run_id, first.run_id)
      const events = await Array.fromAsync(await client().streamEvents(first.run_id))
      assert.deepEqual(
        events.map(event => event.type).filter(type => type.startsWith('run_')),
        ['run_compiled', 'run_started', 'run_completed'],
      )
      assert.deepEqual((await client().get(first.run_id)).cost_summary, { total_usd_cents: 0, line_items: [] })
    })

    test('tools are answered while siblings go on, failures too', async () => {
      const released = Promise.withResolvers<void>()
      const runner = new ToolRunner(client(), {
        look: tool({
          schema: z.object({ key: z.string() }),
          run: async ({ key }) => {
            await released.promise
            return `saw ${key}`
          },
        }),
        bad: tool({
          schema: z.object({}),
          run: () => {
            throw new Error('out of order')
          },
        }),
      })
      const client_mode = { tools: runner.definitions, tool_execution: { mode: 'client' as const } }
      const each = mapItem('each', llm('one', { user: 'say {{item}}' }), { items_from_input: 'list' })
      const steps = [
        llm('slow', { user: 'call look {"key":"k"}', ...client_mode }),
        llm('quick', { user: 'call bad {}; bad {}', ...client_mode }),
        each,
      ]
      const spec = parallel(steps, { model }).text('slow', 'slow').text('quick', 'quick').output('each', 'each')
      const { run_id } = await client().createWithOptions(spec.build(), { input: { list: ['x', 'y'] } })
      const events = []
      for await (const event of runner.follow(run_id)) {
        events.push(event)
        if (event.type === 'node_succeeded' && event.node_id === 'quick') released.resolve()
      }
      checkStream(events)
      const { outputs } = await client().get(run_id)
      assert.deepEqual([outputs.slow, outputs.quick], ['saw k', 'Error: out of order, Error: out of order'])
      assert.equal((outputs.each as { results: unknown[] }).results.length, 2)
      const again = await runner.run(run_id)
      assert.equal(again.status, 'succeeded', 'a run that has ended is only read')
    })

    test('answers by hand; a refused one; cancel; list', async () => {
      const tools = [{ type: 'function' as const, function: { name: 'look' } }]
      const waits = workflow({ model }).llm('a', { user: 'call look {}', tools, tool_execution: { mode: 'client' } })
      const { run_id } = await client().create(waits.text('r', 'a').build())
      const stream = await client().streamEvents(run_id)
      for await (const event of stream) if (event.type === 'node_waiting') stream.cancel()
      const { pending } = await client().pendingTools(run_id)
      const [{ tool_calls, ...step } = assert.fail()] = pending
      const answer = { ...step, results: tool_calls.map(({ tool_call }) => ({ tool_call, output: 'seen' })) }
      const refused = client().submitToolResults(run_id, { ...answer, step: 7 })
      await assert.rejects(refused, (error: unknown) => error instanceof ApiError && error.code === 'CONFLICT')
      const { status } = await client().get(run_id)
      assert.equal(status, 'waiting', 'the run went on without its reader')
      const listed = await client().list({ status: 'waiting', limit: 1 })
      assert.deepEqual(
        listed.map(run => run.run_id),
        [run_id],
      )
      assert.equal((await client().submitToolResults(run_id, answer)).accepted, 1)
      assert.equal((await Array.fromAsync(await client().streamEvents(run_id))).at(-1)?.type, 'run_completed')

      const held = await client().create(waits.text('r', 'a').build())
      assert.equal((await client(server().otherUrl).cancel(held.run_id)).status, 'canceled')
      assert.equal((await Array.fromAsync(await client().streamEvents(held.run_id))).at(-1)?.type, 'run_canceled')
    })

    test('errors have their code, the request’s id and all issues', async () => {
      const spec = {
        kind: 'workflow' as const,
        nodes: [{ id: 'a', type: 'llm' as const, depends_on: ['x'] }],
        outputs: [],
      }
      const error = await client()
        .compile(spec)
        .catch((thrown: unknown) => thrown)
      assert.ok(error instanceof ApiError)
      assert.equal(error.status, 400)
      assert.match(error.requestId ?? '', /./)
      assert.ok(error.issues.length > 2)
      const created = await client()
        .create(spec)
        .catch((thrown: unknown) => thrown)
      assert.ok(created instanceof ApiError)
      assert.deepEqual(created.issues, error.issues)
      const nobody = randomUUID()
      const calls = [
        () => client().get(nobody),
        () => client().streamEvents(nobody),
        () => client().pendingTools(nobody),
      ]
      for (const call of calls) await assert.rejects(call, { name: 'ApiError', status: 404, code: 'NOT_FOUND' })
    })

    test('a run leaves its answer in its session', async () => {
      const response = await server().fetch(`${server().url}/api/v1/sessions`, { method: 'POST', body: '{}' })
      const { id } = (await response.json()) as { id: string }
      const spec = workflow({ model }).llm('a', { user: 'say hello' }).output('r', 'a').build()
      const { run_id } = await client().createWithSession(spec, id)
      await Array.fromAsync(await client().streamEvents(run_id))
      const read = await server().fetch(`${server().url}/api/v1/sessions/${id}`)
      const { messages } = (await read.json()) as { messages: { run_id: string }[] }
      assert.deepEqual(
        messages.map(message => message.run_id),
        [run_id],
      )
    })
  },
  () => ({ env: models.env }),
)

test('a server with keys takes one as apiKey and as token, and refuses others for good', async t => {
  const folder = temporaryFolder()
  const key = 'mr_sk_0123456789abcdef0123456789abcdef'
  const database_url = `sqlite:${folder.path}/runloom.db`
  const server = await startServer({ database_url, env: { RUNLOOM_API_KEYS: key } })
  t.after(async () => {
    await server.stop()
    folder.remove()
  })
  const baseUrl = `${server.url}/api/v1`
  assert.deepEqual(await new WorkflowRunsClient({ baseUrl, apiKey: key }).list(), [])
  assert.deepEqual(await new WorkflowRunsClient({ baseUrl, token: async () => key }).list(), [])
  for (const who of [{ auth: 'none' as const }, { apiKey: 'mr_sk_other' }]) {
    await assert.rejects(new WorkflowRunsClient({ baseUrl, ...who }).list(), { status: 401, code: 'UNAUTHORIZED' })
  }
})
