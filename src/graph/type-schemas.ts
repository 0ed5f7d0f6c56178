// Schemas that only TypeScript types say: read in the background by TypeScript's own checker, a process of its own, and kept
// on disk under the hash of the files they come from. TypeScript 7 is used where it is installed; without it there are none.
import { fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { errorFields, type Logger } from '../core/logger.ts'
import type { JsonSchema } from './type-json-schema.ts'

/** An export of a file, and every file that its types may come from. */
export interface TypedExport {
  file: string
  export: string
  files: readonly string[]
}

/** Null where the types say nothing. */
export type TypeSchemas = Record<(typeof SCHEMAS)[number], JsonSchema | null>

export const SCHEMAS = ['Input', 'Output', 'State', 'Config'] as const
const DEADLINE_MS = 60_000
/** Changes whenever the same types are described in another way. */
const FORMAT = 1

export class TypeReader {
  readonly #folder: string
  readonly #logger: Logger
  readonly #known = new Map<string, TypeSchemas | undefined>()
  readonly #closing = new AbortController()
  #reading: Promise<void> = Promise.resolve()

  /** `folder` holds what was read before; it is made when there is something to keep. */
  constructor({ folder, logger }: { folder: string; logger: Logger }) {
    this.#folder = folder
    this.#logger = logger
  }

  /** What the types of an export say, as far as it is known by now. The first question begins the reading. */
  of(source: TypedExport): TypeSchemas | undefined {
    const key = `${source.file}\n${source.export}`
    if (!this.#known.has(key) && /\.[cm]?tsx?$/.test(source.file)) {
      this.#known.set(key, undefined)
      this.#reading = this.#reading.then(() => this.#read(key, source))
    }
    return this.#known.get(key)
  }

  /** Resolves when everything that was asked for is known. */
  settled(): Promise<void> {
    return this.#reading
  }

  /** Begins nothing more, and ends what is being read. */
  close(): void {
    this.#closing.abort()
  }

  async #read(key: string, source: TypedExport): Promise<void> {
    const { signal } = this.#closing
    if (signal.aborted) return
    try {
      const path = join(this.#folder, `${await hashOf(source)}.json`)
      const kept = await readFile(path, 'utf8').catch(() => undefined)
      const schemas = kept ? (JSON.parse(kept) as TypeSchemas) : await schemasOf(source, signal)
      this.#known.set(key, schemas)
      if (!kept && schemas) await this.#keep(path, JSON.stringify(schemas))
    } catch (error) {
      if (signal.aborted) return
      const { file, export: name } = source
      this.#logger('warn', 'schemas could not be read from types', { file, export: name, ...errorFields(error) })
    }
  }

  /** A folder that cannot be written costs the next start some time, nothing else. */
  async #keep(path: string, text: string): Promise<void> {
    const draft = `${path}.${process.pid}`
    await mkdir(this.#folder, { recursive: true })
      .then(() => writeFile(draft, text))
      .then(() => rename(draft, path))
      .catch(() => {})
  }
}

async function hashOf({ file, export: name, files }: TypedExport): Promise<string> {
  const hash = createHash('sha256').update(`${FORMAT}\n${file}\n${name}\n`)
  for (const path of [...files].sort()) hash.update(await readFile(path).catch(() => ''))
  return hash.digest('hex')
}

/** Asks a process of its own, and ends it and the checker when that takes too long or `signal` says so. */
async function schemasOf({ file, export: name }: TypedExport, signal: AbortSignal): Promise<TypeSchemas | undefined> {
  const module = fileURLToPath(new URL(`./type-process${extname(import.meta.url)}`, import.meta.url))
  const child = fork(module, { detached: true, stdio: 'ignore' })
  const end = () => child.connected && child.disconnect()
  signal.addEventListener('abort', end)
  const overdue = setTimeout(end, DEADLINE_MS)
  try {
    const answer = new Promise<TypeSchemas | { error: string } | null>((resolve, reject) => {
      child.once('message', message => resolve(message as TypeSchemas))
      child.once('exit', () => reject(new Error('the process that reads types ended without an answer')))
      child.once('error', reject)
    })
    child.send({ file, export: name })
    const schemas = await answer
    if (schemas && 'error' in schemas) throw new Error(schemas.error)
    return schemas ?? undefined
  } finally {
    clearTimeout(overdue)
    signal.removeEventListener('abort', end)
  }
}
