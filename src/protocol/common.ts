// Shapes that several nouns of the Agent Server API share (contracts: langgraph §1). Null means absent everywhere,
// because Python clients send it; unknown fields are ignored.
import { z } from 'zod'

export const object = z.record(z.string(), z.unknown())

/** Pagination: limit 1..1000, default 10. */
export const limit = z.coerce.number().int().min(1).max(1000).nullish()
export const offset = z.coerce.number().int().min(0).nullish()

export const sortOrder = z.enum(['asc', 'desc']).nullish()

/** A boolean in a query: true/false as JSON has them, 1/0 as older clients send them. */
export const flag = z
  .enum(['true', 'false', '1', '0', ''])
  .optional()
  .transform(text => text === 'true' || text === '1')

/** A list in a query: a JSON array, repeated keys, or comma-separated. */
export function queryList(values: readonly string[]): string[] {
  return values.flatMap(value => jsonList(value) ?? value.split(','))
}

function jsonList(value: string): string[] | undefined {
  if (!/^[["]/.test(value)) return undefined
  try {
    return [JSON.parse(value)].flat().map(String)
  } catch {
    return undefined
  }
}

/** An object in a query, as JSON. */
export const queryObject = z
  .string()
  .transform((text, context) => {
    try {
      return JSON.parse(text) as unknown
    } catch {
      context.addIssue({ code: 'custom', message: 'must be a JSON object' })
      return z.NEVER
    }
  })
  .pipe(object)

export const uuid = z.uuid({ error: 'must be a UUID' })

export const config = z.looseObject({
  tags: z.array(z.string()).nullish(),
  recursion_limit: z.number().int().positive().nullish(),
  configurable: object.nullish(),
  metadata: object.nullish(),
})

export const checkpoint = z.looseObject({
  thread_id: z.string().nullish(),
  checkpoint_id: z.string().nullish(),
  checkpoint_ns: z.string().nullish(),
  checkpoint_map: object.nullish(),
})
