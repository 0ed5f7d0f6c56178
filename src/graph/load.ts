// The graphs that this server serves, by id: loaded from the user's files, or registered. A user's graph may come from
// another copy of LangGraph than ours, so nothing here asks `instanceof`.
import { relative } from 'node:path'
import type { Pregel } from '@langchain/langgraph/pregel'
import type { BaseCheckpointSaver, BaseStore } from '@langchain/langgraph-checkpoint'
import { RunloomError } from '../core/errors.ts'
import { SourceFiles } from './source-files.ts'
import type { TypedExport } from './type-schemas.ts'

// biome-ignore lint/suspicious/noExplicitAny: the LangGraph boundary; any state, any nodes
export type CompiledGraph = Pregel<any, any>

/** What a factory is called with: the run's configuration, or the assistant's where there is no run. */
export interface GraphConfig {
  configurable?: Record<string, unknown>
  context?: unknown
  metadata?: Record<string, unknown>
}

type Factory = (config: GraphConfig) => unknown

/** Where to find a graph; `file` is absolute. */
export interface GraphSource {
  file: string
  export: string
  description?: string
}

/** Loads every graph. Never rejects: one that cannot be loaded is in `failures`, the others are served. */
export async function loadGraphs(
  sources: Record<string, GraphSource>,
  { baseDir = process.cwd() }: { baseDir?: string } = {},
): Promise<Graphs> {
  const graphs = new Graphs(baseDir)
  await Promise.all(Object.entries(sources).map(([id, source]) => graphs.load(id, source)))
  return graphs
}

export class Graphs {
  /** The graphs that could not be loaded. Each message names the graph and its file, and says what went wrong. */
  readonly failures = new Map<string, Error>()
  readonly #graphs = new Map<string, (config: GraphConfig) => Promise<CompiledGraph>>()
  readonly #descriptions = new Map<string, string>()
  readonly #places = new Map<string, Pick<GraphSource, 'file' | 'export'>>()
  readonly #sources = new SourceFiles()
  readonly #baseDir: string

  /** `baseDir` is what messages name files relative to. */
  constructor(baseDir: string) {
    this.#baseDir = baseDir
  }

  /** The ids that can be served. */
  ids(): string[] {
    return [...this.#graphs.keys()]
  }

  /** What the configuration says of a graph, whether it could be loaded or not. */
  description(id: string): string | null {
    return this.#descriptions.get(id) ?? null
  }

  /**
   * The graph of an id; a factory is called anew each time. Rejects with `not_found`, or `unsupported` when the graph
   * could not be loaded or its factory failed.
   */
  async get(id: string, config: GraphConfig): Promise<CompiledGraph> {
    const failure = this.failures.get(id)
    if (failure) throw new RunloomError('unsupported', failure.message, { cause: failure })
    const make = this.#graphs.get(id) ?? this.#unknown(id)
    return make(config)
  }

  /** Throws `not_found` for an id that is not configured. One that could not be loaded is. */
  check(id: string): void {
    if (!this.#graphs.has(id) && !this.failures.has(id)) this.#unknown(id)
  }

  /** Adds a graph that is not in a file: anything that a file might export. Throws when it is no graph. */
  register(id: string, exported: object, description?: string): void {
    const graph = compiled(exported)
    this.#graphs.set(id, async () => graph)
    this.failures.delete(id)
    if (description !== undefined) this.#descriptions.set(id, description)
  }

  /** Adds a graph from a file, or an entry in `failures`. */
  async load(id: string, { file, export: name, description }: GraphSource): Promise<void> {
    if (description !== undefined) this.#descriptions.set(id, description)
    this.#places.set(id, { file, export: name })
    const place = `Graph "${id}" (${relative(this.#baseDir, file)}:${name})`
    try {
      this.#graphs.set(id, await maker(await this.#exported(file, name), place))
    } catch (error) {
      this.failures.set(id, new Error(`${place} cannot be loaded: ${reasonOf(error, file)}`, { cause: error }))
    }
  }

  /** The export that a graph's types come from; undefined for one that is not in a file. */
  typesOf(id: string): TypedExport | undefined {
    const place = this.#places.get(id)
    return place && { ...place, files: this.watched }
  }

  /** The user's files that graphs come from, what they import and what failed included: a change of one asks for a reload. */
  get watched(): string[] {
    return this.#sources.paths()
  }

  close(): void {
    this.#sources.close()
  }

  #unknown(id: string): never {
    const known = this.ids().join(', ') || 'none'
    throw new RunloomError('not_found', `Graph "${id}" not found; this server has: ${known}`)
  }

  async #exported(file: string, name: string): Promise<unknown> {
    const module = await this.#sources.import(file)
    // What a CommonJS file assigns dynamically is only on its default export.
    const found = module[name] ?? (module.default as Record<string, unknown> | undefined)?.[name]
    if (found !== undefined) return found
    const names = Object.keys(module).filter(
      key => !('module.exports' in module && /^(default|module.exports)$/.test(key)),
    )
    throw new Error(`the file has no export "${name}"; it exports ${names.join(', ') || 'nothing'}`)
  }
}

async function maker(exported: unknown, place: string): Promise<(config: GraphConfig) => Promise<CompiledGraph>> {
  if (typeof exported !== 'function') {
    const graph = compiled(await exported)
    return async () => graph
  }
  const factory = exported as Factory
  return async config => {
    try {
      return compiled(await factory(config))
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause)
      throw new RunloomError('unsupported', `${place} cannot be made: its factory failed: ${message}`, { cause })
    }
  }
}

/** The compiled graph in what was exported: itself, the one inside a `createAgent` result, or a builder's. */
function compiled(value: unknown): CompiledGraph {
  if (isCompiled(value)) return value
  if (isObject(value)) {
    // A getter of the prototype, which is no own property.
    if ('graph' in value && isCompiled(value.graph)) return value.graph
    if ('compile' in value && typeof value.compile === 'function') return compiled(value.compile())
  }
  const found = value === null ? 'null' : Array.isArray(value) ? 'a list' : `a value of type ${typeof value}`
  throw new Error(
    `${found} is no graph; export a compiled graph, a StateGraph, an agent, or a function that returns one`,
  )
}

function isCompiled(value: unknown): value is CompiledGraph {
  return isObject(value) && 'lg_is_pregel' in value && value.lg_is_pregel === true
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

const NO_BUILD =
  'TypeScript is loaded without a build here: types are removed, enums and parameter properties translated, but decorators and JSX are not'

function reasonOf(error: unknown, file: string): string {
  if (!(error instanceof Error)) return String(error)
  const { code = '' } = error as NodeJS.ErrnoException
  const [first = ''] = error.message.split('\n')
  if (code === 'ERR_UNKNOWN_FILE_EXTENSION' && first.includes('.tsx')) {
    return `${NO_BUILD}; move the graph to a .ts file, or name the built .js file`
  }
  const unparsable = error.stack?.includes('compileSourceTextModule') ?? false
  if (code.endsWith('_TYPESCRIPT_SYNTAX') || (unparsable && /ts$/.test(file))) {
    return `SyntaxError: ${first}${placeOf(error)}. ${NO_BUILD}; if it needs them, name the built .js file`
  }
  if (unparsable) return `SyntaxError: ${first}; node --check ${relative('', file)} shows where`
  return error.name === 'Error' ? first : `${error.name}: ${first}`
}

/** Where a TypeScript syntax error is: Node puts it above the message in the stack. */
function placeOf(error: Error): string {
  const [, place] = /^(?:file:\/\/)?(\/[^\n]+:\d+)\n/.exec(error.stack ?? '') ?? []
  return place ? ` at ${place}` : ''
}

/**
 * The graph with the server's checkpointer and store, for one run. LangGraph reads both from the graph object, which
 * concurrent runs share, so each run gets a copy, made as LangGraph's own `withConfig` makes one: by the constructor, since
 * Pregel has private methods that a plain copy would lack. The copy shares nodes and channels, which hold no state of a
 * run. Subgraphs inherit the checkpointer and the store from the copy through the run's config. (Passing the checkpointer
 * in `configurable.__pregel_checkpointer` instead breaks reading and updating a subgraph's state: the graph then takes
 * itself for the subgraph.) `autoValidate` is off because validating again appends to the list of triggers that the copies share.
 */
export function bind(
  graph: CompiledGraph,
  { checkpointer, store }: { checkpointer: BaseCheckpointSaver; store: BaseStore },
): CompiledGraph {
  const Constructor = graph.constructor as new (fields: object) => CompiledGraph
  return new Constructor({ ...graph, channels: { ...graph.channels }, autoValidate: false, checkpointer, store })
}
