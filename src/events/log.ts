// The transitions of the event log: append under the fence, and read. A run's head row is locked, compared and moved before
// anything else is written, so a worker that lost its run cannot write.
import sql, { join } from 'sql-template-tag'
import { all, type Bulk, first, insertMany, mergeBulks, type Steps, transition } from '../db/database.ts'

export interface NewEvent {
  /** Name, with `|namespace` for a subgraph. */
  event: string
  /** JSON text, in which references may stand for what is stored apart (state.ts). */
  data: string
}

/** An event with the moment it was appended, in milliseconds on the clock of the process that did. */
export interface TimedEvent extends NewEvent {
  at_ms: number
}

export interface RunEvent extends TimedEvent {
  /** From 1, without gaps. */
  seq: number
}

/** What is stored as one row: an event, or several of one name that came together, a line of `data` each. */
export interface EventLines extends TimedEvent {
  lines: number
}

/** What one run appends at once: events from `last_seq + 1` on, and rows that belong to them. */
export interface Slice {
  run_id: string
  attempt: number
  last_seq: number
  /** How many slices this attempt has committed before. */
  commits: number
  events: EventLines[]
  writes: Bulk[]
}

export interface Head {
  attempt: number
  last_seq: number
  commits: number
  ended: number
}

/** Appends the slices whose run is still theirs; returns the run_ids of those that were refused. */
export const appendSlices = transition(import.meta.url, 'appendSlices', function* (slices: Slice[]): Steps<string[]> {
  const heads = yield* lockHeads(slices.map(slice => slice.run_id))
  const standing = new Map(slices.map(slice => [slice, compare(slice, heads.get(slice.run_id))]))
  const accepted = slices.filter(slice => standing.get(slice) === 'mine')
  yield* write(accepted)
  return slices.filter(slice => standing.get(slice) === 'fenced').map(slice => slice.run_id)
})

/** Reads heads and holds them until the end of the transaction, always in the same order. */
export function* lockHeads(run_ids: readonly string[]): Steps<Map<string, Head>> {
  if (run_ids.length === 0) return new Map()
  const heads = yield* all<Head & { run_id: string }>(sql`
    select run_id, attempt, last_seq, commits, ended from run_heads where run_id in (${join([...run_ids])})
    order by run_id for update`)
  return new Map(heads.map(head => [head.run_id, head]))
}

/**
 * `mine`: the head is where this slice left it. `landed`: this very slice was committed and only the answer was lost.
 * `fenced`: the run has another owner, has ended, or is gone.
 */
export function compare({ attempt, commits }: Slice, head: Head | undefined): 'mine' | 'landed' | 'fenced' {
  if (!head || head.attempt !== attempt) return 'fenced'
  if (head.commits === commits && !head.ended) return 'mine'
  return head.commits === commits + 1 ? 'landed' : 'fenced'
}

/** Writes slices that are `mine`, the last of their runs where those end with them; their heads are locked. */
export function* write(slices: readonly Slice[], ended: 0 | 1 = 0): Steps<void> {
  yield moveHeads(slices, ended)
  yield eventRows(slices)
  for (const bulk of mergeBulks(slices.flatMap(slice => slice.writes))) yield bulk
}

const insertEvents = insertMany('run_events', {
  run_id: 'text',
  seq: 'bigint',
  event: 'text',
  data: 'text',
  lines: 'bigint',
  at_ms: 'bigint',
})

/** The rows of slices' events. */
export function eventRows(slices: readonly Pick<Slice, 'run_id' | 'last_seq' | 'events'>[]): Bulk {
  return insertEvents(slices.flatMap(slice => numbered(slice).map(row => ({ run_id: slice.run_id, ...row }))))
}

/** The rows of a slice, each with the `seq` of its last event. */
export function numbered({ last_seq, events }: Pick<Slice, 'last_seq' | 'events'>): EventRow[] {
  let seq = last_seq
  return events.map(({ event, data, lines, at_ms }) => {
    seq += lines
    return { seq, event, data, lines, at_ms }
  })
}

/** The `seq` of a slice's last event. */
export function lastSeq({ last_seq, events }: Pick<Slice, 'last_seq' | 'events'>): number {
  return events.reduce((seq, { lines }) => seq + lines, last_seq)
}

/** Whether an event is a token: nobody looks for one of them by its name. */
export function isToken(event: string): boolean {
  return event === 'messages' || event.startsWith('messages|')
}

/** A row of several events is not made longer than this. */
const ROW_CHARS = 64 * 1024

/** Events that are appended at once, as few rows: JSON text is one line. */
export function together(events: readonly TimedEvent[]): EventLines[] {
  const rows: EventLines[] = []
  let open: EventLines | undefined
  for (const { event, data, at_ms } of events) {
    if (open?.event === event && open.data.length < ROW_CHARS) {
      open.data += `\n${data}`
      open.lines++
      continue
    }
    const row = { event, data, at_ms, lines: 1 }
    rows.push(row)
    open = isToken(event) ? row : undefined
  }
  return rows
}

/** The events of rows, one by one. */
export function eventsOf(rows: readonly EventRow[]): RunEvent[] {
  return rows.flatMap(({ seq, event, data, lines, at_ms }) =>
    lines === 1
      ? { seq, event, data, at_ms }
      : data.split('\n').map((line, index) => ({ seq: seq - lines + 1 + index, event, data: line, at_ms })),
  )
}

/** A stored row; `seq` is that of its last event. */
export type EventRow = EventLines & { seq: number }

function moveHeads(slices: readonly Slice[], ended: 0 | 1): Bulk {
  return {
    each: 'update run_heads set last_seq = ?, commits = ?, ended = ? where run_id = ?',
    all: `update run_heads set last_seq = moved.last_seq, commits = moved.commits, ended = moved.ended
      from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[]) as moved (last_seq, commits, ended, run_id)
      where run_heads.run_id = moved.run_id`,
    columns: ['last_seq', 'commits', 'ended', 'run_id'],
    rows: slices.map(({ run_id, last_seq, commits, events }) => ({
      run_id,
      last_seq: lastSeq({ last_seq, events }),
      commits: commits + 1,
      ended,
    })),
  }
}

export interface Page {
  /** Undefined when the run is gone. */
  head: Head | undefined
  rows: EventRow[]
}

/** Up to `limit` rows with events after a cursor, with the head as it stood. The first may have some before it. */
export const readPage = transition(
  import.meta.url,
  'readPage',
  function* ({ run_id, after, limit }: { run_id: string; after: number; limit: number }): Steps<Page> {
    const head = yield* first<Head>(
      sql`select attempt, last_seq, commits, ended from run_heads where run_id = ${run_id}`,
    )
    if (!head) return { head, rows: [] }
    const rows = yield* all<EventRow>(
      sql`select seq, event, data, lines, at_ms from run_events
          where run_id = ${run_id} and seq > ${after} and seq <= ${head.last_seq} order by seq limit ${limit}`,
    )
    return { head, rows }
  },
)

/** The heads of many runs at once, for the poll behind lost hints. */
export const readHeads = transition(import.meta.url, 'readHeads', function* (run_ids: string[]): Steps<
  (Head & { run_id: string })[]
> {
  return yield* all<Head & { run_id: string }>(
    sql`select run_id, attempt, last_seq, commits, ended from run_heads where run_id in (${join(run_ids)})`,
  )
})
