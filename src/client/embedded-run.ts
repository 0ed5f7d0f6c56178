// Following a run inside the process: its events from the log, as those of a turn.
import { RunloomError } from '../core/errors.ts'
import { isEnded, type Run, type RunStatus, runOutcome } from '../core/runs.ts'
import { Closing } from '../events/followers.ts'
import type { RunEvent } from '../events/log.ts'
import type { ClientEvent } from '../protocol/client-events.ts'
import type { Runtime } from '../runtime.ts'
import type { Engine } from './embedded-engine.ts'
import { Turn } from './embedded-turn.ts'

/** A run that did not succeed: what its graph threw, or who stopped it. */
export class RunFailed extends Error {
  override name = 'RunFailed'
  readonly run_id: string
  readonly status: RunStatus
  /** The name of the error that its graph threw. */
  readonly error: string | undefined

  constructor(run_id: string, status: RunStatus, message: string, error?: string) {
    super(message)
    this.run_id = run_id
    this.status = status
    this.error = error
  }
}

/**
 * The events of a run from its first, `end` last. Throws RunFailed where the run does not succeed, and the signal's reason
 * when it is aborted. Goes on where it was when the engine is opened anew.
 */
export async function* followRun(
  engine: Engine,
  run: Pick<Run, 'run_id' | 'thread_id'>,
  signal: AbortSignal,
): AsyncGenerator<ClientEvent, void> {
  const { run_id } = run
  const recorded = new Recorded()
  for (let ended = false, cursor = 0; !ended; ) {
    const { ports } = await engine.runtime()
    try {
      const events = rendered(ports, run, cursor, signal)
      for await (const event of ports.texts.untilErased(run_id, events)) {
        if (event.event === 'gap') throw removed(run_id)
        cursor = event.seq
        yield* recorded.events(event)
      }
      ended = true
    } catch (error) {
      if (!(error instanceof Closing) || engine.closed) throw error
    }
  }
  signal.throwIfAborted()
  await refuseFailed(await engine.runtime(), run_id)
  yield* recorded.turn.end()
}

/** A run's events behind a cursor; those that are shown without references. */
async function* rendered(
  { log, texts }: Runtime['ports'],
  { run_id, thread_id }: Pick<Run, 'run_id' | 'thread_id'>,
  after: number,
  signal: AbortSignal,
): AsyncGenerator<RunEvent> {
  for await (const batch of log.read(run_id, after, signal)) {
    for (const event of batch) {
      const data = isShown(event) ? texts.render(thread_id, event.data) : event.data
      yield { ...event, data: typeof data === 'string' ? data : await data }
    }
  }
}

/** Pieces and custom events come from anywhere in the graph; a state, and a question in it, is the root's. */
const FROM_ANYWHERE = new Set(['messages', 'custom'])
const FROM_ROOT = new Set(['values', 'interrupt'])

function isShown({ event }: RunEvent): boolean {
  return FROM_ROOT.has(event) || FROM_ANYWHERE.has(modeOf(event))
}

function modeOf(event: string): string {
  return event.split('|', 1)[0] as string
}

/** A task as it is recorded, before any state. */
const TASK = /^\{"id":"([^"]+)","name":"(?:[^"\\]|\\.)*","(input|result)":/

/** What the recording says of a turn: where it begins, and where it begins again. */
class Recorded {
  readonly turn = new Turn()
  /** A node has been started: from then on, what is new in the state was said in this turn. */
  #begun = false
  #attempts = 0

  events(recorded: RunEvent): ClientEvent[] {
    const { event, data } = recorded
    const mode = modeOf(event)
    if (mode === 'metadata') return this.#attempts++ === 0 ? [] : this.turn.restart()
    if (mode === 'tasks') {
      const [, id, what] = TASK.exec(data) ?? []
      if (event === mode) this.#begun = true
      return what === 'result' ? this.turn.take(mode, { id, result: null }) : []
    }
    if (!isShown(recorded)) return []
    const payload: unknown = JSON.parse(data)
    return mode === 'values' && !this.#begun ? this.turn.begin(payload) : this.turn.take(mode, payload)
  }
}

async function refuseFailed({ ports: { db } }: Runtime, run_id: string): Promise<void> {
  const outcome = await db.run(runOutcome, run_id)
  if (!outcome) throw new RunFailed(run_id, 'interrupted', `Run ${run_id} was rolled back or deleted`)
  const { run } = outcome
  if (run.status === 'success' || !isEnded(run)) return
  const { reason, by, error } = JSON.parse(run.ending ?? '{}') as {
    reason?: string
    by?: string
    error?: { error: string; message: string }
  }
  if (error) throw new RunFailed(run_id, run.status, error.message, error.error)
  throw new RunFailed(run_id, run.status, `Run ${run_id} was stopped: ${reason}${by ? ` by ${by}` : ''}`)
}

function removed(run_id: string): RunloomError {
  return new RunloomError('gone', `Events of run ${run_id} are not kept any more; read its thread's state instead`)
}
