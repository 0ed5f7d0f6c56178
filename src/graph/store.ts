// The long-term store (contracts: langgraph §7): LangGraph's interface over the items table, for graphs, and the same over
// HTTP. It remembers across threads, runs and processes. With an index it also knows what items mean: texts become
// vectors before the transaction, so that none waits for a model.
import {
  AsyncBatchedStore,
  BaseStore,
  type Operation,
  type OperationResults,
  type SearchItem,
} from '@langchain/langgraph-checkpoint'
import type { Guarded, Owned } from '../core/access.ts'
import { RunloomError } from '../core/errors.ts'
import type { TextVector } from '../core/item-vectors.ts'
import {
  batchItems,
  type ItemName,
  type ItemOperation,
  type ItemResult,
  type ItemSearch,
  type NamespaceSearch,
  ownersLabel,
  type Item as StoredItem,
} from '../core/items.ts'
import { jsonText } from '../core/json.ts'
import type { Database } from '../db/database.ts'
import type { Embeddings } from './embeddings.ts'

export interface StoreOptions {
  /** `embed` names the embeddings. */
  index?: { dims: number; fields: string[]; embed: string; embeddings: Embeddings }
  /** What a put without a time to live of its own gets. */
  default_ttl_ms?: number
  /** Whether reading an item gives it its whole time to live again, where the reader does not say; true without one. */
  refresh_on_read?: boolean
}

export interface Put extends ItemName, Guarded {
  /** Null deletes the item. */
  value: Record<string, unknown> | null
  /** The paths of the texts that are searched by meaning; false: none; null: as configured. */
  index?: false | string[] | null
  /** Null: for ever; absent: as configured. */
  ttl_ms?: number | null
}

/** By what a search asks for, in words, besides the rest. */
export type Search = Omit<ItemSearch, 'near'> & { query?: string }

export type StoreOperation =
  | { get: ItemName & Guarded & { refresh?: boolean } }
  | { put: Put }
  | { search: Search }
  | { list: NamespaceSearch }

export class ItemStore extends BaseStore {
  readonly #db: Database
  readonly #options: StoreOptions
  /** The labels below which all of it is. */
  readonly #root: string[]

  constructor(db: Database, options: StoreOptions = {}, root: string[] = []) {
    super()
    this.#db = db
    this.#options = options
    this.#root = root
    unqueue()
  }

  /** The store as an owner has it: nothing of others' is in it, and names that others took are free. */
  of(owned: Owned | undefined): ItemStore {
    return owned ? new ItemStore(this.#db, this.#options, [ownersLabel(owned)]) : this
  }

  override async batch<Op extends Operation[]>(operations: Op): Promise<OperationResults<Op>> {
    const results = await this.run(operations.map(translate))
    return results.map(restore) as OperationResults<Op>
  }

  /** Operations at once, as `batchItems` has them; reads see the state before the writes. */
  async run(operations: StoreOperation[]): Promise<ItemResult[]> {
    const root = this.#root
    const stored = await Promise.all(operations.map(operation => this.#stored(rooted(operation, root))))
    const results = await this.#db.run(batchItems, stored)
    return root.length === 0 ? results : results.map(result => unrooted(result, root.length))
  }

  async #stored(operation: StoreOperation): Promise<ItemOperation> {
    const { refresh_on_read = true } = this.#options
    if ('get' in operation) return { get: { refresh: refresh_on_read, ...operation.get } }
    if ('put' in operation) return { put: await this.#storedPut(operation.put) }
    if ('list' in operation) return operation
    const { query, ...search } = operation.search
    const near = await this.#near(query)
    return { search: { refresh: refresh_on_read, ...search, ...(near && { near }) } }
  }

  async #storedPut({ namespace, key, value, index, allowed, ttl_ms = this.#options.default_ttl_ms ?? null }: Put) {
    const meaning = value === null ? undefined : await this.#meaning(value, index)
    return {
      namespace,
      key,
      value: value === null ? null : jsonText(value),
      allowed,
      ...(ttl_ms !== null && { ttl_ms }),
      ...(meaning && { meaning }),
    }
  }

  async #near(query: string | undefined) {
    const { index } = this.#options
    if (!index || !query) return undefined
    const embedding = await embedded(index.embeddings.embedQuery(query))
    return { embedding: vectorText(embedding, index.dims), space: spaceOf(index) }
  }

  /** The vectors of a value's texts, where there is an index. */
  async #meaning(value: Record<string, unknown>, paths: Put['index']) {
    const { index } = this.#options
    if (!index) return undefined
    const texts = paths === false ? [] : (paths ?? index.fields).flatMap(path => textsAt(value, path))
    const embeddings =
      texts.length > 0 ? await embedded(index.embeddings.embedDocuments(texts.map(one => one.text))) : []
    const vectors: TextVector[] = texts.map(({ path }, n) => ({
      path,
      embedding: vectorText(embeddings[n] ?? [], index.dims),
    }))
    return { space: spaceOf(index), vectors: [...new Map(vectors.map(vector => [vector.path, vector])).values()] }
  }
}

/** The same operation, below some labels. */
function rooted(operation: StoreOperation, root: string[]): StoreOperation {
  if (root.length === 0) return operation
  if ('get' in operation) return { get: { ...operation.get, namespace: inside(root, operation.get.namespace) } }
  if ('put' in operation) return { put: { ...operation.put, namespace: inside(root, operation.put.namespace) } }
  if ('search' in operation) {
    const { namespace_prefix, ...search } = operation.search
    return { search: { ...search, namespace_prefix: [...root, ...namespace_prefix] } }
  }
  const { match, max_depth, ...list } = operation.list
  // What a suffix has to fit is below the root, too.
  const fitting = match.flatMap(({ end, labels }): NamespaceSearch['match'] => [
    { end: 'prefix', labels: [...root, ...(end === 'prefix' ? labels : labels.map(() => '*'))] },
    ...(end === 'suffix' ? [{ end, labels }] : []),
  ])
  const depth = max_depth === undefined ? {} : { max_depth: max_depth + root.length }
  return { list: { ...list, ...depth, match: [{ end: 'prefix', labels: root }, ...fitting] } }
}

/** An empty namespace stays one, and the mistake that it is. */
function inside(root: string[], namespace: string[]): string[] {
  return namespace.length === 0 || namespace[0] === 'langgraph' ? namespace : [...root, ...namespace]
}

function unrooted(result: ItemResult, depth: number): ItemResult {
  if (result === null) return null
  if (!Array.isArray(result)) return { ...result, namespace: result.namespace.slice(depth) }
  return result.map(one =>
    Array.isArray(one) ? one.slice(depth) : { ...one, namespace: one.namespace.slice(depth) },
  ) as ItemResult
}

/** The texts at a path: `a.b`, `list[0]`, `list[*].text`; `$` is the whole value. What is no text is one as JSON. */
function textsAt(value: unknown, path: string): { path: string; text: string }[] {
  const steps = path === '$' ? [] : (path.match(/\[(?:\*|-?\d+)\]|[^.[\]]+/g) ?? [])
  const found = steps.reduce<unknown[]>((reached, step) => reached.flatMap(one => stepInto(one, step)), [value])
  const texts = found
    .filter(one => one != null && one !== '')
    .map(one => (typeof one === 'string' ? one : jsonText(one)))
  return texts.map((text, n) => ({ path: texts.length > 1 ? `${path}.${n}` : path, text }))
}

function stepInto(value: unknown, step: string): unknown[] {
  if (step === '[*]') return Array.isArray(value) ? value : Object.values(value ?? {})
  if (step.startsWith('[')) return Array.isArray(value) ? [value.at(Number(step.slice(1, -1)))] : []
  return typeof value === 'object' && value !== null ? [(value as Record<string, unknown>)[step]] : []
}

async function embedded<T>(embedding: Promise<T>): Promise<T> {
  try {
    return await embedding
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new RunloomError('unavailable', `the embeddings of the store failed: ${reason}`, { cause })
  }
}

function spaceOf({ embed, dims }: NonNullable<StoreOptions['index']>): string {
  return `${embed} ${dims}`
}

function vectorText(embedding: number[], dims: number): string {
  if (embedding.length === dims) return JSON.stringify(embedding)
  throw new Error(`store.index.dims is ${dims}, but the embeddings have ${embedding.length} dimensions`)
}

/**
 * LangGraph wraps the store of each run in a queue that it looks into once a millisecond while the run lasts. That keeps a
 * timer busy for every run, delays each operation and the end of each run by a millisecond (0.5 ms became 1.4 ms for an
 * empty run), loses a put's `index`, and fails for listNamespaces. The database gathers operations by itself, so here the
 * wrapper hands them on. A user's own copy of LangGraph keeps its queue.
 */
function unqueue(): void {
  const wrapper = AsyncBatchedStore.prototype
  for (const queued of ['get', 'search', 'put', 'delete']) Reflect.deleteProperty(wrapper, queued)
  wrapper.batch = function (operations) {
    return (this as unknown as { store: BaseStore }).store.batch(operations)
  }
  wrapper.start = () => {}
  wrapper.stop = async () => {}
}

function translate(operation: Operation): StoreOperation {
  if ('namespacePrefix' in operation) {
    const { namespacePrefix: namespace_prefix, filter, query, limit = 10, offset = 0 } = operation
    return { search: { namespace_prefix, limit, offset, ...(filter && { filter }), ...(query && { query }) } }
  }
  if ('value' in operation) {
    const { namespace, key, value, index } = operation
    return { put: { namespace, key, value, ...(index !== undefined && { index }) } }
  }
  if ('key' in operation) return { get: { namespace: operation.namespace, key: operation.key } }
  const { matchConditions = [], maxDepth, limit, offset } = operation
  const match = matchConditions.map(({ matchType, path }) => ({ end: matchType, labels: path }))
  return { list: { match, limit, offset, ...(maxDepth !== undefined && { max_depth: maxDepth }) } }
}

function restore(result: ItemResult): unknown {
  if (result === null) return null
  if (!Array.isArray(result)) return item(result)
  return result.map(one => (Array.isArray(one) ? one : item(one)))
}

function item({ namespace, key, value, created_at, updated_at, score }: StoredItem): SearchItem {
  const dates = { createdAt: new Date(created_at), updatedAt: new Date(updated_at) }
  return { namespace, key, value: JSON.parse(value), ...dates, ...(score !== undefined && { score }) }
}
