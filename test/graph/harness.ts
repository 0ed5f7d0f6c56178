// A small server for the executor's tests: runs are created, claimed and ended by the real transitions and executed over
// a real log, without worker and HTTP. An attempt can be made to die after a number of commits.
import { InMemoryStore } from '@langchain/langgraph-checkpoint'
import { syncSystemAssistants } from '../../src/core/assistants.ts'
import { claimRuns, type Finish, finishRun } from '../../src/core/claims.ts'
import { type ClaimedRun, type Ending, Stopped } from '../../src/core/executor.ts'
import { newId } from '../../src/core/ids.ts'
import { type CreateRun, createRun, getRun, type Run } from '../../src/core/runs.ts'
import { startAlone } from '../../src/core/startup.ts'
import { getThread } from '../../src/core/threads.ts'
import { type Database, openDatabase } from '../../src/db/database.ts'
import { migrate } from '../../src/db/migrate.ts'
import { LocalBus } from '../../src/events/bus.ts'
import { EventLog } from '../../src/events/event-log.ts'
import type { RunEvent } from '../../src/events/log.ts'
import { StateTexts } from '../../src/events/state.ts'
import { graphExecutor } from '../../src/graph/executor.ts'
import { Graphs } from '../../src/graph/load.ts'
import { StateCache } from '../../src/graph/state-cache.ts'
import { MortalDatabase } from '../support/mortal-database.ts'

/** As large as by default. */
export const LIMITS = { max_event_bytes: 1_000_000, max_state_bytes: 200_000_000 }

const CLAIM = { worker_id: 'test', lease_ms: 60_000, max_crashes: 1_000, driving: [], limit: 100 }

export interface Driven {
  ending?: Ending
  error?: unknown
  /** Commits that the executor made, its ending not counted. */
  commits: number
  killed: boolean
}

interface DriveOptions {
  /** Die after so many commits; at the latest when everything but the ending is stored. */
  commits?: number
  stop?: AbortSignal
  /** What a process that goes on has in memory. */
  cache?: StateCache
}

export class TestServer {
  readonly db: Database
  readonly graphs = new Graphs('/')
  readonly store = new InMemoryStore()
  readonly texts: StateTexts

  private constructor(db: Database) {
    this.db = db
    this.texts = new StateTexts(db)
  }

  /** `watch`: what the server sees of its database. */
  static async open(url: string, watch = (db: Database) => db): Promise<TestServer> {
    const db = await openDatabase(url, { inline: true })
    await migrate(db)
    return new TestServer(watch(db))
  }

  async close() {
    await this.db.close()
  }

  async serve(graph_id: string, graph: object) {
    this.graphs.register(graph_id, graph)
    await this.db.run(syncSystemAssistants, [{ graph_id, description: null }])
  }

  /** Creates a run; it is not started. */
  async create(graph_id: string, kwargs: CreateRun['kwargs'], thread_id = newId()): Promise<Run> {
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

  /** Claims the one run that is due, whether it is new or its owner died. */
  async claim(): Promise<ClaimedRun> {
    const [claimed] = await this.claimAll()
    if (!claimed) throw new Error('no run is due')
    return claimed
  }

  async claimAll(): Promise<ClaimedRun[]> {
    await this.db.run(startAlone, undefined)
    return this.db.run(claimRuns, CLAIM)
  }

  /** Drives a claimed run to its end, with nothing in memory that an earlier attempt left. */
  async drive(claimed: ClaimedRun, { commits, stop, cache = new StateCache() }: DriveOptions = {}): Promise<Driven> {
    const db = new MortalDatabase(this.db, commits)
    const log = new EventLog(db, new LocalBus())
    const lost = new AbortController()
    const writer = log.open(claimed.run.run_id, claimed, () => lost.abort(new Stopped({ type: 'lease_lost' })))
    const execute = graphExecutor({
      db,
      graphs: this.graphs,
      storeOf: () => this.store,
      cache,
      limits: LIMITS,
      tracing: [],
    })
    const signal = AbortSignal.any([lost.signal, ...(stop ? [stop] : [])])
    const execution = execute(claimed, writer, signal).then(
      ending => ({ ending }),
      error => ({ error }),
    )
    const executed = execution.then(async outcome => {
      await writer.append(undefined, []).catch(() => {})
      return outcome
    })
    const outcome = await Promise.race([executed, db.death])
    if (outcome === undefined || commits !== undefined) {
      writer.fail(new Error('killed'))
      void log.close()
      return { commits: db.commits, killed: true }
    }
    const slice = await writer.takeRest()
    await this.db.run(finishRun, { thread_id: claimed.run.thread_id, slice, ...ended(outcome) })
    writer.fail(new Error('the attempt is over'))
    await log.close()
    return { ...outcome, commits: db.commits, killed: false }
  }

  async run(graph_id: string, kwargs: CreateRun['kwargs'], thread_id?: string): Promise<{ run: Run } & Driven> {
    const run = await this.create(graph_id, kwargs, thread_id)
    return { run, ...(await this.drive(await this.claim())) }
  }

  /** The events of a run that has ended, with their state rendered. */
  async events(run_id: string): Promise<RunEvent[]> {
    const events = await Array.fromAsync(this.read(run_id))
    const { thread_id } = await this.db.run(getRun, { run_id })
    const render = async (event: RunEvent): Promise<RunEvent> => ({
      ...event,
      data: await this.texts.render(thread_id, event.data),
    })
    return Promise.all(events.flat().map(render))
  }

  /** The events of a run that has ended, as the log gives them. */
  async *read(run_id: string, after = 0): AsyncGenerator<RunEvent[]> {
    const log = new EventLog(this.db, new LocalBus())
    yield* log.read(run_id, after, AbortSignal.timeout(60_000))
    await log.close()
  }

  async thread(thread_id: string) {
    return this.db.run(getThread, { thread_id })
  }
}

/** As core/worker.ts concludes. */
function ended({ ending, error }: { ending?: Ending; error?: unknown }): Omit<Finish, 'thread_id' | 'slice'> {
  if (ending) {
    const resting_status = ending.has_next ? 'interrupted' : 'idle'
    return { status: 'success', ending: { reason: 'completed' }, interrupts: ending.interrupts, resting_status }
  }
  const { name, message } = error as Error
  const failure = { reason: 'failed', error: { error: name, message } }
  return { status: 'error', ending: failure, interrupts: {}, resting_status: 'error' }
}
