// Everything that can be set, read once at start from flags, the environment, langgraph.json and its .env: the only reader
// of process.env. A flag wins over the environment, the environment over the file's `env` (as in the official CLI), and
// that over the default.
import { readFile, stat } from 'node:fs/promises'
import { isIP } from 'node:net'
import { dirname, join, relative, resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { z } from 'zod'
import { type ConfigFile, configFile, type HttpConfig, withoutEffect } from './protocol/config-file.ts'
import { type AgentConfig, runloomFile } from './protocol/runloom-file.ts'
import { readScopes } from './protocol/scopes.ts'
import type { StoreConfig } from './protocol/store.ts'
import type { WebhooksConfig } from './protocol/webhooks.ts'

/** A setting nobody can run with. Its message is one line that names the place, the key and the remedy. */
export class ConfigError extends Error {
  override name = 'ConfigError'
}

const LONGEST_TIMER_MS = 2 ** 31 - 1

const Settings = z.object({
  host: z.string().default('127.0.0.1'),
  port: whole(0, 65_535).default(2024),
  /** The folder of the embedded database. */
  data: z.string().default('.runloom'),
  /** `sqlite:<path>` or `postgres://…`; without one, `runloom.db` in `data`. */
  database_url: z
    .string()
    .regex(/^(sqlite:.|postgres(ql)?:\/\/)/, { error: issue => unknownDatabase(issue.input) })
    .optional(),
  /** Postgres past a transaction-mode pooler: where LISTEN works. */
  database_direct_url: z
    .string()
    .regex(/^postgres(ql)?:\/\//, { error: 'use postgres://…; it is the database of DATABASE_URL, past the pooler' })
    .optional(),
  sqlite_sync: z.enum(['full', 'normal'], { error: 'use full or normal' }).default('full'),
  /** The built-in agent's model, `provider:name`; without one, the offline model. */
  model: z.string().optional(),
  /** Runs that this process drives at once. */
  concurrency: whole(0).default(500),
  lease_ms: timer(100).default(10_000),
  run_timeout_ms: timer(1).default(3_600_000),
  max_crashes: whole(0).default(3),
  /** How long running runs may go on after SIGTERM before they are handed back. */
  drain_ms: timer(0).default(8_000),
  /** How long the events of a finished run can be replayed. */
  replay_retention_ms: whole(0).default(7 * 24 * 3_600_000),
  /** Bytes of a request's body. */
  max_body_bytes: whole(1).default(100_000_000),
  /** Bytes of JSON; what they limit is in core/limits.ts. */
  max_input_bytes: whole(1).default(32_000_000),
  max_event_bytes: whole(1).default(16_000_000),
  max_state_bytes: whole(1).default(200_000_000),
  /** Runs that may wait on one thread, and on all. */
  max_thread_queue: whole(1).default(1_000),
  max_queue: whole(1).default(100_000),
  /** A line in the log for every request. */
  log_requests: z.stringbool({ error: 'use true or false' }).default(false),
  heartbeat_ms: timer(1).default(5_000),
  poll_ms: timer(1).default(1_000),
  /** Who may come in, without an `auth` section: `core/api-keys.ts` says how an entry is written. */
  api_keys: z
    .string()
    .default('')
    .transform(list => list.split(/[\s,]+/).filter(Boolean))
    .superRefine((entries, issues) => {
      for (const entry of entries) {
        const message = problemOf(entry)
        if (message) issues.addIssue({ code: 'custom', message })
      }
    }),
  /** Signs webhooks. */
  webhook_secret: z.string().optional(),
  webhook_timeout_ms: timer(1).default(10_000),
  /** Failures after which a webhook is given up. */
  webhook_attempts: whole(1).default(8),
  /** The pause after a webhook's first failure; later ones are longer. */
  webhook_backoff_ms: timer(1).default(10_000),
  /** Private networks that webhooks may call: `127.0.0.0/8,10.1.2.3`. */
  webhook_networks: z
    .string()
    .default('')
    .transform(list => list.split(/[\s,]+/).filter(Boolean))
    .refine(networks => networks.every(isNetwork), {
      error: 'use addresses or networks like 10.1.0.0/16, with commas',
    }),
})

type Setting = keyof typeof Settings.shape

/** Where a setting comes from. Of several variables the first that is set counts; `_SECS` are the official server's. */
const NAMES: Record<Setting, { flag?: keyof Flags; variables: string[] }> = {
  // Not HOST: some shells and toolchains set that to the machine's name.
  host: { flag: 'host', variables: ['RUNLOOM_HOST'] },
  port: { flag: 'port', variables: ['PORT'] },
  data: { flag: 'data', variables: ['RUNLOOM_DATA'] },
  database_url: { variables: ['DATABASE_URL'] },
  database_direct_url: { variables: ['DATABASE_DIRECT_URL'] },
  sqlite_sync: { variables: ['RUNLOOM_SQLITE_SYNC'] },
  model: { variables: ['RUNLOOM_MODEL'] },
  concurrency: { flag: 'concurrency', variables: ['RUNLOOM_CONCURRENCY'] },
  lease_ms: { variables: ['RUNLOOM_LEASE_MS'] },
  run_timeout_ms: { variables: ['RUNLOOM_RUN_TIMEOUT_MS', 'BG_JOB_TIMEOUT_SECS'] },
  max_crashes: { variables: ['RUNLOOM_MAX_CRASHES'] },
  drain_ms: { variables: ['RUNLOOM_DRAIN_MS', 'BG_JOB_SHUTDOWN_GRACE_PERIOD_SECS'] },
  replay_retention_ms: { variables: ['RUNLOOM_REPLAY_RETENTION_MS'] },
  max_body_bytes: { variables: ['RUNLOOM_MAX_BODY_BYTES'] },
  max_input_bytes: { variables: ['RUNLOOM_MAX_INPUT_BYTES'] },
  max_event_bytes: { variables: ['RUNLOOM_MAX_EVENT_BYTES'] },
  max_state_bytes: { variables: ['RUNLOOM_MAX_STATE_BYTES'] },
  max_thread_queue: { variables: ['RUNLOOM_MAX_THREAD_QUEUE'] },
  max_queue: { variables: ['RUNLOOM_MAX_QUEUE'] },
  log_requests: { variables: ['RUNLOOM_LOG_REQUESTS'] },
  heartbeat_ms: { variables: ['RUNLOOM_HEARTBEAT_MS'] },
  poll_ms: { variables: ['RUNLOOM_POLL_MS'] },
  api_keys: { variables: ['RUNLOOM_API_KEYS'] },
  webhook_secret: { variables: ['RUNLOOM_WEBHOOK_SECRET'] },
  webhook_timeout_ms: { variables: ['RUNLOOM_WEBHOOK_TIMEOUT_MS'] },
  webhook_attempts: { variables: ['RUNLOOM_WEBHOOK_ATTEMPTS'] },
  webhook_backoff_ms: { variables: ['RUNLOOM_WEBHOOK_BACKOFF_MS'] },
  webhook_networks: { variables: ['RUNLOOM_WEBHOOK_NETWORKS'] },
}

/** An export that langgraph.json names; `file` is absolute. */
interface Exported {
  file: string
  export: string
}

/** One graph of langgraph.json. */
export interface GraphEntry extends Exported {
  description?: string
}

export interface Config extends z.infer<typeof Settings> {
  database_url: string
  graphs: Record<string, GraphEntry>
  /** Where the user's `Auth` is. */
  auth: Exported | undefined
  /** `folder` is what the paths in it are relative to. */
  store: StoreConfig & { folder: string }
  checkpointer: ConfigFile['checkpointer']
  http: Omit<HttpConfig, 'app'> & { app?: Exported }
  /** Its headers are filled in. `disabled`: call none. */
  webhooks: WebhooksConfig & { disabled: boolean }
  /** The models, the lead agent and what it may use; `folder` is what the paths in it are relative to. */
  agent: AgentConfig & { folder: string }
  /** The environment with the file's `env` below it. `publishEnvironment` gives it to the user's code. */
  env: NodeJS.ProcessEnv
  /** The configuration file and its .env, where there are such. */
  files: string[]
  /** Things to tell the operator, one line each. */
  warnings: string[]
}

/** The command line's options as it parsed them. */
export interface Flags {
  host?: string
  port?: string | number
  data?: string
  config?: string
  concurrency?: string | number
}

/** Reads the configuration. Rejects with a ConfigError; relative paths are the caller's, those in the file are the file's. */
export async function readConfig({
  argv = {},
  env = process.env,
  cwd = process.cwd(),
}: {
  argv?: Flags
  env?: NodeJS.ProcessEnv
  cwd?: string
} = {}): Promise<Config> {
  const file = await findFile(argv.config, cwd)
  const merged = { ...file.env, ...env }
  const settings = readSettings(argv, merged, name => (name in env ? name : `${name} (from ${file.name}'s env)`))
  const { graphs, auth, store, checkpointer, http, files, warnings } = file
  if (auth && settings.api_keys.length > 0)
    warnings.push(`RUNLOOM_API_KEYS is not used: auth.path of ${file.name} says who may come in`)
  const webhooks = { ...file.webhooks, headers: filledHeaders(file, merged) }
  const database_url = settings.database_url ?? `sqlite:${join(resolve(cwd, settings.data), 'runloom.db')}`
  const agent = { ...runloomFile.parse({}), folder: cwd }
  const parts = { graphs, auth, store, checkpointer, http, webhooks, agent }
  return { ...settings, ...parts, database_url, env: merged, files, warnings }
}

/** Puts what only the file's `env` sets into the process, for graphs and model providers to read. */
export function publishEnvironment({ env }: Config): void {
  for (const [name, value] of Object.entries(env)) process.env[name] ??= value
}

/** Settings whose values no message may show. */
const SECRETS = /^database|_keys$|_secret$/

function readSettings(argv: Flags, env: NodeJS.ProcessEnv, origin: (variable: string) => string) {
  const values: Partial<Record<Setting, unknown>> = {}
  const labels = new Map<PropertyKey, string>()
  for (const [setting, { flag, variables }] of Object.entries(NAMES) as [Setting, (typeof NAMES)[Setting]][]) {
    if (flag && argv[flag] !== undefined) {
      values[setting] = argv[flag]
      labels.set(setting, `--${flag} ${argv[flag]}`)
      continue
    }
    const variable = variables.find(name => env[name])
    if (!variable) continue
    const seconds = variable.endsWith('_SECS')
    values[setting] = seconds ? Number(env[variable]) * 1000 : env[variable]
    const secret = SECRETS.test(setting)
    labels.set(setting, secret ? origin(variable) : `${origin(variable)}=${env[variable]}`)
  }
  const parsed = Settings.safeParse(values)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new ConfigError(`${labels.get(issue?.path[0] ?? '')}: ${issue?.message}`)
}

interface FoundFile
  extends Pick<Config, 'graphs' | 'auth' | 'store' | 'checkpointer' | 'http' | 'webhooks' | 'files' | 'warnings'> {
  name: string
  env: NodeJS.ProcessEnv
}

async function findFile(given: string | undefined, cwd: string): Promise<FoundFile> {
  const path = resolve(cwd, given ?? 'langgraph.json')
  const name = relative(cwd, path) || path
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' && given === undefined) return undefined
    const reason = error.code === 'ENOENT' ? 'there is no such file' : error.message
    throw new ConfigError(`--config ${given ?? name}: ${reason}; give the path of a langgraph.json`)
  })
  const json = text === undefined ? {} : parseJson(text, name)
  const parsed = configFile.safeParse(json)
  if (!parsed.success) throw new ConfigError(`${name}: ${firstIssue(parsed.error)}`)
  const folder = dirname(path)
  const files = text === undefined ? [] : [path]
  const found = async <T extends Exported>(entry: T, key: string): Promise<T> => {
    const file = resolve(folder, entry.file)
    if (await isFile(file)) return { ...entry, file }
    throw new ConfigError(`${name}: ${key}: there is no file ${entry.file}; paths are relative to ${name}`)
  }
  const graphs: Config['graphs'] = {}
  for (const [id, entry] of Object.entries(parsed.data.graphs)) graphs[id] = await found(entry, `graphs.${id}`)
  const { path: authPath } = parsed.data.auth
  const auth = authPath && (await found(authPath, 'auth.path'))
  const { app, ...rest } = parsed.data.http
  const http = { ...rest, ...(app && { app: await found(app, 'http.app') }) }
  let env: NodeJS.ProcessEnv
  if (typeof parsed.data.env === 'string') {
    const envFile = resolve(folder, parsed.data.env)
    files.push(envFile)
    env = await readEnvFile(envFile, `${name}: env`, parsed.data.env)
  } else {
    env = parsed.data.env
  }
  const warnings = withoutEffect(json as object).map(warning => `${name}: ${warning}`)
  const { path: _, ...store } = { ...parsed.data.store, folder }
  const webhooks = { ...parsed.data.webhooks, disabled: http.disable_webhooks }
  const { checkpointer } = parsed.data
  return { name, graphs, auth, store, checkpointer, http, webhooks, env, files, warnings }
}

/** The headers of webhooks with their `${{ env.NAME }}` filled in. Only variables with the prefix may be named. */
function filledHeaders({ name, webhooks }: FoundFile, env: NodeJS.ProcessEnv): Record<string, string> {
  const filled = Object.entries(webhooks.headers).map(([header, template]) => {
    const place = `${name}: webhooks.headers.${header}`
    const value = template.replace(/\$\{\{\s*env\.(\w+)\s*\}\}/g, (_, variable: string) => {
      if (!variable.startsWith(webhooks.env_prefix)) {
        throw new ConfigError(
          `${place}: ${variable} does not begin with ${webhooks.env_prefix}; see webhooks.env_prefix`,
        )
      }
      return env[variable] ?? missingVariable(place, variable)
    })
    if (/[\r\n\0]/.test(value)) throw new ConfigError(`${place}: a header is one line`)
    return [header, value]
  })
  return Object.fromEntries(filled)
}

function missingVariable(place: string, variable: string): never {
  throw new ConfigError(`${place}: the variable ${variable} is not set`)
}

async function readEnvFile(path: string, label: string, given: string): Promise<NodeJS.Dict<string>> {
  try {
    return parseEnv(await readFile(path, 'utf8'))
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no file' : 'cannot read'
    throw new ConfigError(`${label}: ${reason} ${given}; create it, or remove the key`, { cause })
  }
}

function parseJson(text: string, name: string): unknown {
  const json = text.replace(/^\uFEFF/, '')
  try {
    return JSON.parse(json)
  } catch (cause) {
    const { message } = cause as Error
    const before = json.slice(0, faultIn(json, message)).split('\n')
    const what = message.replace(/ (in JSON )?at position.*|, (\.\.\.)?".*/s, '')
    throw new ConfigError(
      `${name}:${before.length}:${(before.at(-1) ?? '').length + 1}: ${what}; the file must be JSON, without comments`,
      { cause },
    )
  }
}

/** V8 gives a position with most of its messages; for a token it does not like, the shortest text that has it tells. */
function faultIn(json: string, message: string): number {
  const [, position] = /at position (\d+)/.exec(message) ?? []
  if (position) return Number(position)
  if (!message.startsWith('Unexpected token')) return json.length
  for (let length = 1; length < json.length; length++) {
    try {
      JSON.parse(json.slice(0, length))
    } catch (error) {
      if ((error as Error).message.startsWith('Unexpected token')) return length - 1
    }
  }
  return json.length - 1
}

function firstIssue({ issues: [issue] }: z.ZodError): string {
  const key = issue?.path.join('.')
  return key ? `${key}: ${issue?.message}` : `${issue?.message}`
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false
}

function isNetwork(text: string): boolean {
  const [address = '', bits = '0', ...rest] = text.split('/')
  const most = isIP(address) === 6 ? 128 : 32
  return isIP(address) > 0 && /^\d+$/.test(bits) && Number(bits) <= most && rest.length === 0
}

/** What is wrong with an API key; it shows neither key nor hash. */
function problemOf(entry: string): string | undefined {
  const [, name, scopes] = /^([^:@]+(?:@[\w-]+)?):[0-9a-f]{64}(?::(.*))?$/i.exec(entry) ?? []
  if (name ? scopes === undefined : !entry.includes(':') && entry.length >= 16) return undefined
  if (!name || scopes === undefined) {
    return 'use <name>:<SHA-256 of a key in hex> or <name>@<owner>:<SHA-256>, with :<scope>+<scope> if it may not do everything, or keys of 16 characters or more, with commas; runloom keys create makes one'
  }
  try {
    return void readScopes(scopes)
  } catch (error) {
    return `${name}: ${(error as Error).message}, with + between them`
  }
}

function whole(least: number, most = Number.MAX_SAFE_INTEGER) {
  const error = `use a whole number ${most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`}`
  return z.coerce.number({ error }).int({ error }).min(least, { error }).max(most, { error })
}

function timer(least: number) {
  return whole(least, LONGEST_TIMER_MS)
}

function unknownDatabase(url: unknown): string {
  const [scheme] = /^[a-z][a-z0-9+.-]*(?=:)/i.exec(String(url)) ?? []
  const fault = scheme && scheme !== 'sqlite' ? `"${scheme}:" is not a known database` : 'names no database'
  return `${fault}; use sqlite:<path> or postgres://user@host/name`
}
