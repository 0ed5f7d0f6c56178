// Values as text: the wire form that clients see.
import { withoutNul } from '../core/json.ts'

/** The wire JSON of any value: messages flat, what JSON has no form for as text. */
export function wireText(value: unknown): string {
  const seen: object[] = []
  const text = JSON.stringify(value ?? null, function (this: Record<string, unknown>, key, after) {
    const raw = this[key]
    while (seen.length > 0 && seen.at(-1) !== this) seen.pop()
    if (typeof raw === 'bigint') return raw.toString()
    if (raw instanceof Map) return Object.fromEntries(raw)
    if (raw instanceof Set) return [...raw]
    if (raw !== null && typeof raw === 'object' && 'toDict' in raw && typeof raw.toDict === 'function') {
      const { type, data } = raw.toDict()
      return { ...data, type }
    }
    if (after !== null && typeof after === 'object') {
      if (seen.includes(after)) return '[Circular]'
      seen.push(after)
    }
    return after
  })
  return withoutNul(text ?? 'null')
}
