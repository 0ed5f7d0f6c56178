// The drawing, to move and zoom in. Nodes that are graphs open and close in place.
import {
  BaseEdge,
  type Edge,
  type EdgeProps,
  Handle,
  MarkerType,
  type Node,
  type NodeProps,
  Panel,
  Position,
  ReactFlow,
  ReactFlowProvider,
  useReactFlow,
} from '@xyflow/react'
import '@xyflow/react/dist/base.css'
import {
  ChevronsDownUp,
  ChevronsUpDown,
  CircleAlert,
  CircleCheck,
  CircleHelp,
  Maximize,
  Minus,
  Plus,
} from 'lucide-react'
import { useEffect, useMemo } from 'react'
import { IconButton } from '../../components/button.tsx'
import type { Box, DrawnEdge, DrawnNode, Layout } from './drawing.ts'
import type { Mark, Trace } from './trace.ts'
import './picture.css'

interface PictureProps {
  nodes: readonly DrawnNode[]
  edges: readonly DrawnEdge[]
  layout: Layout
  trace: Trace
  onToggle: (graph: string) => void
}

type StepNode = Node<{ drawn: DrawnNode; mark: Mark | undefined; onToggle: (graph: string) => void }, 'step'>
type TracedEdge = Edge<{ points: { x: number; y: number }[]; label: string | undefined }, 'traced'>

const nodeTypes = { step: Step }
const edgeTypes = { traced: Traced }

/** To the right are the buttons. */
const FIT = { padding: { x: '64px', y: '24px' }, maxZoom: 1.25 } as const

export function Picture(props: PictureProps) {
  return (
    <ReactFlowProvider>
      <Flow {...props} />
    </ReactFlowProvider>
  )
}

function Flow({ nodes, edges, layout, trace, onToggle }: PictureProps) {
  const flow = useReactFlow()
  useEffect(() => {
    if (layout.boxes.size > 0) requestAnimationFrame(() => void flow.fitView(FIT))
  }, [layout, flow])
  const shown = useMemo(
    () => nodes.map((drawn): StepNode => stepOf(drawn, layout.boxes, trace.marks.get(drawn.id), onToggle)),
    [nodes, layout, trace, onToggle],
  )
  const lines = useMemo(
    () =>
      edges.map((edge, n): TracedEdge => {
        const took = trace.took(edge)
        const color = took ? 'var(--c-accent)' : 'var(--c-line-strong)'
        return {
          id: `${edge.source} ${edge.target}`,
          type: 'traced',
          source: edge.source,
          target: edge.target,
          data: { points: layout.paths[n] ?? [], label: edge.label },
          markerEnd: { type: MarkerType.ArrowClosed, color, width: 26, height: 26, markerUnits: 'userSpaceOnUse' },
          style: { stroke: color, strokeWidth: took ? 2.5 : 1.5, ...(edge.conditional && { strokeDasharray: '5 4' }) },
          zIndex: took ? 2 : 1,
        }
      }),
    [edges, layout, trace],
  )
  return (
    <ReactFlow
      nodes={shown}
      edges={lines}
      nodeTypes={nodeTypes}
      edgeTypes={edgeTypes}
      fitView
      fitViewOptions={FIT}
      minZoom={0.1}
      nodesDraggable={false}
      nodesConnectable={false}
      nodesFocusable={false}
      edgesFocusable={false}
      elementsSelectable={false}
      zoomOnDoubleClick={false}
    >
      <Panel position="top-right" className="flex flex-col rounded-md border bg-raised">
        <IconButton icon={Plus} label="Zoom in" onClick={() => void flow.zoomIn()} />
        <IconButton icon={Minus} label="Zoom out" onClick={() => void flow.zoomOut()} />
        <IconButton icon={Maximize} label="Show all of it" onClick={() => void flow.fitView(FIT)} />
      </Panel>
    </ReactFlow>
  )
}

/** Positions of nodes in a graph are counted from its corner. */
function stepOf(
  drawn: DrawnNode,
  boxes: ReadonlyMap<string, Box>,
  mark: Mark | undefined,
  onToggle: (graph: string) => void,
): StepNode {
  const { x, y, width, height } = boxes.get(drawn.id) ?? { x: 0, y: 0, width: 0, height: 0 }
  const outer = drawn.parent === undefined ? undefined : boxes.get(drawn.parent)
  return {
    id: drawn.id,
    type: 'step',
    position: { x: x - (outer?.x ?? 0), y: y - (outer?.y ?? 0) },
    width,
    height,
    ...(drawn.parent !== undefined && { parentId: drawn.parent }),
    data: { drawn, mark, onToggle },
  }
}

const LOOKS: Record<Mark['state'], string> = {
  done: 'border-accent bg-accent-wash',
  running: 'border-live bg-live-wash animate-pulse',
  failed: 'border-bad bg-bad-wash',
  asked: 'border-warn bg-warn-wash',
}

const ICONS = { done: CircleCheck, failed: CircleAlert, asked: CircleHelp, running: undefined }

function Step({ data: { drawn, mark, onToggle } }: NodeProps<StepNode>) {
  const { id, name, kind } = drawn
  const Icon = mark && ICONS[mark.state]
  const look = mark ? LOOKS[mark.state] : 'border-line-strong bg-raised'
  const said = (
    <>
      {Icon && <Icon size={14} aria-hidden className="shrink-0" />}
      {name}
      {mark && <span className="sr-only">, {mark.state}</span>}
      {mark && mark.visits > 1 && <span className="text-xs font-normal tabular-nums">×{mark.visits}</span>}
    </>
  )
  return (
    <>
      <Handle type="target" position={Position.Top} isConnectable={false} />
      {kind === 'open' && (
        <div
          className={`size-full rounded-lg border-2 border-dashed ${mark ? LOOKS[mark.state] : 'border-thread-graph bg-hover'} bg-transparent!`}
        >
          <button
            type="button"
            aria-expanded
            onClick={() => onToggle(id)}
            className="nopan pointer-events-auto flex h-8 items-center gap-1.5 rounded-md px-2.5 font-medium text-thread-graph hover:underline"
          >
            <ChevronsDownUp size={14} aria-hidden />
            {name}
            {mark && <span className="sr-only">, {mark.state}</span>}
          </button>
        </div>
      )}
      {kind === 'closed' && (
        <button
          type="button"
          aria-expanded={false}
          onClick={() => onToggle(id)}
          className={`nopan pointer-events-auto flex size-full items-center justify-center gap-1.5 rounded-lg border-2 border-double font-medium hover:bg-hover ${look}`}
        >
          <ChevronsUpDown size={14} aria-hidden className="text-thread-graph" />
          {said}
        </button>
      )}
      {(kind === 'node' || kind === 'end') && (
        <div
          className={`flex size-full items-center justify-center gap-1.5 border font-medium ${kind === 'end' ? 'rounded-full border-line-strong bg-sunken text-muted' : `rounded-lg ${look}`}`}
        >
          {said}
        </div>
      )}
      <Handle type="source" position={Position.Bottom} isConnectable={false} />
    </>
  )
}

function Traced({ data, markerEnd, style }: EdgeProps<TracedEdge>) {
  const points = data?.points ?? []
  const middle = points[Math.floor(points.length / 2)]
  return (
    <BaseEdge
      path={curve(points)}
      {...(markerEnd && { markerEnd })}
      {...(style && { style })}
      {...(data?.label && middle && { label: data.label, labelX: middle.x, labelY: middle.y })}
    />
  )
}

/** Through the middles between its corners, round. */
function curve(points: { x: number; y: number }[]): string {
  const [first, ...rest] = points
  if (!first) return ''
  const last = rest.pop()
  const turns = rest.map((corner, n) => {
    const next = rest[n + 1] ?? last ?? corner
    const end = n === rest.length - 1 ? next : { x: (corner.x + next.x) / 2, y: (corner.y + next.y) / 2 }
    return `Q${corner.x},${corner.y} ${end.x},${end.y}`
  })
  return `M${first.x},${first.y} ${turns.length > 0 ? turns.join(' ') : `L${last?.x},${last?.y}`}`
}
