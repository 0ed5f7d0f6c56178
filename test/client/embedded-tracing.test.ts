// Trace metadata of the embedded client (contracts: gateway §3.7): what callbacks of a graph are told, and that nothing of a
// run is in the caller's code, nor of the caller in the run.
import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { RunnableLambda } from '@langchain/core/runnables'
import { AsyncLocalStorageProviderSingleton } from '@langchain/core/singletons'
import { MessagesAnnotation, START, StateGraph } from '@langchain/langgraph'
import { RunloomClient } from '../../src/index.ts'
import { eventually } from '../api/harness.ts'
import { echo } from '../fixtures/api/graphs.ts'
import { temporaryFolder } from '../support/server.ts'
import { GROUPING, TraceListener } from '../support/trace-listener.ts'

const listener = new TraceListener()
const callbacks = [listener.handler]
const requests = new AsyncLocalStorage<string>()
const seenInGraph: unknown[] = []

const graphs = {
  talk: echo.withConfig({ callbacks }),
  own: echo.withConfig({ callbacks, metadata: { langfuseSessionId: 'of the graph' }, runName: 'Named' }),
  deep: new StateGraph(MessagesAnnotation)
    .addNode('inner', echo)
    .addEdge(START, 'inner')
    .compile()
    .withConfig({ callbacks }),
  looks: new StateGraph(MessagesAnnotation)
    .addNode('look', async () => {
      seenInGraph.push(requests.getStore())
      return {}
    })
    .addEdge(START, 'look')
    .compile()
    .withConfig({ callbacks }),
}

const folder = temporaryFolder()
const make = (name: string, yaml: string) => {
  const config = join(folder.path, `${name}.yaml`)
  writeFileSync(config, yaml)
  const env = { RUNLOOM_POLL_MS: '100', RUNLOOM_DRAIN_MS: '100' }
  return new RunloomClient({ config, env, graphs, data: join(folder.path, name), assistantId: 'talk' })
}
let client: RunloomClient
let untraced: RunloomClient
before(() => {
  client = make('traced', 'tracing: [langfuse, langsmith]')
  untraced = make('untraced', 'plan_mode: false')
})
after(async () => {
  await Promise.all([client.close(), untraced.close()])
  folder.remove()
})

test('callbacks of a graph, and of its model calls, hear the thread as the session; the trace is called as the graph', async () => {
  assert.equal(await client.chat('hi', { threadId: 'one' }), 'hi')
  const session = { langfuseSessionId: 'one', session_id: 'one' }
  assert.deepEqual(listener.grouping('one'), session)
  assert.deepEqual(listener.grouping('one', 'model'), session)
  assert.deepEqual(
    listener.of('one', 'graph').map(({ name }) => name),
    ['talk'],
  )
})

test('where no provider is named nothing is added', async () => {
  await untraced.chat('hi', { threadId: 'off' })
  const [{ metadata, name } = assert.fail('nothing was heard')] = listener.of('off', 'graph')
  assert.deepEqual(
    Object.keys(metadata).filter(key => key !== 'ls_integration'),
    ['created_by', 'graph_id', 'assistant_id', 'run_id', 'thread_id'],
  )
  assert.equal(name, 'LangGraph')
  assert.deepEqual(listener.grouping('off', 'model'), {})
})

test('what the caller, the assistant or the graph says wins', async () => {
  const mine = { langfuseSessionId: 'mine', user_id: 'ada' }
  await client.chat('hi', { threadId: 'two', metadata: mine })
  assert.deepEqual(listener.grouping('two'), { ...mine, session_id: 'two' })

  await client.chat('hi', { threadId: 'three', assistantId: 'own' })
  assert.deepEqual(listener.grouping('three'), { langfuseSessionId: 'of the graph', session_id: 'three' })
  assert.equal(listener.of('three', 'graph').at(-1)?.name, 'Named')

  const { assistant_id } = await client.langgraph.assistants.create({
    graphId: 'talk',
    config: { run_name: 'Support' } as object,
    metadata: { session_id: 'of the assistant' },
  })
  await client.chat('hi', { threadId: 'four', assistantId: assistant_id })
  assert.deepEqual(listener.grouping('four'), { langfuseSessionId: 'four', session_id: 'of the assistant' })
  assert.equal(listener.of('four', 'graph').at(-1)?.name, 'Support')
})

/** Asserts that nothing of a run is around; whatever a caller runs here gets its own config alone. */
async function assertOwn(request: string) {
  assert.equal(requests.getStore(), request)
  assert.equal(AsyncLocalStorageProviderSingleton.getRunnableConfig(), undefined)
  const configs: unknown[] = []
  await RunnableLambda.from((_: string, config) => void configs.push(config)).invoke('', { metadata: { own: 1 } })
  const [config] = configs as { metadata: Record<string, unknown>; configurable?: Record<string, unknown> }[]
  assert.deepEqual(config?.metadata.own, 1)
  assert.doesNotMatch(JSON.stringify([config?.metadata, config?.configurable ?? {}]), /thread_id|langfuse|session_id/)
}

test('between events a caller is in its own context, and so is each of two that read at once', async () => {
  const read = (request: string) =>
    requests.run(request, async () => {
      let events = 0
      for await (const { type } of client.stream('one two three', { threadId: request })) {
        await assertOwn(request)
        if (type === 'messages-tuple') events++
      }
      await assertOwn(request)
      return events
    })
  assert.deepEqual(await Promise.all([read('five'), read('six')]), [3, 3])
  assert.deepEqual(listener.grouping('five'), { langfuseSessionId: 'five', session_id: 'five' })
})

test('a run is nobody’s call: it is no part of what its caller runs, and sees nothing of it', async () => {
  const call = async () => {
    await client.chat('hi', { threadId: 'seven', assistantId: 'looks' })
    return AsyncLocalStorageProviderSingleton.getRunnableConfig()?.metadata
  }
  const asked = requests.run('a request', () => RunnableLambda.from(call).invoke('', { metadata: { of: 'caller' } }))
  assert.equal((await asked)?.of, 'caller', 'and the caller keeps what it has')
  assert.deepEqual(seenInGraph, [undefined])
  const [{ metadata } = assert.fail('the run has no parent')] = listener.of('seven', 'graph')
  assert.ok(!('of' in metadata))
})

test('leaving a stream raises nothing, now or later', async t => {
  const raised: unknown[] = []
  const note = (error: unknown) => void raised.push(error)
  process.on('unhandledRejection', note)
  t.after(() => process.off('unhandledRejection', note))
  await requests.run('eight', async () => {
    let run = { run_id: '', thread_id: '' }
    const onRunCreated = (created: typeof run) => {
      run = created
    }
    for await (const { type } of client.stream(`20ms ${'word '.repeat(50)}`, { threadId: 'eight', onRunCreated })) {
      if (type === 'messages-tuple') break
    }
    await assertOwn('eight')
    await eventually(async () =>
      assert.equal((await client.langgraph.runs.get(run.thread_id, run.run_id)).status, 'interrupted'),
    )
    const unread = client.stream('hi', { threadId: 'eight' })
    await unread.return()
    await assertOwn('eight')
  })
  assert.deepEqual(raised, [])
})

test('no reader of a run is shown what was added, at whatever depth', async () => {
  const { runs, threads } = client.langgraph
  const modes = ['values', 'updates', 'messages-tuple', 'custom', 'tasks', 'checkpoints', 'debug', 'events'] as const
  for (const graph of ['talk', 'deep', 'lead_agent']) {
    const { thread_id } = await threads.create()
    const seen: unknown[] = []
    const input = { messages: [{ role: 'user', content: '6*7' }] }
    const options = { input, streamMode: [...modes], streamSubgraphs: true, metadata: { purpose: 'x' } }
    for await (const part of runs.stream(thread_id, graph, options)) seen.push(part)
    assert.match(JSON.stringify(seen), /"purpose":"x"/)
    seen.push(await runs.list(thread_id), await threads.get(thread_id))
    seen.push(await threads.getState(thread_id), await threads.getHistory(thread_id))
    assert.doesNotMatch(JSON.stringify(seen), GROUPING, graph)
    if (graph === 'lead_agent') continue // which has no callbacks of ours
    assert.deepEqual(listener.grouping(thread_id, 'model'), { langfuseSessionId: thread_id, session_id: thread_id })
  }
})
