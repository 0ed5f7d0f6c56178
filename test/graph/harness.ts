// A small server for the executor's tests: runs are created, claimed and ended by the real transitions and executed over
// a real log, without worker and HTTP. `kill` stops an attempt dead after a number of commits.
import { setTimeout as sleep } from 'node:timers/promises'
import { InMemoryStore } from '@langchain/langgraph-checkpoint'
import { syncSystemAssistants } from '../../src/core/assistants.ts'
import { claimRuns, finishRun, voidLeases } from '../../src/core/claims.ts'
import { type ClaimedRun, type Ending, Stopped } from '../../src/core/executor.ts'
import { newId } from '../../src/core/ids.ts'
import { type CreateRun, createRun } from '../../src/core/runs.ts'
import { getThread } from '../../src/core/threads.ts'
import { type Database, openDatabase, type Transition } from '../../src/db/database.ts'
import { migrate } from '../../src/db/migrations.ts'
import { LocalBus } from '../../src/events/bus.ts'
import { EventLog } from '../../src/events/event-log.ts'
import type { RunEvent } from '../../src/events/log.ts'
import { StateTexts } from '../../src/events/state.ts'
import { graphExecutor } from '../../src/graph/executor.ts'
import { Graphs } from '../../src/graph/load.ts'
import { StateCache } from '../../src/graph/state-cache.ts'

const CLAIM = { worker_id: 'test', lease_ms: 60_000, max_crashes: 1_000, driving: [], limit: 10 }

export type Outcome = { ending: Ending } | { error: unknown } | { killed: true }

export class TestServer {
  readonly db: Database
  readonly graphs = new Graphs('/')
  readonly texts: StateTexts

  private constructor(db: Database) {
    this.db = db
    this.texts = new StateTexts(db)
  }

  static async open(url: string): Promise<TestServer> {
    const db = await openDatabase(url, { inline: true })
    await migrate(db)
    return new TestServer(db)
  }

  async close() {
    await this.db.close()
  }

  async serve(graph_id: string, graph: object) {
    this.graphs.register(graph_id, graph)
    await this.db.run(syncSystemAssistants, [{ graph_id, description: null }])
  }

  /** Creates a run; it is not started. */
  async create(graph_id: string, kwargs: CreateRun['kwargs'], thread_id = newId()): Promise<ClaimedRun['run']> {
    const { run } = await this.db.run(createRun, {
      run_id: newId(),
      thread_id,
      assistant_id: graph_id,
      if_not_exists: 'create',
      kwargs,
      metadata: {},
      multitask_strategy: 'enqueue',
      after_ms: 0,
    })
    return run
  }

  /** Claims the one run that is due, as another process would: without what an earlier attempt held in memory. */
  async claim(): Promise<ClaimedRun> {
    await this.db.run(voidLeases, undefined)
    const [claimed] = await this.db.run(claimRuns, CLAIM)
    if (!claimed) throw new Error('no run is due')
    return claimed
  }

  /** Drives a claimed run to its end; with `commits`, only until that many commits of it have landed. */
  async drive(claimed: ClaimedRun, { commits = Infinity, stop }: { commits?: number; stop?: AbortSignal } = {}) {
    const killed = Promise.withResolvers<Outcome>()
    const db = new MortalDatabase(this.db, commits, () => killed.resolve({ killed: true }))
    const log = new EventLog(db, new LocalBus())
    const lost = new AbortController()
    const writer = log.open(claimed.run.run_id, claimed, () => lost.abort(new Stopped({ type: 'lease_lost' })))
    const execute = graphExecutor({ db, graphs: this.graphs, store: new InMemoryStore(), cache: new StateCache() })
    const signal = AbortSignal.any([lost.signal, ...(stop ? [stop] : [])])
    const execution = execute(claimed, writer, signal).then(
      ending => ({ ending }),
      error => ({ error }),
    )
    const outcome: Outcome = await Promise.race([execution, killed.promise])
    if ('killed' in outcome || db.dead) {
      writer.fail(new Error('killed'))
      return { killed: true } as Outcome
    }
    await this.#finish(claimed, await writer.takeRest(), outcome)
    writer.fail(new Error('over'))
    await log.close()
    return outcome
  }

  async run(graph_id: string, kwargs: CreateRun['kwargs'], thread_id?: string) {
    const run = await this.create(graph_id, kwargs, thread_id)
    const outcome = await this.drive(await this.claim())
    return { ...run, outcome, events: await this.events(run.run_id) }
  }

  /** A run's events with their state rendered. */
  async events(run_id: string): Promise<RunEvent[]> {
    const log = new EventLog(this.db, new LocalBus())
    const { thread_id } = await this.#row(run_id)
    const events: RunEvent[] = []
    for await (const batch of log.read(run_id, 0, AbortSignal.timeout(5_000))) events.push(...batch)
    await log.close()
    const render = async (event: RunEvent): Promise<RunEvent> =>
      event.refs === 1 ? { ...event, refs: 0, data: await this.texts.render(thread_id, event.data) } : event
    return Promise.all(events.map(render))
  }

  async thread(thread_id: string) {
    return this.db.run(getThread, thread_id)
  }

  async #row(run_id: string) {
    const { getRun } = await import('../../src/core/runs.ts')
    return this.db.run(getRun, { run_id })
  }

  async #finish(claimed: ClaimedRun, slice: Parameters<typeof finishRun.steps>[0]['slice'], outcome: Outcome) {
    const { thread_id } = claimed.run
    if ('error' in outcome) {
      const { name: error, message } = outcome.error as Error
      const ending = { reason: 'failed', error: { error, message } }
      await this.db.run(finishRun, {
        thread_id,
        slice,
        status: 'error',
        ending,
        interrupts: {},
        resting_status: 'error',
      })
    } else if ('ending' in outcome) {
      const { interrupts, has_next } = outcome.ending
      const resting_status = has_next ? 'interrupted' : 'idle'
      const ending = { reason: 'completed' }
      await this.db.run(finishRun, { thread_id, slice, status: 'success', ending, interrupts, resting_status })
    }
  }
}

/** A database that dies with its process: after a number of commits of events it answers nobody any more. */
class MortalDatabase implements Database {
  readonly dialect: Database['dialect']
  dead = false
  readonly #db: Database
  #commits: number
  readonly #onDeath: () => void

  constructor(db: Database, commits: number, onDeath: () => void) {
    this.dialect = db.dialect
    this.#db = db
    this.#commits = commits
    this.#onDeath = onDeath
  }

  async run<A, T>(transition: Transition<A, T>, args: A): Promise<T> {
    if (transition.name === 'appendSlices' && this.#commits-- <= 0) {
      this.dead = true
      this.#onDeath()
    }
    if (this.dead) return new Promise(() => {})
    await sleep(0)
    return this.#db.run(transition, args)
  }

  async close() {}
}
