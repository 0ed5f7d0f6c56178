// `runloom inspect <run_id>`: a run's events as a timeline, one line each; with --follow until the run has ended. It
// only reads, so it may look at the file of a server that runs.
import { type Config, ConfigError } from '../config.ts'
import { getRun } from '../core/runs.ts'
import { type Database, openDatabase, ping, unusable } from '../db/database.ts'
import { openSqliteReadOnly } from '../db/sqlite.ts'
import { LocalBus } from '../events/bus.ts'
import { EventLog } from '../events/event-log.ts'
import type { RunEvent } from '../events/log.ts'
import { StateTexts } from '../events/state.ts'

const DATA_WIDTH = 100

export async function inspect({ database_url }: Config, run_id: string | undefined, follow: boolean): Promise<void> {
  if (!run_id) throw new ConfigError('runloom inspect: give the id of a run')
  const db = await openReadOnly(database_url)
  const bus = new LocalBus()
  const log = new EventLog(db, bus)
  const texts = new StateTexts(db)
  try {
    const run = await db.run(getRun, { run_id })
    print(`run ${run_id} on thread ${run.thread_id}: ${run.status}, created ${run.created_at}, crashes ${run.crashes}`)
    let first: number | undefined
    const started = AbortSignal.timeout(follow ? 2 ** 31 - 1 : SNAPSHOT_MS)
    for await (const batch of log.read(run_id, 0, started)) {
      for (const event of batch) {
        first ??= event.at_ms
        print(line(event, event.at_ms - first, await texts.render(run.thread_id, event.data)))
      }
    }
    const { status, ending } = await db.run(getRun, { run_id })
    print(`${status}${ending ? ` ${ending}` : ''}`)
  } finally {
    await log.close()
    await bus.close()
    await db.close()
  }
}

/** Without --follow a run that goes on is shown up to now. */
const SNAPSHOT_MS = 500

async function openReadOnly(url: string): Promise<Database> {
  try {
    const embedded = url.startsWith('sqlite:')
    const db = embedded ? openSqliteReadOnly(url.slice('sqlite:'.length)) : await openDatabase(url, { connections: 1 })
    await db.run(ping, undefined)
    return db
  } catch (error) {
    throw unusable(url, error)
  }
}

function line({ seq, event }: RunEvent, offset_ms: number, data: string): string {
  const shown = data.length > DATA_WIDTH ? `${data.slice(0, DATA_WIDTH)}… (${data.length})` : data
  return `${String(seq).padStart(6)} ${`+${(offset_ms / 1000).toFixed(3)}s`.padStart(10)}  ${event.padEnd(12)} ${shown}`
}

function print(text: string) {
  process.stdout.write(`${text}\n`)
}
