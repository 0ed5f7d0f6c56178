// The embedded client on a real engine (contracts: gateway §3): turns, threads, and what leaving a stream does.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { AIMessage } from '@langchain/core/messages'
import {
  Annotation,
  interrupt,
  type LangGraphRunnableConfig,
  MessagesAnnotation,
  START,
  StateGraph,
} from '@langchain/langgraph'
import {
  type ClientEvent,
  RunFailed,
  RunloomClient,
  type RunloomClientOptions,
  RunloomError,
  type StreamOptions,
} from '../../src/index.ts'
import { clientEvent } from '../../src/protocol/client-events.ts'
import { eventually } from '../api/harness.ts'
import { echo, fail } from '../fixtures/api/graphs.ts'
import { forEachDatabase } from '../support/databases.ts'
import { startOpenAIServer } from '../support/openai-server.ts'
import { GRAPHS } from '../support/server.ts'

type Step = (state: typeof MessagesAnnotation.State, config: LangGraphRunnableConfig) => unknown
const graphOf = (step: Step) =>
  new StateGraph(MessagesAnnotation)
    .addNode('step', step as never)
    .addEdge(START, 'step')
    .compile()

const graphs = {
  echo,
  fail,
  whole: graphOf(() => ({ messages: [new AIMessage('one'), new AIMessage({ content: 'two', id: 'ai-2' })] })),
  silent: graphOf(() => ({})),
  context: graphOf((_, config) => {
    config.writer?.({ context: config.context, run_id: config.configurable?.run_id })
    return {}
  }),
  asks: graphOf(() => ({ messages: [new AIMessage(`So: ${JSON.stringify(interrupt('sure?'))}`)] })),
}

const Titled = Annotation.Root({ ...MessagesAnnotation.spec, title: Annotation<string> })
const titled = new StateGraph(Titled)
  .addNode('name', ({ messages }) => ({ title: `About ${messages.at(-1)?.text}` }))
  .addEdge(START, 'name')
  .compile()

/** The same graphs as nodes of others. */
const nested = new StateGraph(MessagesAnnotation)
  .addNode('talk', echo)
  .addNode('ask', graphs.asks)
  .addEdge(START, 'talk')
  .addEdge('talk', 'ask')
  .compile()

const typesOf = (events: ClientEvent[]) => events.map(event => event.type)
const textIn = (events: ClientEvent[]) =>
  events.map(({ type, data }) => (type === 'messages-tuple' && data.type === 'ai' ? data.content : '')).join('')
const lastValues = (events: ClientEvent[]) =>
  events.findLast(event => event.type === 'values') as Extract<ClientEvent, { type: 'values' }>
const refused = (code: string, text: RegExp) => (error: unknown) => {
  assert.ok(error instanceof RunloomError, String(error))
  assert.equal(error.code, code)
  assert.match(error.message, text)
  return true
}

let openai: Awaited<ReturnType<typeof startOpenAIServer>>
before(async () => {
  openai = await startOpenAIServer()
})
after(() => openai.close())

const env = () => ({ RUNLOOM_MODEL: 'openai:test', OPENAI_BASE_URL: openai.url, RUNLOOM_POLL_MS: '100' })
const data = join(tmpdir(), 'runloom-embedded')

test('a client that does nothing opens nothing; a wrong name of an agent is refused at once', async () => {
  const folder = join(tmpdir(), `runloom-embedded-${crypto.randomUUID()}`)
  await new RunloomClient({ data: folder }).close()
  assert.equal(existsSync(folder), false)
  for (const agentName of ['my agent', 'a_b', '', '../x', 'ä']) {
    assert.throws(
      () => new RunloomClient({ agentName }),
      refused('invalid', /^agentName: .*letters, digits and hyphens/),
    )
  }
  assert.ok(new RunloomClient({ agentName: 'My-agent-2' }))
})

forEachDatabase('the embedded client', open => {
  let client: RunloomClient
  let databaseUrl: string
  const make = (options: RunloomClientOptions = {}) =>
    new RunloomClient({ databaseUrl, data, env: env(), graphs: { ...graphs, titled, nested }, ...options })
  before(async () => {
    databaseUrl = await open()
    client = make()
  })
  after(() => client.close())

  /** All events of a turn, each of them one that the protocol has, and its run. */
  async function turn(message: Parameters<RunloomClient['stream']>[0], options: StreamOptions = {}) {
    let run = { run_id: '', thread_id: '' }
    const events = await Array.fromAsync(
      client.stream(message, {
        ...options,
        onRunCreated: created => {
          run = created
        },
      }),
    )
    for (const event of events) assert.deepEqual(clientEvent.parse(event), event)
    return { events, ...run }
  }
  const on = (assistantId: string, options: StreamOptions = {}) => ({ assistantId, ...options })

  test('there are no threads at first', async () => {
    assert.deepEqual(await client.listThreads(), { thread_list: [] })
  })

  test('a turn of the lead agent: its call, the result, its text, the end; and the next turn has only its own', async () => {
    const first = await turn('6*7')
    const said = first.events.flatMap(({ type, data }) => (type === 'messages-tuple' ? [data] : []))
    const [call] = said.filter(data => data.type === 'ai' && data.tool_calls)
    assert.deepEqual(call?.type === 'ai' && call.tool_calls?.map(({ name, args }) => [name, args]), [
      ['calculate', { expression: '6*7' }],
    ])
    const [result] = said.filter(data => data.type === 'tool')
    assert.deepEqual([result?.name, result?.content], ['calculate', '42'])
    assert.equal(textIn(first.events), 'The answer is 42.')
    assert.deepEqual(first.events.at(-1), {
      type: 'end',
      data: { usage: { input_tokens: 22, output_tokens: 14, total_tokens: 36 } },
    })
    assert.equal(typesOf(first.events).filter(type => type === 'end').length, 1)

    const second = await turn('hello', { threadId: first.thread_id })
    assert.equal(second.thread_id, first.thread_id)
    assert.notEqual(second.run_id, first.run_id)
    assert.equal(textIn(second.events), 'You said: hello')
    assert.ok(!second.events.some(({ type, data }) => type === 'messages-tuple' && data.type === 'tool'))
    assert.deepEqual(second.events.at(-1)?.data, { usage: { input_tokens: 11, output_tokens: 7, total_tokens: 18 } })
    const { messages } = lastValues(second.events).data
    assert.deepEqual(
      messages.map(({ type }) => type),
      ['human', 'ai', 'tool', 'ai', 'human', 'ai'],
    )
    const deltas = second.events.flatMap(({ type, data }) => (type === 'messages-tuple' ? [data.id] : []))
    assert.deepEqual([...new Set(deltas)], [messages.at(-1)?.id], 'a message keeps its id')
  })

  test('without a thread it gets a new one each time', async () => {
    const [one, other] = [await turn('a', on('echo')), await turn('b', on('echo'))]
    assert.notEqual(one.thread_id, other.thread_id)
  })

  test('words come as they are made; chat puts them together', async () => {
    const { events } = await turn('one two three', on('echo'))
    assert.deepEqual(typesOf(events), ['values', 'messages-tuple', 'messages-tuple', 'messages-tuple', 'values', 'end'])
    assert.equal(textIn(events), 'one two three')
    assert.equal(await client.chat('one two three', on('echo')), 'one two three')
  })

  test('chat is the last message with a text, and "" where there is none', async () => {
    assert.equal(await client.chat('hi', on('whole')), 'two')
    assert.equal(await client.chat('hi', on('silent')), '')
  })

  test('the context has the thread, the agent and what was asked; custom events pass unchanged', async () => {
    const other = make({ databaseUrl: await open(), agentName: 'my-agent', modelName: 'one', planMode: true })
    try {
      const options = {
        ...on('context'),
        threadId: 'thread-1',
        model: 'two',
        context: { own: 1 },
        thinkingEnabled: false,
      }
      const [, event] = await Array.fromAsync(other.stream('hi', options))
      assert.equal(event?.type, 'custom')
      const { context } = event.data as { context: object }
      assert.deepEqual(context, {
        own: 1,
        thread_id: 'thread-1',
        agent_name: 'my-agent',
        model_name: 'two',
        thinking_enabled: false,
        is_plan_mode: true,
      })
    } finally {
      await other.close()
    }
  })

  test('bad options are refused by name, before there is a run', async () => {
    await assert.rejects(client.chat('hi', { threadId: 'a b' }), refused('invalid', /^threadId: must be 1 to 64/))
    await assert.rejects(client.chat('hi', { agentName: 'a b' }), refused('invalid', /^agentName: /))
    await assert.rejects(client.chat('hi', on('nobody')), refused('not_found', /nobody/))
    await assert.rejects(
      client.chat('hi', { ...on('echo'), signal: AbortSignal.abort(new Error('no')) }),
      /^Error: no$/,
    )
  })

  test('what a graph throws comes to the caller, and no end', async () => {
    const events: ClientEvent[] = []
    const failing = async () => {
      for await (const event of client.stream('hi', on('fail'))) events.push(event)
    }
    await assert.rejects(failing, (error: unknown) => {
      assert.ok(error instanceof RunFailed)
      assert.deepEqual([error.message, error.error, error.status], ['this node fails on purpose', 'TypeError', 'error'])
      return true
    })
    assert.ok(!typesOf(events).includes('end'))
  })

  test('a question ends the turn; the next message, or a command, answers it', async () => {
    const { events, thread_id: threadId } = await turn('hi', on('asks'))
    const [asked] = lastValues(events).data.__interrupt__ as { value: string }[]
    assert.equal(asked?.value, 'sure?')
    assert.equal(events.at(-1)?.type, 'end')
    assert.match(await client.chat('yes', on('asks', { threadId })), /^So: .*"content":"yes"/)
    await turn('again', on('asks', { threadId }))
    const { events: resumed } = await turn({ resume: 'fine' }, on('asks', { threadId }))
    assert.equal(textIn(resumed), 'So: "fine"')
  })

  test('graphs inside of graphs: each word once, each question once', async () => {
    const { events, thread_id: threadId } = await turn('one two', on('nested'))
    assert.equal(textIn(events), 'one two')
    assert.equal(events.filter(({ type, data }) => type === 'values' && data.__interrupt__).length, 1)
    const { events: answered } = await turn({ resume: 'fine' }, on('nested', { threadId }))
    assert.equal(textIn(answered), 'So: "fine"')
  })

  test('leaving a stream stops the run, unless it is to go on', async () => {
    const leave = async (options: StreamOptions) => {
      const run = Promise.withResolvers<{ run_id: string; thread_id: string }>()
      const words = client.stream(`20ms ${'word '.repeat(50)}`, {
        ...on('echo'),
        ...options,
        onRunCreated: run.resolve,
      })
      for await (const { type } of words) if (type === 'messages-tuple') break
      return run.promise
    }
    const stopped = await leave({})
    const going = await leave({ onAbandon: 'continue' })
    await eventually(async () => {
      const runs = [stopped, going].map(run => client.langgraph.runs.get(run.thread_id, run.run_id))
      assert.deepEqual(
        (await Promise.all(runs)).map(run => run.status),
        ['interrupted', 'success'],
      )
    })
    await assert.rejects(Array.fromAsync(client.join(stopped.run_id)), /was stopped: cancelled by abandoned/)
    const joined = await Array.fromAsync(client.join(going.run_id))
    assert.equal(textIn(joined).match(/word/g)?.length, 50)
  })

  test('the signal ends a stream that waits, and stops its run', async () => {
    const leaving = new AbortController()
    const run = Promise.withResolvers<{ run_id: string; thread_id: string }>()
    const waiting = client.chat('60000ms word', {
      ...on('echo'),
      signal: leaving.signal,
      onRunCreated: run.resolve,
    })
    const { thread_id, run_id } = await run.promise
    leaving.abort(new Error('enough'))
    await assert.rejects(waiting, /^Error: enough$/)
    await eventually(async () =>
      assert.equal((await client.langgraph.runs.get(thread_id, run_id)).status, 'interrupted'),
    )
  })

  test('a busy thread makes a turn wait, or refuses it', async () => {
    const words = client.stream(`20ms ${'word '.repeat(20)}`, on('echo', { threadId: 'busy' }))
    await words.next()
    await assert.rejects(
      client.chat('hi', on('echo', { threadId: 'busy', multitaskStrategy: 'reject' })),
      refused('conflict', /already running/),
    )
    const queued = client.chat('after', on('echo', { threadId: 'busy' }))
    const rest = await Array.fromAsync(words)
    assert.equal(rest.at(-1)?.type, 'end')
    assert.equal(await queued, 'after')
  })

  test('what one follows, others read: joined later, it is the same', async () => {
    const { events, run_id } = await turn('one two three', on('echo'))
    assert.deepEqual(await Array.fromAsync(client.join(run_id)), events)
    await assert.rejects(Array.fromAsync(client.join(crypto.randomUUID())), refused('not_found', /not found/))
  })

  test('a new agent in the middle of a turn: the turn goes on', async () => {
    const events: ClientEvent[] = []
    const lost = new Set<string>()
    for await (const event of client.stream(`20ms ${'word '.repeat(40)}`, on('echo'))) {
      if (events.push(event) === 5) void client.resetAgent()
      if (event.type === 'messages-tuple' && event.data.type === 'remove') lost.add(event.data.id)
    }
    const kept = events.filter(({ type, data }) => !(type === 'messages-tuple' && lost.has(data.id)))
    assert.equal(textIn(kept).match(/word/g)?.length, 40)
    assert.equal(await client.chat('hi', on('echo')), 'hi')
  })

  test('threads: newest first, each once whatever it holds; all checkpoints of one', async () => {
    const own = make({ databaseUrl: await open() })
    try {
      const ids = ['t-1', 't-2', 't-3']
      for (const threadId of ids) {
        for (let n = 0; n < 12; n++) await own.chat(`word ${n}`, on('echo', { threadId }))
      }
      const { thread_list } = await own.listThreads()
      assert.deepEqual(
        thread_list.map(thread => thread.thread_id),
        ids.toReversed(),
      )
      assert.equal((await own.listThreads(2)).thread_list.length, 2)
      const { thread_id, checkpoints } = await own.getThread('t-1')
      assert.equal(thread_id, 't-1')
      assert.equal(checkpoints.length, 36)
      assert.deepEqual(
        checkpoints.map(({ ts }) => ts),
        checkpoints.map(({ ts }) => ts).toSorted(),
      )
      const last = checkpoints.at(-1)
      assert.equal(last?.checkpoint_id, thread_list.at(-1)?.latest_checkpoint_id)
      assert.equal((last?.values.messages as unknown[] | undefined)?.length, 24)
      assert.deepEqual(last?.next, [])
      assert.deepEqual(
        checkpoints.at(-2)?.pending_writes.map(({ channel }) => channel),
        ['messages'],
      )
      await assert.rejects(own.getThread('nobody'), refused('not_found', /nobody/))
    } finally {
      await own.close()
    }
  })

  test('titles are those of the states, as they change', async () => {
    const { events, thread_id } = await turn('first', on('titled'))
    assert.deepEqual(
      events.flatMap(({ type, data }) => (type === 'values' ? [data.title] : [])),
      [null, 'About first'],
    )
    await turn('second', on('titled', { threadId: thread_id }))
    const [thread] = (await client.listThreads(1)).thread_list
    assert.deepEqual([thread?.thread_id, thread?.title], [thread_id, 'About second'])
  })

  test('the SDK’s client is on the same engine', async () => {
    const { thread_id, run_id } = await turn('one two', on('echo'))
    const state = await client.langgraph.threads.getState<{ messages: { content: string }[] }>(thread_id)
    assert.equal(state.values.messages.at(-1)?.content, 'one two')
    const frames = await Array.fromAsync(client.langgraph.runs.joinStream(thread_id, run_id))
    assert.ok(frames.length > 0)
  })

  test('a closed client says so; a new one on its database goes on with what it left', async () => {
    const url = await open()
    const [one, other] = [0, 1].map(() => make({ databaseUrl: url, env: { ...env(), RUNLOOM_DRAIN_MS: '50' } })) as [
      RunloomClient,
      RunloomClient,
    ]
    const run = Promise.withResolvers<{ run_id: string }>()
    const words = one.stream(`50ms ${'word '.repeat(30)}`, { ...on('echo'), onRunCreated: run.resolve })
    for await (const { type } of words) {
      if (type !== 'messages-tuple') continue
      await one.close()
      break
    }
    await one.close()
    await assert.rejects(one.chat('hi'), refused('gone', /closed/))
    try {
      const events = await Array.fromAsync(other.join((await run.promise).run_id))
      assert.equal(events.at(-1)?.type, 'end')
      assert.match(String(lastValues(events).data.messages.at(-1)?.content), /^50ms (word ){30}$/)
    } finally {
      await other.close()
    }
  })

  test('another configuration file, and its graphs', async () => {
    const own = make({ config: GRAPHS, graphs: {}, databaseUrl: await open(), assistantId: 'echo' })
    try {
      assert.equal(await own.chat('from a file'), 'from a file')
    } finally {
      await own.close()
    }
    const wrong = make({ config: 'nowhere.json' })
    await assert.rejects(wrong.chat('hi'), /nowhere\.json/)
    await wrong.close()
  })
})
