// A draft of a thread's state: what LangGraph stores while an update is computed, held back as rows until one transaction
// commits all of it. LangGraph reads its own steps back as if they were stored.
import type { RunnableConfig } from '@langchain/core/runnables'
import {
  type ChannelVersions,
  type Checkpoint,
  type CheckpointMetadata,
  type CheckpointTuple,
  copyCheckpoint,
  getCheckpointId,
  type PendingWrite,
} from '@langchain/langgraph-checkpoint'
import type { CheckpointName } from '../core/states.ts'
import type { Bulk } from '../db/database.ts'
import { Checkpointer, type CheckpointerOptions } from './checkpointer.ts'

export class StateDraft extends Checkpointer {
  /** The rows of the draft, in order. */
  readonly writes: Bulk[]
  /** Stored checkpoints that the draft was made from, by namespace and id. */
  readonly sources = new Map<string, CheckpointName>()
  /** Why reading failed; anything else that an update throws is the graph's, or the update's. */
  failure: unknown
  readonly #drafted = new Map<string, CheckpointTuple>()
  /** The newest drafted checkpoint of each namespace. */
  readonly #heads = new Map<string, string>()
  readonly #pending = new Map<string, NonNullable<CheckpointTuple['pendingWrites']>>()

  constructor(options: Omit<CheckpointerOptions, 'write'>) {
    const writes: Bulk[] = []
    super({ ...options, write: async rows => void writes.push(...rows) })
    this.writes = writes
  }

  /** The channel values of the newest drafted checkpoint of the root. */
  get values(): Record<string, unknown> | undefined {
    const head = this.#heads.get('')
    return head === undefined ? undefined : this.#drafted.get(keyOf('', head))?.checkpoint.channel_values
  }

  override async getTuple(config: RunnableConfig): Promise<CheckpointTuple | undefined> {
    const checkpoint_ns: string = config.configurable?.checkpoint_ns ?? ''
    const checkpoint_id = getCheckpointId(config) || this.#heads.get(checkpoint_ns)
    const drafted = checkpoint_id && this.#drafted.get(keyOf(checkpoint_ns, checkpoint_id))
    const tuple = drafted || (await this.#stored(config))
    if (!tuple) return undefined
    const pending = this.#pending.get(keyOf(checkpoint_ns, tuple.checkpoint.id)) ?? []
    return {
      ...tuple,
      checkpoint: copyCheckpoint(tuple.checkpoint),
      pendingWrites: [...(tuple.pendingWrites ?? []), ...pending],
    }
  }

  override async put(
    config: RunnableConfig,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
    newVersions: ChannelVersions,
  ): Promise<RunnableConfig> {
    const put = await super.put(config, checkpoint, metadata, newVersions)
    const checkpoint_ns: string = put.configurable?.checkpoint_ns ?? ''
    const parent = getCheckpointId(config)
    this.#heads.set(checkpoint_ns, checkpoint.id)
    this.#drafted.set(keyOf(checkpoint_ns, checkpoint.id), {
      config: put,
      checkpoint: copyCheckpoint(checkpoint),
      metadata,
      ...(parent && { parentConfig: { configurable: { ...put.configurable, checkpoint_id: parent } } }),
    })
    return put
  }

  override async putWrites(config: RunnableConfig, writes: PendingWrite[], task_id: string): Promise<void> {
    await super.putWrites(config, writes, task_id)
    const key = keyOf(config.configurable?.checkpoint_ns ?? '', getCheckpointId(config))
    const added = writes.map(([channel, value]) => [task_id, channel, value] as [string, string, unknown])
    this.#pending.set(key, [...(this.#pending.get(key) ?? []), ...added])
  }

  async #stored(config: RunnableConfig): Promise<CheckpointTuple | undefined> {
    const tuple = await super.getTuple(config).catch(error => {
      this.failure = error
      throw error
    })
    const { checkpoint_ns = '', checkpoint_id } = tuple?.config.configurable ?? {}
    if (tuple) this.sources.set(keyOf(checkpoint_ns, checkpoint_id), { checkpoint_ns, checkpoint_id })
    return tuple
  }
}

function keyOf(checkpoint_ns: string, checkpoint_id: string): string {
  return JSON.stringify([checkpoint_ns, checkpoint_id])
}
