// The compiler: what is refused and how, what means the same, what a plan says.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Compiled, compile } from '../../src/workflow/compile.ts'
import { lint } from '../../src/workflow/lint.ts'

const LLM = { id: 'a', type: 'llm', model: 'offline', user: 'hi' }
const OUTPUTS = [{ name: 'out', from: 'a' }]

function spec(more: object = {}) {
  return { kind: 'workflow', nodes: [LLM], outputs: OUTPUTS, ...more }
}

function issuesOf(given: unknown): [code: string, path: string][] {
  const compiled = compile(given)
  assert.ok('issues' in compiled, 'it should be refused')
  for (const { message } of compiled.issues) assert.ok(message.length > 0)
  return compiled.issues.map(({ code, path }) => [code, path])
}

function planOf(given: unknown) {
  const compiled = compile(given)
  assert.ok(!('issues' in compiled), JSON.stringify(compiled))
  return compiled
}

describe('what is refused', () => {
  const node = (fields: object) => spec({ nodes: [LLM, { id: 'b', ...fields }] })
  const cases: [name: string, given: unknown, ...issues: [code: string, path: string][]][] = [
    ['no object', 7, ['INVALID_FIELD', '$']],
    ['kind', spec({ kind: 'flow' }), ['INVALID_KIND', '$.kind']],
    [
      'no nodes',
      spec({ nodes: [], outputs: [{ name: 'x', from: 'a' }] }),
      ['MISSING_NODES', '$.nodes'],
      ['UNKNOWN_OUTPUT_NODE', '$.outputs[0].from'],
    ],
    ['no outputs', spec({ outputs: [] }), ['MISSING_OUTPUTS', '$.outputs']],
    ['absent nodes and outputs', { kind: 'workflow' }, ['MISSING_NODES', '$.nodes'], ['MISSING_OUTPUTS', '$.outputs']],
    [
      'id pattern',
      spec({ nodes: [{ ...LLM, id: 'A-b' }], outputs: [{ name: 'x', from: 'A-b' }] }),
      ['INVALID_NODE_ID', '$.nodes[0].id'],
    ],
    ['id length', spec({ nodes: [LLM, { ...LLM, id: 'x'.repeat(65) }] }), ['INVALID_NODE_ID', '$.nodes[1].id']],
    ['duplicate id', spec({ nodes: [LLM, LLM] }), ['DUPLICATE_NODE_ID', '$.nodes[1].id']],
    ['type', node({ type: 'magic' }), ['INVALID_NODE_TYPE', '$.nodes[1].type']],
    [
      'unknown dependency',
      node({ type: 'join.all', depends_on: ['a', 'z'] }),
      ['UNKNOWN_DEPENDENCY', '$.nodes[1].depends_on[1]'],
    ],
    ['self dependency', node({ type: 'join.all', depends_on: ['b'] }), ['SELF_DEPENDENCY', '$.nodes[1].depends_on[0]']],
    [
      'cycle',
      spec({
        nodes: [
          { ...LLM, depends_on: ['b'] },
          { ...LLM, id: 'b', user: '{{a}}' },
        ],
      }),
      ['DEPENDENCY_CYCLE', '$.nodes[0].depends_on'],
    ],
    ['prompt', node({ type: 'llm' }), ['MISSING_PROMPT', '$.nodes[1]']],
    [
      'two prompts',
      node({ type: 'llm', user: 'x', input: [{ role: 'user', content: [{ type: 'text', text: 'x' }] }] }),
      ['CONFLICTING_PROMPT', '$.nodes[1].input'],
    ],
    [
      'no items',
      node({ type: 'map.fanout', subnode: { ...LLM, id: 's' } }),
      ['INVALID_MAP_ITEMS', '$.nodes[1].items_from'],
    ],
    [
      'both items',
      node({ type: 'map.fanout', items_from: 'a', items_from_input: 'x', subnode: { ...LLM, id: 's' } }),
      ['INVALID_MAP_ITEMS', '$.nodes[1].items_from'],
    ],
    ['no subnode', node({ type: 'map.fanout', items_from: 'a' }), ['INVALID_SUBNODE', '$.nodes[1].subnode']],
    [
      'nested fan-out',
      node({ type: 'map.fanout', items_from: 'a', subnode: { id: 's', type: 'map.fanout' } }),
      ['INVALID_SUBNODE', '$.nodes[1].subnode.type'],
      ['INVALID_SUBNODE', '$.nodes[1].subnode'],
    ],
    ['no transform', node({ type: 'transform.json' }), ['INVALID_TRANSFORM', '$.nodes[1]']],
    [
      'both transforms',
      node({ type: 'transform.json', object: { x: { from: 'a' } }, merge: [{ from: 'a' }] }),
      ['INVALID_TRANSFORM', '$.nodes[1]'],
    ],
    ['empty transform', node({ type: 'transform.json', object: {} }), ['INVALID_TRANSFORM', '$.nodes[1].object']],
    [
      'pointer',
      node({ type: 'transform.json', object: { x: { from: 'a', pointer: 'x' } } }),
      ['INVALID_POINTER', '$.nodes[1].object.x.pointer'],
    ],
    [
      'output pointer',
      spec({ outputs: [{ name: 'out', from: 'a', pointer: '/~2' }] }),
      ['INVALID_POINTER', '$.outputs[0].pointer'],
    ],
    [
      'condition',
      node({ type: 'join.any', predicate: { source: 'x', op: 'equals' } }),
      ['INVALID_CONDITION', '$.nodes[1].predicate.source'],
    ],
    [
      'condition path',
      node({ type: 'join.any', predicate: { source: 'node_output', op: 'exists', path: '$[' } }),
      ['INVALID_CONDITION', '$.nodes[1].predicate.path'],
    ],
    [
      'condition regex',
      node({ type: 'join.any', predicate: { source: 'node_output', op: 'matches', value: '(' } }),
      ['INVALID_CONDITION', '$.nodes[1].predicate.value'],
    ],
    [
      'condition value',
      node({ type: 'join.any', predicate: { source: 'node_output', op: 'equals' } }),
      ['INVALID_CONDITION', '$.nodes[1].predicate.value'],
    ],
    [
      'limit',
      node({ type: 'join.collect', limit: 0, timeout_ms: 1.5 }),
      ['INVALID_LIMIT', '$.nodes[1].limit'],
      ['INVALID_LIMIT', '$.nodes[1].timeout_ms'],
    ],
    ['parallelism', spec({ max_parallelism: 0 }), ['INVALID_LIMIT', '$.max_parallelism']],
    [
      'tool limit',
      spec({ nodes: [{ ...LLM, tool_limits: { max_llm_calls: 65 } }] }),
      ['INVALID_LIMIT', '$.nodes[0].tool_limits.max_llm_calls'],
    ],
    [
      'inputs',
      spec({ inputs: [{ name: 'x', type: 'string', default: 7 }, { name: 'x' }, { name: 'y', type: 'date' }] }),
      ['INVALID_INPUT_DECL', '$.inputs[2].type'],
      ['INVALID_INPUT_DECL', '$.inputs[0].default'],
      ['INVALID_INPUT_DECL', '$.inputs[1].name'],
    ],
    ['duplicate output', spec({ outputs: [...OUTPUTS, ...OUTPUTS] }), ['DUPLICATE_OUTPUT_NAME', '$.outputs[1].name']],
    [
      'stream and client tools',
      spec({ nodes: [{ ...LLM, stream: true, tool_execution: { mode: 'client' } }] }),
      ['STREAM_TOOL_CONFLICT', '$.nodes[0].tool_execution.mode'],
    ],
    [
      'unknown field',
      spec({ surprise: 1, nodes: [{ ...LLM, usr: 'x' }] }),
      ['UNKNOWN_FIELD', '$.nodes[0].usr'],
      ['UNKNOWN_FIELD', '$.surprise'],
    ],
    ['unknown tool', spec({ nodes: [{ ...LLM, tools: ['abacus'] }] }), ['UNKNOWN_TOOL', '$.nodes[0].tools[0]']],
    [
      'hosted tool',
      spec({ nodes: [{ ...LLM, tools: [{ type: 'x_search' }] }] }),
      ['UNSUPPORTED_TOOL', '$.nodes[0].tools[0].type'],
    ],
    [
      'undeclared items',
      spec({ inputs: [], nodes: [{ id: 'a', type: 'map.fanout', items_from_input: 'x', subnode: LLM }] }),
      ['UNKNOWN_INPUT', '$.nodes[0].items_from_input'],
    ],
  ]
  for (const [name, given, ...expected] of cases) {
    test(name, () => assert.deepEqual(issuesOf(given).sort(), expected.sort()))
  }

  test('everything at once', () => {
    const found = issuesOf({
      kind: 'x',
      nodes: [
        { id: 'A', type: 'llm' },
        { id: 'b', type: 'join.all', depends_on: ['c', 'nobody'] },
        { id: 'c', type: 'transform.json', merge: [{ from: 'b', pointer: 'no' }] },
      ],
      outputs: [{ name: 'o', from: 'missing' }],
    })
    assert.deepEqual(found.map(([code]) => code).sort(), [
      'DEPENDENCY_CYCLE',
      'INVALID_KIND',
      'INVALID_NODE_ID',
      'INVALID_POINTER',
      'MISSING_PROMPT',
      'UNKNOWN_DEPENDENCY',
      'UNKNOWN_OUTPUT_NODE',
    ])
  })
})

describe('plans', () => {
  test('a lone join.all is a workflow', () => {
    planOf({ kind: 'workflow', nodes: [{ id: 'j', type: 'join.all' }], outputs: [{ name: 'o', from: 'j' }] })
  })

  test('texts with one meaning have one hash, others have others', () => {
    const one = spec({
      max_parallelism: 4,
      nodes: [
        LLM,
        { id: 'b', type: 'llm', user: 'about {{a}}', tool_execution: { mode: 'server' }, stream: false },
        { id: 'j', type: 'join.all', depends_on: ['b', 'a', 'a'] },
      ],
    })
    const same = {
      outputs: [{ from: 'a', name: 'out', pointer: '' }],
      nodes: [
        { type: 'join.all', id: 'j', depends_on: ['a', 'b'] },
        { type: 'llm', id: 'b', user: 'about {{a}}', depends_on: ['a'] },
        LLM,
      ],
      kind: 'workflow',
    }
    assert.equal(planOf(one).plan_hash, planOf(same).plan_hash)
    const hashes = [
      spec(),
      spec({ name: 'x' }),
      spec({ max_parallelism: 5 }),
      spec({ nodes: [{ ...LLM, user: 'ho' }] }),
    ]
    assert.equal(new Set(hashes.map(each => planOf(each).plan_hash)).size, hashes.length)
    assert.match(planOf(one).plan_hash, /^[0-9a-f]{64}$/)
  })

  test('a hash is what it was in earlier versions: plans are named by it for good', () => {
    assert.equal(planOf(spec()).plan_hash, 'ed193320b0b1259cdd2f2c5d1bc0cb0c9bf67bde55bf0b4c0c379b13136f8951')
  })

  test('dependencies are what is said and what is read; inputs what is declared and what placeholders name', () => {
    const { plan } = planOf({
      kind: 'workflow',
      model: 'offline',
      inputs: [{ name: 'style', default: 'dry' }, { name: 'unused' }],
      nodes: [
        { id: 'a', type: 'llm', system: '{{style}} {{input:b}}', user: '{{task}} {{ not this }} {"x": {{item}}}' },
        { id: 'b', type: 'llm', user: 'x', depends_on: ['a'] },
        { id: 'm', type: 'map.fanout', items_from: 'b', subnode: { id: 's', type: 'llm', user: '{{item}} of {{a}}' } },
        { id: 't', type: 'transform.json', object: { x: { from: 'm', pointer: '/results' } } },
      ],
      outputs: [{ name: 'o', from: 't' }],
    })
    const edges = plan.edges.map(({ from, to }) => `${from}>${to}`)
    assert.deepEqual(edges, ['a>b', 'a>m', 'b>m', 'm>t'])
    const inputs = plan.inputs.map(({ name, required }) => [name, required])
    assert.deepEqual(inputs, [
      ['style', false],
      ['unused', false],
      ['b', true],
      ['item', true],
      ['task', true],
    ])
    const [a, , m] = plan.nodes
    assert.deepEqual(a?.type === 'llm.responses' && a.input.bindings, [
      { from_input: 'b', to_placeholder: 'input:b', encoding: 'json_string' },
      { from_input: 'item', to_placeholder: 'item', encoding: 'json_string' },
      { from_input: 'style', to_placeholder: 'style', encoding: 'json_string' },
      { from_input: 'task', to_placeholder: 'task', encoding: 'json_string' },
    ])
    assert.deepEqual(m?.type === 'map.fanout' && m.input.items, { from: 'b', pointer: '/output/0/content/0/text' })
    assert.deepEqual(
      m?.type === 'map.fanout' && m.input.subnode.type === 'llm.responses' && m.input.subnode.input.bindings,
      [
        { from: 'a', pointer: '/output/0/content/0/text', to_placeholder: 'a', encoding: 'json_string' },
        { from_item: true, to_placeholder: 'item', encoding: 'json_string' },
      ],
    )
  })

  test('both spellings of tool calls and both of tool names mean one', () => {
    const call = { id: 'c', function: { name: 'f', arguments: '{}' } }
    const item = (more: object) => ({ role: 'assistant', content: [], ...more })
    const with_ = (more: object, tool: string) =>
      planOf(spec({ nodes: [{ id: 'a', type: 'llm', input: [item(more)], tools: [tool] }] }))
    const snake = with_({ tool_calls: [call] }, 'user_ask')
    const camel = with_({ toolCalls: [call], type: 'message' }, 'user.ask')
    assert.equal(snake.plan_hash, camel.plan_hash)
  })

  test('ten thousand nodes compile in a moment', () => {
    const nodes = Array.from({ length: 10_000 }, (_, index) => ({
      id: `n${index}`,
      type: 'join.all',
      ...(index > 0 && { depends_on: [`n${index - 1}`] }),
    }))
    const compiled: Compiled = compile({ kind: 'workflow', nodes, outputs: [{ name: 'o', from: 'n9999' }] })
    assert.ok(!('issues' in compiled))
  })
})

test('lint finds what strict schemas must not have', () => {
  const schema = {
    type: 'object',
    properties: { a: { type: 'object', properties: {}, additionalProperties: false }, b: {} },
    required: ['a'],
  }
  const output_format = { type: 'json_schema', json_schema: { name: 'x', schema } }
  const found = lint(spec({ nodes: [{ ...LLM, output_format }] }))
  assert.deepEqual(
    found.map(({ code, path }) => [code, path]),
    [
      ['ADDITIONAL_PROPERTIES', '$.nodes[0].output_format.json_schema.schema.additionalProperties'],
      ['REQUIRED_PROPERTIES', '$.nodes[0].output_format.json_schema.schema.required'],
    ],
  )
})
