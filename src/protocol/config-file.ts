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
    const bare = path.replace(/:$/, '')
    addIssue(`"${path}" names no export; write "${bare}:${example}" if the file exports it as ${example}`)
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
  .object({
    includes: names.nullish().describe('Names, or patterns in which `*` is anything.'),
    excludes: names.nullish().describe('Those of them that are left out.'),
    include: names.nullish().describe('As `includes`.'),
    exclude: names.nullish().describe('As `excludes`.'),
  })
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
    allow_origins: names.optional().describe('Origins whose pages may use the server; all without them.'),
    allow_origin_regex: regex.optional().describe('Of the whole origin.'),
    allow_methods: names.optional().describe('All without them.'),
    allow_headers: names.optional().describe('All without them.'),
    allow_credentials: z.boolean().default(false).describe('Whether pages may send cookies.'),
    expose_headers: names.default([]).describe('Headers of answers that pages may read.'),
    max_age: z.number().int().min(0).optional().describe('Seconds for which browsers remember the answer.'),
  })
  .refine(({ allow_credentials, allow_origins, allow_origin_regex }) => {
    const named = allow_origins ?? (allow_origin_regex ? [] : ['*'])
    return !allow_credentials || !named.includes('*')
  }, 'allow_credentials needs allow_origins or allow_origin_regex that say whose; any page could use them otherwise')

export type CorsConfig = z.infer<typeof cors>

const off = z.boolean().default(false)

const http = z.object({
  app: z
    .string()
    .transform(exported('app'))
    .optional()
    .describe('Routes of yours beside those of the server: `./app.ts:app`.'),
  cors: cors.default(() => cors.parse({})).describe('Which pages may use the server.'),
  disable_assistants: off.describe('No routes of assistants.'),
  disable_threads: off.describe('No routes of threads.'),
  disable_runs: off.describe('No routes of runs.'),
  disable_store: off.describe('No routes of the store.'),
  disable_meta: off.describe('No `/info`, `/metrics`, `/docs` and their like.'),
  disable_webhooks: off.describe('No webhook is called.'),
  disable_mcp: off.describe('Understood; there is no such route.'),
  disable_a2a: off.describe('Understood; there is no such route.'),
  disable_ui: off.describe('Understood; there is no such route.'),
  configurable_headers: headerFilter.optional().describe('Request headers that graphs find in `config.configurable`.'),
  logging_headers: headerFilter.optional().describe('Request headers in the log.'),
  middleware_order: z
    .enum(['middleware_first', 'auth_first'])
    .default('middleware_first')
    .describe('Whether the middleware of `app` comes before or after the question who it is.'),
  enable_custom_route_auth: off.describe('Whether routes of `app` ask who it is, too.'),
  mount_prefix: z
    .string()
    .regex(/^(\/[\w.~-]+)*\/?$/, { error: 'use a path like "/agents"' })
    .transform(path => path.replace(/\/$/, ''))
    .default('')
    .describe('The path below which all routes are.'),
})

export type HttpConfig = z.infer<typeof http>

const minutes = z.number().positive().max(35_000)

/** Understood, so that the file can be shared with the official server. */
const unsupported = z.unknown().optional().describe('Has no effect here.')

const checkpointer = z.object({
  ttl: z
    .object({
      strategy: z
        .enum(['delete', 'keep_latest'])
        .default('delete')
        .describe('Whether a thread goes, or all of its states but the latest.'),
      default_ttl: z.number().positive().max(52_560_000).optional().describe('Minutes since the last use.'),
      sweep_interval_minutes: minutes.default(5).describe('How often it is looked for threads whose time is over.'),
      sweep_limit: z.number().int().positive().default(1_000).describe('Threads that one sweep removes at most.'),
    })
    .optional()
    .describe('Of every thread that is created without a time to live of its own.'),
  path: unsupported,
  serde: unsupported,
})

const auth = z.object({
  path: z.string().transform(exported('auth')).optional().describe('An `Auth` of the SDK: `./auth.ts:auth`.'),
  disable_studio_auth: z.boolean().optional().describe('Understood; Studio is asked who it is like everybody.'),
  openapi: unsupported,
  cache: unsupported,
})

/** Keys for building images, for Python, and those of this server's other readers. */
const OTHERS = `$schema dependencies node_version python_version node_loader api_version base_image image_distro
  dockerfile_lines docker_compose_file pip_config_file pip_installer keep_pkg_tools encryption ui ui_config`

/** What a running server reads. */
export const officialSections = {
  graphs: z
    .record(z.string().min(1), graph, { error: 'use an object: {"agent": "./agent.ts:graph"}' })
    .default({})
    .describe('Graphs by id: `./file.ts:export`, or `{path, description}`.'),
  env: z
    .union([z.string(), z.record(z.string(), z.coerce.string())], {
      error: 'use the path of a .env file, or an object of strings',
    })
    .default({})
    .describe('Variables below those of the environment: the path of a `.env` file, or a map.'),
  auth: auth.default({}).describe('Who may come in, by code of yours.'),
  store: storeConfig.extend({ path: unsupported }).default({}).describe('The long-term store.'),
  checkpointer: checkpointer.default({}).describe('What becomes of old threads.'),
  webhooks: webhooksConfig
    .default(() => webhooksConfig.parse({}))
    .describe('What is sent when runs end, and where to.'),
  http: http.default(() => http.parse({})).describe('The HTTP interface.'),
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
