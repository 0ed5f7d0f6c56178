// Who sends a request (contracts: langgraph §13), found out before anything else is done with it.
import type { Context, HonoRequest, MiddlewareHandler } from 'hono'
import type { ApiKeys } from '../core/api-keys.ts'
import type { User } from '../core/users.ts'
import { type Authenticate, Denial } from './auth-file.ts'
import { wantsPage } from './ui.ts'

/** What is asked for before there is a key: that a server is there, what any of this version can do, and its web page. */
const OPEN = /^\/(ok|health|info|openapi\.json|docs(\/[^/]+)?|ui(\/.*)?|api\/v1\/schemas\/[^/]+)$/

/** A user that a call inside this process has; requests from outside cannot have it. */
const ACTING = Symbol('acting user')

/**
 * Lets in whom `authenticate` knows, and everybody without it. Routes of others are wrapped in the same way. No header
 * opens a way around it: what LangGraph Studio sends (`x-auth-scheme: langsmith`) is a request like any other.
 */
export function authentication(authenticate: Authenticate | undefined, mount_prefix: string): MiddlewareHandler {
  const open = (request: HonoRequest) => {
    const path = request.path.slice(mount_prefix.length)
    return OPEN.test(path) || (/^\/?$/.test(path) && wantsPage(request))
  }
  return async (c, next) => {
    const acting = actingIn(c)
    if (acting) c.set('user', acting)
    else if (authenticate && !open(c.req)) c.set('user', await authenticate(headOf(c.req.raw)))
    await next()
  }
}

/** Asks once more who sent the request, as it was sent; undefined for a call from inside, which nobody has to prove. */
export function asksAgain(c: Context, authenticate: Authenticate): (() => Promise<void>) | undefined {
  if (actingIn(c)) return undefined
  return async () => c.set('user', await authenticate(headOf(c.req.raw)))
}

function actingIn(c: Context): User | undefined {
  return (c.env as { [ACTING]?: User } | undefined)?.[ACTING]
}

/** The environment of a call that this process makes of itself, for somebody. */
export function acting(user: User | undefined): object {
  return user ? { [ACTING]: user } : {}
}

/** Who sent the request; undefined where nobody has to say. */
export function userOf(c: Context): User | undefined {
  return c.get('user')
}

/** By the keys of `RUNLOOM_API_KEYS`. */
export function byApiKey(keys: ApiKeys): Authenticate {
  return async request => {
    const names = /\/api\/v1\//.test(new URL(request.url).pathname)
      ? ['x-api-key', 'x-modelrelay-api-key']
      : ['x-api-key']
    const [, bearer] = /^bearer +(\S+)$/i.exec(request.headers.get('authorization') ?? '') ?? []
    for (const key of [bearer, ...names.map(name => request.headers.get(name))]) {
      const user = key ? keys.find(key) : undefined
      if (user) return user
    }
    throw new Denial(401, 'Unauthorized: send an API key of this server as x-api-key or Authorization: Bearer', {
      'www-authenticate': 'Bearer',
    })
  }
}

/** The request without its body, which is not read before it is known whose it is. */
function headOf({ url, method, headers }: Request): Request {
  return new Request(url, { method, headers })
}
