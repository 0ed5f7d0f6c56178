// The compiled form over HTTP: routers, conditional edges, fragments, and nodes that are the server's own assistants.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { forEachServer } from '../support/server.ts'
import { type Answer, checkStream, startModels, story, workflowClient } from '../workflow/harness.ts'
import { eventually } from './harness.ts'

let models: Awaited<ReturnType<typeof startModels>>
before(async () => {
  models = await startModels()
})
after(() => models.close())

const message = (text: string) => ({ type: 'message', role: 'user', content: [{ type: 'text', text }] })
const llm = (id: string, text: string, bindings: object[] = [], type = 'llm.responses') => ({
  id,
  type,
  input: { request: { model: 'openai:test', input: [message(text)] }, bindings },
})
const TEXT = '/output/0/content/0/text'
const when = (value: string) => ({ source: 'node_output', op: 'equals', path: '$.route', value })

const ROUTED = {
  kind: 'workflow.v1',
  nodes: [
    llm('router', 'say {"route":"{{way}}"}', [{ from_input: 'way', to_placeholder: 'way' }], 'route.switch'),
    llm('left', 'say went left'),
    llm('right', 'say went right'),
    { id: 'taken', type: 'join.any' },
  ],
  edges: [
    { from: 'router', to: 'left', when: when('left') },
    { from: 'router', to: 'right', when: when('right') },
    { from: 'router', to: 'right', when: when('starboard') },
    { from: 'left', to: 'taken' },
    { from: 'right', to: 'taken' },
  ],
  outputs: [
    { name: 'left', from: 'left', pointer: TEXT },
    { name: 'right', from: 'right', pointer: TEXT },
    { name: 'taken', from: 'taken' },
  ],
}

forEachServer(
  'the compiled form',
  server => {
    const client = () => workflowClient(server().url, server().fetch)

    test('a router takes one way; several edges mean "or"; what is passed by leaves no output', async () => {
      for (const [way, taken] of [
        ['left', 'left'],
        ['right', 'right'],
        ['starboard', 'right'],
      ] as const) {
        const { snapshot, events } = await client().run({ spec: ROUTED, input: { way } })
        assert.equal(snapshot.status, 'succeeded')
        assert.deepEqual(Object.keys(snapshot.outputs.taken), [taken])
        assert.deepEqual(Object.keys(snapshot.outputs).sort(), [taken, 'taken'].sort())
        const other = taken === 'left' ? 'right' : 'left'
        assert.equal(story(events).includes(`node_started ${other}`), false)
        assert.equal(snapshot.nodes.find((node: Answer) => node.id === other).status, 'canceled')
        assert.deepEqual(snapshot.nodes.find((node: Answer) => node.id === 'router').output, { route: way })
      }
    })

    test('bindings put values into places, as they are or as text', async () => {
      const bindings = [
        { from: 'a', pointer: TEXT, to: '/input/0/content/0/text' },
        { from_input: 'x', to: '/input/1/content/0/text', encoding: 'json_string' },
      ]
      const node = llm('b', 'overwritten', bindings)
      node.input.request.input.push(message('overwritten'))
      const spec = {
        kind: 'workflow.v1',
        nodes: [llm('a', 'say {{x}}'), node],
        outputs: [{ name: 'b', from: 'b', pointer: TEXT }],
      }
      const { snapshot } = await client().run({ spec, input: { x: { n: 1 } } })
      assert.deepEqual(snapshot.outputs, { b: 'echo {"n":1}' })
    })

    test('a fragment is put in wherever it is named, and in fragments', async () => {
      const twice = {
        inputs: [{ name: 'word' }],
        nodes: [
          llm('one', 'say {{w}}{{w}}', [{ from_input: 'word', to_placeholder: 'w' }]),
          llm('two', 'say {{o}}!', [{ from: 'one', pointer: TEXT, to_placeholder: 'o' }]),
        ],
        outputs: [{ name: 'said', from_node: 'two', pointer: TEXT }],
      }
      const both = {
        nodes: [
          { id: 'inner', type: 'fragment', input: { ref: 'twice', bind_inputs: { word: { from_input: 'word' } } } },
        ],
        outputs: [{ name: 'said', from_node: 'inner', pointer: '/said' }],
      }
      const spec = {
        kind: 'workflow.v1',
        fragments: { twice, both },
        nodes: [
          llm('start', 'say ab'),
          {
            id: 'f',
            type: 'fragment',
            input: { ref: 'twice', bind_inputs: { word: { from_node: 'start', pointer: TEXT } } },
          },
          {
            id: 'g',
            type: 'fragment',
            input: { ref: 'both', bind_inputs: { word: { from_node: 'f', pointer: '/said' } } },
          },
        ],
        edges: [{ from: 'start', to: 'f' }],
        outputs: [
          { name: 'f', from: 'f', output: 'said' },
          { name: 'g', from: 'g' },
        ],
      }
      const { snapshot } = await client().run({ spec })
      assert.deepEqual(snapshot.outputs, { f: 'abab!', g: { said: 'abab!abab!!' } })
    })

    test('what is wrong is said, with the codes of edges', async () => {
      const refused = await client().create(
        {
          spec: {
            kind: 'workflow.v1',
            nodes: [
              llm('a', 'x', [{ from: 'ghost', to_placeholder: 'x' }]),
              { id: 'a', type: 'join.all' },
              { id: 'f', type: 'fragment', input: { ref: 'no' } },
            ],
            edges: [
              { from: 'a', to: 'nobody' },
              { from: 'ghost', to: 'a', when: { ...when('x'), path: '$[' } },
            ],
            outputs: [{ name: 'o', from: 'nobody' }],
          },
        },
        400,
      )
      assert.deepEqual(refused.issues.map((issue: Answer) => [issue.code, issue.path]).sort(), [
        ['DUPLICATE_NODE_ID', '$.nodes[1].id'],
        ['INVALID_CONDITION', '$.edges[1].when.path'],
        ['UNKNOWN_DEPENDENCY', '$.nodes[0].input'],
        ['UNKNOWN_EDGE_ENDPOINT', '$.edges[0].to'],
        ['UNKNOWN_EDGE_ENDPOINT', '$.edges[1].from'],
        ['UNKNOWN_FRAGMENT', '$.nodes[2].input.ref'],
        ['UNKNOWN_OUTPUT_NODE', '$.outputs[0].from'],
      ])
      const self = {
        nodes: [{ id: 'x', type: 'fragment', input: { ref: 'self' } }],
        outputs: [{ name: 'o', from_node: 'x' }],
      }
      const endless = {
        kind: 'workflow.v1',
        fragments: { self },
        nodes: self.nodes,
        outputs: [{ name: 'o', from: 'x' }],
      }
      const codes = (await client().create({ spec: endless }, 400)).issues.map((issue: Answer) => issue.code)
      assert.ok(codes.includes('FRAGMENT_CYCLE'), codes.join())
    })

    test('a plan comes back as a spec with the same hash', async () => {
      const intent = {
        kind: 'workflow',
        model: 'openai:test',
        nodes: [
          { id: 'a', type: 'llm', user: 'say {{x}}' },
          { id: 'm', type: 'map.fanout', items_from: 'a', subnode: { id: 's', type: 'llm', user: '{{item}}' } },
        ],
        outputs: [{ name: 'm', from: 'm' }],
      }
      const { plan_json } = await client().call('POST', '/workflows/compile', intent)
      assert.equal(plan_json.kind, 'workflow.v1')
      const routed = await client().call('POST', '/workflows/compile', ROUTED)
      const again = await client().call('POST', '/workflows/compile', routed.plan_json)
      assert.equal(again.plan_hash, routed.plan_hash)
    })

    test('an assistant of the server is a node, and stops no cancel', async () => {
      const agent = (agent: string, text: string) => ({
        id: 'agent',
        type: 'agent.run',
        input: { agent, input: [message(text)], bindings: [{ from_input: 'what', to_placeholder: 'what' }] },
      })
      const outputs = [{ name: 'said', from: 'agent', pointer: TEXT }]
      const spec = (node: object) => ({ kind: 'workflow.v1', nodes: [node], outputs })
      const { snapshot, events } = await client().run({
        spec: spec(agent('echo', 'hello {{what}}')),
        input: { what: 'you' },
      })
      assert.deepEqual(snapshot.outputs, { said: 'hello you' })
      assert.deepEqual(story(events).slice(2, -1), ['node_started agent', 'node_output agent', 'node_succeeded agent'])
      const unknown = await client().create({ spec: spec(agent('nobody', '{{what}}')), input: { what: '' } }, 400)
      assert.deepEqual(unknown.issues, [
        { code: 'UNKNOWN_AGENT', path: '$.nodes[0].input.agent', message: 'there is no assistant "nobody" here' },
      ])

      const slow = spec(agent('echo', `500ms ${'word '.repeat(100)}{{what}}`))
      const { run_id } = await client().create({ spec: slow, input: { what: '' } })
      await eventually(async () => assert.equal((await client().get(run_id)).nodes[0].status, 'running'))
      assert.equal((await client().call('POST', `/runs/${run_id}/cancel`)).status, 'canceled')
      checkStream(await Array.fromAsync(client().stream(run_id)))
    })
  },
  () => ({ env: models.env }),
)
