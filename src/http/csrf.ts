// Writes that a browser may have been made to send (contracts: gateway §1.10): a cookie comes with every request to its
// site, whoever's page made it; a header can only be set by a page that may read the site's cookies.
import { parse } from 'hono/utils/cookie'
import { RunloomError } from '../core/errors.ts'

const WRITES = ['POST', 'PUT', 'PATCH', 'DELETE']

/** Throws for a write whose sender is known by a cookie alone and has not said the `csrf_token` of its cookies in a header. */
export function refuseForged({ method, headers }: Request): void {
  const cookies = headers.get('cookie')
  if (cookies === null || !WRITES.includes(method)) return
  if (headers.has('authorization') || headers.has('x-api-key')) return
  const { csrf_token: token } = parse(cookies, 'csrf_token')
  if (token && token === headers.get('x-csrf-token')) return
  throw new RunloomError(
    'forbidden',
    'Forbidden: a write with cookies needs the header X-CSRF-Token, with the value of the cookie csrf_token',
  )
}
