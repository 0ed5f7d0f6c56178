// Which MCP servers there are (contracts: gateway §2): those of runloom.yaml, and before them what the API has set, which is
// in the database, so that all processes see it at their next use. Secrets of the file stay in the file.
import { isDeepStrictEqual } from 'node:util'
import sql from 'sql-template-tag'
import { first, type Steps, transition } from '../db/database.ts'
import { MASK, type McpServer } from '../protocol/mcp.ts'
import { RunloomError } from './errors.ts'
import { jsonText } from './json.ts'

export type McpServersByName = Record<string, McpServer>

export interface McpSettings {
  /** What runloom.yaml has. */
  file: McpServersByName
  /** Whether the API may name commands, too. */
  commands: boolean
}

/** What the API has set; null for one of the file's that is no more. */
type Stored = Record<string, McpServer | null>

export const listMcpServers = transition(
  import.meta.url,
  'listMcpServers',
  function* ({ file }: McpSettings): Steps<McpServersByName> {
    const row = yield* first<{ servers: string }>(sql`select servers from mcp_config where id = 1`)
    return effective(file, row ? JSON.parse(row.servers) : {})
  },
)

export type McpChange =
  | { replace: McpServersByName }
  | { patch: Record<string, { enabled?: boolean | undefined; description?: string | undefined }> }

/**
 * Puts servers in the place of all, or changes some that there are. `***` stays the secret that it stands for. Throws
 * `invalid` where it stands for none, `not_found` for an unknown one to patch, `forbidden` for a new or changed command
 * where the API may name none.
 */
export const changeMcpServers = transition(
  import.meta.url,
  'changeMcpServers',
  function* ({ file, commands, change }: McpSettings & { change: McpChange }): Steps<McpServersByName> {
    yield sql`insert into mcp_config (id, servers) values (1, '{}') on conflict (id) do nothing`
    const row = yield* first<{ servers: string }>(sql`select servers from mcp_config where id = 1 for update`)
    const known = effective(file, JSON.parse((row as { servers: string }).servers))
    const next =
      'replace' in change ? replaced(change.replace, { ...file, ...known }, commands) : patched(change.patch, known)
    const stored = beside(file, next)
    yield sql`update mcp_config set servers = ${jsonText(stored)} where id = 1`
    return effective(file, stored)
  },
)

/** The server as it is shown: no value of its environment or headers. */
export function maskedMcpServer(server: McpServer): McpServer {
  return withSecrets(server, () => MASK)
}

function effective(file: McpServersByName, stored: Stored): McpServersByName {
  const servers = { ...file }
  for (const [name, server] of Object.entries(stored)) {
    if (server === null) delete servers[name]
    // A secret that the file no longer has is none.
    else servers[name] = withSecrets(filled(server, file[name]), (_, value) => (value === MASK ? undefined : value))
  }
  return servers
}

function replaced(given: McpServersByName, known: McpServersByName, commands: boolean): McpServersByName {
  const entries = Object.entries(given).map(([name, sent]) => {
    const server = filled(sent, known[name])
    const [empty] = Object.entries(secretsOf(server)).find(([, value]) => value === MASK) ?? []
    if (empty !== undefined)
      throw new RunloomError('invalid', `mcp_servers.${name}: ${empty} is ${MASK}, but no value is known; give one`)
    if (server.type === 'stdio' && !commands && !isDeepStrictEqual(program(server), program(known[name])))
      throw new RunloomError(
        'forbidden',
        `mcp_servers.${name}: no command is taken over the API here; put it into runloom.yaml, or set mcp_commands_by_api there`,
      )
    return [name, server]
  })
  return Object.fromEntries(entries)
}

function patched(changes: (McpChange & { patch: object })['patch'], known: McpServersByName): McpServersByName {
  const servers = { ...known }
  for (const [name, change] of Object.entries(changes)) {
    const server = known[name]
    if (!server) throw new RunloomError('not_found', `MCP server '${name}' not found`)
    const { enabled = server.enabled, description = server.description } = change
    servers[name] = { ...server, enabled, description }
  }
  return servers
}

/** What has to be stored beside the file so that these are the servers: no more than what differs. */
function beside(file: McpServersByName, servers: McpServersByName): Stored {
  const gone = Object.keys(file).filter(name => !(name in servers))
  const others = Object.entries(servers).filter(([name, server]) => !isDeepStrictEqual(server, file[name]))
  return Object.fromEntries([
    ...gone.map(name => [name, null]),
    ...others.map(([name, server]) => [name, withoutSecretsOf(server, file[name])]),
  ])
}

function filled(server: McpServer, known: McpServer | undefined): McpServer {
  const secrets = secretsFor(server, known)
  return withSecrets(server, (key, value) => (value === MASK ? (secrets[key] ?? MASK) : value))
}

function withoutSecretsOf(server: McpServer, file: McpServer | undefined): McpServer {
  const secrets = secretsFor(server, file)
  return withSecrets(server, (key, value) => (value === secrets[key] ? MASK : value))
}

/** What is known for this very server: a secret is not handed to another address that somebody puts in its place. */
function secretsFor(server: McpServer, known: McpServer | undefined): Record<string, string> {
  return known && isDeepStrictEqual(target(server), target(known)) ? secretsOf(known) : {}
}

function target(server: McpServer): unknown {
  return server.type === 'stdio' ? [server.command, server.args] : [server.type, server.url]
}

function program(server: McpServer | undefined): unknown {
  return server?.type === 'stdio' && [server.command, server.args, server.env]
}

function secretsOf(server: McpServer): Record<string, string> {
  return server.type === 'stdio' ? server.env : server.headers
}

/** With its secrets as `change` has them; undefined leaves one out. */
function withSecrets(server: McpServer, change: (key: string, value: string) => string | undefined): McpServer {
  const changed = Object.entries(secretsOf(server)).flatMap(([key, value]) => {
    const next = change(key, value)
    return next === undefined ? [] : [[key, next]]
  })
  const secrets: Record<string, string> = Object.fromEntries(changed)
  return server.type === 'stdio' ? { ...server, env: secrets } : { ...server, headers: secrets }
}
