// Whether who sent a request has the scopes that its operation needs (contracts: gateway §1.10): asked behind authentication,
// before a route does anything. What each operation needs is in operations.ts.
import type { Context, MiddlewareHandler } from 'hono'
import { matchedRoutes } from 'hono/route'
import { RunloomError } from '../core/errors.ts'
import { isLimited, may } from '../core/users.ts'
import type { Scope } from '../protocol/scopes.ts'
import { userOf } from './authentication.ts'
import { operations } from './operations.ts'
import type { Needs } from './scopes.ts'

/** By method and path, as routes have them. */
const NEEDS: ReadonlyMap<string, Needs> = new Map(
  operations.map(({ method, path, scope }) => [
    `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`,
    scope,
  ]),
)

export function permissions(mount_prefix: string): MiddlewareHandler {
  return async (c, next) => {
    const user = userOf(c)
    if (isLimited(user)) {
      const missing = (await neededBy(c, mount_prefix)).find(scope => !may(user, scope))
      if (missing) throw new RunloomError('forbidden', `Forbidden: this needs the permission ${missing}`)
    }
    await next()
  }
}

async function neededBy(c: Context, mount_prefix: string): Promise<Scope[]> {
  // Behind this middleware are our routes; those of the user's app come before it.
  const ours = matchedRoutes(c).slice(c.req.routeIndex + 1)
  const routes = ours.filter(({ method }) => method !== 'ALL')
  const needs = routes.flatMap(
    ({ method, path }) => NEEDS.get(`${method} ${plain(path.slice(mount_prefix.length))}`) ?? [],
  )
  if (routes.length > 0 && needs.length === 0) throw new Error(`${c.req.method} ${c.req.path} has no scope`)
  return (await Promise.all(needs.map(one => scopesOf(c, one)))).flat()
}

/** A route's path without the pattern of its last part: `/files/:path{.+}`. */
function plain(path: string): string {
  return path.replace(/\{[^{}]+\}$/, '')
}

function scopesOf(c: Context, needs: Needs): Scope[] | Promise<Scope[]> {
  if (typeof needs === 'function') return needs(c)
  return needs === 'open' || needs === 'known' ? [] : [needs]
}
