// Threads and their state (contracts: langgraph §3).
import { z } from 'zod'
import { checkpoint, limit, object, offset, sortOrder, uuid } from './common.ts'
import { command } from './runs.ts'

/** A hundred years. */
const MAX_TTL_MINUTES = 52_560_000

const ttlMinutes = z.number().positive().max(MAX_TTL_MINUTES)

/** Minutes since the last use; a number alone deletes. */
const ttl = z.union(
  [
    ttlMinutes.transform(ttl_minutes => ({ ttl_minutes, ttl_strategy: 'delete' as const })),
    z
      .object({ ttl: ttlMinutes, strategy: z.enum(['delete', 'keep_latest']).nullish() })
      .transform(({ ttl, strategy }) => ({ ttl_minutes: ttl, ttl_strategy: strategy ?? ('delete' as const) })),
  ],
  { error: 'must be minutes, or {ttl: minutes, strategy: "delete" or "keep_latest"}' },
)

const superstep = z.object({
  updates: z
    .array(z.object({ values: z.unknown().optional(), command: command.nullish(), as_node: z.string().min(1) }))
    .min(1),
})

export const createThread = z.object({
  thread_id: uuid.nullish(),
  metadata: object.nullish(),
  if_exists: z.enum(['raise', 'do_nothing']).nullish(),
  ttl: ttl.nullish(),
  supersteps: z.array(superstep).nullish(),
})
export type CreateThread = z.infer<typeof createThread>

export const patchThread = z.object({ metadata: object.nullish(), ttl: ttl.nullish() })

const THREAD_FIELDS = [
  'thread_id',
  'created_at',
  'updated_at',
  'state_updated_at',
  'metadata',
  'config',
  'context',
  'status',
  'values',
  'interrupts',
  'error',
] as const

/** Where in a thread an extract is found: a field, then keys and indexes; `[-1]` is the last. */
const path = z.string().regex(/^(values|metadata|config|interrupts)(\.[^.[\]]+|\[-?\d+\])*$/, {
  error: 'must begin with values, metadata, config or interrupts, and go on with .key or [index]',
})

const MAX_EXTRACTS = 10
const MAX_IDS = 10_000

export const countThreads = z.object({
  metadata: object.nullish(),
  values: object.nullish(),
  status: z.enum(['idle', 'busy', 'interrupted', 'error']).nullish(),
})

export const searchThreads = countThreads.extend({
  ids: z.array(z.string()).max(MAX_IDS).nullish(),
  limit,
  offset,
  sort_by: z.enum(['thread_id', 'status', 'created_at', 'updated_at', 'state_updated_at']).nullish(),
  sort_order: sortOrder,
  select: z.array(z.enum(THREAD_FIELDS)).nullish(),
  extract: z
    .record(z.string(), path)
    .refine(paths => Object.keys(paths).length <= MAX_EXTRACTS, { error: `at most ${MAX_EXTRACTS} paths` })
    .nullish(),
})
export type ThreadSearch = z.infer<typeof searchThreads>

export const pruneThreads = z.object({
  thread_ids: z.array(z.string()).max(MAX_IDS),
  strategy: z.enum(['delete', 'keep_latest']).nullish(),
})

const STATE_FIELDS = [
  'values',
  'next',
  'tasks',
  'metadata',
  'created_at',
  'checkpoint',
  'parent_checkpoint',
  'interrupts',
] as const

/** Fields of a state; `values.<key>` is one of the values. */
export const selectState = z.array(z.union([z.enum(STATE_FIELDS), z.templateLiteral(['values.', z.string().min(1)])]))

export const updateState = z.object({
  values: z.unknown().optional(),
  as_node: z.string().nullish(),
  checkpoint: checkpoint.nullish(),
  checkpoint_id: z.string().nullish(),
})
export type UpdateState = z.infer<typeof updateState>

export const patchState = z.object({ metadata: object })

export const stateAtCheckpoint = z.object({
  checkpoint,
  subgraphs: z.boolean().nullish(),
  select: selectState.nullish(),
})

/** `before` in its three spellings: a checkpoint id, a checkpoint, a config with `configurable`. */
const before = z.union([
  z.string().transform(checkpoint_id => ({ checkpoint_id })),
  z.looseObject({ configurable: checkpoint }).transform(({ configurable }) => configurable),
  checkpoint,
])

export const history = z.object({
  limit,
  before: before.nullish(),
  metadata: object.nullish(),
  checkpoint: checkpoint.nullish(),
  select: selectState.nullish(),
})
export type History = z.infer<typeof history>

export const threadStreamModes = z.array(z.enum(['run_modes', 'lifecycle', 'state_update']))
