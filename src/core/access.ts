// What somebody may touch (contracts: langgraph §13): what the owner of their API key has, or what passes the filter that an
// authorisation handler returned, as a condition of every query that finds rows for that request. Without either there is
// no condition.
import sql, { empty, join, type Sql } from 'sql-template-tag'
import { jsonText } from './json.ts'

/** Bound once a request: data, so that it can travel to the database's thread. */
export type Filter = Owned | Rule

/** What is made under it is the owner's. The column is shown to nobody, and nobody sets it. */
export interface Owned {
  owner: string
}

/** What a handler returned, checked. */
export type Rule = { and: Rule[] } | { or: Rule[] } | Condition

/** A field of a resource: what it equals, or what is all in its list. */
export type Condition = { key: string; equals: Scalar } | { key: string; contains: Scalar[] }

type Scalar = string | number | boolean | null

/** What a request may touch; everything without a filter. */
export interface Guarded {
  allowed?: Filter | undefined
}

/** Whose is what somebody makes that may touch this; '' for nobody's. */
export function makerOf(allowed: Filter | undefined): string {
  return allowed && 'owner' in allowed ? allowed.owner : ''
}

/** ` and …` for a query over rows with `owner` and `metadata`; `table` is theirs, with its dot, where others are joined. */
export function andAllowed(allowed: Filter | undefined, table: Sql = empty): Sql {
  return allowed ? sql`and ${permitted(allowed, table)}` : empty
}

/** Whether a row matches a filter. */
export function permitted(filter: Filter, table: Sql = empty): Sql {
  if ('owner' in filter) return sql`${table}owner = ${filter.owner}`
  return conditions(filter, condition => sql`json_contains(${table}metadata, ${containing(condition)}) = 1`)
}

/** A rule with each of its conditions as `test` has it. */
export function conditions(filter: Rule, test: (condition: Condition) => Sql): Sql {
  if ('or' in filter) return all(filter.or, ' or ', test)
  return 'and' in filter ? all(filter.and, ' and ', test) : test(filter)
}

function all(filters: Rule[], operator: string, test: (condition: Condition) => Sql): Sql {
  if (filters.length === 0) return sql`1 = 1`
  const tests = filters.map(filter => conditions(filter, test))
  return sql`(${join(tests, operator)})`
}

/** The JSON that an object which meets the condition contains. */
export function containing(condition: Condition): string {
  return jsonText({ [condition.key]: 'equals' in condition ? condition.equals : condition.contains })
}

/**
 * Reads what a handler returned: `{k: v}`, `{k: {$eq: v}}`, `{k: {$contains: v | [all of]}}`, `$or` and `$and` of such. All
 * keys must hold; an empty object lets everything pass. Throws an Error that says what is wrong: a filter that is
 * misunderstood would show what nobody may see.
 */
export function readFilter(returned: object): Rule {
  const { [Symbol.toStringTag]: tag } = returned as { [Symbol.toStringTag]?: string }
  if (Array.isArray(returned) || tag !== undefined) throw new Error('a filter is a plain object')
  return { and: Object.entries(returned).map(([key, wanted]) => read(key, wanted)) }
}

function read(key: string, wanted: unknown): Rule {
  if (key === '$or') return { or: alternatives(key, wanted) }
  if (key === '$and') return { and: alternatives(key, wanted) }
  if (key.startsWith('$')) throw new Error(`"${key}" is no operator here; use $or or $and`)
  if (typeof wanted !== 'object' || wanted === null) return { key: checked(key), equals: scalar(key, wanted) }
  const operations = Object.entries(wanted)
  if (operations.length === 0) throw new Error(`${key}: give a value, $eq or $contains`)
  return { and: operations.map(([operator, operand]) => operation(checked(key), operator, operand)) }
}

function operation(key: string, operator: string, operand: unknown): Rule {
  if (operator === '$eq') return { key, equals: scalar(key, operand) }
  if (operator !== '$contains') throw new Error(`${key}: "${operator}" is no operator; use $eq or $contains`)
  return { key, contains: [operand].flat().map(one => scalar(key, one)) }
}

function alternatives(operator: string, wanted: unknown): Rule[] {
  if (Array.isArray(wanted) && wanted.length > 0) return wanted.map(one => readFilter(object(operator, one)))
  throw new Error(`${operator}: use a list of filters`)
}

function object(operator: string, value: unknown): object {
  if (typeof value === 'object' && value !== null) return value
  throw new Error(`${operator}: use a list of filters`)
}

/** What is stored equals itself: text that storing would change could equal another's. */
function scalar(key: string, value: unknown): Scalar {
  const simple = value === null || ['string', 'boolean'].includes(typeof value) || Number.isFinite(value)
  if (simple && jsonText(value) === JSON.stringify(value)) return value as Scalar
  throw new Error(`${key}: a value is a string, a number, a boolean or null, not ${String(JSON.stringify(value))}`)
}

function checked(key: string): string {
  scalar(key, key)
  return key
}
