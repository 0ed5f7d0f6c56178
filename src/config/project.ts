// The configuration files of a project: runloom.yaml, langgraph.json beside it, and the .env that one of them names. Either
// suffices; what langgraph.json may say may stand in runloom.yaml instead, but not in both.
import { readFile } from 'node:fs/promises'
import { dirname, relative, resolve } from 'node:path'
import { parseEnv } from 'node:util'
import { type ConfigFile, configFile, officialSections, withoutEffect } from '../protocol/config-file.ts'
import { type AgentConfig, runloomFile, runloomYaml } from '../protocol/runloom-file.ts'
import { unknownKeys } from '../protocol/schema-tree.ts'
import { ConfigError } from './config-error.ts'
import { type Fault, faultsOf, faultText, unknownKey } from './issues.ts'
import { parseJson } from './json-file.ts'
import { YamlFile } from './yaml-file.ts'

export interface Project extends Omit<ConfigFile, 'env'> {
  /** What paths in the files are relative to. */
  folder: string
  agent: AgentConfig
  /** `server` of runloom.yaml, unchecked but for the names of its keys. */
  server: Record<string, unknown>
  /** The environment with the files' `env` below it. */
  env: NodeJS.ProcessEnv
  /** The files that there are. */
  files: string[]
  warnings: string[]
  /** The name of the file that has a section. */
  fileOf(section: string): string
  /** A key in messages: `langgraph.json: graphs.a`, `runloom.yaml:12:5: graphs.a`. */
  label(...path: string[]): string
}

type Content = Record<string, unknown>

/** Throws a ConfigError: faults of runloom.yaml a line each, of langgraph.json the first. */
export async function readProject(
  given: string | undefined,
  cwd: string,
  processEnv: NodeJS.ProcessEnv,
): Promise<Project> {
  const folder = given === undefined ? cwd : dirname(resolve(cwd, given))
  const givesYaml = given !== undefined && /\.ya?ml$/i.test(given)
  const json = await textFile(cwd, resolve(folder, 'langgraph.json'), givesYaml ? undefined : given)
  const yaml = await textFile(cwd, resolve(folder, 'runloom.yaml'), givesYaml ? given : undefined)
  const official = json.text === undefined ? {} : (parseJson(json.text, json.name) ?? []) // null is no object either
  const own = new YamlFile(yaml.text ?? '', yaml.name)
  refuseDoubles(own, official as object, json.name)
  const fileOf = (section: string) => (section in own.content ? own.name : json.name)
  const label = (...path: string[]) =>
    `${path[0] && path[0] in own.content ? own.place(path) : json.name}: ${path.join('.')}`

  const { env: ownSection, ...rest } = own.content
  const section = own.filled(ownSection, ['env'], processEnv) ?? (official as Content).env
  const { data: envGiven = {} } = officialSections.env.safeParse(section) // refused below where it is wrong
  const envFile = typeof envGiven === 'string' ? [resolve(folder, envGiven)] : []
  const fileEnv = typeof envGiven === 'string' ? await readEnvFile(folder, envGiven, label('env')) : envGiven
  const env = { ...fileEnv, ...processEnv }

  const filled = { ...(own.filled(rest, [], env) as Content), ...(ownSection !== undefined && { env: section }) }
  const files = [json, yaml].filter(({ text }) => text !== undefined).map(({ path }) => path)
  const warnings = withoutEffect(official as object).map(warning => `${json.name}: ${warning}`)
  const sections = checked(own, filled, official, json.name)
  return { ...sections, folder, env, files: [...files, ...envFile], warnings, fileOf, label }
}

async function textFile(cwd: string, standard: string, given: string | undefined) {
  const path = given === undefined ? standard : resolve(cwd, given)
  const name = relative(cwd, path) || path
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' && given === undefined) return undefined
    const reason = error.code === 'ENOENT' ? 'there is no such file' : error.message
    throw new ConfigError(`--config ${given ?? name}: ${reason}; give the path of a runloom.yaml or a langgraph.json`)
  })
  return { path, name, text }
}

function refuseDoubles(own: YamlFile, official: object, jsonName: string) {
  const doubles = Object.keys(officialSections).filter(key => key in own.content && Object.hasOwn(official, key))
  const message = `${jsonName} has this section, too; keep one of them`
  if (doubles.length > 0) throw own.error(doubles.map(key => ({ path: [key], message })))
}

/** The sections of both files. `content` is what runloom.yaml says, with its variables filled in. */
function checked(own: YamlFile, content: Content, official: unknown, jsonName: string) {
  const agentKeys = Object.keys(runloomFile.shape)
  const sharedKeys = Object.keys(officialSections)
  const shared = chosen(content, sharedKeys)
  const unknown = [
    ...Object.keys(content)
      .filter(key => !(key in runloomYaml.shape))
      .map(key => [key]),
    ...unknownKeys(runloomYaml, { ...shared, ...chosen(content, ['server']) }),
  ]
  const agent = runloomFile.safeParse(chosen(content, agentKeys))
  const both = configFile.safeParse(isObject(official) ? { ...official, ...shared } : official)
  const found = both.success ? [] : faultsOf(configFile, both.error)
  const inYaml = ({ path: [section] }: Fault) => section !== undefined && section in shared
  const faults = [
    ...unknown.map(path => unknownKey(runloomYaml, path)),
    ...(agent.success ? [] : faultsOf(runloomFile, agent.error)),
    ...found.filter(inYaml),
  ]
  const [other] = found.filter(fault => !inYaml(fault))
  if (other) throw new ConfigError(`${jsonName}: ${faultText(other)}`)
  if (faults.length > 0 || !agent.success || !both.success) throw own.error(faults)
  const { server = {} } = content
  if (!isObject(server)) throw own.error([{ path: ['server'], message: 'use keys with values, like "port: 2024"' }])
  return { ...both.data, agent: agent.data, server }
}

function chosen(content: Content, keys: string[]): Content {
  return Object.fromEntries(keys.filter(key => key in content).map(key => [key, content[key]]))
}

function isObject(value: unknown): value is Content {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

async function readEnvFile(folder: string, given: string, label: string): Promise<NodeJS.Dict<string>> {
  try {
    return parseEnv(await readFile(resolve(folder, given), 'utf8'))
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no file' : 'cannot read'
    throw new ConfigError(`${label}: ${reason} ${given}; create it, or remove the key`, { cause })
  }
}
