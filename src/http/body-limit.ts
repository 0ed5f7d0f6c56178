// The largest body that a request may have. One that says so beforehand is refused unread.
import type { Context, MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'

/** Answers 413 to a body of more than `most` bytes, unless it has a limit of its own. */
export function limitedBody(most: number, hasOwn: (c: Context) => boolean): MiddlewareHandler {
  const onError = (c: Context) =>
    c.json({ detail: `The body is larger than ${most} bytes, the most that is taken` }, 413)
  const counting = bodyLimit({ maxSize: most, onError })
  return (c, next) => {
    if (hasOwn(c)) return next()
    const length = c.req.header('content-length')
    if (length !== undefined) return Number(length) > most ? Promise.resolve(onError(c)) : next()
    // Looking for a body makes one of every request, so only where there may be one.
    return c.req.method === 'GET' || c.req.method === 'HEAD' ? next() : counting(c, next)
  }
}
