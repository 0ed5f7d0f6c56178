// A run's log as rows for those who look into a run afterwards (contracts: gateway §1.7). Who follows it reads the stream.
import sql, { empty, join } from 'sql-template-tag'
import { all, type Steps, transition } from '../db/database.ts'
import { type EventRow, eventsOf, type RunEvent } from '../events/log.ts'
import { findRun, type RunKey } from './run-keys.ts'

export interface RunEventList extends RunKey {
  /** Names without their namespace; all without it. */
  event_types?: string[]
  /** Of a task: what the graph below it did. */
  task_id?: string
  /** Counts over the thread. */
  after_seq?: number
  limit: number
}

export interface ListedEvents {
  thread_id: string
  /** In the order of the log; `seq` counts over the thread. What retention has removed is missing. */
  events: RunEvent[]
}

export const listRunEvents = transition(
  import.meta.url,
  'listRunEvents',
  function* ({ event_types, task_id, after_seq = 0, limit, ...key }: RunEventList): Steps<ListedEvents> {
    const { run_id, thread_id, base_seq } = yield* findRun(key)
    const base = base_seq ?? 0
    const after = Math.max(0, after_seq - base)
    const named = (event_types ?? []).map(type => {
      return sql`event = ${type} or substr(event, 1, ${type.length + 1}) = ${`${type}|`}`
    })
    const rows = yield* all<EventRow>(sql`
      select seq, event, data, lines, at_ms from run_events where run_id = ${run_id} and seq > ${after}
      ${named.length === 0 ? empty : sql`and (${join(named, ' or ')})`}
      ${task_id === undefined ? empty : sql`and replace(event, ${`:${task_id}`}, '') <> event`}
      order by seq limit ${limit}`)
    const events = eventsOf(rows).filter(event => event.seq > after)
    return { thread_id, events: events.slice(0, limit).map(event => ({ ...event, seq: base + event.seq })) }
  },
)
