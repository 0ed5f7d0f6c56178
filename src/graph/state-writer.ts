// StateWriter turns the state of one thread into stored rows and events into texts that refer to them. One for each run
// attempt or state update. (First form: everything inline; the signatures are final.)
import type { Bulk } from '../db/database.ts'
import { wireText } from './serde.ts'

/** An event's data, and rows that must be committed with or before it. */
export interface Encoded {
  /** JSON text, or a template (events/state.ts) when `refs` is 1. */
  data: string
  refs: 0 | 1
  writes: Bulk[]
}

export class StateWriter {
  readonly thread_id: string
  readonly run_id: string

  constructor({ thread_id, run_id }: { thread_id: string; run_id: string }) {
    this.thread_id = thread_id
    this.run_id = run_id
  }

  /** Any event: known state in it becomes references, the rest stays inline. */
  encode(value: unknown, _checkpoint_ns = ''): Encoded {
    return { data: wireText(value), refs: 0, writes: [] }
  }

  /** A `values` event: its arrays become lists of that namespace's channels, large values blobs. */
  encodeState(values: Record<string, unknown>, checkpoint_ns: string): Encoded {
    return this.encode(values, checkpoint_ns)
  }

  /** A `messages` event `[chunk, metadata]`. */
  encodeMessage(chunk: unknown, metadata: unknown): Encoded {
    return this.encode([chunk, metadata])
  }
}
