// What a run is configured with: its request's own, over what its assistant and its thread have.
import type { Assistant } from './assistants.ts'
import { jsonText } from './json.ts'
import type { CreateRun } from './runs.ts'
import type { Thread } from './threads.ts'

export interface RunConfig {
  configurable?: Record<string, unknown>
  metadata?: Record<string, unknown>
  [key: string]: unknown
}

/** Config, context and metadata of a run: assistant's, then thread's, then its own (contracts: langgraph §4.3). */
export function merge(args: CreateRun, assistant: Assistant, thread: Thread) {
  const { graph_id, assistant_id } = assistant
  const base = JSON.parse(assistant.config) as RunConfig
  const own = args.kwargs.config ?? {}
  const stored = JSON.parse(thread.config) as RunConfig
  const ids = { run_id: args.run_id, thread_id: thread.thread_id, graph_id, assistant_id }
  const { recursion_limit } = args
  const metadata = {
    ...JSON.parse(assistant.metadata),
    ...JSON.parse(thread.metadata),
    ...own.metadata,
    ...args.metadata,
  }
  return {
    config: {
      ...(recursion_limit !== undefined && { recursion_limit }),
      ...base,
      ...own,
      configurable: { ...base.configurable, ...stored.configurable, ...own.configurable, ...args.headers, ...ids },
      metadata: { ...base.metadata, ...metadata, ...ids },
    },
    context: given({ ...JSON.parse(assistant.context), ...args.kwargs.context }) ?? args.kwargs.context,
    metadata,
  }
}

function given(object: Record<string, unknown>): Record<string, unknown> | undefined {
  return Object.keys(object).length > 0 ? object : undefined
}

/** What a thread keeps of a run's config, to rebuild a graph made by a factory: nothing that points at a checkpoint. */
export function threadConfig(args: CreateRun, thread: Thread): string {
  const stored = JSON.parse(thread.config) as RunConfig
  const kept = Object.entries(args.kwargs.config?.configurable ?? {}).filter(([key]) => !isTransient(key))
  return jsonText({ ...stored, configurable: { ...stored.configurable, ...Object.fromEntries(kept) } })
}

function isTransient(key: string): boolean {
  return /^(checkpoint|__|langgraph_auth)/.test(key) || ['thread_ts', 'thread_id', 'run_id'].includes(key)
}
