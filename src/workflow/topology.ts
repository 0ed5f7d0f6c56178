// Who waits for whom in a plan, and what a dependency has come to (contracts: workflows §5, §9).
import type { Json } from '../core/json.ts'
import { holds } from './conditions.ts'
import type { Edge, Plan } from './plan.ts'

/** A node as those that depend on it see it. `skipped`: it will not run, because its own dependencies passed it by. */
export interface Standing {
  status: 'pending' | 'running' | 'waiting' | 'succeeded' | 'failed' | 'skipped'
  output?: Json
}

/** `met`: it counts. `dead`: it never will. */
export type Dependency = { from: string; state: 'open' | 'met' | 'dead' }

export class Topology {
  readonly #into = new Map<string, Map<string, Edge[]>>()
  readonly #outOf = new Map<string, Set<string>>()

  constructor({ edges }: Plan) {
    for (const edge of edges) {
      const into = this.#into.get(edge.to) ?? new Map<string, Edge[]>()
      this.#into.set(edge.to, into.set(edge.from, [...(into.get(edge.from) ?? []), edge]))
      this.#outOf.set(edge.from, (this.#outOf.get(edge.from) ?? new Set()).add(edge.to))
    }
  }

  successors(id: string): Iterable<string> {
    return this.#outOf.get(id) ?? []
  }

  /** Several edges from one node mean "or". */
  dependencies(id: string, standing: (id: string) => Standing): Dependency[] {
    return [...(this.#into.get(id) ?? [])].map(([from, edges]) => ({ from, state: stateOf(edges, standing(from)) }))
  }
}

function stateOf(edges: readonly Edge[], { status, output }: Standing): Dependency['state'] {
  if (status === 'skipped') return 'dead'
  if (status !== 'succeeded' && status !== 'failed') return 'open'
  const counts = ({ when }: Edge) => {
    if (status === 'failed' && when?.source !== 'node_status') return false
    return when ? holds(when, { status, output }) : true
  }
  return edges.some(counts) ? 'met' : 'dead'
}
