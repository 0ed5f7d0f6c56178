// Reads a board as fast as it can, and tells how many runs it saw and which of them never were.
import { parentPort, workerData } from 'node:worker_threads'
import { LeaseBoard } from '../../src/core/lease-board.ts'

const { memory, stop } = workerData as { memory: SharedArrayBuffer; stop: Int32Array }
const board = new LeaseBoard(memory)
const torn = []
let seen = 0
for (let round = 0; round < 120_000; round++) {
  for (const run of board.read()) {
    seen++
    if (String(run.attempt).repeat(36).slice(0, 36) !== run.run_id) torn.push(run)
  }
}
Atomics.store(stop, 0, 1)
parentPort?.postMessage({ seen, torn: torn.slice(0, 3) })
