// The face at /api/v1: its error bodies, and the id that every answer carries (contracts: workflows §1).
import { type Context, Hono } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { z } from 'zod'
import { type ErrorCode, RunloomError } from '../core/errors.ts'
import { errorFields, type Logger } from '../core/logger.ts'
import { isOutage } from '../db/database.ts'
import { Closing } from '../events/followers.ts'
import { Denial } from './auth-file.ts'
import { RETRY_AFTER_SECONDS } from './errors.ts'
import { requestFields } from './request-log.ts'

const REQUEST_ID = 'x-modelrelay-request-id'

const FACE: Record<ErrorCode, [ContentfulStatusCode, string]> = {
  invalid: [400, 'VALIDATION_ERROR'],
  malformed: [400, 'INVALID_INPUT'],
  too_large: [413, 'INVALID_INPUT'],
  no_graph: [400, 'INVALID_INPUT'],
  unauthenticated: [401, 'UNAUTHORIZED'],
  forbidden: [403, 'FORBIDDEN'],
  not_found: [404, 'NOT_FOUND'],
  gone: [404, 'NOT_FOUND'],
  conflict: [409, 'CONFLICT'],
  busy: [429, 'RATE_LIMIT'],
  unsupported: [501, 'NOT_IMPLEMENTED'],
  unavailable: [503, 'SERVICE_UNAVAILABLE'],
}

const CODES: Record<number, string> = { 401: 'UNAUTHORIZED', 403: 'FORBIDDEN', 404: 'NOT_FOUND', 429: 'RATE_LIMIT' }

/** A router of this face: errors in its form, a request id on every answer, 404 for what it does not serve. */
export function v1App(logger: Logger) {
  const app = new Hono<{ Variables: { requestId: string } }>()
  app.use(async (c, next) => {
    c.header(REQUEST_ID, c.get('requestId'))
    await next()
  })
  app.onError(v1ErrorHandler(logger))
  return app
}

export function notServed(c: Context): Response {
  return answer(c, 404, 'NOT_FOUND', `${c.req.method} ${c.req.path} is not served here`)
}

/** Also for what goes wrong before a request has come to a route of this face. */
export function v1ErrorHandler(logger: Logger) {
  return (error: Error, c: Context): Response => failed(logger, error, c)
}

function failed(logger: Logger, error: Error, c: Context): Response {
  if (error instanceof RunloomError) {
    const [status, code] = FACE[error.code]
    if (error.code === 'busy') c.header('retry-after', String(RETRY_AFTER_SECONDS))
    return answer(c, status, code, error.message, error.details)
  }
  if (error instanceof Denial) {
    const { status, message } = error
    return answer(c, status as ContentfulStatusCode, CODES[status] ?? 'FORBIDDEN', message)
  }
  if (error instanceof z.ZodError) {
    const fields = error.issues.map(({ path, message }) => ({ field: path.join('.') || 'body', message }))
    const text = fields.map(({ field, message }) => `${field}: ${message}`).join('; ')
    return answer(c, 400, 'VALIDATION_ERROR', text, { fields })
  }
  if (error instanceof Closing) return answer(c, 503, 'SERVICE_UNAVAILABLE', error.message)
  const { method, path } = c.req
  logger('error', 'a request failed', { ...requestFields(c), method, path, ...errorFields(error) })
  if (isOutage(error)) return answer(c, 503, 'SERVICE_UNAVAILABLE', 'The database cannot be used just now; try again')
  return answer(c, 500, 'INTERNAL_ERROR', 'Internal server error; the server log has the reason')
}

function answer(c: Context, status: ContentfulStatusCode, code: string, message: string, more: object = {}): Response {
  const request_id: string = c.get('requestId')
  return c.json({ error: code, code, message, request_id, ...more }, status, { [REQUEST_ID]: request_id })
}
