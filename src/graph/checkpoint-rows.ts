// The rows of checkpoints, and the transitions that read them. Runs in the database thread: no LangChain here.
import sql, { empty, join, type Sql } from 'sql-template-tag'
import {
  all,
  type Bulk,
  first,
  insertMany,
  numberedRows,
  type Row,
  type Steps,
  together,
  transition,
} from '../db/database.ts'
import { chainFrom, itemsOf, type Link, linkOf, ownItems, type Stored } from '../events/state.ts'

export interface CheckpointRow {
  thread_id: string
  checkpoint_ns: string
  checkpoint_id: string
  parent_id: string | null
  run_id: string
  /** JSON of the checkpoint without its channel values. */
  checkpoint: string
  /** JSON `{channel: Entry}` (state-writer.ts). */
  channels: string
  metadata: string
}

/** LangGraph's task id for writes that belong to no task: a Command's resume, update and goto. */
export const NULL_TASK = '00000000-0000-0000-0000-000000000000'

export interface WriteRow {
  task_id: string
  /** Negative for the special channels. */
  idx: number
  run_id: string
  channel: string
  exact: string
}

/** A list as stored. */
export interface ListState {
  /** Its forks, the root first. */
  chain: { list_id: string; from: number }[]
  /** Its length; null when it may not be extended. */
  tail: number | null
  /** The list in the chain of which the reader has the most, and how many of its items are this list's too. */
  base: string
  shared: number
  /** The rest. */
  items: Stored[]
}

export interface Loaded {
  row: CheckpointRow
  writes: WriteRow[]
  /** The parent's writes, for a checkpoint of an old version that keeps its sends there. */
  parent_writes: WriteRow[]
  lists: Record<string, ListState>
  blobs: (Stored & { hash: string })[]
}

export interface Place {
  thread_id: string
  checkpoint_ns: string
  /** The newest when undefined. */
  checkpoint_id?: string
}

/** What a reader has already, and need not be read: elements of lists from the first on, and blobs. */
export interface Have {
  lists: Record<string, number>
  blobs: string[]
}

export const readCheckpoint = transition(
  import.meta.url,
  'readCheckpoint',
  function* ({ have, ...place }: Place & { have: Have }): Steps<Loaded | undefined> {
    const row = yield* findCheckpoint(place)
    if (!row) return undefined
    const { thread_id, checkpoint_ns, checkpoint_id, parent_id } = row
    const entries = Object.values<[string, string, number]>(JSON.parse(row.channels))
    const refs = entries.filter(([kind]) => kind === 'l')
    const [writes, ...answers] = yield* together<[WriteRow[], ...(Link | Stored)[][]]>(
      writesOf({ thread_id, checkpoint_ns, checkpoint_id }),
      ...refs.map(([, list_id]) => linkOf(thread_id, list_id)),
      ...refs.map(([, list_id, length]) => ownItems(thread_id, list_id, have.lists[list_id] ?? 0, length)),
    )
    const links = answers.slice(0, refs.length) as Link[][]
    const own = answers.slice(refs.length) as Stored[][]
    const old = parent_id !== null && JSON.parse(row.checkpoint).v < 4
    const parent_writes = old
      ? yield* all<WriteRow>(writesOf({ thread_id, checkpoint_ns, checkpoint_id: parent_id }))
      : []
    const lists: Loaded['lists'] = {}
    for (const [index, [, list_id, length]] of refs.entries()) {
      const chain = yield* chainFrom(thread_id, links[index]?.[0], list_id)
      lists[list_id] = yield* readListState(thread_id, chain, length, have, own[index] ?? [])
    }
    const hashes = entries.flatMap(([kind, hash]) => (kind === 'b' && !have.blobs.includes(hash) ? hash : []))
    const blobs = hashes.length > 0 ? yield* readBlobRows(thread_id, hashes) : []
    return { row, writes, parent_writes, lists, blobs }
  },
)

/** One checkpoint's row alone. */
export const readCheckpointRow = transition(import.meta.url, 'readCheckpointRow', function* (place: Place): Steps<
  CheckpointRow | undefined
> {
  return yield* findCheckpoint(place)
})

export interface CheckpointSearch {
  thread_id?: string
  checkpoint_ns?: string
  checkpoint_id?: string
  /** Only checkpoints older than this one. */
  before?: string
  /** JSON that the metadata contains. */
  filter?: string
  /** Continue after this row of an earlier page. */
  after?: Required<Place>
  limit: number
}

/** Newest first: in one place as they were stored, elsewhere by their ids. */
export const findCheckpoints = transition(
  import.meta.url,
  'findCheckpoints',
  function* ({ after, limit, ...search }: CheckpointSearch): Steps<Required<Place>[]> {
    const { thread_id, checkpoint_ns, checkpoint_id, before, filter } = search
    const inPlace = thread_id !== undefined && checkpoint_ns !== undefined
    const older = (id: string) =>
      inPlace
        ? sql`and position < ${positionOf({ thread_id, checkpoint_ns, checkpoint_id: id })}`
        : sql`and checkpoint_id < ${id}`
    const next = (last: Required<Place>) =>
      inPlace
        ? older(last.checkpoint_id)
        : sql`and (checkpoint_id, thread_id, checkpoint_ns) < (${last.checkpoint_id}, ${last.thread_id}, ${last.checkpoint_ns})`
    return yield* all<Required<Place>>(sql`
      select thread_id, checkpoint_ns, checkpoint_id from checkpoints where 1 = 1
      ${thread_id === undefined ? empty : sql`and thread_id = ${thread_id}`}
      ${checkpoint_ns === undefined ? empty : sql`and checkpoint_ns = ${checkpoint_ns}`}
      ${checkpoint_id === undefined ? empty : sql`and checkpoint_id = ${checkpoint_id}`}
      ${before === undefined ? empty : older(before)}
      ${filter === undefined ? empty : sql`and json_contains(metadata, ${filter}) = 1`}
      ${after === undefined ? empty : next(after)}
      order by ${inPlace ? sql`position desc` : sql`checkpoint_id desc, thread_id desc, checkpoint_ns desc`} limit ${limit}`)
  },
)

function positionOf({ thread_id, checkpoint_ns, checkpoint_id }: Required<Place>) {
  return sql`(select position from checkpoints
    where thread_id = ${thread_id} and checkpoint_ns = ${checkpoint_ns} and checkpoint_id = ${checkpoint_id})`
}

function* findCheckpoint({ thread_id, checkpoint_ns, checkpoint_id }: Place): Steps<CheckpointRow | undefined> {
  return yield* first<CheckpointRow>(sql`
    select * from checkpoints where thread_id = ${thread_id} and checkpoint_ns = ${checkpoint_ns}
    ${checkpoint_id === undefined ? sql`order by position desc limit 1` : sql`and checkpoint_id = ${checkpoint_id}`}`)
}

function writesOf({ thread_id, checkpoint_ns, checkpoint_id }: Required<Place>): Sql {
  return sql`
    select task_id, idx, run_id, channel, exact from checkpoint_writes
    where thread_id = ${thread_id} and checkpoint_ns = ${checkpoint_ns} and checkpoint_id = ${checkpoint_id}
    order by task_id, run_id, idx`
}

/** `own`: its own items that the reader does not have. */
function* readListState(thread_id: string, links: Link[], length: number, have: Have, own: Stored[]): Steps<ListState> {
  const { from, closed, last } = links.at(-1) as Link
  const chain = links.map(({ list_id, from }) => ({ list_id, from }))
  const { base, shared } = closest(chain, length, have)
  const open = last === null ? from : last + 1
  const inherited = yield* itemsOf(thread_id, links.slice(0, -1), shared, Math.min(from, length))
  return { chain, tail: closed ? null : open, base, shared, items: [...inherited, ...own] }
}

function closest(chain: ListState['chain'], length: number, have: Have): Pick<ListState, 'base' | 'shared'> {
  let found = { base: '', shared: 0 }
  for (const [index, { list_id }] of chain.entries()) {
    const shared = Math.min(have.lists[list_id] ?? 0, chain[index + 1]?.from ?? length)
    if (shared >= found.shared) found = { base: list_id, shared }
  }
  return found
}

function* readBlobRows(thread_id: string, hashes: string[]): Steps<Loaded['blobs']> {
  return yield* all<Stored & { hash: string }>(
    sql`select hash, data, exact from blobs where thread_id = ${thread_id} and hash in (${join(hashes)})`,
  )
}

const CHECKPOINT_COLUMNS = [
  'thread_id',
  'checkpoint_ns',
  'checkpoint_id',
  'parent_id',
  'run_id',
  'checkpoint',
  'channels',
  'metadata',
] as const

const CHECKPOINT_NAMES = CHECKPOINT_COLUMNS.join(', ')

const REPLACING = `on conflict (thread_id, checkpoint_ns, checkpoint_id) do update set ${CHECKPOINT_COLUMNS.slice(3)
  .map(name => `${name} = excluded.${name}`)
  .join(', ')}`

function newestPosition(thread_id: string, checkpoint_ns: string): string {
  return `coalesce((select position from checkpoints
    where thread_id = ${thread_id} and checkpoint_ns = ${checkpoint_ns} order by position desc limit 1), 0)`
}

const INSERT_CHECKPOINT = {
  each: `insert into checkpoints (${CHECKPOINT_NAMES}, position)
    values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ${newestPosition('?1', '?2')} + 1) ${REPLACING}`,
  all: `insert into checkpoints (${CHECKPOINT_NAMES}, position)
    select ${CHECKPOINT_NAMES}, ${newestPosition('new.thread_id', 'new.checkpoint_ns')} + nth
    from ${numberedRows(CHECKPOINT_COLUMNS)} as new (${CHECKPOINT_NAMES}, nth) ${REPLACING}`,
  columns: CHECKPOINT_COLUMNS,
  key: CHECKPOINT_COLUMNS.slice(0, 3),
}

/** A checkpoint comes after all that are stored in its place, or replaces the one with its id. */
export function checkpointBulk(row: CheckpointRow): Bulk {
  return { ...INSERT_CHECKPOINT, rows: [{ ...row }] }
}

const WRITE_COLUMNS = {
  thread_id: 'text',
  checkpoint_ns: 'text',
  checkpoint_id: 'text',
  task_id: 'text',
  idx: 'bigint',
  run_id: 'text',
  channel: 'text',
  exact: 'text',
} as const

const ordinaryWrites = insertMany('checkpoint_writes', WRITE_COLUMNS, { ignore: true })
const specialWrites = insertMany('checkpoint_writes', WRITE_COLUMNS, {
  replace: ['thread_id', 'checkpoint_ns', 'checkpoint_id', 'task_id', 'idx', 'run_id'],
})

/** Of a task's ordinary writes the first one stays, of those to special channels the last. */
export function writeBulks(place: Required<Place>, writes: readonly WriteRow[]): Bulk[] {
  const rows = writes.map((write): Row => ({ ...place, ...write }))
  const special = rows.filter(row => Number(row.idx) < 0)
  const ordinary = rows.filter(row => Number(row.idx) >= 0)
  return [
    ...(special.length > 0 ? [specialWrites(special)] : []),
    ...(ordinary.length > 0 ? [ordinaryWrites(ordinary)] : []),
  ]
}

const THREAD_TABLES = ['checkpoints', 'checkpoint_writes', 'lists', 'list_items', 'blobs']

/** Removes a thread's whole state. */
export function deleteBulks(thread_id: string): Bulk[] {
  return THREAD_TABLES.map(table => ({
    each: `delete from ${table} where thread_id = ?`,
    all: `delete from ${table} where thread_id = any($1::text[])`,
    columns: ['thread_id'],
    rows: [{ thread_id }],
  }))
}
