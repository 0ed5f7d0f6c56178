// The server's settings, as a flag, a variable or `server` of runloom.yaml gives them: texts as well as numbers.
import { z } from 'zod'
import { readScopes } from './scopes.ts'

const LONGEST_TIMER_MS = 2 ** 31 - 1

export const settings = z.strictObject({
  host: z
    .string()
    .default('127.0.0.1')
    .describe('Where it listens; beyond this machine it wants `api_keys` or `auth`.'),
  port: whole(0, 65_535).default(2024).describe('0: any that is free. `dev` takes the next one where it is taken.'),
  data: z.string().default('.runloom').describe('The folder of the embedded database and of files.'),
  database_url: z
    .string()
    .regex(/^(sqlite:(?!:memory:$).|postgres(ql)?:\/\/)/, { error: issue => unknownDatabase(issue.input) })
    .optional()
    .describe('`sqlite:<path>` or `postgres://…`; without one, `runloom.db` in `data`.'),
  database_direct_url: z
    .string()
    .regex(/^postgres(ql)?:\/\//, { error: 'use postgres://…; it is the database of DATABASE_URL, past the pooler' })
    .optional()
    .describe('Postgres past a transaction-mode pooler: where LISTEN works.'),
  sqlite_sync: z
    .enum(['full', 'normal'], { error: 'use full or normal' })
    .default('full')
    .describe('`full`: what is committed survives a loss of power; `normal`: it survives the death of the process.'),
  model: z
    .string()
    .optional()
    .describe('The default model where `models` names none, `provider:name`; without one, the offline model.'),
  concurrency: whole(0).default(500).describe('Runs that this process drives at once.'),
  lease_ms: timer(100).default(10_000).describe('How long a process that has died keeps its runs.'),
  run_timeout_ms: timer(1).default(3_600_000).describe('How long one run may go on.'),
  max_crashes: whole(0).default(3).describe('Processes that a run may take with it before it is given up.'),
  drain_ms: timer(0)
    .default(8_000)
    .describe('How long running runs may go on after SIGTERM before they are handed back.'),
  replay_retention_ms: whole(0)
    .default(7 * 24 * 3_600_000)
    .describe('How long the events of a finished run can be replayed.'),
  max_body_bytes: whole(1).default(100_000_000).describe("Bytes of a request's body."),
  max_input_bytes: whole(1).default(32_000_000).describe("Bytes of a run's input, as JSON."),
  max_event_bytes: whole(1).default(16_000_000).describe('Bytes of one event, as JSON.'),
  max_state_bytes: whole(1).default(200_000_000).describe("Bytes of a thread's state, as JSON."),
  max_thread_queue: whole(1).default(1_000).describe('Runs that may wait on one thread.'),
  max_queue: whole(1).default(100_000).describe('Runs that may wait on all threads.'),
  log_requests: z
    .union([z.boolean(), z.stringbool()], { error: 'use true or false' })
    .default(false)
    .describe('A line in the log for every request.'),
  heartbeat_ms: timer(1).default(5_000).describe('The pause after which a silent stream sends a comment.'),
  poll_ms: timer(1).default(1_000).describe('How often it looks for work of which no hint came.'),
  api_keys: list()
    .superRefine((entries, issues) => {
      for (const entry of entries) {
        const message = problemOf(entry)
        if (message) issues.addIssue({ code: 'custom', message })
      }
    })
    .describe('Who may come in, without an `auth` section: hashes that `runloom keys create` prints, with commas.'),
  webhook_secret: z.string().optional().describe('Signs webhooks.'),
  webhook_timeout_ms: timer(1).default(10_000).describe('How long a webhook may take to answer.'),
  webhook_attempts: whole(1).default(8).describe('Failures after which a webhook is given up.'),
  webhook_backoff_ms: timer(1)
    .default(10_000)
    .describe("The pause after a webhook's first failure; later ones are longer."),
  webhook_networks: list()
    .refine(networks => networks.every(one => network.safeParse(one).success), {
      error: 'use addresses or networks like 10.1.0.0/16, with commas',
    })
    .describe('Private networks that webhooks may call: `127.0.0.0/8,10.1.2.3`.'),
})

export type Settings = z.infer<typeof settings>

interface SettingNames {
  flag?: 'host' | 'port' | 'data' | 'concurrency'
  variables: string[]
}

/** Where a setting comes from. Of several variables the first that is set counts; `_SECS` are the official server's. */
export const settingNames: Record<keyof Settings, SettingNames> = {
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

const network = z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()])

/** With commas or blanks between them, or a list. */
function list() {
  return z
    .union([z.string(), z.array(z.string())], { error: 'use a text with commas, or a list of texts' })
    .default('')
    .transform(entries => (Array.isArray(entries) ? entries : entries.split(/[\s,]+/)).filter(Boolean))
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
  return z
    .union([z.number(), z.string().regex(/\d/, { error })], { error })
    .transform(Number)
    .pipe(z.number({ error }).int({ error }).min(least, { error }).max(most, { error }))
}

function timer(least: number) {
  return whole(least, LONGEST_TIMER_MS)
}

function unknownDatabase(url: unknown): string {
  const [scheme] = /^[a-z][a-z0-9+.-]*(?=:)/i.exec(String(url)) ?? []
  const known = String(url).endsWith(':memory:') ? 'a database in memory is lost with its process' : 'names no database'
  const fault = scheme && scheme !== 'sqlite' ? `"${scheme}:" is not a known database` : known
  return `${fault}; use sqlite:<path> or postgres://user@host/name`
}
