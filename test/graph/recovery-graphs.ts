// The graphs that recovery is tried on. Each node reports when it runs and takes a moment, so that a run commits often.
import { setTimeout as sleep } from 'node:timers/promises'
import { Annotation, interrupt, Send, START, StateGraph } from '@langchain/langgraph'
import { leadAgent } from '../../src/agent/lead-agent.ts'
import { OfflineModel } from '../../src/agent/offline-model.ts'

export type Ran = (node: string) => Promise<void>

const State = Annotation.Root({
  log: Annotation<string[]>({ reducer: (left, right) => left.concat(right), default: () => [] }),
})

const node = (ran: Ran, name: string) => async () => {
  await ran(name)
  return { log: [name] }
}

export const chain = (ran: Ran, options = {}) =>
  new StateGraph(State)
    .addNode('a', node(ran, 'a'))
    .addNode('b', node(ran, 'b'))
    .addNode('c', node(ran, 'c'))
    .addEdge(START, 'a')
    .addEdge('a', 'b')
    .addEdge('b', 'c')
    .compile(options)

export const fanOut = (ran: Ran) =>
  new StateGraph(State)
    .addNode('plan', node(ran, 'plan'))
    .addNode(
      'work',
      async ({ item }: { item: number }) => {
        await ran(`work${item}`)
        await sleep(item)
        return { log: [`work${item}`] }
      },
      { input: Annotation.Root({ item: Annotation<number> }) } as never,
    )
    .addNode('join', node(ran, 'join'))
    .addEdge(START, 'plan')
    .addConditionalEdges('plan', () => [1, 4, 8].map(item => new Send('work', { item })), ['work'] as never)
    .addEdge('work' as never, 'join')
    .compile()

export const asking = (ran: Ran) =>
  new StateGraph(State)
    .addNode('before', node(ran, 'before'))
    .addNode('ask', async () => {
      await ran('ask')
      const first = interrupt('first?')
      await ran('ask again')
      const second = interrupt('second?')
      await sleep(1)
      return { log: [`first=${first} second=${second}`] }
    })
    .addNode('after', node(ran, 'after'))
    .addEdge(START, 'before')
    .addEdge('before', 'ask')
    .addEdge('ask', 'after')
    .compile()

export const nested = (ran: Ran) => {
  const inner = new StateGraph(State)
    .addNode('inner_a', node(ran, 'inner_a'))
    .addNode('inner_ask', async () => {
      await ran('inner_ask')
      const answer = interrupt('inner?')
      await sleep(1)
      return { log: [`inner=${answer}`] }
    })
    .addNode('inner_more', async () => {
      await ran('inner_more')
      return { log: [`more=${interrupt('more?')}`] }
    })
    .addEdge(START, 'inner_a')
    .addEdge('inner_a', 'inner_ask')
    .addEdge('inner_ask', 'inner_more')
    .compile()
  return new StateGraph(State)
    .addNode('before', node(ran, 'before'))
    .addNode('sub', inner)
    .addNode('after', node(ran, 'after'))
    .addEdge(START, 'before')
    .addEdge('before', 'sub')
    .addEdge('sub', 'after')
    .compile()
}

export const parallel = (ran: Ran) => {
  const ask = (name: string, questions: number) => async () => {
    await ran(name)
    const answers: unknown[] = []
    for (let asked = 1; asked <= questions; asked++) answers.push(interrupt(`${name} ${asked}?`))
    await sleep(questions)
    return { log: [`${name}=${answers}`] }
  }
  return new StateGraph(State)
    .addNode('x', ask('x', 2))
    .addNode('y', ask('y', 1))
    .addNode('z', node(ran, 'z'))
    .addEdge(START, 'x')
    .addEdge(START, 'y')
    .addEdge(START, 'z')
    .compile()
}

export const agent = (ran: Ran) => {
  const model = new OfflineModel({ delay_ms: 0 })
  const stream = model._streamResponseChunks.bind(model)
  model._streamResponseChunks = async function* (...args) {
    await ran('model')
    yield* stream(...args)
  }
  return leadAgent({ model })
}
