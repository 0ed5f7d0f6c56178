// Values as text, twice: the wire form that clients see (messages flat, always JSON, never fails), and an exact form from
// which the value comes back. Most values need only the first. The exact form is the one of LangGraph's JsonPlusSerializer,
// written synchronously so that rows keep the order of the events around them, and with Date, BigInt and numbers that
// JSON lacks added.
import { load } from '@langchain/core/load'
import { DeltaSnapshot } from '@langchain/langgraph-checkpoint'
import { withoutNul } from '../core/json.ts'
import type { Stored } from '../events/state.ts'
import { type Fields, flatten, isMessage, messageClass, reviveMessage } from './state-messages.ts'

/** Puts something else in the place of an object or long text; undefined leaves it. */
export type Replace = (value: object | string) => unknown

/** Strings from here on are offered to `Replace`. */
export const LONG_TEXT = 512

/** A value in both forms: `exact` is null where the wire form is exact, `:Class` for a message whose fields are. */
export function encode(value: unknown): Stored {
  if (attempt(() => isPlain(value))) return { data: text(value), exact: null }
  const name = isObject(value) && isMessage(value) ? attempt(() => messageClass(value)) : undefined
  const fields = name === undefined ? undefined : attempt(() => flatten(value as Parameters<typeof flatten>[0]))
  if (fields && attempt(() => isPlain(fields, true))) return { data: text(fields), exact: `:${name}` }
  return { data: wireText(value), exact: exactText(value) }
}

export async function decode({ data, exact }: Stored): Promise<unknown> {
  if (exact === null) return JSON.parse(data)
  if (exact.startsWith(':')) return reviveMessage(exact.slice(1), JSON.parse(data))
  return decodeExact(exact)
}

/** The wire JSON of any value. */
export function wireText(value: unknown): string {
  if (attempt(() => isPlain(value, true))) return text(value)
  const fields = attempt(() => (isObject(value) && isMessage(value) ? flatten(value) : undefined))
  // A token's fields are plain, and are said as they are.
  return fields && attempt(() => isPlain(fields, true)) ? text(fields) : text(toWire(value))
}

/** The exact form alone, for values that no client sees. */
export function exactText(value: unknown): string {
  const plain = attempt(() => isPlain(value)) ? text(value) : undefined
  return plain !== undefined && !plain.includes('"lc":') ? plain : text(toRecord(value))
}

export async function decodeExact(exact: string): Promise<unknown> {
  const value = JSON.parse(exact)
  return exact.includes('"lc":') ? revive(value) : value
}

function text(json: unknown): string {
  return withoutNul(JSON.stringify(json) ?? 'null')
}

/** What `JSON.stringify` turns into the wire form without calling anything of the value's. */
export function toWire(value: unknown, replace?: Replace): unknown {
  const path = new Set<object>()
  const walk = (value: unknown): unknown => {
    if (typeof value === 'bigint') return value.toString()
    if (typeof value === 'function' || typeof value === 'symbol') return undefined
    if (typeof value === 'string' && value.length >= LONG_TEXT) return replace?.(value) ?? value
    if (!isObject(value)) return value
    const replaced = replace?.(value)
    if (replaced !== undefined) return Array.isArray(replaced) ? replaced.map(walk) : replaced
    return guarded(value, path, () => {
      if (Array.isArray(value)) return value.map(walk)
      if (isMessage(value)) return mapped(flatten(value), walk)
      if (value instanceof Map) return mapped(Object.fromEntries(value), walk)
      if (value instanceof Set) return [...value].map(walk)
      if (value instanceof Error) return { error: value.name, message: value.message }
      if (value instanceof RegExp) return String(value)
      if (ArrayBuffer.isView(value)) return base64(value)
      return hasToJson(value) ? walk(value.toJSON()) : mapped(value, walk)
    })
  }
  return walk(value)
}

/** The exact form: what is not JSON becomes a record `{lc: 2, …}`, an object that looks like one is wrapped. */
function toRecord(value: unknown): unknown {
  const path = new Set<object>()
  const walk = (value: unknown): unknown => {
    if (value === undefined) return { lc: 2, type: 'undefined' }
    if (typeof value === 'bigint') return constructed('BigInt', value.toString())
    if (typeof value === 'function' || typeof value === 'symbol') return undefined
    if (typeof value === 'number' && !isJsonNumber(value))
      return constructed('Number', Object.is(value, -0) ? '-0' : `${value}`)
    if (!isObject(value)) return value
    return guarded(value, path, () => {
      if (Array.isArray(value)) return Array.from(value, walk)
      if (isMessage(value)) return messageRecord(value, walk)
      if (value instanceof Map || value instanceof Set) {
        return constructed(value instanceof Map ? 'Map' : 'Set', [...value].map(walk))
      }
      if (value instanceof Date) return constructed('Date', walk(value.getTime()))
      if (value instanceof RegExp) return constructed('RegExp', value.source, value.flags)
      if (value instanceof Error)
        return constructed('Error', value.message, ...(value.name === 'Error' ? [] : [value.name]))
      if (ArrayBuffer.isView(value)) return constructed('Uint8Array', base64(value))
      if ('lg_name' in value && value.lg_name === 'DeltaSnapshot') {
        return { lc: 2, type: 'delta_snapshot', value: walk((value as DeltaSnapshot).value) }
      }
      if ('lg_name' in value && value.lg_name === 'Send') {
        const { node, args, timeout } = value as { node?: unknown; args?: unknown; timeout?: unknown }
        return mapped({ node, args, ...(timeout !== undefined && { timeout }) }, walk)
      }
      if (!hasToJson(value))
        return 'lc' in value ? { lc: 2, type: 'escaped', value: mapped(value, walk) } : mapped(value, walk)
      const json = value.toJSON()
      return isLangChain(json) ? mapped(json, walk) : walk(json)
    })
  }
  return walk(value)
}

function messageRecord(message: Parameters<typeof flatten>[0], walk: (value: unknown) => unknown) {
  const fields = Object.entries(flatten(message)).filter(([, value]) => value !== undefined)
  return { lc: 2, type: 'message', name: messageClass(message), fields: mapped(Object.fromEntries(fields), walk) }
}

async function revive(value: unknown): Promise<unknown> {
  if (Array.isArray(value)) return Promise.all(value.map(revive))
  if (!isObject(value)) return value
  const { lc, type, value: wrapped } = value as Fields
  if (lc === 2 && type === 'escaped') return reviveFields(wrapped as object)
  const object = await reviveFields(value)
  if (lc === 2) return reviveRecord(object)
  return isLangChain(object) ? await load(JSON.stringify(object)).catch(() => object) : object
}

async function reviveFields(object: object): Promise<Fields> {
  const entries = Object.entries(object).map(async ([key, item]) => [key, await revive(item)] as const)
  return Object.fromEntries(await Promise.all(entries))
}

/** The closed set of records that `toRecord` writes; anything else stays data. */
function reviveRecord(record: Fields): unknown {
  const { type, value, id, args, name, fields } = record as Fields & { id?: unknown[]; args?: string[] }
  if (type === 'undefined') return undefined
  if (type === 'delta_snapshot') return new DeltaSnapshot(value)
  if (type === 'message') return reviveMessage(String(name), fields as Fields)
  if (type !== 'constructor' || !Array.isArray(args)) return record
  const [first = '', second] = args
  switch (id?.[0]) {
    case 'Map':
      return new Map(first as never)
    case 'Set':
      return new Set(first)
    case 'Date':
      return new Date(first as never)
    case 'RegExp':
      return new RegExp(first, second)
    case 'Error':
      return Object.assign(new Error(first), second && { name: second })
    case 'Uint8Array':
      return new Uint8Array(Buffer.from(first, 'base64'))
    case 'BigInt':
      return BigInt(first)
    case 'Number':
      return Number(first)
    default:
      return record
  }
}

function constructed(name: string, ...args: unknown[]) {
  return { lc: 2, type: 'constructor', id: [name], args }
}

/** Walks into an object unless it is being walked; what cannot be read becomes a text that says so. */
function guarded(value: object, path: Set<object>, walk: () => unknown): unknown {
  if (path.has(value)) return '[Circular]'
  path.add(value)
  try {
    return walk()
  } catch (error) {
    return `[unreadable: ${error instanceof Error ? error.message : 'unknown'}]`
  } finally {
    path.delete(value)
  }
}

function mapped(object: object, walk: (value: unknown) => unknown): object {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, walk(value)]))
}

/** Whether JSON holds the value exactly. `dropped`: object properties that are undefined may go. */
function isPlain(value: unknown, dropped = false, depth = 0): boolean {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return true
  if (typeof value === 'number') return isJsonNumber(value)
  if (!isObject(value) || depth > 100) return false
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) if (!isPlain(value[index], dropped, depth + 1)) return false
    return true
  }
  const prototype = Object.getPrototypeOf(value)
  if ((prototype !== Object.prototype && prototype !== null) || hasToJson(value)) return false
  for (const key of Object.keys(value)) {
    const item = (value as Fields)[key]
    if (!(dropped && item === undefined) && !isPlain(item, dropped, depth + 1)) return false
  }
  return true
}

function isJsonNumber(value: number): boolean {
  return Number.isFinite(value) && !Object.is(value, -0)
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function hasToJson(value: object): value is { toJSON(): unknown } {
  return 'toJSON' in value && typeof value.toJSON === 'function'
}

function isLangChain(json: unknown): json is Fields {
  return isObject(json) && (json as Fields).lc === 1 && (json as Fields).type === 'constructor'
}

function base64({ buffer, byteOffset, byteLength }: ArrayBufferView): string {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength).toString('base64')
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
