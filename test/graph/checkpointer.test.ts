import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { AIMessage, HumanMessage } from '@langchain/core/messages'
import { type CheckpointTuple, emptyCheckpoint, uuid6 } from '@langchain/langgraph-checkpoint'
import sql from 'sql-template-tag'
import { eraseRun } from '../../src/core/claims.ts'
import type { Run } from '../../src/core/runs.ts'
import { copyThread } from '../../src/core/thread-copy.ts'
import { createThread } from '../../src/core/threads.ts'
import { all, type Database, type Steps, type Transition, transition } from '../../src/db/database.ts'
import { MAX_FORKS, StateTexts } from '../../src/events/state.ts'
import type { Loaded } from '../../src/graph/checkpoint-rows.ts'
import { StateCache } from '../../src/graph/state-cache.ts'
import { forEachDatabase } from '../support/databases.ts'
import { chat, checkpointerOf, commit, openMigrated, stored, wire } from './checkpoint-support.ts'

const LONG = 'x'.repeat(400)
const META = { source: 'loop', step: 0, parents: {} } as const

function messagesOf<T>(tuple: CheckpointTuple | undefined): T[] {
  return (tuple?.checkpoint.channel_values.messages ?? []) as T[]
}

const erase = transition(import.meta.url, 'erase', function* (run: Pick<Run, 'run_id' | 'thread_id'>): Steps<void> {
  yield* eraseRun({ base_seq: null, ...run } as Run, 'rollback')
})

/** How many forks deep each list of a thread is. */
const depths = transition(import.meta.url, 'depths', function* (thread_id: string): Steps<number[]> {
  const lists = yield* all<{ list_id: string; parent_id: string | null }>(
    sql`select list_id, parent_id from lists where thread_id = ${thread_id}`,
  )
  const parents = new Map(lists.map(list => [list.list_id, list.parent_id]))
  return lists.map(({ parent_id }) => {
    let depth = 0
    for (let next = parent_id; next; next = parents.get(next) ?? null) depth++
    return depth
  })
})

forEachDatabase('the checkpointer', open => {
  let db: Database
  before(async () => {
    db = await openMigrated(await open())
  })
  after(() => db.close())

  function turn(thread_id: string, text: string, options: { run_id?: string; cache?: StateCache } = {}) {
    const run = checkpointerOf(db, { thread_id, ...options })
    const graph = chat(run.checkpointer, ({ messages }) => [
      new AIMessage({ content: `answer ${LONG}`, id: `a${messages.length}-${text}` }),
    ])
    const invoke = () =>
      graph.invoke(
        { messages: [new HumanMessage({ content: `${text} ${LONG}`, id: `h-${text}` })] },
        { configurable: { thread_id } },
      )
    return { ...run, graph, invoke }
  }

  /** The database, noting how many list items each read of a checkpoint brings. */
  function counting(read: number[]): Database {
    const run = async (step: Transition<never, unknown>, args: never) => {
      const result = await db.run(step, args)
      const { lists } = (step.name === 'readCheckpoint' ? result : { lists: undefined }) as Partial<Loaded>
      if (lists) read.push(Object.values(lists).reduce((sum, list) => sum + list.items.length, 0))
      return result
    }
    return { ...db, run } as unknown as Database
  }

  const texts = async (thread_id: string, checkpoint_id?: string) => {
    const values = (await stored(db, thread_id, checkpoint_id)) as { messages: { id: string }[] }
    return values.messages.map(message => message.id)
  }

  describe('what a turn costs', () => {
    it('writes as many rows and bytes at turn 1,000 as at turn 10', async () => {
      const cache = new StateCache()
      const measure = async (text: string) => {
        const { written, invoke } = turn('long', text, { cache })
        await invoke()
        return written
      }
      for (let index = 1; index < 10; index++) await measure(`early${index}0`)
      const tenth = await measure('turn-0010')
      const history = Array.from({ length: 1978 }, (_, index) => new HumanMessage({ content: LONG, id: `m${index}` }))
      await turn('long', '', { cache }).graph.updateState(
        { configurable: { thread_id: 'long' } },
        { messages: history },
      )
      await measure('turn-0999')
      const thousandth = await measure('turn-1000')
      assert.equal(thousandth.rows, tenth.rows)
      assert.ok(Math.abs(thousandth.chars - tenth.chars) < 50, `${tenth.chars} chars became ${thousandth.chars}`)
      assert.equal((await texts('long')).length, 2002)
    })

    it('reads only what is new when the thread was read before', async () => {
      const cache = new StateCache()
      const read: number[] = []
      for (let index = 0; index < 20; index++) await turn('active', `t${index}`, { cache }).invoke()
      const { checkpointer } = checkpointerOf(counting(read), { thread_id: 'active', cache })
      const first = await checkpointer.getTuple({ configurable: { thread_id: 'active' } })
      await checkpointer.getTuple({ configurable: { thread_id: 'active' } })
      assert.deepEqual(read, [2, 0])
      assert.equal(messagesOf(first).length, 40)
    })
  })

  describe('messages changed in place', () => {
    const change = async (thread_id: string, count: number, reply: (messages: AIMessage[]) => void) => {
      const cache = new StateCache()
      const graph = (mutate: typeof reply) =>
        chat(checkpointerOf(db, { thread_id, cache }).checkpointer, ({ messages }) => {
          mutate(messages as AIMessage[])
          return [new AIMessage({ content: LONG, id: `after${messages.length}` })]
        })
      const messages = Array.from(
        { length: count },
        (_, index) =>
          new AIMessage({
            content: [{ type: 'text', text: LONG }],
            id: `${index}`,
            name: 'first',
            additional_kwargs: { first: 1 },
            tool_calls: [{ name: 'tool', args: { deep: [1] }, id: 'call' }],
            usage_metadata: { input_tokens: 1, output_tokens: 1, total_tokens: 2 } as never, // which its type leaves out
          }),
      )
      const config = { configurable: { thread_id } }
      await graph(() => {}).invoke({ messages }, config)
      const result = await graph(reply).invoke({ messages: [] }, config)
      assert.deepEqual(wire((await stored(db, thread_id))?.messages), wire(result.messages))
      return wire(result.messages) as Record<string, unknown>[]
    }

    it('are stored as they are now: the newest', async () => {
      const messages = await change('newest', 5, messages => {
        ;(messages.at(-1) as AIMessage).content = 'changed'
      })
      assert.equal(messages[5]?.content, 'changed')
    })

    it('below the top of one of the last 32', async () => {
      const messages = await change('recent', 50, messages => {
        for (const { args } of messages.at(-20)?.tool_calls ?? []) args.deep = [1, 2]
      })
      const calls = messages[31]?.tool_calls as { args: unknown }[]
      assert.deepEqual(calls[0]?.args, { deep: [1, 2] })
    })

    const changes: Record<string, (message: AIMessage) => void> = {
      'another content': message => {
        message.content = [{ type: 'text', text: 'changed' }]
      },
      'one more block of content': message => {
        ;(message.content as { type: 'text'; text: string }[]).push({ type: 'text', text: 'more' })
      },
      'a name': message => {
        message.name = 'other'
      },
      'one more of additional_kwargs': message => {
        message.additional_kwargs.note = 'new'
      },
      'other additional_kwargs': message => {
        message.additional_kwargs = { other: 1 }
      },
      'one more of response_metadata': message => {
        message.response_metadata.note = 'new'
      },
      'one more tool call': message => {
        message.tool_calls?.push({ name: 'other', args: {}, id: 'second' })
      },
      'its usage': message => {
        Object.assign(message, { usage_metadata: { input_tokens: 1, output_tokens: 2, total_tokens: 3 } })
      },
    }
    for (const [what, mutate] of Object.entries(changes)) {
      it(`at the top of an older one: ${what}`, async () => {
        const before = await change(`older ${what}`, 80, () => {})
        const after = await change(`older too, ${what}`, 80, messages => mutate(messages[5] as AIMessage))
        assert.notDeepEqual(after[5], before[5])
      })
    }

    it('do not reach the next reader when nothing stored the change', async () => {
      const cache = new StateCache()
      const read = () =>
        checkpointerOf(db, { thread_id: 'leak', cache }).checkpointer.getTuple({ configurable: { thread_id: 'leak' } })
      await turn('leak', 'one').invoke()
      const [message] = messagesOf<HumanMessage>(await read())
      ;(message as HumanMessage).content = 'changed'
      const [again] = messagesOf<HumanMessage>(await read())
      assert.equal(again?.content, `one ${LONG}`)
    })
  })

  describe('forks', () => {
    it('of a past checkpoint leave both branches whole', async () => {
      await turn('fork', 'one').invoke()
      const past = await turn('fork', '').graph.getState({ configurable: { thread_id: 'fork' } })
      await turn('fork', 'two').invoke()
      const branch = await texts('fork')
      const [, human, answer] = [0, 'h-one', 'a1-one']
      assert.deepEqual(branch, [human, answer, 'h-two', 'a3-two'])
      const newest = await turn('fork', '').graph.getState({ configurable: { thread_id: 'fork' } })
      const { graph } = turn('fork', 'three')
      await graph.invoke({ messages: [new HumanMessage({ content: LONG, id: 'h-other' })] }, past.config as never)
      assert.deepEqual(await texts('fork'), [human, answer, 'h-other', 'a3-three'])
      assert.deepEqual(await texts('fork', newest.config.configurable?.checkpoint_id), branch)
    })

    it('by a copy of a checkpoint have its values, not its parent’s', async () => {
      const { graph, invoke } = turn('copied', 'one')
      await invoke()
      const config = { configurable: { thread_id: 'copied' } }
      const before = await graph.getState(config)
      const fresh = turn('copied', '').graph
      const copy = await fresh.updateState(before.config, null, '__copy__')
      assert.notEqual(copy.configurable?.checkpoint_id, before.config.configurable?.checkpoint_id)
      assert.deepEqual(await texts('copied'), ['h-one', 'a1-one'])
    })

    it('of two namespaces that hold the same messages do not meet', async () => {
      const messages = [1, 2, 3].map(index => new HumanMessage({ content: LONG, id: `${index}` }))
      const put = async (ids: string[], run: ReturnType<typeof checkpointerOf>) => {
        for (const checkpoint_ns of ['', 'child']) {
          const config = { configurable: { thread_id: 'same', checkpoint_ns } }
          const stored = await run.checkpointer.getTuple(config)
          const added = ids.map(id => new HumanMessage({ content: LONG, id: `${checkpoint_ns}${id}` }))
          const old = stored ? messagesOf<HumanMessage>(stored) : messages
          const channel_values = { messages: [...old, ...added] }
          await run.checkpointer.put(config, { ...emptyCheckpoint(), id: uuid6(1), channel_values }, META, {
            messages: 1,
          })
        }
      }
      await put([], checkpointerOf(db, { thread_id: 'same' }))
      await put(['a'], checkpointerOf(db, { thread_id: 'same' }))
      await put(['b'], checkpointerOf(db, { thread_id: 'same' }))
      for (const checkpoint_ns of ['', 'child']) {
        const { checkpointer } = checkpointerOf(db)
        const tuple = await checkpointer.getTuple({ configurable: { thread_id: 'same', checkpoint_ns } })
        const ids = messagesOf<HumanMessage>(tuple).map(message => message.id)
        assert.deepEqual(ids, ['1', '2', '3', `${checkpoint_ns}a`, `${checkpoint_ns}b`])
      }
      assert.deepEqual((await db.run(depths, 'same')).sort(), [0, 1])
    })

    it('do not come of reading the state in mid-run', async () => {
      await turn('midrun', 'one').invoke()
      const { checkpointer } = checkpointerOf(db, { thread_id: 'midrun' })
      const config = { configurable: { thread_id: 'midrun' } }
      const graph = chat(checkpointer, async ({ messages }) => {
        await checkpointer.getTuple(config)
        return [new AIMessage({ content: LONG, id: `a${messages.length}` })]
      })
      await graph.invoke({ messages: [new HumanMessage({ content: LONG, id: 'h-two' })] }, config)
      assert.deepEqual(await texts('midrun'), ['h-one', 'a1-one', 'h-two', 'a3'])
      assert.deepEqual(await db.run(depths, 'midrun'), [0])
    })

    it('are read from the branch that was read before', async () => {
      const cache = new StateCache()
      for (let index = 0; index < 10; index++) await turn('branch', `t${index}`, { cache }).invoke()
      const { graph } = turn('branch', '', { cache })
      const edited = new AIMessage({ content: LONG, id: 'a19-t9' })
      await graph.updateState({ configurable: { thread_id: 'branch' } }, { messages: [edited] })
      const read: number[] = []
      const { checkpointer } = checkpointerOf(counting(read), { thread_id: 'branch', cache })
      const tuple = await checkpointer.getTuple({ configurable: { thread_id: 'branch' } })
      assert.deepEqual(read, [1])
      assert.deepEqual(wire(messagesOf(tuple)), wire((await stored(db, 'branch'))?.messages))
    })

    it('of forks end in a whole copy, and every version reads back', async () => {
      const expected = new Map<string, string[]>()
      await turn('deep', 'one').invoke()
      for (let index = 1; index <= 20; index++) {
        const { graph } = turn('deep', '')
        const edited = new HumanMessage({ content: `edited ${LONG}`, id: `added${index - 1}` })
        const added = new HumanMessage({ content: LONG, id: `added${index}` })
        const config = await graph.updateState({ configurable: { thread_id: 'deep' } }, { messages: [edited, added] })
        const { values } = await graph.getState(config)
        expected.set(config.configurable?.checkpoint_id, wire(values.messages))
      }
      for (const [checkpoint_id, messages] of expected) {
        assert.deepEqual(wire((await stored(db, 'deep', checkpoint_id))?.messages), messages)
      }
      const forks = await db.run(depths, 'deep')
      assert.ok(Math.max(...forks) > 2 && Math.max(...forks) <= MAX_FORKS, `depths ${forks}`)
    })

    it('happen where somebody else extended the list', async () => {
      await turn('tail', 'one', { run_id: 'first' }).invoke()
      const lost = checkpointerOf(db, { thread_id: 'tail', run_id: 'second' })
      const tuple = await lost.checkpointer.getTuple({ configurable: { thread_id: 'tail' } })
      const messages = messagesOf<HumanMessage>(tuple)
      const crashed = new HumanMessage({ content: LONG, id: 'crashed' })
      await lost.write(lost.state.encodeState({ messages: [...messages, crashed] }, '').writes)
      await turn('tail', 'two', { run_id: 'second' }).invoke()
      assert.deepEqual(await texts('tail'), ['h-one', 'a1-one', 'h-two', 'a3-two'])
    })
  })

  describe('threads and runs', () => {
    it('copies a thread with all its checkpoints, and the two go on apart', async () => {
      await db.run(createThread, { thread_id: 'source', metadata: '{}', hidden: 0, if_exists: 'raise' })
      await turn('source', 'one').invoke()
      await db.run(copyThread, { thread_id: 'source', copy_id: 'copy' })
      const states = async (thread_id: string) => {
        const all = []
        for await (const { config, parentConfig, ...rest } of checkpointerOf(db, { thread_id }).checkpointer.list({
          configurable: { thread_id },
        })) {
          all.push({
            ...rest,
            parent: parentConfig?.configurable?.checkpoint_id,
            id: config.configurable?.checkpoint_id,
          })
        }
        return wire(all)
      }
      assert.deepEqual(await states('copy'), await states('source'))
      await turn('source', 'two').invoke()
      await turn('copy', 'other').invoke()
      assert.deepEqual(await texts('source'), ['h-one', 'a1-one', 'h-two', 'a3-two'])
      assert.deepEqual(await texts('copy'), ['h-one', 'a1-one', 'h-other', 'a3-other'])
    })

    it('keeps the earlier state when a run is erased, also where its texts are cached', async () => {
      const rendered = new StateTexts(db)
      const values = async (run_id: string) => {
        const { checkpointer, state, write } = checkpointerOf(db, { thread_id: 'erased', run_id })
        const tuple = await checkpointer.getTuple({ configurable: { thread_id: 'erased' } })
        const { data, writes } = state.encodeState(tuple?.checkpoint.channel_values ?? {}, '')
        await write(writes)
        return (JSON.parse(await rendered.render('erased', data)).messages as { id: string }[]).map(({ id }) => id)
      }
      await turn('erased', 'one', { run_id: 'r1' }).invoke()
      await turn('erased', 'two', { run_id: 'r2' }).invoke()
      assert.deepEqual(await values('reader1'), ['h-one', 'a1-one', 'h-two', 'a3-two'])
      await db.run(erase, { thread_id: 'erased', run_id: 'r2' })
      assert.deepEqual(await texts('erased'), ['h-one', 'a1-one'])
      await turn('erased', 'three', { run_id: 'r3' }).invoke()
      assert.deepEqual(await values('reader2'), ['h-one', 'a1-one', 'h-three', 'a3-three'])
    })
  })

  describe('pending writes', () => {
    const place = async (thread_id: string) => {
      const { checkpointer } = checkpointerOf(db)
      const id = uuid6(1)
      const config = { configurable: { thread_id, checkpoint_ns: '' } }
      return checkpointer.put(config, { ...emptyCheckpoint(), id }, META, {})
    }

    it('keep the first of a task, but of a special channel the last', async () => {
      const config = await place('writes')
      const { checkpointer } = checkpointerOf(db)
      await checkpointer.putWrites(
        config,
        [
          ['a', 1],
          ['b', 2],
        ],
        'task',
      )
      await checkpointer.putWrites(config, [['a', 3]], 'task')
      await checkpointer.putWrites(config, [['__resume__', 'x']], 'task')
      await checkpointer.putWrites(config, [['__resume__', 'y']], 'task')
      const expected = [
        ['task', '__resume__', 'y'],
        ['task', 'a', 1],
        ['task', 'b', 2],
      ]
      assert.deepEqual((await checkpointer.getTuple(config))?.pendingWrites, expected)
    })

    it('of several runs: the oldest, for special channels the newest; an erased run leaves the others', async () => {
      const config = await place('several')
      for (const run_id of ['run-1', 'run-2']) {
        const { checkpointer } = checkpointerOf(db, { run_id })
        await checkpointer.putWrites(
          config,
          [
            ['a', run_id],
            ['__resume__', run_id],
          ],
          'task',
        )
      }
      const read = async () => (await checkpointerOf(db).checkpointer.getTuple(config))?.pendingWrites
      assert.deepEqual(await read(), [
        ['task', '__resume__', 'run-2'],
        ['task', 'a', 'run-1'],
      ])
      await db.run(erase, { thread_id: 'several', run_id: 'run-2' })
      assert.deepEqual(await read(), [
        ['task', '__resume__', 'run-1'],
        ['task', 'a', 'run-1'],
      ])
    })
  })

  it('lets a read wait for the writes before it, by `flush` where `write` does not wait', async () => {
    const { state } = checkpointerOf(db, { thread_id: 'waits' })
    const held: Parameters<typeof commit.steps>[0] = []
    const { Checkpointer } = await import('../../src/graph/checkpointer.ts')
    const checkpointer = new Checkpointer({
      db,
      run_id: 'run',
      state,
      cache: new StateCache(),
      write: async writes => void held.push(...writes),
      flush: () => db.run(commit, held.splice(0)),
    })
    const config = { configurable: { thread_id: 'waits', checkpoint_ns: '' } }
    const put = await checkpointer.put(config, { ...emptyCheckpoint(), channel_values: { a: 1 } }, META, { a: 1 })
    assert.deepEqual((await checkpointer.getTuple(put))?.checkpoint.channel_values, { a: 1 })
  })
})
