// LangGraph's RemoteGraph: a graph of this server used from another program, by itself and as a node.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AIMessage, type BaseMessage } from '@langchain/core/messages'
import { Command, MemorySaver, MessagesAnnotation, START, StateGraph } from '@langchain/langgraph'
import { RemoteGraph } from '@langchain/langgraph/remote'
import { forEachServer } from '../support/server.ts'
import { say } from './harness.ts'

forEachServer('RemoteGraph', server => {
  const remoteOf = (graphId: string) => new RemoteGraph({ graphId, client: server().client })
  const onThread = () => ({ configurable: { thread_id: crypto.randomUUID() } })

  test('it is invoked, with a thread that it makes and without one', async () => {
    const remote = remoteOf('echo')
    const config = onThread()
    for (const options of [config, {}]) {
      const { messages } = (await remote.invoke(say('hello'), options)) as { messages: { content: string }[] }
      assert.deepEqual(
        messages.map(({ content }) => content),
        ['hello', 'hello'],
      )
    }
    assert.equal((await server().client.threads.get(config.configurable.thread_id)).status, 'idle')
  })

  test('it streams one mode, several, and subgraphs with their namespaces', async () => {
    const remote = remoteOf('nested')
    const updates = await Array.fromAsync(await remote.stream(say('a b'), { streamMode: 'updates' }))
    assert.deepEqual(updates.map(Object.keys), [['inner']])
    const both = await Array.fromAsync(await remote.stream(say('a b'), { streamMode: ['messages', 'values'] }))
    const modes = new Set(both.map(chunk => (chunk as [string])[0]))
    assert.deepEqual(modes, new Set(['messages', 'values']))
    const deep = await Array.fromAsync(await remote.stream(say('a b'), { streamMode: 'updates', subgraphs: true }))
    const namespaces = (deep as [string[], unknown][]).map(([namespace]) => namespace.map(part => part.split(':')[0]))
    assert.deepEqual(namespaces, [['inner'], []])
  })

  test('its state is read at any checkpoint, and updated', async () => {
    const remote = remoteOf('steps')
    const config = onThread()
    await remote.invoke({ count: 2 }, config)
    const { values, next } = await remote.getState(config)
    assert.deepEqual([(values as { log: string[] }).log.length, next], [2, []])
    const history = await Array.fromAsync(remote.getStateHistory(config))
    const before = await Array.fromAsync(
      remote.getStateHistory(config, { before: history[1]?.config as typeof config }),
    )
    assert.deepEqual(
      before.map(state => state.config.configurable?.checkpoint_id),
      history.slice(2).map(state => state.config.configurable?.checkpoint_id),
    )
    const past = await remote.getState(history[1]?.config as typeof config)
    assert.equal((past.values as { log: string[] }).log.length, 1)
    const updated = await remote.updateState(config, { log: ['by hand'] }, 'step')
    assert.ok(updated.configurable?.checkpoint_id)
    assert.deepEqual((await remote.getState(config)).values.log, ['step 0', 'step 1', 'by hand'])
  })

  test('its questions are interrupts of the caller’s, and are answered with a Command', async () => {
    const remote = remoteOf('ask')
    const config = onThread()
    await assert.rejects(remote.invoke({}, config), { name: 'GraphInterrupt' })
    const { tasks } = await remote.getState(config)
    assert.deepEqual(
      tasks.flatMap(task => task.interrupts.map(({ value }) => value)),
      [{ question: 'first?' }],
    )
    await assert.rejects(remote.invoke(new Command({ resume: 'a' }), config), { name: 'GraphInterrupt' })
    assert.deepEqual(await remote.invoke(new Command({ resume: 'b' }), config), { answers: ['a', 'b'] })
  })

  test('it is a node of a local graph: its answer is part of the state, its question stops the graph', async () => {
    const local = new StateGraph(MessagesAnnotation)
      .addNode('remote', remoteOf('echo'))
      .addNode('after', ({ messages }) => ({ messages: [new AIMessage(`heard ${messages.length}`)] }))
      .addEdge(START, 'remote')
      .addEdge('remote', 'after')
      .compile({ checkpointer: new MemorySaver() })
    const { messages } = await local.invoke(say('hi'), onThread())
    assert.deepEqual(
      messages.map((message: BaseMessage) => message.content),
      ['hi', 'hi', 'heard 2'],
    )

    const asking = new StateGraph(MessagesAnnotation)
      .addNode('remote', remoteOf('ask-inside') as never)
      .addEdge(START, 'remote' as never)
      .compile({ checkpointer: new MemorySaver() })
    const config = onThread()
    const asked = (await asking.invoke(say('hi'), config)) as unknown as { __interrupt__: { value: unknown }[] }
    assert.deepEqual(
      asked.__interrupt__.map(({ value }) => value),
      ['inside?'],
    )
    assert.equal((await server().client.threads.get(config.configurable.thread_id)).status, 'interrupted')
  })

  test('it is drawn', async () => {
    const { nodes } = await remoteOf('nested').getGraphAsync()
    assert.deepEqual(Object.keys(nodes), ['__start__', 'inner', '__end__'])
  })
})
