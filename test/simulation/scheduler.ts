// The scheduler of a simulation. Scripts (generators) stand for whatever runs concurrently in processes and clients; each
// asks for transitions and sleeps. One step is one statement, one begin or one commit of one transition, or the waking of
// one script. Who takes the next step, how far the clock moves and which fault strikes is drawn from the seed.
//
// A transition is driven as src/db/postgres.ts does: its own errors roll back and reach the caller, a deadlock is tried
// again, a lost connection reaches the caller whether or not the commit happened.
import { RunloomError } from '../../src/core/errors.ts'
import type { Row, Statement, Steps, Transition } from '../../src/db/database.ts'
import type { Random } from './random.ts'
import type { Committed, Store, Transaction } from './store.ts'

export type Script<T = void> = Generator<Effect, T, unknown>

type Effect =
  | { kind: 'run'; transition: Transition<never, unknown>; args: unknown }
  | { kind: 'sleep'; ms: number; topic: string | undefined }

/** Runs a transition; throws what its caller would see. */
export function* call<A, T>(transition: Transition<A, T>, args: A): Script<T> {
  return (yield { kind: 'run', transition: transition as Transition<never, unknown>, args }) as T
}

/** Sleeps for so long, or until a hint of this topic. */
export function* sleep(ms: number, topic?: string): Script {
  yield { kind: 'sleep', ms, topic }
}

/** The connection died, before or after the commit: whoever called cannot know. */
export class ConnectionLost extends Error {
  override name = 'ConnectionLost'
}

/** How often something goes wrong, by step. */
export interface Faults {
  /** The connection dies between two statements: nothing was committed. */
  lost: number
  /** The commit happened, its answer is lost. */
  lost_answer: number
  /** A hint does not arrive; a sleeping script is woken by a hint that nobody sent. */
  dropped_hint: number
  false_hint: number
}

export const noFaults: Faults = { lost: 0, lost_answer: 0, dropped_hint: 0, false_hint: 0 }

/** What runs together and dies together. `paused_until`: it does nothing before, and does not know. */
export interface Group {
  name: string
  paused_until: number
}

interface Task {
  name: string
  group: Group | undefined
  script: Script
  /** What the script gets when it goes on. */
  answer: { value: unknown } | { error: unknown }
  wake_at: number
  topic: string | undefined
  job: Job | undefined
  /** The number of ended transactions when it began to wait for a row. */
  waits_since: number | undefined
}

/** A transition under way. */
export interface Job {
  task: string
  transition: Transition<never, unknown>
  args: unknown
  result: unknown
  began_ms: number
  tries: number
  open: { transaction: Transaction; steps: Steps<unknown>; statement: Statement | undefined } | undefined
}

const RETRYABLE = '40P01'
const TRIES = 5
const RETRY_MS = 50

export class Scheduler {
  readonly store: Store
  readonly random: Random
  faults: Faults = noFaults
  steps = 0
  switches = 0
  readonly trace: string[] = []
  readonly #committed: (job: Job, state: Committed) => void
  #tasks: Task[] = []
  #ended = 0
  #last: Task | undefined

  constructor(store: Store, random: Random, committed: (job: Job, state: Committed) => void) {
    this.store = store
    this.random = random
    this.#committed = committed
  }

  get now_ms(): number {
    return this.store.now_ms
  }

  start(name: string, script: Script, group?: Group) {
    const now = this.now_ms
    const task = { name, group, script, answer: { value: undefined }, wake_at: now, topic: undefined, job: undefined }
    this.#tasks.push({ ...task, waits_since: undefined })
  }

  /** Wakes those that sleep on a topic, now and surely: within one process. */
  wake(topic: string) {
    for (const task of this.#tasks) if (task.topic === topic) task.wake_at = this.now_ms
  }

  /** A hint through the bus: may be late, may be lost. */
  hint(topic: string) {
    for (const task of this.#tasks) {
      if (task.topic !== topic || this.random.chance(this.faults.dropped_hint)) continue
      task.wake_at = Math.min(task.wake_at, this.now_ms + this.random.between(0, 20))
    }
  }

  /** The death of a group: its scripts are gone, its open transactions are rolled back. */
  async kill(group: Group) {
    const dying = this.#tasks.filter(task => task.group === group)
    this.#tasks = this.#tasks.filter(task => task.group !== group)
    for (const { job } of dying) if (job) await this.#rollback(job)
  }

  note(text: string) {
    this.trace.push(`${this.now_ms} ${text}`)
  }

  /** Takes one step, moving the clock to the next that is due if need be. False when nobody will ever do anything. */
  async step(): Promise<boolean> {
    const ready = this.#ready()
    if (ready.length === 0) return this.#sleepUntilNext()
    if (this.random.chance(this.faults.false_hint)) this.#falseHint()
    const task = this.random.pick(ready)
    this.steps++
    if (task !== this.#last && this.#last?.job?.open) this.switches++
    this.#last = task
    if (task.job) await this.#advance(task, task.job)
    else this.#resume(task)
    if (this.random.chance(0.5)) this.store.now_ms += this.random.between(0, 2)
    return true
  }

  #ready(): Task[] {
    return this.#tasks.filter(task => {
      if (task.group && task.group.paused_until > this.now_ms) return false
      if (task.waits_since !== undefined) return task.waits_since < this.#ended
      return task.wake_at <= this.now_ms
    })
  }

  #sleepUntilNext(): boolean {
    const due = this.#tasks
      .filter(task => task.waits_since === undefined)
      .map(task => Math.max(task.wake_at, task.group?.paused_until ?? 0))
    const next = Math.min(...due)
    if (!Number.isFinite(next)) return false
    this.store.now_ms = Math.max(next, this.now_ms)
    return true
  }

  #falseHint() {
    const sleeping = this.#tasks.filter(task => task.topic !== undefined)
    if (sleeping.length > 0) this.random.pick(sleeping).wake_at = this.now_ms
  }

  #resume(task: Task) {
    task.topic = undefined
    const { answer } = task
    const next = 'error' in answer ? task.script.throw(answer.error) : task.script.next(answer.value)
    task.answer = { value: undefined }
    if (next.done) {
      this.#tasks = this.#tasks.filter(other => other !== task)
    } else if (next.value.kind === 'sleep') {
      task.wake_at = this.now_ms + next.value.ms
      task.topic = next.value.topic
    } else {
      const { transition, args } = next.value
      const job = { task: task.name, transition, args, result: undefined, began_ms: this.now_ms, tries: 1 }
      task.job = { ...job, open: undefined }
    }
  }

  /** One statement, the begin before the first or the commit after the last. */
  async #advance(task: Task, job: Job) {
    try {
      if (!job.open) {
        const steps = job.transition.steps(job.args as never)
        job.open = { transaction: await this.store.begin(), steps, statement: undefined }
        this.#take(job, steps.next())
        return this.note(`${job.task} ${job.transition.name}: begin`)
      }
      if (this.random.chance(this.faults.lost)) throw new ConnectionLost('lost before the commit')
      const { transaction, steps, statement } = job.open
      if (statement === undefined) return await this.#commit(task, job, transaction)
      const rows = await transaction.execute(statement)
      this.note(`${job.task} ${job.transition.name}: ${summary(statement, rows)}`)
      task.waits_since = rows === 'waits' ? this.#ended : undefined
      if (rows !== 'waits') this.#take(job, steps.next(rows))
    } catch (error) {
      await this.#fail(task, job, error)
    }
  }

  #take(job: Job, next: IteratorResult<Statement, unknown>) {
    if (job.open) job.open.statement = next.done ? undefined : next.value
    if (next.done) job.result = next.value
  }

  async #commit(task: Task, job: Job, transaction: Transaction) {
    await transaction.commit()
    this.#ended++
    job.open = undefined
    const lost = this.random.chance(this.faults.lost_answer)
    this.note(`${job.task} ${job.transition.name}: commit${lost ? ', its answer is lost' : ''} ${brief(job.result)}`)
    this.#committed(job, await this.store.look())
    task.answer = lost ? { error: new ConnectionLost('lost after the commit') } : { value: job.result }
    task.job = undefined
  }

  async #fail(task: Task, job: Job, error: unknown) {
    await this.#rollback(job)
    task.waits_since = undefined
    const { name, message, code } = error as Error & { code?: string }
    this.note(`${job.task} ${job.transition.name}: rollback, ${code ?? name} ${message}`)
    if (code === RETRYABLE && job.tries++ < TRIES) {
      task.wake_at = this.now_ms + this.random.between(0, RETRY_MS)
      return
    }
    if (!(error instanceof RunloomError || error instanceof ConnectionLost)) throw error
    task.job = undefined
    task.answer = { error }
  }

  async #rollback(job: Job) {
    if (!job.open) return
    const { transaction } = job.open
    job.open = undefined
    await transaction.rollback()
    this.#ended++
  }

  /** Ends everything that is still under way. */
  async stop() {
    for (const { job } of this.#tasks) if (job) await this.#rollback(job)
    this.#tasks = []
  }
}

function summary(statement: Statement, rows: Row[] | 'waits'): string {
  const text = 'each' in statement ? `${statement.each} × ${statement.rows.length}` : statement.text
  const answer = rows === 'waits' ? 'waits' : `${rows.length} rows`
  return `${text.replace(/\s+/g, ' ').trim().slice(0, 100)} → ${answer}`
}

function brief(value: unknown): string {
  return value === undefined ? '' : JSON.stringify(value).slice(0, 200)
}
