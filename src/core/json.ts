// JSON as it is stored: text, without the characters that Postgres refuses inside JSON.

// biome-ignore lint/suspicious/noExplicitAny: JSON of any shape
export type Json = any

/**
 * JSON text of a value, fit for Postgres' jsonb: NUL is left out, half a surrogate pair (text cut in the middle of a
 * character) is replaced. What JSON has no form for becomes a string, or null where it cannot.
 */
export function jsonText(value: unknown): string {
  const text = withoutNul(JSON.stringify(value ?? null, odd) ?? 'null')
  return text.includes('\\ud') ? text.replace(/(?<!\\)((?:\\\\)*)\\ud[89a-f]../g, '$1\ufffd') : text
}

/** Drops `\u0000` from JSON text. */
export function withoutNul(text: string): string {
  return text.includes('\\u0000') ? text.replace(/(?<!\\)((?:\\\\)*)\\u0000/g, '$1') : text
}

/** The replacer for values JSON cannot hold. */
function odd(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (typeof value === 'function' || typeof value === 'symbol') return undefined
  if (value instanceof Map) return Object.fromEntries(value)
  if (value instanceof Set) return [...value]
  if (value instanceof Error) return { error: value.name, message: value.message }
  return value
}
