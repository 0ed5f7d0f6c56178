// Reading: history and live are one call, from any cursor, on any instance, to the end of the run.
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { sweep } from '../../src/core/claims.ts'
import type { ClaimedRun } from '../../src/core/executor.ts'
import { deleteThread } from '../../src/core/threads.ts'
import { LocalBus } from '../../src/events/bus.ts'
import { EventLog } from '../../src/events/event-log.ts'
import { Closing } from '../../src/events/followers.ts'
import type { RunEvent } from '../../src/events/log.ts'
import { PostgresBus } from '../../src/events/postgres-bus.ts'
import type { RunWriter } from '../../src/events/run-writer.ts'
import { begin, type Core, claim, create, event, finish, openCore, readAll, until } from '../core/harness.ts'
import { forEachDatabase } from '../support/databases.ts'
import { CountedBus, DeafBus, FlakyDatabase, numbers, Reader } from './support.ts'

forEachDatabase('reading the log', open => {
  let core: Core
  let bus: CountedBus
  let log: EventLog
  before(async () => {
    core = await openCore(await open())
    bus = new CountedBus()
    log = new EventLog(core.db, bus)
  })
  after(async () => {
    await log.close()
    await core.close()
  })

  async function openRun(): Promise<{ claimed: ClaimedRun; run_id: string; writer: RunWriter }> {
    const claimed = await begin(core)
    return { claimed, run_id: claimed.run.run_id, writer: log.open(claimed.run.run_id, claimed, () => {}) }
  }

  async function end({ claimed, writer }: { claimed: ClaimedRun; writer: RunWriter }) {
    await finish(core, claimed, { slice: await writer.takeRest() })
    log.release(writer)
  }

  /** A run that has ended with events 1 to `count`. */
  async function endedRun(count: number, name = 'custom'): Promise<string> {
    const run = await openRun()
    for (let n = 2; n <= count; n++) void run.writer.append(event(name, n))
    await end(run)
    return run.run_id
  }

  test('a finished run is read whole, and from every cursor, in a row of many events as well', async () => {
    for (const run_id of [await endedRun(30), await endedRun(30, 'messages')]) {
      for (const after of numbers(0, 30)) {
        const events = await readAll(log, run_id, after)
        assert.deepEqual(
          events.map(one => one.seq),
          numbers(after + 1, 30),
        )
        for (const { seq, data } of events.slice(after === 0 ? 1 : 0)) assert.equal(JSON.parse(data), seq)
      }
    }
  })

  test('a long run is read in pages', async () => {
    const run_id = await endedRun(2_500)
    const sizes: number[] = []
    for await (const batch of log.read(run_id, 0, AbortSignal.timeout(60_000))) sizes.push(batch.length)
    assert.deepEqual(sizes, [...Array<number>(50).fill(50)])
  })

  test('history and live join without loss or repetition, for many readers from every cursor', async () => {
    const run = await openRun()
    const last = 200
    const readers: { after: number; reader: Reader }[] = []
    for (let seq = 2; seq <= last; seq++) {
      const committed = run.writer.append(event('custom', seq))
      if (seq % 5 === 0) await committed
      if (seq % 10 === 0)
        readers.push(...numbers(0, seq).map(after => ({ after, reader: new Reader(log, run.run_id, after) })))
    }
    await end(run)
    for (const { after, reader } of readers) {
      await reader.done
      assert.deepEqual(reader.seqs, numbers(after + 1, last))
    }
  })

  test('an event is seen only after its commit, and then at once', async () => {
    const db = new FlakyDatabase(core.db)
    const flaky = new EventLog(db, new LocalBus())
    const claimed = await begin(core)
    const writer = flaky.open(claimed.run.run_id, claimed, () => {})
    const reader = new Reader(flaky, claimed.run.run_id)
    await reader.until(1)
    db.faults.push('before', 'before')
    const committed = writer.append(event('custom'))
    let early: number[] | undefined
    void committed.then(() => {
      early = reader.seqs
    })
    await new Promise(setImmediate) // the first try has failed
    assert.deepEqual(reader.seqs, [1])
    await reader.until(2)
    assert.deepEqual(early, [1])
    flaky.release(writer)
    await reader.stop()
    await flaky.close()
  })

  test('a run that waits is followed into its execution', async () => {
    const { run } = await create(core)
    const reader = new Reader(log, run.run_id)
    const [claimed] = (await claim(core)).filter(one => one.run.run_id === run.run_id)
    assert.ok(claimed)
    const writer = log.open(run.run_id, claimed, () => {})
    bus.publish(`run:${run.run_id}`)
    await reader.until(1)
    await writer.append(event('custom'))
    await end({ claimed, writer })
    await reader.done
    assert.deepEqual(reader.seqs, [1, 2])
  })

  test('a slow reader holds one bounded batch and misses nothing', async () => {
    const run = await openRun()
    const sizes: number[] = []
    let last = 0
    const reading = (async () => {
      for await (const batch of log.read(run.run_id, 0, AbortSignal.timeout(60_000))) {
        sizes.push(batch.length)
        assert.equal(batch[0]?.seq, last + 1)
        last = batch.at(-1)?.seq as number
        await new Promise(resolve => setTimeout(resolve, 10))
      }
    })()
    for (let n = 0; n < 12_000; n++) {
      void run.writer.append(event('custom', 'x'.repeat(100)))
      await run.writer.room()
    }
    await end(run)
    await reading
    assert.equal(last, 12_001)
    assert.ok(Math.max(...sizes) <= 2_000, `batches of ${Math.max(...sizes)}`)
  })

  test('few large events are not kept in memory, and are read all the same', async () => {
    const run = await openRun()
    for (let n = 0; n < 5; n++) await run.writer.append(event('values', 'y'.repeat(600_000)))
    assert.ok((run.writer.tail(4)?.length ?? 0) <= 2)
    assert.equal(run.writer.tail(0), undefined)
    const reader = new Reader(log, run.run_id)
    await reader.until(6)
    assert.deepEqual(reader.seqs, numbers(1, 6))
    await end(run)
    await reader.done
  })

  test('a reader ends when the rows of its run are deleted', async () => {
    const run = await openRun()
    const reader = new Reader(log, run.run_id)
    await reader.until(1)
    await core.db.run(deleteThread, { thread_id: run.claimed.run.thread_id })
    await run.writer.append(event('custom')).catch(() => log.release(run.writer))
    await reader.done
    assert.deepEqual(reader.seqs, [1])
    assert.deepEqual(await readAll(log, run.run_id), [])
  })

  describe('a gap', () => {
    const gapOf = (events: RunEvent[]) => events.map(one => [one.seq, one.event, JSON.parse(one.data)])

    test('stands for events that retention removed', async () => {
      const run_id = await endedRun(10)
      await core.sql`update runs set retained_from = 1 where run_id = ${run_id}`
      await core.db.run(sweep, { retention_ms: 1_000 })
      assert.deepEqual(gapOf(await readAll(log, run_id)), [[10, 'gap', { from: 1, to: 10 }]])
      assert.deepEqual(gapOf(await readAll(log, run_id, 4)), [[10, 'gap', { from: 5, to: 10 }]])
      assert.deepEqual(await readAll(log, run_id, 10), [])
    })

    test('stands for events that are missing before others', async () => {
      const run_id = await endedRun(6)
      await core.sql`delete from run_events where run_id = ${run_id} and seq <= 3`
      assert.deepEqual(gapOf(await readAll(log, run_id, 1)).slice(0, 2), [
        [3, 'gap', { from: 2, to: 3 }],
        [4, 'custom', 4],
      ])
    })

    test('answers a cursor beyond the end, and the reader goes on from the end', async () => {
      const run = await openRun()
      const reader = new Reader(log, run.run_id, 50)
      await reader.until(1)
      await run.writer.append(event('custom'))
      await end(run)
      await reader.done
      assert.deepEqual(gapOf(reader.events), [
        [1, 'gap', { after: 50, last_seq: 1 }],
        [2, 'custom', {}],
      ])
    })
  })

  test('an aborted reader ends at once, and leaves no listener behind', async () => {
    const run = await openRun()
    const readers = numbers(1, 20).map(() => new Reader(log, run.run_id))
    await Promise.all(readers.map(reader => reader.until(1)))
    assert.equal(bus.listeners, 20)
    await Promise.all(readers.map(reader => reader.stop()))
    assert.equal(bus.listeners, 0)
    for (const reader of readers) assert.equal(getEventListeners(reader.signal, 'abort').length, 0)
    await end(run)
  })

  test('a consumer that leaves its loop, and one that never began, leave no listener behind', async () => {
    const run_id = await endedRun(3)
    const { signal } = new AbortController()
    for await (const _ of log.read(run_id, 0, signal)) break
    await log.ended(run_id, signal)
    log.read(run_id, 0, signal)
    assert.equal(bus.listeners, 0)
    assert.equal(getEventListeners(signal, 'abort').length, 0)
  })

  test('what a writer keeps for readers goes with the last of them, once the run has ended', async () => {
    for (const read of [false, true]) {
      const { claimed, run_id, writer } = await openRun()
      const iterator = log.read(run_id, 0, AbortSignal.timeout(60_000))
      await writer.append(event('custom', 'x'))
      if (read) assert.equal((await iterator.next()).done, false)
      const slice = await writer.takeRest()
      await finish(core, claimed, { slice })
      writer.conclude(slice, { status: 'success', ending: '{}' })
      assert.equal(writer.tail(1)?.length, 1)
      log.release(writer)
      assert.equal(writer.tail(1)?.length, read ? 1 : undefined)
      for await (const _ of iterator);
      assert.equal(writer.tail(1), undefined)
    }
  })

  test('an aborted signal reads nothing', async () => {
    assert.deepEqual(await readAll(log, await endedRun(3), 0, AbortSignal.abort()), [])
  })

  test('ended() resolves when the run has ended, when it is gone, and at its signal', async () => {
    const [ending, erased, going] = [await openRun(), await openRun(), await openRun()]
    const stop = new AbortController()
    const waits = [ending, erased].map(run => log.ended(run.run_id, AbortSignal.timeout(60_000)))
    const stopped = log.ended(going.run_id, stop.signal)
    await end(ending)
    await waits[0]
    await core.sql`delete from runs where run_id = ${erased.run_id}`
    log.release(erased.writer)
    await waits[1]
    stop.abort()
    await stopped
    assert.equal(bus.listeners, 0)
    await end(going)
  })

  test('closing the log stops its readers at once, which must not take it for the end of the run', async () => {
    const other = new EventLog(core.db, new LocalBus())
    const run = await openRun()
    const reader = new Reader(other, run.run_id)
    const ended = other.ended(run.run_id, AbortSignal.timeout(60_000))
    await reader.until(1)
    const stopped = Promise.allSettled([reader.done, ended])
    await other.close()
    for (const outcome of await stopped) assert.ok(outcome.status === 'rejected' && outcome.reason instanceof Closing)
    await assert.rejects(readAll(other, run.run_id), Closing)
    await end(run)
  })

  test('an outage is waited out by those who read and those who wait', async () => {
    const db = new FlakyDatabase(core.db)
    const flaky = new EventLog(db, new LocalBus())
    const run = await openRun()
    await run.writer.append(event('custom'))
    db.faults.push('before', 'before')
    const reader = new Reader(flaky, run.run_id)
    await reader.until(2)
    db.faults.push('before', 'before')
    const ended = flaky.ended(run.run_id, AbortSignal.timeout(60_000))
    await end(run)
    await Promise.all([reader.done, ended])
    assert.deepEqual(reader.seqs, [1, 2])
    assert.ok(db.faults.length === 0)

    db.faults.push(...Array(1_000).fill('before'))
    const leaving = new Reader(flaky, run.run_id)
    await until(() => db.faults.length < 1_000, 'it has asked')
    await leaving.stop()
    const closing = new Reader(flaky, run.run_id)
    const closed = assert.rejects(closing.done, Closing)
    await flaky.close()
    await closed
  })

  test('where every hint is lost, the poll delivers', async () => {
    const other = await core.again()
    const deaf = new EventLog(other.db, new DeafBus())
    const run = await openRun()
    const reader = new Reader(deaf, run.run_id)
    const ended = deaf.ended(run.run_id, AbortSignal.timeout(60_000))
    await reader.until(1)
    await run.writer.append(event('custom'))
    await reader.until(2)
    await run.writer.append(event('custom'))
    await reader.until(3)
    await end(run)
    await Promise.all([reader.done, ended])
    assert.deepEqual(reader.seqs, numbers(1, 3))
    await deaf.close()
    await other.close()
  })

  test('a log on another instance delivers all of it, with hints from Postgres where there is one', async () => {
    const other = await core.again()
    const [here, there] = core.db.dialect === 'postgres' ? [core.url, core.url].map(url => new PostgresBus(url)) : []
    const [writing, reading] = [
      new EventLog(core.db, here ?? new LocalBus()),
      new EventLog(other.db, there ?? new DeafBus()),
    ]
    const claimed = await begin(core)
    const writer = writing.open(claimed.run.run_id, claimed, () => {})
    for (let n = 2; n < 10; n++) void writer.append(event('custom', n))
    await writer.append(event('custom', 10)) // a cursor beyond the log would be told of a gap
    const readers = numbers(0, 9).map(after => new Reader(reading, claimed.run.run_id, after))
    for (let n = 11; n <= 100; n++) {
      const committed = writer.append(event('custom', n))
      if (n % 9 === 0) await committed
    }
    await finish(core, claimed, { slice: await writer.takeRest() })
    writing.release(writer)
    await Promise.all(readers.map(reader => reader.done))
    for (const [after, reader] of readers.entries()) assert.deepEqual(reader.seqs, numbers(after + 1, 100))
    for (const one of [writing, reading, here, there, other]) await one?.close()
  })

  test('a poll of followed runs is one query, however many are followed', async () => {
    const db = new FlakyDatabase(core.db)
    const deaf = new EventLog(db, new DeafBus())
    const runs = await Promise.all(numbers(1, 30).map(() => create(core)))
    const readers = runs.map(({ run }) => new Reader(deaf, run.run_id))
    await until(() => (db.tried.get('readHeads') ?? 0) >= 5, 'five polls')
    assert.ok((db.tried.get('readPage') ?? 0) <= 60, `${db.tried.get('readPage')} pages for runs that do not move`)
    await Promise.all(readers.map(reader => reader.stop()))
    await deaf.close()
  })
})
