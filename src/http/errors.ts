// From error codes to the root face's status and body: `{"detail": "<text>"}` (contracts: langgraph §1).
import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { z } from 'zod'
import { type ErrorCode, RunloomError } from '../core/errors.ts'
import { errorFields, type Logger } from '../core/logger.ts'
import { isOutage } from '../db/database.ts'
import { Closing } from '../events/followers.ts'
import { Denial } from './auth-file.ts'
import { requestFields } from './request-log.ts'

const STATUS: Record<ErrorCode, ContentfulStatusCode> = {
  invalid: 422,
  no_graph: 400,
  malformed: 400,
  too_large: 413,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  gone: 410,
  conflict: 409,
  busy: 429,
  unsupported: 501,
  unavailable: 503,
}

/** When a client whose run was turned away may ask again. */
export const RETRY_AFTER_SECONDS = 5

const OUTAGE = 'The database cannot be used just now; try again later. The server log has the reason'

export function errorHandler(logger: Logger) {
  return (error: Error, c: Context) => {
    if (error instanceof RunloomError) {
      if (error.code === 'busy') c.header('retry-after', String(RETRY_AFTER_SECONDS))
      return c.json({ detail: error.message, ...error.details }, STATUS[error.code])
    }
    if (error instanceof Denial) return denied(error, c)
    if (error instanceof z.ZodError) return c.json({ detail: describe(error) }, 422)
    if (error instanceof Closing) return c.json({ detail: error.message }, STATUS.unavailable)
    const { method, path } = c.req
    logger('error', 'a request failed', { ...requestFields(c), method, path, ...errorFields(error) })
    if (isOutage(error)) return c.json({ detail: OUTAGE }, STATUS.unavailable)
    return c.json({ detail: 'Internal server error; the server log has the reason' }, 500)
  }
}

/** What the user's code answered, in the form of our errors. */
function denied({ message, status, headers }: Denial, c: Context) {
  const own = Object.entries(headers).filter(([name]) => !/^content-(type|length)$/i.test(name))
  return c.json({ detail: message }, status as ContentfulStatusCode, Object.fromEntries(own))
}

/**
 * The same with what is invalid as a list, each problem with the place of its field: `["body", "input", "messages", 0]`
 * (contracts: gateway §1.2).
 */
export function listedErrors(logger: Logger) {
  const handler = errorHandler(logger)
  return (error: Error, c: Context) => {
    if (!(error instanceof RunloomError) || error.code !== 'invalid') return handler(error, c)
    const detail = issuesOf(error).map(({ path, message }) => ({
      type: 'value_error',
      loc: [partOf(c, path[0]), ...path],
      msg: path.length > 0 ? `${path.join('.')}: ${message}` : message,
    }))
    return c.json({ detail }, STATUS.invalid)
  }
}

function issuesOf({ cause, message }: RunloomError): Pick<z.core.$ZodIssue, 'path' | 'message'>[] {
  if (cause instanceof z.ZodError) return cause.issues
  const [, field, problem = message] = /^([\w.]+): (.*)$/s.exec(message) ?? []
  return [{ path: field === undefined || field === 'body' ? [] : field.split('.'), message: problem }]
}

/** Which part of a request a field is in. */
function partOf(c: Context, field: PropertyKey | undefined): string {
  const name = String(field)
  return name in c.req.param() ? 'path' : c.req.query(name) !== undefined ? 'query' : 'body'
}

/** One line a problem, each naming its field. */
function describe(error: z.ZodError): string {
  return error.issues.map(issue => `${issue.path.join('.') || 'body'}: ${issue.message}`).join('; ')
}

/** Parses what a client sent; a problem becomes a 422 that names the field, below `name` if given. */
export function parse<T extends z.ZodType>(schema: T, value: unknown, name?: string): z.infer<T> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const below = name?.split('.') ?? []
  const error = new z.ZodError(result.error.issues.map(issue => ({ ...issue, path: [...below, ...issue.path] })))
  throw new RunloomError('invalid', describe(error), { cause: error })
}

/** The JSON body; an absent one is an empty object. */
export async function body<T extends z.ZodType>(c: Context, schema: T): Promise<z.infer<T>> {
  return parseBody(await bodyText(c), schema)
}

/** The body as it came, or as a middleware of the user's left it: `c.req.bodyCache.json = …`. */
export async function bodyText(c: Context): Promise<string> {
  const { json } = c.req.bodyCache as { json?: unknown }
  if (json !== undefined) return JSON.stringify(await json)
  return c.req.text().catch(cause => {
    if (cause.code !== 'ECONNRESET') throw cause
    throw new RunloomError('malformed', 'body: the connection ended before it did', { cause })
  })
}

export function parseBody<T extends z.ZodType>(text: string, schema: T): z.infer<T> {
  let value: unknown = {}
  try {
    if (text.trim()) value = JSON.parse(text)
  } catch (cause) {
    throw new RunloomError('invalid', `body: not JSON (${(cause as Error).message})`, { cause })
  }
  if (text.length > 2 * MAX_DEPTH && isDeeper(value, MAX_DEPTH))
    throw new RunloomError('invalid', `body: nested deeper than ${MAX_DEPTH} levels`)
  return parse(schema, value)
}

/** JSON is parsed at any depth, but what writes and copies values recurses and would run out of stack. */
const MAX_DEPTH = 1000

function isDeeper(value: unknown, levels: number): boolean {
  let level = [value]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > levels) return true
    level = level.flatMap(one => (one && typeof one === 'object' ? Object.values(one) : []))
  }
  return false
}
