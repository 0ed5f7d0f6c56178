// Searching threads (contracts: langgraph §3). Everything but values is matched in the query itself. Values are stored
// once, as parts that a text refers to (events/state.ts), so a search by values goes through the candidates inside
// the transition, in the order asked for, and resolves only the parts that the filter speaks of.
import sql, { empty, join, type Sql } from 'sql-template-tag'
import { all, first, type Steps, transition } from '../db/database.ts'
import { jsonContains } from '../db/dialect.ts'
import { listItems, partsOf, type Ref } from '../events/state.ts'
import { andAllowed, type Guarded } from './access.ts'
import type { Thread } from './threads.ts'

export interface ThreadFilter extends Guarded {
  /** JSON that the metadata contains. */
  metadata?: string
  /** JSON that the latest values contain; threads without any do not match. */
  values?: string
  status?: string
  ids?: string[]
}

export interface ThreadSearch extends ThreadFilter {
  sort_by?: keyof typeof ORDERS
  sort_order?: 'asc' | 'desc'
  limit: number
  offset: number
}

const ORDERS = {
  thread_id: sql`thread_id`,
  status: sql`status`,
  created_at: sql`created_at`,
  updated_at: sql`updated_at`,
  state_updated_at: sql`coalesce(state_updated_at, created_at)`,
}

/** Newest first, unless told otherwise; hidden threads are left out. `total` is how many there are on all pages. */
export const searchThreads = transition(import.meta.url, 'searchThreads', function* (args: ThreadSearch): Steps<{
  threads: Thread[]
  total: number
}> {
  const { limit, offset, sort_by = 'created_at', sort_order = 'desc', values } = args
  const by = ORDERS[sort_by]
  const direction = sort_order === 'asc' ? sql`asc` : sql`desc`
  const order = sql`order by ${by} ${direction}, thread_id ${direction}`
  if (values === undefined) {
    const threads = yield* all<Thread>(
      sql`select * from threads where ${matching(args)} ${order} limit ${limit} offset ${offset}`,
    )
    return { threads, total: yield* count(matching(args)) }
  }
  const found: string[] = []
  const total = yield* eachContaining(
    values,
    matching(args),
    { by, order, ascending: sort_order === 'asc' },
    (id, n) => {
      if (n >= offset && found.length < limit) found.push(id)
    },
  )
  const threads =
    found.length === 0
      ? []
      : yield* all<Thread>(sql`select * from threads where thread_id in (${join(found)}) ${order}`)
  return { threads, total }
})

export const countThreads = transition(
  import.meta.url,
  'countThreads',
  function* (filter: ThreadFilter): Steps<number> {
    const where = matching(filter)
    if (filter.values === undefined) return yield* count(where)
    const walk = { by: sql`thread_id`, order: sql`order by thread_id`, ascending: true }
    return yield* eachContaining(filter.values, where, walk, () => {})
  },
)

function* count(where: Sql): Steps<number> {
  return (yield* first<{ n: number }>(sql`select count(*) as n from threads where ${where}`))?.n ?? 0
}

function matching({ metadata, status, ids, allowed }: ThreadFilter): Sql {
  return sql`hidden = 0 ${andAllowed(allowed)}
    ${metadata === undefined ? empty : sql`and json_contains(metadata, ${metadata}) = 1`}
    ${status === undefined ? empty : sql`and status = ${status}`}
    ${ids === undefined ? empty : ids.length === 0 ? sql`and 1 = 0` : sql`and thread_id in (${join(ids)})`}`
}

/** Candidates that are looked at in one go. */
const PAGE = 500

interface Walk {
  by: Sql
  order: Sql
  ascending: boolean
}

type Candidate = { thread_id: string; state: string; sort_key: string }

/** Calls `each` for the threads whose values contain `part`, with their place in the order; returns how many they are. */
function* eachContaining(
  part: string,
  where: Sql,
  { by, order, ascending }: Walk,
  each: (thread_id: string, place: number) => void,
): Steps<number> {
  const wanted = JSON.parse(part) as Record<string, unknown>
  let found = 0
  let last: Candidate | undefined
  for (let more = true; more; ) {
    const after = last
      ? sql`and (${by}, thread_id) ${ascending ? sql`>` : sql`<`} (${last.sort_key}, ${last.thread_id})`
      : empty
    const page: Candidate[] = yield* all<Candidate>(sql`
      select thread_id, state, ${by} as sort_key from threads where ${where} and state is not null ${after}
      ${order} limit ${PAGE}`)
    for (const { thread_id, state } of page) if (yield* contains(thread_id, state, wanted)) each(thread_id, found++)
    last = page.at(-1)
    more = page.length === PAGE
  }
  return found
}

/** Whether values with references contain `wanted`. Parts stored apart are read where it depends on them. */
function* contains(thread_id: string, state: string, wanted: Record<string, unknown>): Steps<boolean> {
  const parts = partsOf(state)
  const mark = unusedMark(parts)
  const outline = JSON.parse(parts.map((part, n) => (typeof part === 'string' ? part : `"${mark}${n}"`)).join(''))
  if (typeof outline !== 'object' || outline === null || Array.isArray(outline)) return false
  const deferred: [value: string, wanted: unknown][] = []
  for (const [key, part] of Object.entries(wanted)) {
    if (!Object.hasOwn(outline, key)) return false
    const value = JSON.stringify(outline[key])
    if (value.includes(mark)) deferred.push([value, part])
    else if (!holds(value, part)) return false
  }
  for (const [value, part] of deferred) {
    const pieces = value.split(new RegExp(`"${mark}(\\d+)"`))
    for (let n = 1; n < pieces.length; n += 2) {
      pieces[n] = yield* textOf(thread_id, parts[Number(pieces[n])] as Ref)
    }
    if (!holds(pieces.join(''), part)) return false
  }
  return true
}

function holds(value: string, part: unknown): boolean {
  return jsonContains(`{"value":${value}}`, JSON.stringify({ value: part })) === 1
}

/** A text that no part contains. */
function unusedMark(parts: (string | Ref)[]): string {
  let mark = '@'
  while (parts.some(part => typeof part === 'string' && part.includes(mark))) mark += '@'
  return mark
}

function* textOf(thread_id: string, ref: Ref): Steps<string> {
  if (ref[0] === 'l') return (yield* listItems(thread_id, ref[1], 0, ref[2])).map(item => item.data).join(',')
  const blob = yield* first<{ data: string }>(
    sql`select data from blobs where thread_id = ${thread_id} and hash = ${ref[1]}`,
  )
  if (!blob) throw new Error(`blob ${ref[1]} of thread ${thread_id} is not stored`)
  return blob.data
}
