// The user's own Hono app (`http.app`, contracts: langgraph §14): its middleware wraps our routes, its routes come first.
import { type Context, Hono, type MiddlewareHandler } from 'hono'
import { SourceFiles } from '../graph/source-files.ts'
import type { HttpConfig } from '../protocol/config-file.ts'

/** The app that a file exports, and the files it was loaded from. Throws an Error that names the setting and the remedy. */
export async function loadApp(file: string, name: string): Promise<{ app: Hono; files: string[] }> {
  const sources = new SourceFiles()
  try {
    const found = (await sources.import(file))[name]
    if (!isHono(found)) throw new Error(`${name} is no Hono app; write: export const ${name} = new Hono()`)
    return { app: found, files: sources.paths() }
  } catch (cause) {
    throw new Error(`http.app: ${file}: ${(cause as Error).message}`, { cause })
  }
}

/** It may be of another copy of Hono than ours. */
function isHono(value: unknown): value is Hono {
  return typeof value === 'object' && value !== null && 'routes' in value && 'fetch' in value
}

/** What stands around our routes. */
export interface Around {
  http: Pick<HttpConfig, 'middleware_order' | 'enable_custom_route_auth' | 'mount_prefix'>
  custom?: Hono | undefined
  /** Lets a request pass that says who it is from. */
  authenticate?: MiddlewareHandler | undefined
}

/**
 * Mounts the user's app and authentication, in the configured order: `middleware_first` lets the user's middleware see a
 * request before it is authenticated. The user's own routes are authenticated only where the configuration says so.
 */
export function mountAround(app: Hono, { http, custom, authenticate }: Around): void {
  const { middleware_order, enable_custom_route_auth, mount_prefix } = http
  if (!custom) return void (authenticate && app.use(authenticate))
  const isCustom = answersItself(custom)
  const isOpen = ({ req }: Context) =>
    !enable_custom_route_auth && isCustom(req.method, req.path.slice(mount_prefix.length) || '/')
  const guardFirst = middleware_order === 'auth_first' || enable_custom_route_auth
  if (authenticate && guardFirst) app.use((c, next) => (isOpen(c) ? next() : authenticate(c, next)))
  app.route('/', custom)
  // What the user's app has passed on is a request to ours, whatever the app has at that path.
  if (authenticate) app.use((c, next) => (guardFirst && !isOpen(c) ? next() : authenticate(c, next)))
}

/** Tells whether the app answers a request itself, instead of only wrapping what does. */
function answersItself(app: Hono): (method: string, path: string) => boolean {
  const own = new Hono()
  for (const { method, path, handler } of app.routes) {
    const wraps = method === 'ALL' && handler.length >= 2
    if (!wraps) own.on(method, path, handler)
  }
  return (method, path) => own.router.match(method, path)[0].length > 0
}
