// The transitions behind changes of a thread's state from outside a run: refused while runs are in flight, and when the
// thread has moved on since the change was computed.
import sql, { empty, join } from 'sql-template-tag'
import { all, type Bulk, first, mergeBulks, type Steps, transition } from '../db/database.ts'
import { makerOf } from './access.ts'
import { RunloomError } from './errors.ts'
import {
  type CreateThread,
  existingThread,
  insertThread,
  lockThread,
  refreshThread,
  refuseInFlight,
  type Thread,
  type ThreadKey,
} from './threads.ts'

/** A computed state, as rows, and what the thread waits for with it. */
export interface NewState {
  writes: Bulk[]
  /** Its values with references (events/state.ts); undefined when they are as before. */
  state?: string
  resting_status: 'idle' | 'interrupted'
  /** JSON, by task id. */
  interrupts: string
}

export interface StateUpdate extends NewState, ThreadKey {
  /** The newest root checkpoint that the update was computed from, if there was one. */
  head: string | undefined
  /** Stored checkpoints that it refers to. */
  sources: CheckpointName[]
}

export interface CheckpointName {
  checkpoint_ns: string
  checkpoint_id: string
}

/** Where a run begins, in the spellings of its request; null stands for absent. */
export interface FromCheckpoint {
  checkpoint?: { [K in keyof CheckpointName]?: string | null }
  checkpoint_id?: string
  config?: { configurable?: Record<string, unknown> }
}

/** The checkpoint that a request names; undefined for the thread's newest. */
export function namedCheckpoint({ checkpoint, checkpoint_id, config }: FromCheckpoint): CheckpointName | undefined {
  const configured = config?.configurable as FromCheckpoint['checkpoint']
  const asked = checkpoint_id || checkpoint?.checkpoint_id || configured?.checkpoint_id
  if (!asked) return undefined
  const checkpoint_ns = checkpoint?.checkpoint_ns ?? configured?.checkpoint_ns ?? ''
  return { checkpoint_ns: String(checkpoint_ns), checkpoint_id: String(asked) } // in a configurable it may be anything
}

/** False when the thread has a newer checkpoint than `head`, or lost a source: compute the update again. */
export const commitState = transition(
  import.meta.url,
  'commitState',
  function* ({ thread_id, allowed, head, sources, ...made }: StateUpdate): Steps<boolean> {
    yield* lockThread(thread_id, allowed)
    yield* refuseInFlight(thread_id, 'updated')
    if ((yield* headOf(thread_id)) !== head) return false
    for (const source of sources) if (!(yield* isStored(thread_id, source))) return false
    yield* writeState(thread_id, made)
    return true
  },
)

/** The thread that has the id already, as `createThread` answers it; undefined when there is none. */
export const takenThread = transition(import.meta.url, 'takenThread', function* (args: CreateThread): Steps<
  Thread | undefined
> {
  const taken = yield* first(sql`select 1 as taken from threads where thread_id = ${args.thread_id}`)
  return taken ? yield* existingThread(args) : undefined
})

/** Creates a thread that has a state already: both, or nothing. */
export const createThreadWithState = transition(
  import.meta.url,
  'createThreadWithState',
  function* ({ made, ...args }: CreateThread & { made: NewState }): Steps<Thread> {
    if (!(yield* insertThread({ ...args, owner: makerOf(args.allowed) }))) return yield* existingThread(args)
    yield* writeState(args.thread_id, made)
    return (yield* first<Thread>(sql`select * from threads where thread_id = ${args.thread_id}`)) as Thread
  },
)

/** Keys that say what a checkpoint is. */
const FIXED = ['source', 'step', 'parents']

/** Merges into the metadata of the latest state, shallowly. */
export const patchStateMetadata = transition(
  import.meta.url,
  'patchStateMetadata',
  function* ({ thread_id, allowed, metadata }: ThreadKey & { metadata: string }): Steps<void> {
    yield* lockThread(thread_id, allowed)
    yield* refuseInFlight(thread_id, 'updated')
    const checkpoint_id = yield* headOf(thread_id)
    if (checkpoint_id === undefined) throw new RunloomError('not_found', `Thread ${thread_id} has no state yet`)
    const head = sql`thread_id = ${thread_id} and checkpoint_ns = '' and checkpoint_id = ${checkpoint_id}`
    const stored = yield* first<{ metadata: string }>(sql`select metadata from checkpoints where ${head}`)
    const patch = Object.entries(JSON.parse(metadata)).filter(([key]) => !FIXED.includes(key))
    const merged = JSON.stringify({ ...JSON.parse(stored?.metadata ?? '{}'), ...Object.fromEntries(patch) })
    yield sql`update checkpoints set metadata = ${merged} where ${head}`
    yield* refreshThread(thread_id)
  },
)

function* writeState(thread_id: string, { writes, state, resting_status, interrupts }: NewState): Steps<void> {
  for (const bulk of mergeBulks(writes)) yield bulk
  yield sql`
    update threads set ${state === undefined ? empty : sql`state = ${state},`} state_updated_at = now_iso(),
      resting_status = ${resting_status}, interrupts = ${interrupts}, error = null
    where thread_id = ${thread_id}`
  yield* refreshThread(thread_id)
}

/** LangGraph would begin with an empty state at a checkpoint that there is not. */
export function* refuseUnknownCheckpoint(thread_id: string, from: FromCheckpoint): Steps<void> {
  const asked = namedCheckpoint(from)
  if (!asked || (yield* isStored(thread_id, asked))) return
  throw unknownCheckpoint(thread_id, asked.checkpoint_id)
}

export function unknownCheckpoint(thread_id: string, checkpoint_id: string): RunloomError {
  return new RunloomError('not_found', `Checkpoint ${checkpoint_id} of thread ${thread_id} not found`)
}

function* isStored(thread_id: string, { checkpoint_ns, checkpoint_id }: CheckpointName): Steps<boolean> {
  const stored = yield* first(sql`
    select 1 as found from checkpoints
    where thread_id = ${thread_id} and checkpoint_ns = ${checkpoint_ns} and checkpoint_id = ${checkpoint_id}`)
  return stored !== undefined
}

/** The newest root checkpoint: the one stored last, whatever the clock said that its id begins with. */
export function* headOf(thread_id: string): Steps<string | undefined> {
  const newest = yield* first<{ checkpoint_id: string }>(sql`
    select checkpoint_id from checkpoints where thread_id = ${thread_id} and checkpoint_ns = ''
    order by position desc limit 1`)
  return newest?.checkpoint_id
}

/** The newest checkpoint of each thread that has one. */
export const newestCheckpoints = transition(
  import.meta.url,
  'newestCheckpoints',
  function* (thread_ids: readonly string[]): Steps<{ thread_id: string; checkpoint_id: string }[]> {
    if (thread_ids.length === 0) return []
    return yield* all<{ thread_id: string; checkpoint_id: string }>(sql`
    select thread_id, checkpoint_id from checkpoints where checkpoint_ns = '' and thread_id in (${join([...thread_ids])})
    and position = (
      select position from checkpoints newest
      where newest.thread_id = checkpoints.thread_id and newest.checkpoint_ns = '' order by position desc limit 1)`)
  },
)
