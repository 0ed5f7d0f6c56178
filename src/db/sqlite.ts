// SQLite as a Database: transitions of one moment travel to the thread together and share one commit; those that
// arrive while it works form the next batch.
import type { EventEmitter } from 'node:events'
import { accessSync, constants, existsSync, mkdirSync } from 'node:fs'
import { dirname, extname, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import { type Database, type OpenOptions, Outage, type Transition } from './database.ts'
import { type Outcome, SqliteConnection } from './sqlite-connection.ts'
import type { Job } from './sqlite-thread.ts'

export function openSqlite(
  path: string,
  { inline = false, sync = 'full', vectors = false, door }: OpenOptions,
): Database {
  if (door) return new RemoteSqlite(door)
  const file = resolve(path)
  mkdirSync(dirname(file), { recursive: true })
  return inline
    ? new InlineSqlite(new SqliteConnection(file, { sync, vectors }))
    : new ThreadedSqlite(file, sync, vectors)
}

/** Opens a file that another process may own, for looking only. */
export function openSqliteReadOnly(path: string): Database {
  return new InlineSqlite(new SqliteConnection(resolve(path), { readOnly: true }))
}

class InlineSqlite implements Database {
  readonly dialect = 'sqlite'
  readonly #connection: SqliteConnection

  constructor(connection: SqliteConnection) {
    this.#connection = connection
  }

  async run<A, T>(transition: Transition<A, T>, args: A): Promise<T> {
    const [outcome] = this.#connection.batch([() => transition.steps(args)])
    if (outcome && 'error' in outcome) throw outcome.error
    return outcome?.value as T
  }

  async close() {
    this.#connection.close()
  }
}

/** Outcomes that are told in one turn of the event loop. */
const ANSWERS = 4

interface Waiting extends PromiseWithResolvers<unknown> {
  job: Job
}

/** A database by way of its thread: what is asked for meanwhile waits and travels together. */
class RemoteSqlite implements Database {
  readonly dialect = 'sqlite'
  readonly #thread: Worker | MessagePort
  readonly #exited: Promise<void>
  #waiting: Waiting[] = []
  #working: Waiting[] = []
  /** Outcomes that nobody was told yet. */
  readonly #answers: (() => void)[] = []
  #closed: Error | undefined

  constructor(thread: Worker | MessagePort) {
    this.#thread = thread
    const events = thread as EventEmitter
    events.on('message', (outcomes: Outcome[]) => this.#settle(outcomes))
    this.#exited = new Promise(resolve => {
      events.on(thread instanceof Worker ? 'exit' : 'close', () => {
        this.#fail(new Error('the database is closed'))
        resolve()
      })
    })
  }

  run<A, T>(transition: Transition<A, T>, args: A): Promise<T> {
    if (this.#closed) return Promise.reject(this.#closed)
    const waiting = Promise.withResolvers<unknown>() as Waiting
    waiting.job = { module: transition.module, name: transition.name, args }
    this.#waiting.push(waiting)
    if (this.#waiting.length === 1 && this.#working.length === 0) queueMicrotask(() => this.#send())
    return waiting.promise as Promise<T>
  }

  async close() {
    while (this.#waiting.length + this.#working.length > 0) {
      await Promise.allSettled([...this.#waiting, ...this.#working].map(waiting => waiting.promise))
    }
    this.#thread.postMessage('close')
    await this.#exited
  }

  #send() {
    if (this.#working.length > 0 || this.#waiting.length === 0) return
    this.#working = this.#waiting
    this.#waiting = []
    try {
      this.#thread.postMessage(this.#working.map(waiting => waiting.job))
    } catch {
      this.#waiting = this.#working.filter(clonable)
      this.#working = []
      this.#send()
    }
  }

  #settle(outcomes: Outcome[]) {
    const done = this.#working
    this.#working = []
    this.#send()
    const telling = this.#answers.length > 0
    for (const [index, outcome] of outcomes.entries()) {
      this.#answers.push(() => {
        if ('error' in outcome) done[index]?.reject(revive(outcome.error))
        else done[index]?.resolve(outcome.value)
      })
    }
    if (!telling) this.#tell()
  }

  /** A few at a time, so that a hundred runs that start with one commit do not hold up the loop. */
  #tell() {
    for (const answer of this.#answers.splice(0, ANSWERS)) answer()
    if (this.#answers.length > 0) setImmediate(() => this.#tell())
  }

  #fail(error: Error) {
    this.#closed ??= error
    for (const waiting of [...this.#working, ...this.#waiting]) waiting.reject(this.#closed)
    this.#working = []
    this.#waiting = []
  }
}

class ThreadedSqlite extends RemoteSqlite {
  readonly #worker: Worker

  constructor(path: string, sync: 'full' | 'normal', vectors: boolean) {
    const here = import.meta.url
    const workerData = { path, sync, vectors }
    const worker = new Worker(new URL(`./sqlite-thread${extname(here)}`, here), { workerData })
    worker.on('error', error => {
      throw error // a process without its database serves nobody; its next start recovers
    })
    super(worker)
    this.#worker = worker
  }

  door(): MessagePort {
    const { port1, port2 } = new MessageChannel()
    this.#worker.postMessage({ door: port1 }, [port1])
    return port2
  }
}

/** Whether a job can travel to the thread; one that cannot is refused. */
function clonable({ job, reject }: Waiting): boolean {
  try {
    structuredClone(job)
    return true
  } catch (error) {
    reject(error)
    return false
  }
}

function revive(plain: unknown): Error {
  const { message, ...fields } = plain as Error
  if (fields.name === 'Outage') return new Outage(message)
  return Object.assign(new Error(message), fields)
}

/**
 * Takes the file for this process: an exclusive lock on a sidecar database, freed by the system when the process dies.
 * Throws a clear error when another process holds it, or this one may not write it. Returns the release.
 */
export function lockSqliteFile(path: string): () => void {
  const file = resolve(path)
  let lock: DatabaseSync | undefined
  try {
    mkdirSync(dirname(file), { recursive: true })
    for (const name of [dirname(file), file]) if (existsSync(name)) accessSync(name, constants.W_OK)
    lock = new DatabaseSync(`${file}.lock`, { timeout: 0 })
    lock.exec('pragma locking_mode = exclusive; begin exclusive')
  } catch (cause) {
    lock?.close()
    const { message, errcode } = cause as Error & { errcode?: number }
    const why =
      errcode === SQLITE_BUSY
        ? 'is in use by another Runloom process; stop it'
        : `cannot be written (${message}); change its owner`
    throw new Error(`${file} ${why}, or choose another --data folder`, { cause })
  }
  return () => lock.close()
}

const SQLITE_BUSY = 5
