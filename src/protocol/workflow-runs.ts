// Requests about workflow runs (contracts: workflows §2). Unknown fields are ignored here; specs are strict.
import { z } from 'zod'
import { object } from './common.ts'

const text = z.string().min(1)

export const workflowStatus = z.enum(['running', 'waiting', 'succeeded', 'failed', 'canceled'])
export type WorkflowRunStatus = z.infer<typeof workflowStatus>

export const planHash = z
  .string()
  .regex(/^[0-9a-f]{64}$/, { error: 'must be 64 lowercase hex digits, as compile gives them' })

export const createWorkflowRun = z.object({
  /** Checked by the compiler. */
  spec: object.nullish(),
  plan_hash: planHash.nullish(),
  input: object.nullish(),
  model_override: text.nullish(),
  model_overrides: z
    .object({
      nodes: z.record(z.string(), text).nullish(),
      fanout_subnodes: z.array(z.object({ parent_id: text, subnode_id: text, model: text })).nullish(),
    })
    .nullish(),
  /** Called when the run has ended. */
  webhook: text.nullish(),
  session_id: z.uuid({ error: 'must be a UUID' }).nullish(),
  stream: z.boolean().nullish(),
  options: z.object({ idempotency_key: z.string().nullish() }).nullish(),
})
export type CreateWorkflowRun = z.infer<typeof createWorkflowRun>

/** 0 and 1 from older clients. */
const flag = z.enum(['true', 'false', '1', '0']).transform(value => value === 'true' || value === '1')

export const readEvents = z.object({
  after_seq: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(10_000).optional(),
  wait: flag.default(true),
  include_output: flag.default(false),
})

export const listWorkflowRuns = z.object({
  status: workflowStatus.optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(50),
  offset: z.coerce.number().int().min(0).default(0),
})

export const toolResults = z.object({
  node_id: text,
  step: z.number().int().min(0),
  request_id: text,
  results: z
    .array(z.object({ tool_call: z.object({ id: text }), output: z.string(), error: z.string().nullish() }))
    .min(1, { error: 'must have at least one result' }),
})
