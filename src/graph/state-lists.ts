// Lists as a writer knows them: the elements it has seen stored, so that a step costs a comparison of pointers for what
// is old and work for what is new. An array is stored as the list it continues; one that differs from all known lists
// before its end becomes a fork of the closest.
import { newId } from '../core/ids.ts'
import type { Row } from '../db/database.ts'
import { MAX_FORKS, type Ref } from '../events/state.ts'
import { encode } from './serde.ts'
import { deepPrint, type Print, shallowPrint } from './state-print.ts'

/** Of a list's newest elements every value is compared each time, of older ones only the top (see shallowPrint). */
const WATCHED = 32
/** Forks that a channel's own lists leave to the lists of subgraphs, which fork from them. */
const FORKS_FOR_SUBGRAPHS = 2
/** Lists one writer keeps in mind. */
const LISTS = 256

export type ListRef = Extract<Ref, readonly ['l', ...unknown[]]>

/** A list in a chain of forks; `from` is the index of its first own item. */
export interface Link {
  list_id: string
  from: number
}

/** A stored list with its elements. Only ever grows. */
export class KnownList {
  /** The root first, this list last. */
  readonly chain: readonly Link[]
  readonly items: unknown[]
  /** Bytes of the stored elements up to each one, itself included. */
  readonly #bytes: number[]
  readonly #shallow: Print[]
  readonly #deep = new Map<number, Print>()

  /** `from`: the list whose first `length` elements are this one's. */
  constructor(chain: readonly Link[], from?: KnownList, length = 0) {
    this.chain = chain
    this.items = from ? from.items.slice(0, length) : []
    this.#bytes = from ? from.#bytes.slice(0, length) : []
    this.#shallow = from ? from.#shallow.slice(0, length) : []
    for (let index = Math.max(0, length - WATCHED); from && index < length; index++) {
      this.#deep.set(index, from.#deep.get(index) ?? deepPrint(this.items[index]))
    }
  }

  get list_id(): string {
    return (this.chain.at(-1) as Link).list_id
  }

  /** `data`: the element as it is stored. */
  push(item: unknown, data: string) {
    this.#bytes.push(this.bytes() + Buffer.byteLength(data))
    const index = this.items.push(item) - 1
    this.#shallow.push(shallowPrint(item))
    this.#deep.set(index, deepPrint(item))
    this.#deep.delete(index - WATCHED)
  }

  /** Of the first `length` elements. */
  bytes(length = this.items.length): number {
    return this.#bytes[length - 1] ?? 0
  }

  /** Whether all elements are still as they were stored, as far as the prints see. */
  isIntact(): boolean {
    return this.common(this.items) === this.items.length
  }

  #isIntact(index: number): boolean {
    const item = this.items[index]
    if (typeof item !== 'object' || item === null) return true
    const deep = index < this.items.length - WATCHED ? undefined : this.#deep.get(index)
    return (deep ?? (this.#shallow[index] as Print)).matches(item)
  }

  /** How many of the values, from the first, are this list's elements: the same objects, or with `equal` their equals. */
  common(values: readonly unknown[], equal = false): number {
    const end = Math.min(values.length, this.items.length)
    for (let index = 0; index < end; index++) {
      const [known, value] = [this.items[index], values[index]]
      const same = Object.is(known, value) || (equal && deepPrint(known).matches(value))
      if (!same || !this.#isIntact(index)) return index
    }
    return end
  }

  /** Takes other objects with the same content for its elements, so that the next comparison is by pointer. */
  adopt(values: readonly unknown[], length: number) {
    for (let index = 0; index < length; index++) {
      if (this.items[index] === values[index]) continue
      this.items[index] = values[index]
      this.#shallow[index] = shallowPrint(values[index])
    }
  }

  /** The first `length` elements as a list of its own, for a writer that will go on from there. */
  copy(length = this.items.length, chain = this.chain): KnownList {
    return new KnownList(chain, this, length)
  }
}

/** Rows that a list needs. */
export interface ListRows {
  lists: Row[]
  list_items: Row[]
}

/** The lists that one writer knows, each held by one channel of one namespace (`holder`). */
export class Lists {
  readonly #thread_id: string
  readonly #run_id: string
  /** Least recently used first. */
  readonly #held = new Map<KnownList, string>()
  /** Where each list ends in the database; a list that this writer may not extend is not here. */
  readonly #tails = new Map<string, number>()

  constructor(thread_id: string, run_id: string) {
    this.#thread_id = thread_id
    this.#run_id = run_id
  }

  /** Makes a stored list known. `tail`: its length in the database, undefined where it may not be extended. */
  hold(holder: string, list: KnownList, tail: number | undefined) {
    if (tail !== undefined) this.#tails.set(list.list_id, Math.max(tail, this.#tails.get(list.list_id) ?? 0))
    for (const [known, by] of this.#held) {
      if (by !== holder || known.list_id !== list.list_id) continue
      if (known.items.length >= list.items.length) return
      this.#held.delete(known)
    }
    this.#held.set(list, holder)
    for (const oldest of this.#held.keys()) {
      if (this.#held.size <= LISTS) break
      this.#held.delete(oldest)
    }
  }

  /** Of what a reference stands for; undefined where that is not held. */
  bytesOf([, list_id, length]: ListRef): number | undefined {
    return this.#list(list_id, length)?.bytes(length)
  }

  #list(list_id: string, length = 0): KnownList | undefined {
    for (const list of this.#held.keys()) if (list.list_id === list_id && list.items.length >= length) return list
    return undefined
  }

  holds(holder: string): boolean {
    return [...this.#held.values()].includes(holder)
  }

  /** How many items of another list a held one begins with: those up to where it forked from it. */
  sharedWith(list_id: string, [, other_id, length]: ListRef): number {
    const chain = this.#list(list_id)?.chain ?? []
    const other = chain.findIndex(link => link.list_id === other_id)
    const next = chain[other + 1]
    return other < 0 || !next ? 0 : Math.min(length, next.from)
  }

  /** The reference under which an array is stored, and the rows that are not stored yet. */
  intern(holder: string, values: readonly unknown[]): { ref: ListRef; bytes: number; rows: ListRows } {
    const rows: ListRows = { lists: [], list_items: [] }
    const { list, common } = this.#closest(holder, values)
    const own = list !== undefined && this.#held.get(list) === holder
    if (own) list.adopt(values, common)
    if (own && common === values.length && common > 0) {
      this.#touch(list)
      return { ref: ['l', list.list_id, common], bytes: list.bytes(common), rows }
    }
    const extended = own && common === list.items.length && this.#tails.get(list.list_id) === common
    const target = extended ? list : this.#fork(holder, values, common, list, rows)
    for (let index = target.items.length; index < values.length; index++) {
      const { data, exact } = encode(values[index])
      target.push(values[index], data)
      const place = { thread_id: this.#thread_id, list_id: target.list_id, idx: index, run_id: this.#run_id }
      rows.list_items.push({ ...place, data, exact })
    }
    this.#tails.set(target.list_id, values.length)
    this.#touch(target)
    return { ref: ['l', target.list_id, values.length], bytes: target.bytes(), rows }
  }

  /** The longest stored list that an array begins with, for an event: the same objects only. */
  prefix(values: readonly unknown[]): ListRef | undefined {
    let found: ListRef | undefined
    for (const list of this.#held.keys()) {
      if (list.items.length === 0 || !Object.is(list.items[0], values[0])) continue
      const common = list.common(values)
      if (common > (found?.[2] ?? 0)) found = ['l', list.list_id, common]
    }
    return found
  }

  #closest(holder: string, values: readonly unknown[]): { list: KnownList | undefined; common: number } {
    let closest: { list: KnownList | undefined; common: number } = { list: undefined, common: 0 }
    for (const [list, by] of this.#held) {
      const own = by === holder
      if (!own && !Object.is(list.items[0], values[0])) continue
      const common = list.common(values, own)
      const better = common > closest.common || (common === closest.common && own)
      if (better) closest = { list, common }
    }
    return closest
  }

  #fork(holder: string, values: readonly unknown[], common: number, list: KnownList | undefined, rows: ListRows) {
    const shared = list?.chain.filter(link => link.from < common) ?? []
    const own = list !== undefined && this.#held.get(list) === holder
    const whole = common === 0 || shared.length > MAX_FORKS - (own ? FORKS_FOR_SUBGRAPHS : 0)
    const list_id = newId()
    const chain = whole ? [{ list_id, from: 0 }] : [...shared, { list_id, from: common }]
    const fork = list && !whole ? list.copy(common, chain) : new KnownList(chain)
    const parent_id = whole ? null : (shared.at(-1) as Link).list_id
    const parent_length = whole ? 0 : common
    rows.lists.push({ thread_id: this.#thread_id, list_id, run_id: this.#run_id, parent_id, parent_length, closed: 0 })
    this.hold(holder, fork, undefined)
    if (list && common > 0) fork.adopt(values, fork.items.length)
    return fork
  }

  #touch(list: KnownList) {
    const holder = this.#held.get(list) as string
    this.#held.delete(list)
    this.#held.set(list, holder)
  }
}
