// What providers of traces group traces by, for the callbacks of graphs, where `tracing` of the configuration names them
// (contracts: gateway §3.7). It is in the config that a graph runs with and nowhere else: what is recorded of a run, which its
// readers see, is without it.
import { memoryOwner, type User } from '../core/users.ts'
import type { TracingProvider } from '../protocol/runloom-file.ts'
import type { RunConfig } from './executor-config.ts'
import type { CompiledGraph } from './load.ts'
import type { Chunk } from './recording.ts'

/** The keys of a config's metadata that each reads: of the conversation, and of the user. */
const KEYS: Readonly<Record<TracingProvider, readonly [ofThread: string, ofUser: string]>> = {
  langfuse: ['langfuseSessionId', 'langfuseUserId'],
  langsmith: ['session_id', 'user_id'],
}
/** What LangGraph calls a graph that has no name. */
const NAMELESS = 'LangGraph'

interface Traced {
  config: RunConfig
  /** A chunk of the graph's stream without what was added. */
  shown: (chunk: Chunk) => Chunk
}

/** What the run's config or the graph's own says already stays as it is. */
export function traced(
  config: RunConfig,
  { graph, providers, user }: { graph: CompiledGraph; providers: readonly TracingProvider[]; user: User | null },
): Traced {
  if (providers.length === 0) return { config, shown: chunk => chunk }
  const { thread_id, graph_id } = config.configurable as { thread_id: string; graph_id: string }
  const given = { ...graph.config?.metadata, ...config.metadata }
  const owner = memoryOwner(user)
  const added = providers.flatMap(provider => {
    const [ofThread, ofUser] = KEYS[provider]
    return [[ofThread, thread_id], ...(owner ? [[ofUser, owner]] : [])] as [string, string][]
  })
  const fresh = Object.fromEntries(added.filter(([key]) => !(key in given)))
  const isNamed = config.runName !== undefined || graph.config?.runName !== undefined || graph.getName() !== NAMELESS
  return {
    config: { ...config, metadata: { ...fresh, ...config.metadata }, ...(!isNamed && { runName: graph_id }) },
    shown: without(fresh),
  }
}

/** LangGraph copies a config's metadata into what it streams: beside a message, and where a task or a checkpoint says its config. */
function without(added: Readonly<Record<string, string>>): (chunk: Chunk) => Chunk {
  /** One for all tokens of a model call, as LangGraph has it: the recording stores it once. */
  const known = new WeakMap<object, object>()
  const rest = (metadata: object): object => {
    const kept = known.get(metadata)
    if (kept) return kept
    const own = Object.fromEntries(Object.entries(metadata).filter(([key, value]) => added[key] !== value))
    known.set(metadata, own)
    return own
  }
  const inside = (holder: object): object =>
    Object.fromEntries(
      Object.entries(holder).map(([key, value]: [string, unknown]) => {
        if (typeof value !== 'object' || value === null) return [key, value]
        return [key, key === 'metadata' ? rest(value) : HOLDERS.has(key) ? inside(value) : value]
      }),
    )
  return chunk => {
    if (chunk.mode === 'messages') {
      const [message, metadata] = chunk.payload as [unknown, object | undefined]
      return { ...chunk, payload: [message, metadata && rest(metadata)] }
    }
    return TELLING.has(chunk.mode) ? { ...chunk, payload: inside(chunk.payload as object) } : chunk
  }
}

const TELLING = new Set(['tasks', 'checkpoints', 'debug', 'events'])
/** Where in what those say there is metadata, besides their own. */
const HOLDERS = new Set(['payload', 'config', 'parentConfig'])
