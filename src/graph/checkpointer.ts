// LangGraph's checkpointer over our tables. A checkpoint is one row that refers to stored values (state-writer.ts), so what
// a step writes and costs does not grow with the conversation. Rows go to `write` in the order of the calls; reads wait
// for the rows written before them.
import type { RunnableConfig } from '@langchain/core/runnables'
import {
  BaseCheckpointSaver,
  type ChannelVersions,
  type Checkpoint,
  type CheckpointListOptions,
  type CheckpointMetadata,
  type CheckpointPendingWrite,
  type CheckpointTuple,
  getCheckpointId,
  maxChannelVersion,
  type PendingWrite,
  TASKS,
  WRITES_IDX_MAP,
} from '@langchain/langgraph-checkpoint'
import { jsonText } from '../core/json.ts'
import type { Bulk, Database } from '../db/database.ts'
import {
  checkpointBulk,
  deleteBulks,
  findCheckpoints,
  type Loaded,
  NULL_TASK,
  type Place,
  readCheckpoint,
  readCheckpointRow,
  type WriteRow,
  writeBulks,
} from './checkpoint-rows.ts'
import { messageBulks } from './message-rows.ts'
import { decode, decodeExact, exactText, toWire, wireText } from './serde.ts'
import { dropChanged, type Hydrated, type StateCache } from './state-cache.ts'
import { KnownList } from './state-lists.ts'
import { deepPrint } from './state-print.ts'
import { type Entry, StateWriter } from './state-writer.ts'

export interface CheckpointerOptions {
  db: Database
  /** Used where a config names no thread. */
  thread_id?: string
  /** The run that writes; a state update makes an id of its own. */
  run_id: string
  /** Of the run's thread. Other threads that a graph writes get a writer of their own. */
  state: StateWriter
  /** Takes rows, in order: the run's recording, or a transition. Resolves when `put` may. */
  write: (writes: Bulk[]) => Promise<void>
  /** Resolves when all rows given to `write` are committed. Needed where `write` resolves earlier. */
  flush?: () => Promise<void>
  cache: StateCache
  /** Set when the run's thread has no checkpoint yet but those that come. */
  empty?: boolean
  /** The tag of the model call that made a message; undefined where it has none. */
  callerOf?: (message_id: string) => string | undefined
  /** Goes under the metadata of every checkpoint: `run_id`, `graph_id`, the run's metadata and the like. */
  metadata?: Record<string, unknown>
}

/** A checkpoint's entries, by which the next one refers to what did not change. */
interface Seen extends Required<Place> {
  channels: Record<string, Entry>
  versions: ChannelVersions
}

const SEEN = 64
const PAGE = 20

export class Checkpointer extends BaseCheckpointSaver {
  readonly #options: CheckpointerOptions
  readonly #states = new Map<string, StateWriter>()
  /** Oldest first. */
  readonly #seen = new Map<string, Seen>()
  #empty: boolean
  /** Settles when the newest rows are written; undefined when a read has waited for it. */
  #writing: Promise<void> | undefined

  constructor(options: CheckpointerOptions) {
    super()
    this.#options = options
    this.#empty = options.empty ?? false
    this.#states.set(options.state.thread_id, options.state)
  }

  async getTuple(config: RunnableConfig): Promise<CheckpointTuple | undefined> {
    const place = this.#place(config)
    if (!place || (this.#empty && place.thread_id === this.#options.thread_id)) return undefined
    await this.#settled()
    const hydrated = this.#options.cache.find(place.thread_id)
    const reading = this.#read(place, hydrated)
    const changed = dropChanged(hydrated) // while the database is at work
    const read = await reading
    const loaded = changed ? await this.#read(place, hydrated) : read
    if (!loaded) return undefined
    await this.#complete(hydrated, loaded)
    const newest = place.checkpoint_id === undefined
    if (newest) this.#options.cache.remember(place.thread_id, place.checkpoint_ns, referred(loaded, hydrated))
    this.#hold(loaded, hydrated)
    return tuple(loaded, hydrated)
  }

  /** Newest first. Without a thread in the config: of all threads. */
  async *list(config: RunnableConfig, options: CheckpointListOptions = {}): AsyncGenerator<CheckpointTuple> {
    const { thread_id, checkpoint_ns, checkpoint_id } = config.configurable ?? {}
    const before = (options.before && getCheckpointId(options.before)) || undefined // '' where it names none
    const { limit = Infinity, filter } = options
    await this.#settled()
    const hydrated = new Map<string, Hydrated>()
    let after: Required<Place> | undefined
    for (let left = limit; left > 0; ) {
      const size = Math.min(left, PAGE)
      const page = await this.#options.db.run(findCheckpoints, {
        ...given({ thread_id, checkpoint_ns, checkpoint_id, before, after }),
        ...(filter && { filter: jsonText(filter) }),
        limit: size,
      })
      for (const place of page) {
        let known = hydrated.get(place.thread_id)
        if (!known) {
          known = this.#options.cache.find(place.thread_id)
          dropChanged(known)
          hydrated.set(place.thread_id, known)
        }
        const loaded = await this.#read(place, known)
        if (!loaded) continue
        await this.#complete(known, loaded)
        yield await tuple(loaded, known)
      }
      if (page.length < size) return
      after = page.at(-1)
      left -= page.length
    }
  }

  async put(
    config: RunnableConfig,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
    newVersions: ChannelVersions,
  ): Promise<RunnableConfig> {
    const { checkpoint_id: parent_id, ...place } = this.#required(config)
    this.#empty = false
    const { channel_values, ...rest } = checkpoint
    const seen = { ...place, checkpoint_id: checkpoint.id, versions: checkpoint.channel_versions }
    const unchanged = Object.keys(channel_values).filter(channel => !(channel in newVersions))
    const parent = parent_id === undefined ? undefined : this.#seen.get(keyOf({ ...place, checkpoint_id: parent_id }))
    if (unchanged.length > 0 && parent_id !== undefined && !parent)
      await this.#see({ ...place, checkpoint_id: parent_id })
    const state = this.#stateOf(place.thread_id)
    const channels: Record<string, Entry> = {}
    const writes: Bulk[] = []
    for (const [channel, value] of Object.entries(channel_values)) {
      const inherited = channel in newVersions ? undefined : this.#inherited(seen, parent_id, channel)
      if (!(channel in newVersions) && !inherited) continue
      // Before a graph's first step nothing can have changed in place what was read.
      if (inherited && (metadata.source === 'input' || !state.knows(inherited))) {
        channels[channel] = inherited
        state.inherit(place.checkpoint_ns, value, inherited)
        continue
      }
      const { entry, writes: rows } = state.store(place.checkpoint_ns, channel, value)
      channels[channel] = entry
      writes.push(...rows)
    }
    const row = {
      ...place,
      checkpoint_id: checkpoint.id,
      parent_id: parent_id ?? null,
      run_id: this.#options.run_id,
      checkpoint: wireText(rest),
      channels: wireText(channels),
      metadata: jsonText(toWire({ ...this.#options.metadata, ...metadata })),
    }
    this.#remember({ ...seen, channels })
    await this.#write([...writes, checkpointBulk(row), ...this.#said(place, parent_id, channels, channel_values)])
    return { configurable: { ...place, checkpoint_id: checkpoint.id } }
  }

  async putWrites(config: RunnableConfig, writes: PendingWrite[], task_id: string): Promise<void> {
    const { checkpoint_id, ...place } = this.#required(config)
    if (checkpoint_id === undefined) throw new Error('putWrites needs configurable.checkpoint_id')
    const rows = writes.map(([channel, value], index): WriteRow => {
      const idx = WRITES_IDX_MAP[channel] ?? index
      return { task_id, idx, run_id: this.#options.run_id, channel, exact: exactText(value) }
    })
    await this.#write(writeBulks({ ...place, checkpoint_id }, rows))
  }

  async deleteThread(thread_id: string): Promise<void> {
    await this.#write(deleteBulks(thread_id))
    this.#options.cache.drop(thread_id)
    for (const [key, seen] of this.#seen) if (seen.thread_id === thread_id) this.#seen.delete(key)
    this.#states.set(thread_id, new StateWriter({ thread_id, run_id: this.#options.run_id }))
  }

  /** What a checkpoint of the root adds to the thread's messages. */
  #said(
    { thread_id, checkpoint_ns }: Omit<Place, 'checkpoint_id'>,
    parent_id: string | undefined,
    channels: Record<string, Entry>,
    { messages: values }: Record<string, unknown>,
  ): Bulk[] {
    const { messages: entry } = channels
    if (checkpoint_ns !== '' || !entry || !Array.isArray(values)) return []
    const parent = parent_id && this.#seen.get(keyOf({ thread_id, checkpoint_ns, checkpoint_id: parent_id }))
    const known = this.#stateOf(thread_id).common(entry, parent ? parent.channels.messages : undefined)
    const { run_id, callerOf, metadata } = this.#options
    return messageBulks({ thread_id, run_id, callerOf, replaced: metadata?.regenerate_from_run_id }, values, known)
  }

  #place({ configurable = {}, ...config }: RunnableConfig): Place | undefined {
    const thread_id = configurable.thread_id ?? this.#options.thread_id
    if (thread_id === undefined) return undefined
    const checkpoint_id = getCheckpointId({ ...config, configurable })
    return { thread_id, checkpoint_ns: configurable.checkpoint_ns ?? '', ...(checkpoint_id && { checkpoint_id }) }
  }

  #required(config: RunnableConfig): Place {
    const place = this.#place(config)
    if (!place) throw new Error('the config needs configurable.thread_id')
    return place
  }

  #write(writes: Bulk[]): Promise<void> {
    const writing = this.#options.write(writes)
    writing.catch(() => {}) // the caller is told, and whoever reads next
    this.#writing = writing
    return writing
  }

  /** Lets a read see what was written here before it. */
  async #settled() {
    const writing = this.#writing
    if (!writing) return
    await writing
    await this.#options.flush?.()
    if (this.#writing === writing) this.#writing = undefined
  }

  #stateOf(thread_id: string): StateWriter {
    const state = this.#states.get(thread_id) ?? new StateWriter({ thread_id, run_id: this.#options.run_id })
    this.#states.set(thread_id, state)
    return state
  }

  /** Reads a checkpoint, without what `hydrated` has of it. */
  #read(place: Place, hydrated: Hydrated): Promise<Loaded | undefined> {
    const lists = Object.fromEntries([...hydrated.lists].map(([list_id, list]) => [list_id, list.items.length]))
    const have = { lists, blobs: [...hydrated.blobs.keys()] }
    return this.#options.db.run(readCheckpoint, { ...place, have })
  }

  /** Adds to `hydrated` what a checkpoint brought. */
  async #complete(hydrated: Hydrated, loaded: Loaded) {
    for (const [list_id, { chain, base, shared, items }] of Object.entries(loaded.lists)) {
      const known = hydrated.lists.get(base)
      if (known && base === list_id && items.length === 0) continue
      const list = known?.copy(shared, chain) ?? new KnownList(chain)
      for (const item of items) list.push(await decode(item), item.data)
      hydrated.lists.set(list_id, list)
    }
    for (const { hash, ...stored } of loaded.blobs) {
      const value = await decode(stored)
      hydrated.blobs.set(hash, { value, print: deepPrint(value), bytes: Buffer.byteLength(stored.data) })
    }
    this.#remember({ ...loaded.row, channels: channelsOf(loaded), versions: versionsOf(loaded.row.checkpoint) })
  }

  /** Lets the thread's writer go on from a loaded checkpoint. */
  #hold(loaded: Loaded, hydrated: Hydrated) {
    const { thread_id, checkpoint_ns } = loaded.row
    const state = this.#stateOf(thread_id)
    for (const [channel, entry] of Object.entries(channelsOf(loaded))) {
      if (entry[0] === 'l') {
        const list = (hydrated.lists.get(entry[1]) as KnownList).copy(entry[2])
        state.holdList(checkpoint_ns, channel, list, loaded.lists[entry[1]]?.tail ?? undefined)
      }
      const blob = entry[0] === 'b' && hydrated.blobs.get(entry[1])
      if (blob) state.holdBlob(entry[1] as string, blob)
    }
  }

  #remember(seen: Seen) {
    this.#seen.delete(keyOf(seen))
    this.#seen.set(keyOf(seen), seen)
    for (const oldest of this.#seen.keys()) {
      if (this.#seen.size <= SEEN) break
      this.#seen.delete(oldest)
    }
  }

  async #see(place: Required<Place>) {
    await this.#settled()
    const row = await this.#options.db.run(readCheckpointRow, place)
    if (row) this.#remember({ ...place, channels: JSON.parse(row.channels), versions: versionsOf(row.checkpoint) })
  }

  /**
   * The entry of an unchanged channel: the parent's, or for a checkpoint that is stored beside its original (LangGraph
   * copies one so) that of the checkpoint seen last with this version of the channel.
   */
  #inherited(child: Omit<Seen, 'channels'>, parent_id: string | undefined, channel: string): Entry | undefined {
    const { thread_id, checkpoint_ns, versions } = child
    const matches = (seen: Seen) =>
      seen.thread_id === thread_id &&
      seen.checkpoint_ns === checkpoint_ns &&
      seen.versions[channel] === versions[channel]
    const parent = parent_id && this.#seen.get(keyOf({ thread_id, checkpoint_ns, checkpoint_id: parent_id }))
    const source = parent && matches(parent) ? parent : [...this.#seen.values()].reverse().find(matches)
    return source?.channels[channel]
  }
}

/** The part of what is hydrated that one checkpoint refers to. */
function referred(loaded: Loaded, { lists, blobs }: Hydrated): Hydrated {
  const ids = new Set(Object.values(channelsOf(loaded)).map(entry => entry[1]))
  return {
    lists: new Map([...lists].filter(([list_id]) => ids.has(list_id))),
    blobs: new Map([...blobs].filter(([hash]) => ids.has(hash))),
  }
}

async function tuple(loaded: Loaded, hydrated: Hydrated): Promise<CheckpointTuple> {
  const { row, writes, parent_writes } = loaded
  const { thread_id, checkpoint_ns, checkpoint_id, parent_id } = row
  const checkpoint: Checkpoint = { ...JSON.parse(row.checkpoint), channel_values: {} }
  for (const [channel, entry] of Object.entries(channelsOf(loaded))) {
    checkpoint.channel_values[channel] = await hydratedValue(entry, hydrated)
  }
  if (checkpoint.v < 4 && parent_id !== null) {
    const sends = (await pending(parent_writes)).filter(([, channel]) => channel === TASKS).map(([, , value]) => value)
    const versions = Object.values(checkpoint.channel_versions)
    checkpoint.channel_values[TASKS] = sends
    checkpoint.channel_versions[TASKS] = versions.length > 0 ? maxChannelVersion(...versions) : 1
  }
  return {
    config: { configurable: { thread_id, checkpoint_ns, checkpoint_id } },
    checkpoint,
    metadata: JSON.parse(row.metadata),
    pendingWrites: await pending(writes),
    ...(parent_id !== null && {
      parentConfig: { configurable: { thread_id, checkpoint_ns, checkpoint_id: parent_id } },
    }),
  }
}

function hydratedValue(entry: Entry, { lists, blobs }: Hydrated): unknown {
  if (entry[0] === 'l') return (lists.get(entry[1]) as KnownList).items.slice(0, entry[2])
  if (entry[0] === 'b') return blobs.get(entry[1])?.value
  return decode({ data: entry[1], exact: entry[2] })
}

/**
 * Of the rows that several runs left for one task, those of the oldest count; for the special channels and for the task
 * that stands for a Command, the newest's.
 */
function pending(rows: readonly WriteRow[]): Promise<CheckpointPendingWrite[]> {
  const owners = new Map<string, string>()
  const chosen = new Map<string, WriteRow>()
  for (const row of rows) {
    const { task_id, idx, run_id } = row
    const newestCounts = idx < 0 || task_id === NULL_TASK
    if (!newestCounts && !owners.has(task_id)) owners.set(task_id, run_id)
    if (newestCounts || owners.get(task_id) === run_id) chosen.set(`${task_id}\n${idx}`, row)
  }
  return Promise.all(
    [...chosen.values()].map(async ({ task_id, channel, exact }): Promise<CheckpointPendingWrite> => {
      return [task_id, channel, await decodeExact(exact)]
    }),
  )
}

function channelsOf({ row }: Loaded): Record<string, Entry> {
  return JSON.parse(row.channels)
}

function versionsOf(checkpoint: string): ChannelVersions {
  return JSON.parse(checkpoint).channel_versions
}

function keyOf({ thread_id, checkpoint_ns, checkpoint_id }: Required<Place>): string {
  return JSON.stringify([thread_id, checkpoint_ns, checkpoint_id])
}

function given<T extends object>(fields: { [K in keyof T]: T[K] | undefined }): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>
}
