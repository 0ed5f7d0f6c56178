// Items: what graphs remember beyond a thread, as JSON objects by namespace and key. A namespace is a list of labels and
// is stored as its labels, each followed by a dot; the column compares by bytes, so a prefix is a range of its index.
import { isDeepStrictEqual } from 'node:util'
import sql, { empty, join, type Sql } from 'sql-template-tag'
import { all, first, now, type Steps, transition } from '../db/database.ts'
import { type Condition, conditions, containing, type Filter, type Guarded, type Owned } from './access.ts'
import { RunloomError } from './errors.ts'
import { type Near, nearestItems, replaceVectors, type TextVector } from './item-vectors.ts'
import { jsonText } from './json.ts'

interface StoredItem {
  namespace: string
  key: string
  value: string
  created_at: string
  updated_at: string
  /** How near it is, 1 at most: of a search by meaning. */
  score?: number
}

export interface Item extends Omit<StoredItem, 'namespace'> {
  namespace: string[]
}

interface ItemRow extends StoredItem {
  ttl_ms: number | null
}

export interface ItemName {
  namespace: string[]
  key: string
}

/** Whether reading an item gives it its whole time to live again. */
interface Refreshing extends Guarded {
  refresh?: boolean
}

/** `value` is an object as `jsonText` writes it, or null to delete the item. */
export interface PutItem extends ItemName, Guarded {
  value: string | null
  /** For ever without one. */
  ttl_ms?: number
  /** What it means, where that is searched. */
  meaning?: { space: string; vectors: TextVector[] }
}

export interface ItemSearch extends Refreshing {
  namespace_prefix: string[]
  /** Nearest to this first, of the items that have a meaning; else last updated first. */
  near?: Near
  /** By top-level field of the value: what it equals, or `{$gt: 1, $lte: 5}`; `$eq $ne $gt $gte $lt $lte $in $nin`. */
  filter?: Record<string, unknown>
  limit: number
  offset: number
}

export interface NamespaceSearch extends Guarded {
  /** What namespaces begin or end with, all of it; the label `*` stands for any. */
  match: { end: 'prefix' | 'suffix'; labels: string[] }[]
  /** Namespaces are cut to so many labels, and each is listed once. */
  max_depth?: number
  limit: number
  offset: number
}

export type ItemOperation =
  | { get: ItemName & Refreshing }
  | { search: ItemSearch }
  | { list: NamespaceSearch }
  | { put: PutItem }

/** What each operation answers: an item or null, items, namespaces, null. */
export type ItemResult = Item | null | Item[] | string[][]

/**
 * Operations at once. All reads see the state before the writes; of two writes to one item the later counts. Throws
 * `invalid` when a namespace, a key or a filter is malformed.
 */
export const batchItems = transition(import.meta.url, 'batchItems', function* (operations: ItemOperation[]): Steps<
  ItemResult[]
> {
  const results: ItemResult[] = []
  const puts = new Map<string, PutItem>()
  for (const operation of operations) {
    if ('get' in operation) results.push(yield* getItem(operation.get))
    else if ('search' in operation) results.push(yield* searchItems(operation.search))
    else if ('list' in operation) results.push(yield* listNamespaces(operation.list))
    else {
      results.push(null)
      puts.set(JSON.stringify([operation.put.namespace, operation.put.key]), operation.put)
    }
  }
  // Always in the same order, so that two batches on Postgres wait for each other instead of deadlocking.
  for (const [, put] of [...puts].sort(([a], [b]) => (a < b ? -1 : 1))) yield* putItem(put)
  return results
})

const COLUMNS = sql`namespace, key, value, created_at, updated_at, ttl_ms`
const ALIVE = sql`(expires_at is null or expires_at > (select now_ms()))`

function* getItem({ namespace, key, refresh, allowed }: ItemName & Refreshing): Steps<Item | null> {
  const found = yield* first<ItemRow>(sql`
    select ${COLUMNS} from items where namespace = ${path(namespace)} and key = ${checkedKey(key)} and ${ALIVE} ${andItemAllowed(allowed)}`)
  if (found && refresh) yield* refreshItems([found])
  return found ? item(found) : null
}

function* refreshItems(items: ItemRow[]): Steps<void> {
  const names = items.filter(({ ttl_ms }) => ttl_ms !== null).map(({ namespace, key }) => sql`(${namespace}, ${key})`)
  if (names.length === 0) return
  yield sql`update items set expires_at = now_ms() + ttl_ms where (namespace, key) in (values ${join(names)})`
}

function* putItem({ namespace, key, value, ttl_ms, meaning, allowed }: PutItem): Steps<void> {
  if (namespace.length === 0) throw new RunloomError('invalid', 'namespace: must have at least one label')
  if (namespace[0] === 'langgraph') throw new RunloomError('invalid', 'namespace: must not begin with "langgraph"')
  const name = path(namespace)
  checkedKey(key)
  const named = sql`items.namespace = ${name} and items.key = ${key}`
  if (value === null) {
    yield sql`delete from items where ${named} ${andItemAllowed(allowed)}`
    if (allowed && (yield* first(sql`select 1 as found from items where ${named} and ${ALIVE}`))) foreign(key)
    return
  }
  // What takes the place of one that has expired, and is not swept yet, is new.
  const put_at = yield* now()
  const put = yield* first<ItemRow>(sql`
    insert into items (namespace, key, value, created_at, updated_at, ttl_ms, expires_at)
    values (${name}, ${key}, ${value}, ${put_at}, ${put_at}, ${ttl_ms ?? null},
      ${ttl_ms === undefined ? null : sql`now_ms() + ${ttl_ms}`})
    on conflict (namespace, key) do update set value = excluded.value, updated_at = excluded.updated_at,
      ttl_ms = excluded.ttl_ms, expires_at = excluded.expires_at,
      created_at = case when items.expires_at <= (select now_ms()) then excluded.created_at else items.created_at end
      ${allowed ? sql`where items.expires_at <= (select now_ms()) or ${itemPermitted(allowed)}` : empty}
    returning ${COLUMNS}`)
  if (!put) return foreign(key)
  if (allowed && !(yield* first(sql`select 1 as found from items where ${named} and ${itemPermitted(allowed)}`))) {
    throw new RunloomError('forbidden', `Item "${key}" is nothing that you may put there`)
  }
  const made_at = put.updated_at
  if (meaning) yield* replaceVectors({ namespace: name, key, made_at, ...meaning })
}

/** Removes items whose time is over, so many at once. `more`: there may be more. */
export const sweepItems = transition(import.meta.url, 'sweepItems', function* (limit: number): Steps<{
  more: boolean
}> {
  const swept = yield* all(sql`
    delete from items where (namespace, key) in (
      select namespace, key from items where expires_at <= (select now_ms()) limit ${limit} for update skip locked)
    returning key`)
  return { more: swept.length === limit }
})

/** How many rows of a filtered search are looked at in one go. */
const PAGE = 500

function* searchItems(search: ItemSearch): Steps<Item[]> {
  const { namespace_prefix, filter = {}, near, limit, offset, refresh, allowed } = search
  const wanted = Object.entries(filter).flatMap(conditionsOf)
  const scalars = wanted.filter(([, operator, wanted]) => operator === '$eq' && !isObject(wanted))
  const within = below(namespace_prefix)
  const where = sql`${within} and ${ALIVE} ${andItemAllowed(allowed)} ${equalling(scalars)}`
  const pages = near ? nearestPages({ within, where, near }) : latestPages(where)
  const rows =
    scalars.length === wanted.length ? yield* pages(limit, offset) : yield* matching(pages, wanted, limit, offset)
  if (refresh) yield* refreshItems(rows)
  return rows.map(item)
}

/** Reads a page; `last` is the row before it, where there is one. */
type Pages = (limit: number, offset: number, last?: ItemRow) => Steps<ItemRow[]>

/** What matches conditions that only the value itself tells. */
function* matching(pages: Pages, wanted: Comparison[], limit: number, offset: number): Steps<ItemRow[]> {
  const found: ItemRow[] = []
  let last: ItemRow | undefined
  for (let seen = 0, more = true; more && found.length < offset + limit; seen += PAGE) {
    const rows: ItemRow[] = yield* pages(PAGE, seen, last)
    found.push(...rows.filter(({ value }) => matches(JSON.parse(value), wanted)))
    last = rows.at(-1)
    more = rows.length === PAGE
  }
  return found.slice(offset, offset + limit)
}

/** Last updated first. */
function latestPages(where: Sql): Pages {
  return (limit, offset, last) =>
    all<ItemRow>(sql`
      select ${COLUMNS} from items where ${where} ${after(last)}
      order by updated_at desc, namespace, key limit ${limit} offset ${last ? 0 : offset}`)
}

function nearestPages(search: { within: Sql; where: Sql; near: Near }): Pages {
  return (limit, offset) => all<ItemRow>(nearestItems({ columns: COLUMNS, ...search, limit, offset }))
}

function after(last: ItemRow | undefined): Sql {
  if (!last) return empty
  return sql`and (updated_at < ${last.updated_at}
    or (updated_at = ${last.updated_at} and (namespace, key) > (${last.namespace}, ${last.key})))`
}

function equalling(scalars: Comparison[]): Sql {
  if (scalars.length === 0) return empty
  const tests = scalars.map(([field, , wanted]) => sql`json_contains(value, ${jsonText({ [field]: wanted })}) = 1`)
  return sql`and ${join(tests, ' and ')}`
}

/** In the order of their labels' bytes. */
function* listNamespaces({ match, max_depth, limit, offset, allowed }: NamespaceSearch): Steps<string[][]> {
  const prefixes = match.filter(({ end }) => end === 'prefix').map(({ labels }) => below(untilWildcard(labels)))
  const rows = yield* all<Pick<ItemRow, 'namespace'>>(sql`
    select distinct namespace from items where ${join([ALIVE, ...prefixes], ' and ')} ${andItemAllowed(allowed)} order by namespace`)
  const found = rows
    .map(row => labels(row.namespace))
    .filter(namespace => match.every(pattern => fits(namespace, pattern)))
  const cut = max_depth === undefined ? found : distinct(found.map(namespace => namespace.slice(0, max_depth)))
  return cut.slice(offset, offset + limit)
}

function untilWildcard(pattern: string[]): string[] {
  const wildcard = pattern.indexOf('*')
  return wildcard < 0 ? pattern : pattern.slice(0, wildcard)
}

function fits(namespace: string[], { end, labels }: NamespaceSearch['match'][number]): boolean {
  const start = end === 'prefix' ? 0 : namespace.length - labels.length
  return (
    labels.length <= namespace.length &&
    labels.every((label, index) => label === '*' || label === namespace[start + index])
  )
}

function below(prefix: string[], namespace = sql`namespace`): Sql {
  if (prefix.length === 0) return sql`1 = 1`
  const from = path(prefix)
  // "/" is the character after the dot that ends a label.
  return sql`${namespace} >= ${from} and ${namespace} < ${`${from.slice(0, -1)}/`}`
}

function andItemAllowed(allowed: Filter | undefined): Sql {
  return allowed ? sql`and ${itemPermitted(allowed)}` : empty
}

/** The label below which an owner's namespaces are; no dot can be in a label, nor in an owner's name. */
export function ownersLabel({ owner }: Owned): string {
  return `@${owner}`
}

/** A filter looks at the fields of the value, at `namespace` as a list of labels, and at `key`. */
function itemPermitted(allowed: Filter): Sql {
  if ('owner' in allowed) return below([ownersLabel(allowed)], sql`items.namespace`)
  return conditions(allowed, condition => {
    if (condition.key === 'namespace') return namespaceHas(condition)
    if (condition.key !== 'key') return sql`json_contains(items.value, ${containing(condition)}) = 1`
    const named = 'equals' in condition && typeof condition.equals === 'string'
    return named ? sql`items.key = ${condition.equals as string}` : sql`1 = 0`
  })
}

function namespaceHas(condition: Condition): Sql {
  if ('equals' in condition) return sql`1 = 0`
  const found = condition.contains.map(label =>
    typeof label === 'string' && !label.includes('.')
      ? sql`replace('.' || items.namespace, ${`.${label}.`}, '') <> '.' || items.namespace`
      : sql`1 = 0`,
  )
  return join([sql`1 = 1`, ...found], ' and ')
}

/** There is an item of that name, and it is somebody else's. */
function foreign(key: string): never {
  throw new RunloomError('not_found', `Item "${key}" not found`)
}

function distinct(namespaces: string[][]): string[][] {
  return [...new Map(namespaces.map(namespace => [path(namespace), namespace])).values()]
}

function path(namespace: string[]): string {
  for (const label of namespace) {
    if (typeof label !== 'string' || label === '' || /[.\0]/.test(label)) {
      throw new RunloomError(
        'invalid',
        `namespace: ${JSON.stringify(label)} is no label; labels are not empty and have no "."`,
      )
    }
  }
  return namespace.map(label => `${label}.`).join('')
}

function labels(namespace: string): string[] {
  return namespace.split('.').slice(0, -1)
}

function checkedKey(key: string): string {
  if (typeof key === 'string' && !key.includes('\0')) return key
  throw new RunloomError('invalid', 'key: must be a string without the character NUL')
}

function item({ ttl_ms: _, ...row }: ItemRow): Item {
  return { ...row, namespace: labels(row.namespace) }
}

const numbers = (test: (found: number, wanted: number) => boolean) => (found: unknown, wanted: unknown) =>
  test(Number(found), Number(wanted))
const among = (found: unknown, wanted: unknown) => Array.isArray(wanted) && wanted.some(one => same(found, one))

const OPERATORS = {
  $eq: same,
  $ne: (found: unknown, wanted: unknown) => !same(found, wanted),
  $gt: numbers((found, wanted) => found > wanted),
  $gte: numbers((found, wanted) => found >= wanted),
  $lt: numbers((found, wanted) => found < wanted),
  $lte: numbers((found, wanted) => found <= wanted),
  $in: among,
  $nin: (found: unknown, wanted: unknown) => !among(found, wanted),
}

type Comparison = [field: string, operator: keyof typeof OPERATORS, wanted: unknown]

function conditionsOf([field, wanted]: [string, unknown]): Comparison[] {
  if (!isObject(wanted) || !Object.keys(wanted).some(key => key.startsWith('$'))) return [[field, '$eq', wanted]]
  return Object.entries(wanted).map(([operator, operand]) => {
    if (Object.hasOwn(OPERATORS, operator)) return [field, operator as Comparison[1], operand]
    const known = Object.keys(OPERATORS).join(', ')
    throw new RunloomError('invalid', `filter.${field}: "${operator}" is no operator; use one of ${known}`)
  })
}

function matches(value: Record<string, unknown>, wanted: Comparison[]): boolean {
  return wanted.every(([field, operator, operand]) => OPERATORS[operator](value[field], operand))
}

function same(found: unknown, wanted: unknown): boolean {
  return isDeepStrictEqual(found, wanted)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
