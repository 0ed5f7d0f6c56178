// The state of threads through the official SDK: read, updated, its history; on every way of running the server.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forEachServer } from '../support/server.ts'
import { say, status, textOf } from './harness.ts'

interface Updated {
  checkpoint: { thread_id: string; checkpoint_ns: string; checkpoint_id: string }
}

forEachServer('thread states', server => {
  const contents = (values: unknown) =>
    (values as { messages: { content: string }[] }).messages.map(({ content }) => content)

  /** A thread on which a graph has run once. */
  const ran = async (graph: string, input: unknown) => {
    const { client } = server()
    const { thread_id } = await client.threads.create()
    await client.runs.wait(thread_id, graph, { input: input as Record<string, unknown> })
    return thread_id
  }

  const post = async (path: string, body: unknown, method = 'POST') => {
    const { url, fetch } = server()
    return fetch(`${url}${path}`, { method, body: JSON.stringify(body) })
  }

  test('a thread without runs has an empty state', async () => {
    const { client } = server()
    const { thread_id } = await client.threads.create()
    const state = await client.threads.getState(thread_id)
    assert.deepEqual([state.values, state.next, state.tasks, state.checkpoint], [{}, [], [], null])
    assert.deepEqual(await client.threads.getHistory(thread_id), [])
    const named = await client.threads.create({ graphId: 'echo' })
    const { values, next, checkpoint } = await client.threads.getState(named.thread_id)
    assert.deepEqual([values, next, checkpoint], [{}, [], null])
  })

  test('what is unknown is 404', async () => {
    const { client } = server()
    const unknown = crypto.randomUUID()
    await assert.rejects(client.threads.getState(unknown), status(404))
    await assert.rejects(client.threads.getHistory(unknown), status(404))
    await assert.rejects(client.threads.updateState(unknown, { values: {} }), status(404))
    await assert.rejects(client.threads.patchState(unknown, {}), status(404))
    const thread_id = await ran('echo', say('hi'))
    const { thread_id: empty } = await client.threads.create()
    for (const one of [thread_id, empty]) {
      await assert.rejects(client.threads.getState(one, unknown), status(404, /Checkpoint .* not found/))
    }
  })

  test('state is read, at any checkpoint, and messages are flat', async () => {
    const { client, other } = server()
    const thread_id = await ran('echo', say('hello'))
    const state = await other.threads.getState(thread_id)
    const { messages } = state.values as { messages: { type: string; content: string }[] }
    assert.deepEqual(
      messages.map(({ type, content }) => [type, content]),
      [
        ['human', 'hello'],
        ['ai', 'hello'],
      ],
    )
    assert.ok(!JSON.stringify(state).includes('"lc":'))
    const history = await other.threads.getHistory(thread_id)
    assert.deepEqual(history[0]?.checkpoint, state.checkpoint)
    assert.deepEqual(
      history.map(({ metadata }) => metadata?.step),
      [1, 0, -1],
    )
    for (const { checkpoint, values } of history) {
      assert.deepEqual((await client.threads.getState(thread_id, checkpoint)).values, values)
      assert.deepEqual((await client.threads.getState(thread_id, checkpoint.checkpoint_id as string)).values, values)
    }
  })

  test('the state of a subgraph that waits is shown when asked for, in every way of asking', async () => {
    const { client, url, fetch } = server()
    const thread_id = await ran('ask-inside', {})
    const { checkpoint, tasks } = await client.threads.getState(thread_id)
    const ns = tasks[0]?.checkpoint?.checkpoint_ns
    assert.match(String(ns), /^inner:/)
    assert.equal(tasks[0]?.state, null)
    const inside = async (reading: Promise<{ tasks: { state: unknown }[] }>) =>
      (await reading).tasks[0]?.state as { next: string[]; checkpoint: { checkpoint_ns: string } } | null
    const shown = [
      await inside(client.threads.getState(thread_id, undefined, { subgraphs: true })),
      await inside(client.threads.getState(thread_id, checkpoint, { subgraphs: true })),
      await inside(client.threads.getState(thread_id, checkpoint.checkpoint_id as string, { subgraphs: true })),
      await inside((await fetch(`${url}/threads/${thread_id}/state?subgraphs=1`)).json() as never),
    ]
    for (const state of shown) assert.deepEqual([state?.next, state?.checkpoint.checkpoint_ns], [['question'], ns])
    assert.equal(await inside(client.threads.getState(thread_id, checkpoint, { subgraphs: false })), null)
    const own = await client.threads.getState(thread_id, { checkpoint_ns: ns as string } as typeof checkpoint)
    assert.deepEqual(own.next, ['question'])
  })

  test('only the selected fields are shown, and of the values the selected ones', async () => {
    const { url, fetch } = server()
    const thread_id = await ran('steps', { count: 2 })
    const get = async (path: string) => (await fetch(`${url}/threads/${thread_id}/${path}`)).json()
    const { checkpoint } = (await get('state?select=checkpoint')) as Updated
    const wanted = { next: [], values: { count: 2 } }
    assert.deepEqual(await get('state?select=next&select=values.count'), wanted)
    assert.deepEqual(await get(`state/${checkpoint.checkpoint_id}?select=["next","values.count"]`), wanted)
    const select = ['next', 'values.count']
    assert.deepEqual(
      await (await post(`/threads/${thread_id}/state/checkpoint`, { checkpoint, select })).json(),
      wanted,
    )
    assert.deepEqual(await (await post(`/threads/${thread_id}/history`, { limit: 1, select })).json(), [wanted])
    assert.deepEqual(await get('history?limit=1&select=next,values.count'), [wanted])
    assert.deepEqual(await get('state?select=values'), { values: { log: ['step 0', 'step 1'], count: 2 } })
    assert.equal((await fetch(`${url}/threads/${thread_id}/state?select=nothing`)).status, 422)
  })

  test('history goes back from a checkpoint, in each of three spellings', async () => {
    const { client, url, fetch } = server()
    const thread_id = await ran('steps', { count: 2 })
    const history = await client.threads.getHistory(thread_id)
    const [newest] = history
    const checkpoint_id = newest?.checkpoint.checkpoint_id as string
    const before = history.slice(1, 3)
    const spellings = [{ configurable: { checkpoint_id } }, newest?.checkpoint, checkpoint_id]
    for (const spelling of spellings) {
      const response = await post(`/threads/${thread_id}/history`, { before: spelling, limit: 2 })
      assert.deepEqual([response.status, await response.json()], [200, before])
    }
    const got = await fetch(`${url}/threads/${thread_id}/history?limit=2&before=${checkpoint_id}`)
    assert.deepEqual(await got.json(), before)
    for (const none of [{}, { configurable: {} }, { checkpoint_id: null }, '']) {
      const response = await post(`/threads/${thread_id}/history`, { before: none })
      assert.deepEqual(await response.json(), history)
    }
    const sdk = { before: { configurable: { checkpoint_id } }, limit: 2 }
    assert.deepEqual(await client.threads.getHistory(thread_id, sdk), before)
  })

  test('history is ten states unless told otherwise, and filtered by metadata', async () => {
    const { client, other } = server()
    const { thread_id } = await client.threads.create()
    await client.runs.wait(thread_id, 'steps', { input: { count: 6 }, metadata: { which: 'first' } })
    await client.runs.wait(thread_id, 'steps', { input: { count: 10 }, metadata: { which: 'second' } })
    const count = async (query: object) => (await other.threads.getHistory(thread_id, query)).length
    assert.equal(await count({}), 10)
    assert.equal(await count({ limit: 100 }), 14)
    assert.equal(await count({ limit: 100, metadata: { which: 'first' } }), 8)
    assert.equal(await count({ limit: 3, metadata: { which: 'first', source: 'loop' } }), 3)
    assert.equal(await count({ metadata: { which: 'third' } }), 0)
  })

  test('the history of a subgraph is that of its namespace', async () => {
    const { client } = server()
    const thread_id = await ran('ask-inside', {})
    const [root] = await client.threads.getHistory(thread_id)
    const checkpoint = { checkpoint_ns: root?.tasks[0]?.checkpoint?.checkpoint_ns as string }
    const history = await client.threads.getHistory(thread_id, { checkpoint })
    assert.ok(history.length > 0)
    for (const state of history) assert.equal(state.checkpoint.checkpoint_ns, checkpoint.checkpoint_ns)
    assert.deepEqual(history[0]?.next, ['question'])
  })

  test('the state is updated in the name of a node, and the thread shows it', async () => {
    const { client, other } = server()
    const thread_id = await ran('echo', say('hello'))
    const before = await client.threads.get(thread_id)
    const values = { messages: [{ role: 'user', content: 'added', id: 'added' }] }
    const { checkpoint } = (await client.threads.updateState(thread_id, {
      values,
      asNode: 'model',
    })) as unknown as Updated
    assert.deepEqual(Object.keys(checkpoint).sort(), ['checkpoint_id', 'checkpoint_ns', 'thread_id'])
    const now = await other.threads.getState(thread_id)
    assert.equal(now.checkpoint.checkpoint_id, checkpoint.checkpoint_id)
    assert.deepEqual([now.metadata?.source, textOf(now.values)], ['update', 'added'])
    const thread = await other.threads.get(thread_id)
    assert.deepEqual([thread.values, thread.status], [now.values, 'idle'])
    assert.ok(thread.state_updated_at > before.state_updated_at)
  })

  test('an update that leaves nodes to run leaves the thread interrupted; one that ends it, idle', async () => {
    const { client } = server()
    const thread_id = await ran('ask', {})
    assert.equal(Object.keys((await client.threads.get(thread_id)).interrupts).length, 1)
    await client.threads.updateState(thread_id, { values: { answers: ['by hand'] }, asNode: '__start__' })
    const again = await client.threads.get(thread_id)
    assert.deepEqual([again.status, again.interrupts, again.values], ['interrupted', {}, { answers: ['by hand'] }])
    await client.threads.updateState(thread_id, { values: { answers: ['done'] }, asNode: 'ask' })
    const ended = await client.threads.get(thread_id)
    assert.deepEqual([ended.status, ended.values], ['idle', { answers: ['by hand', 'done'] }])
  })

  test('of updates that come together each builds on those before it', async () => {
    const { client, other } = server()
    const thread_id = await ran('echo', say('hi'))
    const said = Array.from({ length: 16 }, (_, index) => `update ${index}`)
    await Promise.all(
      said.map((content, index) =>
        (index % 4 ? client : other).threads.updateState(thread_id, {
          values: { messages: [{ role: 'user', content, id: content }] },
          asNode: 'model',
        }),
      ),
    )
    const { values } = await client.threads.getState(thread_id)
    assert.deepEqual(contents(values).slice(2).toSorted(), said.toSorted())
  })

  test('an update of the past forks', async () => {
    const { client } = server()
    const thread_id = await ran('echo', say('hello'))
    const past = await client.threads.getState(thread_id)
    const say_ = (content: string) => ({ messages: [{ role: 'user', content }] })
    await client.threads.updateState(thread_id, { values: say_('left behind'), asNode: 'model' })
    await client.threads.updateState(thread_id, { values: say_('fork'), checkpoint: past.checkpoint, asNode: 'model' })
    const forked = await client.threads.getState(thread_id)
    assert.deepEqual(contents(forked.values), ['hello', 'hello', 'fork'])
    assert.equal(forked.parent_checkpoint?.checkpoint_id, past.checkpoint.checkpoint_id)
    const { checkpoint_id } = past.checkpoint
    await client.threads.updateState(thread_id, {
      values: say_('by id'),
      checkpointId: checkpoint_id as string,
      asNode: 'model',
    })
    assert.deepEqual(contents((await client.threads.get(thread_id)).values), ['hello', 'hello', 'by id'])
  })

  test('a step is run again from a copy of its checkpoint, also with other results', async () => {
    const { client } = server()
    const thread_id = await ran('steps', { count: 1 })
    const start = (await client.threads.getHistory(thread_id)).find(({ next }) => next[0] === 'step')
    const copied = await client.threads.updateState(thread_id, {
      values: null,
      checkpoint: start?.checkpoint as never,
      asNode: '__copy__',
    })
    assert.ok(copied)
    assert.deepEqual((await client.threads.getState(thread_id)).next, ['step'])
    assert.equal((await client.threads.get(thread_id)).status, 'interrupted')
    const values = [[{ log: ['another result'] }, 'step']] as never
    await client.threads.updateState(thread_id, { values, checkpoint: start?.checkpoint as never, asNode: '__copy__' })
    assert.deepEqual((await client.threads.get(thread_id)).values, { log: ['another result'], count: 1 })
  })

  test('the state inside a subgraph is updated without touching the thread', async () => {
    const { client } = server()
    const thread_id = await ran('ask-inside', {})
    const { tasks } = await client.threads.getState(thread_id)
    const { values } = await client.threads.get(thread_id)
    const checkpoint = tasks[0]?.checkpoint as never
    const { checkpoint: made } = (await client.threads.updateState(thread_id, {
      values: { answers: ['from outside'] },
      checkpoint,
      asNode: 'question',
    })) as unknown as Updated
    assert.match(made.checkpoint_ns, /^inner:/)
    const inside = await client.threads.getState(thread_id, made as never)
    assert.deepEqual([inside.values, inside.next], [{ answers: ['from outside'] }, []])
    assert.deepEqual((await client.threads.get(thread_id)).values, values)
    await client.runs.wait(thread_id, 'ask-inside', { input: null })
    assert.deepEqual((await client.threads.get(thread_id)).values, { answers: ['from outside'] })
  })

  test('an update that cannot be made is refused, and says why', async () => {
    const { client } = server()
    const { thread_id } = await client.threads.create()
    await assert.rejects(client.threads.updateState(thread_id, { values: {} }), status(400, /has no graph/))
    const talked = await ran('echo', say('hi'))
    const update = (options: object) => client.threads.updateState(talked, { values: {}, ...options })
    await assert.rejects(update({ asNode: 'nobody' }), status(422, /Node \\"nobody\\" does not exist/))
    await assert.rejects(update({ values: { messages: [{ wrong: 1 }] }, asNode: 'model' }), status(422, /^.*values/))
    const checkpoint = { checkpoint_ns: 'nowhere', thread_id: talked, checkpoint_id: '', checkpoint_map: {} }
    await assert.rejects(update({ checkpoint }), status(422, /Subgraph \\"nowhere\\" not found/))
    const before = await client.threads.getState(talked)
    const foreign = (await client.threads.getState(await ran('echo', say('ho')))).checkpoint
    for (const from of [{ checkpoint: foreign }, { checkpointId: crypto.randomUUID() }]) {
      await assert.rejects(update({ asNode: 'model', ...from }), status(404, /Checkpoint .* not found/))
    }
    assert.deepEqual(await client.threads.getState(talked), before)
    await client.runs.create(talked, 'echo', { input: say('later'), afterSeconds: 60 })
    await assert.rejects(update({ asNode: 'model' }), status(409, /is pending/))
    await assert.rejects(client.threads.patchState(talked, {}), status(409, /is pending/))
  })

  test('metadata is added to the latest state', async () => {
    const { client, other } = server()
    const thread_id = await ran('echo', say('hi'))
    const before = await client.threads.getState(thread_id)
    const patch = { note: { a: 1 }, step: 99, source: 'nowhere' } as never
    assert.equal(await client.threads.patchState(thread_id, patch), undefined)
    const after = await other.threads.getState(thread_id)
    assert.deepEqual(after, { ...before, metadata: { ...before.metadata, note: { a: 1 } } })
    assert.equal((await other.threads.getHistory(thread_id, { metadata: { note: { a: 1 } } as never })).length, 1)
    const { thread_id: empty } = await client.threads.create()
    await assert.rejects(client.threads.patchState(empty, {}), status(404, /no state yet/))
  })

  test('a graph made by a factory is read and updated with the config of its run', async () => {
    const { client } = server()
    const { thread_id } = await client.threads.create()
    const config = { configurable: { flavour: 'sweet' } }
    await client.runs.wait(thread_id, 'configured', { input: {}, config })
    assert.deepEqual((await client.threads.getState(thread_id)).values, { answers: ['sweet', 'sweet'] })
    await client.threads.updateState(thread_id, { values: { answers: ['more'] }, asNode: 'tell' })
    assert.deepEqual((await client.threads.get(thread_id)).values, { answers: ['sweet', 'sweet', 'more'] })
  })
})
