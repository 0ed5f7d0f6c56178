// Pruning a thread to its latest state, and threads whose time to live is over (contracts: langgraph §3). What goes: older
// checkpoints with their pending writes, and values that neither a checkpoint, nor the thread, nor an event refers to.
import sql from 'sql-template-tag'
import { all, type Bulk, first, type Row, type Steps, transition } from '../db/database.ts'
import { partsOf, REF, type Ref } from '../events/state.ts'
import { andAllowed } from './access.ts'
import { eraseThread, type Thread, type ThreadKey } from './threads.ts'

/** False when there is no such thread, or a run is in flight on it: that may yet go back to an earlier checkpoint. */
export const pruneThread = transition(
  import.meta.url,
  'pruneThread',
  function* ({ thread_id, allowed }: ThreadKey): Steps<boolean> {
    const thread = yield* first<Thread>(
      sql`select * from threads where thread_id = ${thread_id} ${andAllowed(allowed)} for update`,
    )
    if (!thread || thread.status === 'busy') return false
    yield* keepLatest(thread)
    return true
  },
)

/** Deletes or prunes threads whose time is over, as each one's strategy says; returns how many it found. */
export const sweepThreads = transition(import.meta.url, 'sweepThreads', function* (limit: number): Steps<number> {
  const expired = yield* all<Thread>(sql`
    select * from threads where expires_at <= (select now_ms()) and status <> 'busy'
    order by expires_at limit ${limit} for update skip locked`)
  for (const thread of expired) {
    if (thread.ttl_strategy === 'delete') yield* eraseThread(thread.thread_id)
    else {
      yield* keepLatest(thread)
      yield sql`update threads set expires_at = null where thread_id = ${thread.thread_id}`
    }
  }
  return expired.length
})

interface Checkpoint {
  checkpoint_ns: string
  checkpoint_id: string
  parent_id: string | null
  /** JSON, of those that belong to a task. */
  metadata: string | null
}

/** Of a locked thread without runs in flight. */
function* keepLatest({ thread_id, state }: Thread): Steps<void> {
  const checkpoints = yield* all<Checkpoint>(sql`
    select checkpoint_ns, checkpoint_id, parent_id, case when checkpoint_ns like '%:%' then metadata end as metadata
    from checkpoints where thread_id = ${thread_id} order by position`)
  const kept = new Set<Checkpoint>()
  for (const newest of latest(checkpoints)) {
    const ancestors = checkpoints.filter(({ checkpoint_ns }) => checkpoint_ns === newest.checkpoint_ns)
    yield* keepWithAncestors(thread_id, newest, new Map(ancestors.map(one => [one.checkpoint_id, one])), kept)
  }
  const gone = checkpoints.filter(one => !kept.has(one))
  const names = gone.map(({ checkpoint_ns, checkpoint_id }) => ({ thread_id, checkpoint_ns, checkpoint_id }))
  for (const table of ['checkpoints', 'checkpoint_writes']) yield removal(table, names)
  yield sql`
    update checkpoints set parent_id = null where thread_id = ${thread_id} and parent_id is not null and not exists (
      select 1 from checkpoints parent where parent.thread_id = checkpoints.thread_id
        and parent.checkpoint_ns = checkpoints.checkpoint_ns and parent.checkpoint_id = checkpoints.parent_id)`
  yield* dropUnreferred(thread_id, state)
}

/**
 * The newest checkpoint of the root, of subgraphs that remember (their namespace names no task), and of those that run in
 * the step after the root's. In the order in which they were stored: the time in their ids is that of several clocks.
 */
function latest(oldestFirst: Checkpoint[]): Checkpoint[] {
  const newest = new Map(oldestFirst.map(one => [one.checkpoint_ns, one]))
  const head = newest.get('')?.checkpoint_id
  return [...newest.values()].filter(({ metadata }) => metadata === null || JSON.parse(metadata).parents?.[''] === head)
}

/** A checkpoint may hold some channels as changes since an ancestor only (LangGraph's DeltaChannel): back to that one. */
function* keepWithAncestors(
  thread_id: string,
  newest: Checkpoint,
  byId: Map<string, Checkpoint>,
  kept: Set<Checkpoint>,
): Steps<void> {
  let missing: string[] | undefined
  for (let next: Checkpoint | undefined = newest; next; next = byId.get(next.parent_id ?? '')) {
    kept.add(next)
    const { channels, metadata } = (yield* first<{ channels: string; metadata: string }>(sql`
      select channels, metadata from checkpoints where thread_id = ${thread_id}
        and checkpoint_ns = ${next.checkpoint_ns} and checkpoint_id = ${next.checkpoint_id}`)) as {
      channels: string
      metadata: string
    }
    missing ??= Object.keys(JSON.parse(metadata).counters_since_delta_snapshot ?? {})
    const held = JSON.parse(channels) as object
    missing = missing.filter(channel => !Object.hasOwn(held, channel))
    if (missing.length === 0) return
  }
}

/** Events that are looked at in one go. */
const PAGE = 1_000

function* dropUnreferred(thread_id: string, state: string | null): Steps<void> {
  const used = { lists: new Set<string>(), blobs: new Set<string>() }
  const use = ([kind, id]: Ref | [string, string, ...unknown[]]) => {
    if (kind === 'l') used.lists.add(id)
    if (kind === 'b') used.blobs.add(id)
  }
  const useAll = (text: string) => {
    for (const part of partsOf(text)) if (typeof part !== 'string') use(part)
  }
  if (state !== null) useAll(state)
  const checkpoints = yield* all<{ channels: string }>(
    sql`select channels from checkpoints where thread_id = ${thread_id}`,
  )
  for (const { channels } of checkpoints) for (const entry of Object.values<Ref>(JSON.parse(channels))) use(entry)
  const runs = yield* all<{ run_id: string }>(sql`select run_id from runs where thread_id = ${thread_id}`)
  for (const { run_id } of runs) {
    for (let after = 0, more = true; more; ) {
      const events: { seq: number; data: string }[] = yield* all(sql`
        select seq, data from run_events where run_id = ${run_id} and seq > ${after} and data like ${`%${REF}%`}
        order by seq limit ${PAGE}`)
      for (const { data } of events) useAll(data)
      more = events.length === PAGE
      after = events.at(-1)?.seq ?? after
    }
  }
  yield* dropLists(thread_id, used.lists)
  const blobs = yield* all<{ hash: string }>(sql`select hash from blobs where thread_id = ${thread_id}`)
  yield removal(
    'blobs',
    blobs.filter(({ hash }) => !used.blobs.has(hash)).map(({ hash }) => ({ thread_id, hash })),
  )
}

/** A list that forked from another needs it. */
function* dropLists(thread_id: string, used: Set<string>): Steps<void> {
  const lists = yield* all<{ list_id: string; parent_id: string | null }>(
    sql`select list_id, parent_id from lists where thread_id = ${thread_id}`,
  )
  const parents = new Map(lists.map(({ list_id, parent_id }) => [list_id, parent_id]))
  for (const list_id of used) {
    const parent = parents.get(list_id)
    if (parent) used.add(parent) // which this loop comes to as well
  }
  const gone = lists.filter(({ list_id }) => !used.has(list_id)).map(({ list_id }) => ({ thread_id, list_id }))
  for (const table of ['lists', 'list_items']) yield removal(table, gone)
}

/** Deletes the rows that each row of `keys` names. */
function removal(table: string, keys: Row[]): Bulk {
  const columns = Object.keys(keys[0] ?? { thread_id: '' })
  const arrays = columns.map((_, index) => `$${index + 1}::text[]`)
  return {
    each: `delete from ${table} where ${columns.map(column => `${column} = ?`).join(' and ')}`,
    all: `delete from ${table} using unnest(${arrays.join(', ')}) as gone (${columns.join(', ')})
      where ${columns.map(column => `${table}.${column} = gone.${column}`).join(' and ')}`,
    columns,
    rows: keys,
  }
}
