// The leases that a process holds, in memory that its lease thread looks at whenever it renews. A message for each run that
// starts would wake the thread, which costs more than what it is told, and for most runs there is nothing to renew.
import type { Renewal } from './claims.ts'

/** Bytes of a slot: how often it was written (odd while it is), the attempt (0 in a free one), the run's id in ASCII. */
const SLOT = 48
const ID = 12
/** It grows from the one to the other; what is not used takes no memory. */
const [FEW, MANY] = [64 * SLOT, 1_000_000 * SLOT]

export class LeaseBoard {
  readonly memory: SharedArrayBuffer
  readonly #words: Int32Array
  readonly #bytes: Uint8Array
  readonly #slots = new Map<string, number>()
  readonly #free: number[] = []

  /** `memory`: of a board of another thread, for looking only. */
  constructor(memory = new SharedArrayBuffer(FEW, { maxByteLength: MANY })) {
    this.memory = memory
    this.#words = new Int32Array(memory)
    this.#bytes = new Uint8Array(memory)
  }

  /** Notes a run by its id, a UUID; a later attempt takes an earlier one's place. */
  add({ run_id, attempt }: Renewal) {
    const slot = this.#slots.get(run_id) ?? this.#free.pop() ?? this.#slots.size
    if ((slot + 1) * SLOT > this.memory.byteLength) this.memory.grow(Math.min(this.memory.byteLength * 2, MANY))
    this.#slots.set(run_id, slot)
    this.#write(slot, attempt, run_id)
  }

  remove(run_id: string) {
    const slot = this.#slots.get(run_id)
    if (slot === undefined) return
    this.#slots.delete(run_id)
    this.#free.push(slot)
    this.#write(slot, 0, '')
  }

  /** All of them. One that is written at this very moment is missing: it is new, or over. */
  read(): Renewal[] {
    const found: Renewal[] = []
    for (let slot = 0; (slot + 1) * SLOT <= this.memory.byteLength; slot++) {
      const at = (slot * SLOT) / 4
      const version = Atomics.load(this.#words, at)
      const attempt = Atomics.load(this.#words, at + 1)
      if (version & 1 || attempt === 0) continue
      const run_id = String.fromCharCode(...this.#bytes.subarray(slot * SLOT + ID, (slot + 1) * SLOT))
      if (Atomics.load(this.#words, at) === version) found.push({ run_id, attempt })
    }
    return found
  }

  #write(slot: number, attempt: number, run_id: string) {
    const at = (slot * SLOT) / 4
    Atomics.add(this.#words, at, 1)
    Atomics.store(this.#words, at + 1, attempt)
    for (let index = 0; index < run_id.length; index++) {
      this.#bytes[slot * SLOT + ID + index] = run_id.charCodeAt(index)
    }
    Atomics.add(this.#words, at, 1)
  }
}
