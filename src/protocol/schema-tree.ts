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
  if (input && out) return bare(out instanceof z.ZodTransform ? input : out)
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

export interface Field {
  key: string
  schema: Schema
  description: string
  /** Undefined where there is none. */
  default: unknown
}

/** The keys of an object in their order; none of what is no object. */
export function fieldsOf(schema: Schema): Field[] {
  const whole = bare(schema)
  if (!(whole instanceof z.ZodObject)) return []
  return Object.entries(whole.shape as Record<string, Schema>).map(([key, part]) => ({
    key,
    schema: part,
    description: descriptionOf(part) ?? '',
    default: defaultOf(part),
  }))
}

function descriptionOf(schema: Schema): string | undefined {
  const { innerType, in: input } = schema._zod.def as Definition
  const inner = innerType ?? input
  return z.globalRegistry.get(schema)?.description ?? (inner && descriptionOf(inner))
}

function defaultOf(schema: Schema): unknown {
  if (schema instanceof z.ZodDefault) return schema.def.defaultValue
  const { innerType, in: input } = schema._zod.def as Definition
  const inner = innerType ?? input
  return inner && defaultOf(inner)
}

/** What a value of it is, in a few words: `true | false`, `number from 1 to 20`, `list of text`. */
export function typeOf(schema: Schema): string {
  const whole = bare(schema)
  if (whole instanceof z.ZodNumber) return numberType(whole)
  if (whole instanceof z.ZodBoolean) return 'true | false'
  if (whole instanceof z.ZodEnum) return whole.options.join(' | ')
  if (whole instanceof z.ZodLiteral) return [...whole.values].join(' | ')
  if (whole instanceof z.ZodArray) return `list of ${typeOf(whole.element)}`
  if (whole instanceof z.ZodRecord) return `map of ${typeOf(whole.valueType)}`
  if (whole instanceof z.ZodObject) return 'section'
  if (whole instanceof z.ZodUnion) return [...new Set(whole.options.map(typeOf))].join(' | ')
  return whole instanceof z.ZodUnknown ? 'anything' : 'text'
}

function numberType({ minValue, maxValue, def }: z.ZodNumber): string {
  const most = maxValue !== null && maxValue < Number.MAX_SAFE_INTEGER ? ` to ${maxValue}` : ''
  if (minValue === null || minValue <= Number.MIN_SAFE_INTEGER) return 'number'
  const isAbove = def.checks?.some(({ _zod }) => (_zod.def as { inclusive?: boolean }).inclusive === false)
  if (isAbove) return `number above ${minValue}${most && `, up${most}`}`
  return most ? `number from ${minValue}${most}` : `number of at least ${minValue}`
}
