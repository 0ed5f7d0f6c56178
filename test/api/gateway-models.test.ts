// Models of a configuration: what is told of them, and that runs use them.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { modelAnswer, modelsAnswer } from '../../src/protocol/models.ts'
import { forEachServer } from '../support/server.ts'
import { startModels, workflowClient } from '../workflow/harness.ts'
import { ask, refused } from './gateway-harness.ts'
import { say } from './harness.ts'

let models: Awaited<ReturnType<typeof startModels>>
before(async () => {
  models = await startModels()
})
after(() => models.close())

forEachServer(
  'configured models',
  server => {
    test('are listed with what they can do and cost, without where they are and their keys', async () => {
      const listed = modelsAnswer.parse(await ask(server(), '/models'))
      const [quick, clever] = listed.models
      const none = { supports_thinking: false, supports_reasoning_effort: false, supports_vision: false }
      assert.deepEqual(listed.models, [
        {
          name: 'quick',
          model: 'vendor/quick-2',
          display_name: 'Quick and small',
          description: null,
          ...none,
          price: { input: 0.25, cached_input: 0.025, output: 2 },
        },
        {
          name: 'clever',
          model: 'clever',
          display_name: 'clever',
          description: 'Takes its time',
          supports_thinking: true,
          supports_reasoning_effort: true,
          supports_vision: true,
          max_input_tokens: 200_000,
        },
      ])
      assert.deepEqual(await ask(server(), '/models/quick'), quick)
      assert.deepEqual(modelAnswer.parse(await ask(server(), '/models/clever')), clever)
      assert.doesNotMatch(JSON.stringify(await ask(server(), '/models')), /clever-key|127\.0\.0\.1/)
      const { detail } = await refused(server(), 404, '/models/gpt-9')
      assert.match(detail, /gpt-9.+quick, clever/)
    })

    test('what workflows cost is what they used at these prices, in whole cents', async () => {
      const node = (id: string, model: string, user: string) => ({ id, type: 'llm', user, model })
      const nodes = [
        node('a', 'quick', 'spend 1000000 400000 10000'),
        node('b', 'quick', 'spend 20000 0 1000'),
        node('c', 'quick', 'spend 20000 0 1000'),
        node('d', 'clever', 'spend 1000000 0 1000000'),
      ]
      const outputs = [{ name: 'a', from: 'a' }]
      const { snapshot } = await workflowClient(server().url, server().fetch).run({
        spec: { kind: 'workflow', nodes, outputs },
      })
      const { total_usd_cents, line_items } = snapshot.cost_summary
      // 15 + 1 + 2 cents, and twice 0.7; nobody has said what "clever" costs.
      assert.equal(total_usd_cents, 19)
      const lines = line_items.map((line: Record<string, unknown>) => [line.model, line.requests, line.usd_cents])
      assert.deepEqual(lines.sort(), [
        ['clever', 1, 0],
        ['quick', 3, 19],
      ])
      assert.equal(snapshot.summary.total_cost_cents, 19)
    })

    test('are called by workflows that name them, and by the built-in agent', async () => {
      const nodes = ['quick', 'clever'].map(model => ({ id: model, type: 'llm', user: 'say hello', model }))
      const outputs = [{ name: 'a', from: 'quick', pointer: '/output/0/content/0/text' }]
      const spec = { kind: 'workflow', nodes, outputs }
      const { snapshot } = await workflowClient(server().url, server().fetch).run({ spec })
      assert.deepEqual(snapshot.outputs, { a: 'hello' })
      const seen = models.requests.slice(-2).map(({ body, authorization }) => [body.model, authorization])
      assert.deepEqual(seen.sort(), [
        ['clever', 'Bearer clever-key'],
        ['vendor/quick-2', 'Bearer none'],
      ])
      await server().client.runs.wait(null, 'agent', { input: say('say hello') })
      assert.equal(models.requests.at(-1)?.body.model, 'vendor/quick-2')
    })
  },
  () => ({
    config: join(import.meta.dirname, '../fixtures/models/runloom.yaml'),
    env: { TEST_MODELS_URL: models.env.OPENAI_BASE_URL },
  }),
)
