// langgraph.json (contracts: langgraph §14): every key that concerns a running server, and those that may stand there.
import { z } from 'zod'
import { unknownKeys } from './schema-tree.ts'
import { storeConfig } from './store.ts'
import { webhooksConfig } from './webhooks.ts'

/** `./file.ts:export`, taken apart. */
const exported =
  (example: string) =>
  (path: string, { addIssue }: z.RefinementCtx) => {
    const [, file, name] = /^(.+):([\w$]+)$/.exec(path) ?? []
    if (file && name) return { file, export: name }
    addIssue(`"${path}" names no export; write "${path}:${example}" if the file exports it as ${example}`)
    return z.NEVER
  }

const graph = z
  .union([z.string(), z.object({ path: z.string(), description: z.string().optional() })], {
    error: 'use "./file.ts:export", or {"path": "./file.ts:export", "description": "…"}',
  })
  .transform((entry, context) => {
    if (typeof entry === 'string') return exported('graph')(entry, context)
    const found = exported('graph')(entry.path, context)
    return { ...found, ...(entry.description !== undefined && { description: entry.description }) }
  })

const names = z.array(z.string().min(1))

/** Which headers: exact names, or patterns in which `*` is anything. The official guide and server spell it differently. */
const headerFilter = z
  .object({ includes: names.nullish(), excludes: names.nullish(), include: names.nullish(), exclude: names.nullish() })
  .transform(({ includes, include, excludes, exclude }) => ({
    includes: includes ?? include ?? [],
    excludes: excludes ?? exclude ?? [],
  }))

export type HeaderFilter = z.infer<typeof headerFilter>

const regex = z.string().transform((source, { addIssue }) => {
  try {
    return new RegExp(`^(?:${source})$`)
  } catch (error) {
    addIssue((error as Error).message)
    return z.NEVER
  }
})

const cors = z
  .object({
    allow_origins: names.optional(),
    /** Of the whole origin. */
    allow_origin_regex: regex.optional(),
    allow_methods: names.optional(),
    allow_headers: names.optional(),
    allow_credentials: z.boolean().default(false),
    expose_headers: names.default([]),
    /** Seconds. */
    max_age: z.number().int().min(0).optional(),
  })
  .refine(({ allow_credentials, allow_origins, allow_origin_regex }) => {
    const named = allow_origins ?? (allow_origin_regex ? [] : ['*'])
    return !allow_credentials || !named.includes('*')
  }, 'allow_credentials needs allow_origins or allow_origin_regex that say whose; any page could use them otherwise')

export type CorsConfig = z.infer<typeof cors>

const off = z.boolean().default(false)

const http = z.object({
  app: z.string().transform(exported('app')).optional(),
  cors: cors.default(() => cors.parse({})),
  disable_assistants: off,
  disable_threads: off,
  disable_runs: off,
  disable_store: off,
  disable_meta: off,
  disable_webhooks: off,
  disable_mcp: off,
  disable_a2a: off,
  disable_ui: off,
  /** Request headers that graphs find in `config.configurable`. */
  configurable_headers: headerFilter.optional(),
  /** Request headers in the log. */
  logging_headers: headerFilter.optional(),
  middleware_order: z.enum(['middleware_first', 'auth_first']).default('middleware_first'),
  enable_custom_route_auth: off,
  mount_prefix: z
    .string()
    .regex(/^(\/[\w.~-]+)*\/?$/, { error: 'use a path like "/agents"' })
    .transform(path => path.replace(/\/$/, ''))
    .default(''),
})

export type HttpConfig = z.infer<typeof http>

const minutes = z.number().positive().max(35_000)

const checkpointer = z.object({
  /** Of every thread that is created without a time to live of its own. */
  ttl: z
    .object({
      strategy: z.enum(['delete', 'keep_latest']).default('delete'),
      /** Minutes since the last use. */
      default_ttl: z.number().positive().max(52_560_000).optional(),
      sweep_interval_minutes: minutes.default(5),
      /** Threads that one sweep removes at most. */
      sweep_limit: z.number().int().positive().default(1_000),
    })
    .optional(),
  path: z.unknown().optional(),
  serde: z.unknown().optional(),
})

const auth = z.object({
  path: z.string().transform(exported('auth')).optional(),
  disable_studio_auth: z.boolean().optional(),
  openapi: z.unknown().optional(),
  cache: z.unknown().optional(),
})

/** Keys for building images, for Python, and those of this server's other readers. */
const OTHERS = `$schema dependencies node_version python_version node_loader api_version base_image image_distro
  dockerfile_lines docker_compose_file pip_config_file pip_installer keep_pkg_tools encryption ui ui_config`

/** What a running server reads. */
export const officialSections = {
  graphs: z.record(z.string().min(1), graph, { error: 'use an object: {"agent": "./agent.ts:graph"}' }).default({}),
  env: z
    .union([z.string(), z.record(z.string(), z.coerce.string())], {
      error: 'use the path of a .env file, or an object of strings',
    })
    .default({}),
  auth: auth.default({}),
  store: storeConfig.extend({ path: z.unknown().optional() }).default({}),
  checkpointer: checkpointer.default({}),
  webhooks: webhooksConfig.default(() => webhooksConfig.parse({})),
  http: http.default(() => http.parse({})),
}

export const configFile = z.object(
  { ...Object.fromEntries(OTHERS.split(/\s+/).map(key => [key, z.unknown().optional()])), ...officialSections },
  { error: 'use an object: {"graphs": {"agent": "./agent.ts:graph"}}' },
)

export type ConfigFile = z.infer<typeof configFile>

/** What the official server does and this one does not. */
const UNSUPPORTED = [
  'encryption',
  'auth.openapi',
  'auth.cache',
  'ui',
  'ui_config',
  'checkpointer.path',
  'checkpointer.serde',
  'store.path',
]

const STUDIO = 'auth.disable_studio_auth: Studio is asked who it is like everybody; "false" changes nothing'

/** What the operator should know of a file: the keys that have no effect, one sentence each. */
export function withoutEffect(file: object): string[] {
  const unsupported = UNSUPPORTED.filter(path => at(file, path) != null)
  return [
    ...unknownKeys(configFile, file).map(path => `the key "${path.join('.')}" is unknown and ignored`),
    ...unsupported.map(key => `"${key}" is not supported and ignored`),
    ...(at(file, 'auth.disable_studio_auth') === false ? [STUDIO] : []),
  ]
}

function at(file: object, path: string): unknown {
  return path.split('.').reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], file)
}
