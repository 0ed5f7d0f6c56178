// Threads own runs and checkpoints; one run of a thread executes at a time. Their table, and the rules that every
// transition on a thread shares: lock the thread first, refresh its status and due time last.
import sql, { empty, type Sql } from 'sql-template-tag'
import { all, first, type Steps, transition } from '../db/database.ts'
import { andAllowed, type Filter, type Guarded, makerOf } from './access.ts'
import { RunloomError } from './errors.ts'
import { runsInFlight } from './run-keys.ts'

export interface Thread {
  thread_id: string
  /** The owner of the API key that made it; '' for nobody's. */
  owner: string
  created_at: string
  updated_at: string
  state_updated_at: string | null
  metadata: string
  config: string
  /** `idle | busy | interrupted | error`. */
  status: string
  resting_status: string
  interrupts: string
  error: string | null
  /** The latest values with references (events/state.ts); null before the first. */
  state: string | null
  due_at: number | null
  /** When its last run ended, by the database's clock; 0 before the first. */
  turn_at: number
  last_position: number
  last_thread_seq: number
  /** The highest number that a message had which was rolled back; null before the first such. */
  last_message_seq: number | null
  /** 1: made for one stateless run; searches leave it out, and it is swept after the replay retention. */
  hidden: number
  ttl_minutes: number | null
  /** What becomes of the thread when it expires: `delete`, or `keep_latest` of its checkpoints. */
  ttl_strategy: TtlStrategy | null
  /** When that is, by the database's clock: `ttl_minutes` after the thread was last used. */
  expires_at: number | null
}

export type TtlStrategy = 'delete' | 'keep_latest'

/** A thread's time to live since its last use. */
export interface Ttl {
  ttl_minutes: number
  ttl_strategy: TtlStrategy
}

export interface NewThread {
  thread_id: string
  owner: string
  metadata: string
  hidden: 0 | 1
  ttl?: Ttl
}

/** `allowed` says which thread of that id may be shown, and whose a new one is. */
export interface CreateThread extends Omit<NewThread, 'owner'>, Guarded {
  if_exists: 'raise' | 'do_nothing'
}

export const createThread = transition(import.meta.url, 'createThread', function* (args: CreateThread): Steps<Thread> {
  return (yield* insertThread({ ...args, owner: makerOf(args.allowed) })) ?? (yield* existingThread(args))
})

/** The thread whose id was taken; a conflict unless the caller is content with it, and it is theirs. */
export function* existingThread({ thread_id, if_exists, allowed }: CreateThread): Steps<Thread> {
  const found = yield* selectThread({ thread_id, allowed })
  if (found && if_exists === 'do_nothing') return found
  const remedy = found ? 'pass if_exists: "do_nothing" to get it' : 'choose another id'
  throw new RunloomError('conflict', `Thread ${thread_id} exists already; ${remedy}`)
}

export interface ThreadKey extends Guarded {
  thread_id: string
}

export const getThread = transition(import.meta.url, 'getThread', function* (key: ThreadKey): Steps<Thread> {
  return theThread(yield* selectThread(key), key.thread_id)
})

export function* selectThread({ thread_id, allowed }: ThreadKey): Steps<Thread | undefined> {
  return yield* first<Thread>(sql`select * from threads where thread_id = ${thread_id} ${andAllowed(allowed)}`)
}

export interface ThreadPatch extends ThreadKey {
  metadata: string
  ttl?: Ttl
}

/** Merges metadata, shallowly, and sets the time to live. Both count as a use. */
export const patchThread = transition(
  import.meta.url,
  'patchThread',
  function* ({ thread_id, metadata, ttl, allowed }: ThreadPatch): Steps<Thread> {
    const thread = yield* lockThread(thread_id, allowed)
    const merged = JSON.stringify({ ...JSON.parse(thread.metadata), ...JSON.parse(metadata) })
    const { ttl_minutes, ttl_strategy } = ttl ?? thread
    return (yield* first<Thread>(sql`
      update threads set metadata = ${merged}, updated_at = now_iso(), ttl_minutes = ${ttl_minutes},
        ttl_strategy = ${ttl_strategy}, expires_at = now_ms() + ${lifetime(ttl_minutes)}
      where thread_id = ${thread_id} returning *`)) as Thread
  },
)

/** Removes a thread and all that is in it. Runs in flight lose their row, and with it the right to write. */
export const deleteThread = transition(import.meta.url, 'deleteThread', function* (key: ThreadKey): Steps<string[]> {
  yield* lockThread(key.thread_id, key.allowed)
  return yield* eraseThread(key.thread_id)
})

/** The same where no run is in flight: else a conflict. */
export const deleteIdleThread = transition(
  import.meta.url,
  'deleteIdleThread',
  function* ({ thread_id, allowed }: ThreadKey): Steps<string[]> {
    yield* lockThread(thread_id, allowed)
    yield* refuseInFlight(thread_id, 'deleted')
    return yield* eraseThread(thread_id)
  },
)

/** What is said and stored on a thread: rows that go where the thread goes. */
const STATE_TABLES = [
  sql`checkpoints`,
  sql`checkpoint_writes`,
  sql`lists`,
  sql`list_items`,
  sql`blobs`,
  sql`messages`,
  sql`model_calls`,
]

/** Reads a thread and holds it until the end of the transaction. */
export function* lockThread(thread_id: string, allowed?: Filter): Steps<Thread> {
  return theThread(yield* first<Thread>(lockedThread({ thread_id, allowed })), thread_id)
}

export function lockedThread({ thread_id, allowed }: ThreadKey): Sql {
  return sql`select * from threads where thread_id = ${thread_id} ${andAllowed(allowed)} for update`
}

/** Throws where there is none. */
export function theThread(found: Thread | undefined, thread_id: string): Thread {
  if (!found) throw new RunloomError('not_found', `Thread ${thread_id} not found`)
  return found
}

/** Inserts a thread; undefined when the id is taken. */
export function* insertThread(thread: NewThread): Steps<Thread | undefined> {
  return yield* first<Thread>(insertedThread(thread))
}

export function insertedThread({ thread_id, owner, metadata, hidden, ttl }: NewThread): Sql {
  const { ttl_minutes, ttl_strategy } = ttl ?? { ttl_minutes: null, ttl_strategy: null }
  return sql`
    insert into threads (thread_id, owner, created_at, updated_at, metadata, config, status, resting_status, interrupts,
      last_position, last_thread_seq, hidden, ttl_minutes, ttl_strategy, expires_at)
    values (${thread_id}, ${owner}, now_iso(), now_iso(), ${metadata}, '{}', 'idle', 'idle', '{}', 0, 0, ${hidden},
      ${ttl_minutes}, ${ttl_strategy}, now_ms() + ${lifetime(ttl_minutes)})
    on conflict (thread_id) do nothing returning *`
}

/** In milliseconds; null for ever. */
function lifetime(ttl_minutes: number | null) {
  return sql`cast(${ttl_minutes === null ? null : Math.round(ttl_minutes * 60_000)} as bigint)`
}

/**
 * Sets what follows from the thread's runs: its status, and when it next needs a worker. A temporary thread that has no
 * run any more goes. True while runs are in flight.
 */
export function* refreshThread(thread_id: string): Steps<boolean> {
  const thread = yield* first<{ busy: number; abandoned: number }>(sql`
    ${refreshed(thread_id)} returning case when status = 'busy' then 1 else 0 end as busy, case when hidden = 1 and not
      exists (select 1 from runs where runs.thread_id = threads.thread_id) then 1 else 0 end as abandoned`)
  if (thread?.abandoned === 1) yield* eraseThread(thread_id)
  return thread?.busy === 1
}

/**
 * The update behind it, for a thread that has a run in flight. `changes`: of other columns, a comma after each. A `turn_at`
 * that is still to come was written before the clock went back, and does not count.
 */
export function refreshed(thread_id: string, changes = empty): Sql {
  const running = sql`exists (select 1 from runs where thread_id = ${thread_id} and status = 'running')`
  const pending = sql`exists (select 1 from runs where thread_id = ${thread_id} and status = 'pending')`
  return used(
    thread_id,
    sql`${changes} status = case when ${running} or ${pending} then 'busy' else resting_status end,
      due_at = case when ${running} then due_at
        else (select case when turn_at between not_before and now_ms() then turn_at else not_before end from runs
          where runs.thread_id = ${thread_id} and runs.status = 'pending' order by not_before limit 1) end`,
  )
}

/** The same for a thread whose run starts now, under a lease. */
export function leased(thread_id: string, lease_ms: number, changes = empty): Sql {
  return used(thread_id, sql`${changes} status = 'busy', due_at = now_ms() + ${lease_ms}`)
}

/** Changes a thread that is used, which keeps it from expiring. */
export function used(thread_id: string, changes: Sql): Sql {
  return sql`
    update threads set updated_at = now_iso(), expires_at = now_ms() + cast(ttl_minutes * 60000 as bigint), ${changes}
    where thread_id = ${thread_id}`
}

/** Deletes everything of a thread; returns the ids of the runs that went with it. */
export function* eraseThread(thread_id: string): Steps<string[]> {
  const runs = sql`select run_id from runs where thread_id = ${thread_id}`
  // Held first: whoever writes one of them now has finished, or will find it gone.
  const heads = yield* all<{ run_id: string }>(
    sql`select run_id from run_heads where run_id in (${runs}) order by run_id for update`,
  )
  yield sql`delete from run_events where run_id in (${runs})`
  for (const table of STATE_TABLES) yield sql`delete from ${table} where thread_id = ${thread_id}`
  yield sql`delete from threads where thread_id = ${thread_id}`
  return heads.map(head => head.run_id)
}

/** A conflict while a run of the thread is in flight, which it names. The thread is locked. */
export function* refuseInFlight(thread_id: string, what: 'updated' | 'deleted'): Steps<void> {
  const run = yield* first<{ run_id: string; status: string }>(sql`
    select run_id, status from ${runsInFlight} where thread_id = ${thread_id} limit 1`)
  if (!run) return
  throw new RunloomError(
    'conflict',
    `Thread ${thread_id} cannot be ${what} while run ${run.run_id} is ${run.status}; wait for it or cancel it`,
    { details: { run_id: run.run_id, status: run.status } },
  )
}
