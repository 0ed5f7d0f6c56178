// The composition root: from a Config to a database, a log, a bus, executors, a worker and the HTTP app; and the order
// in which they start and stop.
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Hono } from 'hono'
import { extensionsOf } from './agent/extensions.ts'
import { fileTools } from './agent/file-tools.ts'
import { functionTools } from './agent/function-tools.ts'
import { type LeadAgentParts, leadAgent } from './agent/lead-agent.ts'
import { messageFiles } from './agent/message-files.ts'
import { ChatModels, OFFLINE } from './agent/models.ts'
import type { Config } from './config.ts'
import { ApiKeys } from './core/api-keys.ts'
import { syncSystemAssistants } from './core/assistants.ts'
import { Children } from './core/children.ts'
import { sweep } from './core/claims.ts'
import { Deliverer } from './core/deliverer.ts'
import { Documents } from './core/documents.ts'
import { prepareVectors } from './core/item-vectors.ts'
import { sweepItems } from './core/items.ts'
import { errorFields, type Logger } from './core/logger.ts'
import { QueueGate } from './core/queue.ts'
import { userOfRun } from './core/runs.ts'
import { Scheduler } from './core/scheduler.ts'
import { startAlone } from './core/startup.ts'
import { ThreadFiles } from './core/thread-files.ts'
import { ThreadLog } from './core/thread-log.ts'
import { sweepThreads } from './core/thread-prune.ts'
import type { Ttl } from './core/threads.ts'
import { Ticker } from './core/ticker.ts'
import { Uploads } from './core/uploads.ts'
import { WebhookPolicy } from './core/webhook-policy.ts'
import { Worker } from './core/worker.ts'
import { type Database, openDatabase, unusable } from './db/database.ts'
import { migrate } from './db/migrate.ts'
import { lockSqliteFile } from './db/sqlite.ts'
import { type Bus, LocalBus } from './events/bus.ts'
import { EventLog } from './events/event-log.ts'
import { PostgresBus } from './events/postgres-bus.ts'
import { StateTexts } from './events/state.ts'

import { loadEmbeddings } from './graph/embeddings.ts'
import { graphExecutor } from './graph/executor.ts'
import { type Graphs, loadGraphs } from './graph/load.ts'
import { SourceFiles } from './graph/source-files.ts'
import { ThreadStates } from './graph/state.ts'
import { StateCache } from './graph/state-cache.ts'
import { ItemStore, type StoreOptions } from './graph/store.ts'
import { TypeReader } from './graph/type-schemas.ts'
import { createApp } from './http/app.ts'
import { loadAuthFile } from './http/auth-file.ts'
import { byApiKey } from './http/authentication.ts'
import { callsHere } from './http/calls-here.ts'
import { loadApp } from './http/custom-app.ts'
import { headerPicker } from './http/headers.ts'
import { Metrics } from './http/metrics.ts'
import type { Ports } from './http/ports.ts'
import { webhookBody } from './http/webhooks.ts'
import { uploadLimits } from './protocol/files.ts'
import { workflowExecutor } from './workflow/executor.ts'
import { serverTools } from './workflow/server-tools.ts'

const MINUTE_MS = 60_000
const SWEEP_MS = MINUTE_MS
/** How often items and threads that have expired are removed, and how many at once. */
const DEFAULT_SWEEP_MINUTES = 5
const SWEEP_ITEMS = 1_000
const SWEEP_THREADS = 100
/** The lead agent's graph ids; a configured graph of such a name takes its place. */
const LEAD_AGENT = ['lead_agent', 'agent']
/** In the built package as well as in the sources. */
const PAGE = fileURLToPath(new URL('../dist/web', import.meta.url))

export interface Runtime {
  app: Hono
  /** What the app works with. */
  ports: Ports
  graphs: Graphs
  db: Database
  /** Files and folders whose change means that graphs have to be loaded again. */
  watched: string[]
  /** What the built-in agent answers with, when that is not a model. */
  modelNote: string | undefined
  /** Stops claiming, lets runs finish for the grace or hands them back, and closes everything. */
  close(): Promise<void>
}

export interface RuntimeOptions {
  logger: Logger
  /** False: accept and show runs, leave executing them to other processes. */
  work?: boolean
  /** The folder of the web page, if not the one that `npm run build` makes. */
  page?: string
  /** Graphs that are not in a file, by id: anything that a file might export. One of the configuration's is replaced. */
  own?: Readonly<Record<string, object>>
  /** Of the lead agent, beside its own. */
  middlewares?: LeadAgentParts['middlewares']
}

/** Opens and migrates the database, loads the graphs, and starts working. Where that fails nothing stays open. */
export async function startRuntime(config: Config, options: RuntimeOptions): Promise<Runtime> {
  const opened: (() => unknown)[] = []
  try {
    return await start(config, options, opened)
  } catch (error) {
    for (const close of opened.reverse()) await close()
    throw error
  }
}

/** `opened` is told how to close what has been opened so far. */
async function start(
  config: Config,
  { logger, work = true, page = PAGE, own = {}, middlewares }: RuntimeOptions,
  opened: (() => unknown)[],
): Promise<Runtime> {
  const { database_url, http } = config
  const auth = config.auth && (await loadAuthFile(config.auth, logger))
  const custom = http.app && (await loadApp(http.app.file, http.app.export))
  const unlock = database_url.startsWith('sqlite:') ? lockSqliteFile(database_url.slice('sqlite:'.length)) : () => {}
  opened.push(unlock)
  const metrics = new Metrics()
  const vectors = config.store.index !== undefined
  const db = metrics.timed(await openDatabase(database_url, { sync: config.sqlite_sync, vectors }))
  opened.push(() => db.close())
  const refuse = (error: unknown) => {
    throw unusable(database_url, error)
  }
  await migrate(db).catch(refuse)
  if (db.dialect === 'sqlite') await db.run(startAlone, undefined)
  const bus: Bus =
    db.dialect === 'sqlite' ? new LocalBus() : new PostgresBus(config.database_direct_url ?? database_url)
  opened.push(() => bus.close())
  const texts = new StateTexts(db)
  const log = new EventLog(db, bus, {
    stored: rows => texts.know(rows),
    outage: error => logger('error', 'the event log cannot be written, trying again', errorFields(error)),
  })
  const threads = new ThreadLog(db, bus)
  opened.push(
    () => log.close(),
    () => threads.close(),
  )
  const files = new ThreadFiles({ db, folder: dataFolder(config), logger })
  const documents = documentsOf(config, logger)
  const uploads = new Uploads({ files, documents, limits: uploadLimits.parse(config.agent.uploads) })
  const models = new ChatModels(config.agent.models, config.model, config.env)
  const extensions = extensionsOf({ db, config: config.agent, models, logger })
  const sources = new SourceFiles()
  const functions = await functionTools(config.agent.tools, specifier =>
    sources.importFrom(config.agent.folder, specifier),
  ).finally(() => sources.close())
  const graphs = await deployedGraphs(config, models, logger, {
    functions,
    files: config.agent.agent.file_tools ? fileTools(files, config.agent.agent) : undefined,
    uploads: messageFiles({ files, uploads }),
    ...extensions.middlewares,
    middlewares,
  })
  for (const [graph_id, graph] of Object.entries(own)) graphs.register(graph_id, graph)
  await db
    .run(
      syncSystemAssistants,
      [...graphs.ids(), ...graphs.failures.keys()].map(graph_id => ({
        graph_id,
        description: graphs.description(graph_id) ?? null,
      })),
    )
    .catch(refuse)

  const { webhooks: webhookConfig, webhook_networks: networks } = config
  const webhooks = new WebhookPolicy({ ...webhookConfig, networks })
  const store = await itemStore(db, config)
  const cache = new StateCache()
  const types = new TypeReader({ folder: join(dataFolder(config), 'schemas'), logger })
  const states = new ThreadStates({ db, graphs, store, cache, texts, limits: config })
  const { lease_ms, poll_ms, concurrency, max_crashes, run_timeout_ms, drain_ms } = config
  const executors = {
    graph: graphExecutor({
      db,
      graphs,
      storeOf: owned => store.of(owned),
      cache,
      limits: config,
      tracing: config.agent.tracing,
    }),
    workflow: workflowExecutor({
      db,
      bus,
      models,
      tools: serverTools({ db, guard: webhooks.guard }),
      agents: new Children({ db, log, bus, texts }),
      poll_ms,
    }),
  }
  const worker = new Worker(
    { db, log, bus, executors, logger },
    {
      worker_id: randomUUID(),
      url: database_url,
      lease_ms,
      poll_ms,
      concurrency,
      max_crashes,
      run_timeout_ms,
      drain_ms,
    },
  )
  if (work) worker.start()
  files.start()
  const sweeping = setInterval(() => void sweepAll(db, config.replay_retention_ms, logger), SWEEP_MS)
  const version = packageVersion()
  const ttl = threadTtl(config)
  const queue = { thread: config.max_thread_queue, total: config.max_queue }
  metrics.watch({ db, worker, logs: [log, threads] })
  const ports: Ports = {
    db,
    log,
    threads,
    files,
    uploads,
    bus,
    worker,
    gate: new QueueGate(queue),
    limits: config,
    graphs,
    types,
    states,
    texts,
    store,
    models,
    memory: config.agent.memory,
    skills: extensions.skills,
    mcp: extensions.mcp,
    webhooks,
    authenticate:
      auth?.authenticate ?? (config.api_keys.length > 0 ? byApiKey(new ApiKeys(config.api_keys)) : undefined),
    handlers: auth?.handlers,
    logger,
    metrics,
    http,
    pickHeaders: headerPicker(http.configurable_headers),
    ttl,
    version,
    langgraph_version: langgraphVersion(),
    heartbeat_ms: config.heartbeat_ms,
  }
  const app = createApp(ports, { log_requests: config.log_requests, custom: custom?.app, page })
  const here = callsHere(app, http.mount_prefix)
  const expiring = [sweepExpiredItems(db, config, logger), sweepExpiredThreads(db, config, logger)]
  const scheduler = work ? new Scheduler({ db, bus, logger }, { poll_ms, queue, ...(ttl && { ttl }) }) : undefined
  const deliverer = work
    ? new Deliverer(
        {
          db,
          bus,
          logger,
          policy: webhooks,
          body: run_id => webhookBody({ db, texts }, run_id),
          callHere: async (path, init, run_id) => here.call(path, init, await db.run(userOfRun, run_id)),
        },
        {
          poll_ms,
          headers: config.webhooks.headers,
          secret: config.webhook_secret,
          timeout_ms: config.webhook_timeout_ms,
          attempts: config.webhook_attempts,
          backoff_ms: config.webhook_backoff_ms,
        },
      )
    : undefined

  const close = async () => {
    clearInterval(sweeping)
    here.close()
    for (const ticker of expiring) await ticker.close()
    types.close()
    await scheduler?.close()
    await worker.close()
    await extensions.close()
    await deliverer?.close()
    await documents?.close()
    await files.close()
    await threads.close()
    await log.close()
    await bus.close()
    await db.close()
    unlock()
  }
  const modelNote =
    models.default_name === OFFLINE
      ? 'The built-in agent uses the offline model, a few fixed rules. For a real one set RUNLOOM_MODEL=<provider>:<name>'
      : undefined
  const watched = [...graphs.watched, ...sources.paths(), ...(auth?.files ?? []), ...(custom?.files ?? [])]
  return { app, ports, graphs, db, watched, modelNote, close }
}

/** Where files of this server may be kept: beside its database, where that is a file. */
function dataFolder({ database_url, data }: Config): string {
  return database_url.startsWith('sqlite:') ? dirname(database_url.slice('sqlite:'.length)) : data
}

/** What converts uploaded documents, where the configuration wants that. */
function documentsOf({ agent: { uploads } }: Config, logger: Logger): Documents | undefined {
  return uploads.convert_documents
    ? new Documents({ timeout_ms: uploads.convert_timeout_seconds * 1000, logger })
    : undefined
}

/** The store as `store` of langgraph.json has it. */
async function itemStore(db: Database, { store: { index, ttl, folder } }: Config): Promise<ItemStore> {
  const options: StoreOptions = {}
  if (ttl) options.refresh_on_read = ttl.refresh_on_read
  if (ttl?.default_ttl !== undefined) options.default_ttl_ms = ttl.default_ttl * MINUTE_MS
  if (index) {
    options.index = { ...index, embeddings: await loadEmbeddings(index.embed, folder) }
    await db.run(prepareVectors, db.dialect)
  }
  return new ItemStore(db, options)
}

/** The time to live of new threads, as `checkpointer` of langgraph.json has it. */
function threadTtl({ checkpointer: { ttl } }: Config): Ttl | undefined {
  if (ttl?.default_ttl === undefined) return undefined
  return { ttl_minutes: ttl.default_ttl, ttl_strategy: ttl.strategy }
}

/** Removes threads whose time is over, every so often. */
function sweepExpiredThreads(db: Database, { checkpointer: { ttl } }: Config, logger: Logger): Ticker {
  const poll_ms = (ttl?.sweep_interval_minutes ?? DEFAULT_SWEEP_MINUTES) * MINUTE_MS
  const sweeping = async () => {
    for (let left = ttl?.sweep_limit ?? Number.POSITIVE_INFINITY; left > 0; ) {
      const limit = Math.min(left, SWEEP_THREADS)
      left = (await db.run(sweepThreads, limit)) < limit ? 0 : left - limit
    }
    return undefined
  }
  const ticker = new Ticker(sweeping, { failure: 'sweeping threads failed', poll_ms, logger })
  ticker.start()
  return ticker
}

/** Removes items whose time is over, every so often. */
function sweepExpiredItems(db: Database, { store: { ttl } }: Config, logger: Logger): Ticker {
  const poll_ms = (ttl?.sweep_interval_minutes ?? DEFAULT_SWEEP_MINUTES) * MINUTE_MS
  const sweeping = async () => ((await db.run(sweepItems, SWEEP_ITEMS)).more ? 0 : undefined)
  const ticker = new Ticker(sweeping, { failure: 'sweeping the store failed', poll_ms, logger })
  ticker.start()
  return ticker
}

/** The configured graphs, and the lead agent under the names that none of them has. */
async function deployedGraphs(
  config: Config,
  models: ChatModels,
  logger: Logger,
  parts: Omit<LeadAgentParts, 'model' | 'models' | 'config'>,
): Promise<Graphs> {
  const graphs = await loadGraphs(config.graphs)
  for (const [graph_id, error] of graphs.failures)
    logger('error', 'a graph failed to load', { graph_id, ...errorFields(error) })
  const free = LEAD_AGENT.filter(name => !(name in config.graphs))
  if (free.length === 0) return graphs
  const agent = leadAgent({ model: await models.get(models.default_name), models, config: config.agent, ...parts })
  for (const name of free) graphs.register(name, agent, 'The built-in agent: tells the time and calculates')
  return graphs
}

async function sweepAll(db: Database, retention_ms: number, logger: Logger) {
  try {
    while ((await db.run(sweep, { retention_ms })).more);
  } catch (error) {
    logger('warn', 'sweeping failed', errorFields(error))
  }
}

function packageVersion(): string {
  return versionIn(new URL('../package.json', import.meta.url))
}

function langgraphVersion(): string {
  return versionIn(new URL(import.meta.resolve('@langchain/langgraph/package.json')))
}

function versionIn(file: URL): string {
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}
