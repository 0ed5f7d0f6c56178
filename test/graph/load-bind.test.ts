import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { InMemoryStore, MemorySaver } from '@langchain/langgraph'
import { bind, type CompiledGraph, loadGraphs } from '../../src/graph/load.ts'
import { graph, own, resume, without } from '../fixtures/graphs/nested.ts'

const at = (thread_id: string) => ({ configurable: { thread_id } })
const fresh = () => ({ checkpointer: new MemorySaver(), store: new InMemoryStore() })

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

/** A whole conversation, up to its question and past it, on the saver and store it was bound to. */
async function converse(shared: CompiledGraph, user: string): Promise<unknown> {
  const ports = fresh()
  const first = bind(shared, ports)
  const asked = await first.invoke({ user }, at('t'))
  assert.deepEqual(asked.__interrupt__?.[0]?.value, `who is ${user}?`)
  const state = await bind(shared, ports).getState(at('t'), { subgraphs: true })
  assert.deepEqual(state.next, ['asking'])
  const namespaces = new Set<string>()
  for await (const { config } of ports.checkpointer.list(at('t'))) namespaces.add(config.configurable?.checkpoint_ns)
  assert.equal(namespaces.size, 2, 'the subgraph stored its checkpoints in the same saver')
  const { answer, log } = await bind(shared, ports).invoke(resume(`${user}!`), at('t'))
  assert.equal((await ports.store.search(['users'])).length, 1)
  return [answer, ...log]
}

for (const [what, shared] of Object.entries({ none: graph, own, false: without })) {
  test(`concurrent runs of one graph each have their own checkpointer and store (compiled with: ${what})`, async () => {
    const before = { checkpointer: shared.checkpointer, store: shared.store }
    const users = Array.from({ length: 20 }, (_, index) => `u${index}`)
    const logs = await Promise.all(users.map(user => converse(shared, user)))
    assert.deepEqual(
      logs,
      users.map(user => [`asked ${user}!`, `stored ${user}`, `stored ${user}`]),
    )
    assert.deepEqual({ checkpointer: shared.checkpointer, store: shared.store }, before)
  })
}

describe('a bound graph does all that the graph does', () => {
  test('state is read and updated, also inside a subgraph', async () => {
    const bound = bind(graph, fresh())
    await bound.invoke({ user: 'a' }, at('t'))
    const { tasks } = await bound.getState(at('t'), { subgraphs: true })
    const [task] = tasks
    assert.ok(task?.state && 'config' in task.state)
    await bound.updateState(task.state.config, { answer: 'edited' }, 'ask')
    await bound.updateState(at('t'), { log: ['outside'] }, 'remember')
    const history = await collect(bound.getStateHistory(at('t')))
    assert.deepEqual(history[0]?.values.log, ['stored a', 'outside'])
    assert.equal(history.length, 4)
  })

  test('events are streamed in both versions of the protocol', async () => {
    const bound = bind(graph, fresh())
    const names = new Set<string>()
    for await (const { event } of bound.streamEvents({ user: 'a' }, { ...at('t'), version: 'v2' })) names.add(event)
    assert.ok(names.has('on_chain_start') && names.has('on_chain_end'))
    const v3 = await bound.streamEvents({ user: 'b' }, { ...at('t3'), version: 'v3' })
    assert.ok((await collect(v3 as unknown as AsyncIterable<unknown>)).length > 0)
  })

  test('its settings stay, and binding again and again leaves no trace', async () => {
    const configured = graph.withConfig({ recursionLimit: 1 })
    await assert.rejects(bind(configured, fresh()).invoke({ user: 'a' }, at('t')), { name: 'GraphRecursionError' })
    const triggers = JSON.stringify(Reflect.get(graph, 'triggerToNodes'))
    for (let i = 0; i < 5; i++) bind(bind(graph, fresh()), fresh())
    assert.equal(JSON.stringify(Reflect.get(graph, 'triggerToNodes')), triggers)
    assert.equal(bind(own, fresh()).name, own.name)
  })
})

test('graphs of the functional API and of another copy of LangGraph are bound as well', async () => {
  const folder = fileURLToPath(new URL('../fixtures/graphs/', import.meta.url))
  const graphs = await loadGraphs({
    workflow: { file: `${folder}plain.js`, export: 'workflow' },
    copy: { file: `${folder}commonjs/plain.cjs`, export: 'graph' },
  })
  for (const [id, expected] of Object.entries({ workflow: 'ab!', copy: 'ba' })) {
    const { checkpointer, store } = fresh()
    const bound = bind(await graphs.get(id, {}), { checkpointer, store })
    assert.equal((await bound.invoke({ text: 'ab' }, at('t'))).text, expected)
    assert.ok(await checkpointer.getTuple(at('t')), id)
  }
  graphs.close()
})
