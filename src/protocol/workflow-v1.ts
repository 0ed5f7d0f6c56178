// The compiled form of a workflow (contracts: workflows §8), for those who write it themselves: explicit edges, which may
// have conditions, routers, agents and fragments. Defaults are left out at will.
import { z } from 'zod'
import {
  condition,
  inputDeclaration,
  messageItem,
  nodeId,
  output,
  outputFormat,
  pointer,
  retry,
  tool,
  toolExecution,
  toolLimits,
} from './workflow-spec.ts'

const name = z.string().min(1)
const count = z.number().int().min(1)
const timeout = count.max(2 ** 31 - 1).optional()

const place = {
  to: pointer.optional(),
  to_placeholder: name.optional(),
  encoding: z.enum(['json', 'json_string']).optional(),
}

const binding = z.strictObject({
  from: name.optional(),
  from_input: name.optional(),
  pointer: pointer.optional(),
  ...place,
})
export type GivenBinding = z.infer<typeof binding>

const itemBinding = z.strictObject({ path: pointer.optional(), ...place })
export type GivenItemBinding = z.infer<typeof itemBinding>

const request = z.looseObject({
  model: name.optional(),
  input: z.array(messageItem).min(1),
  tools: z.array(tool).optional(),
  output_format: outputFormat.optional(),
  max_output_tokens: count.optional(),
  temperature: z.number().optional(),
  stop: z.array(z.string()).optional(),
})

const llmInput = z.strictObject({
  request,
  bindings: z.array(binding).optional(),
  stream: z.boolean().optional(),
  tool_execution: toolExecution.optional(),
  tool_limits: toolLimits.optional(),
  max_tool_steps: count.max(64).optional(),
  retry: retry.optional(),
})
export type GivenLlmInput = z.infer<typeof llmInput>

const value = z.strictObject({ from: name.optional(), from_input: name.optional(), pointer: pointer.optional() })
export type GivenValue = z.infer<typeof value>

const transformInput = z.strictObject({
  object: z.record(z.string(), value).optional(),
  merge: z.array(value).min(1).optional(),
})

const every = { id: nodeId, timeout_ms: timeout }
const llm = z.strictObject({ ...every, type: z.enum(['llm.responses', 'route.switch']), input: llmInput })
const transform = z.strictObject({ ...every, type: z.literal('transform.json'), input: transformInput })

const node = z.discriminatedUnion('type', [
  llm,
  transform,
  z.strictObject({ ...every, type: z.literal('join.all'), input: z.strictObject({}).optional() }),
  z.strictObject({
    ...every,
    type: z.literal('join.any'),
    input: z.strictObject({ predicate: condition.optional() }).optional(),
  }),
  z.strictObject({
    ...every,
    type: z.literal('join.collect'),
    input: z.strictObject({ limit: count.optional(), timeout_ms: timeout, predicate: condition.optional() }),
  }),
  z.strictObject({
    ...every,
    type: z.literal('map.fanout'),
    input: z.strictObject({
      items: z.strictObject({
        from: name.optional(),
        from_input: name.optional(),
        pointer: pointer.optional(),
        path: pointer.optional(),
      }),
      item_bindings: z.array(itemBinding).optional(),
      max_parallelism: count.optional(),
      subnode: z.discriminatedUnion('type', [llm, transform]),
    }),
  }),
  z.strictObject({
    ...every,
    type: z.literal('agent.run'),
    input: z.looseObject({ agent: name, input: z.array(messageItem).min(1), bindings: z.array(binding).optional() }),
  }),
  z.strictObject({
    ...every,
    type: z.literal('fragment'),
    input: z.strictObject({
      ref: name,
      bind_inputs: z
        .record(
          z.string(),
          z.strictObject({ from_node: name.optional(), from_input: name.optional(), pointer: pointer.optional() }),
        )
        .optional(),
    }),
  }),
])
export type GivenNode = z.infer<typeof node>

const edge = z.strictObject({ from: name, to: name, when: condition.optional() })
export type GivenEdge = z.infer<typeof edge>

const fragment = z.strictObject({
  inputs: z.array(z.strictObject({ name, type: inputDeclaration.shape.type })).optional(),
  nodes: z.array(node).min(1),
  edges: z.array(edge).optional(),
  outputs: z.array(z.strictObject({ name, from_node: name, pointer: pointer.optional() })).min(1),
})
export type GivenFragment = z.infer<typeof fragment>

export const compiledSpec = z.strictObject({
  kind: z.literal('workflow.v1'),
  name: z.string().optional(),
  execution: z
    .strictObject({ max_parallelism: count.optional(), node_timeout_ms: timeout, run_timeout_ms: timeout })
    .optional(),
  inputs: z.array(inputDeclaration).optional(),
  nodes: z.array(node).min(1),
  edges: z.array(edge).optional(),
  fragments: z.record(z.string(), fragment).optional(),
  /** `output` names one of a fragment's. */
  outputs: z.array(output.extend({ output: name.optional() })).min(1),
})
export type CompiledSpec = z.infer<typeof compiledSpec>
