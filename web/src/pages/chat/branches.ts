// The checkpoints of a thread as a tree, and what of it is on the page: the way from the beginning to one head. Saying a
// message differently, or having it answered anew, starts from the checkpoint before it, and so is another branch there.
export interface Place {
  checkpoint: { checkpoint_id?: string | null }
  parent_checkpoint?: { checkpoint_id?: string | null } | null
  metadata?: { source?: string; run_id?: string } | null
}

interface Node {
  id: string
  parent: string | undefined
  source: string | undefined
  run_id: string | undefined
  children: string[]
}

/** The ways that a question went on: heads of branches, oldest first, and which of them is on the page. */
export interface Alternatives {
  heads: string[]
  shown: number
}

export class Branches {
  readonly #nodes = new Map<string, Node>()
  /** Heads by the checkpoint that they are below; the newest where there are several. */
  readonly #newest = new Map<string, string>()
  readonly #path: Node[]

  /** `places` from the newest to the oldest; `head` is the checkpoint that is shown. */
  constructor(places: readonly Place[], head: string | undefined) {
    for (const { checkpoint, parent_checkpoint, metadata } of places.toReversed()) {
      const id = checkpoint.checkpoint_id
      if (!id) continue
      const parent = parent_checkpoint?.checkpoint_id ?? undefined
      const [source, run_id] = [metadata?.source, metadata?.run_id]
      this.#nodes.set(id, { id, parent, source, run_id, children: [] })
      if (parent) this.#nodes.get(parent)?.children.push(id)
      for (const above of this.#above(id)) this.#newest.set(above.id, id)
    }
    this.#path = head === undefined ? [] : this.#above(head)
  }

  /** The checkpoint before the message that a run was started with: where another message starts from. */
  before(run_id: string): string | undefined {
    return this.#path.find(node => node.source === 'input' && node.run_id === run_id)?.id
  }

  /** Where this run's question went on in more than one way. */
  alternatives(run_id: string): Alternatives | undefined {
    const asked = this.#path.findIndex(node => node.source === 'input' && node.run_id === run_id)
    if (asked < 0) return undefined
    // What was asked in its place began at its own first checkpoint, so that several stand below each other.
    let top = asked
    while (this.#path[top + 1]?.source === 'input') top++
    const above = this.#path[top + 1]
    const firsts = above ? above.children : this.#roots()
    const ways = firsts.flatMap(id => this.#ways(id))
    const shown = ways.findIndex(id => this.#path.some(node => node.id === id && !this.#isPassed(node)))
    if (ways.length < 2 || shown < 0) return undefined
    return { heads: ways.map(id => this.#newest.get(id) ?? id), shown }
  }

  #above(id: string): Node[] {
    const above: Node[] = []
    for (let node = this.#nodes.get(id); node; node = node.parent ? this.#nodes.get(node.parent) : undefined)
      above.push(node)
    return above
  }

  #roots(): string[] {
    return [...this.#nodes.values()].filter(({ parent }) => !parent || !this.#nodes.has(parent)).map(({ id }) => id)
  }

  /** The first checkpoints after the question, through those that were asked in its place. */
  #ways(id: string): string[] {
    const node = this.#nodes.get(id)
    if (!node) return []
    if (node.source !== 'input' || node.children.length === 0) return [id]
    return node.children.flatMap(child => this.#ways(child))
  }

  /** A question on the path that went on. */
  #isPassed(node: Node): boolean {
    return node.source === 'input' && node.children.length > 0
  }
}
