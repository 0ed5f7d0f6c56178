import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Document } from '@langchain/core/documents'
import {
  AIMessage,
  AIMessageChunk,
  type BaseMessage,
  ChatMessage,
  FunctionMessage,
  HumanMessage,
  HumanMessageChunk,
  RemoveMessage,
  SystemMessage,
  ToolMessage,
} from '@langchain/core/messages'
import { Send } from '@langchain/langgraph'
import { emptyCheckpoint } from '@langchain/langgraph-checkpoint'
import { newId } from '../../src/core/ids.ts'
import type { Database } from '../../src/db/database.ts'
import { decode, encode } from '../../src/graph/serde.ts'
import { forEachDatabase } from '../support/databases.ts'
import { checkpointerOf, openMigrated, stored, wire } from './checkpoint-support.ts'

const META = { source: 'loop', step: 0, parents: {} } as const

const cycle: Record<string, unknown> = { name: 'cycle' }
cycle.self = cycle

const ODD: [name: string, value: unknown, wire: unknown, back?: unknown][] = [
  ['undefined in an object', { a: undefined, b: 1 }, { b: 1 }],
  ['a hole in an array', [1, undefined, 3], [1, null, 3]],
  ['a Date', new Date('2024-02-03T04:05:06Z'), '2024-02-03T04:05:06.000Z'],
  ['an invalid Date', new Date(Number.NaN), null],
  ['a Map with object keys', new Map<unknown, unknown>([[{ a: 1 }, new Set([1])]]), { '[object Object]': [1] }],
  ['a Set', new Set(['a', 1n]), ['a', '1']],
  ['a BigInt', 12345678901234567890n, '12345678901234567890'],
  ['numbers JSON lacks', [Number.NaN, Number.POSITIVE_INFINITY, -0], [null, null, 0]],
  ['bytes', new Uint8Array([0, 255]), 'AP8='],
  ['a RegExp', /a+/gi, '/a+/gi'],
  ['an Error', new Error('bad'), { error: 'Error', message: 'bad' }],
  ['a cycle', cycle, { name: 'cycle', self: '[Circular]' }, { name: 'cycle', self: '[Circular]' }],
  ['a function', { run: () => 1, a: 1 }, { a: 1 }, { a: 1 }],
  ['a record that looks like LangChain’s', { lc: 2, type: 'undefined', at: 1 }, { lc: 2, type: 'undefined', at: 1 }],
  [
    'such a record beside a Date',
    [{ lc: 1, type: 'constructor', id: ['x'] }, new Date(0)],
    [{ lc: 1, type: 'constructor', id: ['x'] }, '1970-01-01T00:00:00.000Z'],
  ],
  ['an own __proto__', JSON.parse('{"__proto__": {"a": 1}}'), JSON.parse('{"__proto__": {"a": 1}}')],
  [
    'a Send',
    new Send('node', { a: 1 }),
    { lg_name: 'Send', node: 'node', args: { a: 1 } },
    { node: 'node', args: { a: 1 } },
  ],
  ['NUL in text', 'a\0b', 'ab', 'ab'],
]

// LangChain's types leave no room for it under exactOptionalPropertyTypes.
const USAGE: never = {
  input_tokens: 1,
  output_tokens: 2,
  total_tokens: 3,
  input_token_details: {},
  output_token_details: {},
} as never

const MESSAGES: BaseMessage[] = [
  new HumanMessage('hello'),
  new HumanMessage({
    content: [
      { type: 'text', text: 'a' },
      { type: 'image_url', image_url: 'data:' },
    ],
    id: 'h',
    name: 'me',
  }),
  new HumanMessageChunk({ content: 'part', id: 'c' }),
  new SystemMessage({ content: 'rules', additional_kwargs: { a: { b: 1 } } }),
  new AIMessage({
    content: '',
    id: 'a',
    tool_calls: [{ name: 'add', args: { a: 1 }, id: 'call_1', type: 'tool_call' }],
    invalid_tool_calls: [{ name: 'bad', args: '{', id: 'call_2', error: 'x', type: 'invalid_tool_call' }],
    usage_metadata: USAGE,
    response_metadata: { model: 'm' },
  }),
  new AIMessage({ content: [{ type: 'text', text: 'v1' }], response_metadata: { output_version: 'v1' } }),
  new AIMessageChunk({
    content: 'a',
    id: 'k',
    tool_call_chunks: [{ name: 'add', args: '{"a":1}', id: 'call', index: 0 }],
  }),
  new AIMessageChunk({ content: 'one' }).concat(new AIMessageChunk({ content: ' two', usage_metadata: USAGE })),
  Object.assign(
    new AIMessageChunk({ content: '', tool_call_chunks: [{ name: 'add', args: '{"a":1}', id: 'call', index: 0 }] }),
    { tool_calls: [{ name: 'add', args: { a: 'edited' }, id: 'call' }] },
  ),
  new ToolMessage({ content: '3', tool_call_id: 'call_1', status: 'error', artifact: { rows: [1] } }),
  new ToolMessage({ content: '3', tool_call_id: 'call_1', artifact: new Map([['a', new Date(0)]]) }),
  new FunctionMessage({ content: 'f', name: 'fn' }),
  new ChatMessage({ content: 'c', role: 'critic' }),
  new RemoveMessage({ id: 'gone' }),
  new AIMessage({ content: 'x', additional_kwargs: { odd: { lc: 1, note: 'user data' } } }),
]

class Shouting extends AIMessage {}

describe('values as text', () => {
  for (const [name, value, seen, back = value] of ODD) {
    it(`has a wire form of ${name}, and gives it back`, async () => {
      const text = encode(value)
      assert.deepEqual(JSON.parse(text.data), seen)
      assert.deepEqual(await decode(text), back)
      assert.deepEqual(wire({ nested: [value] }).nested[0], seen)
    })
  }

  for (const message of MESSAGES) {
    it(`stores ${message.lc_id.at(-1)} flat and gives back its class: ${JSON.stringify(message.content).slice(0, 20)}`, async () => {
      const text = encode(message)
      const { type, data } = message.toDict()
      assert.deepEqual(Object.keys(JSON.parse(text.data)), Object.keys(JSON.parse(JSON.stringify({ ...data, type }))))
      const back = (await decode(text)) as BaseMessage
      assert.equal(back.constructor, message.constructor)
      assert.deepEqual(wire(back), wire(message))
      for (const field of [
        'content',
        'id',
        'name',
        'tool_calls',
        'invalid_tool_calls',
        'usage_metadata',
        'artifact',
        'status',
      ]) {
        assert.deepEqual((back as never)[field], (message as never)[field], field)
      }
    })
  }

  it('keeps messages in other values, as the objects that LangChain loads', async () => {
    const value = { list: [new HumanMessage('a')], map: new Map([['m', new AIMessageChunk('b')]]) }
    const back = (await decode(encode(value))) as typeof value
    assert.ok(back.list[0] instanceof HumanMessage)
    assert.ok(back.map.get('m') instanceof AIMessageChunk)
    assert.equal(JSON.parse(encode(value).data).list[0].content, 'a')
  })

  it('gives a subclass back as what it derives from', async () => {
    const back = (await decode(encode(new Shouting('HEY')))) as AIMessage
    assert.equal(back.constructor, AIMessage)
    assert.equal(back.content, 'HEY')
  })

  it('never fails on what cannot be read', () => {
    const hostile = {
      ok: 1,
      get bad() {
        throw new Error('no')
      },
    }
    assert.equal(typeof encode([hostile]).data, 'string')
    let nested: unknown = 1
    for (let depth = 0; depth < 20_000; depth++) nested = [nested]
    assert.equal(typeof encode(nested).data, 'string')
  })
})

forEachDatabase('values in checkpoints', open => {
  let db: Database
  before(async () => {
    db = await openMigrated(await open())
  })
  after(() => db.close())

  it('come back from channels, lists, blobs and pending writes', async () => {
    const thread_id = newId()
    const odd = ODD.map(([, value]) => value)
    const expected = ODD.map(([, value, , back = value]) => back)
    const big = { text: 'x'.repeat(2_000), when: new Date(0), messages: [new HumanMessage('in a blob')] }
    const documents = [new Document({ pageContent: 'page', metadata: { a: 1 } })]
    const channel_values = { odd, messages: MESSAGES, big, documents, small: new Map([[1, 2]]), none: null }
    const versions = Object.fromEntries(Object.keys(channel_values).map(channel => [channel, 1]))
    const { checkpointer } = checkpointerOf(db)
    const config = await checkpointer.put(
      { configurable: { thread_id, checkpoint_ns: '' } },
      { ...emptyCheckpoint(), channel_values },
      META,
      versions,
    )
    await checkpointer.putWrites(
      config,
      odd.map(value => ['odd', value]),
      'task',
    )
    await checkpointer.putWrites(config, [['messages', MESSAGES]], 'other')
    const values = (await stored(db, thread_id)) as typeof channel_values
    assert.deepEqual(values.odd, expected)
    assert.deepEqual(
      values.messages.map(message => message.constructor),
      MESSAGES.map(message => message.constructor),
    )
    assert.deepEqual(wire(values.messages), wire(MESSAGES))
    assert.equal(values.big.when.getTime(), 0)
    assert.ok(values.big.messages[0] instanceof HumanMessage)
    assert.deepEqual(values.small, new Map([[1, 2]]))
    assert.equal(values.none, null)
    const pending = (await checkpointerOf(db).checkpointer.getTuple(config))?.pendingWrites ?? []
    const byTask = (task: string) => pending.filter(([id]) => id === task).map(([, , value]) => value)
    assert.deepEqual(byTask('task'), expected)
    assert.deepEqual(wire(byTask('other')[0]), wire(MESSAGES))
  })
})
