// The intent form of a workflow (contracts: workflows §3): what a client writes. The rules that no shape can state are in
// workflow/validate.ts; the JSON Schema that the server hands out is made of these.
import { z } from 'zod'

/** Ids that every client can read back (§3). */
export const nodeId = z.string().regex(/^[a-z][a-z0-9_]{0,63}$/, {
  error: 'use a to z, 0 to 9 and _, beginning with a letter, at most 64 characters',
})

const name = z.string().min(1)
const count = (most = Number.MAX_SAFE_INTEGER) => z.number().int().min(1).max(most)

/** RFC 6901; the empty pointer is the whole value. */
export const pointer = z.string().regex(/^(\/([^~/]|~[01])*)*$/s, {
  error: 'use a JSON pointer: empty, or /key/0 with ~0 for ~ and ~1 for /',
})

export const condition = z.strictObject({
  source: z.enum(['node_output', 'node_status']),
  op: z.enum(['equals', 'matches', 'exists']),
  path: z.string().startsWith('$', { error: 'use a JSONPath that starts with $' }).optional(),
  value: z.union([z.string(), z.number(), z.boolean(), z.null()]).optional(),
})
export type Condition = z.infer<typeof condition>

export const inputDeclaration = z.strictObject({
  name,
  type: z.enum(['string', 'number', 'object', 'array', 'boolean', 'null', 'json']).optional(),
  required: z.boolean().optional(),
  description: z.string().optional(),
  default: z.unknown().optional(),
})
export type InputDeclaration = z.infer<typeof inputDeclaration>

const textPart = z.strictObject({ type: z.literal('text'), text: z.string() })
const filePart = z.strictObject({
  type: z.literal('file'),
  file: z.strictObject({
    data_base64: z.string(),
    mime_type: z.string().min(1),
    filename: z.string().optional(),
    size_bytes: z.number().int().min(0).optional(),
  }),
})

const messageToolCall = z.looseObject({
  id: name,
  type: z.string().optional(),
  function: z.object({ name, arguments: z.string() }),
})

/**
 * The TypeScript SDK spells the last two `toolCalls` and `toolCallId`. Other fields are ignored: sessions of clients send
 * messages with what they know of them.
 */
export const messageItem = z.object({
  type: z.literal('message').optional(),
  role: z.enum(['system', 'user', 'assistant', 'tool']),
  content: z.array(z.discriminatedUnion('type', [textPart, filePart])),
  tool_calls: z.array(messageToolCall).optional(),
  tool_call_id: z.string().optional(),
  toolCalls: z.array(messageToolCall).optional(),
  toolCallId: z.string().optional(),
})

export const functionTool = z.looseObject({
  type: z.literal('function'),
  function: z.looseObject({
    name,
    description: z.string().optional(),
    parameters: z.record(z.string(), z.unknown()).optional(),
  }),
})
const hostedTool = z.looseObject({ type: z.enum(['web', 'x_search', 'code_execution', 'image_generation']) })
export const tool = z.union([name, functionTool, hostedTool], { error: 'use the name of a tool, or a tool object' })

export const outputFormat = z.strictObject({
  type: z.enum(['text', 'json_schema']),
  json_schema: z
    .strictObject({
      name,
      schema: z.record(z.string(), z.unknown()),
      strict: z.boolean().optional(),
      description: z.string().optional(),
    })
    .optional(),
})

export const RETRYABLE = ['invalid_json', 'truncated', 'rate_limit', 'timeout'] as const

export const retry = z.strictObject({
  max_attempts: count(64).optional(),
  retryable_errors: z.array(z.enum(RETRYABLE)).optional(),
  backoff_ms: z.number().int().min(0).max(3_600_000).optional(),
})

export const toolExecution = z.strictObject({ mode: z.enum(['server', 'client', 'agentic']) })

export const toolLimits = z.strictObject({
  max_llm_calls: count(64).optional(),
  max_tool_calls_per_step: count(64).optional(),
  wait_ttl_ms: count(86_400_000).optional(),
})

const every = { id: nodeId, depends_on: z.array(name).optional() }
/** The longest a timer can wait. */
const timeout_ms = count(2 ** 31 - 1).optional()

const llm = z.strictObject({
  ...every,
  type: z.literal('llm'),
  model: name.optional(),
  system: z.string().optional(),
  user: z.string().optional(),
  input: z.array(messageItem).min(1).optional(),
  stream: z.boolean().optional(),
  tools: z.array(tool).optional(),
  tool_execution: toolExecution.optional(),
  tool_limits: toolLimits.optional(),
  max_tool_steps: count(64).optional(),
  max_output_tokens: count().optional(),
  output_format: outputFormat.optional(),
  stop: z.array(z.string()).optional(),
  retry: retry.optional(),
  timeout_ms,
})
export type LlmNode = z.infer<typeof llm>

export const reference = z.strictObject({ from: name, pointer: pointer.optional() })

const transform = z.strictObject({
  ...every,
  type: z.literal('transform.json'),
  object: z.record(z.string(), reference).optional(),
  merge: z.array(reference).optional(),
})
export type TransformNode = z.infer<typeof transform>

/** What a fan-out does with each item. */
export const subnode = z.discriminatedUnion('type', [llm, transform])

const fanout = z.strictObject({
  ...every,
  type: z.literal('map.fanout'),
  items_from: name.optional(),
  items_from_input: name.optional(),
  items_pointer: pointer.optional(),
  items_path: pointer.optional(),
  subnode,
  max_parallelism: count().optional(),
  timeout_ms,
})

export const node = z.discriminatedUnion('type', [
  llm,
  z.strictObject({ ...every, type: z.literal('join.all') }),
  z.strictObject({ ...every, type: z.literal('join.any'), predicate: condition.optional() }),
  z.strictObject({
    ...every,
    type: z.literal('join.collect'),
    limit: count().optional(),
    timeout_ms,
    predicate: condition.optional(),
  }),
  transform,
  fanout,
])
export type IntentNode = z.infer<typeof node>

export const output = z.strictObject({ name, from: name, pointer: pointer.optional() })

export const workflowSpec = z.strictObject({
  kind: z.literal('workflow'),
  name: z.string().optional(),
  model: name.optional(),
  max_parallelism: count().optional(),
  /** Of each node and of the whole run; this server's own. */
  node_timeout_ms: timeout_ms,
  run_timeout_ms: timeout_ms,
  inputs: z.array(inputDeclaration).optional(),
  nodes: z.array(node).min(1),
  outputs: z.array(output).min(1),
})
export type WorkflowSpec = z.infer<typeof workflowSpec>
