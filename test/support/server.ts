// Servers for tests, the way users have them: in this process, as a process on SQLite, as two processes on one Postgres.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe } from 'node:test'
import { Client } from '@langchain/langgraph-sdk'
import { readConfig } from '../../src/config.ts'
import { startRuntime } from '../../src/runtime.ts'
import { createDatabase, dropDatabase } from './postgres.ts'

const ROOT = join(import.meta.dirname, '../..')
export const GRAPHS = join(ROOT, 'test/fixtures/api/langgraph.json')

/** For servers that are killed: another one takes their runs over soon. Others keep them, however slow the machine is. */
export const SHORT_LEASE = { RUNLOOM_LEASE_MS: '2000' }

/** Short, so that tests see heartbeats and what was due soon. */
const SETTINGS = {
  RUNLOOM_HEARTBEAT_MS: '300',
  RUNLOOM_POLL_MS: '250',
  RUNLOOM_DRAIN_MS: '200',
  RUNLOOM_WEBHOOK_NETWORKS: '127.0.0.0/8',
  RUNLOOM_WEBHOOK_BACKOFF_MS: '100',
  RUNLOOM_DATA: tmpdir(),
}

export interface TestServer {
  url: string
  client: Client
  /** A client of another process of the same cluster; the same process where there is only one. */
  other: Client
  otherUrl: string
  fetch: typeof fetch
}

/** What a suite's servers are started with besides the usual. */
export interface Setup {
  config?: string
  env?: Record<string, string>
}

/**
 * Describes a suite once per way of running. `server()` is valid inside tests. A setup that is known only then is made when
 * the servers start.
 */
export function forEachServer(
  name: string,
  body: (server: () => TestServer, kind: string) => void,
  setup: Setup | (() => Setup) = {},
) {
  for (const [kind, open] of Object.entries({
    'in process': inProcess,
    'on SQLite': onSqlite,
    'on Postgres, two processes': onPostgres,
  })) {
    describe(`${name}, ${kind}`, () => {
      let opened: { server: TestServer; close: () => Promise<void> } | undefined
      before(async () => {
        opened = await open(typeof setup === 'function' ? setup() : setup)
      })
      after(() => opened?.close())
      body(() => opened?.server as TestServer, kind)
    })
  }
}

export interface ServerProcess {
  url: string
  child: ChildProcess
  /** What it has written to its standard error. */
  errors: () => string
  /** SIGKILL. Resolves when it is gone. */
  kill(): Promise<void>
  /** SIGTERM. Resolves with its exit code. */
  stop(): Promise<number | null>
}

export interface ServerOptions {
  database_url: string
  config?: string
  port?: number
  env?: NodeJS.ProcessEnv
  /** Run before the server in the same process, by a shell: `ulimit -f 100`. */
  shell?: string
  /** Another command than the one of the sources. */
  command?: string
}

/** Starts a real server process and waits until it says that it listens. */
export async function startServer(options: ServerOptions): Promise<ServerProcess> {
  const { listening, ...server } = spawnServer(options)
  return { ...server, url: await listening }
}

/** Starts a real server process. `listening` resolves with its URL, and rejects when it ends before it says so. */
export function spawnServer(options: ServerOptions): Omit<ServerProcess, 'url'> & {
  listening: Promise<string>
  exited: Promise<number | null>
} {
  const args = [
    options.command ?? 'src/cli.ts',
    'serve',
    '--port',
    String(options.port ?? 0),
    '--config',
    options.config ?? GRAPHS,
  ]
  const env = { ...process.env, ...SETTINGS, ...options.env, DATABASE_URL: options.database_url }
  const [command, ...rest] = options.shell
    ? ['/bin/sh', '-c', `${options.shell}; exec "$@"`, 'sh', process.execPath, ...args]
    : [process.execPath, ...args]
  const child = spawn(command as string, rest, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let errors = ''
  child.stderr.on('data', chunk => {
    errors += chunk
  })
  const exited = new Promise<number | null>(resolve => child.once('exit', code => resolve(code)))
  const listening = new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', line => {
      const [, found] = /^Runloom listening on (\S+)$/.exec(line) ?? []
      if (found) resolve(found)
    })
    void exited.then(code => reject(new Error(`the server ended with ${code}: ${errors}`)))
  })
  listening.catch(() => {}) // whoever waits for it hears of it; `exited` tells the others
  const kill = async () => {
    child.kill('SIGKILL')
    await exited
  }
  const stop = () => {
    child.kill('SIGTERM')
    return exited
  }
  return { listening, exited, child, errors: () => errors, kill, stop }
}

/** A client that reports failures at once instead of trying again. */
export function clientOf(url: string, fetchWith?: typeof fetch): Client {
  return new Client({ apiUrl: url, callerOptions: { maxRetries: 0, ...(fetchWith && { fetch: fetchWith }) } })
}

/** A folder that is removed with `remove`. */
export function temporaryFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'runloom-test-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

async function inProcess({ config = GRAPHS, env = {} }: Setup) {
  const folder = temporaryFolder()
  const settings = { ...SETTINGS, ...env, DATABASE_URL: `sqlite:${join(folder.path, 'runloom.db')}` }
  const runtime = await startRuntime(await readConfig({ argv: { config }, env: settings }), { logger: () => {} })
  const url = 'http://runloom.test'
  const fetchHere = (async (input, init) => runtime.app.fetch(new Request(input, init))) as typeof fetch
  const client = clientOf(url, fetchHere)
  const close = async () => {
    await runtime.close()
    folder.remove()
  }
  return { server: { url, client, other: client, otherUrl: url, fetch: fetchHere }, close }
}

async function onSqlite(setup: Setup) {
  const folder = temporaryFolder()
  const server = await startServer({ ...setup, database_url: `sqlite:${join(folder.path, 'runloom.db')}` })
  const client = clientOf(server.url)
  const close = async () => {
    await server.stop()
    folder.remove()
  }
  return { server: { url: server.url, client, other: client, otherUrl: server.url, fetch }, close }
}

async function onPostgres(setup: Setup) {
  const database_url = await createDatabase()
  const start = () => startServer({ ...setup, database_url })
  const [one, two] = await Promise.all([start(), start()])
  const close = async () => {
    await Promise.all([one.stop(), two.stop()])
    await dropDatabase(database_url)
  }
  const server = { url: one.url, client: clientOf(one.url), other: clientOf(two.url), otherUrl: two.url, fetch }
  return { server, close }
}
