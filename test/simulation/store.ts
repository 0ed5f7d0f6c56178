// The database under a simulation, one statement at a time: transactions of READ COMMITTED whose steps a scheduler
// interleaves as it likes, and a look at what is committed. Two of them: read-committed.ts is a model, fast and exactly
// repeatable; postgres-store.ts is the real thing.
import sql from 'sql-template-tag'
import type { Run } from '../../src/core/runs.ts'
import type { Thread } from '../../src/core/threads.ts'
import type { Row, Statement } from '../../src/db/database.ts'
import { type EventRow, eventsOf, type Head } from '../../src/events/log.ts'

/** Where the clock of every round begins. */
export const START_MS = 1_000_000

export interface Store {
  /** The clock of the database. */
  now_ms: number
  begin(): Promise<Transaction>
  /** What is committed. */
  look(): Promise<Committed>
  /** Makes it empty again, but for the assistant `graph`. */
  reset(): Promise<void>
  close(): Promise<void>
}

export interface Transaction {
  /** `waits`: another transaction holds a row; ask again with the same statement once some transaction has ended. */
  execute(statement: Statement): Promise<Row[] | 'waits'>
  commit(): Promise<void>
  /** Also for a transaction that waits, or that has failed. */
  rollback(): Promise<void>
}

export interface LoggedEvent {
  run_id: string
  seq: number
  event: string
  data: string
}

/** A row of the state that a run wrote. */
export interface StoredRow {
  name: string
  thread_id: string
  run_id: string
  /** The blob that a checkpoint needs. */
  needs: string | null
  has: string | null
}

export interface Committed {
  threads: Map<string, Thread>
  runs: Map<string, Run>
  heads: Map<string, Head & { run_id: string }>
  events: Map<string, LoggedEvent[]>
  stored: StoredRow[]
}

/** What `look` asks. */
export const looks = [
  sql`select * from threads`,
  sql`select * from runs`,
  sql`select * from run_heads`,
  sql`select run_id, seq, event, data, lines, at_ms from run_events order by run_id, seq`,
  sql`select 'checkpoints' as name, thread_id, run_id, channels as needs, null as has from checkpoints
      union all select 'checkpoint_writes', thread_id, run_id, null, null from checkpoint_writes
      union all select 'lists', thread_id, run_id, null, null from lists
      union all select 'list_items', thread_id, run_id, null, null from list_items
      union all select 'blobs', thread_id, run_id, null, hash from blobs`,
]

export function committed([threads, runs, heads, events, stored]: Row[][]): Committed {
  return {
    threads: keyed(threads as unknown as Thread[], 'thread_id'),
    runs: keyed(runs as unknown as Run[], 'run_id'),
    heads: keyed(heads as unknown as (Head & { run_id: string })[], 'run_id'),
    events: logs(events as unknown as (EventRow & { run_id: string })[]),
    stored: stored as unknown as StoredRow[],
  }
}

function logs(rows: (EventRow & { run_id: string })[]): Map<string, LoggedEvent[]> {
  const byRun = Map.groupBy(rows, row => row.run_id)
  const log = (run_id: string, of: EventRow[]) => eventsOf(of).map(event => ({ run_id, ...event }))
  return new Map([...byRun].map(([run_id, of]) => [run_id, log(run_id, of)]))
}

function keyed<T, K extends keyof T>(rows: readonly T[], key: K): Map<T[K], T> {
  return new Map(rows.map(row => [row[key], row]))
}

/** What `reset` empties; the rest goes with its threads. */
export const tables = [
  'idempotency_keys',
  'run_events',
  'checkpoints',
  'checkpoint_writes',
  'lists',
  'list_items',
  'blobs',
  'threads',
]
