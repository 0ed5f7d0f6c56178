// From what a graph streams to the embedded client's events (contracts: gateway §3.2–§3.5, §3.7).
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { textOf, type WireMessage } from '../../src/client/embedded-text.ts'
import { Turn } from '../../src/client/embedded-turn.ts'
import { type ClientEvent, clientEvent } from '../../src/protocol/client-events.ts'

type Chunk = [mode: string, payload: unknown]

const usage = (input_tokens: number, output_tokens: number) => ({
  input_tokens,
  output_tokens,
  total_tokens: input_tokens + output_tokens,
})
const human = (content: string, id = 'h-1'): WireMessage => ({ type: 'human', content, id })
const ai = (content: unknown, id: string | null, more: Partial<WireMessage> = {}): WireMessage => ({
  type: 'ai',
  content,
  id,
  ...more,
})
const piece = (content: unknown, id: string | null, more: Partial<WireMessage> = {}, metadata: object = {}): Chunk => [
  'messages',
  [{ type: 'AIMessageChunk', content, id, ...more }, metadata],
]
const values = (messages: WireMessage[], more: object = {}): Chunk => ['values', { messages, ...more }]

/** The events of a turn that begins with `history`. Each is one that the protocol has. */
function eventsOf(chunks: Chunk[], history?: WireMessage[], turn = new Turn()): ClientEvent[] {
  const begun = history ? turn.begin({ messages: history }) : []
  const events = [...begun, ...chunks.flatMap(chunk => turn.take(...chunk)), ...turn.end()]
  for (const event of events) assert.deepEqual(clientEvent.parse(event), event)
  return events
}

type Said = Extract<ClientEvent, { type: 'messages-tuple' }>['data']

/** What is said of messages, and what it cost. */
function said(chunks: Chunk[], history?: WireMessage[]) {
  const events = eventsOf(chunks, history)
  const end = events.at(-1)
  assert.equal(end?.type, 'end')
  return {
    messages: events.flatMap(event => (event.type === 'messages-tuple' ? [event.data as Said] : [])),
    usage: end.data.usage,
  }
}

const texts = (chunks: Chunk[], history?: WireMessage[]) =>
  said(chunks, history).messages.map(({ id, ...data }) => [id, 'content' in data ? data.content : data.type])

describe('the golden sequences, whole', () => {
  test('two pieces, and a state that repeats them', () => {
    const spent = usage(3, 2)
    const chunks = [
      piece('Hel', 'ai-1'),
      piece('lo', 'ai-1', { usage_metadata: spent }),
      values([human('hi'), ai('Hello', 'ai-1', { usage_metadata: spent })]),
    ]
    assert.deepEqual(eventsOf(chunks), [
      { type: 'messages-tuple', data: { type: 'ai', content: 'Hel', id: 'ai-1' } },
      { type: 'messages-tuple', data: { type: 'ai', content: 'lo', id: 'ai-1', usage_metadata: spent } },
      {
        type: 'values',
        data: {
          title: null,
          messages: [
            { type: 'human', content: 'hi', id: 'h-1' },
            { type: 'ai', content: 'Hello', id: 'ai-1', usage_metadata: spent },
          ],
          artifacts: [],
        },
      },
      { type: 'end', data: { usage: spent } },
    ])
  })

  test('three pieces, of which one says what it cost', () => {
    const spent = usage(3, 4)
    const chunks = [
      piece('Hel', 'ai-1'),
      piece(' lo ', 'ai-1'),
      piece('world!', 'ai-1', { usage_metadata: spent }),
      values([human('hi'), ai('Hel lo world!', 'ai-1', { usage_metadata: spent })]),
    ]
    assert.deepEqual(eventsOf(chunks), [
      { type: 'messages-tuple', data: { type: 'ai', content: 'Hel', id: 'ai-1' } },
      { type: 'messages-tuple', data: { type: 'ai', content: ' lo ', id: 'ai-1' } },
      { type: 'messages-tuple', data: { type: 'ai', content: 'world!', id: 'ai-1', usage_metadata: spent } },
      {
        type: 'values',
        data: {
          title: null,
          messages: [
            { type: 'human', content: 'hi', id: 'h-1' },
            { type: 'ai', content: 'Hel lo world!', id: 'ai-1', usage_metadata: spent },
          ],
          artifacts: [],
        },
      },
      { type: 'end', data: { usage: spent } },
    ])
  })
})

describe('a message is told once', () => {
  test('by a model that does not stream: from the state, with its usage', () => {
    const { messages, usage: total } = said([
      values([human('hi'), ai('Hello', 'ai-1', { usage_metadata: usage(3, 2) })]),
    ])
    assert.deepEqual(messages, [{ type: 'ai', content: 'Hello', id: 'ai-1', usage_metadata: usage(3, 2) }])
    assert.deepEqual(total, usage(3, 2))
  })

  test('with the same id in two states', () => {
    const state = values([human('hi'), ai('Hello', 'ai-1', { usage_metadata: usage(3, 2) })])
    assert.deepEqual(texts([state, state]), [['ai-1', 'Hello']])
    assert.deepEqual(said([state, state]).usage, usage(3, 2))
  })

  test('when its state comes before its pieces', () => {
    const spent = usage(3, 2)
    const state = values([human('hi'), ai('Hello', 'ai-1', { usage_metadata: spent })])
    const pieces = [piece('Hel', 'ai-1'), piece('lo', 'ai-1', { usage_metadata: spent })]
    for (const chunks of [
      [state, ...pieces],
      [...pieces, state],
      [state, ...pieces, state],
    ]) {
      const { messages, usage: total } = said(chunks)
      assert.equal(messages.map(data => 'content' in data && data.content).join(''), 'Hello')
      assert.deepEqual(total, spent)
    }
    const between = [pieces[0] as Chunk, state, pieces[1] as Chunk]
    assert.deepEqual(
      texts(between).map(([, text]) => text),
      ['Hel', 'lo'],
    )
    assert.deepEqual(said(between).usage, spent)
  })

  test('with a text that only the state has, and then no pieces of it', () => {
    const call = { tool_call_chunks: [{ index: 0, id: 'call-1', name: 'ask', args: '{}' }] }
    const state = values([ai('Which one?', 'ai-1', { tool_calls: [{ name: 'ask', args: {}, id: 'call-1' }] })])
    const chunks = [piece('', 'ai-1', call), state, piece('Which one?', 'ai-1'), state]
    assert.deepEqual(said(chunks).messages, [
      { type: 'ai', content: 'Which one?', id: 'ai-1' },
      { type: 'ai', content: '', id: 'ai-1', tool_calls: [{ name: 'ask', args: {}, id: 'call-1' }] },
    ])
  })

  test('whole by messages mode, then by the state', () => {
    const message = ai('Hello', 'ai-1', { usage_metadata: usage(1, 1) })
    assert.deepEqual(texts([['messages', [message, {}]], values([human('hi'), message])]), [['ai-1', 'Hello']])
  })

  test('of an earlier turn: not at all, and what it cost is not counted', () => {
    const history = [human('hi'), ai('Hello', 'ai-1', { usage_metadata: usage(100, 50) }), human('again', 'h-2')]
    const spent = usage(10, 5)
    const chunks = [
      piece('Yes', 'ai-2', { usage_metadata: spent }),
      values([...history, ai('Yes', 'ai-2', { usage_metadata: spent })]),
    ]
    const { messages, usage: total } = said(chunks, history)
    assert.deepEqual(messages, [{ type: 'ai', content: 'Yes', id: 'ai-2', usage_metadata: spent }])
    assert.deepEqual(total, spent)
    assert.equal(total.total_tokens, 15)
  })

  test('of an earlier turn without an id, or with a tool result in it', () => {
    const call = { name: 'look', args: { key: 'k' }, id: 'call-1' }
    const history = [
      human('hi'),
      ai('', null, { tool_calls: [call] }),
      { type: 'tool', content: 'found', name: 'look', tool_call_id: 'call-1', id: null },
      ai('Hello', null),
      human('again', 'h-2'),
    ]
    assert.deepEqual(
      texts([values([...history, ai('Yes', null)])], history).map(([, text]) => text),
      ['Yes'],
    )
  })

  test('also when a model uses the id of an earlier turn again', () => {
    const history = [human('hi'), ai('Hello', 'ai-1'), human('again', 'h-2')]
    const chunks = [piece('Yes', 'ai-1', { usage_metadata: usage(1, 1) }), values([human('hi'), ai('Yes', 'ai-1')])]
    assert.deepEqual(texts(chunks, history), [['ai-1', 'Yes']])
    assert.deepEqual(said(chunks, history).usage, usage(1, 1))
  })

  test('human, system and unknown messages are shown in states alone', () => {
    const chunks: Chunk[] = [
      ['messages', [{ type: 'system', content: 'be nice', id: 's-1' }, {}]],
      ['messages', [human('hi'), {}]],
      values([
        human('hi'),
        { type: 'generic', content: [{ text: 'x' }], id: 'g-1' },
        { type: 'system', content: 's', id: 's-1' },
      ]),
    ]
    assert.deepEqual(texts(chunks), [])
    const state = eventsOf(chunks)[0] as Extract<ClientEvent, { type: 'values' }>
    assert.deepEqual(state.data.messages.slice(1), [
      { type: 'unknown', content: 'x', id: 'g-1' },
      { type: 'system', content: 's', id: 's-1' },
    ])
  })
})

describe('usage', () => {
  test('split over pieces of one message is summed', () => {
    const chunks = [
      piece('Hel', 'ai-1', { usage_metadata: usage(7, 0) }),
      piece('lo', 'ai-1', { usage_metadata: usage(0, 9) }),
      values([human('hi'), ai('Hello', 'ai-1', { usage_metadata: usage(7, 9) })]),
    ]
    assert.deepEqual(said(chunks).usage, { input_tokens: 7, output_tokens: 9, total_tokens: 16 })
    assert.deepEqual(said(chunks.slice(0, 2)).usage, { input_tokens: 7, output_tokens: 9, total_tokens: 16 })
  })

  test('that only the state has counts for a message that was streamed', () => {
    const chunks = [piece('Hello', 'ai-1'), values([ai('Hello', 'ai-1', { usage_metadata: usage(3, 2) })])]
    assert.deepEqual(said(chunks).usage, usage(3, 2))
    assert.deepEqual(said(chunks).messages, [{ type: 'ai', content: 'Hello', id: 'ai-1' }])
  })

  test('on a piece of its own is told where it came', () => {
    const { messages } = said([piece('Hello', 'ai-1'), piece('', 'ai-1', { usage_metadata: usage(3, 2) })])
    assert.deepEqual(messages.at(-1), { type: 'ai', content: '', id: 'ai-1', usage_metadata: usage(3, 2) })
  })

  test('of several messages is the turn’s', () => {
    const chunks = [
      piece('a', 'ai-1', { usage_metadata: usage(1, 2) }),
      piece('b', 'ai-2', { usage_metadata: usage(3, 4) }),
    ]
    assert.deepEqual(said(chunks).usage, usage(4, 6))
  })
})

describe('tool calls', () => {
  const call = { name: 'look', args: { key: 'größe' }, id: 'call-1' }
  const pieces = [
    piece('', 'ai-1', {
      tool_calls: [{ ...call, args: {} }],
      tool_call_chunks: [{ index: 0, id: 'call-1', name: 'look', args: '' }],
    }),
    piece('', 'ai-1', { tool_call_chunks: [{ index: 0, args: '{"key":' }] }),
    piece('', 'ai-1', { tool_call_chunks: [{ index: 0, args: '"größe"}' }] }),
  ]
  const last = piece('', 'ai-1', { tool_call_chunks: [], response_metadata: { finish_reason: 'tool_calls' } })
  const state = values([human('hi'), ai('', 'ai-1', { tool_calls: [call] })])
  const told = [{ type: 'ai', content: '', id: 'ai-1', tool_calls: [call] }]

  test('in fragments are told once, with complete arguments, whatever says that they are', () => {
    for (const chunks of [
      [...pieces, last],
      [...pieces, last, state],
      [...pieces, state],
      [state, ...pieces, last],
      pieces,
    ]) {
      assert.deepEqual(said(chunks).messages, told)
    }
  })

  test('that break off are not told', () => {
    assert.deepEqual(said(pieces.slice(0, 2)).messages, [])
  })

  test('several in one message are one event; a tool without arguments has none', () => {
    const other = { name: 'now', args: {}, id: 'call-2' }
    const more = piece('', 'ai-1', { tool_call_chunks: [{ index: 1, id: 'call-2', name: 'now', args: '' }] })
    assert.deepEqual(said([...pieces, more, last, values([ai('', 'ai-1', { tool_calls: [call, other] })])]).messages, [
      { type: 'ai', content: '', id: 'ai-1', tool_calls: [call, other] },
    ])
  })

  test('of a message that has a text as well come in an event of their own', () => {
    const chunks = [values([ai('Let me look', 'ai-1', { tool_calls: [call], usage_metadata: usage(1, 1) })])]
    assert.deepEqual(said(chunks).messages, [
      { type: 'ai', content: 'Let me look', id: 'ai-1', usage_metadata: usage(1, 1) },
      { type: 'ai', content: '', id: 'ai-1', tool_calls: [call] },
    ])
  })

  test('and their results: each once, by whichever way it comes first, with the artifact', () => {
    const result = {
      type: 'tool',
      content: [{ text: 'found' }],
      name: 'look',
      tool_call_id: 'call-1',
      artifact: { n: 1 },
    }
    const event = { type: 'tool', content: 'found', name: 'look', tool_call_id: 'call-1', artifact: { n: 1 } }
    const streamed: Chunk = ['messages', [{ ...result, id: 't-1' }, {}]]
    const stored = values([ai('', 'ai-1', { tool_calls: [call] }), { ...result, id: 't-2' }])
    assert.deepEqual(said([...pieces, last, streamed, stored]).messages, [...told, { ...event, id: 't-1' }])
    assert.deepEqual(said([...pieces, last, stored, streamed]).messages, [...told, { ...event, id: 't-2' }])
    const { data } = eventsOf([stored]).findLast(({ type }) => type === 'values') as Extract<
      ClientEvent,
      { type: 'values' }
    >
    assert.deepEqual(data.messages[1], {
      type: 'tool',
      content: 'found',
      name: 'look',
      tool_call_id: 'call-1',
      id: 't-2',
    })
  })
})

describe('pieces without an id', () => {
  const hello = [piece('Hel', null), piece('lo', null)]
  const state = values([human('hi'), ai('Hello', 'ai-1', { usage_metadata: usage(3, 2) })])

  test('have one of ours, and their message in the state is the same one', () => {
    assert.deepEqual(texts([...hello, state, state]), [
      ['message-1', 'Hel'],
      ['message-1', 'lo'],
    ])
    assert.deepEqual(said([...hello, state]).usage, usage(3, 2))
  })

  test('in a state that has no ids either: it shows ours', () => {
    const events = eventsOf([...hello, values([human('hi'), ai('Hello', null)])])
    assert.deepEqual(events[2], {
      type: 'values',
      data: {
        title: null,
        messages: [
          { type: 'human', content: 'hi', id: 'h-1' },
          { type: 'ai', content: 'Hello', id: 'message-1' },
        ],
        artifacts: [],
      },
    })
    assert.equal(events.length, 4)
  })

  test('that come after their state, or around it', () => {
    assert.deepEqual(texts([state, ...hello]), [['ai-1', 'Hello']])
    assert.deepEqual(texts([hello[0] as Chunk, state, hello[1] as Chunk]), [
      ['message-1', 'Hel'],
      ['message-1', 'lo'],
    ])
  })

  test('of two calls are two messages', () => {
    const two = [...hello, state, piece('Hi', null), piece(' there', null)]
    const both = values([human('hi'), ai('Hello', 'ai-1'), ai('Hi there', 'ai-2')])
    assert.deepEqual(
      texts([...two, both]).map(([id]) => id),
      ['message-1', 'message-1', 'message-2', 'message-2'],
    )
    const finished = { response_metadata: { finish_reason: 'stop' } }
    const byFinish = [
      piece('Hello', null, finished),
      piece('', null, { usage_metadata: usage(1, 1) }),
      piece('Hi', null),
    ]
    assert.deepEqual(texts(byFinish), [
      ['message-1', 'Hello'],
      ['message-1', ''],
      ['message-2', 'Hi'],
    ])
  })

  test('of calls at the same time are told apart by their place in the graph', () => {
    const at = (name: string) => ({ langgraph_checkpoint_ns: `${name}:1` })
    const chunks = [
      piece('left', null, {}, at('a')),
      piece('right', null, {}, at('b')),
      piece(' side', null, {}, at('a')),
      values([ai('right', 'ai-2'), ai('left side', 'ai-1')]),
    ]
    assert.deepEqual(texts(chunks), [
      ['message-1', 'left'],
      ['message-2', 'right'],
      ['message-1', ' side'],
    ])
  })

  test('that only begin like a message of the state are told', () => {
    const chunks = [state, piece('Hel', null), piece('ium', null)]
    assert.deepEqual(texts(chunks), [
      ['ai-1', 'Hello'],
      ['message-1', 'Helium'],
    ])
  })

  test('of tool calls: each call once', () => {
    const call = { name: 'look', args: {}, id: 'call-1' }
    const called = piece('', null, { tool_call_chunks: [{ index: 0, id: 'call-1', name: 'look', args: '{}' }] })
    for (const chunks of [
      [called, values([ai('', 'ai-1', { tool_calls: [call] })])],
      [values([ai('', 'ai-1', { tool_calls: [call] })]), called],
    ]) {
      const { messages } = said(chunks)
      assert.deepEqual(
        messages.map(data => data.type === 'ai' && data.tool_calls),
        [[call]],
      )
    }
  })

  test('a whole message without an id is found in the state by its text', () => {
    assert.deepEqual(texts([['messages', [ai('Hello', null), {}]], state]), [['message-1', 'Hello']])
  })
})

describe('what else is told', () => {
  test('custom events, unchanged', () => {
    const payload = { type: 'task_running', task_id: 't', message: { n: 1 } }
    assert.deepEqual(eventsOf([['custom', payload]])[0], { type: 'custom', data: payload })
    assert.deepEqual(eventsOf([['custom', null]])[0], { type: 'custom', data: null })
  })

  test('titles as they change, and artifacts', () => {
    const events = eventsOf([values([], { title: 'One' }), values([], { title: 'Two', artifacts: ['a.md'] })])
    assert.deepEqual(
      events.slice(0, 2).map(({ data }) => data),
      [
        { title: 'One', messages: [], artifacts: [] },
        { title: 'Two', messages: [], artifacts: ['a.md'] },
      ],
    )
  })

  test('additional_kwargs that are new, and only then', () => {
    const reasoning = (text: string) => ({ additional_kwargs: { reasoning_content: text, tool_calls: [{}] } })
    const chunks = [
      piece('', 'ai-1', reasoning('Let me ')),
      piece('', 'ai-1', reasoning('think')),
      piece('Hello', 'ai-1'),
      values([ai('Hello', 'ai-1', reasoning('Let me think'))]),
      values([ai('Hello', 'ai-1', { additional_kwargs: { reasoning_content: 'Let me think', rated: true } })]),
      values([ai('Hello', 'ai-1', { additional_kwargs: { reasoning_content: 'Let me think', rated: true } })]),
    ]
    assert.deepEqual(said(chunks).messages, [
      { type: 'ai', content: '', id: 'ai-1', additional_kwargs: { reasoning_content: 'Let me ' } },
      { type: 'ai', content: '', id: 'ai-1', additional_kwargs: { reasoning_content: 'think' } },
      { type: 'ai', content: 'Hello', id: 'ai-1' },
      { type: 'ai', content: '', id: 'ai-1', additional_kwargs: { rated: true } },
    ])
  })

  test('an answer in blocks: its text only', () => {
    const content = [{ type: 'thinking', thinking: 'hm' }, { type: 'text', text: 'Hello' }, { type: 'image_url' }]
    assert.deepEqual(texts([piece(content, 'ai-1')]), [['ai-1', 'Hello']])
    assert.deepEqual(texts([values([ai(content, 'ai-1')])]), [['ai-1', 'Hello']])
  })

  test('questions, with the state that they were asked in', () => {
    const asked = [{ id: 'q', value: 'sure?' }]
    const events = eventsOf([values([human('hi')], { title: 'T' }), ['interrupt', { __interrupt__: asked }]])
    assert.deepEqual(events[1], { type: 'values', data: { ...(events[0]?.data as object), __interrupt__: asked } })
  })

  test('states of graphs that have no messages, or one that is no list', () => {
    for (const state of [{}, null, { messages: null }, { messages: ['text'] }]) {
      assert.deepEqual(eventsOf([['values', state]])[0]?.data, { title: null, messages: [], artifacts: [] })
    }
    assert.deepEqual(texts([['values', { messages: ai('Hello', 'ai-1') }]]), [['ai-1', 'Hello']])
  })

  test('an empty turn: its end', () => {
    assert.deepEqual(eventsOf([]), [{ type: 'end', data: { usage: usage(0, 0) } }])
  })
})

describe('a run that goes on elsewhere', () => {
  const at = (task: string) => ({ langgraph_checkpoint_ns: `model:${task}` })

  test('takes half a message back and tells it anew', () => {
    const turn = new Turn()
    const before = [...turn.begin({ messages: [human('hi')] }), ...turn.take(...piece('Hel', 'ai-1', {}, at('1')))]
    assert.equal(before.length, 2)
    assert.deepEqual(turn.restart(), [{ type: 'messages-tuple', data: { type: 'remove', id: 'ai-1' } }])
    const after = eventsOf(
      [values([human('hi')]), piece('Hello', 'ai-2', {}, at('1')), values([human('hi'), ai('Hello', 'ai-2')])],
      undefined,
      turn,
    )
    assert.deepEqual(
      after.flatMap(event => (event.type === 'messages-tuple' ? [event.data] : [])),
      [{ type: 'ai', content: 'Hello', id: 'ai-2' }],
    )
  })

  test('keeps what a state has shown, and what tasks have finished', () => {
    const turn = new Turn()
    const chunks = [
      piece('stored', 'ai-1', {}, at('1')),
      values([ai('stored', 'ai-1')]),
      piece('finished', 'ai-2', {}, at('2')),
      ['tasks', { id: '2', result: {} }] as Chunk,
      ['tasks', { id: '3', input: {} }] as Chunk,
      piece('half', 'ai-3', {}, at('3')),
      ['messages', [{ type: 'tool', content: 'x', tool_call_id: 'call-1', id: 't-1' }, at('3')]] as Chunk,
    ]
    for (const chunk of chunks) turn.take(...chunk)
    assert.deepEqual(
      turn.restart().map(({ data }) => data),
      [
        { type: 'remove', id: 'ai-3' },
        { type: 'remove', id: 't-1' },
      ],
    )
    assert.deepEqual(turn.restart(), [])
  })

  test('tells what it took back if it was there after all', () => {
    const turn = new Turn()
    const call = { name: 'look', args: {}, id: 'call-1' }
    const called = {
      tool_call_chunks: [{ index: 0, id: 'call-1', name: 'look', args: '{}' }],
      response_metadata: { finish_reason: 'x' },
    }
    turn.take(...piece('Hello', 'ai-1', called, at('1')))
    turn.restart()
    const events = turn.take(...values([ai('Hello', 'ai-1', { tool_calls: [call] })]))
    assert.deepEqual(
      events.slice(0, -1).map(({ data }) => data),
      [
        { type: 'ai', content: 'Hello', id: 'ai-1' },
        { type: 'ai', content: '', id: 'ai-1', tool_calls: [call] },
      ],
    )
  })
})

describe('text of contents', () => {
  const cases: [unknown, string][] = [
    ['text', 'text'],
    ['', ''],
    [[], ''],
    [42, '42'],
    [['a', 'b'], 'a\nb'],
    [['one text'], 'one text'],
    [['{"a"', ': 1}'], '{"a": 1}'],
    [['{"a"', ': 1}', 'plain'], '{"a"\n: 1}\nplain'],
    [['{"a": "more than twenty characters"', '}'], '{"a": "more than twenty characters"\n}'],
    [
      [
        { type: 'text', text: 'a' },
        { type: 'text', text: 'b' },
      ],
      'a\nb',
    ],
    [[{ type: 'thinking', thinking: 'hm' }, { text: 'a' }, { type: 'image_url' }], 'a'],
    [['a', 'b', { text: 'c' }, 'd', 'e'], 'ab\nc\nde'],
    [[{ text: 'a' }, 7, null], 'a'],
  ]
  for (const [content, text] of cases) {
    test(`${JSON.stringify(content)} is ${JSON.stringify(text)}`, () => assert.equal(textOf(content), text))
  }
})

describe('cost', () => {
  /** Counts how often anything of the pieces is read, and how many texts are joined. */
  function work(pieces: number, id: string | null): number {
    let count = 0
    const watched = <T extends object>(target: T): T =>
      new Proxy(target, {
        get(from, key) {
          count++
          return Reflect.get(from, key)
        },
      })
    const { join } = Array.prototype
    Array.prototype.join = function (separator) {
      count += this.length
      return join.call(this, separator)
    }
    const turn = new Turn()
    for (let n = 0; n < pieces; n++) turn.take('messages', [watched({ type: 'AIMessageChunk', content: 'x', id }), {}])
    const [first] = turn.take(...values([ai('x'.repeat(pieces), 'ai-1')]))
    Array.prototype.join = join
    assert.equal(first?.type, 'values', 'nothing is told again')
    return count
  }

  test('each thousand pieces cost the same, the tenth as the second', () => {
    for (const id of ['ai-1', null]) {
      assert.equal(work(10_000, id) - work(9_000, id), work(2_000, id) - work(1_000, id))
    }
  })

  test('10,000 pieces in a row are the same text', () => {
    const pieces = Array.from({ length: 10_000 }, (_, n) => piece(String(n % 10), 'ai-1'))
    const all = said(pieces).messages.map(data => 'content' in data && data.content)
    assert.equal(all.join(''), '0123456789'.repeat(1_000))
  })
})
