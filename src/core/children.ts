// Runs that another run starts and waits for: keyed by who asked, so that asking again after a crash finds the same run.
import sql from 'sql-template-tag'
import { type Database, first, type Steps, transition } from '../db/database.ts'
import type { Bus } from '../events/bus.ts'
import type { EventLog } from '../events/event-log.ts'
import type { StateTexts } from '../events/state.ts'
import type { Filter, Guarded } from './access.ts'
import { childKey } from './child-keys.ts'
import { RunloomError } from './errors.ts'
import { newId } from './ids.ts'
import type { Json } from './json.ts'
import { type CreateRun, cancelRun, createRun, isEnded, type Run, runOutcome } from './runs.ts'

export interface ChildRun {
  /** The run that asks, and for what: one child each. */
  parent_run_id: string
  key: string
  assistant_id: string
  /** What the assistant has to pass. */
  assistant_allowed?: Filter | undefined
  input: Json
}

/** What a child has come to. */
export type ChildOutcome = { values: Json } | { error: string }

export class Children {
  readonly #ports: { db: Database; log: EventLog; bus: Bus; texts: StateTexts }

  constructor(ports: { db: Database; log: EventLog; bus: Bus; texts: StateTexts }) {
    this.#ports = ports
  }

  /** The child's id; it is started if this is the first time. */
  async start({ parent_run_id, key, assistant_id, assistant_allowed, input }: ChildRun): Promise<string> {
    const parent = await this.#ports.db.run(parentOf, parent_run_id)
    const args: CreateRun = {
      run_id: newId(),
      thread_id: newId(),
      assistant_id,
      assistant_allowed,
      ...parent,
      if_not_exists: 'temporary',
      kwargs: { input },
      metadata: { parent_run_id },
      multitask_strategy: 'enqueue',
      after_ms: 0,
      idempotency: { face: 'child', key: childKey(parent_run_id, key), body_hash: '' },
    }
    const { run, repeated } = await this.#ports.db.run(createRun, args)
    if (!repeated) this.#ports.bus.publish('work')
    return run.run_id
  }

  /** What the child came to, or, when it has not ended in so long, whether somebody executes it. */
  async outcome(run_id: string, for_ms: number, signal: AbortSignal): Promise<ChildOutcome | 'pending' | 'running'> {
    const { db, log, texts } = this.#ports
    await log.ended(run_id, AbortSignal.any([signal, AbortSignal.timeout(for_ms)]))
    signal.throwIfAborted()
    const found = await db.run(runOutcome, run_id)
    if (!found) return { error: `run ${run_id} was deleted` }
    const { run, values } = found
    if (!isEnded(run)) return run.status === 'pending' ? 'pending' : 'running'
    if (run.status !== 'success') return { error: reasonOf(run) }
    return { values: values === undefined ? null : JSON.parse(await texts.render(run.thread_id, values.data)) }
  }

  /** Stops the child if it has not ended. */
  async cancel(run_id: string): Promise<void> {
    const { db, bus } = this.#ports
    await db.run(cancelRun, { run_id, action: 'interrupt', by: 'parent' }).catch(error => {
      if (!(error instanceof RunloomError)) throw error // else it has ended, or is gone
    })
    bus.publish(`cancel:${run_id}`)
    bus.publish(`run:${run_id}`)
  }
}

/** For whom a run is, whose its thread is and what it is known by: its children's as well. */
export const parentOf = transition(import.meta.url, 'parentOf', function* (run_id: string): Steps<
  Pick<CreateRun, 'auth_user' | 'thread_metadata'> & Guarded
> {
  const found = yield* first<{ auth_user: string | null; owner: string; metadata: string }>(sql`
    select auth_user, threads.owner, threads.metadata from runs join threads on threads.thread_id = runs.thread_id
    where run_id = ${run_id}`)
  if (!found) return {}
  const { auth_user, owner, metadata } = found
  return { auth_user, thread_metadata: JSON.parse(metadata), ...(owner && { allowed: { owner } }) }
})

function reasonOf(run: Run): string {
  const { error } = JSON.parse(run.ending ?? '{}') as { error?: { message: string } }
  return error?.message ?? `run ${run.run_id} ended as ${run.status}`
}
