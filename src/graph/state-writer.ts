// StateWriter turns the state of one thread into rows that are written once, and events into texts that refer to them.
// One for each run attempt or state update: while it lives nobody else writes the thread's state.
//
// It notices arrays and objects that were changed in place by comparing prints (state-print.ts). Limit: in a list, a change
// below the top of an element older than the last 32 is not seen (a nested value of an old message's tool call, say);
// replacing such an element by a new object always is.
import { createHash, randomUUID } from 'node:crypto'
import { withoutNul } from '../core/json.ts'
import type { Bulk } from '../db/database.ts'
import { blobRows, itemRows, listRows, type Ref, refText, type Stored } from '../events/state.ts'
import { encode, LONG_TEXT, toWire, wireText } from './serde.ts'
import { type KnownList, Lists } from './state-lists.ts'
import { deepPrint, type Print } from './state-print.ts'

/** An event's data, and rows that must be committed with or before it. */
export interface Encoded {
  /** JSON text with references (events/state.ts). */
  data: string
  writes: Bulk[]
}

/** A channel's value in a checkpoint: a list version, a blob, or the value itself. */
export type Entry = Ref | ['v', data: string, exact: string | null]

/** Values whose JSON is longer than this are stored apart; shorter ones where they are used. */
const INLINE = 512
/** Arrays longer than this are lists whatever their size. */
const SHORT_ARRAY = 8

/** Stands for a reference in JSON text while it is made; nothing that a graph produces can contain it. */
const MARK = randomUUID()
const MARKS = new RegExp(`"@${MARK}\\.(\\d+)@"`, 'g')

/** An object stored as a blob, as it looked then. */
export interface KnownBlob {
  value: unknown
  print: Print
  /** As it is stored. */
  bytes: number
}

interface Interned {
  entry: Entry
  /** Of the value's JSON. */
  bytes: number
  /** Rows that are not stored yet. */
  writes: Bulk[]
}

export class StateWriter {
  readonly thread_id: string
  readonly run_id: string
  readonly #lists: Lists
  readonly #blobs = new Map<string, KnownBlob>()
  readonly #hashes = new Map<unknown, string>()
  readonly #metadata = new WeakMap<object, { text: string; ref?: string }>()
  /** Values of checkpoints, as they were stored. */
  readonly #stored = new WeakMap<object, Interned & { checkpoint_ns: string }>()

  constructor({ thread_id, run_id }: { thread_id: string; run_id: string }) {
    this.thread_id = thread_id
    this.run_id = run_id
    this.#lists = new Lists(thread_id, run_id)
  }

  /**
   * Any event: what is stored already, in whatever namespace, becomes references; the rest stays inline. Makes no rows.
   * `state_of`: the namespace whose state the event shows, as the checkpoint has it that was stored just before.
   */
  encode(value: unknown, state_of?: string): Encoded {
    const refs: Ref[] = []
    const mark = (ref: Ref) => `@${MARK}.${refs.push(ref) - 1}@`
    const json = toWire(value, part => {
      if (Array.isArray(part)) {
        const entry = state_of === undefined ? undefined : this.#storedAs(state_of, part)?.entry
        const ref = entry?.[0] === 'l' ? entry : this.#lists.prefix(part)
        return ref && [mark(ref), ...part.slice(ref[2])]
      }
      const hash = this.#blobOf(part)
      return hash && mark(['b', hash])
    })
    const text = withoutNul(JSON.stringify(json) ?? 'null')
    if (refs.length === 0) return { data: text, writes: [] }
    return { data: text.replace(MARKS, (_, index) => refText(refs[index] as Ref)), writes: [] }
  }

  /**
   * A `values` event: arrays become lists of the namespace's channels, large values blobs. What the step's checkpoint has
   * stored just before is shown as it is stored; a state without a checkpoint makes its own rows.
   */
  encodeState(values: Record<string, unknown>, checkpoint_ns: string): Encoded & { bytes: number } {
    const fields: string[] = []
    const writes: Bulk[] = []
    let total = 0
    for (const [channel, value] of Object.entries(values)) {
      if (value === undefined) continue
      const stored = this.#storedAs(checkpoint_ns, value) ?? this.#entry(checkpoint_ns, channel, value)
      const { entry, bytes, writes: rows } = stored
      writes.push(...rows)
      total += bytes
      fields.push(`${wireText(channel)}:${entryText(entry)}`)
    }
    return { data: `{${fields.join()}}`, bytes: total, writes }
  }

  /** A `messages` event. From its second use on, the metadata of a model call is a reference. */
  encodeMessage(chunk: unknown, metadata: unknown): Encoded {
    const text = wireText(chunk)
    if (typeof metadata !== 'object' || metadata === null) {
      return { data: `[${text},${wireText(metadata)}]`, writes: [] }
    }
    const known = this.#metadata.get(metadata)
    if (!known) {
      const inline = wireText(metadata)
      this.#metadata.set(metadata, { text: inline })
      return { data: `[${text},${inline}]`, writes: [] }
    }
    const writes: Bulk[] = []
    if (!known.ref) {
      const stored = { data: known.text, exact: null }
      const hash = hashOf(stored)
      writes.push(this.#blobRow(hash, stored))
      known.ref = refText(['b', hash])
    }
    return { data: `[${text},${known.ref}]`, writes }
  }

  /** A channel's value in a checkpoint, which the events of the step show as it is stored here. */
  store(checkpoint_ns: string, channel: string, value: unknown): Interned {
    const interned = this.#entry(checkpoint_ns, channel, value)
    this.#show(checkpoint_ns, value, interned)
    return interned
  }

  /** As `store`, of a value that nothing can have changed since it was read as this entry. */
  inherit(checkpoint_ns: string, value: unknown, entry: Entry) {
    const bytes = this.#bytesOf(entry)
    if (bytes !== undefined) this.#show(checkpoint_ns, value, { entry, bytes })
  }

  #show(checkpoint_ns: string, value: unknown, { entry, bytes }: Pick<Interned, 'entry' | 'bytes'>) {
    if (typeof value !== 'object' || value === null) return
    this.#stored.set(value, { entry, bytes, writes: [], checkpoint_ns })
  }

  #storedAs(checkpoint_ns: string, value: unknown): Interned | undefined {
    const stored = this.#stored.get(value as object)
    return stored?.checkpoint_ns === checkpoint_ns ? stored : undefined
  }

  /** How a channel's value is referred to, after a look whether it is still what is stored. */
  #entry(checkpoint_ns: string, channel: string, value: unknown): Interned {
    const holder = holderOf(checkpoint_ns, channel)
    const hash = this.#blobOf(value)
    if (hash) return { entry: ['b', hash], bytes: this.#blobs.get(hash)?.bytes ?? 0, writes: [] }
    const isList = Array.isArray(value) && (this.#lists.holds(holder) || value.length > SHORT_ARRAY)
    const stored = isList && value.length > 0 ? undefined : encode(value)
    if (stored && stored.data.length + (stored.exact?.length ?? 0) <= INLINE) {
      return { entry: ['v', stored.data, stored.exact], bytes: Buffer.byteLength(stored.data), writes: [] }
    }
    if (Array.isArray(value)) {
      const { ref, bytes, rows } = this.#lists.intern(holder, value)
      return { entry: ref, bytes, writes: listBulks(rows) }
    }
    return this.#blobEntry(value, stored as Stored)
  }

  /** How many of an array's values, from the first, are surely those of an earlier one; both as `entry` returned them. */
  common(entry: Entry, earlier: Entry | undefined): number {
    if (entry[0] === 'v' && earlier?.[0] === 'v' && entry[1].startsWith(earlier[1].slice(0, -1))) {
      return JSON.parse(earlier[1]).length
    }
    if (entry[0] !== 'l' || earlier?.[0] !== 'l') return 0
    return entry[1] === earlier[1] ? earlier[2] : this.#lists.sharedWith(entry[1], earlier)
  }

  /** Whether this writer knows what an entry stands for, so that `entry` notices a change made in place. */
  knows(entry: Entry): boolean {
    return this.#bytesOf(entry) !== undefined
  }

  /** Of the JSON that an entry stands for; undefined where this writer does not know it. */
  #bytesOf(entry: Entry): number | undefined {
    if (entry[0] === 'v') return Buffer.byteLength(entry[1])
    return entry[0] === 'l' ? this.#lists.bytesOf(entry) : this.#blobs.get(entry[1])?.bytes
  }

  /** Makes a stored list known as a channel's. `tail`: its length in the database, undefined if it may not be extended. */
  holdList(checkpoint_ns: string, channel: string, list: KnownList, tail: number | undefined) {
    this.#lists.hold(holderOf(checkpoint_ns, channel), list, tail)
  }

  holdBlob(hash: string, blob: KnownBlob) {
    this.#blobs.set(hash, blob)
    this.#hashes.set(blob.value, hash)
  }

  #blobEntry(value: unknown, stored: Stored): Interned {
    const hash = hashOf(stored)
    const writes = this.#blobs.has(hash) ? [] : [this.#blobRow(hash, stored)]
    const bytes = Buffer.byteLength(stored.data)
    this.holdBlob(hash, { value, print: deepPrint(value), bytes })
    return { entry: ['b', hash], bytes, writes }
  }

  /** The blob that an object or a long text is stored as, if it is and has not changed since. */
  #blobOf(value: unknown): string | undefined {
    if (typeof value === 'string' ? value.length < LONG_TEXT : typeof value !== 'object') return undefined
    const hash = this.#hashes.get(value)
    const blob = hash === undefined ? undefined : this.#blobs.get(hash)
    return blob?.print.matches(value) ? hash : undefined
  }

  #blobRow(hash: string, { data, exact }: Stored): Bulk {
    const row = { thread_id: this.thread_id, hash, run_id: this.run_id, data, exact }
    return blobRows([row])
  }
}

function listBulks({ lists, list_items }: ReturnType<Lists['intern']>['rows']): Bulk[] {
  return [...(lists.length > 0 ? [listRows(lists)] : []), ...(list_items.length > 0 ? [itemRows(list_items)] : [])]
}

function holderOf(checkpoint_ns: string, channel: string): string {
  return `${checkpoint_ns}\n${channel}`
}

function entryText(entry: Entry): string {
  if (entry[0] === 'v') return entry[1]
  return entry[0] === 'l' ? `[${refText(entry)}]` : refText(entry)
}

function hashOf({ data, exact }: Stored): string {
  return createHash('sha256')
    .update(data)
    .update('\0')
    .update(exact ?? '')
    .digest('base64url')
    .slice(0, 27)
}
