// `runloom doctor`: everything that would stand in the way of a start, a line each, and what to do about it. It changes
// nothing: no schema is migrated, no folder made. With --online it asks every model and every MCP server, too.
import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { createServer } from 'node:net'
import { delimiter, dirname, join, relative, resolve } from 'node:path'
import { functionTools } from '../agent/function-tools.ts'
import { ChatModels } from '../agent/models.ts'
import { type Config, ConfigError, type Flags, publishEnvironment, readConfig } from '../config.ts'
import { openDatabase } from '../db/database.ts'
import { lookAtSchema, NEWEST_SCHEMA } from '../db/migrate.ts'
import { openSqliteReadOnly } from '../db/sqlite.ts'
import { loadGraphs } from '../graph/load.ts'
import { SourceFiles } from '../graph/source-files.ts'

/** What a check found: all is well, something is wrong, or something is worth knowing. */
type Sign = '✔' | '✖' | '–'
type Finding = [sign: Sign, text: string]

const ANSWER_MS = 30_000

/** Prints its findings. False if something is wrong. */
export async function doctor(argv: Flags, { online }: { online: boolean }): Promise<boolean> {
  const findings: Finding[] = []
  const say = (...found: Finding[]) => {
    findings.push(...found)
    for (const [sign, text] of found) process.stdout.write(`${sign} ${text}\n`)
  }
  say(['✔', `Node ${process.versions.node}`])
  try {
    const config = await readConfig({ argv })
    publishEnvironment(config)
    say(...configuration(config))
    for (const check of CHECKS) say(...(await check(config, online)))
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    say(...error.message.split('\n').map((line): Finding => ['✖', line]))
  }
  const wrong = findings.filter(([sign]) => sign === '✖').length
  process.stdout.write(
    wrong === 0 ? 'Nothing is wrong\n' : `${wrong === 1 ? 'One thing is' : `${wrong} things are`} wrong\n`,
  )
  return wrong === 0
}

const CHECKS: ((config: Config, online: boolean) => Promise<Finding[]>)[] = [
  database,
  dataFolder,
  models,
  mcpServers,
  tools,
  graphs,
  port,
]

function configuration({ files, warnings }: Config): Finding[] {
  const names = files.map(file => relative('', file) || file).join(', ')
  const found: Finding = names
    ? ['✔', names]
    : ['–', 'no runloom.yaml, no langgraph.json: all defaults; runloom init writes one']
  return [found, ...warnings.map((warning): Finding => ['–', warning])]
}

async function database({ database_url }: Config): Promise<Finding[]> {
  const [, path] = /^sqlite:(.*)/.exec(database_url) ?? []
  const name = path === undefined ? 'Postgres' : relative('', resolve(path)) || path
  if (path !== undefined && !(await reachable(path, constants.F_OK)))
    return [['–', `database: ${name} is created at start`]]
  try {
    const db =
      path === undefined
        ? await openDatabase(database_url, { connections: 1, timeout_ms: 5_000 })
        : openSqliteReadOnly(path)
    try {
      const version = await db.run(lookAtSchema, db.dialect)
      if (version === NEWEST_SCHEMA) return [['✔', `database: ${name}, its schema is current (${NEWEST_SCHEMA})`]]
      const pending = `database: ${name} has schema ${version} of ${NEWEST_SCHEMA}`
      if (version < NEWEST_SCHEMA)
        return [['–', `${pending}; it is brought up to date at start, or by runloom migrate`]]
      return [['✖', `${pending}; run the newer Runloom that wrote it, or restore a backup`]]
    } finally {
      await db.close()
    }
  } catch (error) {
    return [['✖', `database: ${name} cannot be used: ${messageOf(error)}; see DATABASE_URL`]]
  }
}

async function dataFolder({ database_url, data }: Config): Promise<Finding[]> {
  const [, path] = /^sqlite:(.*)/.exec(database_url) ?? []
  const folder = resolve(path === undefined ? data : dirname(path))
  let existing = folder
  while (!(await reachable(existing, constants.F_OK)) && dirname(existing) !== existing) existing = dirname(existing)
  const name = relative('', folder) || '.'
  if (await reachable(existing, constants.W_OK)) return [['✔', `data folder: ${name}`]]
  return [['✖', `data folder: ${name} cannot be written; change its owner, or choose another with --data`]]
}

async function models({ agent, model, env }: Config, online: boolean): Promise<Finding[]> {
  const chat = new ChatModels(agent.models, model, env)
  return Promise.all(
    chat.list().map(async ({ name, provider }): Promise<Finding> => {
      if (provider === 'offline')
        return ['–', `model ${name}: a few fixed rules, no language model; see models of runloom.yaml`]
      try {
        const missing = await chat.missingKey(name)
        if (missing) return ['✖', `model ${name}: ${missing} is not set; set it, or api_key of the model`]
        if (!online) return ['✔', `model ${name}: ${provider}, not asked (--online asks it)`]
        const made = await chat.get(name, { max_output_tokens: 16 })
        await made.invoke('Say ok.', { signal: AbortSignal.timeout(ANSWER_MS) })
        return ['✔', `model ${name}: ${provider} answers`]
      } catch (error) {
        return ['✖', `model ${name}: ${messageOf(error)}`]
      }
    }),
  )
}

async function mcpServers({ agent, env }: Config, online: boolean): Promise<Finding[]> {
  const servers = Object.entries(agent.mcp_servers).filter(([, { enabled }]) => enabled)
  return Promise.all(
    servers.map(async ([name, server]): Promise<Finding> => {
      if (server.type === 'stdio') {
        const { command } = server
        if (await executable(command, agent.folder, env.PATH)) return ['✔', `MCP server ${name}: ${command}`]
        return [
          '✖',
          `MCP server ${name}: there is no command ${command}; install it, or switch the server off with enabled: false`,
        ]
      }
      if (!online) return ['✔', `MCP server ${name}: ${server.url}, not asked (--online asks it)`]
      try {
        await fetch(server.url, { headers: server.headers, signal: AbortSignal.timeout(ANSWER_MS) })
        return ['✔', `MCP server ${name}: ${server.url} answers`]
      } catch (error) {
        return ['✖', `MCP server ${name}: ${server.url} cannot be reached: ${messageOf(error)}`]
      }
    }),
  )
}

/** As at the start, which the first that cannot be loaded would stop. */
async function tools({ agent }: Config): Promise<Finding[]> {
  if (agent.tools.length === 0) return []
  const sources = new SourceFiles()
  try {
    const found = await functionTools(agent.tools, specifier => sources.importFrom(agent.folder, specifier))
    return [['✔', `tools: ${found.tools.map(({ name }) => name).join(', ')}`]]
  } catch (error) {
    return [['✖', messageOf(error)]]
  } finally {
    sources.close()
  }
}

async function graphs(config: Config): Promise<Finding[]> {
  const { failures } = await loadGraphs(config.graphs)
  return Object.keys(config.graphs).map((id): Finding => {
    const failure = failures.get(id)
    return failure ? ['✖', `graph ${id}: ${messageOf(failure)}`] : ['✔', `graph ${id}`]
  })
}

async function port({ host, port }: Config): Promise<Finding[]> {
  const failure = await new Promise<NodeJS.ErrnoException | undefined>(settle => {
    const server = createServer().once('error', settle)
    server.listen(port, host, () => server.close(() => settle(undefined)))
  })
  if (!failure) return [['✔', `port ${port} of ${host} is free`]]
  if (failure.code !== 'EADDRINUSE')
    return [['✖', `host ${host}: cannot listen there (${failure.message}); choose another with --host`]]
  const asked = await fetch(`http://${host.includes(':') ? `[${host}]` : host}:${port}/ok`, {
    signal: AbortSignal.timeout(2_000),
  }).catch(() => undefined)
  if (asked?.ok) return [['–', `port ${port}: a server answers there already`]]
  return [['✖', `port ${port} is taken; stop what uses it, or choose another with --port`]]
}

/** As a process is started: a name is looked for on the PATH, a path is the folder's. */
async function executable(command: string, folder: string, path = ''): Promise<boolean> {
  const places = command.includes('/')
    ? [resolve(folder, command)]
    : path.split(delimiter).map(place => join(place, command))
  for (const place of places) if (await reachable(place, constants.X_OK)) return true
  return false
}

function reachable(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  )
}

/** One line, with the cause where that says more. */
function messageOf(error: unknown): string {
  const { errors: [inner] = [error] } = error as AggregateError
  const { message, cause } = inner as Error
  const why = message === 'fetch failed' && cause instanceof Error ? cause.message : message
  return why.split('\n', 1)[0] ?? ''
}
