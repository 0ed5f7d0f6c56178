// State is stored once. Lists (message histories above all) are rows that checkpoints and events refer to by
// `(list_id, length)`; other large values are blobs named by their hash. JSON text that holds state has references in it,
// each between two characters that JSON text cannot contain. It is rendered by joining stored texts, without parsing any.
import sql, { join, type Sql } from 'sql-template-tag'
import {
  all,
  type Bulk,
  type Database,
  first,
  insertMany,
  type Steps,
  together,
  transition,
  type Value,
} from '../db/database.ts'
import { readHeads } from './log.ts'

/** `["l", list_id, length]`: the list's items joined by commas, without brackets. `["b", hash]`: the blob's text. */
export type Ref = ['l', list_id: string, length: number] | ['b', hash: string]

/** Stands before and after a reference in text. */
export const REF = '\u0001'

/** A reference as it stands in text. */
export function refText(ref: Ref): string {
  return `${REF}${ref.join(':')}${REF}`
}

/** Pieces of text, and between each two a reference. */
export function partsOf(text: string): (string | Ref)[] {
  return text.split(REF).map((part, index) => {
    if (index % 2 === 0) return part
    const [kind, id, length] = part.split(':') as [Ref[0], string, string]
    return kind === 'l' ? ['l', id, Number(length)] : ['b', id]
  })
}

/** A stored value: `data` is its JSON as the wire shows it, `exact` says how to revive it where that is not enough. */
export interface Stored {
  data: string
  exact: string | null
}

/**
 * A fork names the list and length it shares with its parent; its own items follow. Deep chains would make reads slow:
 * writers copy a list whole before it is deeper than this.
 */
export const MAX_FORKS = 8

export const readList = transition(
  import.meta.url,
  'readList',
  function* ({ thread_id, list_id, from, to }: ListRange): Steps<Stored[]> {
    return yield* listItems(thread_id, list_id, from, to)
  },
)

interface ListRange {
  thread_id: string
  list_id: string
  from: number
  to: number
}

/** Items `from` (inclusive) to `to` (exclusive) of a list. */
export function* listItems(thread_id: string, list_id: string, from: number, to: number): Steps<Stored[]> {
  return yield* itemsOf(thread_id, yield* chainOf(thread_id, list_id, from), from, to)
}

/** One of the lists of which a list is made: from `from` on its own items follow. */
export interface Link {
  list_id: string
  from: number
  closed: number
  /** Of its last own item; null without any. */
  last: number | null
  parent_id: string | null
}

/** A list and those that it forked from, the oldest first, as far as items from `from` on are in them. */
function* chainOf(thread_id: string, list_id: string, from: number): Steps<Link[]> {
  return yield* chainFrom(thread_id, yield* first<Link>(linkOf(thread_id, list_id)), list_id, from)
}

export function linkOf(thread_id: string, list_id: string): Sql {
  return sql`
    select list_id, parent_id, parent_length as "from", closed, (
      select idx from list_items where thread_id = ${thread_id} and list_id = ${list_id} order by idx desc limit 1
    ) as last
    from lists where thread_id = ${thread_id} and list_id = ${list_id}`
}

/** The same where the list itself has been read. */
export function* chainFrom(thread_id: string, link: Link | undefined, list_id: string, from = 0): Steps<Link[]> {
  if (!link) throw new Error(`list ${list_id} of thread ${thread_id} is not stored`)
  const { parent_id } = link
  return parent_id === null || link.from <= from ? [link] : [...(yield* chainOf(thread_id, parent_id, from)), link]
}

/** Items `from` (inclusive) to `to` (exclusive) of a list that is made of these. */
export function* itemsOf(thread_id: string, chain: readonly Link[], from: number, to: number): Steps<Stored[]> {
  const parts = chain.map(({ list_id, from: own }, index) => {
    return { list_id, start: Math.max(from, own), end: Math.min(to, chain[index + 1]?.from ?? to) }
  })
  const asked = parts
    .filter(({ start, end }) => start < end)
    .map(({ list_id, start, end }) => ownItems(thread_id, list_id, start, end))
  return (yield* together<Stored[][]>(...asked)).flat()
}

/** Of items `from` (inclusive) to `to` (exclusive) of a list those that it does not share with the list it forked from. */
export function ownItems(thread_id: string, list_id: string, from: number, to: number): Sql {
  return sql`
    select data, exact from list_items where thread_id = ${thread_id} and list_id = ${list_id}
      and idx >= ${from} and idx < ${to} order by idx`
}

export const readBlobs = transition(
  import.meta.url,
  'readBlobs',
  function* ({ thread_id, hashes }: { thread_id: string; hashes: string[] }): Steps<(Stored & { hash: string })[]> {
    return yield* all<Stored & { hash: string }>(
      sql`select hash, data, exact from blobs where thread_id = ${thread_id} and hash in (${join(hashes)})`,
    )
  },
)

export const listRows = insertMany('lists', {
  thread_id: 'text',
  list_id: 'text',
  run_id: 'text',
  parent_id: 'text',
  parent_length: 'bigint',
  closed: 'bigint',
})
export const itemRows = insertMany('list_items', {
  thread_id: 'text',
  list_id: 'text',
  idx: 'bigint',
  run_id: 'text',
  data: 'text',
  exact: 'text',
})
export const blobRows = insertMany(
  'blobs',
  { thread_id: 'text', hash: 'text', run_id: 'text', data: 'text', exact: 'text' },
  { ignore: true },
)
const [ITEMS, BLOBS] = [itemRows([]).each, blobRows([]).each]

/** How many characters of list items and blobs a process keeps ready for rendering. */
const CACHE_CHARS = 64 * 1024 * 1024

/** Renders texts with references, keeping what was used last. */
export class StateTexts {
  readonly #db: Database
  readonly #cached = new Map<string, string[]>()
  #chars = 0
  /** The reference that was rendered last: the tokens of a model call have the same. */
  #last = { of: '', ref: '', stands: '' }

  constructor(db: Database) {
    this.#db = db
  }

  /** Makes known what a commit has stored, which then is not read back. Not sooner: what is fenced is never stored. */
  know(stored: readonly Bulk[]) {
    for (const { each, rows } of stored) {
      if (each === ITEMS)
        for (const { thread_id, list_id, idx, data } of rows) this.#add(`${thread_id} ${list_id}`, idx, data)
      if (each === BLOBS) for (const { thread_id, hash, data } of rows) this.#add(`${thread_id} ${hash}`, 0, data)
    }
  }

  /** The JSON text that a text with references stands for: at once where everything is at hand. */
  render(thread_id: string, text: string): string | Promise<string> {
    const start = text.indexOf(REF)
    if (start < 0) return text
    const { of, ref, stands } = this.#last
    if (of === thread_id && text.startsWith(ref, start)) {
      const rest = text.slice(start + ref.length)
      if (!rest.includes(REF)) return text.slice(0, start) + stands + rest
    }
    const parts = partsOf(text).map(part =>
      typeof part === 'string' ? part : (this.#kept(thread_id, part) ?? this.#text(thread_id, part)),
    )
    if (!parts.every(part => typeof part === 'string')) return Promise.all(parts).then(texts => texts.join(''))
    if (parts.length === 3) {
      this.#last = { of: thread_id, ref: text.slice(start, text.lastIndexOf(REF) + 1), stands: parts[1] as string }
    }
    return parts.join('')
  }

  /**
   * What is rendered of a run's events, as far as the run lasts: what they refer to goes with a run that is rolled back,
   * also between reading an event and rendering it.
   */
  async *untilErased<T>(run_id: string, rendered: AsyncIterable<T>): AsyncGenerator<T, void> {
    try {
      yield* rendered
    } catch (error) {
      const heads = await this.#db.run(readHeads, [run_id]).catch(() => undefined) // it may be what failed
      if (heads?.length !== 0) throw error
    }
  }

  #kept(thread_id: string, [kind, id, length = 1]: Ref): string | undefined {
    const known = this.#use(`${thread_id} ${id}`)
    if (!known || known.length < length) return undefined
    return kind === 'b' ? known[0] : known.slice(0, length).join(',')
  }

  async #text(thread_id: string, ref: Ref): Promise<string> {
    if (ref[0] === 'b') {
      const key = `${thread_id} ${ref[1]}`
      const [blob] = await this.#db.run(readBlobs, { thread_id, hashes: [ref[1]] })
      if (!blob) throw new Error(`blob ${ref[1]} of thread ${thread_id} is not stored`)
      this.#keep(key, [blob.data])
      return blob.data
    }
    const [, list_id, length] = ref
    const key = `${thread_id} ${list_id}`
    const known = this.#use(key)?.slice() ?? [] // commits add to what is kept
    const items = await this.#db.run(readList, { thread_id, list_id, from: known.length, to: length })
    const texts = known.concat(items.map(item => item.data))
    this.#keep(key, texts)
    return texts.join(',')
  }

  #use(key: string): string[] | undefined {
    const texts = this.#cached.get(key)
    if (texts) {
      this.#cached.delete(key)
      this.#cached.set(key, texts)
    }
    return texts
  }

  /** Adds the text at `index` to those that are known, if it is the next. */
  #add(key: string, index: Value | undefined, text: Value | undefined) {
    const known = this.#use(key)
    if (index !== (known?.length ?? 0) || typeof text !== 'string') return
    if (!known) return this.#keep(key, [text])
    known.push(text)
    this.#chars += text.length
    this.#trim()
  }

  #keep(key: string, texts: string[]) {
    this.#forget(key)
    this.#cached.set(key, texts)
    this.#chars += size(texts)
    this.#trim()
  }

  #trim() {
    for (const oldest of this.#cached.keys()) {
      if (this.#chars <= CACHE_CHARS) break
      this.#forget(oldest)
    }
  }

  #forget(key: string) {
    this.#chars -= size(this.#cached.get(key) ?? [])
    this.#cached.delete(key)
  }
}

function size(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + text.length, 0)
}
