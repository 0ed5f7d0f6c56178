// The long-term store that graphs get: LangGraph's interface over the items table. It remembers across threads, runs and
// processes. There is no semantic search: a search's `query` and a put's `index` change nothing.
import {
  AsyncBatchedStore,
  BaseStore,
  type Item,
  type Operation,
  type OperationResults,
} from '@langchain/langgraph-checkpoint'
import { batchItems, type ItemOperation, type ItemResult, type Item as StoredItem } from '../core/items.ts'
import { jsonText } from '../core/json.ts'
import type { Database } from '../db/database.ts'

export class ItemStore extends BaseStore {
  readonly #db: Database

  constructor(db: Database) {
    super()
    this.#db = db
    unqueue()
  }

  override async batch<Op extends Operation[]>(operations: Op): Promise<OperationResults<Op>> {
    const results = await this.#db.run(batchItems, operations.map(translate))
    return results.map(restore) as OperationResults<Op>
  }
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

function translate(operation: Operation): ItemOperation {
  if ('namespacePrefix' in operation) {
    const { namespacePrefix: namespace_prefix, filter, limit = 10, offset = 0 } = operation
    return { search: { namespace_prefix, limit, offset, ...(filter && { filter }) } }
  }
  if ('value' in operation) {
    const { namespace, key, value } = operation
    return { put: { namespace, key, value: value === null ? null : jsonText(value) } }
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

function item({ namespace, key, value, created_at, updated_at }: StoredItem): Item {
  return { namespace, key, value: JSON.parse(value), createdAt: new Date(created_at), updatedAt: new Date(updated_at) }
}
