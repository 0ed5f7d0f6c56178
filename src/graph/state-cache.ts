// The newest state of active threads, kept hydrated, so that a turn reads and revives only what is new. It is filled by
// reads alone and addressed by content: a list version or a blob never changes once it is committed, so what is here is
// right, or was changed in place by a graph, which is noticed (state-print.ts) and read again.
import type { KnownList } from './state-lists.ts'
import type { KnownBlob } from './state-writer.ts'

const THREADS = 256
const BYTES = 64 * 1024 * 1024
/** Namespaces kept for each thread: its own, and the subgraphs used last. */
const NAMESPACES = 4

/** What one checkpoint refers to. */
export interface Hydrated {
  lists: Map<string, KnownList>
  blobs: Map<string, KnownBlob>
}

export class StateCache {
  /** Least recently used first, as in each thread's namespaces. */
  readonly #threads = new Map<string, Map<string, Hydrated>>()
  #bytes = 0

  /** All that is known of a thread, which `dropChanged` has to look through before it is used. */
  find(thread_id: string): Hydrated {
    const found: Hydrated = { lists: new Map(), blobs: new Map() }
    for (const { lists, blobs } of this.#threads.get(thread_id)?.values() ?? []) {
      for (const [list_id, list] of lists) {
        const longer = list.items.length > (found.lists.get(list_id)?.items.length ?? 0)
        if (longer) found.lists.set(list_id, list)
      }
      for (const [hash, blob] of blobs) found.blobs.set(hash, blob)
    }
    return found
  }

  /** Keeps what the newest checkpoint of a namespace refers to, as it was read. */
  remember(thread_id: string, checkpoint_ns: string, hydrated: Hydrated) {
    const namespaces = this.#threads.get(thread_id) ?? new Map<string, Hydrated>()
    this.#threads.delete(thread_id)
    this.#threads.set(thread_id, namespaces)
    this.#forget(namespaces, checkpoint_ns)
    namespaces.set(checkpoint_ns, hydrated)
    this.#bytes += size(hydrated)
    for (const oldest of namespaces.keys()) if (namespaces.size > NAMESPACES) this.#forget(namespaces, oldest)
    for (const oldest of this.#threads.keys()) {
      if (this.#threads.size <= THREADS && this.#bytes <= BYTES) break
      this.drop(oldest)
    }
  }

  /** Forgets a thread: after any ending of a run but success, and when its state was erased. */
  drop(thread_id: string) {
    const namespaces = this.#threads.get(thread_id)
    for (const checkpoint_ns of namespaces?.keys() ?? [])
      this.#forget(namespaces as Map<string, Hydrated>, checkpoint_ns)
    this.#threads.delete(thread_id)
  }

  #forget(namespaces: Map<string, Hydrated>, checkpoint_ns: string) {
    const hydrated = namespaces.get(checkpoint_ns)
    if (hydrated) this.#bytes -= size(hydrated)
    namespaces.delete(checkpoint_ns)
  }
}

/** Takes out what does not look as it was stored any more; whether there was such. Costs a look at every element. */
export function dropChanged({ lists, blobs }: Hydrated): boolean {
  const known = lists.size + blobs.size
  for (const [list_id, list] of lists) if (!list.isIntact()) lists.delete(list_id)
  for (const [hash, { print, value }] of blobs) if (!print.matches(value)) blobs.delete(hash)
  return lists.size + blobs.size < known
}

function size({ lists, blobs }: Hydrated): number {
  const stored = [...[...lists.values()].map(list => list.bytes()), ...[...blobs.values()].map(blob => blob.bytes)]
  return stored.reduce((sum, bytes) => sum + bytes, 0)
}
