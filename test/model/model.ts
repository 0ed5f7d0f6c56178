// The model: what threads and runs are to a client, without leases, locks, logs or SQL. Its rules are the contract's
// (langgraph §4.5, 4.6, 4.9, 4.10); where the real thing differs, one of the two is wrong.
import type { CancelAction, MultitaskStrategy } from '../../src/core/runs.ts'

export interface Create {
  run_id: string
  thread_id: string
  strategy: MultitaskStrategy
  delayed: boolean
  /** Start it at once if nothing is in its way. */
  start: boolean
  if_not_exists: 'create' | 'reject'
}

export type How = 'success' | 'question' | 'error'

/** A worker's hold on a run: the number of its claim, from 1. An older one has lost the run. */
export interface Hold {
  run_id: string
  thread_id: string
  claim: number
}

/** What can be done to threads and runs. Each answers in one line, an error with its code. */
export interface Subject {
  create(args: Create): Promise<string>
  cancel(run_id: string, action: 'interrupt' | 'rollback'): Promise<string>
  deleteRun(run_id: string): Promise<string>
  deleteThread(thread_id: string): Promise<string>
  copy(thread_id: string, copy_id: string): Promise<string>
  /** A state update from outside that leaves `values`. */
  update(thread_id: string, values: string): Promise<string>
  /** A worker takes whatever is due; answers with the runs that it started. */
  claim(): Promise<string>
  /** Values and a checkpoint of a run. */
  append(hold: Hold, values: string): Promise<string>
  finish(hold: Hold, how: How, next: boolean): Promise<string>
  handBack(hold: Hold): Promise<string>
  /** The delayed runs of a thread become due. */
  ripen(thread_id: string): Promise<string>
  /** The worker that executes a run of the thread has died, and its lease has ended. */
  orphan(thread_id: string): Promise<string>
  /** All there is to see. */
  view(): Promise<View>
}

export interface View {
  threads: Record<string, { status: string; resting: string; values: string | null }>
  /** In the order of creation on their thread: status, reason of the ending, crashes, number of values. */
  runs: Record<string, string[]>
  /** `thread run`, once a checkpoint. */
  checkpoints: string[]
}

interface Run {
  run_id: string
  status: 'pending' | 'running' | 'success' | 'error' | 'interrupted'
  delayed: boolean
  orphaned: boolean
  claims: number
  crashes: number
  cancel: { action: CancelAction; reason: string } | undefined
  reason: string
  values: string[]
  before: Rest
}

interface Rest {
  resting: string
  values: string | null
}

interface Thread extends Rest {
  runs: Run[]
  checkpoints: string[]
}

const MAX_CRASHES = 3

export class Refused extends Error {}

export class Model implements Subject {
  readonly #threads = new Map<string, Thread>()

  async create({ run_id, thread_id, strategy, delayed, start, if_not_exists }: Create): Promise<string> {
    if (!this.#threads.has(thread_id) && if_not_exists === 'reject') throw new Refused('not_found')
    const thread = this.#threads.get(thread_id) ?? { resting: 'idle', values: null, runs: [], checkpoints: [] }
    const others = thread.runs.filter(inFlight)
    if (others.length > 0 && strategy === 'reject') throw new Refused('conflict')
    this.#threads.set(thread_id, thread)
    if (strategy === 'interrupt' || strategy === 'rollback') {
      for (const other of others) stop(thread, other, strategy, 'superseded')
    }
    const free = !thread.runs.some(inFlight)
    const counts = { delayed, orphaned: false, claims: 0, crashes: 0, cancel: undefined, reason: '', values: [] }
    const run: Run = { run_id, status: 'pending', ...counts, before: thread }
    thread.runs.push(run)
    if (start && free && !delayed) begin(thread, run)
    return run.status
  }

  async cancel(run_id: string, action: 'interrupt' | 'rollback'): Promise<string> {
    const { thread, run } = this.#find(run_id)
    if (!inFlight(run)) throw new Refused('conflict')
    return stop(thread, run, action, 'cancelled') ? 'pending' : 'done'
  }

  async deleteRun(run_id: string): Promise<string> {
    const { thread, run } = this.#find(run_id)
    if (inFlight(run) && stop(thread, run, 'delete', 'cancelled')) return 'pending'
    forget(thread, run)
    return 'done'
  }

  async deleteThread(thread_id: string): Promise<string> {
    this.#thread(thread_id)
    this.#threads.delete(thread_id)
    return 'done'
  }

  async copy(thread_id: string, copy_id: string): Promise<string> {
    const { runs, checkpoints, ...rest } = this.#thread(thread_id)
    const so_far = runs.find(run => run.status === 'running')?.values.at(-1)
    const copy = so_far === undefined ? rest : { resting: 'interrupted', values: so_far }
    this.#threads.set(copy_id, { ...copy, checkpoints: [...checkpoints], runs: [] })
    return copy.resting
  }

  async update(thread_id: string, values: string): Promise<string> {
    const thread = this.#thread(thread_id)
    if (thread.runs.some(inFlight)) throw new Refused('conflict')
    Object.assign(thread, { values, resting: 'idle' })
    return 'done'
  }

  async claim(): Promise<string> {
    const started = [...this.#threads.values()].map(thread => next(thread)?.run_id)
    return started
      .filter(run_id => run_id !== undefined)
      .sort()
      .join(' ')
  }

  async append(hold: Hold, values: string): Promise<string> {
    const held = this.#held(hold)
    if (!held) return 'fenced'
    held.run.values.push(values)
    held.thread.checkpoints.push(held.run.run_id)
    return 'done'
  }

  async finish(hold: Hold, how: How, goOn: boolean): Promise<string> {
    const held = this.#held(hold)
    if (!held) return 'fenced'
    const { thread, run } = held
    const resting = { success: 'idle', question: 'interrupted', error: 'error' }[how]
    if (run.cancel) end(thread, run, run.cancel.action, 'interrupted', run.cancel.reason, resting)
    else end(thread, run, 'interrupt', how === 'error' ? 'error' : 'success', how, resting)
    const others = [...this.#threads.values()].filter(other => other !== thread)
    return `done ${(goOn && !others.some(isDue) && next(thread)?.run_id) || ''}`
  }

  async handBack(hold: Hold): Promise<string> {
    const held = this.#held(hold)
    if (!held) return 'fenced'
    const { thread, run } = held
    if (run.cancel) end(thread, run, run.cancel.action, 'interrupted', run.cancel.reason)
    else run.status = 'pending'
    return 'done'
  }

  async ripen(thread_id: string): Promise<string> {
    for (const run of this.#threads.get(thread_id)?.runs ?? []) run.delayed = false
    return 'done'
  }

  async orphan(thread_id: string): Promise<string> {
    for (const run of this.#threads.get(thread_id)?.runs ?? []) run.orphaned = run.status === 'running'
    return 'done'
  }

  async view(): Promise<View> {
    const view: View = { threads: {}, runs: {}, checkpoints: [] }
    for (const [thread_id, { resting, values, runs, checkpoints }] of this.#threads) {
      view.threads[thread_id] = { status: runs.some(inFlight) ? 'busy' : resting, resting, values }
      view.runs[thread_id] = runs.map(show)
      view.checkpoints.push(...checkpoints.map(run_id => `${thread_id} ${run_id}`))
    }
    view.checkpoints.sort()
    return view
  }

  #thread(thread_id: string): Thread {
    const thread = this.#threads.get(thread_id)
    if (!thread) throw new Refused('not_found')
    return thread
  }

  #find(run_id: string): { thread: Thread; run: Run } {
    for (const thread of this.#threads.values()) {
      const run = thread.runs.find(one => one.run_id === run_id)
      if (run) return { thread, run }
    }
    throw new Refused('not_found')
  }

  /** A worker may go on with a run that it took last, also after its lease has ended, until somebody else has acted. */
  #held({ run_id, thread_id, claim }: Hold): { thread: Thread; run: Run } | undefined {
    const thread = this.#threads.get(thread_id)
    const run = thread?.runs.find(one => one.run_id === run_id)
    return thread && run?.status === 'running' && run.claims === claim ? { thread, run } : undefined
  }
}

function show({ run_id, status, cancel, reason, crashes, values }: Run): string {
  const stored = inFlight({ status }) ? (cancel ? `${cancel.action} ${cancel.reason}` : '') : reason
  return `${run_id} ${status} ${stored} crashes ${crashes} values ${values.length}`
}

export function inFlight({ status }: { status: string }): boolean {
  return status === 'pending' || status === 'running'
}

/** True when the run's worker has yet to stop it. The first request counts, but a delete may follow an interrupt. */
function stop(thread: Thread, run: Run, action: CancelAction, reason: string): boolean {
  const deletes = action === 'delete' && run.cancel?.action === 'interrupt'
  run.cancel = { action: run.cancel && !deletes ? run.cancel.action : action, reason: run.cancel?.reason ?? reason }
  if (run.status === 'running' && !run.orphaned) return true
  end(thread, run, run.cancel.action, 'interrupted', run.cancel.reason)
  return false
}

function end(thread: Thread, run: Run, action: CancelAction, status: Run['status'], reason: string, resting?: string) {
  const { resting: was, values } = run.before
  if (action === 'rollback') {
    forget(thread, run)
    thread.checkpoints = thread.checkpoints.filter(run_id => run_id !== run.run_id)
    if (run.claims > 0) Object.assign(thread, { resting: was, values })
    return
  }
  Object.assign(run, { status, reason })
  if (run.claims > 0) {
    thread.resting = resting ?? (status === 'error' ? 'error' : 'interrupted')
    thread.values = run.values.at(-1) ?? thread.values
  }
  if (action === 'delete') forget(thread, run)
}

function forget(thread: Thread, run: Run) {
  thread.runs = thread.runs.filter(other => other !== run)
}

function begin(thread: Thread, run: Run) {
  if (run.claims === 0) run.before = { resting: thread.resting, values: thread.values }
  run.claims++
  run.status = 'running'
  run.orphaned = false
}

/** Whether a thread needs a worker now. */
function isDue({ runs }: Thread): boolean {
  const running = runs.find(run => run.status === 'running')
  return running ? running.orphaned : runs.some(run => run.status === 'pending' && !run.delayed)
}

/** Starts what is due next on a thread. What was begun goes on first, then the oldest; one run at a time. */
function next(thread: Thread): Run | undefined {
  const running = thread.runs.find(run => run.status === 'running')
  if (running && !running.orphaned) return undefined
  if (running?.cancel) {
    end(thread, running, running.cancel.action, 'interrupted', running.cancel.reason)
    return next(thread)
  }
  if (running && running.crashes === MAX_CRASHES) {
    end(thread, running, 'interrupt', 'error', 'crashed')
    return next(thread)
  }
  const waiting = thread.runs.filter(run => run.status === 'pending' && !run.delayed)
  const run = running ?? waiting.find(one => one.claims > 0) ?? waiting[0]
  if (!run) return undefined
  if (running) run.crashes++
  begin(thread, run)
  return run
}
