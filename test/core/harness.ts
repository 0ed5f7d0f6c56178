// What the tests of events and core share: a migrated database, the transitions with defaults, raw SQL, and workers over
// fake executors. It declares no tests, because the SQLite thread imports it for `anySql`.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import sql, { Sql } from 'sql-template-tag'
import { syncSystemAssistants } from '../../src/core/assistants.ts'
import { type Claim, claimRuns, type Finish, finishRun } from '../../src/core/claims.ts'
import type { ClaimedRun, Ending, Executor } from '../../src/core/executor.ts'
import { newId } from '../../src/core/ids.ts'
import type { Level } from '../../src/core/logger.ts'
import { type Created, type CreateRun, createRun, type Run } from '../../src/core/runs.ts'
import { createThread, getThread, type Thread } from '../../src/core/threads.ts'
import { Worker, type WorkerOptions } from '../../src/core/worker.ts'
import {
  all,
  type Database,
  openDatabase,
  type Row,
  type Steps,
  transition,
  type Value,
} from '../../src/db/database.ts'
import { migrate } from '../../src/db/migrate.ts'
import { type Bus, LocalBus } from '../../src/events/bus.ts'
import { EventLog } from '../../src/events/event-log.ts'
import { type EventRow, type NewEvent, type RunEvent, type Slice, eventsOf as single } from '../../src/events/log.ts'

export const anySql = transition(
  import.meta.url,
  'anySql',
  function* ({ strings, values }: { strings: string[]; values: Value[] }): Steps<Row[]> {
    return yield* all(new Sql(strings, values))
  },
)

export interface Core {
  url: string
  db: Database
  /** Runs one statement. */
  sql(strings: TemplateStringsArray, ...values: unknown[]): Promise<Row[]>
  /** Opens the same database once more, as another process would. */
  again(): Promise<Core>
  /** Workers over it, which end with it where a test failed to end them. */
  workers: TestWorker[]
  /** Removes all threads and runs. */
  empty(): Promise<void>
  close(): Promise<void>
}

/** Opens a database with the assistant `g`. */
export async function openCore(url: string): Promise<Core> {
  const db = await openDatabase(url, { sync: 'normal', connections: 20 })
  try {
    await migrate(db)
    await db.run(syncSystemAssistants, [{ graph_id: 'g', description: null }])
  } catch (error) {
    await db.close()
    throw error
  }
  const workers: TestWorker[] = []
  const query: Core['sql'] = (strings, ...values) => {
    const statement = sql(strings, ...(values as Value[]))
    return db.run(anySql, { strings: [...statement.strings], values: statement.values as Value[] })
  }
  return {
    url,
    db,
    sql: query,
    again: () => openCore(url),
    workers,
    async close() {
      await Promise.all(workers.map(worker => worker.close()))
      await db.close()
    },
    async empty() {
      for (const table of ['threads', 'run_events', ...STATE_TABLES]) {
        await db.run(anySql, { strings: [`delete from ${table}`], values: [] })
      }
      await query`delete from idempotency_keys`
    },
  }
}

export const STATE_TABLES = ['checkpoints', 'checkpoint_writes', 'lists', 'list_items', 'blobs', 'messages'] as const
export const RUN_TABLES = [
  'runs',
  'run_heads',
  'run_events',
  'feedback',
  'run_inputs',
  'workflow_nodes',
  'workflow_tasks',
  'workflow_values',
  'workflow_steps',
  ...STATE_TABLES,
] as const

/** In which tables a run or a thread has rows, and how many. */
export async function rowsOf(core: Core, column: 'run_id' | 'thread_id', id: string): Promise<Record<string, number>> {
  const tables = column === 'run_id' ? RUN_TABLES : (['threads', 'runs', ...STATE_TABLES] as const)
  const counts: Record<string, number> = {}
  for (const table of tables) {
    const strings = [`select count(*) as n from ${table} where ${column} = `, '']
    const [row] = await core.db.run(anySql, { strings, values: [id] })
    if (row?.n) counts[table] = row.n as number
  }
  return counts
}

export async function newThread({ db }: Core, thread_id = newId()): Promise<string> {
  await db.run(createThread, { thread_id, metadata: '{}', hidden: 0, if_exists: 'raise' })
  return thread_id
}

/** Creates a run, by default on a thread that is made for it. */
export function create({ db }: Core, args: Partial<CreateRun> = {}): Promise<Created> {
  return db.run(createRun, {
    run_id: newId(),
    thread_id: newId(),
    assistant_id: 'g',
    if_not_exists: 'create',
    kwargs: { input: null },
    metadata: {},
    multitask_strategy: 'enqueue',
    after_ms: 0,
    ...args,
  })
}

export const CLAIM: Claim = { worker_id: 'w', lease_ms: 60_000, limit: 100, max_crashes: 3, driving: [] }

export function claim({ db }: Core, args: Partial<Claim> = {}): Promise<ClaimedRun[]> {
  return db.run(claimRuns, { ...CLAIM, ...args })
}

/** Creates a run that executes at once, as on an idle thread of a worker with a free slot. */
export async function begin(core: Core, args: Partial<CreateRun> = {}): Promise<ClaimedRun> {
  const { claimed } = await create(core, { claim: { worker_id: 'w', lease_ms: 60_000 }, ...args })
  assert.ok(claimed, 'the thread is not idle')
  return claimed
}

/** Lets a run's lease end now, as if its owner had died long ago. */
export async function expire(core: Core, ...thread_ids: string[]): Promise<void> {
  for (const thread_id of thread_ids) await core.sql`update threads set due_at = 1 where thread_id = ${thread_id}`
}

export function event(name: string, data: unknown = {}): NewEvent {
  return { event: name, data: JSON.stringify(data) }
}

/** What a run appends as its first slice after the claim, or after so many events and slices more. */
export function sliceOf(claimed: ClaimedRun, events: NewEvent[] = [], rest: Partial<Slice> = {}): Slice {
  const { attempt, last_seq, run } = claimed
  const lines = events.map(one => ({ ...one, lines: 1, at_ms: Date.now() }))
  return { run_id: run.run_id, attempt, last_seq, commits: 0, events: lines, writes: [], ...rest }
}

export function finish({ db }: Core, claimed: ClaimedRun, args: Partial<Finish> = {}) {
  const { thread_id } = claimed.run
  const ending = { reason: 'completed' }
  const rest = { status: 'success', ending, interrupts: {}, resting_status: 'idle' } as const
  return db.run(finishRun, { thread_id, slice: sliceOf(claimed), ...rest, ...args })
}

/** A run's row; undefined when it is gone. */
export async function runOf(core: Core, run_id: string): Promise<Run | undefined> {
  return (await core.sql`select * from runs where run_id = ${run_id}`)[0] as Run | undefined
}

export async function statusOf(core: Core, run_id: string): Promise<string | undefined> {
  return (await runOf(core, run_id))?.status
}

export function threadOf({ db }: Core, thread_id: string): Promise<Thread> {
  return db.run(getThread, { thread_id })
}

/** A run's stored events, oldest first. */
export async function eventsOf(core: Core, run_id: string): Promise<RunEvent[]> {
  const rows = await core.sql`
    select seq, event, data, lines, at_ms from run_events where run_id = ${run_id} order by seq`
  return single(rows as unknown as EventRow[])
}

/** Reads a run's log from a cursor to its end. */
export async function readAll(log: EventLog, run_id: string, after = 0, signal = AbortSignal.timeout(60_000)) {
  const events: RunEvent[] = []
  for await (const batch of log.read(run_id, after, signal)) events.push(...batch)
  return events
}

/** Waits for something to become true that no event tells of. */
export async function until(condition: () => boolean | Promise<boolean>, what: string, within_ms = 60_000) {
  const deadline = performance.now() + within_ms
  while (!(await condition())) {
    if (performance.now() > deadline) assert.fail(`not within ${within_ms} ms: ${what}`)
    await sleep(5)
  }
}

export interface TestWorker {
  worker: Worker
  log: EventLog
  bus: Bus
  db: Database
  logged: { level: Level; message: string; fields: Record<string, unknown> | undefined }[]
  /** Creates a run through the fast path. */
  start(args?: Partial<CreateRun>): Promise<Run>
  close(): Promise<void>
}

export const DONE: Ending = { interrupts: {}, has_next: false }

/** A worker with a log and a bus of its own over an open database. */
export function startWorker(
  core: Core,
  executor: Executor,
  { bus = new LocalBus(), db = core.db, ...options }: Partial<WorkerOptions> & { bus?: Bus; db?: Database } = {},
): TestWorker {
  const log = new EventLog(db, bus)
  const logged: TestWorker['logged'] = []
  const worker = new Worker(
    {
      db,
      log,
      bus,
      executors: { graph: executor },
      logger: (level, message, fields) => logged.push({ level, message, fields }),
    },
    {
      worker_id: newId(),
      url: core.url,
      concurrency: 10,
      lease_ms: 10_000,
      poll_ms: 1_000,
      max_crashes: 3,
      run_timeout_ms: 60_000,
      drain_ms: 0,
      ...options,
    },
  )
  worker.start()
  let closed: Promise<void> | undefined
  const close = async () => {
    await worker.close()
    await log.close()
    await bus.close()
  }
  const started: TestWorker = {
    worker,
    log,
    bus,
    db,
    logged,
    async start(args = {}) {
      const { run, claimed } = await worker.startHere(claim =>
        create({ ...core, db }, claim ? { ...args, claim } : args),
      )
      if (!claimed) bus.publish('work')
      return run
    },
    close() {
      closed ??= close()
      return closed
    },
  }
  core.workers.push(started)
  return started
}
