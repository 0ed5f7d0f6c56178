// Checks a workflow against the JSON Schema that the server hands out, as one types.
import { type OutputUnit, type Schema, Validator } from '@cfworker/json-schema'
import { request } from '../../api.ts'
import { keysOfPointer } from './place.ts'

export interface Fault {
  path: (string | number)[]
  message: string
}

let validator: Promise<Validator> | undefined

/** What is wrong, each place once. */
export async function faultsOfShape(spec: unknown): Promise<Fault[]> {
  validator ??= request<Schema>('/api/v1/schemas/workflow.schema.json').then(
    schema => new Validator(narrowed(schema), '7', false),
  )
  validator.catch(() => {
    validator = undefined
  })
  const { errors } = (await validator).validate(spec)
  const byPlace = new Map<string, Fault>()
  for (const error of errors.filter(isOfItself)) {
    const place = `${error.instanceLocation} ${error.keyword}`
    if (!byPlace.has(place))
      byPlace.set(place, { path: keysOfPointer(error.instanceLocation), message: wordsOf(error) })
  }
  return [...byPlace.values()]
}

/** Of alternatives that `type` tells apart, only the one that is meant is spoken of. */
function narrowed(schema: Schema): Schema {
  const copy = Object.fromEntries(
    Object.entries(schema).map(([key, value]) => [key, key === 'const' || key === 'enum' ? value : inner(value)]),
  ) as Schema
  const { oneOf, ...rest } = copy
  const types = oneOf?.map(one => (one.properties?.type as Schema | undefined)?.const)
  if (!oneOf || !types || types.includes(undefined)) return copy
  const isOf = (type: unknown) => ({ required: ['type'], properties: { type: { const: type } } })
  return {
    ...rest,
    type: 'object',
    required: ['type'],
    properties: { type: { enum: types } },
    // biome-ignore lint/suspicious/noThenProperty: the name that JSON Schema has for it
    allOf: oneOf.map((one, index) => ({ if: isOf(types[index]), then: one })),
  }
}

function inner(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inner)
  return typeof value === 'object' && value !== null ? narrowed(value as Schema) : value
}

const AROUND = new Set(['properties', 'items', 'allOf', 'if', 'then', 'additionalProperties', '$ref'])

/** Not what only says that something inside is wrong, nor what each of several alternatives would want. */
function isOfItself({ keyword, keywordLocation }: OutputUnit): boolean {
  return !AROUND.has(keyword) && !/\/(anyOf|oneOf)\//.test(keywordLocation)
}

function wordsOf({ keyword, error }: OutputUnit): string {
  if (keyword === 'false') return 'is unknown here'
  if (keyword === 'anyOf' || keyword === 'oneOf') return 'is in no form that is known'
  return error.replace(/^Instance does not have/, 'lacks the')
}
