// JSON as it is stored: text, without the one character that Postgres refuses.

// biome-ignore lint/suspicious/noExplicitAny: JSON of any shape
export type Json = any

/** JSON text of a value. NUL is left out; what JSON has no form for becomes a string, or null where it cannot. */
export function jsonText(value: unknown, replacer?: (this: Json, key: string, value: unknown) => unknown): string {
  return withoutNul(JSON.stringify(value ?? null, replacer ?? odd) ?? 'null')
}

/** Drops `\u0000` from JSON text. */
export function withoutNul(text: string): string {
  return text.includes('\\u0000') ? text.replace(/(?<!\\)((?:\\\\)*)\\u0000/g, '$1') : text
}

/** The replacer for values JSON cannot hold. */
export function odd(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'function' || typeof value === 'symbol') return undefined
  if (value instanceof Map) return Object.fromEntries(value)
  if (value instanceof Set) return [...value]
  if (value instanceof Error) return { error: value.name, message: value.message }
  return value
}
