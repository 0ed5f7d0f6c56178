// What each route needs (contracts: gateway §1.10), said apart from the server's table: for the walk through every route.
import type { Scope } from '../../src/protocol/scopes.ts'

/** Of several the first counts. Those of a stream are for the walk's request, which stops the run. */
const RULES: [route: RegExp, ...needs: Scope[]][] = [
  [/ \/api\/(mcp\/config|memory\/config|memory\/status)$/, 'admin'],
  [/^(PUT|POST) \/api\/skills\//, 'admin'],
  [/^GET \/api\/memory\b|\/memory\/reload$/, 'threads:read'],
  [/^DELETE \/api\/memory\b/, 'threads:delete'],
  [/ \/api\/memory\b/, 'threads:write'],
  [/ \/api\/v1\/workflows\/compile$/, 'threads:write'],
  [/ \/api\/v1\/workflows\/lint$/, 'threads:read'],
  [/^GET \/api\/v1\/sessions\b/, 'threads:read'],
  [/^DELETE \/api\/v1\/sessions\//, 'threads:delete'],
  [/ \/api\/v1\/sessions\b/, 'threads:write'],
  [/\/(crons|store|assistants)\b.*\/(search|count|versions|namespaces)$/, 'threads:read'],
  [/^GET \/(.+\/)?(crons|store|assistants)\//, 'threads:read'],
  [/^DELETE \/(.+\/)?(crons|store|assistants)\//, 'threads:delete'],
  [/ \/(.+\/)?(crons|store|assistants)\b/, 'threads:write'],
  [/^(PUT|POST|DELETE) .+\/(feedback|uploads|goal)/, 'threads:write'],
  [/^(GET|POST) .*\/threads\/:thread_id\/runs\/:run_id\/stream$/, 'runs:read', 'runs:cancel'],
  [/^(GET|POST) .*\/runs\/:run_id\/stream$/, 'runs:read'],
  [/\/prepare$/, 'runs:read'],
  [/^DELETE .+\/runs\/:run_id$/, 'runs:cancel'],
  [/^POST .*\/runs\/(:run_id\/)?cancel$/, 'runs:cancel'],
  [/^POST \/runs\/search$/, 'runs:read'],
  [/^POST .*\/runs\b/, 'runs:create'],
  [/^GET .*\/runs\b/, 'runs:read'],
  [/^GET .*\/threads\/:thread_id\/(messages|messages\/page|stream)$/, 'runs:read'],
  [/\/threads\/prune$/, 'threads:delete'],
  [/^POST .*\/(search|count|history|checkpoint|suggestions)$/, 'threads:read'],
  [/^DELETE .*\/threads\//, 'threads:delete'],
  [/^GET .*\/threads\//, 'threads:read'],
  [/^(POST|PATCH) .*\/threads\b/, 'threads:write'],
]

/** None for what everybody may do who is known. */
export function needsOf(route: string): Scope[] {
  const [, ...needs] = RULES.find(([pattern]) => pattern.test(route)) ?? []
  return needs
}

/** The token of somebody who may do only that. */
export function limited(identity: string, ...scopes: string[]): string {
  return `${identity}~${scopes.join('+')}`
}
