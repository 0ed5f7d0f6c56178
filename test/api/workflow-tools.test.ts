// Tools that the client of a workflow run has: waits, answers, and what a run does meanwhile.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import type { WorkflowEvent } from '../../src/protocol/workflow-events.ts'
import { forEachServer } from '../support/server.ts'
import {
  type Answer,
  checkStream,
  startModels,
  story,
  type WorkflowClient,
  workflowClient,
} from '../workflow/harness.ts'
import { eventually } from './harness.ts'

let models: Awaited<ReturnType<typeof startModels>>
before(async () => {
  models = await startModels()
})
after(() => models.close())

const FUNCTIONS = ['look', 'find'].map(name => ({
  type: 'function',
  function: { name, parameters: { type: 'object' } },
}))
const client_mode = { tool_execution: { mode: 'client' }, tools: [...FUNCTIONS, 'user_ask'] }
const agent = (id: string, user: string, more: object = {}) => ({ id, type: 'llm', user, ...client_mode, ...more })
const text = (from: string) => ({ name: from, from, pointer: '/output/0/content/0/text' })
const workflow = (nodes: { id: string }[], more: object = {}) => ({
  kind: 'workflow',
  model: 'openai:test',
  nodes,
  outputs: nodes.map(node => ({ name: node.id, from: node.id })),
  ...more,
})

forEachServer(
  'client tools',
  server => {
    const client = () => workflowClient(server().url, server().fetch)
    const other = () => workflowClient(server().otherUrl, server().fetch)

    async function waiting(at: WorkflowClient, run_id: string, count = 1): Promise<Answer[]> {
      let pending: Answer[] = []
      await eventually(async () => {
        pending = (await at.pending(run_id)).pending
        assert.equal(pending.length, count)
      })
      return pending
    }

    const results = (pending: Answer, output: (call: Answer) => string = call => `${call.name} done`) => ({
      node_id: pending.node_id,
      step: pending.step,
      request_id: pending.request_id,
      results: pending.tool_calls.map(({ tool_call }: Answer) => ({ tool_call, output: output(tool_call) })),
    })

    const ended = async (run_id: string) => {
      const events = await Array.fromAsync(client().stream(run_id))
      checkStream(events)
      return events
    }

    test('a call is handed out, answered, and the node goes on: exactly these events', async () => {
      const spec = { ...workflow([agent('agent', 'call look {"key":"k1"}')]), outputs: [text('agent')] }
      const { run_id } = await client().create({ spec })
      const following = Array.fromAsync(client().stream(run_id))
      const [pending] = await waiting(client(), run_id)
      assert.deepEqual([pending.node_id, pending.step], ['agent', 0])
      const [{ tool_call }] = pending.tool_calls
      assert.deepEqual([tool_call.name, tool_call.arguments], ['look', '{"key":"k1"}'])
      const at = await other().get(run_id)
      assert.deepEqual([at.status, at.nodes[0].status], ['waiting', 'waiting'])
      assert.equal((await client().call('GET', '/runs?status=waiting&limit=1')).runs[0].run_id, run_id)
      assert.deepEqual(await other().answer(run_id, results(pending)), { accepted: 1, status: 'running' })
      const events = await following
      checkStream(events)
      assert.deepEqual(story(events), [
        'run_compiled',
        'run_started',
        'node_started agent',
        'node_llm_call agent',
        'node_tool_call agent',
        'node_waiting agent',
        'node_tool_result agent',
        'node_llm_call agent',
        'node_output agent',
        'node_succeeded agent',
        'run_completed',
      ])
      const waitingEvent = events[5] as WorkflowEvent & { type: 'node_waiting' }
      assert.equal(waitingEvent.waiting.reason, 'tool_results')
      assert.equal(waitingEvent.waiting.request_id, pending.request_id)
      assert.deepEqual((await client().get(run_id)).outputs, { agent: 'look done' })
      assert.deepEqual((await client().pending(run_id)).pending, [])
      const { steps } = await client().call('GET', `/runs/${run_id}/steps`)
      assert.deepEqual(
        steps.map((step: Answer) => [step.node_id, step.step, step.tool_results?.[0]?.output]),
        [
          ['agent', 0, 'look done'],
          ['agent', 1, undefined],
        ],
      )
      const { id } = steps[0].tool_calls[0].tool_call
      const call = await client().call('GET', `/runs/${run_id}/steps/0/tool-calls/${id}`)
      assert.deepEqual(
        [call.node_id, call.step, call.request_id, call.tool_call.id, call.tool_result.output],
        ['agent', 0, pending.request_id, id, 'look done'],
      )
      for (const path of [`1/tool-calls/${id}`, '0/tool-calls/other', `x/tool-calls/${id}`])
        assert.equal((await client().call('GET', `/runs/${run_id}/steps/${path}`, undefined, 404)).code, 'NOT_FOUND')
    })

    test('waiting runs hold no slot', async () => {
      const spec = workflow([agent('agent', 'call look {}')])
      const held = await Promise.all(Array.from({ length: 6 }, () => client().create({ spec })))
      for (const { run_id } of held) await waiting(client(), run_id)
      const { snapshot } = await client().run({ spec: workflow([{ ...agent('a', 'say free') }]) })
      assert.equal(snapshot.status, 'succeeded')
      for (const { run_id } of held) {
        const [pending] = await waiting(client(), run_id)
        await client().answer(run_id, results(pending))
      }
      for (const { run_id } of held) assert.equal((await ended(run_id)).at(-1)?.type, 'run_completed')
    })

    test('a sibling moves on meanwhile; of two waits one is answered alone', async () => {
      const key = randomUUID()
      const spec = workflow([
        agent('one', 'call look {}'),
        agent('two', 'call find {}'),
        agent('busy', `hold ${key}`),
        agent('next', 'say {{one}}'),
      ])
      const { run_id } = await client().create({ spec })
      const [one, two] = (await waiting(client(), run_id, 2)).sort((a, b) => (a.node_id < b.node_id ? -1 : 1))
      await client().answer(run_id, results(one))
      await eventually(async () => {
        const { nodes } = await client().get(run_id)
        const statuses = Object.fromEntries(nodes.map((node: Answer) => [node.id, node.status]))
        assert.deepEqual(statuses, { one: 'succeeded', next: 'succeeded', two: 'waiting', busy: 'running' })
      })
      models.release(key)
      await eventually(async () => {
        const { nodes, status } = await client().get(run_id)
        assert.equal(nodes.find((node: Answer) => node.id === 'busy').status, 'succeeded')
        assert.equal(status, 'waiting')
      })
      await other().answer(run_id, results(two))
      assert.equal((await ended(run_id)).at(-1)?.type, 'run_completed')
    })

    test('answers may come in parts and twice; each counts once', async () => {
      const { run_id } = await client().create({
        spec: workflow([agent('agent', 'call look {}; find {}; look {"n":2}')]),
      })
      const [pending] = await waiting(client(), run_id)
      const all = results(pending)
      const part = (from: number, to: number) => ({ ...all, results: all.results.slice(from, to) })
      assert.deepEqual(await client().answer(run_id, part(1, 2)), { accepted: 1, status: 'waiting' })
      const [rest] = await waiting(other(), run_id)
      assert.deepEqual(
        rest.tool_calls.map(({ tool_call }: Answer) => tool_call.id),
        [0, 2].map(index => all.results[index].tool_call.id),
      )
      assert.deepEqual(await client().answer(run_id, part(0, 2)), { accepted: 1, status: 'waiting' })
      const wrong = { ...all, results: [{ tool_call: { id: 'nobody' }, output: '' }, ...part(2, 3).results] }
      assert.equal((await client().answer(run_id, wrong, 400)).code, 'INVALID_INPUT')
      assert.equal((await client().answer(run_id, { ...part(2, 3), step: 7 }, 409)).code, 'CONFLICT')
      assert.equal((await client().answer(run_id, { ...part(2, 3), request_id: randomUUID() }, 409)).code, 'CONFLICT')
      assert.equal((await client().answer(run_id, { ...part(2, 3), node_id: 'other' }, 404)).code, 'NOT_FOUND')
      assert.equal((await client().answer(run_id, { ...all, results: [] }, 400)).code, 'VALIDATION_ERROR')
      const racing = await Promise.all([client(), other(), client()].map(at => at.answer(run_id, part(2, 3))))
      assert.equal(
        racing.reduce((sum, { accepted }) => sum + accepted, 0),
        1,
      )
      const events = await ended(run_id)
      assert.equal(events.filter(event => event.type === 'node_tool_result').length, 3)
      assert.equal((await client().answer(run_id, all)).accepted, 0, 'a retry whose answer was lost')
      const changed = results(pending, () => 'else')
      assert.equal((await client().answer(run_id, changed, 404)).code, 'NOT_FOUND')
    })

    test('the user is asked; an answer that is no JSON is a free one', async () => {
      const ask = '{"question":"Which?","options":[{"label":"red"},{"label":"blue","description":"cold"}]}'
      const { run_id } = await client().create({
        spec: workflow([agent('agent', `call user_ask ${ask}; user_ask {"question":"Why?"}`)]),
      })
      for await (const event of client().stream(run_id)) {
        if (event.type !== 'node_user_ask') continue
        const { step, request_id, tool_call, question } = event.user_ask
        const output = question === 'Which?' ? '{"answer":"red","is_freeform":false}' : 'because'
        const result = { tool_call: { id: tool_call.id, name: tool_call.name }, output }
        await client().answer(run_id, { node_id: 'agent', step, request_id, results: [result] })
      }
      const events = await ended(run_id)
      const [asked] = events.flatMap(event => (event.type === 'node_user_ask' ? [event.user_ask] : []))
      assert.deepEqual(asked?.options, [{ label: 'red' }, { label: 'blue', description: 'cold' }])
      assert.equal(asked?.allow_freeform, true)
      const answers = events.flatMap(event => (event.type === 'node_user_answer' ? [event.user_answer] : []))
      assert.deepEqual(answers.map(({ answer, is_freeform }) => [answer, is_freeform]).sort(), [
        ['because', true],
        ['red', false],
      ])
      const told = story(events)
      assert.ok(told.lastIndexOf('node_user_ask agent') < told.indexOf('node_waiting agent'))
    })

    test('a question that makes no sense goes back to the model, not to the user', async () => {
      const { snapshot, events } = await client().run({
        spec: { ...workflow([agent('a', 'call user_ask {"question":" "}')]), outputs: [text('a')] },
      })
      assert.match(snapshot.outputs.a, /^Error: user_ask could not be asked: question: must not be blank/)
      assert.equal(
        events.some(event => event.type === 'node_waiting'),
        false,
      )
    })

    test('without a mode, tools that the server does not have are the client’s', async () => {
      const node = { ...agent('a', 'call look {}'), tool_execution: undefined }
      const { run_id } = await client().create({ spec: workflow([node]) })
      const [pending] = await waiting(client(), run_id)
      await client().answer(run_id, results(pending))
      assert.equal((await ended(run_id)).at(-1)?.type, 'run_completed')
    })

    test('a wait that expires fails its node', async () => {
      const { run_id } = await client().create({
        spec: workflow([agent('a', 'call look {}', { tool_limits: { wait_ttl_ms: 300 } })]),
      })
      const [pending] = await waiting(client(), run_id)
      const events = await ended(run_id)
      assert.deepEqual(story(events).slice(-2), ['node_failed a', 'run_failed'])
      const { nodes, status } = await client().get(run_id)
      assert.deepEqual([status, nodes[0].error.code], ['failed', 'wait_expired'])
      assert.equal((await client().answer(run_id, results(pending), 404)).code, 'NOT_FOUND')
    })

    test('limits end a node that will not stop', async () => {
      const many = agent('a', 'call look {}; look {}; look {}', { tool_limits: { max_tool_calls_per_step: 2 } })
      const { snapshot } = await client().run({ spec: workflow([many]) })
      assert.equal(snapshot.nodes[0].error.code, 'max_tool_calls_per_step')
      const once = agent('a', 'call look {}', { tool_limits: { max_llm_calls: 1 } })
      const { run_id } = await client().create({ spec: workflow([once]) })
      const [pending] = await waiting(client(), run_id)
      await client().answer(run_id, results(pending))
      await ended(run_id)
      assert.equal((await client().get(run_id)).nodes[0].error.code, 'max_llm_calls')
    })

    test('items of a fan-out wait each for itself, and more of them than may work at once', async () => {
      const each = {
        id: 'each',
        type: 'map.fanout',
        items_from_input: 'list',
        max_parallelism: 2,
        subnode: agent('one', 'call look {"n":{{item}}}'),
      }
      const { run_id } = await client().create({ spec: workflow([each]), input: { list: [1, 2, 3, 4, 5] } })
      const pending = await waiting(client(), run_id, 5)
      for (const one of pending.reverse()) {
        await other().answer(
          run_id,
          results(one, call => `n is ${JSON.parse(call.arguments).n}`),
        )
      }
      await ended(run_id)
      const { outputs } = await client().get(run_id)
      const texts = outputs.each.results.map((one: Answer) => one.output[0].content[0].text)
      assert.deepEqual(
        texts,
        [1, 2, 3, 4, 5].map(n => `n is ${n}`),
      )
    })

    test('a result of a megabyte arrives whole', async () => {
      const { run_id } = await client().create({
        spec: { ...workflow([agent('a', 'call look {}')]), outputs: [text('a')] },
      })
      const [pending] = await waiting(client(), run_id)
      const big = 'ü'.repeat(500_000)
      await client().answer(
        run_id,
        results(pending, () => big),
      )
      await ended(run_id)
      assert.equal((await client().get(run_id)).outputs.a, big)
    })

    test('a run that waits can be canceled', async () => {
      const { run_id } = await client().create({ spec: workflow([agent('a', 'call look {}')]) })
      const [pending] = await waiting(client(), run_id)
      assert.equal((await other().call('POST', `/runs/${run_id}/cancel`)).status, 'canceled')
      const events = await ended(run_id)
      assert.deepEqual(story(events).slice(-2), ['node_waiting a', 'run_canceled'])
      assert.deepEqual((await client().pending(run_id)).pending, [])
      assert.equal((await client().answer(run_id, results(pending), 404)).code, 'NOT_FOUND')
    })

    test('streaming is refused where the client has tools', async () => {
      const spec = workflow([agent('b', 'x'), { ...agent('a', 'x') }])
      const refused = await client().create({ spec, stream: true }, 400)
      assert.deepEqual(
        refused.issues.map((issue: Answer) => [issue.code, issue.path]).sort(),
        [0, 1].map(index => ['STREAM_TOOL_CONFLICT', `$.nodes[${index}].tool_execution.mode`]),
      )
      const again = await client().call('POST', '/runs?stream=true', { spec }, 400)
      assert.equal(again.issues.length, 2)
    })
  },
  () => ({ env: { ...models.env, RUNLOOM_CONCURRENCY: '3' } }),
)
