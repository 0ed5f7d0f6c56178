// Copying a thread: its whole state in one transaction, without reading any of it (contracts: langgraph §3).
import sql, { type Sql } from 'sql-template-tag'
import { all, first, type Steps, transition } from '../db/database.ts'
import { jsonText } from './json.ts'
import { insertThread, lockThread, type Thread, type ThreadKey } from './threads.ts'

export interface CopyThread extends ThreadKey {
  copy_id: string
  /** What the copy's metadata has beyond the thread's. */
  metadata?: Record<string, unknown>
}

/**
 * Copies a thread with its state, not its runs. The copy is the same owner's, and rests: of a run that executes it has what that run has stored so
 * far, and nodes left to run.
 */
export const copyThread = transition(
  import.meta.url,
  'copyThread',
  function* ({ thread_id, copy_id, metadata: own = {}, allowed }: CopyThread): Steps<Thread> {
    const thread = yield* lockThread(thread_id, allowed)
    const { state, resting_status, state_updated_at } = yield* stateNow(thread)
    const metadata = jsonText({ ...JSON.parse(thread.metadata), ...own, thread_id: copy_id })
    const { owner, ttl_minutes, ttl_strategy } = thread
    const ttl = ttl_minutes === null || ttl_strategy === null ? {} : { ttl: { ttl_minutes, ttl_strategy } }
    yield* insertThread({ thread_id: copy_id, owner, metadata, hidden: 0, ...ttl })
    for (const [table, columns, values] of COPIES) {
      yield sql`
        insert into ${table} (thread_id, ${columns})
        select cast(${copy_id} as text), ${values?.(thread_id, copy_id) ?? columns} from ${table}
        where thread_id = ${thread_id}`
    }
    return (yield* first<Thread>(sql`
      update threads set config = ${thread.config}, status = ${resting_status}, resting_status = ${resting_status},
        interrupts = ${thread.interrupts}, error = ${thread.error}, state = ${state},
        state_updated_at = ${state_updated_at}
      where thread_id = ${copy_id} returning *`)) as Thread
  },
)

/** What the thread has come to, a run that executes included. Its head is held, so that all of the state is of one moment. */
function* stateNow(thread: Thread): Steps<Pick<Thread, 'state' | 'resting_status' | 'state_updated_at'>> {
  const [head] = yield* all<{ run_id: string }>(sql`
    select run_id from run_heads
    where run_id in (select run_id from runs where thread_id = ${thread.thread_id} and status = 'running') for update`)
  const values =
    head &&
    (yield* first<{ data: string; now: string }>(sql`
      select data, now_iso() as now from run_events where run_id = ${head.run_id} and event = 'values'
      order by seq desc limit 1`))
  if (!values) return thread
  return { state: values.data, resting_status: 'interrupted', state_updated_at: values.now }
}

/** The metadata of checkpoints says whose they are. */
const CHECKPOINT_COLUMNS = sql`checkpoint_ns, checkpoint_id, parent_id, run_id, checkpoint, channels`

const COPIES: [table: Sql, columns: Sql, values?: (thread_id: string, copy_id: string) => Sql][] = [
  [
    sql`checkpoints`,
    sql`${CHECKPOINT_COLUMNS}, metadata`,
    (thread_id, copy_id) => sql`${CHECKPOINT_COLUMNS}, replace(metadata, ${named(thread_id)}, ${named(copy_id)})`,
  ],
  [sql`checkpoint_writes`, sql`checkpoint_ns, checkpoint_id, task_id, idx, run_id, channel, exact`],
  [sql`lists`, sql`list_id, run_id, parent_id, parent_length, closed`],
  [sql`list_items`, sql`list_id, idx, run_id, data, exact`],
  [sql`blobs`, sql`hash, run_id, data, exact`],
  [sql`messages`, sql`seq, run_id, message_id, event_type, content, caller, created_at`],
]

function named(thread_id: string): string {
  return `"thread_id":${JSON.stringify(thread_id)}`
}
