// What must hold after every commit. The observer sees the committed state before and after, and which transition made
// the difference; it remembers the whole history of each run, so that nothing can be rewritten behind its back.
import type { Finish, Finished, Renewal, Renewed } from '../../src/core/claims.ts'
import type { RunloomError } from '../../src/core/errors.ts'
import type { Created, CreateRun, Run } from '../../src/core/runs.ts'
import type { Thread } from '../../src/core/threads.ts'
import type { Slice } from '../../src/events/log.ts'
import { MAX_CRASHES } from './process.ts'
import type { Job } from './scheduler.ts'
import type { Committed, LoggedEvent } from './store.ts'

export class Violation extends Error {
  override name = 'Violation'
}

/** What the observer remembers of a run, also after its row has gone. */
interface History {
  thread_id: string
  log: LoggedEvent[]
  /** The first cancel that was stored, and its ending. */
  cancel: { action: string; ending: string | null } | undefined
  /** It was told to make way before anything had executed it. */
  superseded: boolean
  /** The thread as it rested when the run first started. */
  before: Resting | undefined
  ended_by: string | undefined
  /** Where its events begin in the order of its thread, once it has started. */
  base_seq: number | undefined
}

type Resting = Pick<Thread, 'resting_status' | 'interrupts' | 'error' | 'state' | 'state_updated_at'>

const nothing: Committed = { threads: new Map(), runs: new Map(), heads: new Map(), events: new Map(), stored: [] }

export class Invariants {
  commits = 0
  readonly #histories = new Map<string, History>()
  readonly #rolledBack = new Set<string>()
  readonly #keys = new Map<string, string>()
  #before: Committed = nothing
  #now_ms = 0

  /** Checks a commit. `now_ms` is the database's clock when it happened. */
  committed(job: Job, after: Committed, now_ms: number) {
    this.commits++
    this.#now_ms = now_ms
    for (const run of after.runs.values()) this.#run(run, job, after)
    for (const [run_id, run] of this.#before.runs) if (!after.runs.has(run_id)) this.#gone(run, job, after)
    for (const thread of after.threads.values()) this.#thread(thread, after)
    for (const thread_id of this.#before.threads.keys()) if (!after.threads.has(thread_id)) this.#forgetOrder(thread_id)
    this.#leftovers(after)
    this.#answer(job, after)
    this.#before = after
  }

  /** A page that a reader got. */
  read(run_id: string, after: number, events: readonly Omit<LoggedEvent, 'run_id'>[]) {
    const log = this.#histories.get(run_id)?.log ?? []
    for (const [index, event] of events.entries()) {
      const logged = log[after + index]
      const same = logged?.seq === event.seq && logged.data === event.data && logged.event === event.event
      if (!same) this.#fail(run_id, `a reader at ${after} got ${event.seq} ${event.event}, the log has another`)
    }
  }

  /** What a client was told about its create. */
  answered(args: { run_id: string; idempotency?: { key: string } }, run_id: string, repeated: boolean) {
    const key = args.idempotency?.key
    if (repeated === (args.run_id === run_id)) this.#fail(run_id, 'a repeat is not told from a new run')
    if (key === undefined) return
    const known = this.#keys.get(key) ?? run_id
    if (known !== run_id) this.#fail(run_id, `the idempotency key ${key} made ${known} before`)
    this.#keys.set(key, run_id)
  }

  /** A create that was refused: for a reason that it allows. */
  refused(
    args: Pick<CreateRun, 'thread_id' | 'if_not_exists' | 'multitask_strategy' | 'idempotency'>,
    error: RunloomError,
  ) {
    const allowed = {
      not_found: args.if_not_exists === 'reject',
      conflict: args.multitask_strategy === 'reject',
      gone: args.idempotency !== undefined,
    } as Partial<Record<string, boolean>>
    if (!allowed[error.code]) this.#fail(args.thread_id, `refused a create: ${error.code} ${error.message}`)
  }

  /** Once faults have stopped and time has passed. */
  settled(readers: Iterable<string>) {
    for (const run of this.#before.runs.values()) {
      if (inFlight(run)) this.#fail(run.run_id, `is still ${run.status}; its thread is stuck`)
    }
    for (const name of readers) this.#fail(name, 'has not come to its end')
  }

  /** Whether runs are in flight. */
  get busy(): boolean {
    return [...this.#before.runs.values()].some(inFlight)
  }

  #run(run: Run, job: Job, after: Committed) {
    const { run_id } = run
    const was = this.#before.runs.get(run_id)
    const [head, hadHead] = [after.heads.get(run_id), this.#before.heads.get(run_id)]
    if (!was && this.#histories.has(run_id)) this.#fail(run_id, 'came back after it was gone')
    const history = this.#history(run)
    if (!head) return this.#fail(run_id, 'has no head')
    this.#log(run_id, history, after, hadHead?.attempt)
    if (hadHead && (head.attempt < hadHead.attempt || head.last_seq < hadHead.last_seq || head.ended < hadHead.ended)) {
      this.#fail(run_id, 'its head went backwards')
    }
    if (hadHead?.ended && head.last_seq > hadHead.last_seq) this.#fail(run_id, 'was written to after its end')
    if (inFlight(run) === (head.ended === 1)) this.#fail(run_id, `is ${run.status}, its head says ended ${head.ended}`)
    if (was && !inFlight(was) && was.status !== run.status) this.#fail(run_id, `${was.status} became ${run.status}`)
    if (run.crashes > MAX_CRASHES) this.#fail(run_id, `has crashed ${run.crashes} times`)
    const more = run.crashes - (was?.crashes ?? 0)
    if (more < 0 || more > 1) this.#fail(run_id, 'its crashes are miscounted')
    if (run.status === 'running' && head.attempt !== hadHead?.attempt) this.#started(run, was, history, job, after)
    this.#cancel(run, was, history)
    if (was && inFlight(was) && !inFlight(run)) {
      history.ended_by = `${job.transition.name} ${head.attempt}`
      this.#owned(was, job)
    }
  }

  /** Each seq once, without a gap, never rewritten; nothing of an attempt once the next has begun. */
  #log(run_id: string, { log }: History, after: Committed, owner: number | undefined) {
    const events = after.events.get(run_id) ?? []
    const last_seq = after.heads.get(run_id)?.last_seq
    if (events.length !== last_seq) this.#fail(run_id, `has ${events.length} events, its head says ${last_seq}`)
    for (const [index, event] of events.entries()) {
      const known = log[index]
      if (event.seq !== index + 1) this.#fail(run_id, `its event ${index + 1} has the number ${event.seq}`)
      if (known) {
        const same = known.data === event.data && known.event === event.event
        if (!same) this.#fail(run_id, `event ${event.seq} was rewritten`)
        continue
      }
      const { attempt = owner } = event.event === 'metadata' ? {} : JSON.parse(event.data)
      if (attempt !== owner) this.#fail(run_id, `attempt ${attempt} wrote event ${event.seq} in attempt ${owner}`)
      log.push(event)
    }
    if (events.length < log.length) this.#fail(run_id, 'lost events')
  }

  #started(run: Run, was: Run | undefined, history: History, job: Job, after: Committed) {
    const { run_id, thread_id } = run
    if (was?.cancel_action) this.#fail(run_id, 'was started after its cancel was stored')
    if (history.superseded) this.#fail(run_id, 'was started after another had taken its place')
    if (was?.status === 'running') {
      const lease = this.#before.threads.get(thread_id)?.due_at ?? 0
      if (lease > this.#now_ms) this.#fail(run_id, 'was taken over under its lease')
      if (run.crashes === was.crashes) this.#fail(run_id, 'a takeover was not counted')
    }
    const { driving = [], claim } = job.args as { driving?: string[]; claim?: { driving?: string[] } }
    const own = [...driving, ...(claim?.driving ?? [])].includes(run_id)
    if (own) this.#fail(run_id, 'was taken over by its own process')
    if (was?.status !== 'running') this.#inTurn(run, was, job, after)
    if (!was?.started_at) this.#numbered(run, history)
    // The commit that started it may have ended another before.
    history.before ??= restingOf(after.threads.get(thread_id) as Thread)
  }

  /** A run that was handed back goes on before anything new; else the older of two due ones starts first. */
  #inTurn(run: Run, was: Run | undefined, job: Job, after: Committed) {
    const others = [...this.#before.runs.values()].filter(({ thread_id, run_id, status }) => {
      const waits = status === 'pending' && after.runs.get(run_id)?.status === 'pending'
      return waits && thread_id === run.thread_id && run_id !== run.run_id
    })
    for (const { run_id, started_at, position, not_before, cancel_action } of others) {
      const due = not_before <= job.began_ms && cancel_action === null
      const order = (started_at ? 0 : 1) - (was?.started_at ? 0 : 1) || position - run.position
      if (due && order < 0) this.#fail(run.run_id, `was started before ${run_id}, whose turn it was`)
    }
  }

  /** No two runs of a thread share numbers in its order. */
  #numbered({ run_id, base_seq }: Run, history: History) {
    history.base_seq = base_seq ?? 0
    for (const [other, { thread_id, base_seq: from, log }] of this.#histories) {
      if (thread_id !== history.thread_id || other === run_id || from === undefined) continue
      if (history.base_seq < from + log.length) this.#fail(run_id, `shares numbers of the thread with ${other}`)
    }
  }

  /** The first cancel that is stored wins, and is carried out; only a delete may follow an interrupt. */
  #cancel(run: Run, was: Run | undefined, history: History) {
    const { run_id, cancel_action: action, ending, status } = run
    const first = history.cancel
    if (action && (!first || (first.action === 'interrupt' && action === 'delete'))) {
      history.cancel = { action, ending: first?.ending ?? ending }
    }
    if (!history.cancel) return
    const stored = `${history.cancel.action} ${history.cancel.ending}`
    if (inFlight(run)) {
      if (stored !== `${action} ${ending}`) this.#fail(run_id, `its cancel was ${stored}, and is ${action} ${ending}`)
    } else if (was && inFlight(was) && (status !== 'interrupted' || stored !== `interrupt ${ending}`)) {
      this.#fail(run_id, `its cancel was ${stored}, it ended as ${status} ${ending}`)
    }
  }

  /** A run's row has gone: with its thread, by a delete, or by a rollback. */
  #gone(run: Run, job: Job, after: Committed) {
    const history = this.#history(run)
    const thread = after.threads.get(run.thread_id)
    history.ended_by ??= job.transition.name
    if (!thread || !inFlight(run)) return
    this.#owned(run, job)
    const asked = job.args as { action?: string; multitask_strategy?: string }
    const now = job.transition.name === 'deleteRun' ? 'delete' : (asked.action ?? asked.multitask_strategy)
    const { action = now } = history.cancel ?? {}
    if (action === 'interrupt' && now !== 'delete')
      this.#fail(run.run_id, `was erased by ${job.transition.name}, ${action}`)
    if (action !== 'rollback') return
    this.#rolledBack.add(`${run.thread_id} ${run.run_id}`)
    // The same commit may have started the next run, which changes nothing here, or rolled back several.
    const resting = JSON.stringify(restingOf(thread))
    if (history.before && resting !== JSON.stringify(history.before)) {
      this.#fail(run.run_id, `was rolled back, its thread was ${JSON.stringify(history.before)} and is ${resting}`)
    }
  }

  /** While its lease lasts a run is ended by its owner alone. */
  #owned(was: Run, job: Job) {
    const lease = this.#before.threads.get(was.thread_id)?.due_at ?? 0
    const byOwner = job.transition.name === 'finishRun' || job.transition.name === 'handBack'
    if (was.status === 'running' && lease > this.#now_ms && !byOwner) {
      this.#fail(was.run_id, `was ended by ${job.transition.name} under its lease`)
    }
  }

  #thread(thread: Thread, after: Committed) {
    const { thread_id, due_at, status } = thread
    const runs = [...after.runs.values()].filter(run => run.thread_id === thread_id && inFlight(run))
    const running = runs.filter(run => run.status === 'running')
    if (running.length > 1) this.#fail(thread_id, `executes ${running.map(run => run.run_id)} at once`)
    const expected = runs.length > 0 ? 'busy' : thread.resting_status
    if (status !== expected) this.#fail(thread_id, `is ${status}, its runs say ${expected}`)
    if (running.length === 1 && due_at === null) this.#fail(thread_id, 'executes a run without a lease')
    const earliest = runs.length > 0 ? Math.max(thread.turn_at, Math.min(...runs.map(run => run.not_before))) : null
    if (running.length === 0 && due_at !== earliest)
      this.#fail(thread_id, `is due at ${due_at}, its runs at ${earliest}`)
    const was = this.#before.threads.get(thread_id)
    if (was && thread.last_thread_seq < was.last_thread_seq) this.#fail(thread_id, 'its last_thread_seq went backwards')
  }

  /** A thread has gone; one of the same name may come, and begins anew. */
  #forgetOrder(thread_id: string) {
    for (const history of this.#histories.values()) {
      if (history.thread_id === thread_id) history.base_seq = undefined
    }
  }

  /** Nothing refers to what is not there, and what was erased is gone from every table. */
  #leftovers(after: Committed) {
    for (const run_id of after.events.keys()) {
      if (!after.runs.has(run_id)) this.#fail(run_id, 'is gone, its events are not')
    }
    const blobs = new Set(after.stored.map(row => `${row.thread_id} ${row.has}`))
    for (const { name, thread_id, run_id, needs } of after.stored) {
      if (!after.threads.has(thread_id)) this.#fail(thread_id, `is gone, its ${name} are not`)
      if (this.#rolledBack.has(`${thread_id} ${run_id}`)) this.#fail(run_id, `was rolled back, its ${name} are there`)
      if (needs && !blobs.has(`${thread_id} ${needs}`))
        this.#fail(thread_id, `a checkpoint of ${run_id} lacks its blob`)
    }
  }

  /** What transitions answered. */
  #answer({ transition, args, result }: Job, after: Committed) {
    const { name } = transition
    if (name === 'createRun') this.#superseded((result as Created).superseded)
    if (name === 'appendSlices') {
      for (const { run_id, attempt } of args as Slice[]) {
        const head = after.heads.get(run_id)
        const owner = head?.attempt === attempt && head.ended === 0
        if (owner && (result as string[]).includes(run_id)) this.#fail(run_id, 'its owner was told that it is not')
      }
    }
    if (name === 'renewLeases') {
      const asked = new Map((args as { runs: Renewal[] }).runs.map(({ run_id, attempt }) => [run_id, attempt]))
      for (const { run_id, renewed } of result as Renewed[]) {
        const owner = after.heads.get(run_id)?.attempt === asked.get(run_id)
        if (renewed && !owner) this.#fail(run_id, 'its lease was renewed for one who does not own it')
      }
    }
    if (name === 'finishRun') {
      const { run_id, attempt } = (args as Finish).slice
      const { landed } = result as Finished
      const mine = this.#histories.get(run_id)?.ended_by === `finishRun ${attempt}`
      if (after.runs.has(run_id) && landed !== mine)
        this.#fail(run_id, `its end by attempt ${attempt} landed: ${mine}, it was told ${landed}`)
    }
  }

  #superseded(run_ids: string[]) {
    for (const run_id of run_ids) {
      const history = this.#histories.get(run_id)
      if (history && !history.before) history.superseded = true
    }
  }

  #history(run: Run): History {
    const fresh = { log: [], cancel: undefined, superseded: false, before: undefined }
    const rest = { ended_by: undefined, base_seq: undefined }
    const history = this.#histories.get(run.run_id) ?? { thread_id: run.thread_id, ...fresh, ...rest }
    this.#histories.set(run.run_id, history)
    return history
  }

  #fail(who: string, what: string): never {
    throw new Violation(`${who} ${what}`)
  }
}

function inFlight(run: Run): boolean {
  return run.status === 'pending' || run.status === 'running'
}

function restingOf({ resting_status, interrupts, error, state, state_updated_at }: Thread): Resting {
  return { resting_status, interrupts, error, state, state_updated_at }
}
