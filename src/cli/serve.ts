// `runloom dev`, `serve` and `worker`: start the runtime, listen, say so in one line, and stop in order on a signal.
import { watch } from 'node:fs'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, join, relative } from 'node:path'
import { serve as listen } from '@hono/node-server'
import { type Config, ConfigError, type Flags, readConfig } from '../config.ts'
import { errorFields, type Logger } from '../core/logger.ts'
import { type Runtime, startRuntime } from '../runtime.ts'

/** How many ports `dev` tries after a taken one. */
const PORT_TRIES = 20
/** Watched whether they are there or not. */
const CONFIG_FILES = ['langgraph.json', 'runloom.yaml']
/** Editors write a file in several steps. */
const SETTLE_MS = 150
/** One Ctrl-C may come twice: from the terminal, and from npm. */
const ONE_KEYSTROKE_MS = 500

export interface ServeOptions {
  /** The environment to start again with, before a configuration file added to it. */
  inherited: NodeJS.ProcessEnv
  /** Listen beyond this machine without authentication. */
  insecure: boolean
  /** The command line's options, with which a changed configuration is read. */
  argv: Flags
}

export async function serve(
  config: Config,
  command: 'dev' | 'serve' | 'worker',
  { inherited, insecure, argv }: ServeOptions,
): Promise<void> {
  if (command !== 'worker' && !insecure) refuseOpenHost(config)
  if (command === 'worker' && config.database_url.startsWith('sqlite:'))
    throw new ConfigError(
      'runloom worker: set DATABASE_URL to the Postgres it shares; a SQLite file is for one process',
    )
  process.on('unhandledRejection', logForgotten)
  const runtime = await startRuntime(config, { logger: logJson })
  const server = command === 'worker' ? undefined : await open(runtime, config, command === 'dev')
  const stop = once(async () => {
    const closing = runtime.close()
    server?.close()
    await closing
    server?.closeAllConnections()
  })
  let stopping: number | undefined
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (stopping === undefined) {
        stopping = Date.now()
        print('Stopping; running runs may finish first, Ctrl-C ends at once')
        void stop().then(() => process.exit(0))
      } else if (signal === 'SIGINT' && Date.now() - stopping > ONE_KEYSTROKE_MS) process.exit(130)
    })
  }
  if (server && command === 'dev') {
    const port = portOf(server)
    reloadOnChange(runtime, config, async () => {
      await readConfig({ argv, env: inherited })
      await stop()
      restart(port, inherited)
    })
  }
  say(runtime, config, server)
}

/** A server that asks nobody who they are is for this machine alone. */
function refuseOpenHost({ host, auth, api_keys }: Config) {
  if (auth || api_keys.length > 0 || /^(localhost|127(\.\d+){3}|::1|\[::1\])$/i.test(host)) return
  throw new ConfigError(
    `--host ${host}: whoever reaches it could use this server; set RUNLOOM_API_KEYS (runloom keys create makes a key) or auth in langgraph.json, or say --insecure`,
  )
}

async function open(runtime: Runtime, config: Config, mayMove: boolean): Promise<Server> {
  for (let port = config.port; ; port++) {
    try {
      const server = await bind(runtime, config.host, port)
      if (port !== config.port) print(`Port ${config.port} is taken, using ${port}`)
      return server
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EADDRINUSE' && mayMove && port < config.port + PORT_TRIES) continue
      await runtime.close()
      if (code === 'EADDRINUSE')
        throw new ConfigError(`--port ${config.port}: the port is taken; stop what uses it, or choose another`)
      throw new ConfigError(`--host ${config.host}: cannot listen there (${(error as Error).message})`)
    }
  }
}

function bind({ app }: Runtime, hostname: string, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = listen({ fetch: app.fetch, hostname, port }, () => resolve(server)) as Server
    server.once('error', reject)
  })
}

function say({ modelNote }: Runtime, config: Config, server: Server | undefined) {
  if (modelNote) print(modelNote)
  if (!server) return print('Runloom worker is running')
  const host = config.host.includes(':') ? `[${config.host}]` : config.host
  print(`Runloom listening on http://${host}:${portOf(server)}`)
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}

/**
 * Restarts the process when a graph or the configuration changes: running runs are handed back and go on in the new one,
 * readers reconnect. A configuration that nobody can run with is told, and changes nothing. Folders are watched, because editors replace files.
 */
function reloadOnChange({ watched }: Runtime, config: Config, again: () => Promise<void>) {
  const mayCome = CONFIG_FILES.map(name => join(config.agent.folder, name))
  const files = new Set([...watched, ...config.files, ...mayCome])
  let timer: NodeJS.Timeout | undefined
  const changed = (file: string) => {
    clearTimeout(timer)
    timer = setTimeout(() => {
      print(`${relative('', file)} changed, restarting`)
      again().catch((error: Error) => print(`${error.message}\nRunloom goes on as it was`))
    }, SETTLE_MS)
  }
  for (const folder of new Set([...files].map(dirname))) {
    const watcher = watch(folder, (_event, name) => {
      const file = join(folder, name ?? '')
      if (files.has(file)) changed(file)
    })
    watcher.on('error', () => {}) // a folder that goes takes nothing away from what runs
  }
}

/** Replaces the process image, which keeps its id and its terminal; on the port it has. */
function restart(port: number, env: NodeJS.ProcessEnv) {
  const { execve } = process
  if (!execve) {
    print('Please start Runloom again: this system cannot replace a process')
    process.exit(0)
  }
  const argv = [...process.execArgv, ...process.argv.slice(1), '--port', String(port)]
  execve(process.execPath, [process.execPath, ...argv], env)
}

function once(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined
  return () => {
    running ??= work()
    return running
  }
}

const logJson: Logger = (level, message, fields) => {
  process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), level, message, ...fields })}\n`)
}

/** A graph's promise that nobody awaits must not take everybody's runs with it, and again at the next start. */
function logForgotten(reason: unknown) {
  logJson('error', 'a promise was rejected and nobody awaited it', errorFields(reason))
}

function print(text: string) {
  process.stdout.write(`${text}\n`)
}
