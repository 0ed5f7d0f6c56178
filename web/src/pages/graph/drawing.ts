// A graph as the server draws it, with the graphs in it opened one by one. The server gives the whole depth at once; a graph
// that is closed here is drawn as one node.
import dagre from '@dagrejs/dagre'

export interface Drawing {
  nodes: { id: string }[]
  edges: { source: string; target: string; conditional?: boolean; data?: string | null }[]
}

export interface DrawnNode {
  /** `outer:inner`: names from the outermost graph on. */
  id: string
  name: string
  /** The open graph that it is in. */
  parent?: string
  /** `open` and `closed` are graphs. */
  kind: 'node' | 'open' | 'closed' | 'end'
}

export interface DrawnEdge {
  source: string
  target: string
  conditional: boolean
  label?: string
}

export interface Box {
  /** The upper left corner, and the size, in pixels. */
  x: number
  y: number
  width: number
  height: number
}

export interface Layout {
  boxes: Map<string, Box>
  /** The corners of each edge, in the order of the edges. */
  paths: { x: number; y: number }[][]
}

/** All graphs in a drawing, outer ones first. */
export function graphsIn({ nodes }: Drawing): string[] {
  const paths = nodes.flatMap(({ id }) => {
    const parts = id.split(':')
    return parts.slice(1).map((_, n) => parts.slice(0, n + 1).join(':'))
  })
  return [...new Set(paths)].sort()
}

/** What is drawn when these graphs are open. */
export function opened(drawing: Drawing, open: ReadonlySet<string>): { nodes: DrawnNode[]; edges: DrawnEdge[] } {
  const graphs = graphsIn(drawing)
  /** The outermost closed graph that a node is in, or itself. */
  const shownAs = (id: string) => graphs.find(graph => !open.has(graph) && id.startsWith(`${graph}:`)) ?? id
  const nodes = new Map<string, DrawnNode>()
  const add = (id: string, kind: DrawnNode['kind']) => {
    const at = id.lastIndexOf(':')
    const name = { __start__: 'Start', __end__: 'End' }[id] ?? id.slice(at + 1)
    nodes.set(id, { id, name, kind, ...(at > 0 && { parent: id.slice(0, at) }) })
  }
  for (const graph of graphs) if (open.has(graph) && shownAs(graph) === graph) add(graph, 'open')
  for (const { id } of drawing.nodes) {
    const shown = shownAs(id)
    if (!nodes.has(shown)) add(shown, id === '__start__' || id === '__end__' ? 'end' : shown === id ? 'node' : 'closed')
  }
  const edges = new Map<string, DrawnEdge>()
  for (const { source, target, conditional = false, data } of drawing.edges) {
    const edge = { source: shownAs(source), target: shownAs(target), conditional, ...(data && { label: data }) }
    const inside = edge.source === edge.target && source !== target
    if (!inside) edges.set(`${edge.source} ${edge.target}`, edge)
  }
  return { nodes: [...nodes.values()], edges: [...edges.values()] }
}

const NODE_HEIGHT = 40
const LETTER = 7.5
const BESIDE = 64
/** Room for an open graph's name. */
const HEAD = 30

export function layOut(nodes: readonly DrawnNode[], edges: readonly DrawnEdge[]): Layout {
  const graph = new dagre.graphlib.Graph({ compound: true, multigraph: false })
  graph.setGraph({ rankdir: 'TB', nodesep: 36, ranksep: 52, marginx: 12, marginy: 12 })
  graph.setDefaultEdgeLabel(() => ({}))
  for (const { id, name, kind } of nodes) {
    const width = Math.max(88, name.length * LETTER + BESIDE)
    graph.setNode(id, kind === 'open' ? {} : { width, height: NODE_HEIGHT })
  }
  for (const { id, parent } of nodes) if (parent) graph.setParent(id, parent)
  for (const { source, target } of edges) graph.setEdge(source, target)
  dagre.layout(graph)
  const boxes = new Map<string, Box>()
  for (const { id, kind } of nodes) {
    const { x, y, width, height } = graph.node(id) as Box
    const head = kind === 'open' ? HEAD : 0
    boxes.set(id, { x: x - width / 2, y: y - height / 2 - head, width, height: height + head })
  }
  return { boxes, paths: edges.map(({ source, target }) => graph.edge(source, target)?.points ?? []) }
}
