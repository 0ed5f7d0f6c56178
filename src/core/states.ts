// The transition behind a state update from outside a run: refused while runs are in flight, and when the thread has
// moved on since the update was computed.
import sql from 'sql-template-tag'
import { type Bulk, first, mergeBulks, type Steps, transition } from '../db/database.ts'
import { RunloomError } from './errors.ts'
import { lockThread, refreshThread } from './threads.ts'

export interface StateUpdate {
  thread_id: string
  /** The newest root checkpoint that the update was computed from, if there was one. */
  head: string | undefined
  writes: Bulk[]
  /** A template (events/state.ts) of the values after it. */
  state: string
}

/** False when the thread has a newer checkpoint than `head`: compute the update again. */
export const commitState = transition(
  import.meta.url,
  'commitState',
  function* ({ thread_id, head, writes, state }: StateUpdate): Steps<boolean> {
    yield* lockThread(thread_id)
    yield* refuseInFlight(thread_id)
    const newest = yield* first<{ checkpoint_id: string | null }>(sql`
      select max(checkpoint_id) as checkpoint_id from checkpoints where thread_id = ${thread_id} and checkpoint_ns = ''`)
    if ((newest?.checkpoint_id ?? undefined) !== head) return false
    for (const bulk of mergeBulks(writes)) yield bulk
    yield sql`update threads set state = ${state}, state_updated_at = now_iso() where thread_id = ${thread_id}`
    return true
  },
)

export interface Standing {
  thread_id: string
  resting_status: 'idle' | 'interrupted'
  interrupts: Record<string, unknown>
}

/** Sets what the thread waits for, as its newest state says, unless a run has started meanwhile. */
export const setStanding = transition(
  import.meta.url,
  'setStanding',
  function* ({ thread_id, resting_status, interrupts }: Standing): Steps<void> {
    const thread = yield* lockThread(thread_id)
    if (thread.status === 'busy') return
    yield sql`
      update threads set resting_status = ${resting_status}, interrupts = ${JSON.stringify(interrupts)}, error = null
      where thread_id = ${thread_id}`
    yield* refreshThread(thread_id)
  },
)

function* refuseInFlight(thread_id: string): Steps<void> {
  const run = yield* first<{ run_id: string; status: string }>(sql`
    select run_id, status from runs where thread_id = ${thread_id} and status in ('pending', 'running') limit 1`)
  if (!run) return
  throw new RunloomError(
    'conflict',
    `Thread ${thread_id} cannot be updated while run ${run.run_id} is ${run.status}; wait for it or cancel it`,
    { details: { run_id: run.run_id, status: run.status } },
  )
}
