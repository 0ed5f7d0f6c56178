// Items: what graphs remember beyond a thread, as JSON objects by namespace and key. A namespace is a list of labels and
// is stored as its labels, each followed by a dot; the column compares by bytes, so a prefix is a range of its index.
import { isDeepStrictEqual } from 'node:util'
import sql, { empty, join, type Sql } from 'sql-template-tag'
import { all, first, type Steps, transition } from '../db/database.ts'
import { RunloomError } from './errors.ts'
import { jsonText } from './json.ts'

interface ItemRow {
  namespace: string
  key: string
  value: string
  created_at: string
  updated_at: string
}

export interface Item extends Omit<ItemRow, 'namespace'> {
  namespace: string[]
}

export interface ItemName {
  namespace: string[]
  key: string
}

/** `value` is an object as `jsonText` writes it, or null to delete the item. */
export interface PutItem extends ItemName {
  value: string | null
}

export interface ItemSearch {
  namespace_prefix: string[]
  /** By top-level field of the value: what it equals, or `{$gt: 1, $lte: 5}`; `$eq $ne $gt $gte $lt $lte $in $nin`. */
  filter?: Record<string, unknown>
  limit: number
  offset: number
}

export interface NamespaceSearch {
  /** What namespaces begin or end with, all of it; the label `*` stands for any. */
  match: { end: 'prefix' | 'suffix'; labels: string[] }[]
  /** Namespaces are cut to so many labels, and each is listed once. */
  max_depth?: number
  limit: number
  offset: number
}

export type ItemOperation = { get: ItemName } | { search: ItemSearch } | { list: NamespaceSearch } | { put: PutItem }

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

function* getItem({ namespace, key }: ItemName): Steps<Item | null> {
  const found = yield* first<ItemRow>(
    sql`select * from items where namespace = ${path(namespace)} and key = ${checkedKey(key)}`,
  )
  return found ? item(found) : null
}

function* putItem({ namespace, key, value }: PutItem): Steps<void> {
  if (namespace.length === 0) throw new RunloomError('invalid', 'namespace: must have at least one label')
  if (namespace[0] === 'langgraph') throw new RunloomError('invalid', 'namespace: must not begin with "langgraph"')
  const name = path(namespace)
  checkedKey(key)
  if (value === null) yield sql`delete from items where namespace = ${name} and key = ${key}`
  else {
    yield sql`
      insert into items (namespace, key, value, created_at, updated_at)
      values (${name}, ${key}, ${value}, now_iso(), now_iso())
      on conflict (namespace, key) do update set value = excluded.value, updated_at = excluded.updated_at`
  }
}

/** How many rows of a filtered search are looked at in one go. */
const PAGE = 500

/** Last updated first. */
function* searchItems({ namespace_prefix, filter = {}, limit, offset }: ItemSearch): Steps<Item[]> {
  const conditions = Object.entries(filter).flatMap(conditionsOf)
  const scalars = conditions.filter(([, operator, wanted]) => operator === '$eq' && !isObject(wanted))
  const where = sql`${below(namespace_prefix)} ${equalling(scalars)}`
  if (scalars.length === conditions.length) return (yield* page(where, limit, offset)).map(item)
  const found: Item[] = []
  for (let last: ItemRow | undefined, more = true; more && found.length < offset + limit; ) {
    const rows: ItemRow[] = yield* page(sql`${where} ${after(last)}`, PAGE, 0)
    found.push(...rows.filter(({ value }) => matches(JSON.parse(value), conditions)).map(item))
    last = rows.at(-1)
    more = rows.length === PAGE
  }
  return found.slice(offset, offset + limit)
}

function* page(where: Sql, limit: number, offset: number): Steps<ItemRow[]> {
  return yield* all<ItemRow>(sql`
    select * from items where ${where} order by updated_at desc, namespace, key limit ${limit} offset ${offset}`)
}

function after(last: ItemRow | undefined): Sql {
  if (!last) return empty
  return sql`and (updated_at < ${last.updated_at}
    or (updated_at = ${last.updated_at} and (namespace, key) > (${last.namespace}, ${last.key})))`
}

function equalling(conditions: Condition[]): Sql {
  if (conditions.length === 0) return empty
  const tests = conditions.map(([field, , wanted]) => sql`json_contains(value, ${jsonText({ [field]: wanted })}) = 1`)
  return sql`and ${join(tests, ' and ')}`
}

/** In the order of their labels' bytes. */
function* listNamespaces({ match, max_depth, limit, offset }: NamespaceSearch): Steps<string[][]> {
  const prefixes = match.filter(({ end }) => end === 'prefix').map(({ labels }) => below(untilWildcard(labels)))
  const rows = yield* all<Pick<ItemRow, 'namespace'>>(sql`
    select distinct namespace from items where ${join([sql`1 = 1`, ...prefixes], ' and ')} order by namespace`)
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

function below(prefix: string[]): Sql {
  if (prefix.length === 0) return sql`1 = 1`
  const from = path(prefix)
  // "/" is the character after the dot that ends a label.
  return sql`namespace >= ${from} and namespace < ${`${from.slice(0, -1)}/`}`
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

function item(row: ItemRow): Item {
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

type Condition = [field: string, operator: keyof typeof OPERATORS, wanted: unknown]

function conditionsOf([field, wanted]: [string, unknown]): Condition[] {
  if (!isObject(wanted) || !Object.keys(wanted).some(key => key.startsWith('$'))) return [[field, '$eq', wanted]]
  return Object.entries(wanted).map(([operator, operand]) => {
    if (Object.hasOwn(OPERATORS, operator)) return [field, operator as Condition[1], operand]
    const known = Object.keys(OPERATORS).join(', ')
    throw new RunloomError('invalid', `filter.${field}: "${operator}" is no operator; use one of ${known}`)
  })
}

function matches(value: Record<string, unknown>, conditions: Condition[]): boolean {
  return conditions.every(([field, operator, wanted]) => OPERATORS[operator](value[field], wanted))
}

function same(found: unknown, wanted: unknown): boolean {
  return isDeepStrictEqual(found, wanted)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
