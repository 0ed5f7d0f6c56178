// What the named recovery cases share: servers with the recovery graphs and short leases, a look at a run's log, and the
// question whether every step of it is there once.
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { after } from 'node:test'
import type { Client } from '@langchain/langgraph-sdk'
import { eventually } from '../api/harness.ts'
import { clientOf, type ServerProcess, startServer } from '../support/server.ts'
import { HEARTBEAT } from './client.ts'
import { Cluster, PRELOAD, RECOVERY_GRAPHS } from './cluster.ts'
import { checkSteps } from './invariants.ts'
import { openProbe, type Row } from './probe.ts'

export const LEASE_MS = 1_000

const started = new Set<{ kill(): Promise<unknown> }>()
after(() => Promise.all([...started].map(server => server.kill())))

/** Servers as chaos has them, killed after the tests at the latest. */
export async function startCluster(database_url: string, size: number): Promise<Cluster> {
  const cluster = new Cluster(database_url, size)
  started.add({ kill: () => cluster.close() })
  await cluster.ensureUp()
  return cluster
}

/** A server with the recovery graphs, killed after the tests at the latest. CHAOS_… variables bring the preload with them. */
export async function start(database_url: string, env: NodeJS.ProcessEnv = {}, shell?: string): Promise<ServerProcess> {
  const chaotic = Object.keys(env).some(name => name.startsWith('CHAOS_'))
  const server = await startServer({
    database_url,
    config: RECOVERY_GRAPHS,
    env: {
      RUNLOOM_LEASE_MS: String(LEASE_MS),
      RUNLOOM_POLL_MS: '200',
      RUNLOOM_MAX_CRASHES: '20',
      ...(chaotic && { NODE_OPTIONS: `--import ${PRELOAD}` }),
      ...env,
    },
    ...(shell && { shell }),
  })
  started.add(server)
  return server
}

export interface StartedRun {
  thread_id: string
  run_id: string
  path: string
  /** What the thread's log has to be in the end. */
  lines: string[]
}

/** A run of `count` steps, `delay_ms` each, started by `client`'s server; `outer` has them in a subgraph. */
export async function startCounted(
  client: Client,
  count: number,
  delay_ms: number,
  more = {},
  graph: 'counted' | 'outer' = 'counted',
): Promise<StartedRun> {
  const tag = randomUUID().slice(0, 8)
  const { thread_id } = await client.threads.create()
  const input = { tag, at: 0, count, delay_ms, ...more }
  const { run_id } = await client.runs.create(thread_id, graph, { input, streamMode: ['updates'] })
  const steps = Array.from({ length: count }, (_, at) => `${tag}:${at}`)
  const lines = graph === 'outer' ? [`${tag}:before`, ...steps, `${tag}:after`] : steps
  return { thread_id, run_id, path: `/threads/${thread_id}/runs/${run_id}`, lines }
}

/** Resolves when a run has made at least `steps` steps that last. */
export async function untilStep(database_url: string, run_id: string, steps: number): Promise<void> {
  const probe = await openProbe(database_url)
  try {
    await eventually(async () => {
      const rows = await probe.rows(`select seq from run_events where run_id = '${run_id}' and event = 'updates'`)
      if (rows.length < steps) throw new Error(`${rows.length} of ${steps} steps`)
    })
  } finally {
    await probe.close()
  }
}

/** Everything that a worker can write of a run. */
export async function rowsOf(database_url: string, { run_id, thread_id }: StartedRun): Promise<Record<string, Row[]>> {
  const where = `where run_id = '${run_id}'`
  return lookUp(database_url, {
    runs: `select status, crashes, worker_id, ending, updated_at, ended_at from runs ${where}`,
    heads: `select * from run_heads ${where}`,
    events: `select seq, event, data, at_ms from run_events ${where} order by seq`,
    checkpoints: `select checkpoint_ns, checkpoint_id, metadata from checkpoints ${where} order by checkpoint_id`,
    writes: `select checkpoint_id, task_id, idx, channel from checkpoint_writes ${where} order by checkpoint_id, task_id, idx`,
    threads: `select status, due_at, last_thread_seq, state from threads where thread_id = '${thread_id}'`,
  })
}

export async function lookUp(database_url: string, queries: Record<string, string>): Promise<Record<string, Row[]>> {
  const probe = await openProbe(database_url)
  try {
    const found: Record<string, Row[]> = {}
    for (const [name, query] of Object.entries(queries)) found[name] = await probe.rows(query)
    return found
  } finally {
    await probe.close()
  }
}

/** Waits for a run and checks that it succeeded, that its state is complete and that each step is in its log once. */
export async function expectComplete(server: ServerProcess, run: StartedRun, before: string[] = []): Promise<void> {
  const client = clientOf(server.url)
  const values = (await client.runs.join(run.thread_id, run.run_id)) as { log: string[] }
  const { status } = await client.runs.get(run.thread_id, run.run_id)
  const { error } = await client.threads.get(run.thread_id)
  const state = (await client.threads.getState(run.thread_id)).values as { log: string[] }
  const expected = [...before, ...run.lines].join(' ')
  if (status !== 'success') throw new Error(`the run ended with ${status}: ${error}`)
  if (values.log.join(' ') !== expected) throw new Error(`the run came to ${values.log.join(' ')}`)
  if (state.log.join(' ') !== expected) throw new Error(`the thread's state is ${state.log.join(' ')}`)
  checkSteps(await framesOf(server, run.path), run.lines)
}

/** The whole log of a run in the modes that `checkSteps` looks at. */
export async function framesOf({ url }: ServerProcess, path: string) {
  const modes = ['updates', 'tasks', 'checkpoints', 'values'].map(mode => `stream_mode=${mode}`).join('&')
  const text = await (await fetch(`${url}${path}/stream?${modes}`)).text()
  return text
    .replaceAll(HEARTBEAT, '')
    .split('\n\n')
    .filter(frame => frame.startsWith('event: '))
    .map(frame => {
      const [event = '', data = '', id] = frame.split('\n')
      return { event: event.slice(7), data: data.slice(6), id: id === undefined ? undefined : Number(id.slice(4)) }
    })
}

/** The file inside a database URL of SQLite. */
export function fileOf(database_url: string): string {
  return database_url.slice('sqlite:'.length)
}

export function sibling(database_url: string, name: string): string {
  return join(fileOf(database_url), '..', name)
}
