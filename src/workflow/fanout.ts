// A fan-out at work: which items are done, which are at work, which is next. Results stand in the order of the items.
import type { Json } from '../core/json.ts'
import type { PlanNode } from './plan.ts'
import type { NodeRecord } from './records.ts'
import { itemsOf, type Scope } from './values.ts'

export interface Item {
  fanout: Fanout
  index: number
  /** Of its execution: `parent__subnode__index`. */
  id: string
  /** Sorts as the items do. */
  key: string
  value: Json
}

export class Fanout {
  readonly node: PlanNode & { type: 'map.fanout' }
  readonly results: Json[]
  readonly #values: Json[]
  readonly #most: number
  readonly #done: Set<number>
  #at = 0
  #working = 0

  /** Throws a NodeFailure when there are no items to be found. `recordOf` tells what became of an item before. */
  constructor(
    node: PlanNode & { type: 'map.fanout' },
    scope: Scope,
    most: number,
    recordOf: (id: string) => NodeRecord | undefined,
  ) {
    this.node = node
    this.#most = most
    this.#values = itemsOf(node.input, scope)
    const records = this.#values.map((_, index) => recordOf(this.#idOf(index)))
    this.results = records.map(record => record?.output)
    this.#done = new Set(records.flatMap((record, index) => (record?.status === 'succeeded' ? index : [])))
  }

  /** The next item that may start; undefined when none may, or none is left. */
  next(): Item | undefined {
    while (this.#done.has(this.#at)) this.#at++
    if (this.#working >= this.#most || this.#at >= this.#values.length) return undefined
    const index = this.#at++
    this.#working++
    const key = `${this.node.id} ${String(index).padStart(9, '0')}`
    return { fanout: this, index, id: this.#idOf(index), key, value: this.#values[index] }
  }

  finish({ index }: Item, output: Json) {
    this.results[index] = output
    this.#done.add(index)
    this.#working--
  }

  /** An item that waits for its client leaves its place to another. */
  pause() {
    this.#working--
  }

  resume() {
    this.#working++
  }

  get isComplete(): boolean {
    return this.#done.size === this.#values.length
  }

  #idOf(index: number): string {
    return `${this.node.id}__${this.node.input.subnode.id}__${index}`
  }
}
