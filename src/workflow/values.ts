// Where values come from and where they go: pointers into outputs, inputs and items, and bindings into requests
// (contracts: workflows §4, §5).
import { createHash } from 'node:crypto'
import { JSONPointer, UNDEFINED } from 'json-p3'
import type { Json } from '../core/json.ts'
import { NodeFailure } from './failure.ts'
import { fillPlaceholders } from './placeholders.ts'
import type { Binding, FanoutInput, LlmRequest, MessageItem, Plan, Source, TransformWork } from './plan.ts'
import { TEXT_POINTER } from './plan.ts'

/** What a node may read. */
export interface Scope {
  output(node_id: string): Json
  input(name: string): Json
  /** Inside a fan-out. */
  item?: Json
}

/** The value at a pointer; undefined where there is nothing. */
export function at(value: Json, pointer: string | undefined): Json {
  if (!pointer) return value
  const found: unknown = new JSONPointer(pointer).resolve(value, UNDEFINED)
  return found === UNDEFINED ? undefined : found
}

export function read(source: Source, scope: Scope): Json {
  const value = at(whole(source, scope), source.pointer)
  if (value === undefined) throw new NodeFailure('missing_value', `there is nothing at ${nameOf(source)}`)
  return value
}

function whole({ from, from_input, from_item }: Source, scope: Scope): Json {
  if (from_item) return scope.item
  if (from_input !== undefined) return scope.input(from_input) ?? null
  return scope.output(from as string)
}

function nameOf({ from, from_input, from_item, pointer = '' }: Source): string {
  return `${from_item ? 'the item' : (from ?? `input "${from_input}"`)}${pointer}`
}

export function transformed(input: TransformWork['input'], scope: Scope): Json {
  if ('object' in input) {
    return Object.fromEntries(Object.entries(input.object).map(([key, source]) => [key, read(source, scope)]))
  }
  const parts = input.merge.map(source => {
    const part = read(source, scope)
    if (typeof part === 'object' && part !== null && !Array.isArray(part)) return part
    throw new NodeFailure('not_an_object', `${nameOf(source)} cannot be merged: it is no object`)
  })
  return Object.assign({}, ...parts)
}

/** A request with its bindings filled in: placeholders first, so that what is put in is never searched for any. */
export function bound<R extends Pick<LlmRequest, 'input'>>(request: R, bindings: readonly Binding[], scope: Scope): R {
  const texts = new Map<string, string>()
  const places: [pointer: string, value: Json][] = []
  for (const { to, to_placeholder, encoding, ...source } of bindings) {
    const value = read(source, scope)
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    if (to_placeholder !== undefined) texts.set(to_placeholder, text)
    else places.push([to as string, encoding === 'json' ? value : text])
  }
  const copy = structuredClone({ ...request, input: request.input.map(item => filled(item, texts)) })
  for (const [pointer, value] of places) put(copy, pointer, value)
  return copy
}

function filled(item: MessageItem, texts: ReadonlyMap<string, string>): MessageItem {
  const content = item.content.map(part =>
    part.type === 'text' ? { ...part, text: fillPlaceholders(part.text, texts) } : part,
  )
  return { ...item, content }
}

/** Sets what is at a pointer; the place above it must be there. */
function put(target: Json, pointer: string, value: Json) {
  const cut = pointer.lastIndexOf('/')
  const parent = at(target, pointer.slice(0, cut))
  const key = pointer
    .slice(cut + 1)
    .replaceAll('~1', '/')
    .replaceAll('~0', '~')
  if (typeof parent !== 'object' || parent === null || key === '__proto__') {
    throw new NodeFailure('missing_value', `the request has no place ${pointer}`)
  }
  parent[key] = value
}

/** The items of a fan-out. */
export function itemsOf({ items }: FanoutInput, scope: Scope): Json[] {
  const source = whole(items, scope)
  const { pointer, path } = items
  // A pointer may mean the answer as a whole, or what a model wrote as JSON.
  let found = at(source, pointer)
  if (found === undefined) found = at(parsed(at(source, TEXT_POINTER)), pointer)
  const list = at(parsed(found), path)
  if (Array.isArray(list)) return list
  const place = `${nameOf(items)}${path ?? ''}`
  throw new NodeFailure(
    'invalid_items',
    `${place} is ${list === undefined ? 'missing' : 'no array'}; items_pointer must lead to a JSON text or value, items_path from there to the array`,
  )
}

function parsed(value: Json): Json {
  if (typeof value !== 'string') return value
  try {
    return JSON.parse(value)
  } catch {
    throw new NodeFailure('invalid_items', 'the text that should hold the items is no JSON')
  }
}

/** A run's outputs from those of its nodes. What comes from a node that was passed by is left out. */
export function outputsOf(plan: Plan, output: (node_id: string) => Json): Record<string, Json> {
  return Object.fromEntries(
    plan.outputs.flatMap(({ name, from, pointer }) => {
      const source = output(from)
      if (source === undefined) return []
      const value = at(source, pointer)
      if (value !== undefined) return [[name, value]]
      throw new NodeFailure('missing_value', `output "${name}": there is nothing at ${from}${pointer}`)
    }),
  )
}

/** A payload as events speak of it: by size and hash (§10). */
export function artifact(artifact_key: string, payload: Json) {
  const text = JSON.stringify(payload)
  const sha256 = createHash('sha256').update(text).digest('hex')
  return { artifact_key, info: { bytes: Buffer.byteLength(text), sha256, included: false as const } }
}
