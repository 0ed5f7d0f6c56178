// What clients ask of runs, over HTTP or inside this process: to take one in, to stop one, to delete one. Each is a transition
// and the hints that follow it.
import type { Database } from '../db/database.ts'
import type { Bus } from '../events/bus.ts'
import type { EventLog } from '../events/event-log.ts'
import type { QueueGate } from './queue.ts'
import type { RunKey } from './run-keys.ts'
import { type CancelRun, type Created, type CreateRun, cancelRun, createRun, deleteRun, type Run } from './runs.ts'
import type { Worker } from './worker.ts'

export interface RunPorts {
  db: Database
  log: EventLog
  bus: Bus
  worker: Worker
  /** Every run that somebody asks for goes through it. */
  gate: QueueGate
}

/** Creates a run; with a free slot here the same transaction starts it. */
export async function acceptRun({ db, bus, worker, gate }: RunPorts, args: CreateRun): Promise<Run> {
  const { run, claimed, repeated, superseded } = await worker.startHere<Created>(claim =>
    gate.admit(queue => db.run(createRun, { ...args, queue, ...(claim && { claim }) })),
  )
  for (const run_id of superseded) {
    bus.publish(`cancel:${run_id}`)
    bus.publish(`run:${run_id}`)
  }
  if (!claimed && !repeated) bus.publish('work')
  return run
}

/** Requests a cancel; resolves when the run has stopped if `wait`. */
export async function requestCancel(
  { db, log, bus }: Omit<RunPorts, 'worker' | 'gate'>,
  key: RunKey,
  { wait, ...request }: Omit<CancelRun, keyof RunKey> & { wait: boolean },
): Promise<void> {
  await db.run(cancelRun, { ...key, ...request })
  announceStop({ bus }, key.run_id)
  if (wait) await log.ended(key.run_id, AbortSignal.timeout(CANCEL_WAIT_MS))
}

/** Deletes a run; resolves when it is gone, also where its owner has to stop it first. */
export async function removeRun(
  { db, log, bus }: Omit<RunPorts, 'worker' | 'gate'>,
  key: RunKey & { by?: string },
  signal: AbortSignal,
): Promise<void> {
  const { pending } = await db.run(deleteRun, key)
  announceStop({ bus }, key.run_id)
  if (pending) await log.ended(key.run_id, signal)
}

/** Hints to a run's owner and readers that its row says to stop. */
export function announceStop({ bus }: Pick<RunPorts, 'bus'>, run_id: string) {
  bus.publish(`cancel:${run_id}`)
  bus.publish(`run:${run_id}`)
  bus.publish('work')
}

const CANCEL_WAIT_MS = 60_000
