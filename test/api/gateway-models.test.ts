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
