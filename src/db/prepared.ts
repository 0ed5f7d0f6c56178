// Which statements Postgres keeps prepared: parsing and planning one takes it longer than carrying it out, so those that are
// asked again and again get a name. It is made of the text: whichever session a pooler puts behind a connection, a name
// stands for the same text there, or for nothing.
import { createHash } from 'node:crypto'

/** Uses from which on a text has a name. */
const OFTEN = 3
/** Texts with a name: each connection keeps their plans. */
const NAMED = 200
/** Texts whose uses are counted. Some are made up as they are needed, and never come again. */
const COUNTED = 2_000

export class PreparedNames {
  readonly #uses = new Map<string, number>()
  readonly #names = new Map<string, string>()

  /** The name of a text, if it is to be prepared. Each call is a use. */
  of(text: string): string | undefined {
    const known = this.#names.get(text)
    if (known || this.#names.size >= NAMED) return known
    const uses = (this.#uses.get(text) ?? 0) + 1
    if (uses >= OFTEN) return this.#name(text)
    if (this.#uses.size >= COUNTED) this.#uses.clear()
    this.#uses.set(text, uses)
    return undefined
  }

  #name(text: string): string {
    const name = `runloom_${createHash('sha256').update(text).digest('hex').slice(0, 32)}`
    this.#names.set(text, name)
    this.#uses.delete(text)
    return name
  }
}

/**
 * Whether a prepared statement failed for being prepared: it is not there, or was there before, because a pooler has put
 * another session behind the connection; or it returns other columns now, because the schema has changed.
 */
export function isMisprepared(error: unknown): boolean {
  return MISPREPARED.has((error as { code?: string }).code ?? '')
}

/** Invalid statement name, duplicate prepared statement, feature not supported. */
const MISPREPARED = new Set(['26000', '42P05', '0A000'])
