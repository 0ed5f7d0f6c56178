// Crons (contracts: langgraph §8): a schedule and the run that it makes.
import { z } from 'zod'
import { limit, object, offset } from './common.ts'
import { createRun } from './runs.ts'

/** An ISO 8601 date; one without an offset is UTC. */
const date = z
  .union([z.iso.datetime({ offset: true, local: true }), z.iso.date()], { error: 'use an ISO 8601 date and time' })
  .transform(text =>
    new Date(/[Tt ]/.test(text) && !/([Zz]|[+-]\d\d:?\d\d)$/.test(text) ? `${text}Z` : text).toISOString(),
  )

/** What a request that creates a run may say, as far as it concerns a run that nobody waits for. */
const runOptions = createRun.pick({
  input: true,
  command: true,
  config: true,
  context: true,
  webhook: true,
  interrupt_before: true,
  interrupt_after: true,
  multitask_strategy: true,
  stream_mode: true,
  stream_subgraphs: true,
  stream_resumable: true,
  durability: true,
  checkpoint_during: true,
  feedback_keys: true,
  on_pending_interrupt: true,
})
export type RunOptions = z.infer<typeof runOptions>

export const createCron = runOptions.extend({
  assistant_id: z.string().min(1),
  metadata: object.nullish(),
  schedule: z.string().min(1),
  timezone: z.string().nullish(),
  end_time: date.nullish(),
  on_run_completed: z.enum(['delete', 'keep']).nullish(),
  enabled: z.boolean().nullish(),
})

/** What is left out stays; `end_time: null` removes it. */
export const patchCron = createCron.omit({ assistant_id: true }).partial()

const CRON_FIELDS = [
  'cron_id',
  'assistant_id',
  'thread_id',
  'user_id',
  'schedule',
  'timezone',
  'end_time',
  'payload',
  'metadata',
  'on_run_completed',
  'enabled',
  'disabled_reason',
  'next_run_date',
  'created_at',
  'updated_at',
  'now',
] as const

export const countCrons = z.object({
  assistant_id: z.string().nullish(),
  thread_id: z.string().nullish(),
  enabled: z.boolean().nullish(),
  metadata: object.nullish(),
})

export type CronFilter = z.infer<typeof countCrons>

export const searchCrons = countCrons.extend({
  limit,
  offset,
  sort_by: z.enum(['cron_id', 'assistant_id', 'thread_id', 'created_at', 'updated_at', 'next_run_date']).nullish(),
  sort_order: z.enum(['asc', 'desc']).nullish(),
  select: z.array(z.enum(CRON_FIELDS)).nullish(),
})
