// The drawing in words: each node, how it went, and where it leads.
import { StatusBadge } from '../../components/badge.tsx'
import type { DrawnEdge, DrawnNode } from './drawing.ts'
import type { Mark, Trace } from './trace.ts'

const WORDS: Record<Mark['state'], string> = { done: 'success', running: 'running', failed: 'error', asked: 'waiting' }

export function NodeList({
  nodes,
  edges,
  trace,
}: {
  nodes: readonly DrawnNode[]
  edges: readonly DrawnEdge[]
  trace: Trace
}) {
  const names = new Map(nodes.map(({ id, name }) => [id, name]))
  return (
    <ol aria-label="Nodes" className="divide-y">
      {nodes
        .filter(({ kind }) => kind !== 'open')
        .map(({ id, name }) => {
          const mark = trace.marks.get(id)
          const out = edges.filter(({ source }) => source === id)
          return (
            <li key={id} className="flex flex-wrap items-center gap-x-3 gap-y-1 px-4 py-2.5">
              <span className="font-medium">{id.includes(':') ? id.replaceAll(':', ' › ') : name}</span>
              {mark && <StatusBadge status={WORDS[mark.state]} />}
              {mark && mark.visits > 1 && <span className="text-xs text-muted">{mark.visits} times</span>}
              {out.length > 0 && (
                <span className="text-muted">
                  leads to{' '}
                  {out.map(edge => `${names.get(edge.target)}${edge.conditional ? ', if so decided' : ''}`).join('; ')}
                </span>
              )}
            </li>
          )
        })}
    </ol>
  )
}
