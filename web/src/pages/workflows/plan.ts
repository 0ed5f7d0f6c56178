// What the page reads of a plan, and the drawing of it.
import type { InputDeclaration } from '../../../../src/protocol/workflow-spec.ts'
import type { DrawnEdge, DrawnNode } from '../graph/drawing.ts'

export interface Plan {
  nodes: { id: string; type: string }[]
  edges: { from: string; to: string; when?: unknown }[]
  inputs: InputDeclaration[]
}

/** Several edges between the same two nodes are drawn as one. */
export function drawingOf({ nodes, edges }: Plan): { nodes: DrawnNode[]; edges: DrawnEdge[] } {
  const byEnds = new Map<string, DrawnEdge>()
  for (const { from, to, when } of edges) {
    byEnds.set(`${from} ${to}`, { source: from, target: to, conditional: when !== undefined })
  }
  return { nodes: nodes.map(({ id }) => ({ id, name: id, kind: 'node' as const })), edges: [...byEnds.values()] }
}
