// What is measured: our server as real processes on SQLite or Postgres, or a peer that runs somewhere already.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { Client } from 'pg'
import { createDatabase, dropDatabase, postgresServer } from '../test/support/postgres.ts'
import type { Answers, Question } from './preload.ts'

export interface Target {
  name: string
  urls: string[]
  /** Milliseconds of CPU since its start, of all threads of all its processes. */
  cpu?: () => Promise<number>
  /** Asks the first process. */
  ask?: <Q extends Question>(question: Q) => Promise<Answers[Q]>
  /** One row into a database of the same kind beside the server's, as durable. */
  bareCommit?: () => Promise<void>
  /** Bytes that the database holds, without free pages. */
  bytes?: () => Promise<number>
  stop: () => Promise<void>
}

export async function sqliteTarget(profile?: string): Promise<Target> {
  const data = mkdtempSync(join(tmpdir(), 'runloom-bench-'))
  const file = join(data, 'runloom.db')
  const server = await startProcess(`sqlite:${file}`, profile)
  const bare = new DatabaseSync(join(data, 'bare.db'))
  bare.exec('pragma journal_mode = wal; pragma synchronous = full; create table bare (row text)')
  const insert = bare.prepare('insert into bare values (?)')
  const bareCommit = async () => void insert.run('a row')
  const stop = async () => {
    bare.close()
    await server.stop()
    rmSync(data, { recursive: true, force: true })
  }
  return {
    name: 'SQLite',
    urls: [server.url],
    ...questions([server]),
    bareCommit,
    bytes: async () => sqliteBytes(file),
    stop,
  }
}

/** The test support's Postgres with its two exceptions for speed undone: commits are durable here. */
export async function postgresTarget(processes: number, profile?: string): Promise<Target> {
  const { url } = await postgresServer()
  for (const setting of ['fsync', 'full_page_writes']) await query(url, `alter system set ${setting} = on`)
  await query(url, 'select pg_reload_conf()')
  const database = await createDatabase()
  const servers = [await startProcess(database, profile)]
  while (servers.length < processes) servers.push(await startProcess(database, profile))
  const bare = new Client(await createDatabase())
  await bare.connect()
  await bare.query('create table bare (row text)')
  const insert = { name: 'bare', text: 'insert into bare values ($1)', values: ['a row'] }
  const bareCommit = async () => void (await bare.query(insert))
  const stop = async () => {
    await bare.end()
    await Promise.all(servers.map(server => server.stop()))
    await dropDatabase(database)
  }
  const bytes = async () => Number((await query(database, 'select pg_database_size(current_database()) as size')).size)
  return {
    name: `Postgres ×${processes}`,
    urls: servers.map(({ url }) => url),
    ...questions(servers),
    bareCommit,
    bytes,
    stop,
  }
}

/** `pid`: its process here, whose threads then count; not those of its children. */
export function peerTarget(url: string, pid: string | undefined): Target {
  const target = { name: 'peer', urls: [url.replace(/\/$/, '')], stop: async () => {} }
  return pid === undefined ? target : { ...target, cpu: async () => cpuOf(pid) }
}

interface ServerProcess {
  url: string
  ask: NonNullable<Target['ask']>
  stop: () => Promise<void>
}

async function startProcess(database_url: string, profile: string | undefined): Promise<ServerProcess> {
  const flags = ['--expose-gc', '--import', pathToFileURL(join(import.meta.dirname, 'preload.ts')).href]
  if (profile) flags.push('--cpu-prof', '--cpu-prof-dir', profile)
  const args = [...flags, 'src/cli.ts', 'serve', '--port', '0', '--config', 'bench/langgraph.json']
  const child = spawn(process.execPath, args, {
    cwd: join(import.meta.dirname, '..'),
    env: { ...process.env, DATABASE_URL: database_url },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  const exited = once(child, 'exit')
  const stop = async () => {
    child.kill('SIGTERM')
    await exited
  }
  for await (const line of createInterface({ input: child.stdout as NonNullable<ChildProcess['stdout']> })) {
    const [, url] = /listening on (\S+)$/.exec(line) ?? []
    if (url) return { url, ask: asker(child), stop }
  }
  throw new Error('the server did not start')
}

/** One question at a time, as the benchmark asks. */
function asker(child: ChildProcess): NonNullable<Target['ask']> {
  return async question => {
    const answer = once(child, 'message')
    child.send(question)
    return (await answer)[0]
  }
}

function questions(servers: ServerProcess[]) {
  const cpu = async () => {
    const answers = await Promise.all(servers.map(({ ask }) => ask('cpu')))
    return answers.reduce((sum, { cpu_ms }) => sum + cpu_ms, 0)
  }
  return { cpu, ask: (servers[0] as ServerProcess).ask }
}

function cpuOf(pid: string): number {
  const ticks = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
  const [utime = 0, stime = 0] =
    readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ').slice(11).map(Number) ?? []
  return ((utime + stime) * 1000) / ticks
}

function sqliteBytes(file: string): number {
  const db = new DatabaseSync(file, { readOnly: true })
  const pragma = (name: string) => Number(Object.values(db.prepare(`pragma ${name}`).get() ?? {})[0])
  const bytes = (pragma('page_count') - pragma('freelist_count')) * pragma('page_size')
  db.close()
  return bytes
}

async function query(connectionString: string, text: string): Promise<Record<string, unknown>> {
  const client = new Client({ connectionString })
  await client.connect()
  try {
    return (await client.query(text)).rows[0] ?? {}
  } finally {
    await client.end()
  }
}
