// Answers about workflow runs, as a client reads them (contracts: workflows §2, §11). What a server adds is kept.
import { z } from 'zod'
import { planHash, workflowStatus } from './workflow-runs.ts'

const text = z.string().min(1)
const whole = z.number().int().min(0)

export const compiledWorkflow = z.looseObject({ plan_json: z.record(z.string(), z.unknown()), plan_hash: planHash })
export type CompiledWorkflow = z.infer<typeof compiledWorkflow>

const run = { run_id: z.uuid(), status: workflowStatus }

export const createdWorkflowRun = z.looseObject({ ...run, plan_hash: planHash })
export type CreatedWorkflowRun = z.infer<typeof createdWorkflowRun>

const nodeResult = z.looseObject({
  id: text,
  type: text,
  status: z.enum(['pending', ...workflowStatus.options]),
  started_at: z.string().optional(),
  ended_at: z.string().optional(),
  output: z.unknown().optional(),
  error: z.looseObject({ code: z.string().optional(), message: z.string() }).optional(),
})

export const workflowRun = z.looseObject({
  ...run,
  plan_hash: planHash,
  created_at: z.string().optional(),
  cost_summary: z.looseObject({
    total_usd_cents: whole,
    line_items: z.array(
      z.looseObject({
        provider_id: text,
        model: text,
        requests: whole,
        input_tokens: whole,
        output_tokens: whole,
        usd_cents: whole,
      }),
    ),
  }),
  nodes: z
    .array(nodeResult)
    .nullish()
    .transform(nodes => nodes ?? []),
  outputs: z
    .record(z.string(), z.unknown())
    .nullish()
    .transform(outputs => outputs ?? {}),
  /** Where it was asked for. */
  plan_json: z.record(z.string(), z.unknown()).optional(),
})
export type WorkflowRun = z.infer<typeof workflowRun>

export const listedWorkflowRuns = z.looseObject({
  runs: z.array(
    z.looseObject({ ...run, plan_hash: planHash, created_at: z.string(), ended_at: z.string().nullable() }),
  ),
})
export type ListedWorkflowRun = z.infer<typeof listedWorkflowRuns>['runs'][number]

export const pendingTools = z.looseObject({
  run_id: z.uuid(),
  pending: z.array(
    z.looseObject({
      node_id: text,
      step: whole,
      request_id: text,
      tool_calls: z.array(z.looseObject({ tool_call: z.looseObject({ id: text, name: text, arguments: z.string() }) })),
    }),
  ),
})
export type PendingTools = z.infer<typeof pendingTools>

export const acceptedResults = z.looseObject({ accepted: whole, status: workflowStatus })
export type AcceptedResults = z.infer<typeof acceptedResults>

export const canceledRun = z.looseObject(run)
export type CanceledRun = z.infer<typeof canceledRun>
