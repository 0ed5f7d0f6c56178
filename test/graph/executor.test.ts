// Executing a run: what is recorded, how it ends, and that nothing follows the end.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { HumanMessage } from '@langchain/core/messages'
import { Annotation, getStore, interrupt, type LangGraphRunnableConfig, START, StateGraph } from '@langchain/langgraph'
import { leadAgent } from '../../src/agent/lead-agent.ts'
import { OfflineModel } from '../../src/agent/offline-model.ts'
import { Stopped } from '../../src/core/executor.ts'
import { newId } from '../../src/core/ids.ts'
import { TestServer } from './harness.ts'

const State = Annotation.Root({ value: Annotation<unknown> })

type Node = (state: typeof State.State, config: LangGraphRunnableConfig) => Promise<{ value?: unknown }>

const single = (node: Node) => new StateGraph(State).addNode('node', node).addEdge(START, 'node')

describe('executing a run', () => {
  let folder: string
  let server: TestServer
  const input = { value: 'in' }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'runloom-executor-'))
    server = await TestServer.open(`sqlite:${join(folder, 'runloom.db')}`)
  })

  after(async () => {
    await server.close()
    await rm(folder, { recursive: true, force: true })
  })

  /** Runs a graph once. */
  const execute = async (node: Node, kwargs: Record<string, unknown> = {}) => {
    const graph_id = newId()
    await server.serve(graph_id, single(node))
    const done = await server.run(graph_id, { input, ...kwargs })
    const events = await server.events(done.run.run_id)
    const named = (name: string) => events.filter(event => event.event === name).map(event => JSON.parse(event.data))
    return { ...done, names: events.map(event => event.event), named }
  }

  test('records one fixed set of events, whatever was asked for', async () => {
    const { ending, names } = await execute(
      async (_, config) => {
        config.writer?.('hello')
        return { value: 1 }
      },
      { stream_mode: ['values'] },
    )
    assert.deepEqual(ending, { interrupts: {}, has_next: false })
    const start = ['metadata', 'checkpoints', 'values', 'checkpoints', 'tasks']
    assert.deepEqual(names, [...start, 'custom', 'updates', 'tasks', 'values', 'checkpoints'])
  })

  test('adds events, debug and tools where they are asked for', async () => {
    await server.serve('talking', leadAgent({ model: new OfflineModel({ delay_ms: 0 }) }))
    const messages = [{ role: 'user', content: 'what is 2+3?' }]
    const stream_mode = ['events', 'debug', 'tools']
    const { run, ending } = await server.run('talking', { input: { messages }, stream_mode })
    assert.deepEqual(ending, { interrupts: {}, has_next: false })
    const events = await server.events(run.run_id)
    const modes = new Set(events.map(event => event.event.split('|')[0]))
    for (const mode of ['events', 'debug', 'tools', 'values', 'messages']) assert.ok(modes.has(mode), mode)
    const kinds = events.filter(event => event.event === 'events').map(event => JSON.parse(event.data).event)
    for (const kind of ['on_chain_start', 'on_chat_model_stream', 'on_tool_end', 'on_chain_end']) {
      assert.ok(kinds.includes(kind), kind)
    }
    assert.ok(!events.some(event => event.data.includes('"callbacks"')))
  })

  test('ends with the open interrupts by task, as plain data', async () => {
    const { ending, names } = await execute(async () => ({ value: interrupt({ from: new HumanMessage('hi') }) }))
    assert.equal(ending?.has_next, true)
    const [[task_id = '', [asked] = []] = []] = Object.entries(ending?.interrupts ?? {})
    assert.match(task_id, /^[0-9a-f-]{36}$/)
    assert.match(asked?.id ?? '', /^[0-9a-f]{32}$/)
    assert.equal(JSON.parse(JSON.stringify(asked)).value.from.content, 'hi')
    assert.equal(names.filter(name => name === 'interrupt').length, 1)
    assert.equal(names.filter(name => name === 'values').length, 1)
  })

  test('knows at a breakpoint whether anything is left', async () => {
    const node: Node = async () => ({ value: 1 })
    const stopped = await execute(node, { interrupt_before: ['node'] })
    assert.deepEqual(stopped.ending, { interrupts: {}, has_next: true })
    const over = await execute(node, { interrupt_after: '*' })
    assert.deepEqual(over.ending, { interrupts: {}, has_next: false })
  })

  test('fails with the error of the node', async () => {
    const failure = new TypeError('no such thing')
    const { error, named } = await execute(async () => {
      throw failure
    })
    assert.equal(error, failure)
    assert.equal(named('values').length, 1)
  })

  test('keeps a limit that the graph has, and takes one that the run has', async () => {
    const graph = new StateGraph(State)
      .addNode('again', async () => ({}))
      .addEdge(START, 'again')
      .addConditionalEdges('again', () => 'again')
    await server.serve('endless', graph.compile().withConfig({ recursionLimit: 3 }))
    const limit = async (config: Record<string, unknown>) =>
      ((await server.run('endless', { input, config })).error as Error).message
    assert.match(await limit({}), /limit of 3 /)
    assert.match(await limit({ recursion_limit: 5 }), /limit of 5 /)
  })

  test('gives nodes the config, the context and the store', async () => {
    const { named } = await execute(
      async (_, config) => {
        await getStore()?.put(['things'], 'key', { stored: true })
        const { configurable, context, tags } = config
        return { value: { mine: configurable?.mine, secret: configurable?.__pregel_mine, context, tags } }
      },
      { config: { configurable: { mine: 1, __pregel_mine: 2 }, tags: ['t'] }, context: { who: 'me' } },
    )
    const { value } = named('values').at(-1)
    assert.equal(value.mine, 1)
    assert.equal(value.secret, undefined)
    assert.deepEqual(value.context, { who: 'me' })
    assert.ok(value.tags.includes('t'))
    assert.deepEqual((await server.store.get(['things'], 'key'))?.value, { stored: true })
  })

  test('turns what is not JSON into what is', async () => {
    const circular: Record<string, unknown> = { big: 10n, when: new Date(0), map: new Map([['k', 1]]) }
    circular.self = circular
    const { error, named } = await execute(async (_, config) => {
      config.writer?.(circular)
      return { value: 1 }
    })
    assert.equal(error, undefined)
    const [custom] = named('custom')
    assert.deepEqual([custom.big, custom.when, custom.map], ['10', '1970-01-01T00:00:00.000Z', { k: 1 }])
  })

  test('refuses an event that is too large, and says which', async () => {
    const { error, names } = await execute(async (_, config) => {
      config.writer?.('x'.repeat(1_000_001))
      await sleep(50)
      return { value: 1 }
    })
    assert.match((error as Error).message, /event "custom": 1000003 bytes of JSON; at most 1000000/)
    assert.ok(!names.includes('updates'))
  })

  test('stops with the reason of its signal, and records nothing more', async () => {
    const stop = new AbortController()
    const reason = new Stopped({ type: 'cancelled' })
    let seen: unknown
    const graph_id = newId()
    const node: Node = async (_, config) => {
      config.writer?.('before')
      setTimeout(() => stop.abort(reason), 20)
      await sleep(60)
      seen = config.signal?.reason
      config.writer?.('after')
      return { value: 1 }
    }
    await server.serve(graph_id, single(node))
    const run = await server.create(graph_id, { input })
    const { error } = await server.drive(await server.claim(), { stop: stop.signal })
    assert.equal(error, reason)
    await sleep(80)
    assert.equal(seen, reason)
    const events = await server.events(run.run_id)
    assert.deepEqual(
      events.filter(event => event.event === 'custom').map(event => event.data),
      ['"before"'],
    )
    assert.ok(!events.some(event => event.event === 'updates'))
  })

  test('forks at a past checkpoint', async () => {
    const { run, named } = await execute(async ({ value }) => ({ value: `${value}+` }))
    const { checkpoint } = named('checkpoints').find(({ next }) => next[0] === 'node')
    const { assistant_id, thread_id } = run
    for (const start of [
      { checkpoint_id: checkpoint.checkpoint_id },
      { checkpoint: { ...checkpoint, checkpoint_map: null } },
    ]) {
      const fork = await server.run(assistant_id, { input: { value: 'fork' }, ...start }, thread_id)
      const events = await server.events(fork.run.run_id)
      const last = events.findLast(event => event.event === 'values')
      assert.deepEqual(JSON.parse(last?.data ?? ''), { value: 'fork+' })
      const parents = events.filter(event => event.event === 'checkpoints').map(event => JSON.parse(event.data))
      assert.equal(parents[0].parent_checkpoint.checkpoint_id, checkpoint.checkpoint_id)
    }
    const again = await server.run(assistant_id, { input: null, checkpoint_id: checkpoint.checkpoint_id }, thread_id)
    const replayed = (await server.events(again.run.run_id)).filter(event => event.event === 'updates')
    assert.deepEqual(
      replayed.map(event => JSON.parse(event.data)),
      [{ node: { value: 'in+' } }],
    )
  })

  test('runs one graph many times at once, each with its own state', async () => {
    const node: Node = async ({ value }, config) => {
      await sleep(5)
      config.writer?.(value)
      return { value: `${value} done` }
    }
    await server.serve('shared', single(node).compile())
    const numbers = Array.from({ length: 20 }, (_, index) => index)
    const runs = await Promise.all(numbers.map(value => server.create('shared', { input: { value } })))
    const claims = await server.claimAll()
    await Promise.all(claims.map(claimed => server.drive(claimed)))
    for (const [index, run] of runs.entries()) {
      const events = await server.events(run.run_id)
      const last = events.findLast(event => event.event === 'values')
      assert.deepEqual(JSON.parse(last?.data ?? ''), { value: `${index} done` })
      assert.equal(events.find(event => event.event === 'custom')?.data, String(index))
    }
  })
})
