// The transitions of the event log: append under the fence, and read. A run's head row `(attempt, last_seq, ended)` is
// moved by compare-and-set before anything else is written, so a worker that lost its run cannot write.
import sql, { join } from 'sql-template-tag'
import { all, type Bulk, first, insertMany, mergeBulks, type Steps, transition } from '../db/database.ts'

export interface NewEvent {
  /** Name, with `|namespace` for a subgraph. */
  event: string
  /** JSON text, or a template when `refs` is 1 (see state.ts). */
  data: string
  refs: 0 | 1
}

/** An event with the moment it was appended, in milliseconds on the clock of the process that did. */
export interface TimedEvent extends NewEvent {
  at_ms: number
}

export interface RunEvent extends TimedEvent {
  /** From 1, without gaps. */
  seq: number
}

/** What one run appends at once: events from `last_seq + 1` on, and rows that belong to them. */
export interface Slice {
  run_id: string
  attempt: number
  last_seq: number
  events: TimedEvent[]
  writes: Bulk[]
}

export interface Head {
  attempt: number
  last_seq: number
  ended: number
}

/** Appends the slices whose run is still theirs; returns the run_ids of those that were refused. */
export const appendSlices = transition(import.meta.url, 'appendSlices', function* (slices: Slice[]): Steps<string[]> {
  const ids = slices.map(slice => slice.run_id)
  const heads = yield* all<Head & { run_id: string }>(
    sql`select run_id, attempt, last_seq, ended from run_heads where run_id in (${join(ids)}) order by run_id for update`,
  )
  const byRun = new Map(heads.map(head => [head.run_id, head]))
  const fenced: string[] = []
  const accepted: Slice[] = []
  for (const slice of slices) {
    const standing = compare(slice, byRun.get(slice.run_id))
    if (standing === 'mine') accepted.push(slice)
    else if (standing === 'fenced') fenced.push(slice.run_id)
  }
  yield moveHeads(accepted)
  yield eventRows(accepted)
  for (const bulk of mergeBulks(accepted.flatMap(slice => slice.writes))) yield bulk
  return fenced
})

/**
 * `mine`: the head is where this slice left it. `landed`: this very slice was committed and only the answer was lost.
 * `fenced`: the run has another owner, has ended, or is gone.
 */
export function compare({ attempt, last_seq, events }: Slice, head: Head | undefined): 'mine' | 'landed' | 'fenced' {
  if (!head || head.attempt !== attempt) return 'fenced'
  if (head.last_seq === last_seq && !head.ended) return 'mine'
  return events.length > 0 && head.last_seq === last_seq + events.length ? 'landed' : 'fenced'
}

/** The rows of a slice's events. */
export function eventRows(slices: readonly Slice[]): Bulk {
  const rows = slices.flatMap(({ run_id, last_seq, events }) =>
    events.map((event, index) => ({ run_id, seq: last_seq + index + 1, ...event })),
  )
  return insertMany(
    'run_events',
    { run_id: 'text', seq: 'bigint', event: 'text', data: 'text', refs: 'bigint', at_ms: 'bigint' },
    rows,
  )
}

function moveHeads(slices: readonly Slice[]): Bulk {
  return {
    each: 'update run_heads set last_seq = ? where run_id = ?',
    all: `update run_heads set last_seq = moved.last_seq
      from unnest($1::bigint[], $2::text[]) as moved (last_seq, run_id) where run_heads.run_id = moved.run_id`,
    columns: ['last_seq', 'run_id'],
    rows: slices.map(slice => ({ run_id: slice.run_id, last_seq: slice.last_seq + slice.events.length })),
  }
}

export interface Page {
  /** Undefined when the run is gone. */
  head: Head | undefined
  events: RunEvent[]
}

/** Up to `limit` events after a cursor, with the head as it stood. */
export const readPage = transition(
  import.meta.url,
  'readPage',
  function* ({ run_id, after, limit }: { run_id: string; after: number; limit: number }): Steps<Page> {
    const head = yield* first<Head>(sql`select attempt, last_seq, ended from run_heads where run_id = ${run_id}`)
    if (!head) return { head, events: [] }
    const events = yield* all<RunEvent>(
      sql`select seq, event, data, refs, at_ms from run_events
          where run_id = ${run_id} and seq > ${after} and seq <= ${head.last_seq} order by seq limit ${limit}`,
    )
    return { head, events }
  },
)

/** The heads of many runs at once, for the poll behind lost hints. */
export const readHeads = transition(import.meta.url, 'readHeads', function* (run_ids: string[]): Steps<
  (Head & { run_id: string })[]
> {
  return yield* all<Head & { run_id: string }>(
    sql`select run_id, attempt, last_seq, ended from run_heads where run_id in (${join(run_ids)})`,
  )
})
