// Threads and their state (contracts: langgraph §3).
import { z } from 'zod'
import { checkpoint, limit, object, offset, uuid } from './common.ts'

export const createThread = z.object({
  thread_id: uuid.nullish(),
  metadata: object.nullish(),
  if_exists: z.enum(['raise', 'do_nothing']).nullish(),
})

export const patchThread = z.object({ metadata: object.nullish() })

export const searchThreads = z.object({
  metadata: object.nullish(),
  status: z.enum(['idle', 'busy', 'interrupted', 'error']).nullish(),
  limit,
  offset,
})

export const updateState = z.object({
  values: z.unknown().optional(),
  as_node: z.string().nullish(),
  checkpoint: checkpoint.nullish(),
  checkpoint_id: z.string().nullish(),
})

export const stateAtCheckpoint = z.object({ checkpoint, subgraphs: z.boolean().nullish() })

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
})
