// Prints: what an object looked like when it was stored, cheap to take and to compare, so that a node that changes an old
// message in place is noticed. A deep print has every value in the object; a shallow one what hangs at its top.
import { type Fields, isMessage } from './state-messages.ts'

export type Print = readonly unknown[]

export function samePrint(a: Print, b: Print): boolean {
  if (a.length !== b.length) return false
  for (let index = 0; index < a.length; index++) if (!Object.is(a[index], b[index])) return false
  return true
}

/**
 * The top of an object: its values, and of what they refer to the identity and size. Misses a change further down, such as
 * one inside a tool call's arguments or a content block.
 */
export function shallowPrint(value: unknown): Print {
  return readable(() => shallow(value))
}

function shallow(value: unknown): Print {
  if (typeof value !== 'object' || value === null) return [value]
  if (!isMessage(value)) return Object.entries(value).flatMap(([key, item]) => [key, item, size(item)])
  const { content, id, name, additional_kwargs, response_metadata } = value
  const { tool_calls, usage_metadata, artifact, status } = value as unknown as Fields
  return [
    content,
    size(content),
    id,
    name,
    additional_kwargs,
    size(additional_kwargs),
    response_metadata,
    size(response_metadata),
    tool_calls,
    size(tool_calls),
    usage_metadata,
    artifact,
    status,
  ]
}

/** Everything in an object. Two values with one deep print have one stored text. */
export function deepPrint(value: unknown): Print {
  return readable(() => deep(value))
}

function deep(value: unknown): Print {
  const print: unknown[] = []
  const path = new Set<object>()
  const walk = (value: unknown) => {
    if (typeof value !== 'object' || value === null) return void print.push(value)
    if (path.has(value)) return void print.push('(cycle)')
    path.add(value)
    print.push(Array.isArray(value) ? '[' : value.constructor)
    if (Array.isArray(value)) for (const item of value) walk(item)
    else if (value instanceof Map || value instanceof Set) for (const item of value) walk(item)
    else if (value instanceof Date) print.push(value.getTime())
    else if (ArrayBuffer.isView(value))
      print.push(Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64'))
    else if (isMessage(value)) walkFields(value, key => !key.startsWith('lc_'))
    else if ('toJSON' in value && typeof value.toJSON === 'function') walk(value.toJSON())
    else walkFields(value)
    print.push(')')
    path.delete(value)
  }
  const walkFields = (object: object, wanted?: (key: string) => boolean) => {
    if ('lc_kwargs' in object) print.push(...Object.keys(object.lc_kwargs as object)) // what toDict() includes
    for (const [key, item] of Object.entries(object)) {
      if (wanted && !wanted(key)) continue
      print.push(key)
      walk(item)
    }
  }
  walk(value)
  return print
}

/** What throws when it is read equals nothing, itself included, and so is stored anew each time. */
function readable(take: () => Print): Print {
  try {
    return take()
  } catch {
    return [Symbol('unreadable')]
  }
}

function size(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  return Array.isArray(value) ? value.length : Object.keys(value).length
}
