// What the log says of a request: the same id in every line, which the answer has as `x-request-id`.
import type { Context, MiddlewareHandler } from 'hono'
import { requestId } from 'hono/request-id'
import type { Logger } from '../core/logger.ts'
import type { HeaderPicker } from './headers.ts'

export interface RequestLogOptions {
  logger: Logger
  /** Headers that are in every line. */
  headers: HeaderPicker
  /** A line for every request, when it is answered; a stream is when it begins. */
  every: boolean
}

/** Takes the client's `x-request-id` if it is letters, digits, `-`, `_` and `=`, up to 255 of them; else makes one. */
export function requestLog({ logger, headers, every }: RequestLogOptions): MiddlewareHandler {
  const identify = requestId()
  return (c, next) =>
    identify(c, async () => {
      c.set('logged', () => {
        const picked = headers(c.req.raw.headers)
        return { request_id: c.get('requestId'), ...(Object.keys(picked).length > 0 && { headers: picked }) }
      })
      const began = performance.now()
      await next()
      if (!every) return
      const duration_ms = Math.round(performance.now() - began)
      const { method, path } = c.req
      logger('info', 'request', { ...requestFields(c), method, path, status: c.res.status, duration_ms })
    })
}

/** What every line about a request says. */
export function requestFields(c: Context): Record<string, unknown> {
  const logged = c.get('logged') as (() => Record<string, unknown>) | undefined
  return logged?.() ?? {}
}
