// What has to hold once everything is quiet: in the tables, and in what clients read against what the log has.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import type { Random } from '../simulation/random.ts'
import { type Frame, replay } from './client.ts'
import type { Cluster } from './cluster.ts'
import type { Ledger } from './jobs.ts'
import { openProbe, type Probe, type Row } from './probe.ts'
import { linesOf } from './work.ts'

/** Queries that must find nothing, each under what it would mean. */
const NEVER: Readonly<Record<string, string>> = {
  'a run is running or pending after quiet': `
    select run_id, thread_id, status, worker_id, crashes, cancel_action, not_before from runs
    where status in ('pending', 'running')`,
  'a thread is busy or due after quiet': `
    select thread_id, status, due_at from threads where due_at is not null or status = 'busy'`,
  'two runs execute on one thread': `
    select thread_id, count(*) as executing from runs where status = 'running' group by thread_id having count(*) > 1`,
  'a seq is missing, doubled or beyond the head': `
    select h.run_id, h.last_seq, sum(e.lines) as events, min(e.seq - e.lines + 1) as lowest, max(e.seq) as highest
    from run_heads h left join run_events e on e.run_id = h.run_id group by h.run_id, h.last_seq
    having coalesce(sum(e.lines), 0) <> h.last_seq
      or (h.last_seq > 0 and (min(e.seq - e.lines) <> 0 or max(e.seq) <> h.last_seq))`,
  'a run has ended and its head has not, or the other way round': `
    select r.run_id, r.status, h.ended from runs r join run_heads h on h.run_id = r.run_id
    where (h.ended = 1) <> (r.status not in ('pending', 'running'))`,
  'a run has no head': `select run_id from runs where run_id not in (select run_id from run_heads)`,
  'events of a run that is gone': `
    select distinct run_id from run_events where run_id not in (select run_id from runs)`,
  'runs of one thread overlap in its numbering': `
    select * from (
      select r.thread_id, r.run_id, r.base_seq, h.last_seq,
        lead(r.base_seq) over (partition by r.thread_id order by r.base_seq, r.position) as next_base
      from runs r join run_heads h on h.run_id = r.run_id where r.base_seq is not null) as numbered
    where next_base < base_seq + last_seq`,
  'a list item has no list': `
    select i.thread_id, i.list_id from list_items i
    left join lists l on l.thread_id = i.thread_id and l.list_id = i.list_id where l.list_id is null`,
  'rows of a thread that is gone': `
    select distinct thread_id from checkpoints where thread_id not in (select thread_id from threads)
    union select distinct thread_id from list_items where thread_id not in (select thread_id from threads)
    union select distinct thread_id from messages where thread_id not in (select thread_id from threads)`,
  'a delayed run started early': `
    select run_id, started_at, created_at, not_before from runs
    where started_at < created_at and started_at is not null`,
}

const RUN_TABLES = [
  'runs',
  'run_heads',
  'run_events',
  'checkpoints',
  'checkpoint_writes',
  'lists',
  'list_items',
  'blobs',
  'messages',
]

/** The violations that the tables show. */
export async function checkTables(database_url: string, ledger: Ledger): Promise<string[]> {
  const probe = await openProbe(database_url)
  try {
    const found: string[] = []
    for (const [meaning, query] of Object.entries(NEVER)) {
      const rows = await probe.rows(query)
      if (rows.length > 0) found.push(`${meaning}: ${JSON.stringify(rows.slice(0, 5))}`)
    }
    const erased = ledger.erased.map(id => `'${id}'`).join(', ')
    for (const table of erased ? RUN_TABLES : []) {
      const rows = await probe.rows(`select distinct run_id from ${table} where run_id in (${erased})`)
      if (rows.length > 0) found.push(`an erased run left rows in ${table}: ${JSON.stringify(rows)}`)
    }
    return [...found, ...(await checkKeys(probe, ledger))]
  } finally {
    await probe.close()
  }
}

/** One run a key, whoever was told of it, and none that no key knows. */
async function checkKeys(probe: Probe, ledger: Ledger): Promise<string[]> {
  const stored = await probe.rows<{ idempotency_key: string; run_id: string }>(
    'select idempotency_key, run_id from idempotency_keys',
  )
  const byKey = new Map(stored.map(row => [row.idempotency_key, row.run_id]))
  const told = [...ledger.keys].flatMap(([key, runs]) => {
    if (runs.size === 1 && runs.has(byKey.get(key) ?? '')) return []
    return [`key "${key}" answered with ${[...runs].join(' and ')}, the table has ${byKey.get(key)}`]
  })
  const known = new Set(byKey.values())
  // The runs of a cron say so.
  const runs = await probe.rows<{ run_id: string }>(`select run_id from runs where metadata not like '%"cron_id"%'`)
  const strays = runs.filter(run => !known.has(run.run_id)).map(run => `run ${run.run_id} was made by no key`)
  return [...told, ...strays]
}

/** Each step of a success has run, and no more often than the run had owners. `effects`: the file of CHAOS_EFFECTS. */
export async function checkEffects(database_url: string, effects: string, ledger: Ledger): Promise<string[]> {
  const times = new Map<string, number>()
  for (const line of readFileSync(effects, 'utf8').split('\n')) times.set(line, (times.get(line) ?? 0) + 1)
  const probe = await openProbe(database_url)
  const heads = await probe.rows<{ run_id: string; attempt: number }>('select run_id, attempt from run_heads')
  await probe.close()
  const owners = new Map(heads.map(head => [head.run_id, head.attempt]))
  const often = [...times].filter(([line, count]) => count > (owners.get(line.split(' ')[0] ?? '') ?? count))
  const missing = ledger.succeeded.flatMap(({ path, work }) => {
    const run_id = path.split('/').at(-1)
    return (work?.effects ?? []).map(what => `${run_id} ${what}`).filter(line => !times.has(line))
  })
  return [
    ...often.map(([line, count]) => `a step ran ${count} times, more often than its run had owners: ${line}`),
    ...missing.map(line => `a step never ran: ${line}`),
  ]
}

/** The violations that show in what clients can read: every reader's frames, and every success step by step. */
export async function checkReading(cluster: Cluster, random: Random, ledger: Ledger): Promise<string[]> {
  const found: string[] = []
  const attempt = async (what: string, check: () => Promise<void>) => {
    await check().catch((error: Error) => found.push(`${what}: ${error.message}`))
  }
  for (const { path, modes, frames, complaint } of ledger.readers) {
    if (complaint) found.push(`a reader of ${path}: ${complaint}`)
    await attempt(`a reader of ${path}`, async () => {
      const all = await replay(cluster, random, path, modes)
      if (all) assert.deepEqual(frames, all, 'what was read is not what the log has')
    })
  }
  for (const { path, work } of ledger.succeeded) {
    await attempt(path, async () => {
      const all = await replay(cluster, random, path, ['updates', 'tasks', 'checkpoints', 'values'])
      if (all) checkSteps(all, work?.produced)
    })
  }
  return found
}

/** In the log of a run that succeeded each step, task and checkpoint is there once, whatever happened to its owners. */
export function checkSteps(frames: readonly Frame[], produced: readonly string[] | undefined) {
  const data = (event: string) => frames.filter(frame => frame.event === event).map(frame => JSON.parse(frame.data))
  const attempts = data('metadata').map(({ attempt }) => attempt as number)
  assert.equal(attempts[0], 1, `attempts ${attempts}`)
  assert.deepEqual(
    attempts,
    attempts.toSorted((a, b) => a - b),
    'attempts rise',
  )

  const ids = data('checkpoints').map(checkpoint => checkpoint.config.configurable.checkpoint_id as string)
  assert.deepEqual(ids, [...new Set(ids)], 'a checkpoint is shown once')
  const steps = data('checkpoints').map(checkpoint => checkpoint.metadata.step as number)
  assert.deepEqual(
    steps,
    [...new Set(steps)].toSorted((a, b) => a - b),
    'steps rise, each once',
  )

  const tasks = data('tasks') as { id: string; input?: unknown; result?: unknown; error?: unknown }[]
  const started = tasks.filter(task => 'input' in task).map(task => task.id)
  assert.deepEqual(started, [...new Set(started)], 'a task starts once')
  const finished = tasks.filter(task => 'result' in task || 'error' in task).map(task => task.id)
  assert.deepEqual(finished, [...new Set(finished)], 'a task finishes once')
  if (!produced) return

  assert.deepEqual(finished.toSorted(), started.toSorted(), 'each task that started finished')
  const updates = data('updates').flatMap(update => Object.values(update).flatMap(linesOf))
  assert.deepEqual(updates.toSorted(), produced.toSorted(), 'each update is shown once')
}

/** Everything the database knows of a run, for a report. */
export async function describeRun(database_url: string, run_id: string): Promise<string> {
  const probe = await openProbe(database_url)
  const list = (title: string, rows: Row[]) =>
    `${title}\n${rows.map(row => `  ${JSON.stringify(row).slice(0, 400)}`).join('\n')}`
  try {
    const where = `where run_id = '${run_id}'`
    return [
      list(
        `run ${run_id}`,
        await probe.rows(`
          select run_id, thread_id, position, status, worker_id, crashes, cancel_action, ending, base_seq, not_before,
            created_at, started_at, ended_at, multitask_strategy, kwargs from runs ${where}`),
      ),
      list('head', await probe.rows(`select * from run_heads ${where}`)),
      list(
        'thread',
        await probe.rows(`
          select thread_id, status, resting_status, due_at, last_position, last_thread_seq, interrupts, error from threads
          where thread_id in (select thread_id from runs ${where})`),
      ),
      list(
        'its runs',
        await probe.rows(`
          select run_id, position, status, crashes, cancel_action, base_seq from runs
          where thread_id in (select thread_id from runs ${where}) order by position`),
      ),
      list(
        'log',
        await probe.rows(
          `select seq, event, at_ms, substr(data, 1, 300) as data from run_events ${where} order by seq`,
        ),
      ),
      list(
        'checkpoints',
        await probe.rows(
          `select checkpoint_ns, checkpoint_id, parent_id, metadata from checkpoints ${where} order by checkpoint_id`,
        ),
      ),
      list(
        'writes',
        await probe.rows(`select checkpoint_ns, checkpoint_id, task_id, idx, channel from checkpoint_writes ${where}`),
      ),
    ].join('\n')
  } finally {
    await probe.close()
  }
}
