// What LangChain is spared for each step of a graph changes nothing that a step can see.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BaseCallbackHandler } from '@langchain/core/callbacks/base'
import { CallbackManager } from '@langchain/core/callbacks/manager'
import { getContextVariable, setContextVariable } from '@langchain/core/context'
import { RunnableLambda } from '@langchain/core/runnables'
import { AsyncLocalStorageProviderSingleton as contexts } from '@langchain/core/singletons'
import { LangChainTracer } from '@langchain/core/tracers/tracer_langchain'
import '../../src/graph/lean-steps.ts'

interface Tree {
  id: string
  createChild: unknown
}

const treeHere = () => contexts.getInstance().getStore() as Tree

describe('the context of a step', () => {
  test('has its config, in a step below it, too', async () => {
    const keys: unknown[] = []
    const note = () => keys.push(contexts.getRunnableConfig()?.configurable)
    const below = RunnableLambda.from(() => void note())
    await RunnableLambda.from(async () => {
      note()
      await below.invoke('', { configurable: { key: 'below' } })
      note()
    }).invoke('', { configurable: { key: 'above' } })
    assert.deepEqual(
      keys.map(key => (key as { key: string }).key),
      ['above', 'below', 'above'],
    )
    assert.equal(contexts.getRunnableConfig(), undefined)
  })

  test('hands variables down and not up, and keeps its config when one is set', async () => {
    const below = RunnableLambda.from(() => {
      assert.equal(getContextVariable('name'), 'above')
      setContextVariable('name', 'below')
    })
    await RunnableLambda.from(async () => {
      setContextVariable('name', 'above')
      assert.equal(contexts.getRunnableConfig().configurable.key, 'mine')
      await below.invoke('')
      assert.equal(getContextVariable('name'), 'above')
    }).invoke('', { configurable: { key: 'mine' } })
  })

  test('is one RunTree that nobody traces, of no step its own', async () => {
    const seen: Tree[] = []
    const step = RunnableLambda.from(() => void seen.push(treeHere()))
    for (let round = 0; round < 2; round++) await step.invoke('')
    const [first, second] = seen as [Tree, Tree]
    assert.equal(typeof first.createChild, 'function', 'what `traceable` looks for')
    assert.equal(first.id, second.id)
    assert.notEqual(first, second)
  })

  test('of a step that is traced is its trace', async () => {
    const posted: { id: string; name: string }[] = []
    const client = { createRun: async (run: (typeof posted)[0]) => void posted.push(run), updateRun: async () => {} }
    const here: Tree[] = []
    const step = RunnableLambda.from(() => void here.push(treeHere())).withConfig({ runName: 'step' })
    await step.invoke('', { callbacks: [new LangChainTracer({ client: client as never })] })
    assert.equal(posted[0]?.name, 'step')
    assert.equal(here[0]?.id, posted[0]?.id)
  })
})

test('a copy of a callback manager is what its parts say', () => {
  const handler = (name: string) => Object.assign(BaseCallbackHandler.fromMethods({}), { name })
  const [shared, own, log, more] = ['shared', 'own', 'console_callback_handler', 'more'].map(handler)
  assert.ok(shared && own && log && more)
  const manager = new CallbackManager('parent')
  manager.addHandler(shared)
  manager.addHandler(own, false)
  manager.addTags(['both'])
  manager.addTags(['mine'], false)
  manager.addMetadata({ changed: 1, kept: 2 })
  manager.addMetadata({ changed: 3, mine: 4 }, false)

  const copy = manager.copy([log, more], false)
  assert.equal(copy.getParentRunId(), 'parent')
  assert.deepEqual(copy.handlers, [shared, own, log, more])
  assert.deepEqual(copy.inheritableHandlers, [shared])
  assert.deepEqual([copy.tags, copy.inheritableTags], [['both', 'mine'], ['both']])
  assert.deepEqual(copy.metadata, { changed: 3, kept: 2, mine: 4 })
  assert.deepEqual(copy.inheritableMetadata, { changed: 3, kept: 2 })

  copy.addHandler(handler('later'))
  copy.addTags(['later'])
  copy.addMetadata({ later: true })
  assert.deepEqual(
    [manager.handlers, manager.tags],
    [
      [shared, own],
      ['both', 'mine'],
    ],
    'the original stays as it is',
  )
  assert.ok(!('later' in manager.metadata))
  assert.deepEqual(copy.copy([handler(log.name)]).handlers, copy.handlers, 'one console is enough')
})
