// Prints: what a value looked like when it was stored, cheap to compare with what it looks like now, so that a node that
// changes an old message in place is noticed. A deep print has every value in an object; a shallow one what hangs at its top.
import { type Fields, isMessage } from './state-messages.ts'

export interface Print {
  /** Whether a value looks so now. Takes no memory: each step asks this of every message of its thread. */
  matches(value: unknown): boolean
}

/** What throws when it is read looks like nothing, itself included, and so is stored anew each time. */
const UNREADABLE: Print = { matches: () => false }

/**
 * The top of an object: its values, and of what they refer to the identity and size. Misses a change further down, such as
 * one inside a tool call's arguments or a content block.
 */
export function shallowPrint(value: unknown): Print {
  const isObject = typeof value === 'object' && value !== null
  return readable(() =>
    isObject && isMessage(value) ? new MessageTop(value as unknown as Fields) : new Parts(topOf, value),
  )
}

/** Everything in an object. Two values with one deep print have one stored text. */
export function deepPrint(value: unknown): Print {
  return readable(() => new Parts(allOf, value))
}

function readable(take: () => Print): Print {
  try {
    return take()
  } catch {
    return UNREADABLE
  }
}

/** Shows what is in a value, part by part, as long as the answer is true; whether it came to the end. */
type Walk = (value: unknown, see: (part: unknown) => boolean) => boolean

class Parts implements Print {
  readonly #walk: Walk
  readonly #parts: unknown[] = []

  constructor(walk: Walk, value: unknown) {
    this.#walk = walk
    walk(value, part => this.#parts.push(part) > 0)
  }

  matches(value: unknown): boolean {
    const parts = this.#parts
    let index = 0
    try {
      return this.#walk(value, part => same(part, parts[index++])) && index === parts.length
    } catch {
      return false
    }
  }
}

const topOf: Walk = (value, see) => {
  if (typeof value !== 'object' || value === null) return see(value)
  return Object.entries(value).every(([key, item]) => see(key) && see(item) && see(size(item)))
}

const allOf: Walk = (value, see) => {
  const path: object[] = []
  const walk = (value: unknown): boolean => {
    if (typeof value !== 'object' || value === null) return see(value)
    if (path.includes(value)) return see('(cycle)')
    path.push(value)
    const went = see(Array.isArray(value) ? '[' : value.constructor) && inside(value) && see(')')
    path.pop()
    return went
  }
  const inside = (value: object): boolean => {
    if (Array.isArray(value) || value instanceof Map || value instanceof Set) return items(value)
    if (value instanceof Date) return see(value.getTime())
    if (ArrayBuffer.isView(value)) {
      return see(Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64'))
    }
    if (isMessage(value)) return fields(value, key => !key.startsWith('lc_'))
    if ('toJSON' in value && typeof value.toJSON === 'function') return walk(value.toJSON())
    return fields(value)
  }
  const items = (value: Iterable<unknown>): boolean => {
    for (const item of value) if (!walk(item)) return false
    return true
  }
  const fields = (object: object, wanted?: (key: string) => boolean): boolean => {
    if ('lc_kwargs' in object && !Object.keys(object.lc_kwargs as object).every(see)) return false // what toDict() includes
    for (const key of Object.keys(object)) {
      if (wanted && !wanted(key)) continue
      if (!see(key) || !walk((object as Fields)[key])) return false
    }
    return true
  }
  return walk(value)
}

/** One flat object that is compared field by field: this is most of what a step costs in a long thread. */
class MessageTop implements Print {
  readonly #content: unknown
  readonly #id: unknown
  readonly #name: unknown
  readonly #additional_kwargs: unknown
  readonly #response_metadata: unknown
  readonly #tool_calls: unknown
  readonly #usage_metadata: unknown
  readonly #artifact: unknown
  readonly #status: unknown
  readonly #sizes: number

  constructor(message: Fields) {
    this.#content = message.content
    this.#id = message.id
    this.#name = message.name
    this.#additional_kwargs = message.additional_kwargs
    this.#response_metadata = message.response_metadata
    this.#tool_calls = message.tool_calls
    this.#usage_metadata = message.usage_metadata
    this.#artifact = message.artifact
    this.#status = message.status
    this.#sizes = sizes(message)
  }

  matches(value: unknown): boolean {
    const message = value as Fields
    try {
      return (
        message.content === this.#content &&
        message.id === this.#id &&
        message.name === this.#name &&
        message.additional_kwargs === this.#additional_kwargs &&
        message.response_metadata === this.#response_metadata &&
        message.tool_calls === this.#tool_calls &&
        message.usage_metadata === this.#usage_metadata &&
        message.artifact === this.#artifact &&
        message.status === this.#status &&
        sizes(message) === this.#sizes
      )
    } catch {
      return false
    }
  }
}

/** Of what a message's top refers to, in one number, with 13 bits for each. */
function sizes({ content, additional_kwargs, response_metadata, tool_calls }: Fields): number {
  return (
    size(content) + 2 ** 13 * size(additional_kwargs) + 2 ** 26 * size(response_metadata) + 2 ** 39 * size(tool_calls)
  )
}

/** `Object.is`, quicker where the answer is mostly yes. */
function same(a: unknown, b: unknown): boolean {
  return (a === b && a !== 0) || Object.is(a, b)
}

function size(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  if (Array.isArray(value)) return value.length
  let count = 0
  for (const _ in value) count++ // no array of keys
  return count
}
