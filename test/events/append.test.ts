// Appending: numbered without gaps, committed in groups, and only by the run's present owner.
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import type { Database } from '../../src/db/database.ts'
import { LocalBus } from '../../src/events/bus.ts'
import { EventLog } from '../../src/events/event-log.ts'
import { Fenced, type RunWriter } from '../../src/events/run-writer.ts'
import { begin, type Core, claim, event, eventsOf, expire, openCore, rowsOf } from '../core/harness.ts'
import { forEachDatabase } from '../support/databases.ts'
import { checkpointWrite, FlakyDatabase, numbers } from './support.ts'

forEachDatabase('appending to the log', open => {
  let core: Core
  let db: FlakyDatabase
  let log: EventLog
  before(async () => {
    core = await openCore(await open())
  })
  after(() => core.close())
  let outages: unknown[]
  beforeEach(() => {
    db = new FlakyDatabase(core.db)
    outages = []
    log = new EventLog(db, new LocalBus(), { outage: error => outages.push(error) })
  })
  afterEach(() => log.close())

  async function openRun(): Promise<{ writer: RunWriter; run_id: string; thread_id: string; failures: Error[] }> {
    const claimed = await begin(core)
    const failures: Error[] = []
    const { run_id, thread_id } = claimed.run
    return { writer: log.open(run_id, claimed, error => failures.push(error)), run_id, thread_id, failures }
  }

  const seqsOf = async (run_id: string) => (await eventsOf(core, run_id)).map(one => one.seq)

  test('numbers the events of each run from 1 without a gap, however many write at once', async () => {
    const runs = await Promise.all(Array.from({ length: 20 }, openRun))
    await Promise.all(
      runs.map(async ({ writer }, index) => {
        for (let n = 0; n < 60; n++) {
          const committed = writer.append(event('custom', { n }))
          if (n % (index + 2) === 0) await committed
        }
        await writer.append(undefined)
      }),
    )
    for (const { run_id } of runs) {
      const events = await eventsOf(core, run_id)
      assert.deepEqual(
        events.map(one => one.seq),
        numbers(1, 61),
      )
      assert.deepEqual(
        events.slice(1).map(one => JSON.parse(one.data).n),
        numbers(0, 59),
      )
      const [head] = await core.sql`select last_seq from run_heads where run_id = ${run_id}`
      assert.equal(head?.last_seq, 61)
    }
  })

  test('what many runs append in one moment is one commit', async () => {
    const runs = await Promise.all(Array.from({ length: 20 }, openRun))
    await Promise.all(runs.map(({ writer }) => writer.append(event('custom'))))
    assert.equal(db.tried.get('appendSlices'), 1)
  })

  test('runs that go on for a while share their commits, a few milliseconds apart', async () => {
    const { writer, run_id } = await openRun()
    for (const n of numbers(1, 5)) await writer.append(event('messages', n))
    const before = db.tried.get('appendSlices') ?? 0
    const started = performance.now()
    let last: Promise<void> | undefined
    for (const n of numbers(1, 400)) {
      last = writer.append(event('messages', n))
      await new Promise(setImmediate)
    }
    await last
    const commits = (db.tried.get('appendSlices') ?? 0) - before
    assert.ok(commits <= 2 + (performance.now() - started) / 4, `${commits} commits`)
    assert.deepEqual(await seqsOf(run_id), numbers(1, 406))
  })

  test('a first token waits for nobody and takes nobody along', async () => {
    const other = await openRun()
    const storedAlone = async () => {
      const { writer } = await openRun()
      let stored = false
      await other.writer.append(event('custom')) // a group of all has just left
      const waits = other.writer.append(event('custom')).then(() => {
        stored = true
      })
      await writer.append(event('messages'))
      const alone = !stored
      await waits
      return alone
    }
    assert.ok(await sometime(storedAlone))
  })

  test('tokens that come together are one row, as long as they have one name', async () => {
    const { writer, run_id } = await openRun()
    const names = ['messages', 'messages', 'messages|a:1', 'messages|a:1', 'custom', 'custom', 'messages', 'messages']
    for (const [n, name] of names.entries()) void writer.append(event(name, n))
    await writer.append(undefined)
    const rows = await core.sql`select seq, lines from run_events where run_id = ${run_id} order by seq`
    assert.deepEqual(
      rows.map(({ seq, lines }) => [Number(seq), Number(lines)]),
      [
        [1, 1],
        [3, 2],
        [5, 2],
        [6, 1],
        [7, 1],
        [9, 2],
      ],
    )
    const events = (await eventsOf(core, run_id)).slice(1)
    assert.deepEqual(
      events.map(one => [one.seq, one.event, JSON.parse(one.data)]),
      names.map((name, n) => [n + 2, name, n]),
    )
  })

  test('an event and its rows are there when its promise says so', async () => {
    const { writer, run_id, thread_id } = await openRun()
    await writer.append(event('checkpoints'), [checkpointWrite(thread_id, 't', run_id)])
    assert.deepEqual(await rowsOf(core, 'run_id', run_id), {
      runs: 1,
      run_heads: 1,
      run_events: 2,
      checkpoint_writes: 1,
    })
  })

  test('an older attempt is refused and told so once, while the rest of its group is committed', async () => {
    const [stale, other] = [await openRun(), await openRun()]
    await expire(core, stale.thread_id)
    const [taken] = await claim(core)
    assert.equal(taken?.run.run_id, stale.run_id)
    const [refused, more, committed] = await Promise.allSettled([
      stale.writer.append(event('custom'), [checkpointWrite(stale.thread_id, 't', stale.run_id)]),
      stale.writer.append(event('custom')),
      other.writer.append(event('custom')),
    ])
    assert.equal(db.tried.get('appendSlices'), 1)
    assert.ok(refused.status === 'rejected' && refused.reason instanceof Fenced)
    assert.ok(more.status === 'rejected' && more.reason instanceof Fenced)
    assert.equal(committed.status, 'fulfilled')
    assert.deepEqual(
      stale.failures.map(error => error instanceof Fenced),
      [true],
    )
    assert.equal(other.failures.length, 0)
    assert.deepEqual(
      (await eventsOf(core, stale.run_id)).map(one => one.event),
      ['metadata', 'metadata'],
    )
    assert.equal((await rowsOf(core, 'run_id', stale.run_id)).checkpoint_writes, undefined)
    await assert.rejects(stale.writer.append(event('custom')), Fenced)
    await assert.rejects(stale.writer.takeRest(), Fenced)
  })

  test('a run that is opened again ends its earlier writer here', async () => {
    const { writer, run_id, thread_id, failures } = await openRun()
    await expire(core, thread_id)
    const [taken] = await claim(core)
    assert.ok(taken)
    const late = writer.append(event('custom'))
    const next = log.open(run_id, taken, () => {})
    await assert.rejects(late, Fenced)
    assert.equal(failures.length, 1)
    await next.append(event('custom'))
    assert.deepEqual(await seqsOf(run_id), [1, 2, 3])
  })

  test('a run whose row is gone is refused', async () => {
    const { writer, run_id, failures } = await openRun()
    await core.sql`delete from runs where run_id = ${run_id}`
    await assert.rejects(writer.append(event('custom')), Fenced)
    assert.equal(failures.length, 1)
    await core.sql`delete from run_events where run_id = ${run_id}`
  })

  test('a slice whose commit was answered by a broken connection is not written twice', async () => {
    const { writer, run_id, failures } = await openRun()
    db.faults.push('after commit')
    await writer.append(event('custom'))
    await writer.append(event('custom'))
    assert.deepEqual(await seqsOf(run_id), [1, 2, 3])
    assert.equal(failures.length, 0)
  })

  test('nor is one that has rows but no event', async () => {
    const { writer, run_id, thread_id, failures } = await openRun()
    db.faults.push('after commit')
    await writer.append(undefined, [checkpointWrite(thread_id, 't', run_id)])
    await writer.append(event('custom'), [checkpointWrite(thread_id, 'u', run_id)])
    assert.deepEqual(await seqsOf(run_id), [1, 2])
    assert.equal((await rowsOf(core, 'run_id', run_id)).checkpoint_writes, 2)
    assert.equal(failures.length, 0)
  })

  test('a group whose answer was lost is sorted out run by run', async () => {
    const [mine, taken] = [await openRun(), await openRun()]
    db.faults.push('after commit')
    const appended = [mine.writer.append(event('custom')), taken.writer.append(event('custom'))]
    await appended[0]
    await appended[1]
    await expire(core, taken.thread_id)
    await claim(core)
    const [kept, fenced] = await Promise.allSettled([
      mine.writer.append(event('custom')),
      taken.writer.append(event('custom')),
    ])
    assert.equal(kept.status, 'fulfilled')
    assert.equal(fenced.status, 'rejected')
    assert.deepEqual(await seqsOf(mine.run_id), [1, 2, 3])
    assert.deepEqual(await seqsOf(taken.run_id), [1, 2, 3])
  })

  test('an outage is waited out, in order', async () => {
    const { writer, run_id } = await openRun()
    db.faults.push('before', 'before', 'after commit')
    await Promise.all(numbers(1, 5).map(n => writer.append(event('custom', n))))
    assert.deepEqual(
      (await eventsOf(core, run_id)).slice(1).map(one => one.data),
      ['1', '2', '3', '4', '5'],
    )
    assert.equal(outages.length, 1, 'and is told of once')
  })

  test('rows that the database refuses harm only the run they belong to, which is told why', async () => {
    const [good, bad, alsoGood] = [await openRun(), await openRun(), await openRun()]
    await bad.writer.append(event('custom'), [checkpointWrite(bad.thread_id, 't', bad.run_id)])
    const outcomes = await Promise.allSettled([
      good.writer.append(event('custom')),
      bad.writer.append(event('custom'), [checkpointWrite(bad.thread_id, 't', bad.run_id)]),
      alsoGood.writer.append(event('custom')),
    ])
    assert.deepEqual(
      outcomes.map(outcome => outcome.status),
      ['fulfilled', 'rejected', 'fulfilled'],
    )
    assert.deepEqual(await seqsOf(bad.run_id), [1, 2])
    assert.equal(bad.failures.length, 1)
    assert.match(String(bad.failures[0]?.message), /unique/i)
    assert.equal(bad.writer.fenced, false)
  })

  test('a statement that can never succeed harms only its run', async () => {
    const [good, bad] = [await openRun(), await openRun()]
    const nonsense = { each: 'insert into nowhere values (?)', all: 'insert into nowhere select $1', columns: ['a'] }
    const outcomes = await Promise.allSettled([
      bad.writer.append(undefined, [{ ...nonsense, rows: [{ a: '1' }] }]),
      good.writer.append(event('custom')),
    ])
    assert.deepEqual(
      outcomes.map(outcome => outcome.status),
      ['rejected', 'fulfilled'],
    )
  })

  test('after a refusal the run can still be ended, from what was committed', async () => {
    const { writer, run_id, thread_id } = await openRun()
    await writer.append(event('custom'), [checkpointWrite(thread_id, 't', run_id)])
    await writer.append(event('custom'), [checkpointWrite(thread_id, 't', run_id)]).catch(() => {})
    const rest = await writer.takeRest()
    assert.deepEqual({ ...rest, run_id }, { run_id, attempt: 1, last_seq: 2, commits: 1, events: [], writes: [] })
  })

  test('a fast producer is held back while the database is slow, and goes on after', async () => {
    const { writer, run_id } = await openRun()
    db.faults.push('before', 'before')
    for (const n of numbers(1, 2_100)) void writer.append(event('custom', n))
    let roomy = false
    void writer.room()?.then(() => {
      roomy = true
    })
    const next = writer.append(event('custom', 'next'))
    await new Promise(setImmediate)
    assert.equal(roomy, false)
    await next
    await writer.room()
    assert.equal((await seqsOf(run_id)).length, 2_102)
  })

  test('what is left when a run ends comes after the commit that was under way', async () => {
    const { writer } = await openRun()
    db.faults.push('before')
    void writer.append(event('custom', 1), [], { prompt: true })
    await new Promise(setImmediate) // it is on its way, and will be tried again
    void writer.append(event('custom', 2))
    const rest = await writer.takeRest()
    assert.deepEqual([rest.last_seq, rest.commits, rest.events.map(one => one.data)], [2, 1, ['2']])
  })

  test('closing commits what was appended', async () => {
    const { writer, run_id } = await openRun()
    for (const n of numbers(1, 10)) void writer.append(event('custom', n))
    await log.close()
    assert.deepEqual(await seqsOf(run_id), numbers(1, 11))
  })
})

/** Whether something that takes less than a few milliseconds is ever seen; a busy machine may miss it at first. */
async function sometime(seen: () => Promise<boolean>): Promise<boolean> {
  for (let tries = 0; tries < 100; tries++) if (await seen()) return true
  return false
}

describe('groups, where the database answers at once', () => {
  let commits: number
  let bus: LocalBus
  let log: EventLog
  beforeEach(() => {
    commits = 0
    const run: Database['run'] = async () => {
      commits++
      return [] as never
    }
    bus = new LocalBus()
    log = new EventLog({ dialect: 'sqlite', run, close: async () => {} }, bus)
  })
  afterEach(() => log.close())
  const run_ids = numbers(1, 300).map(String)
  const openOne = (run_id: string) => log.open(run_id, { attempt: 1, last_seq: 0 }, assert.fail)

  test('what a run begins with waits a little for its first token', async () => {
    const writer = openOne('1')
    const begun = performance.now()
    const appended = [writer.append(event('values'))]
    while (performance.now() - begun < 3) await new Promise(setImmediate)
    appended.push(writer.append(event('messages')))
    await Promise.all(appended)
    if (performance.now() - begun < 5) assert.equal(commits, 1)
    await openOne('2').append(event('values')) // not for ever
  })

  test('where many runs write they are further apart', async () => {
    const writers = run_ids.map(openOne)
    const append = () => Promise.all(writers.map(writer => writer.append(event('custom'))))
    await append()
    const [before, started] = [commits, performance.now()]
    let last: Promise<unknown> | undefined
    while (performance.now() - started < 200) {
      last = append()
      await new Promise(setImmediate)
    }
    await last
    const most = 2 + (performance.now() - started) / 35
    assert.ok(commits - before <= most, `${commits - before} commits, ${most} at most`)
  })

  test('their readers are woken in several turns of the loop', async () => {
    const turns: number[] = []
    let turn = 0
    for (const run_id of run_ids) bus.subscribe(`run:${run_id}`, () => turns.push(turn))
    const appended = Promise.all(run_ids.map(run_id => openOne(run_id).append(event('custom'))))
    while (turns.length < run_ids.length) {
      await new Promise(setImmediate)
      turn++
    }
    await appended
    assert.equal(commits, 1)
    const together = Object.values(Object.groupBy(turns, String)).map(one => one?.length ?? 0)
    assert.ok(Math.max(...together) <= 64, `${together}`)
  })
})
