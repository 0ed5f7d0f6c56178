// Schemas that only TypeScript types say: read in the background by TypeScript's own checker, a process of its own, and kept
// on disk under the hash of the files they come from. TypeScript 7 is used where it is installed; without it there are none.
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { errorFields, type Logger } from '../core/logger.ts'
import { type JsonSchema, TypeDescriber } from './type-json-schema.ts'

export type TypeScript = typeof import('typescript/unstable/async')

/** An export of a file, and every file that its types may come from. */
export interface TypedExport {
  file: string
  export: string
  files: readonly string[]
}

/** Null where the types say nothing. */
export type TypeSchemas = Record<(typeof SCHEMAS)[number], JsonSchema | null>

const SCHEMAS = ['Input', 'Output', 'State', 'Config'] as const
const NOTHING: TypeSchemas = { Input: null, Output: null, State: null, Config: null }
/** Changes whenever the same types are described in another way. */
const FORMAT = 1

export class TypeReader {
  readonly #folder: string
  readonly #logger: Logger
  readonly #known = new Map<string, TypeSchemas | undefined>()
  #closed = false
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

  /** Begins nothing more. What is being read is a matter of a second, and goes nowhere. */
  close(): void {
    this.#closed = true
  }

  async #read(key: string, source: TypedExport): Promise<void> {
    if (this.#closed) return
    try {
      const path = join(this.#folder, `${await hashOf(source)}.json`)
      const kept = await readFile(path, 'utf8').catch(() => undefined)
      const schemas = kept ? (JSON.parse(kept) as TypeSchemas) : await schemasOf(source)
      this.#known.set(key, schemas)
      if (!kept && schemas && !this.#closed) await this.#keep(path, JSON.stringify(schemas))
    } catch (error) {
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

async function schemasOf({ file, export: name }: TypedExport): Promise<TypeSchemas | undefined> {
  const ts = await typescriptFor(file)
  if (!ts) return undefined
  const folder = dirname(file)
  const probe = join(folder, '.runloom-types.ts')
  const config = join(folder, '.runloom-types.json')
  const texts: Record<string, string> = { [probe]: probeOf(file, name), [config]: configOf(file) }
  const api = new ts.API({
    cwd: folder,
    fs: { readFile: path => texts[path], fileExists: path => path in texts || undefined },
  })
  try {
    const project = (await api.updateSnapshot({ openProjects: [config] })).getProject(config)
    const module = await project?.program.getSourceFile(probe)
    const symbol = module && (await project?.checker.getSymbolAtLocation(module))
    if (!project || !symbol) return undefined
    const { checker } = project
    const describer = new TypeDescriber(ts, checker)
    const found = { ...NOTHING }
    for (const exported of await checker.getExportsOfModule(symbol)) {
      const schema = SCHEMAS.find(schema => schema === exported.name)
      if (schema) found[schema] = await describer.object(await checker.getDeclaredTypeOfSymbol(exported))
    }
    return found
  } finally {
    await api.close()
  }
}

/** TypeScript 7 as the graph's project has it, or as this package has it. */
async function typescriptFor(file: string): Promise<TypeScript | undefined> {
  for (const from of [file, import.meta.filename]) {
    try {
      const path = createRequire(from).resolve('typescript/unstable/async')
      return (await import(pathToFileURL(path).href)) as TypeScript
    } catch {} // another version, or none
  }
  return undefined
}

/** A module that exists only for the checker: what is in a graph, by names that are the same for every graph. */
function probeOf(file: string, name: string): string {
  return `
import type { StateType, UpdateType } from '@langchain/langgraph'
import type * as file from './${basename(file)}'
type Made<T> = T extends (...args: never[]) => infer R ? Awaited<R> : Awaited<T>
type Compiled<T> = T extends { compile(...args: never[]): infer C } ? C : T extends { graph: infer G } ? G : T
type Graph = Compiled<Made<(typeof file)[${JSON.stringify(name)}]>>
type Builder = Graph extends { builder: infer B } ? B : {}
export type Input = Builder extends { _inputDefinition: infer D }
  ? UpdateType<D> : Graph extends { '~InputType': infer I } ? I : never
export type Output = Builder extends { _outputDefinition: infer D }
  ? StateType<D> : Graph extends { '~OutputType': infer O } ? Awaited<O> : never
export type State = Graph extends { '~OutputType': infer O } ? Awaited<O> : never
export type Config = Builder extends { _configSchema: infer D } ? StateType<Exclude<D, undefined>> : never
`
}

/** The options of the project that the file is in, as far as they say what its types are. */
function configOf(file: string): string {
  let folder = dirname(file)
  while (!existsSync(join(folder, 'tsconfig.json')) && dirname(folder) !== folder) folder = dirname(folder)
  const base = join(folder, 'tsconfig.json')
  const plain = { strict: true, module: 'nodenext', target: 'es2024' }
  const own = {
    noEmit: true,
    allowImportingTsExtensions: true,
    composite: false,
    incremental: false,
    skipLibCheck: true,
  }
  return JSON.stringify({
    ...(existsSync(base) && { extends: base }),
    compilerOptions: { ...(!existsSync(base) && plain), ...own },
    include: [],
    files: ['./.runloom-types.ts'],
  })
}
