// The transitions of the event log: append under the fence, and read. A run's head row is locked, compared and moved before
// anything else is written, so a worker that lost its run cannot write.
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
  /** How many slices this attempt has committed before. */
  commits: number
  events: TimedEvent[]
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

/** Writes slices that are `mine`; their heads are locked. */
export function* write(slices: readonly Slice[]): Steps<void> {
  yield moveHeads(slices)
  yield eventRows(slices)
  for (const bulk of mergeBulks(slices.flatMap(slice => slice.writes))) yield bulk
}

/** The rows of slices' events. */
export function eventRows(slices: readonly Pick<Slice, 'run_id' | 'last_seq' | 'events'>[]): Bulk {
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
    each: 'update run_heads set last_seq = ?, commits = ? where run_id = ?',
    all: `update run_heads set last_seq = moved.last_seq, commits = moved.commits
      from unnest($1::bigint[], $2::bigint[], $3::text[]) as moved (last_seq, commits, run_id)
      where run_heads.run_id = moved.run_id`,
    columns: ['last_seq', 'commits', 'run_id'],
    rows: slices.map(({ run_id, last_seq, commits, events }) => ({
      run_id,
      last_seq: last_seq + events.length,
      commits: commits + 1,
    })),
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
    const head = yield* first<Head>(
      sql`select attempt, last_seq, commits, ended from run_heads where run_id = ${run_id}`,
    )
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
    sql`select run_id, attempt, last_seq, commits, ended from run_heads where run_id in (${join(run_ids)})`,
  )
})
