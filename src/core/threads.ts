// Threads own runs and checkpoints; one run of a thread executes at a time. Their table, and the rules that every
// transition on a thread shares: lock the thread first, refresh its status and due time last.
import sql, { empty } from 'sql-template-tag'
import { all, first, type Steps, transition } from '../db/database.ts'
import { RunloomError } from './errors.ts'

export interface Thread {
  thread_id: string
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
  /** A template (events/state.ts) of the latest values; null before the first. */
  state: string | null
  due_at: number | null
  last_position: number
  last_thread_seq: number
  /** 1: made for one stateless run; searches leave it out, and it is swept after the replay retention. */
  hidden: number
}

export interface NewThread {
  thread_id: string
  metadata: string
  hidden: 0 | 1
}

export const createThread = transition(
  import.meta.url,
  'createThread',
  function* (args: NewThread & { if_exists: 'raise' | 'do_nothing' }): Steps<Thread> {
    const created = yield* insertThread(args)
    if (created) return created
    if (args.if_exists === 'raise') {
      throw new RunloomError(
        'conflict',
        `Thread ${args.thread_id} exists already; pass if_exists: "do_nothing" to get it`,
      )
    }
    return (yield* first<Thread>(sql`select * from threads where thread_id = ${args.thread_id}`)) as Thread
  },
)

export const getThread = transition(import.meta.url, 'getThread', function* (thread_id: string): Steps<Thread> {
  return (yield* first<Thread>(sql`select * from threads where thread_id = ${thread_id}`)) ?? missing(thread_id)
})

export interface ThreadSearch {
  /** JSON that the metadata contains. */
  metadata?: string
  status?: string
  limit: number
  offset: number
}

/** Newest first; hidden threads are left out. */
export const searchThreads = transition(
  import.meta.url,
  'searchThreads',
  function* ({ metadata, status, limit, offset }: ThreadSearch): Steps<Thread[]> {
    return yield* all<Thread>(sql`
      select * from threads where hidden = 0
      ${metadata === undefined ? empty : sql`and json_contains(metadata, ${metadata}) = 1`}
      ${status === undefined ? empty : sql`and status = ${status}`}
      order by created_at desc, thread_id desc limit ${limit} offset ${offset}`)
  },
)

/** Merges metadata, shallowly. */
export const patchThread = transition(
  import.meta.url,
  'patchThread',
  function* ({ thread_id, metadata }: { thread_id: string; metadata: string }): Steps<Thread> {
    const thread = yield* lockThread(thread_id)
    const merged = JSON.stringify({ ...JSON.parse(thread.metadata), ...JSON.parse(metadata) })
    return (yield* first<Thread>(
      sql`update threads set metadata = ${merged}, updated_at = now_iso() where thread_id = ${thread_id} returning *`,
    )) as Thread
  },
)

/** Removes a thread and all that is in it. Runs in flight lose their row, and with it the right to write. */
export const deleteThread = transition(import.meta.url, 'deleteThread', function* (thread_id: string): Steps<string[]> {
  yield* lockThread(thread_id)
  return yield* eraseThread(thread_id)
})

/** Tables whose rows carry a thread_id and go where the thread goes. */
const THREAD_TABLES = ['checkpoints', 'checkpoint_writes', 'lists', 'list_items', 'blobs'] as const

/** Copies a thread with its whole state, not its runs. */
export const copyThread = transition(
  import.meta.url,
  'copyThread',
  function* ({ thread_id, copy_id }: { thread_id: string; copy_id: string }): Steps<Thread> {
    const thread = yield* lockThread(thread_id)
    yield* insertThread({ thread_id: copy_id, metadata: thread.metadata, hidden: 0 })
    for (const table of THREAD_TABLES) yield copyRows(table, thread_id, copy_id)
    return (yield* first<Thread>(sql`
      update threads set config = ${thread.config}, status = ${thread.resting_status},
        resting_status = ${thread.resting_status}, interrupts = ${thread.interrupts}, error = ${thread.error},
        state = ${thread.state}, state_updated_at = ${thread.state_updated_at}
      where thread_id = ${copy_id} returning *`)) as Thread
  },
)

const COPIES = {
  checkpoints: [sql`checkpoint_ns, checkpoint_id, parent_id, run_id, checkpoint, channels, metadata`, sql`checkpoints`],
  checkpoint_writes: [sql`checkpoint_ns, checkpoint_id, task_id, idx, run_id, channel, exact`, sql`checkpoint_writes`],
  lists: [sql`list_id, run_id, parent_id, parent_length, closed`, sql`lists`],
  list_items: [sql`list_id, idx, run_id, data, exact`, sql`list_items`],
  blobs: [sql`hash, run_id, data, exact`, sql`blobs`],
} as const

function copyRows(name: keyof typeof COPIES, thread_id: string, copy_id: string) {
  const [columns, table] = COPIES[name]
  return sql`insert into ${table} (thread_id, ${columns})
    select cast(${copy_id} as text), ${columns} from ${table} where thread_id = ${thread_id}`
}

/** Reads a thread and holds it until the end of the transaction. */
export function* lockThread(thread_id: string): Steps<Thread> {
  return (
    (yield* first<Thread>(sql`select * from threads where thread_id = ${thread_id} for update`)) ?? missing(thread_id)
  )
}

/** Inserts a thread; undefined when the id is taken. */
export function* insertThread({ thread_id, metadata, hidden }: NewThread): Steps<Thread | undefined> {
  return yield* first<Thread>(sql`
    insert into threads (thread_id, created_at, updated_at, metadata, config, status, resting_status, interrupts,
      last_position, last_thread_seq, hidden)
    values (${thread_id}, now_iso(), now_iso(), ${metadata}, '{}', 'idle', 'idle', '{}', 0, 0, ${hidden})
    on conflict (thread_id) do nothing returning *`)
}

/**
 * Sets what follows from the thread's runs: its status, and when it next needs a worker. A temporary thread that has no
 * run any more goes.
 */
export function* refreshThread(thread_id: string): Steps<void> {
  const running = sql`exists (select 1 from runs where thread_id = ${thread_id} and status = 'running')`
  const pending = sql`exists (select 1 from runs where thread_id = ${thread_id} and status = 'pending')`
  const thread = yield* first<Pick<Thread, 'hidden' | 'status'>>(sql`
    update threads set updated_at = now_iso(),
      status = case when ${running} or ${pending} then 'busy' else resting_status end,
      due_at = case when ${running} then due_at
        else (select min(not_before) from runs where thread_id = ${thread_id} and status = 'pending') end
    where thread_id = ${thread_id} returning hidden, status`)
  if (thread?.hidden !== 1 || thread.status === 'busy') return
  const run = yield* first(sql`select 1 as found from runs where thread_id = ${thread_id} limit 1`)
  if (!run) yield* eraseThread(thread_id)
}

/** Deletes everything of a thread; returns the ids of the runs that went with it. */
export function* eraseThread(thread_id: string): Steps<string[]> {
  const runs = sql`select run_id from runs where thread_id = ${thread_id}`
  // Held first: whoever writes one of them now has finished, or will find it gone.
  const heads = yield* all<{ run_id: string }>(
    sql`select run_id from run_heads where run_id in (${runs}) order by run_id for update`,
  )
  yield sql`delete from run_events where run_id in (${runs})`
  for (const table of THREAD_TABLES) yield sql`delete from ${COPIES[table][1]} where thread_id = ${thread_id}`
  yield sql`delete from threads where thread_id = ${thread_id}`
  return heads.map(head => head.run_id)
}

function missing(thread_id: string): never {
  throw new RunloomError('not_found', `Thread ${thread_id} not found`)
}
