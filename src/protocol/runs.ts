// Run creation and its options (contracts: langgraph §4.2).
import { z } from 'zod'
import { checkpoint, config, limit, object, offset, queryObject, uuid } from './common.ts'

export const STREAM_MODES = [
  'values',
  'messages',
  'messages-tuple',
  'updates',
  'events',
  'debug',
  'tasks',
  'checkpoints',
  'custom',
  'tools',
] as const

export const streamMode = z.enum(STREAM_MODES)

const streamModes = z
  .union([streamMode, z.array(streamMode).min(1)], { error: `must be one of ${STREAM_MODES.join(', ')}, or several` })
  .transform(mode => [mode].flat())

const send = z.object({ node: z.string(), input: z.unknown().optional() })
const goto = z.union([z.string(), send])

export const command = z.object({
  update: z
    .union([object, z.array(z.tuple([z.string(), z.unknown()]))], { error: 'must be an object, or [key, value] pairs' })
    .nullish(),
  resume: z.unknown().optional(),
  goto: z.union([goto, z.array(goto)], { error: 'must be a node, {node, input}, or a list of them' }).nullish(),
})

const nodes = z.union([z.literal('*'), z.array(z.string())], { error: 'must be "*", or a list of node names' })

/** A hundred years. */
const MAX_AFTER_SECONDS = 3_153_600_000

export const createRun = z.object({
  assistant_id: z.string().min(1),
  input: z.unknown().optional(),
  command: command.nullish(),
  config: config.nullish(),
  context: object.nullish(),
  metadata: object.nullish(),
  checkpoint: checkpoint.nullish(),
  checkpoint_id: z.string().nullish(),
  interrupt_before: nodes.nullish(),
  interrupt_after: nodes.nullish(),
  stream_mode: streamModes.nullish(),
  stream_subgraphs: z.boolean().nullish(),
  stream_resumable: z.boolean().nullish(),
  feedback_keys: z.array(z.string()).nullish(),
  webhook: z.string().nullish(),
  multitask_strategy: z.enum(['reject', 'enqueue', 'interrupt', 'rollback']).nullish(),
  on_disconnect: z.enum(['continue', 'cancel']).nullish(),
  // "complete" and "continue" are what the JS SDK's type calls "delete" and "keep" (contracts: langgraph §4.2).
  on_completion: z.enum(['delete', 'keep', 'complete', 'continue']).nullish(),
  after_seconds: z.number().min(0).max(MAX_AFTER_SECONDS).nullish(),
  if_not_exists: z.enum(['reject', 'create']).nullish(),
  durability: z.enum(['sync', 'async', 'exit']).nullish(),
  checkpoint_during: z.boolean().nullish(),
  strict_resume: z.boolean().nullish(),
  /** Ours: what an input does on a thread that waits for an answer. */
  on_pending_interrupt: z.enum(['reject', 'answer', 'keep', 'discard']).nullish(),
})
export type CreateRun = z.infer<typeof createRun>

export const batchRuns = z.array(createRun).min(1)

export const cancelAction = z.enum(['interrupt', 'rollback']).nullish()

export const cancelRuns = z.object({
  status: z.enum(['pending', 'running', 'all']).nullish(),
  thread_id: z.string().nullish(),
  run_ids: z.array(uuid).min(1).nullish(),
})

const RUN_FIELDS = [
  'run_id',
  'thread_id',
  'assistant_id',
  'status',
  'metadata',
  'kwargs',
  'multitask_strategy',
  'created_at',
  'updated_at',
  'cancel_reason',
] as const

const runStatus = z.enum(['pending', 'running', 'success', 'error', 'timeout', 'interrupted'])
const select = z.array(z.enum(RUN_FIELDS)).nullish()

export const listRuns = z.object({
  limit,
  offset,
  status: runStatus.nullish(),
  metadata: queryObject.nullish(),
  select,
})

const time = z.iso.datetime({ offset: true, error: 'must be a time, as 2026-01-31T12:00:00Z' })

/** Ours: runs of all threads. */
export const searchRuns = z.object({
  status: runStatus.nullish(),
  /** An assistant's id, or a graph's for its default assistant. */
  assistant_id: z.string().min(1).nullish(),
  thread_id: z.string().min(1).nullish(),
  created_after: time.nullish(),
  created_before: time.nullish(),
  limit,
  offset,
  select,
})
