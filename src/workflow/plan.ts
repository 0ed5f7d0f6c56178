// A plan: what a workflow is compiled to and what is executed. It has every default written out, so that texts with the
// same meaning have the same canonical form and the same hash (contracts: workflows §8).
import { createHash } from 'node:crypto'
import type { Json } from '../core/json.ts'
import type { Condition, InputDeclaration } from '../protocol/workflow-spec.ts'

export interface Plan {
  kind: 'workflow.v1'
  name?: string
  execution: { max_parallelism: number; node_timeout_ms?: number; run_timeout_ms?: number }
  inputs: PlanInput[]
  /** Sorted by id. */
  nodes: PlanNode[]
  /** Sorted; several between the same two nodes mean "or". */
  edges: Edge[]
  outputs: { name: string; from: string; pointer?: string }[]
}

export interface PlanInput {
  name: string
  type: NonNullable<InputDeclaration['type']>
  required: boolean
  description?: string | undefined
  default?: Json
}

export interface Edge {
  from: string
  to: string
  when?: Condition
}

export type PlanNode = { id: string; timeout_ms?: number } & NodeWork
export type LlmWork = { type: 'llm.responses' | 'route.switch'; input: LlmInput }
export type TransformWork = { type: 'transform.json'; input: { object: Record<string, Source> } | { merge: Source[] } }
export type NodeWork =
  | LlmWork
  | TransformWork
  | { type: 'agent.run'; input: AgentInput }
  | { type: 'join.all'; input?: undefined }
  | { type: 'join.any'; input: { predicate?: Condition } }
  | { type: 'join.collect'; input: { limit?: number; timeout_ms?: number; predicate?: Condition } }
  | { type: 'map.fanout'; input: FanoutInput }

/** Where a value comes from: a node's output, an input of the run, or the item of a fan-out; all of it, or what a pointer finds. */
export interface Source {
  from?: string
  from_input?: string
  from_item?: true
  pointer?: string
}

/** Puts a value into a request: at a place, or wherever `{{…}}` stands in its texts. */
export interface Binding extends Source {
  to?: string
  to_placeholder?: string
  /** `json_string`: strings as they are, anything else as JSON text. */
  encoding: 'json' | 'json_string'
}

export interface LlmInput {
  request: LlmRequest
  bindings: Binding[]
  stream: boolean
  tool_execution: { mode: 'server' | 'client' | 'agentic' }
  tool_limits: { max_llm_calls: number; max_tool_calls_per_step: number; wait_ttl_ms: number }
  max_tool_steps: number
  retry: { max_attempts: number; retryable_errors: string[]; backoff_ms: number }
}

export interface LlmRequest {
  model?: string
  input: MessageItem[]
  tools?: ToolObject[]
  output_format?: { type: 'text' | 'json_schema'; json_schema?: { name: string; schema: Json; strict?: boolean } }
  max_output_tokens?: number
  temperature?: number
  stop?: string[]
}

export interface MessageItem {
  type: 'message'
  role: 'system' | 'user' | 'assistant' | 'tool'
  content: ContentPart[]
  tool_calls?: MessageToolCall[]
  tool_call_id?: string
}

export type ContentPart =
  | { type: 'text'; text: string }
  | { type: 'file'; file: { data_base64: string; mime_type: string; filename?: string } }

export interface MessageToolCall {
  id: string
  type: 'function'
  function: { name: string; arguments: string }
}

export interface ToolObject {
  type: string
  function?: { name: string; description?: string; parameters?: Record<string, unknown> }
}

export interface AgentInput {
  /** An assistant's id, or a graph's. */
  agent: string
  input: MessageItem[]
  bindings: Binding[]
}

export interface FanoutInput {
  items: Source & { path?: string }
  max_parallelism?: number
  subnode: { id: string; timeout_ms?: number } & (LlmWork | TransformWork)
}

/** The text of a model's answer in its node's output. */
export const TEXT_POINTER = '/output/0/content/0/text'

/** A plan's canonical text: keys sorted, nothing absent. */
export function canonicalText(plan: Plan): string {
  return JSON.stringify(sortedKeys(plan))
}

/** 64 lowercase hex digits. */
export function planHash(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function sortedKeys(value: Json): Json {
  if (Array.isArray(value)) return value.map(sortedKeys)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([, one]) => one !== undefined)
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, one]) => [key, sortedKeys(one)]))
}

/** A node that calls a model; of a fan-out's subnode the fan-out is the parent. */
export interface ModelNode {
  id: string
  parent_id?: string
  input: LlmInput
}

export function modelNodes({ nodes }: Plan): ModelNode[] {
  return nodes.flatMap(node => {
    if (callsModel(node)) return { id: node.id, input: node.input }
    const subnode = node.type === 'map.fanout' ? node.input.subnode : undefined
    return subnode && callsModel(subnode) ? { id: subnode.id, parent_id: node.id, input: subnode.input } : []
  })
}

function callsModel<N extends NodeWork>(node: N): node is N & { input: LlmInput } {
  return node.type === 'llm.responses' || node.type === 'route.switch'
}
