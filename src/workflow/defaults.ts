// What a plan has where its spec says nothing, and the order of its parts: the same for both forms of a spec.
import type { LlmNode } from '../protocol/workflow-spec.ts'
import type { Edge, ToolObject } from './plan.ts'
import { knownTool } from './tools.ts'

/** Nodes that run at once, unless the spec says otherwise. */
export const MAX_PARALLELISM = 4
const MAX_LLM_CALLS = 8
const MAX_TOOL_CALLS = 16
const MAX_TOOL_STEPS = 10
const WAIT_TTL_MS = 900_000
const BACKOFF_MS = 1_000

export function byId(a: { id: string }, b: { id: string }): number {
  return a.id < b.id ? -1 : 1
}

export function byEnds(a: Edge, b: Edge): number {
  if (a.from !== b.from) return a.from < b.from ? -1 : 1
  return a.to < b.to ? -1 : a.to > b.to ? 1 : 0
}

/** How a model node runs, with every default. */
export function llmDefaults(
  node: Pick<LlmNode, 'stream' | 'tool_execution' | 'tool_limits' | 'max_tool_steps' | 'retry'>,
) {
  const { stream = false, tool_execution = { mode: 'server' }, tool_limits = {}, retry = {} } = node
  const { max_tool_steps = MAX_TOOL_STEPS } = node
  // An agent's last step is an answer: one call more than the steps in which it may use tools.
  const calls = tool_execution.mode === 'agentic' ? Math.min(64, max_tool_steps + 1) : MAX_LLM_CALLS
  return {
    stream,
    tool_execution,
    tool_limits: {
      max_llm_calls: tool_limits.max_llm_calls ?? calls,
      max_tool_calls_per_step: tool_limits.max_tool_calls_per_step ?? MAX_TOOL_CALLS,
      wait_ttl_ms: tool_limits.wait_ttl_ms ?? WAIT_TTL_MS,
    },
    max_tool_steps,
    retry: {
      max_attempts: retry.max_attempts ?? 1,
      retryable_errors: [...new Set(retry.retryable_errors ?? ['invalid_json', 'truncated'])].sort(),
      backoff_ms: retry.backoff_ms ?? BACKOFF_MS,
    },
  }
}

export function toolObject(tool: NonNullable<LlmNode['tools']>[number]): ToolObject {
  return typeof tool === 'string' ? (knownTool(tool) as ToolObject) : (tool as ToolObject)
}
