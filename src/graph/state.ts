// The state of a thread as clients see it: values, next nodes, tasks, interrupts, at any checkpoint; and updating it from
// outside a run (contracts: langgraph §3).
import type { CompiledStateGraph } from '@langchain/langgraph'
import { RunloomError } from '../core/errors.ts'
import { newId } from '../core/ids.ts'
import { refuseSize, type SizeLimits } from '../core/limits.ts'
import { commitState, createThreadWithState, type NewState, takenThread, unknownCheckpoint } from '../core/states.ts'
import { type CreateThread, getThread, type Thread, type ThreadKey } from '../core/threads.ts'
import { ownedBy, type User, userConfigurable } from '../core/users.ts'
import type { Database } from '../db/database.ts'
import type { StateTexts } from '../events/state.ts'
import { Checkpointer } from './checkpointer.ts'
import { langgraphCommand, type RunCommand } from './executor-config.ts'
import { bind, type Graphs } from './load.ts'
import { wireText } from './serde.ts'
import type { StateCache } from './state-cache.ts'
import { StateDraft } from './state-draft.ts'
import { EMPTY_STATE, selectedState, wireState } from './state-wire.ts'
import { StateWriter } from './state-writer.ts'
import type { ItemStore } from './store.ts'

/** Which checkpoint is meant; nothing for the newest. */
export interface CheckpointKey {
  checkpoint_id?: string | null | undefined
  checkpoint_ns?: string | null | undefined
  checkpoint_map?: Record<string, unknown> | null | undefined
}

/** Which thread, for whom. */
export interface ThreadReader extends ThreadKey {
  user?: User | undefined
}

export interface StateQuery {
  checkpoint?: CheckpointKey | undefined
  /** Show the states of subgraphs within their tasks. */
  subgraphs?: boolean
  /** The fields to show; `values.<key>` is one of the values. */
  select?: readonly string[] | null | undefined
}

export interface HistoryQuery {
  limit?: number | null | undefined
  before?: CheckpointKey | null | undefined
  metadata?: Record<string, unknown> | null | undefined
  checkpoint?: CheckpointKey | null | undefined
  select?: readonly string[] | null | undefined
}

/** What one node writes in one step, or a Command (protocol/runs.ts) in its name. */
export interface NodeUpdate {
  values?: unknown
  command?: object | null | undefined
  as_node?: string | null | undefined
}

/** Updates of one step each, in order. */
export type Superstep = { updates: NodeUpdate[] }

/** How often an update is computed when other processes change the thread meanwhile. */
const UPDATE_TRIES = 20

interface Ports {
  db: Database
  graphs: Graphs
  store: ItemStore
  cache: StateCache
  texts: StateTexts
  limits: Pick<SizeLimits, 'max_state_bytes'>
}

export class ThreadStates {
  readonly #ports: Ports
  /** Updates of one thread are made one after the other; this is its last. */
  readonly #updates = new Map<string, Promise<unknown>>()

  constructor(ports: Ports) {
    this.#ports = ports
  }

  /** JSON text of the latest values, without loading the graph; null before the first. */
  async values({ thread_id, state }: Pick<Thread, 'thread_id' | 'state'>): Promise<string | null> {
    return state === null ? null : this.#ports.texts.render(thread_id, state)
  }

  /** JSON text of a ThreadState. A thread without a graph has an empty one; an unknown checkpoint is not found. */
  async get(reader: ThreadReader, { checkpoint = {}, subgraphs = false, select }: StateQuery = {}): Promise<string> {
    const thread = await this.#find(reader)
    const { thread_id } = thread
    const graph = await this.#graph(thread, this.#reader(thread_id))
    const snapshot = await graph?.getState(configOf(thread, checkpoint), { subgraphs })
    if (checkpoint.checkpoint_id && !snapshot?.createdAt) throw unknownCheckpoint(thread_id, checkpoint.checkpoint_id)
    if (!snapshot) return wireText(selectedState(EMPTY_STATE, select))
    return wireText(selectedState(wireState(snapshot), select))
  }

  /** JSON text of an array of ThreadStates, newest first. */
  async history(reader: ThreadReader, query: HistoryQuery): Promise<string> {
    const { limit, before, metadata, checkpoint, select } = query
    const thread = await this.#find(reader)
    const graph = await this.#graph(thread, this.#reader(thread.thread_id))
    if (!graph) return '[]'
    const options = {
      limit: limit ?? 10,
      ...(before && { before: configOf(thread, before) }),
      ...(metadata && { filter: metadata }),
    }
    const states: unknown[] = []
    for await (const snapshot of graph.getStateHistory(configOf(thread, checkpoint ?? {}), options)) {
      states.push(selectedState(wireState(snapshot), select))
    }
    return wireText(states)
  }

  /** Writes as nodes would have; returns the new checkpoint. An update of a past checkpoint forks. */
  async update(reader: ThreadReader, from: CheckpointKey, update: NodeUpdate) {
    const { thread_id } = reader
    const turn = (this.#updates.get(thread_id) ?? Promise.resolve()).then(() => this.#update(reader, from, update))
    const over = turn.catch(() => {})
    this.#updates.set(thread_id, over)
    try {
      return await turn
    } finally {
      if (this.#updates.get(thread_id) === over) this.#updates.delete(thread_id)
    }
  }

  async #update(reader: ThreadReader, from: CheckpointKey, update: NodeUpdate) {
    const { thread_id, allowed } = reader
    for (let tries = 1; tries <= UPDATE_TRIES; tries++) {
      const thread = await this.#find(reader)
      const { made, head, sources, checkpoint } = await this.#compute(thread, from, [{ updates: [update] }])
      if (await this.#ports.db.run(commitState, { thread_id, allowed, head, sources, ...made })) return checkpoint
    }
    throw new RunloomError('conflict', `Thread ${thread_id} is being updated by others; try again`)
  }

  /** Creates a thread with the state that some steps make: both, or nothing. */
  async create(args: CreateThread, supersteps: Superstep[], user?: User): Promise<Thread> {
    const taken = await this.#ports.db.run(takenThread, args)
    if (taken) return taken
    const { made } = await this.#compute({ ...args, config: '{}', user }, {}, supersteps)
    return this.#ports.db.run(createThreadWithState, { ...args, made })
  }

  /** The state after some steps, as rows; nothing is written. */
  async #compute(thread: ReadThread, from: CheckpointKey, supersteps: Superstep[]) {
    const { thread_id } = thread
    const run_id = newId()
    const { graph_id, assistant_id } = JSON.parse(thread.metadata) as Record<string, unknown>
    const state = new StateWriter({ thread_id, run_id })
    const metadata = { thread_id, graph_id, ...(assistant_id !== undefined && { assistant_id }) }
    const draft = new StateDraft({ ...this.#ports, thread_id, run_id, state, metadata })
    const graph = await this.#graph(thread, draft)
    if (!graph) {
      throw new RunloomError(
        'no_graph',
        `Thread ${thread_id} has no graph; name it in metadata.graph_id, or run it first`,
      )
    }
    // LangGraph would begin with an empty state at a checkpoint that there is not.
    if (from.checkpoint_id && !(await draft.getTuple(configOf(thread, from)))) {
      throw unknownCheckpoint(thread_id, from.checkpoint_id)
    }
    const head = (await draft.getTuple({ configurable: { thread_id, checkpoint_ns: '' } }))?.checkpoint.id
    const config = await graph.bulkUpdateState(configOf(thread, from), supersteps.map(langgraphStep)).catch(error => {
      if (draft.failure) throw error
      throw new RunloomError('invalid', `values or as_node: ${(error as Error).message}`, { cause: error })
    })
    const { checkpoint_ns = '', checkpoint_id } = config.configurable ?? {}
    const { next, tasks } = await graph.getState(configOf(thread, {}))
    const waiting = tasks.filter(task => task.interrupts.length > 0)
    const encoded = draft.values && state.encodeState(outputs(graph, draft.values), '')
    if (encoded) refuseSize('values: the state would be', encoded.bytes, this.#ports.limits.max_state_bytes)
    const made: NewState = {
      writes: [...draft.writes, ...(encoded?.writes ?? [])],
      ...(encoded && { state: encoded.data }),
      resting_status: next.length > 0 ? 'interrupted' : 'idle',
      interrupts: wireText(Object.fromEntries(waiting.map(task => [task.id, task.interrupts]))),
    }
    return { made, head, sources: [...draft.sources.values()], checkpoint: { thread_id, checkpoint_ns, checkpoint_id } }
  }

  async #find({ user, ...key }: ThreadReader): Promise<ReadThread> {
    return { ...(await this.#ports.db.run(getThread, key)), user }
  }

  #reader(thread_id: string): Checkpointer {
    const state = new StateWriter({ thread_id, run_id: '' })
    return new Checkpointer({ ...this.#ports, thread_id, run_id: '', state, write: readOnly })
  }

  async #graph(thread: ReadThread, checkpointer: Checkpointer): Promise<Graph | undefined> {
    const { graph_id } = JSON.parse(thread.metadata) as { graph_id?: string }
    if (!graph_id) return undefined
    const graph = await this.#ports.graphs.get(graph_id, {
      ...JSON.parse(thread.config),
      configurable: configurableOf(thread),
    })
    return bind(graph, { checkpointer, store: this.#ports.store.of(ownedBy(thread.user)) }) as Graph
  }
}

type ReadThread = Pick<Thread, 'thread_id' | 'metadata' | 'config'> & Pick<ThreadReader, 'user'>

/** What the graph's run would be configured with: the thread's, which has no user, and who asks. */
function configurableOf({ config, user }: ReadThread): Record<string, unknown> {
  const { configurable } = JSON.parse(config) as { configurable?: Record<string, unknown> }
  return { ...configurable, ...userConfigurable(user) }
}

// biome-ignore lint/suspicious/noExplicitAny: a user's graph of any shape
type Graph = CompiledStateGraph<any, any, any, any, any, any>
type GraphStep = Parameters<Graph['bulkUpdateState']>[1][number]

function langgraphStep({ updates }: Superstep): GraphStep {
  return {
    updates: updates.map(({ values, command, as_node }) => ({
      values: (command ? langgraphCommand(command as RunCommand) : values) as Record<string, unknown>,
      ...(as_node != null && { asNode: as_node }),
    })),
  }
}

function outputs(graph: Graph, channel_values: Record<string, unknown>): Record<string, unknown> {
  const names = [graph.streamChannels ?? graph.outputChannels].flat() as string[]
  return Object.fromEntries(names.filter(name => name in channel_values).map(name => [name, channel_values[name]]))
}

function configOf(thread: ReadThread, { checkpoint_id, checkpoint_ns, checkpoint_map }: CheckpointKey) {
  return {
    configurable: {
      ...configurableOf(thread),
      thread_id: thread.thread_id,
      checkpoint_ns: checkpoint_ns ?? '',
      ...(checkpoint_id && { checkpoint_id }),
      ...(checkpoint_map && { checkpoint_map }),
    },
  }
}

async function readOnly(): Promise<void> {
  throw new Error('reading a state writes nothing')
}
