// The Executor for LangGraph graphs: runs a run's graph once, with one fixed set of stream modes whatever its readers
// asked for, and appends every chunk and every checkpoint row to the run's writer, in order. What readers asked for is
// made from that recording when they read (projection.ts).
import type { StreamEvent } from '@langchain/core/tracers/log_stream'
import type { BaseStore } from '@langchain/langgraph-checkpoint'
import type { Owned } from '../core/access.ts'
import type { Ending, Executor, Interrupt } from '../core/executor.ts'
import { ownedBy, type User } from '../core/users.ts'
import { type Database, patient } from '../db/database.ts'
import type { RunWriter } from '../events/run-writer.ts'
import type { TracingProvider } from '../protocol/runloom-file.ts'
import { RunCallbacks } from './callbacks.ts'
import { Checkpointer } from './checkpointer.ts'
import { fromHead, RECORDED_MODES, type RunConfig, type RunRequest, runConfig, streamModes } from './executor-config.ts'
import './lean-steps.ts'
import { bind, type CompiledGraph, type GraphConfig } from './load.ts'
import { ModelCalls } from './model-calls.ts'
import { type Chunk, interruptsOf, Recording, type RecordingLimits } from './recording.ts'
import { type Start, startOf } from './recovery.ts'
import { wireText } from './serde.ts'
import type { StateCache } from './state-cache.ts'
import { StateWriter } from './state-writer.ts'
import { traced } from './tracing.ts'

export interface GraphPorts {
  db: Database
  /** A factory is called with the run's config. */
  graphs: { get(graph_id: string, config: GraphConfig): Promise<CompiledGraph> }
  /** The store as an owner has it. */
  storeOf: (owned: Owned | undefined) => BaseStore
  cache: StateCache
  limits: RecordingLimits
  /** For whose providers of traces runs are marked. */
  tracing: readonly TracingProvider[]
}

export function graphExecutor(ports: GraphPorts): Executor {
  return async (claimed, writer, signal) => {
    const { thread_id, run_id, auth_user } = claimed.run
    const request = JSON.parse(claimed.run.kwargs) as RunRequest
    const user = auth_user === null ? null : (JSON.parse(auth_user) as User)
    const asked = runConfig(request, user)
    const { metadata } = asked
    const loaded = await ports.graphs.get(asked.configurable.graph_id as string, asked)
    const { config, shown } = traced(asked, { graph: loaded, providers: ports.tracing, user })
    const state = new StateWriter({ thread_id, run_id })
    const recording = new Recording(writer, state, config.durability ?? 'async', ports.limits)
    const { cache } = ports
    const store = ports.storeOf(ownedBy(user))
    const db = patient(ports.db, signal)
    const { write, flush } = recording
    const calls = new ModelCalls({ thread_id, run_id }, write)
    const callerOf = calls.tagOf
    const empty = !claimed.has_state
    const its = { thread_id, run_id, state, empty, metadata }
    const checkpointer = new Checkpointer({ db, cache, write, flush, callerOf, ...its })
    const graph = bind(loaded, { checkpointer, store })
    const execution = new Execution(graph, { add: chunk => recording.add(shown(chunk)), flush }, calls)
    try {
      const start = await startOf({ db, graph, claimed, request, config, recording })
      signal.throwIfAborted()
      const ending = start.ending ?? (await execution.run(start, writer, streamModes(request), signal))
      recording.close({ drop: false })
      return ending
    } catch (error) {
      recording.close({ drop: signal.aborted })
      throw signal.aborted ? signal.reason : error
    }
  }
}

/** One execution of a graph: records its chunks, and notes in them how it ends. */
class Execution {
  readonly #graph: CompiledGraph
  readonly #recording: Pick<Recording, 'add' | 'flush'>
  readonly #calls: ModelCalls
  readonly #interrupts: Record<string, Interrupt[]> = {}
  #atBreakpoint = false
  /** The root's next nodes, where its newest checkpoint event still says so. */
  #next: string[] | undefined

  constructor(graph: CompiledGraph, recording: Pick<Recording, 'add' | 'flush'>, calls: ModelCalls) {
    this.#graph = graph
    this.#recording = recording
    this.#calls = calls
  }

  /** Resolves when the graph came to rest; rejects when it failed, or as soon as the signal is aborted. */
  async run({ input, config }: Start, writer: RunWriter, asked: string[], signal: AbortSignal): Promise<Ending> {
    const failed = new AbortController()
    const record = (chunk: Chunk) => {
      try {
        this.#note(chunk)
        this.#recording.add(chunk)
      } catch (error) {
        failed.abort(error)
      }
    }
    const stop = AbortSignal.any([signal, failed.signal])
    // Models are held back while the log cannot keep up: nothing else bounds what they produce.
    const callbacks = new RunCallbacks({ take: chunk => record(asChunk(chunk)), room: () => writer.room() })
    callbacks.addHandler(this.#calls)
    const streamMode = [...RECORDED_MODES, ...['debug', 'tools'].filter(mode => asked.includes(mode))]
    const options = { ...config, callbacks, streamMode, subgraphs: true, signal: stop }
    const chunks = asked.includes('events') ? this.#events(input, options) : this.#chunks(input, options)
    try {
      for await (const chunk of chunks) {
        record(chunk)
        failed.signal.throwIfAborted()
      }
    } catch (error) {
      throw failed.signal.aborted ? failed.signal.reason : error
    }
    failed.signal.throwIfAborted()
    return this.#ending(config)
  }

  /** Waits for the log only at a breakpoint after a node, where no event says what would come next. */
  async #ending(config: RunConfig): Promise<Ending> {
    // Plain data: interrupts may hold messages, and have to cross the database's thread.
    const interrupts = JSON.parse(wireText(this.#interrupts)) as Record<string, Interrupt[]>
    if (Object.keys(interrupts).length > 0) return { interrupts, has_next: true }
    if (!this.#atBreakpoint) return { interrupts, has_next: false }
    return { interrupts, has_next: (this.#next ?? (await this.#readNext(config))).length > 0 }
  }

  async *#chunks(input: unknown, options: Record<string, unknown>): AsyncGenerator<Chunk> {
    for await (const chunk of await this.#graph.stream(input as never, options as never)) yield asChunk(chunk)
  }

  /** Through LangChain's event stream, which carries the graph's own chunks as the root's `on_chain_stream`. */
  async *#events(input: unknown, options: Record<string, unknown>): AsyncGenerator<Chunk> {
    const runId = (options.configurable as { run_id: string }).run_id
    const eventOptions = { ...options, runId, version: 'v2' }
    const events: unknown = this.#graph.streamEvents(input as never, eventOptions as never)
    for await (const event of events as AsyncIterable<StreamEvent>) {
      if (event.tags?.includes('langsmith:hidden')) continue
      if (event.event === 'on_chain_stream' && event.run_id === runId) yield asChunk(event.data.chunk)
      else yield { namespace: [], mode: 'events', payload: event }
    }
  }

  #note({ namespace, mode, payload }: Chunk) {
    if (namespace.length > 0) return
    if (mode === 'checkpoints') this.#next = (payload as { next: string[] }).next
    if (mode === 'values' && interruptsOf(payload)?.length === 0) this.#atBreakpoint = true
    if (mode === 'updates' && !interruptsOf(payload)) this.#next = undefined
    if (mode === 'tasks') {
      const { id, interrupts } = payload as { id: string; interrupts: Interrupt[] }
      if (interrupts.length > 0) this.#interrupts[id] = interrupts
    }
  }

  async #readNext(config: RunConfig): Promise<string[]> {
    await this.#recording.flush()
    const { configurable } = fromHead(config)
    return (await this.#graph.getState({ configurable })).next
  }
}

function asChunk(chunk: unknown): Chunk {
  const [namespace, mode, payload] = chunk as [string[], string, unknown]
  return { namespace, mode, payload }
}
