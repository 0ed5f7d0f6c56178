// Threads as the embedded client lists them (contracts: gateway §3.1), and what of the API's answers that is made of.
import { z } from 'zod'

export const threadSummaries = z.array(
  z.object({
    thread_id: z.string(),
    created_at: z.string(),
    updated_at: z.string(),
    extracted: z.object({ title: z.string().nullish() }),
  }),
)

const object = z.record(z.string(), z.unknown())
const checkpointKey = z.looseObject({ checkpoint_id: z.string().nullish() }).nullish()

const historyState = z.object({
  checkpoint: checkpointKey,
  parent_checkpoint: checkpointKey,
  created_at: z.string().nullish().default(null),
  metadata: object.nullish().default(null),
  values: object.default({}),
  next: z.array(z.string()).default([]),
  tasks: z
    .array(
      z.looseObject({
        id: z.string(),
        result: object.nullish(),
        interrupts: z.array(z.unknown()),
        error: z.string().nullish(),
      }),
    )
    .default([]),
})
export type HistoryState = z.infer<typeof historyState>
export const history = z.array(historyState)

export interface ThreadList {
  thread_list: {
    thread_id: string
    created_at: string
    updated_at: string
    latest_checkpoint_id: string | null
    title: string | null
  }[]
}

export interface Checkpoint {
  checkpoint_id: string | null
  parent_checkpoint_id: string | null
  /** When it was made. */
  ts: string | null
  metadata: Record<string, unknown> | null
  /** `messages` as in the `values` events. */
  values: Record<string, unknown>
  /** The nodes that come next. */
  next: string[]
  /** What its tasks have written already, by channel. */
  pending_writes: { task_id: string; channel: string; value: unknown }[]
}
