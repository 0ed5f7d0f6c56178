// What events refer to, as readers see it: texts in the place of references.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { cancelRun } from '../../src/core/runs.ts'
import type { Database } from '../../src/db/database.ts'
import { LocalBus } from '../../src/events/bus.ts'
import { EventLog } from '../../src/events/event-log.ts'
import { Closing } from '../../src/events/followers.ts'
import { Fenced } from '../../src/events/run-writer.ts'
import { blobRows, itemRows, listRows, refText, StateTexts } from '../../src/events/state.ts'
import { begin, type Core, finish, openCore } from '../core/harness.ts'
import { forEachDatabase } from '../support/databases.ts'

forEachDatabase('rendering', open => {
  let core: Core
  let log: EventLog
  before(async () => {
    core = await openCore(await open())
    log = new EventLog(core.db, new LocalBus())
  })
  after(async () => {
    await log.close()
    await core.close()
  })

  test('what is rendered of a run ends where that is rolled back; of one that is there, nothing may be missing', async () => {
    const claimed = await begin(core)
    const { run_id, thread_id } = claimed.run
    const writer = log.open(run_id, claimed, () => {})
    const texts = new StateTexts(core.db)
    await writer.append({ event: 'values', data: refText(['b', 'hash-of-nothing']) })
    const render = async (between: () => Promise<unknown> = async () => {}) => {
      async function* rendered() {
        for await (const batch of log.read(run_id, 1, AbortSignal.timeout(60_000))) {
          await between()
          for (const { data } of batch) yield await texts.render(thread_id, data)
        }
      }
      return await Array.fromAsync(texts.untilErased(run_id, rendered()))
    }
    await assert.rejects(render(), /blob hash-of-nothing of thread .+ is not stored/)
    const rollBack = async () => {
      await core.db.run(cancelRun, { run_id, action: 'rollback', by: 'request' })
      await finish(core, claimed, { slice: await writer.takeRest() })
      log.release(writer)
    }
    assert.deepEqual(await render(rollBack), [])
  })

  test("what a reference stands for is its own thread's, also when it was just rendered for another", async () => {
    const texts = new StateTexts(core.db)
    texts.know([blobRows([{ thread_id: 'mine', hash: 'hash', run_id: 'run', data: '"text"', exact: null }])])
    const ref = refText(['b', 'hash'])
    const render = async (thread_id: string, text: string) => texts.render(thread_id, text)
    for (const round of ['first', 'again']) {
      assert.equal(await render('mine', `["${round}",${ref}]`), `["${round}","text"]`)
      assert.equal(await render('mine', `[${ref},${ref}]`), '["text","text"]')
      await assert.rejects(render('another', `[${ref}]`), /blob hash of thread another is not stored/)
    }
  })

  test('what a commit has stored is rendered without asking, what a fenced attempt wrote as the table has it', async () => {
    const asked: unknown[] = []
    const run: Database['run'] = (transition, args) => {
      asked.push(transition.name)
      return core.db.run(transition, args)
    }
    const texts = new StateTexts({ ...core.db, run })
    const own = new EventLog(core.db, new LocalBus(), { stored: rows => texts.know(rows) })
    const claimed = await begin(core)
    const { run_id, thread_id } = claimed.run
    const of = { thread_id, run_id, list_id: 'list' }
    const list = listRows([{ ...of, parent_id: null, parent_length: 0, closed: 0 }])
    const items = (from: number, ...data: string[]) =>
      itemRows(data.map((text, index) => ({ ...of, idx: from + index, data: text, exact: null })))
    const show = async (length: number) => await texts.render(thread_id, `[${refText(['l', 'list', length])}]`)

    const writer = own.open(run_id, claimed, () => {})
    await writer.append(undefined, [list, items(0, '1', '2')])
    assert.equal(await show(2), '[1,2]')
    await writer.append(undefined, [items(2, '3')])
    assert.equal(await show(3), '[1,2,3]')
    void writer.append(undefined, [
      items(3, '4'),
      blobRows([{ thread_id, hash: 'h', run_id, data: '"b"', exact: null }]),
    ])
    const slice = await writer.takeRest()
    assert.ok((await finish(core, claimed, { slice })).landed)
    own.conclude(writer, slice, { status: 'success', ending: '{}' })
    own.release(writer)
    assert.equal(await show(4), '[1,2,3,4]')
    assert.equal(await show(2), '[1,2]')
    assert.equal(await texts.render(thread_id, refText(['b', 'h'])), '"b"')
    assert.equal(asked.join(), '')

    const late = own.open(run_id, claimed, () => {})
    await assert.rejects(late.append(undefined, [items(4, '"never stored"')]), Fenced)
    own.release(late)
    await core.sql`insert into list_items (thread_id, list_id, idx, run_id, data)
      values (${thread_id}, 'list', 4, 'another', '5'), (${thread_id}, 'list', 5, 'another', '6')`
    const reading = show(5)
    texts.know([items(4, '5'), items(5, '6')]) // a commit that lands while they are read
    assert.equal(await reading, '[1,2,3,4,5]')
    assert.equal(await show(6), '[1,2,3,4,5,6]')
    assert.ok(asked.includes('readList'))
    await own.close()
  })

  test('what ends a reader is told as it was, also where the database is closed by then', async () => {
    const other = await core.again()
    const texts = new StateTexts(other.db)
    async function* closing(): AsyncGenerator<string> {
      yield 'shown'
      await other.close()
      throw new Closing()
    }
    const seen: string[] = []
    const reading = async () => {
      for await (const text of texts.untilErased('a run', closing())) seen.push(text)
    }
    await assert.rejects(reading, Closing)
    assert.deepEqual(seen, ['shown'])
  })
})
