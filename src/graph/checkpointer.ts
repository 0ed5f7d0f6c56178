// LangGraph's checkpointer over our tables. (First form: keeps checkpoints in memory; the signatures are final.)
import type { RunnableConfig } from '@langchain/core/runnables'
import {
  BaseCheckpointSaver,
  type ChannelVersions,
  type Checkpoint,
  type CheckpointListOptions,
  type CheckpointMetadata,
  type CheckpointTuple,
  MemorySaver,
  type PendingWrite,
} from '@langchain/langgraph-checkpoint'
import type { Bulk, Database } from '../db/database.ts'
import type { StateCache } from './state-cache.ts'
import type { StateWriter } from './state-writer.ts'

export interface CheckpointerOptions {
  db: Database
  /** Used where a config names no thread. */
  thread_id?: string
  /** Every row says which run wrote it; a state update uses a new id. */
  run_id: string
  state: StateWriter
  /** Takes rows in order and resolves when they are committed: the run's RunWriter, or a direct transition. */
  write: (writes: Bulk[]) => Promise<void>
  cache: StateCache
  /** Merged under the metadata of every checkpoint: run_id, thread_id, graph_id, assistant_id, the run's metadata. */
  metadata?: Record<string, unknown>
}

export class Checkpointer extends BaseCheckpointSaver {
  readonly #options: CheckpointerOptions
  readonly #memory = new MemorySaver()

  constructor(options: CheckpointerOptions) {
    super()
    this.#options = options
  }

  getTuple(config: RunnableConfig): Promise<CheckpointTuple | undefined> {
    return this.#memory.getTuple(config)
  }

  list(config: RunnableConfig, options?: CheckpointListOptions): AsyncGenerator<CheckpointTuple> {
    return this.#memory.list(config, options)
  }

  put(config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata, _newVersions: ChannelVersions) {
    return this.#memory.put(config, checkpoint, { ...this.#options.metadata, ...metadata } as CheckpointMetadata)
  }

  putWrites(config: RunnableConfig, writes: PendingWrite[], taskId: string): Promise<void> {
    return this.#memory.putWrites(config, writes, taskId)
  }

  deleteThread(thread_id: string): Promise<void> {
    return this.#memory.deleteThread(thread_id)
  }
}
