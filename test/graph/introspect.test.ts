import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import {
  Annotation,
  END,
  entrypoint,
  MessagesAnnotation,
  MessagesValue,
  MessagesZodMeta,
  START,
  StateGraph,
  StateSchema,
} from '@langchain/langgraph'
import { withLangGraph } from '@langchain/langgraph/zod'
import { z } from 'zod'
import { leadAgent } from '../../src/agent/lead-agent.ts'
import { OfflineModel } from '../../src/agent/offline-model.ts'
import { drawable, schemas, subgraphs } from '../../src/graph/introspect.ts'
import { type CompiledGraph, Graphs, loadGraphs } from '../../src/graph/load.ts'
import { graph as nested } from '../fixtures/graphs/nested.ts'

// biome-ignore lint/suspicious/noExplicitAny: state definitions of every kind
const graphOf = (state: any, context?: any): CompiledGraph =>
  new StateGraph(state, context)
    .addNode('node', () => ({}))
    .addEdge(START, 'node')
    .compile() as never

const State = Annotation.Root({ text: Annotation<string> })
const two = new StateGraph(State)
  .addNode('first', () => ({}))
  .addNode('second', () => ({}))
  .addEdge(START, 'first')
  .addEdge('first', 'second')
  .compile()
const middle = new StateGraph(State)
  .addNode('two', two)
  .addNode('after', () => ({}))
  .addEdge(START, 'two')
  .addEdge('two', 'after')
  .compile()
const outer = new StateGraph(State)
  .addNode('start', () => ({}))
  .addNode('middle', middle)
  .addEdge(START, 'start')
  .addConditionalEdges('start', () => 'go', { go: 'middle', stop: END })
  .addEdge('middle', END)
  .compile()

describe('a drawing', () => {
  const ids = async (xray?: boolean | number) => (await drawable(outer, xray)).nodes.map(node => node.id)

  test('has the nodes and edges of the graph in the official form', async () => {
    const { nodes, edges } = JSON.parse(JSON.stringify(await drawable(outer, false)))
    assert.deepEqual(
      nodes.map(({ id, type }: { id: string; type: string }) => [id, type]),
      [
        ['__start__', 'schema'],
        ['start', 'runnable'],
        ['middle', 'runnable'],
        ['__end__', 'schema'],
      ],
    )
    assert.deepEqual(nodes[1].data, { id: ['langgraph', 'RunnableCallable'], name: 'start' })
    assert.deepEqual(edges, [
      { source: '__start__', target: 'start', conditional: false },
      { source: 'middle', target: '__end__', conditional: false },
      { source: 'start', target: 'middle', data: 'go', conditional: true },
      { source: 'start', target: '__end__', data: 'stop', conditional: true },
    ])
  })

  test('opens subgraphs as deep as it is asked to', async () => {
    assert.deepEqual(await ids(undefined), ['__start__', 'start', 'middle', '__end__'])
    assert.deepEqual(await ids(1), ['__start__', 'start', 'middle:two', 'middle:after', '__end__'])
    const whole = ['__start__', 'start', 'middle:two:first', 'middle:two:second', 'middle:after', '__end__']
    assert.deepEqual(await ids(2), whole)
    assert.deepEqual(await ids(true), whole)
  })

  test('can be made of agents and of workflows of the functional API', async () => {
    const graphs = new Graphs('')
    graphs.register('agent', leadAgent({ model: new OfflineModel() }))
    graphs.register(
      'workflow',
      entrypoint('workflow', async () => 1),
    )
    const drawn = async (id: string) => (await drawable(await graphs.get(id, {}), true)).nodes.map(node => node.id)
    const steps = ['PlanMode.after_agent', 'Title.after_agent', 'model_request', 'tools']
    assert.deepEqual(await drawn('agent'), ['__start__', ...steps, '__end__'])
    assert.equal((await drawn('workflow')).length, 3)
  })
})

describe('schemas', () => {
  test('come from zod, with the context as config', () => {
    const found = schemas(
      'g',
      graphOf(z.object({ a: z.string().describe('A'), n: z.number().optional() }), z.object({ user: z.string() })),
    )
    assert.equal(found.graph_id, 'g')
    assert.deepEqual(found.state_schema?.properties, { a: { type: 'string', description: 'A' }, n: { type: 'number' } })
    assert.deepEqual([found.state_schema?.required, found.input_schema?.required], [['a'], undefined])
    assert.deepEqual(found.config_schema?.properties, { user: { type: 'string' } })
    assert.deepEqual(found.context_schema, found.config_schema)
  })

  test('follow reducers and the metadata of messages', () => {
    const list = withLangGraph(z.array(z.string()), {
      reducer: { schema: z.string(), fn: (left: string[], right: string) => [...left, right] },
      default: () => [],
    })
    const messages = withLangGraph(z.custom<unknown[]>(), MessagesZodMeta as never)
    const found = schemas('g', graphOf(z.object({ list, messages })))
    assert.deepEqual(found.state_schema?.properties, {
      list: { type: 'array', items: { type: 'string' } },
      messages: { langgraph_type: 'messages' },
    })
    assert.deepEqual(found.input_schema?.properties, {
      list: { type: 'string' },
      messages: { langgraph_type: 'messages' },
    })
  })

  test('come from a StateSchema', () => {
    const found = schemas('g', graphOf(new StateSchema({ messages: MessagesValue, step: z.string() })))
    assert.partialDeepStrictEqual(found.state_schema?.properties, {
      messages: { langgraph_type: 'messages' },
      step: { type: 'string' },
    })
  })

  test('differ for input and output where the graph says so', () => {
    const found = schemas(
      'g',
      graphOf({
        state: z.object({ a: z.string(), b: z.string() }),
        input: z.object({ a: z.string() }),
        output: z.object({ b: z.string() }),
      }),
    )
    const names = [found.input_schema, found.output_schema, found.state_schema].map(schema =>
      Object.keys(schema?.properties ?? {}),
    )
    assert.deepEqual(names, [['a'], ['b'], ['a', 'b']])
  })

  test('of an Annotation have its names', () => {
    const found = schemas('g', graphOf(Annotation.Root({ ...MessagesAnnotation.spec, text: Annotation<string> })))
    assert.deepEqual(found.input_schema, {
      type: 'object',
      properties: { messages: { langgraph_type: 'messages' }, text: {} },
    })
    assert.deepEqual([found.config_schema, found.context_schema], [null, null])
  })

  test('leave open what JSON has no form for', () => {
    const found = schemas('g', graphOf(z.object({ at: z.date(), text: z.string().transform(Number), a: z.string() })))
    const properties = { at: {}, text: { type: 'string' }, a: { type: 'string' } }
    assert.deepEqual([found.state_schema?.properties, found.input_schema?.properties], [properties, properties])
    assert.equal(found.input_schema?.required, undefined)
  })

  test('are null for a workflow of the functional API', () => {
    const graphs = new Graphs('')
    graphs.register(
      'w',
      entrypoint('w', async () => 1),
    )
    return graphs.get('w', {}).then(graph => {
      const { graph_id, ...rest } = schemas('w', graph)
      assert.equal(graph_id, 'w')
      assert.deepEqual(new Set(Object.values(rest)), new Set([null]))
    })
  })

  test('of a graph from another copy of LangGraph and of an agent are found', async () => {
    const file = fileURLToPath(new URL('../fixtures/graphs/commonjs/plain.cjs', import.meta.url))
    const graphs = await loadGraphs({ copy: { file, export: 'graph' } })
    graphs.register('agent', leadAgent({ model: new OfflineModel() }))
    assert.deepEqual(schemas('copy', await graphs.get('copy', {})).state_schema?.properties, { text: {} })
    const { input_schema } = schemas('agent', await graphs.get('agent', {}))
    const { messages, ...parts }: Record<string, unknown> = Object(input_schema?.properties)
    assert.deepEqual(messages, { langgraph_type: 'messages', description: 'A list of chat messages' })
    assert.deepEqual(Object.keys(parts).sort(), ['goal', 'summary', 'title', 'todos'])
    graphs.close()
  })
})

test('subgraphs are named by their nodes, those of subgraphs with a path', async () => {
  assert.deepEqual(Object.keys(await subgraphs(outer, undefined, false)), ['middle'])
  assert.deepEqual(Object.keys(await subgraphs(outer, undefined, true)), ['middle', 'middle|two'])
  assert.deepEqual(Object.keys(await subgraphs(outer, 'middle', false)), ['middle'])
  assert.deepEqual(await subgraphs(outer, 'absent', true), {})
  const { asking } = await subgraphs(nested, undefined, undefined)
  assert.deepEqual(asking?.state_schema, { type: 'object', properties: { user: {}, answer: {} } })
})
