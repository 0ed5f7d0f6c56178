// Which rows a SQLite changeset touches. Its format: per table `T`, the number of columns, a primary-key flag a column,
// the name; then per change an operation, a flag, and the old row, the new row or both (sqlite.org/sessionintro.html).

const INSERT = 18
const DELETE = 9
const UPDATE = 23
const TABLE = 'T'.charCodeAt(0)

/** `table key…` of every row that the changeset inserts, updates or deletes, in a fixed order. */
export function touchedRows(changeset: Uint8Array): string[] {
  const reader = new Reader(changeset)
  const rows: string[] = []
  let table = ''
  let isKey: boolean[] = []
  while (!reader.done) {
    const kind = reader.byte()
    if (kind === TABLE) {
      isKey = Array.from({ length: reader.varint() }, () => false).map(() => reader.byte() !== 0)
      table = reader.name()
      continue
    }
    reader.byte() // whether a trigger or a foreign key made the change
    const row = reader.record(isKey.length)
    if (kind === UPDATE) reader.record(isKey.length)
    else if (kind !== INSERT && kind !== DELETE) throw new Error(`a changeset with an operation ${kind}`)
    rows.push([table, ...row.filter((_, column) => isKey[column])].join(' '))
  }
  return rows.sort()
}

class Reader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length
  }

  byte(): number {
    return this.#bytes[this.#at++] as number
  }

  varint(): number {
    let value = 0
    for (;;) {
      const byte = this.byte()
      value = value * 128 + (byte & 127)
      if (byte < 128) return value
    }
  }

  name(): string {
    const end = this.#bytes.indexOf(0, this.#at)
    const name = Buffer.from(this.#bytes.subarray(this.#at, end)).toString()
    this.#at = end + 1
    return name
  }

  record(columns: number): string[] {
    return Array.from({ length: columns }, () => this.#value())
  }

  /** 0: not part of the record, 1: integer, 2: float, 3: text, 4: blob, 5: null. */
  #value(): string {
    const type = this.byte()
    if (type === 0 || type === 5) return ''
    if (type === 1 || type === 2) {
      this.#at += 8
      return String(type === 1 ? this.#view.getBigInt64(this.#at - 8) : this.#view.getFloat64(this.#at - 8))
    }
    const length = this.varint()
    this.#at += length
    return Buffer.from(this.#bytes.subarray(this.#at - length, this.#at)).toString()
  }
}
