// The thread that renews leases, so that a busy main loop does not lose its runs: on a connection of its own, and on SQLite
// by a door of the database's thread, because a second writer may wait for the file for ever while the first one is busy.
// When the main loop has not ticked for too long it stops: a hung process must not own runs for ever.
import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { openDatabase } from '../db/database.ts'
import { type Renewal, renewLeases } from './claims.ts'
import { LeaseBoard } from './lease-board.ts'
import { type LeaseReport, type LeaseThread, monotonicMs } from './leases.ts'

const { url, door, lease_ms, board, ticks, hung_ms } = workerData as LeaseThread
const port = parentPort as NonNullable<typeof parentPort>
const held = new LeaseBoard(board)
const stopping = new AbortController()
const db = await openDatabase(url, { inline: true, door, connections: 1, timeout_ms: lease_ms / 3 })

port.on('message', () => stopping.abort()) // it is told one thing: to close

let asked_at = monotonicMs()
let ticked = { count: -1, at: asked_at }
while (!stopping.signal.aborted) {
  // Counted from the last time it asked: one answer that does not come is not to cost the lease.
  const rest_ms = Math.max(0, asked_at + lease_ms / 3 - monotonicMs())
  await sleep(rest_ms, undefined, { signal: stopping.signal }).catch(() => {})
  asked_at = monotonicMs()
  const count = Atomics.load(ticks, 0)
  if (count !== ticked.count) ticked = { count, at: asked_at }
  if (stopping.signal.aborted || asked_at - ticked.at > hung_ms) continue
  const runs = held.read()
  if (runs.length > 0) await renew(runs)
}
await db.close()
port.close()

async function renew(runs: Renewal[]) {
  try {
    const renewed = await db.run(renewLeases, { runs, lease_ms })
    port.postMessage({ asked_at, asked: runs, renewed } satisfies LeaseReport)
  } catch {
    // Unconfirmed is unconfirmed: the main thread lets go of the runs when their time is up.
  }
}
