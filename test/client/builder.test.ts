// What the builders of workflows write (contracts: workflows §3): exactly the wire form, which the server compiles.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { chain, llm, mapItem, parallel, ValidationError, workflow } from '../../src/client/client.ts'
import { compile } from '../../src/workflow/compile.ts'

/** That it is this text on the wire, and that it compiles. */
function assertWire(spec: object, wire: object) {
  assert.equal(JSON.stringify(spec), JSON.stringify(wire))
  const compiled = compile(spec)
  assert.ok(!('issues' in compiled), JSON.stringify(compiled))
}

describe('builders', () => {
  test('a workflow of every kind of node', () => {
    const spec = workflow({ name: 'all', model: 'm', max_parallelism: 3, inputs: [{ name: 'list', type: 'array' }] })
      .llm('draft', {
        system: 'Be brief.',
        user: 'Write {{task}}',
        tools: ['user_ask'],
        tool_execution: { mode: 'client' },
      })
      .mapItem('each', llm('one', { user: 'Judge {{item}}' }), { items_from_input: 'list', max_parallelism: 2 })
      .join('both', ['draft', 'each'])
      .joinAny('any', {
        depends_on: ['draft'],
        predicate: { source: 'node_status', op: 'equals', path: '$', value: 'x' },
      })
      .joinCollect('some', { depends_on: ['draft', 'each'], limit: 1, timeout_ms: 50 })
      .transform('sum', { object: { a: { from: 'both', pointer: '/draft' } } })
      .output('sum', 'sum')
      .text('draft', 'draft')
      .build()
    assertWire(spec, {
      kind: 'workflow',
      name: 'all',
      model: 'm',
      max_parallelism: 3,
      inputs: [{ name: 'list', type: 'array' }],
      nodes: [
        {
          id: 'draft',
          type: 'llm',
          system: 'Be brief.',
          user: 'Write {{task}}',
          tools: ['user_ask'],
          tool_execution: { mode: 'client' },
        },
        {
          id: 'each',
          type: 'map.fanout',
          items_from_input: 'list',
          max_parallelism: 2,
          subnode: { id: 'one', type: 'llm', user: 'Judge {{item}}' },
        },
        { id: 'both', type: 'join.all', depends_on: ['draft', 'each'] },
        {
          id: 'any',
          type: 'join.any',
          depends_on: ['draft'],
          predicate: { source: 'node_status', op: 'equals', path: '$', value: 'x' },
        },
        { id: 'some', type: 'join.collect', depends_on: ['draft', 'each'], limit: 1, timeout_ms: 50 },
        { id: 'sum', type: 'transform.json', object: { a: { from: 'both', pointer: '/draft' } } },
      ],
      outputs: [
        { name: 'sum', from: 'sum' },
        { name: 'draft', from: 'draft', pointer: '/output/0/content/0/text' },
      ],
    })
  })

  test('a chain: each step waits for the one before', () => {
    const steps = [llm('a', { user: 'x' }), llm('b', { user: '{{a}}' }), llm('c', { user: '{{b}}' })]
    assertWire(chain(steps, { name: 'n', model: 'm' }).output('r', 'c').build(), {
      kind: 'workflow',
      name: 'n',
      model: 'm',
      nodes: [
        { id: 'a', type: 'llm', user: 'x' },
        { id: 'b', type: 'llm', user: '{{a}}', depends_on: ['a'] },
        { id: 'c', type: 'llm', user: '{{b}}', depends_on: ['b'] },
      ],
      outputs: [{ name: 'r', from: 'c' }],
    })
  })

  test('parallel steps, with a join; an edge of each kind is one dependency', () => {
    const spec = parallel([llm('a', { user: 'x' }), mapItem('b', llm('i', { user: '{{item}}' }), { items_from: 'a' })])
      .llm('sum', { user: '{{join}}' })
      .edge('join', 'sum')
      .edge('join', 'sum')
      .output('r', 'sum')
      .build()
    assertWire(spec, {
      kind: 'workflow',
      nodes: [
        { id: 'a', type: 'llm', user: 'x' },
        { id: 'b', type: 'map.fanout', items_from: 'a', subnode: { id: 'i', type: 'llm', user: '{{item}}' } },
        { id: 'join', type: 'join.all', depends_on: ['a', 'b'] },
        { id: 'sum', type: 'llm', user: '{{join}}', depends_on: ['join'] },
      ],
      outputs: [{ name: 'r', from: 'sum' }],
    })
    const named = parallel([llm('a', { user: 'x' })], { join: 'all' })
      .output('r', 'all')
      .build()
    assert.deepEqual(named.nodes[1], { id: 'all', type: 'join.all', depends_on: ['a'] })
  })

  test('a builder does not change', () => {
    const begun = workflow().llm('a', { user: 'x' })
    const one = begun.output('r', 'a')
    begun.llm('b', { user: 'y' }).edge('a', 'b')
    assert.deepEqual(one.build().nodes, [{ id: 'a', type: 'llm', user: 'x' }])
  })

  test('what is wrong is named', () => {
    const field = (name: string) => (error: unknown) => error instanceof ValidationError && error.field === name
    const one = workflow().llm('a', { user: 'x' })
    assert.throws(() => one.build(), field('outputs'))
    assert.throws(() => workflow().output('r', 'a').build(), field('nodes'))
    assert.throws(() => one.llm('a', { user: 'y' }), field('a'))
    assert.throws(() => one.edge('a', 'b'), field('b'))
    assert.throws(() => workflow().llm('A', { user: 'x' }).output('r', 'A').build(), field('nodes.0.id'))
  })
})
