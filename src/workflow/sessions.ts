// Sessions and their messages (contracts: workflows §14). A run that names one appends its answers when it has succeeded,
// in the commit that ends it; what was said before, clients send as input themselves.
import sql, { empty, type Sql } from 'sql-template-tag'
import { RunloomError } from '../core/errors.ts'
import { newId } from '../core/ids.ts'
import type { Json } from '../core/json.ts'
import { jsonText } from '../core/json.ts'
import { all, type Bulk, first, type Steps, transition } from '../db/database.ts'
import type { MessageItem } from './plan.ts'

export interface Session {
  session_id: string
  customer_id: string | null
  metadata: string
  message_count: number
  created_at: string
  updated_at: string
}

export interface SessionMessage {
  message_id: string
  /** From 1. */
  seq: number
  role: string
  content: string
  run_id: string | null
  created_at: string
}

interface SessionKey {
  /** '' for a new session that is nobody's, and to find anybody's. */
  owner: string
  session_id: string
}

export interface CreateSession extends SessionKey {
  customer_id: string | null
  metadata: string
}

export const createSession = transition(
  import.meta.url,
  'createSession',
  function* (args: CreateSession): Steps<Session> {
    const { owner, session_id, customer_id, metadata } = args
    yield sql`
    insert into sessions (session_id, owner, customer_id, metadata, created_at, updated_at)
    values (${session_id}, ${owner}, ${customer_id}, ${metadata}, now_iso(), now_iso())`
    return yield* findSession(args)
  },
)

export const getSession = transition(import.meta.url, 'getSession', function* (key: SessionKey): Steps<{
  session: Session
  messages: SessionMessage[]
}> {
  return { session: yield* findSession(key), messages: yield* messagesOf(key.session_id) }
})

export interface SessionList {
  owner: string
  customer_id?: string
  limit: number
  offset: number
}

/** Last used first; `more`: there is a next page. */
export const listSessions = transition(
  import.meta.url,
  'listSessions',
  function* ({ owner, customer_id, limit, offset }: SessionList): Steps<{ sessions: Session[]; more: boolean }> {
    const found = yield* all<Session>(sql`
      ${sessions} where ${ofOwner(owner)} ${customer_id === undefined ? empty : sql`and customer_id = ${customer_id}`}
      order by updated_at desc, session_id desc limit ${limit + 1} offset ${offset}`)
    return { sessions: found.slice(0, limit), more: found.length > limit }
  },
)

export const patchSession = transition(
  import.meta.url,
  'patchSession',
  function* ({ metadata, ...key }: SessionKey & { metadata: string }): Steps<Session> {
    yield* findSession(key)
    yield sql`
      update sessions set metadata = ${metadata}, updated_at = now_iso() where session_id = ${key.session_id}`
    return yield* findSession(key)
  },
)

export const deleteSession = transition(import.meta.url, 'deleteSession', function* (key: SessionKey): Steps<void> {
  yield* findSession(key)
  yield sql`delete from session_messages where session_id = ${key.session_id}`
  yield sql`delete from workflow_values where scope_id = ${key.session_id}`
  yield sql`delete from sessions where session_id = ${key.session_id}`
})

export const clearSession = transition(import.meta.url, 'clearSession', function* (key: SessionKey): Steps<Session> {
  yield* findSession(key)
  yield sql`delete from session_messages where session_id = ${key.session_id}`
  yield sql`update sessions set updated_at = now_iso() where session_id = ${key.session_id}`
  return yield* findSession(key)
})

export interface AddMessage extends SessionKey {
  message_id: string
  role: string
  content: string
  run_id: string | null
}

export const addSessionMessage = transition(
  import.meta.url,
  'addSessionMessage',
  function* ({ message_id, role, content, run_id, ...key }: AddMessage): Steps<SessionMessage> {
    yield* findSession(key)
    yield sql`
      insert into session_messages (session_id, message_id, role, content, run_id, created_at)
      values (${key.session_id}, ${message_id}, ${role}, ${content}, ${run_id}, now_iso())`
    yield sql`update sessions set updated_at = now_iso() where session_id = ${key.session_id}`
    const messages = yield* messagesOf(key.session_id)
    return messages.find(message => message.message_id === message_id) as SessionMessage
  },
)

/** Messages of its outputs that a run leaves in its session at most. */
const MAX_ANSWERS = 100

/** The answers in a run's outputs, as rows of its session, which they use; none when the session is gone by then. */
export function answerRows(session_id: string, run_id: string, outputs: Record<string, Json>): Bulk[] {
  const created_at = new Date().toISOString()
  const columns = ['session_id', 'message_id', 'role', 'content', 'run_id', 'created_at']
  const rows = answersIn(outputs)
    .slice(0, MAX_ANSWERS)
    .map(({ role, content }) => ({
      session_id,
      message_id: newId(),
      role,
      content: jsonText(content),
      run_id,
      created_at,
    }))
  const target = `insert into session_messages (${columns.join(', ')})`
  const there = 'where exists (select 1 from sessions where sessions.session_id = said.session_id)'
  const used = {
    each: 'update sessions set updated_at = ? where session_id = ?',
    all: `update sessions set updated_at = used.updated_at from unnest($1::text[], $2::text[]) as used (updated_at, session_id)
      where sessions.session_id = used.session_id`,
    columns: ['updated_at', 'session_id'],
    rows: [{ updated_at: created_at, session_id }],
  }
  const said = {
    each: `${target} select * from (select ${columns.map(name => `? as ${name}`).join(', ')}) as said ${there}`,
    all: `${target} select * from unnest(${columns.map((_, index) => `$${index + 1}::text[]`).join(', ')})
      as said (${columns.join(', ')}) ${there}`,
    columns,
    rows,
  }
  return [used, said]
}

/** Of each output that is an answer, its assistant's messages. */
function answersIn(outputs: Record<string, Json>): MessageItem[] {
  return Object.values(outputs).flatMap(value => {
    const said: unknown = value?.output
    return Array.isArray(said) ? (said as MessageItem[]).filter(message => message?.role === 'assistant') : []
  })
}

const sessions = sql`
  select session_id, customer_id, metadata, created_at, updated_at,
    (select count(*) from session_messages where session_messages.session_id = sessions.session_id) as message_count
  from sessions`

export function* findSession({ owner, session_id }: SessionKey): Steps<Session> {
  const found = yield* first<Session>(sql`${sessions} where session_id = ${session_id} and ${ofOwner(owner)}`)
  if (!found) throw new RunloomError('not_found', `session ${session_id} not found`)
  return found
}

function ofOwner(owner: string): Sql {
  return owner ? sql`owner = ${owner}` : sql`1 = 1`
}

function* messagesOf(session_id: string): Steps<SessionMessage[]> {
  return yield* all<SessionMessage>(sql`
    select message_id, row_number() over (order by message_id) as seq, role, content, run_id, created_at
    from session_messages where session_id = ${session_id} order by message_id`)
}
