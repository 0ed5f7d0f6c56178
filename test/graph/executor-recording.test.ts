// What happens in one turn of the event loop enters the log at once, so that it is stored together or not at all.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { newId } from '../../src/core/ids.ts'
import { RunWriter } from '../../src/events/run-writer.ts'
import { Recording } from '../../src/graph/recording.ts'
import { StateWriter } from '../../src/graph/state-writer.ts'
import { LIMITS } from './harness.ts'

const rows = (table: string) => [{ each: `insert into ${table}`, all: '', columns: ['id'], rows: [{ id: 1 }] }]
const update = (node: string) => ({ namespace: [], mode: 'updates', payload: { [node]: {} } })

function open(durability: 'async' | 'sync' | 'exit') {
  const ids = { thread_id: newId(), run_id: newId() }
  const writer = new RunWriter(
    ids.run_id,
    { attempt: 1, last_seq: 0 },
    () => {},
    () => {},
  )
  return { writer, recording: new Recording(writer, new StateWriter(ids), durability, LIMITS) }
}

describe('a recording', () => {
  test('appends at the end of a turn, in order', async () => {
    const { writer, recording } = open('async')
    await recording.write(rows('checkpoint_writes'))
    for (let microtasks = 0; microtasks < 50; microtasks++) await null
    recording.add(update('a'))
    recording.add(update('b'))
    assert.equal(writer.take(), undefined)
    await turn()
    const slice = writer.take()
    assert.deepEqual(
      slice?.events.map(event => event.data),
      ['{"a":{}}', '{"b":{}}'],
    )
    assert.equal(slice?.writes.length, 1)
  })

  test('lets a step wait for its commit where that was asked for', async () => {
    const { writer, recording } = open('sync')
    let committed = false
    const written = recording.write(rows('checkpoints')).then(() => {
      committed = true
    })
    await turn()
    const slice = writer.take()
    assert.ok(slice && !committed)
    writer.settle(slice)
    await written
  })

  test('stores checkpoints in one piece at the end where that was asked for, and values before', async () => {
    const { writer, recording } = open('exit')
    await recording.write([...rows('checkpoints'), ...rows('blobs')])
    await recording.write(rows('checkpoint_writes'))
    await turn()
    const slice = writer.take()
    assert.deepEqual(
      slice?.writes.map(bulk => bulk.each),
      ['insert into blobs'],
    )
    if (slice) writer.settle(slice)
    recording.close({ drop: false })
    const rest = writer.take()
    assert.deepEqual(
      rest?.writes.map(bulk => bulk.each),
      ['insert into checkpoints', 'insert into checkpoint_writes'],
    )
  })

  test('leaves out the unfinished turn of an attempt that was stopped, and takes nothing after it', async () => {
    const { writer, recording } = open('async')
    recording.add(update('a'))
    recording.close({ drop: true })
    recording.add(update('b'))
    await recording.write(rows('checkpoints'))
    await turn()
    assert.equal(writer.take(), undefined)
  })

  test('never rejects when the log refuses', async () => {
    const { writer, recording } = open('sync')
    const written = recording.write(rows('checkpoints'))
    writer.fail(new Error('fenced'))
    await written
    await assert.rejects(recording.flush(), /fenced/)
    recording.close({ drop: true })
  })
})
