// The state of a thread as clients see it: values, next nodes, tasks, interrupts, at any checkpoint; and updating it from
// outside a run (contracts: langgraph §3).
import type { CompiledStateGraph, StateSnapshot } from '@langchain/langgraph'
import { RunloomError } from '../core/errors.ts'
import { newId } from '../core/ids.ts'
import { commitState, setStanding } from '../core/states.ts'
import { getThread, type Thread } from '../core/threads.ts'
import type { Bulk, Database } from '../db/database.ts'
import type { StateTexts } from '../events/state.ts'
import { Checkpointer } from './checkpointer.ts'
import { bind, type Graphs } from './load.ts'
import { wireText } from './serde.ts'
import type { StateCache } from './state-cache.ts'
import { StateWriter } from './state-writer.ts'
import type { ItemStore } from './store.ts'

/** Which checkpoint is meant; nothing for the newest. */
export interface CheckpointKey {
  checkpoint_id?: string | null | undefined
  checkpoint_ns?: string | null | undefined
  checkpoint_map?: Record<string, unknown> | null | undefined
}

export interface HistoryQuery {
  limit?: number | null | undefined
  before?: CheckpointKey | null | undefined
  metadata?: Record<string, unknown> | null | undefined
  checkpoint?: CheckpointKey | null | undefined
}

/** How often an update is computed again when the thread moved on meanwhile. */
const UPDATE_TRIES = 5

interface Ports {
  db: Database
  graphs: Graphs
  store: ItemStore
  cache: StateCache
  texts: StateTexts
}

export class ThreadStates {
  readonly #ports: Ports

  constructor(ports: Ports) {
    this.#ports = ports
  }

  /** JSON text of the latest values, without loading the graph; null before the first. */
  async values({ thread_id, state }: Thread): Promise<string | null> {
    return state === null ? null : this.#ports.texts.render(thread_id, state)
  }

  /** JSON text of a ThreadState. A thread without a graph has an empty one. */
  async get(thread_id: string, checkpoint: CheckpointKey, subgraphs: boolean): Promise<string> {
    const thread = await this.#ports.db.run(getThread, thread_id)
    const graph = await this.#graph(thread, this.#reader(thread_id))
    if (!graph) return wireText(EMPTY)
    return wireText(wireState(await graph.getState(configOf(thread, checkpoint), { subgraphs })))
  }

  /** JSON text of an array of ThreadStates, newest first. */
  async history(thread_id: string, { limit, before, metadata, checkpoint }: HistoryQuery): Promise<string> {
    const thread = await this.#ports.db.run(getThread, thread_id)
    const graph = await this.#graph(thread, this.#reader(thread_id))
    if (!graph) return '[]'
    const options = {
      limit: limit ?? 10,
      ...(before && { before: configOf(thread, before) }),
      ...(metadata && { filter: metadata }),
    }
    const states: unknown[] = []
    for await (const snapshot of graph.getStateHistory(configOf(thread, checkpoint ?? {}), options)) {
      states.push(wireState(snapshot))
    }
    return wireText(states)
  }

  /** Writes `values` as a node would have; returns the new checkpoint. An update of a past checkpoint forks. */
  async update(thread_id: string, from: CheckpointKey, values: unknown, as_node: string | undefined) {
    for (let tries = 1; tries <= UPDATE_TRIES; tries++) {
      const thread = await this.#ports.db.run(getThread, thread_id)
      const made = await this.#compute(thread, from, values, as_node)
      if (await this.#ports.db.run(commitState, made.update)) {
        await this.#settle(thread)
        return made.checkpoint
      }
    }
    throw new RunloomError('conflict', `Thread ${thread_id} is being updated by others; try again`)
  }

  /** The update as rows, nothing written yet. */
  async #compute(thread: Thread, from: CheckpointKey, values: unknown, as_node: string | undefined) {
    const { thread_id } = thread
    const run_id = newId()
    const writes: Bulk[] = []
    const state = new StateWriter({ thread_id, run_id })
    const write = async (rows: Bulk[]) => void writes.push(...rows)
    const saver = new CapturingCheckpointer({ ...this.#ports, thread_id, run_id, state, write })
    const graph = await this.#graph(thread, saver)
    if (!graph) {
      throw new RunloomError('invalid', `Thread ${thread_id} has no graph yet; run an assistant on it first`)
    }
    const head = (await saver.getTuple({ configurable: { thread_id, checkpoint_ns: '' } }))?.checkpoint.id
    const config = await graph.updateState(configOf(thread, from), values as never, as_node).catch(refuse)
    const { checkpoint_ns = '', checkpoint_id } = config.configurable ?? {}
    const encoded = state.encodeState(outputs(graph, saver.channel_values), '')
    const template = encoded.refs === 1 ? encoded.data : JSON.stringify([encoded.data])
    const update = { thread_id, head, writes: [...writes, ...encoded.writes], state: template }
    return { update, checkpoint: { thread_id, checkpoint_ns, checkpoint_id } }
  }

  /** After an update the newest state says what the thread waits for. */
  async #settle(thread: Thread) {
    const graph = await this.#graph(thread, this.#reader(thread.thread_id))
    const snapshot = await graph?.getState(configOf(thread, {}))
    if (!snapshot) return
    const waiting = snapshot.tasks.filter(task => task.interrupts.length > 0)
    await this.#ports.db.run(setStanding, {
      thread_id: thread.thread_id,
      resting_status: snapshot.next.length > 0 ? 'interrupted' : 'idle',
      interrupts: Object.fromEntries(waiting.map(task => [task.id, task.interrupts])),
    })
  }

  #reader(thread_id: string): Checkpointer {
    const state = new StateWriter({ thread_id, run_id: '' })
    return new Checkpointer({ ...this.#ports, thread_id, run_id: '', state, write: readOnly })
  }

  async #graph(thread: Thread, checkpointer: Checkpointer): Promise<Graph | undefined> {
    const { graph_id } = JSON.parse(thread.metadata) as { graph_id?: string }
    if (!graph_id) return undefined
    const graph = await this.#ports.graphs.get(graph_id, JSON.parse(thread.config))
    return bind(graph, { checkpointer, store: this.#ports.store }) as Graph
  }
}

// biome-ignore lint/suspicious/noExplicitAny: a user's graph of any shape
type Graph = CompiledStateGraph<any, any, any, any, any, any>

const EMPTY = {
  values: {},
  next: [],
  tasks: [],
  metadata: null,
  created_at: null,
  checkpoint: null,
  parent_checkpoint: null,
  interrupts: [],
}

/** Keeps the root channel values of the last checkpoint that was put. */
class CapturingCheckpointer extends Checkpointer {
  channel_values: Record<string, unknown> = {}

  override async put(...args: Parameters<Checkpointer['put']>): ReturnType<Checkpointer['put']> {
    const [config, checkpoint] = args
    if (!config.configurable?.checkpoint_ns) this.channel_values = checkpoint.channel_values
    return super.put(...args)
  }
}

function outputs(graph: Graph, channel_values: Record<string, unknown>): Record<string, unknown> {
  const names = [graph.streamChannels ?? graph.outputChannels].flat() as string[]
  return Object.fromEntries(names.filter(name => name in channel_values).map(name => [name, channel_values[name]]))
}

function configOf(thread: Thread, { checkpoint_id, checkpoint_ns, checkpoint_map }: CheckpointKey) {
  const { configurable } = JSON.parse(thread.config) as { configurable?: Record<string, unknown> }
  return {
    configurable: {
      ...configurable,
      thread_id: thread.thread_id,
      checkpoint_ns: checkpoint_ns ?? '',
      ...(checkpoint_id && { checkpoint_id }),
      ...(checkpoint_map && { checkpoint_map }),
    },
  }
}

function wireState(snapshot: StateSnapshot): Record<string, unknown> {
  const { values, next, tasks, metadata, createdAt, config, parentConfig } = snapshot
  return {
    values: values ?? {},
    next,
    tasks: tasks.map(wireTask),
    metadata: metadata ?? null,
    created_at: createdAt ?? null,
    checkpoint: wireCheckpoint(config),
    parent_checkpoint: wireCheckpoint(parentConfig),
    interrupts: tasks.flatMap(task => task.interrupts),
  }
}

function wireTask(task: StateSnapshot['tasks'][number]): Record<string, unknown> {
  const { id, name, path, error, interrupts, state, result } = task as typeof task & { result?: unknown }
  const nested = state && 'values' in state ? (state as StateSnapshot) : undefined
  return {
    id,
    name,
    path: path ?? [],
    error: error === undefined ? null : errorText(error),
    interrupts,
    checkpoint: nested ? wireCheckpoint(nested.config) : wireCheckpoint(state as StateSnapshot['config'] | undefined),
    state: nested ? wireState(nested) : null,
    result: result ?? null,
  }
}

/** As text: clients try to parse `{error, message}` from it. */
function errorText(error: unknown): string {
  if (typeof error === 'string') return error
  const { name = 'Error', message = '' } = error as Partial<Error>
  return JSON.stringify({ error: name, message })
}

function wireCheckpoint(config: StateSnapshot['config'] | undefined) {
  const { thread_id, checkpoint_id, checkpoint_ns, checkpoint_map } = config?.configurable ?? {}
  if (checkpoint_id === undefined && !checkpoint_ns) return null
  return { thread_id, checkpoint_id, checkpoint_ns: checkpoint_ns ?? '', checkpoint_map: checkpoint_map ?? null }
}

function refuse(error: unknown): never {
  const { name, message } = error as Error
  if (name !== 'InvalidUpdateError') throw error
  throw new RunloomError('invalid', `values or as_node: ${message}`, { cause: error })
}

async function readOnly(): Promise<void> {
  throw new Error('reading a state writes nothing')
}
