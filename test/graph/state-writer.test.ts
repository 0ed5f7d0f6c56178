import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { AIMessage, AIMessageChunk, HumanMessage } from '@langchain/core/messages'
import { newId } from '../../src/core/ids.ts'
import type { Bulk, Database } from '../../src/db/database.ts'
import { REF, StateTexts } from '../../src/events/state.ts'
import { KnownList } from '../../src/graph/state-lists.ts'
import { type Encoded, StateWriter } from '../../src/graph/state-writer.ts'
import { forEachDatabase } from '../support/databases.ts'
import { commit, openMigrated, wire } from './checkpoint-support.ts'

const LONG = 'x'.repeat(400)

function messages(count: number, from = 0) {
  return Array.from({ length: count }, (_, index) => new HumanMessage({ content: LONG, id: `m${from + index}` }))
}

function rowsOf(writes: readonly Bulk[]): number {
  return writes.reduce((sum, bulk) => sum + bulk.rows.length, 0)
}

forEachDatabase('events that hold state', open => {
  let db: Database
  before(async () => {
    db = await openMigrated(await open())
  })
  after(() => db.close())

  function writer() {
    const thread_id = newId()
    const state = new StateWriter({ thread_id, run_id: 'run' })
    /** What a reader sees. */
    const rendered = async ({ data, writes }: Encoded) => {
      await db.run(commit, writes)
      return JSON.parse(await new StateTexts(db).render(thread_id, data))
    }
    return { state, rendered }
  }

  describe('values', () => {
    it('are a few hundred bytes at 1,000 messages, and read as the whole state', async () => {
      const { state, rendered } = writer()
      const values = { messages: messages(1_000), topic: 'x', files: { a: LONG, b: LONG }, none: undefined, todo: [] }
      const first = state.encodeState(values, '')
      assert.ok(first.data.length < 500, first.data)
      assert.deepEqual(await rendered(first), wire(values))
      const more = { ...values, messages: [...values.messages, new AIMessage('more')] }
      const second = state.encodeState(more, '')
      assert.equal(rowsOf(second.writes), 1)
      assert.deepEqual(await rendered(second), wire(more))
      assert.equal(rowsOf(state.encodeState(more, '').writes), 0)
    })

    it('are plain JSON while they are small', () => {
      const { state } = writer()
      const { data, writes } = state.encodeState({ messages: [new HumanMessage({ content: 'hi', id: 'a' })], n: 1 }, '')
      assert.deepEqual([writes, JSON.parse(data).messages[0].content], [[], 'hi'])
    })

    it('know their size, in whatever lists and blobs they are stored', () => {
      const { state } = writer()
      const sizes = (values: { messages: HumanMessage[]; file: string }) => {
        const { bytes } = state.encodeState(values, '')
        return [bytes, Buffer.byteLength(JSON.stringify(wire(values)))] as const
      }
      const all = messages(100)
      const shapes = [
        all.slice(0, 1),
        all.slice(0, 20),
        all,
        all.slice(0, 50),
        [...all.slice(0, 50), ...messages(9, 500)],
      ]
      for (const shape of [...shapes, ...shapes]) {
        const [bytes, whole] = sizes({ messages: shape, file: 'ä'.repeat(1_000) })
        // Commas, brackets and the names of the channels are not counted.
        assert.ok(bytes <= whole && bytes > whole - shape.length - 50, `${bytes} of ${whole}`)
      }
    })

    it('share what is equal, by any object: a copy of the old messages is not stored again', async () => {
      const { state, rendered } = writer()
      const items = Array.from({ length: 100 }, (_, index) => ({ index, text: LONG, tags: ['a'] }))
      const { state: other } = writer()
      await rendered(state.encodeState({ items }, ''))
      const copied = structuredClone([...items, { index: 100, text: LONG, tags: ['b'] }])
      assert.equal(rowsOf(state.encodeState({ items: copied }, '').writes), 1)
      assert.equal(rowsOf(other.encodeState({ items: copied }, '').writes), 102)
    })

    it('of a subgraph continue the messages that it was given', async () => {
      const { state, rendered } = writer()
      const given = messages(500)
      await rendered(state.encodeState({ messages: given }, ''))
      const inner = state.encodeState({ messages: [...given, ...messages(1, 500)] }, 'node:1')
      assert.equal(rowsOf(inner.writes), 2)
      assert.equal((await rendered(inner)).messages.length, 501)
      const outer = state.encodeState({ messages: [...given, ...messages(1, 900)] }, '')
      assert.equal(rowsOf(outer.writes), 1)
      assert.equal((await rendered(outer)).messages[500].id, 'm900')
    })

    it('stay known when an older version of them is read again', () => {
      const { state } = writer()
      const values = { messages: messages(10) }
      const [lists] = state.encodeState(values, '').writes
      const reread = new KnownList([{ list_id: String(lists?.rows[0]?.list_id), from: 0 }])
      for (const message of messages(5)) reread.push(message, JSON.stringify(message))
      state.holdList('', 'messages', reread, 5)
      assert.equal(rowsOf(state.encodeState({ messages: [...values.messages, ...messages(1, 10)] }, '').writes), 1)
    })

    it('that shrink are prefixes, and grow again without touching what others refer to', async () => {
      const { state, rendered } = writer()
      const all = messages(20)
      const whole = state.encodeState({ messages: all }, '')
      const expected = await rendered(whole)
      assert.equal(rowsOf(state.encodeState({ messages: all.slice(0, 10) }, '').writes), 0)
      const other = state.encodeState({ messages: [...all.slice(0, 10), ...messages(1, 50)] }, '')
      assert.equal(rowsOf(other.writes), 2)
      assert.deepEqual((await rendered(other)).messages.map(({ id }: { id: string }) => id).slice(9), ['m9', 'm50'])
      assert.deepEqual(await rendered({ ...whole, writes: [] }), expected)
    })
  })

  describe('any event', () => {
    it('refers to known lists and blobs wherever they stand, and keeps the rest', async () => {
      const { state, rendered } = writer()
      const values = { messages: messages(50), files: { readme: LONG + LONG }, document: LONG + LONG }
      await rendered(state.encodeState(values, ''))
      const event = {
        id: 'task',
        input: { ...values, messages: [...values.messages, new AIMessage({ content: 'new', id: 'n' })] },
        checkpoint: { values },
        others: messages(1),
        'tricky "@text"': '"@0@" ]},{',
      }
      const encoded = state.encode(event)
      assert.deepEqual([encoded.data.includes(REF), encoded.writes], [true, []])
      assert.ok(encoded.data.length < 2_000)
      assert.deepEqual(await rendered(encoded), wire(event))
    })

    it('shows an object as it is now, not as it was stored', async () => {
      const { state, rendered } = writer()
      const values = { messages: messages(5), files: { readme: LONG + LONG } }
      await rendered(state.encodeState(values, ''))
      ;(values.messages[3] as HumanMessage).content = 'changed'
      values.files.readme = 'changed'
      assert.deepEqual(await rendered(state.encode(values)), wire(values))
    })

    it('never fails on what is not JSON', () => {
      const { state } = writer()
      const cycle: Record<string, unknown> = { a: 1n }
      cycle.self = cycle
      assert.deepEqual(JSON.parse(state.encode({ cycle, f: () => 1, m: new Map([['k', 1]]) }).data), {
        cycle: { a: '1', self: '[Circular]' },
        m: { k: 1 },
      })
      assert.equal(state.encode(undefined).data, 'null')
    })
  })

  describe('messages', () => {
    it('carry their metadata once for a model call', async () => {
      const { state, rendered } = writer()
      const metadata = { langgraph_node: 'agent', tags: [], note: LONG }
      const chunk = (content: string) => new AIMessageChunk({ content, id: 'run-1' })
      const events = ['a', 'b', 'c'].map(text => state.encodeMessage(chunk(text), metadata))
      assert.deepEqual(
        events.map(({ data }) => data.includes(REF)),
        [false, true, true],
      )
      assert.deepEqual(
        events.map(({ writes }) => rowsOf(writes)),
        [0, 1, 0],
      )
      assert.ok((events[2] as Encoded).data.length < 350)
      const [message, seen] = await rendered(events[1] as Encoded)
      assert.deepEqual([message.content, message.type, seen], ['b', 'ai', metadata])
      assert.deepEqual(JSON.parse(state.encodeMessage(chunk('d'), undefined).data)[1], null)
    })
  })
})
