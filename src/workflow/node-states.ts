// What has become of a run's nodes so far. Every change is an event with the row that it leaves, in one commit.
import type { Json } from '../core/json.ts'
import { errorOf } from './failure.ts'
import type { Journal } from './journal.ts'
import { type NodeRecord, nodeRow } from './records.ts'
import type { Standing } from './topology.ts'
import { artifact } from './values.ts'

export class NodeStates {
  readonly #journal: Journal
  /** Nodes and items that have begun. */
  readonly #records = new Map<string, NodeRecord>()
  readonly #skipped = new Set<string>()

  constructor(journal: Journal) {
    this.#journal = journal
  }

  restore(record: NodeRecord) {
    this.#records.set(record.node_id, record)
  }

  get(id: string): NodeRecord | undefined {
    return this.#records.get(id)
  }

  standing(id: string): Standing {
    if (this.#skipped.has(id)) return { status: 'skipped' }
    const record = this.#records.get(id)
    return record ? { status: record.status, output: record.output } : { status: 'pending' }
  }

  skip(id: string) {
    this.#skipped.add(id)
  }

  /** The record of a node or an item, which begins with it. */
  begin(node_id: string, parent_id: string | null = null): NodeRecord {
    const known = this.#records.get(node_id)
    if (known) return known
    const times = { started_ms: Date.now(), ended_ms: null }
    const record: NodeRecord = { node_id, parent_id, status: 'running', ...times, output: undefined, error: null }
    this.#records.set(node_id, record)
    this.#journal.append('node_started', { node_id }, [this.row(record)])
    return record
  }

  succeed(node_id: string, output: Json) {
    const record = Object.assign(this.begin(node_id), { status: 'succeeded', output, ended_ms: Date.now() })
    this.#journal.append('node_output', { node_id, output: artifact('node_output.v0', output) })
    this.#journal.append('node_succeeded', { node_id }, [this.row(record)])
  }

  fail(node_id: string, parent_id: string | null, cause: unknown) {
    const error = errorOf(cause)
    const record = Object.assign(this.begin(node_id, parent_id), { status: 'failed', error, ended_ms: Date.now() })
    const { detail: _, ...shown } = error
    this.#journal.append('node_failed', { node_id, error: shown }, [this.row(record)])
  }

  row(record: NodeRecord) {
    return nodeRow(this.#journal.run_id, record)
  }
}
