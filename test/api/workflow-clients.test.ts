// The sequences of requests that public clients of this API make (contracts: workflows §13), against a server.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { forEachServer } from '../support/server.ts'
import { type Answer, checkStream, startModels, workflowClient } from '../workflow/harness.ts'
import { eventually } from './harness.ts'

let models: Awaited<ReturnType<typeof startModels>>
before(async () => {
  models = await startModels()
})
after(() => models.close())

const message = (role: string, text: string) => ({ type: 'message', role, content: [{ type: 'text', text }] })

forEachServer(
  'what clients of workflows do',
  server => {
    const client = () => workflowClient(server().url, server().fetch)

    test('a spec alone, a lone join: created, followed, read', async () => {
      const spec = { kind: 'workflow', nodes: [{ id: 'a', type: 'join.all' }], outputs: [{ name: 'r', from: 'a' }] }
      const created = await client().create({ spec })
      assert.deepEqual(Object.keys(created).sort(), ['plan_hash', 'run_id', 'status'])
      assert.equal(created.status, 'running')
      const events = await Array.fromAsync(client().stream(created.run_id, '?after_seq=0'))
      checkStream(events)
      const last = events.at(-1)
      assert.ok(last?.type === 'run_completed')
      assert.deepEqual([last.outputs.artifact_key, last.outputs.info.included], ['run_outputs.v0', false])
      const { cost_summary, outputs } = await client().get(created.run_id)
      assert.deepEqual(cost_summary, { total_usd_cents: 0, line_items: [] })
      assert.deepEqual(outputs, { r: {} })
    })

    test('a bad spec has the same issues when it is compiled and when it is run', async () => {
      const spec = { kind: 'workflow', nodes: [{ id: 'a', type: 'llm', depends_on: ['x'] }], outputs: [] }
      const compiled = await client().call('POST', '/workflows/compile', spec, 400)
      const run = await client().create({ spec }, 400)
      assert.ok(run.issues.length > 2)
      assert.deepEqual(run.issues, compiled.issues)
    })

    test('a runner of tools answers from inside its loop, failures too, one submission a wait', async () => {
      const tools = ['good', 'bad'].map(name => ({
        type: 'function',
        function: { name, description: '', parameters: {} },
      }))
      const node = { id: 'agent', type: 'llm', user: 'call good {}; bad {}', tools, tool_execution: { mode: 'client' } }
      const outputs = [{ name: 'r', from: 'agent', pointer: '/output/0/content/0/text' }]
      const { run_id } = await client().create({
        spec: { kind: 'workflow', model: 'openai:m', nodes: [node], outputs },
      })
      const seen: string[] = []
      for await (const event of client().stream(run_id)) {
        seen.push(event.type)
        if (event.type !== 'node_waiting') continue
        const { step, request_id, pending_tool_calls } = event.waiting
        const results = pending_tool_calls.map(({ tool_call: { id, name } }) => ({
          tool_call: { id, name },
          output: name === 'good' ? 'done' : 'Error: out of order',
        }))
        const { accepted } = await client().answer(run_id, { node_id: event.node_id, step, request_id, results })
        assert.equal(accepted, 2)
      }
      assert.equal(seen.at(-1), 'run_completed')
      assert.equal(seen.filter(type => type === 'node_waiting').length, 1)
      assert.equal((await client().get(run_id)).outputs.r, 'done, Error: out of order')
    })

    test('a stream has its headers and blank lines while nothing happens; creating waits for no model', async () => {
      const key = randomUUID()
      const nodes = ['a', 'b', 'c'].map(id => ({ id, type: 'llm', model: 'openai:test', user: `hold ${key}` }))
      const outputs = [{ name: 'o', from: 'a' }]
      const { run_id } = await client().create({ spec: { kind: 'workflow', max_parallelism: 3, nodes, outputs } })
      // All three are asked before any has answered.
      await eventually(async () => assert.equal(models.prompts.filter(prompt => prompt.includes(key)).length, 3))
      const response = await server().fetch(`${server().url}/api/v1/runs/${run_id}/events?after_seq=5`)
      assert.equal(response.status, 200)
      const reader = response.body?.getReader()
      const first = await reader?.read()
      assert.equal(Buffer.from(first?.value as Uint8Array).toString(), '\n')
      models.release(key)
      let rest = ''
      for (let part = await reader?.read(); part?.value; part = await reader?.read()) rest += Buffer.from(part.value)
      assert.match(rest, /"type":"run_completed"[^\n]+\n$/)
      // Whoever has read the last event finds the outputs.
      const { status, outputs: found } = await client().get(run_id)
      assert.deepEqual([status, Object.keys(found)], ['succeeded', ['o']])
    })

    test('a session: the history goes as input, the answer is there before the question is posted', async () => {
      const { id: session_id } = await client().call('POST', '/sessions', { metadata: {} }, 201)
      const history: object[] = []
      for (const [turn, prompt] of ['say one', 'say two'].entries()) {
        history.push({ ...message('user', prompt), seq: history.length + 1, createdAt: new Date() })
        const spec = {
          kind: 'workflow',
          name: `session-${session_id}-turn-${turn}`,
          model: 'openai:m',
          nodes: [{ id: 'main', type: 'llm', input: history }],
          outputs: [{ name: 'result', from: 'main' }],
        }
        const { run_id } = await client().create({ spec, session_id })
        await Array.fromAsync(client().stream(run_id))
        const { outputs } = await client().get(run_id)
        const [{ content }] = outputs.result.output.filter((item: Answer) => item.role === 'assistant')
        history.push(message('assistant', content[0].text))
        const posted = { role: 'user', content: message('user', prompt).content }
        await client().call('POST', `/sessions/${session_id}/messages`, posted, 201)
      }
      const { messages, message_count } = await client().call('GET', `/sessions/${session_id}`)
      const texts = messages.map((one: Answer) => [one.seq, one.role, one.content[0].text])
      assert.deepEqual(texts, [
        [1, 'assistant', 'one'],
        [2, 'user', 'say one'],
        [3, 'assistant', 'two'],
        [4, 'user', 'say two'],
      ])
      assert.equal(message_count, 4)
    })

    test('a plan that a model made: named tools, prompts that read nodes, a synthesizer at the end', async () => {
      const agent = (id: string, more: object) => ({ id, type: 'llm', system: 'be brief', ...more })
      const client_tools = { tools: ['fs_read_file', 'user_ask'], tool_execution: { mode: 'client' } }
      const spec = {
        kind: 'workflow',
        name: 'dynamic',
        model: 'openai:m',
        nodes: [
          agent('read', { user: 'say read {{task}}', ...client_tools }),
          agent('check', { user: 'say checked {{read}}', depends_on: ['read'], ...client_tools }),
          agent('orchestrator_synthesize', { user: 'say {{read}} and {{check}}', depends_on: ['check', 'read'] }),
        ],
        outputs: [{ name: 'result', from: 'orchestrator_synthesize', pointer: '/output/0/content/0/text' }],
      }
      const { snapshot } = await client().run({ spec, input: { task: 'this' } })
      assert.deepEqual(snapshot.outputs, { result: 'read this and checked read this' })
    })
  },
  () => ({ env: models.env }),
)
