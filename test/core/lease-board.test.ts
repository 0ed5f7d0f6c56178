// The board that a process and its lease thread share: what is read is what was noted, also while it is written.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { newId } from '../../src/core/ids.ts'
import { LeaseBoard } from '../../src/core/lease-board.ts'

const byId = (runs: { run_id: string }[]) => runs.toSorted((a, b) => a.run_id.localeCompare(b.run_id))

test('another thread sees what is held, however much that is', () => {
  const board = new LeaseBoard()
  const other = new LeaseBoard(board.memory)
  assert.deepEqual(other.read(), [])
  const runs = Array.from({ length: 1_000 }, (_, index) => ({ run_id: newId(), attempt: index + 1 }))
  for (const run of runs) board.add(run)
  assert.deepEqual(byId(other.read()), byId(runs))
  const [gone, again] = runs
  assert.ok(gone && again)
  board.remove(gone.run_id)
  board.remove(gone.run_id)
  board.add({ ...again, attempt: 7_000 })
  const left = [{ ...again, attempt: 7_000 }, ...runs.slice(2)]
  assert.deepEqual(byId(other.read()), byId(left))
  const bytes = board.memory.byteLength
  const late = { run_id: newId(), attempt: 1 }
  board.add(late)
  assert.deepEqual(byId(other.read()), byId([...left, late]))
  assert.equal(board.memory.byteLength, bytes, 'a freed place is used again')
})

test('what is read while it is written is whole', async () => {
  const board = new LeaseBoard()
  const stop = new Int32Array(new SharedArrayBuffer(4))
  const thread = new Worker(new URL('./lease-board-reader.ts', import.meta.url), {
    workerData: { memory: board.memory, stop },
  })
  const ended = once(thread, 'message')
  // The id says the attempt, so that a mixture of two is noticed.
  const run = (attempt: number) => ({ run_id: String(attempt).repeat(36).slice(0, 36), attempt })
  for (let attempt = 10; attempt < 99; attempt = attempt === 98 ? 10 : attempt + 1) {
    board.add(run(attempt))
    board.remove(run(attempt).run_id)
    if (attempt === 98 && Atomics.load(stop, 0) === 1) break
  }
  const [{ seen, torn }] = await ended
  assert.deepEqual(torn, [])
  assert.ok(seen > 0, 'it has seen some')
})
