// What LangGraph does when it is left to itself: the faults that recovery.ts and the recording exist for. If one of these
// fails after an update of LangGraph, what it stands for may have become unnecessary.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Command, MemorySaver } from '@langchain/langgraph'
import { asking, chain } from './recovery-graphs.ts'

const nothing = async () => {}

/** A thread on which the first of two questions has been answered and the second is open. */
async function answeredOnce() {
  const graph = asking(nothing)
  graph.checkpointer = new MemorySaver()
  const config = { configurable: { thread_id: 'thread' } }
  await graph.invoke({ log: [] }, config)
  await graph.invoke(new Command({ resume: 'to the first' }), config)
  const { tasks } = await graph.getState(config)
  assert.deepEqual(
    tasks.flatMap(task => task.interrupts.map(({ value }) => value)),
    ['second?'],
  )
  return { graph, config }
}

describe('LangGraph by itself gives the answer of one question to the next', () => {
  const wrong = ['before', 'first=to the first second=to the first', 'after']

  test('when the same resume is sent again, as a careless recovery would', async () => {
    const { graph, config } = await answeredOnce()
    const { log } = await graph.invoke(new Command({ resume: 'to the first' }), config)
    assert.deepEqual(log, wrong)
  })

  test('when null is sent, as a less careless one would', async () => {
    const { graph, config } = await answeredOnce()
    const { log } = await graph.invoke(null, config)
    assert.deepEqual(log, wrong)
  })
})

test('LangGraph hands pending writes to the saver before its reader sees the update they belong to', async () => {
  const order: string[] = []
  class Watched extends MemorySaver {
    override async putWrites(...args: Parameters<MemorySaver['putWrites']>) {
      order.push('writes')
      return super.putWrites(...args)
    }
  }
  const graph = chain(nothing)
  graph.checkpointer = new Watched()
  const config = { configurable: { thread_id: 'thread' }, streamMode: 'updates' as const }
  for await (const update of await graph.stream({ log: [] }, config)) order.push(`update of ${Object.keys(update)}`)
  for (const node of ['a', 'b', 'c']) {
    const shown = order.indexOf(`update of ${node}`)
    const stored = order.slice(0, shown).filter(what => what === 'writes').length
    assert.ok(stored >= 'abc'.indexOf(node) + 1, `${node}: ${order}`)
  }
})
