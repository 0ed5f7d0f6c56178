// Everything that can be set, read once at start from flags, the environment, runloom.yaml, langgraph.json and their .env:
// the only reader of process.env. A flag wins over the environment, the environment over the file's `env` (as in the
// official CLI), that over `server` of runloom.yaml, and that over the default.
import { stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { ConfigError } from './config/config-error.ts'
import { faultsOf } from './config/issues.ts'
import { type Project, readProject } from './config/project.ts'
import type { ConfigFile, HttpConfig } from './protocol/config-file.ts'
import type { AgentConfig } from './protocol/runloom-file.ts'
import { type Settings, settingNames, settings as settingsSchema } from './protocol/settings.ts'
import type { StoreConfig } from './protocol/store.ts'
import type { WebhooksConfig } from './protocol/webhooks.ts'

export { ConfigError }

/** An export that langgraph.json names; `file` is absolute. */
interface Exported {
  file: string
  export: string
}

/** One graph of langgraph.json. */
export interface GraphEntry extends Exported {
  description?: string
}

export interface Config extends Settings {
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
  const project = await readProject(argv.config, cwd, env)
  const settings = readSettings(argv, project, env)
  const { folder, store: givenStore, webhooks: givenWebhooks, checkpointer, files, warnings } = project
  const { path: authPath } = project.auth
  const auth = authPath && (await found(project, authPath, 'auth', 'path'))
  if (auth && settings.api_keys.length > 0)
    warnings.push(`RUNLOOM_API_KEYS is not used: auth.path of ${project.fileOf('auth')} says who may come in`)
  if (settings.model && project.agent.models.length > 0)
    warnings.push(`RUNLOOM_MODEL is not used: the first of the models in ${project.fileOf('models')} is the default`)
  const graphs: Config['graphs'] = {}
  for (const [id, entry] of Object.entries(project.graphs)) graphs[id] = await found(project, entry, 'graphs', id)
  const { app, ...rest } = project.http
  const http = { ...rest, ...(app && { app: await found(project, app, 'http', 'app') }) }
  const { path: _, ...store } = { ...givenStore, folder }
  const webhooks = { ...givenWebhooks, headers: filledHeaders(project), disabled: http.disable_webhooks }
  const database_url = settings.database_url ?? `sqlite:${join(resolve(cwd, settings.data), 'runloom.db')}`
  const agent = { ...project.agent, folder }
  const parts = { graphs, auth, store, checkpointer, http, webhooks, agent }
  return { ...settings, ...parts, database_url, env: project.env, files, warnings }
}

/** Puts what only the file's `env` sets into the process, for graphs and model providers to read. */
export function publishEnvironment({ env }: Config): void {
  for (const [name, value] of Object.entries(env)) process.env[name] ??= value
}

/** Settings whose values no message may show. */
const SECRETS = /^database|_keys$|_secret$/

function readSettings(argv: Flags, project: Project, processEnv: NodeJS.ProcessEnv): Settings {
  const { env } = project
  const values: Record<string, unknown> = fromFile(project)
  const labels = new Map(Object.keys(values).map(setting => [setting, project.label('server', setting)]))
  const origin = (variable: string) =>
    variable in processEnv ? variable : `${variable} (from ${project.fileOf('env')}'s env)`
  for (const [setting, { flag, variables }] of Object.entries(settingNames)) {
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
  const parsed = settingsSchema.safeParse(values)
  if (parsed.success) return parsed.data
  const lines = faultsOf(settingsSchema, parsed.error).map(
    ({ path: [setting], message }) => `${labels.get(String(setting))}: ${message}`,
  )
  throw new ConfigError([...new Set(lines)].join('\n'))
}

/** The `server` section; its relative paths are the file's. */
function fromFile({ server, folder }: Project): Record<string, unknown> {
  const { data, database_url: url } = server
  const [, path] = /^sqlite:(.+)/.exec(String(url)) ?? []
  return {
    ...server,
    ...(typeof data === 'string' && { data: resolve(folder, data) }),
    ...(path && { database_url: `sqlite:${resolve(folder, path)}` }),
  }
}

/** An export that a file names, where it is. */
async function found<T extends Exported>(project: Project, entry: T, ...key: [string, string]): Promise<T> {
  const file = resolve(project.folder, entry.file)
  if ((await stat(file).catch(() => undefined))?.isFile()) return { ...entry, file }
  const reason = `there is no file ${entry.file}; paths are relative to ${project.fileOf(key[0])}`
  throw new ConfigError(`${project.label(...key)}: ${reason}`)
}

/** The headers of webhooks with their `${{ env.NAME }}` filled in. Only variables with the prefix may be named. */
function filledHeaders({ webhooks, env, label }: Project): Record<string, string> {
  const filled = Object.entries(webhooks.headers).map(([header, template]) => {
    const place = label('webhooks', 'headers', header)
    const value = template.replace(/\$\{\{\s*env\.(\w+)\s*\}\}/g, (_, variable: string) => {
      if (!variable.startsWith(webhooks.env_prefix)) {
        throw new ConfigError(
          `${place}: ${variable} does not begin with ${webhooks.env_prefix}; see webhooks.env_prefix`,
        )
      }
      const given = env[variable]
      if (given === undefined) throw new ConfigError(`${place}: the variable ${variable} is not set`)
      return given
    })
    if (/[\r\n\0]/.test(value)) throw new ConfigError(`${place}: a header is one line`)
    return [header, value]
  })
  return Object.fromEntries(filled)
}
