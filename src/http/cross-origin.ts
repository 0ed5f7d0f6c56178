// What pages of other origins may do (contracts: langgraph §1, §14): by default everything, without credentials.
import type { MiddlewareHandler } from 'hono'
import { cors } from 'hono/cors'
import type { CorsConfig } from '../protocol/config-file.ts'

/** Headers that browsers must be let see. */
const EXPOSED = [
  'content-location',
  'location',
  'x-pagination-total',
  'x-pagination-next',
  'x-request-id',
  'retry-after',
  'x-modelrelay-request-id',
]

export function crossOrigin(config: CorsConfig): MiddlewareHandler {
  const { allow_origins, allow_origin_regex: regex, allow_methods, allow_headers, expose_headers, max_age } = config
  const origins = allow_origins ?? (regex ? [] : ['*'])
  const allowed = (origin: string) => (origins.includes(origin) || regex?.test(origin) ? origin : null)
  const methods = allow_methods?.includes('*') ? undefined : allow_methods
  // Without a list the headers that a page asks for are allowed.
  const headers = allow_headers?.includes('*') ? undefined : allow_headers
  return cors({
    origin: origins.includes('*') ? '*' : allowed,
    credentials: config.allow_credentials,
    exposeHeaders: [...EXPOSED, ...expose_headers],
    ...(methods && { allowMethods: methods }),
    ...(headers && { allowHeaders: headers }),
    ...(max_age !== undefined && { maxAge: max_age }),
  })
}
