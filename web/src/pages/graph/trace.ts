// What a run did in a drawing: which nodes it was in and how that went, and which edges it took. Events do not name edges: an
// edge was taken where its end was begun right after its beginning was done.
import type { Span } from '../runs/spans.ts'
import type { DrawnEdge } from './drawing.ts'

export interface Mark {
  state: 'done' | 'running' | 'failed' | 'asked'
  visits: number
}

export interface Trace {
  /** By a node's path. */
  marks: ReadonlyMap<string, Mark>
  took: (edge: DrawnEdge) => boolean
}

export const NO_TRACE: Trace = { marks: new Map(), took: () => false }

export function traceOf(spans: readonly Span[], succeeded: boolean): Trace {
  const marks = new Map<string, Mark>()
  const siblings = new Map<string, Span[]>()
  for (const span of spans) {
    if (span.path === undefined || span.within === undefined) continue
    const visits = (marks.get(span.path)?.visits ?? 0) + 1
    const state = span.failed ? 'failed' : span.asked ? 'asked' : span.to === undefined ? 'running' : 'done'
    marks.set(span.path, { state, visits })
    const group = siblings.get(span.within)
    if (group) group.push(span)
    else siblings.set(span.within, [span])
  }
  const moves = [...siblings].flatMap(([within, group]) => movesIn(group, within.startsWith('attempt-'), succeeded))
  const isAt = (id: string, path: string) => id === path || id.startsWith(`${path}:`)
  const wasAt = (id: string) => marks.has(id) || id === '__start__' || id === '__end__'
  return {
    marks,
    took: ({ source, target }) =>
      wasAt(source) && wasAt(target) && moves.some(([from, to]) => isAt(source, from) && isAt(target, to)),
  }
}

/** From each step of one graph to the next: nodes that were begun before any of them was done are one step. */
function movesIn(spans: readonly Span[], root: boolean, succeeded: boolean): [from: string, to: string][] {
  const steps: Span[][] = []
  for (const span of [...spans].sort((a, b) => a.from - b.from)) {
    const last = steps.at(-1)
    const together = last?.every(({ to }) => to === undefined || to > span.from)
    if (last && together) last.push(span)
    else steps.push([span])
  }
  const begun = steps.map(step => step.map(({ path = '' }) => path))
  // What asks or fails leads nowhere.
  const done = steps.map(step => step.flatMap(({ path, asked, failed }) => (path && !asked && !failed ? path : [])))
  if (root) done.unshift(['__start__'])
  if (root && succeeded) begun.push(['__end__'])
  const onwards = root ? begun : begun.slice(1)
  return onwards.flatMap((step, n) => (done[n] ?? []).flatMap(from => step.map((to): [string, string] => [from, to])))
}
