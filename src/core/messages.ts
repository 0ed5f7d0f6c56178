// Messages: what was said on a thread, in order, each once (contracts: gateway §1.7). A run writes them in the transaction
// that stores the checkpoint they are in. They stay when the run's events and checkpoints go, until their thread goes; a
// rollback takes those of its run back.
//
// A message is known by its id. What a thread has already, with the same content, is not written again; what the run that
// wrote it changes is replaced in its place; what a later run changes is written once more, as that run's, and so is what
// is asked again by a run that makes another one anew.
import sql, { empty, join, type Sql } from 'sql-template-tag'
import { all, type Bulk, first, numberedRows, type Row, type Steps, transition } from '../db/database.ts'
import { type Feedback, feedbackOf } from './feedback.ts'
import { findRun, type RunKey } from './run-keys.ts'
import { getThread, type ThreadKey } from './threads.ts'

/** What a message is, by its type. Others (system prompts, for one) are not part of what was said. */
const EVENT_TYPES: Readonly<Record<string, string>> = {
  human: 'llm.human.input',
  ai: 'llm.ai.response',
  tool: 'llm.tool.result',
  function: 'llm.tool.result',
}
const AI = 'llm.ai.response'

export interface Message {
  thread_id: string
  run_id: string
  /** Increasing over the thread; never used again, even after a rollback. */
  seq: number
  event_type: string
  /** The message as JSON. */
  content: string
  /** Whose model call made it: `lead_agent`, or a tag like `middleware:title`; null where no model did. */
  caller: string | null
  created_at: string
}

export interface NewMessage extends Row {
  thread_id: string
  run_id: string
  message_id: string
  event_type: string
  content: string
  caller: string | null
  /** The run that this one makes anew: what that one said does not count as said. */
  replaced_run_id: string | null
}

/** Undefined for a type of message that is not recorded. */
export function eventTypeOf(type: unknown): string | undefined {
  return typeof type === 'string' && Object.hasOwn(EVENT_TYPES, type) ? EVENT_TYPES[type] : undefined
}

const COLUMNS = ['thread_id', 'run_id', 'message_id', 'event_type', 'content', 'caller'] as const
const GIVEN = [...COLUMNS, 'replaced_run_id'] as const
const NEXT_SEQ = `coalesce((select max(top) from (
  select * from (
    select seq as top from messages where messages.thread_id = said.thread_id order by seq desc limit 1) newest
  union all select last_message_seq from threads where threads.thread_id = said.thread_id) known), 0)`
// The sign keeps SQLite from looking through the whole thread in the order of seq.
const IS_NEWS = `said.content is distinct from (
  select case when messages.run_id = said.replaced_run_id then null else content end from messages
  where messages.thread_id = said.thread_id and messages.message_id = said.message_id
  order by +seq desc limit 1)`

const TARGET = `insert into messages (${COLUMNS.join(', ')}, seq, created_at)
  select ${COLUMNS.map(column => `said.${column}`).join(', ')}`
const THEN = `on conflict (thread_id, message_id, run_id) do update
  set content = excluded.content, caller = excluded.caller`
const INSERT = {
  each: `${TARGET}, 1 + ${NEXT_SEQ}, now_iso()
    from (select ${GIVEN.map(column => `? as ${column}`).join(', ')}) said where ${IS_NEWS} ${THEN}`,
  all: `${TARGET}, row_number() over (partition by said.thread_id order by said.place) + ${NEXT_SEQ}, now_iso()
    from ${numberedRows(GIVEN)} as said (${GIVEN.join(', ')}, place) where ${IS_NEWS} ${THEN}`,
  columns: GIVEN,
  key: ['thread_id', 'message_id', 'run_id'],
}

/** Writes messages in order. They are those of runs that are held, so that nobody else writes their threads. */
export function messageRows(rows: readonly NewMessage[]): Bulk {
  return { ...INSERT, rows }
}

/** Takes back what a run has said. Its thread is locked. */
export function* eraseMessages({ thread_id, run_id }: { thread_id: string; run_id: string }): Steps<void> {
  yield sql`
    update threads set last_message_seq = (
      select seq from messages where messages.thread_id = ${thread_id} order by seq desc limit 1)
    where thread_id = ${thread_id}
      and exists (select 1 from messages where messages.thread_id = ${thread_id} and run_id = ${run_id})`
  yield sql`delete from messages where thread_id = ${thread_id} and run_id = ${run_id}`
}

interface Range {
  after_seq?: number
  before_seq?: number
  limit: number
}

export interface MessagePage<M = Message> {
  /** In the order in which they were said. */
  messages: M[]
  /** Whether there are more: after these where `after_seq` was given, before them otherwise. */
  has_more: boolean
}

/** A run's first after `after_seq` (and before `before_seq`, if given), or the last before it, or the newest. */
export const runMessages = transition(
  import.meta.url,
  'runMessages',
  function* ({ limit, after_seq, before_seq, ...key }: RunKey & Range): Steps<MessagePage> {
    const { run_id, thread_id } = yield* findRun(key)
    const forward = after_seq !== undefined
    const rows = yield* all<Message>(sql`
      select * from messages where thread_id = ${thread_id} and run_id = ${run_id} ${within({ after_seq, before_seq })}
      order by seq ${forward ? sql`asc` : sql`desc`} limit ${limit + 1}`)
    const messages = rows.slice(0, limit)
    return { messages: forward ? messages : messages.reverse(), has_more: rows.length > limit }
  },
)

/** A message with what a reader of the whole thread sees beside it. */
export interface ShownMessage extends Message {
  /** On the last answer of its run: what the reader thinks of the run, null if nothing. */
  feedback?: Feedback | null
  /** On the last answer of its run: how long the run took, in milliseconds; null while it runs, or is gone. */
  duration_ms?: number | null
}

export interface ThreadPage extends ThreadKey, Range {
  /** Whose feedback is shown. */
  user_id: string
  /** Without what middlewares and subagents say among themselves, and runs that were made anew. */
  shown_only: boolean
}

/** The same of all runs, for a reader of the thread. */
export const threadMessages = transition(import.meta.url, 'threadMessages', function* (args: ThreadPage): Steps<
  MessagePage<ShownMessage>
> {
  const { limit, user_id, shown_only, after_seq, before_seq, ...key } = args
  const { thread_id } = yield* getThread.steps(key)
  const forward = after_seq !== undefined
  const shown = shown_only ? isShown : empty
  const rows = yield* all<ShownMessage>(sql`
      select messages.* from messages where thread_id = ${thread_id} ${within({ after_seq, before_seq })} ${shown}
      order by seq ${forward ? sql`asc` : sql`desc`} limit ${limit + 1}`)
  const messages = rows.slice(0, limit)
  yield* addEndings(messages, { thread_id, user_id, shown })
  return { messages: forward ? messages : messages.reverse(), has_more: rows.length > limit }
})

/** A run that another one made anew (its metadata says so) is shown no more once that has succeeded. */
const isShown = sql`
  and coalesce(caller, '') not like 'middleware:%' and coalesce(caller, '') not like 'subagent:%'
  and not exists (
    select 1 from runs where runs.thread_id = messages.thread_id and runs.status = 'success'
      and runs.metadata like '%"regenerate_from_run_id"%'
      and json_contains(runs.metadata, '{"regenerate_from_run_id":"' || messages.run_id || '"}') = 1)`

function within({ after_seq, before_seq }: { [K in 'after_seq' | 'before_seq']: number | undefined }): Sql {
  return sql`
    ${after_seq === undefined ? empty : sql`and seq > ${after_seq}`}
    ${before_seq === undefined ? empty : sql`and seq < ${before_seq}`}`
}

/** What comes with the last answer of each run. */
function* addEndings(
  messages: ShownMessage[],
  { thread_id, user_id, shown }: { thread_id: string; user_id: string; shown: Sql },
): Steps<void> {
  const answers = messages.filter(message => message.event_type === AI)
  if (answers.length === 0) return
  const run_ids = [...new Set(answers.map(message => message.run_id))]
  const runs = yield* all<Ending>(sql`
    select messages.run_id, max(seq) as last_seq, max(started_at) as started_at, max(ended_at) as ended_at
    from messages left join runs as made on made.run_id = messages.run_id
    where messages.thread_id = ${thread_id} and messages.run_id in (${join(run_ids)}) and event_type = ${AI} ${shown}
    group by messages.run_id`)
  const feedback = yield* feedbackOf({ thread_id, run_ids, user_id })
  for (const { run_id, last_seq, started_at, ended_at } of runs) {
    const last = answers.find(message => message.seq === last_seq)
    if (!last) continue
    last.feedback = feedback.find(one => one.run_id === run_id) ?? null
    last.duration_ms = started_at && ended_at ? Date.parse(ended_at) - Date.parse(started_at) : null
  }
}

interface Ending {
  run_id: string
  last_seq: number
  started_at: string | null
  ended_at: string | null
}

/** The run that said a message last; null where none did. */
export const runOfMessage = transition(
  import.meta.url,
  'runOfMessage',
  function* ({ message_id, ...key }: ThreadKey & { message_id: string }): Steps<string | null> {
    const { thread_id } = yield* getThread.steps(key)
    const said = yield* first<{ run_id: string }>(sql`
      select run_id from messages where thread_id = ${thread_id} and message_id = ${message_id}
      order by +seq desc limit 1`)
    return said?.run_id ?? null
  },
)

/** How many messages runs of a thread have said. */
export function* countMessages(thread_id: string, run_ids: readonly string[]): Steps<Map<string, number>> {
  const counts = yield* all<{ run_id: string; messages: number }>(sql`
    select run_id, count(*) as messages from messages
    where thread_id = ${thread_id} and run_id in (${join([...run_ids])}) group by run_id`)
  return new Map(counts.map(({ run_id, messages }) => [run_id, messages]))
}
