// What a zod schema is made of, for those who ask about its keys without having a value: messages about unknown keys, the
// commented example, the document of all settings.
import { z } from 'zod'

type Schema = z.core.$ZodType

interface Definition {
  innerType?: Schema
  in?: Schema
  out?: Schema
  element?: Schema
  valueType?: Schema
}

/** Without its default, its transformation and whether it may be absent. */
export function bare(schema: Schema): Schema {
  const { innerType, in: input, out } = schema._zod.def as Definition
  if (innerType) return bare(innerType)
  if (input && out) return bare(input instanceof z.ZodTransform ? out : input)
  return schema
}

/** What may stand under a key of it; undefined where it has no such key. A list is asked with a number. */
export function partOf(schema: Schema, key: PropertyKey): Schema | undefined {
  const whole = bare(schema)
  if (whole instanceof z.ZodObject) return Object.hasOwn(whole.shape, key) ? whole.shape[key as string] : undefined
  if (whole instanceof z.ZodUnion) return whole.options.map(option => partOf(option, key)).find(Boolean)
  const { element, valueType } = whole._zod.def as Definition
  return element ?? valueType
}

/** The keys that it has at a path. */
export function keysAt(schema: Schema, path: readonly PropertyKey[]): string[] {
  const found = path.reduce<Schema | undefined>((part, key) => part && partOf(part, key), schema)
  return found ? keysOf(found) : []
}

function keysOf(schema: Schema): string[] {
  const whole = bare(schema)
  if (whole instanceof z.ZodObject) return Object.keys(whole.shape)
  return whole instanceof z.ZodUnion ? [...new Set(whole.options.flatMap(keysOf))] : []
}

/** The keys of an object, and of the objects in it, that its schema does not have: their paths. */
export function unknownKeys(schema: Schema, value: unknown, path: string[] = []): string[][] {
  const whole = bare(schema)
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  if (!(whole instanceof z.ZodObject) || !isObject) return []
  return Object.entries(value).flatMap(([key, part]) => {
    const known = partOf(whole, key)
    return known ? unknownKeys(known, part, [...path, key]) : [[...path, key]]
  })
}
