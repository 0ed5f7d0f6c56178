// A run as bars over time, a line for each thing it did. What comes after the event one looks at is faint.
import { useVirtualizer } from '@tanstack/react-virtual'
import { Bot, Box, Layers, type LucideIcon, RotateCw, Wrench } from 'lucide-react'
import { useEffect, useRef } from 'react'
import { durationOf } from '../../components/time.tsx'
import type { RunEvent } from './run-events.ts'
import type { Span, SpanKind } from './spans.ts'

const ROW = 28
/** Names, bars, durations. */
const GRID = 'grid grid-cols-[minmax(7.5rem,2fr)_3fr_4rem] items-center gap-2'

const LOOKS: Record<SpanKind, { icon: LucideIcon; label: string; bar: string; text: string }> = {
  attempt: { icon: RotateCw, label: 'Attempt', bar: 'bg-line-strong', text: 'text-muted' },
  node: { icon: Box, label: 'Node', bar: 'bg-thread-node', text: 'text-thread-node' },
  graph: { icon: Layers, label: 'Sub-graph', bar: 'bg-thread-graph', text: 'text-thread-graph' },
  model: { icon: Bot, label: 'Model call', bar: 'bg-thread-model', text: 'text-thread-model' },
  tool: { icon: Wrench, label: 'Tool', bar: 'bg-thread-tool', text: 'text-thread-tool' },
}

interface TimelineProps {
  events: readonly RunEvent[]
  spans: readonly Span[]
  /** The place in the list of the event one looks at. */
  at: number
  onMove: (at: number) => void
}

export function Timeline({ events, spans, at, onMove }: TimelineProps) {
  const box = useRef<HTMLDivElement>(null)
  const rows = useVirtualizer({
    count: spans.length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW,
    overscan: 12,
  })
  const { scrollToIndex } = rows
  const newest = spans.reduce((last, { from }, n) => (from <= at && from >= (spans[last]?.from ?? 0) ? n : last), 0)
  useEffect(() => scrollToIndex(newest, { align: 'auto' }), [newest, scrollToIndex])
  const timeAt = (place: number) => Date.parse(events[place]?.created_at ?? '')
  const begin = timeAt(0)
  const length = Math.max(timeAt(events.length - 1) - begin, 1)
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className={`${GRID} border-b px-3 py-1.5 text-xs text-muted`} aria-hidden>
        <span>What</span>
        <span className="flex justify-between tabular-nums">
          <span>0</span>
          <span className="max-sm:hidden">{durationOf(length / 2)}</span>
          <span>{durationOf(length)}</span>
        </span>
        <span className="text-right">Took</span>
      </div>
      <section ref={box} aria-label="Timeline" className="min-h-0 flex-1 overflow-x-hidden overflow-y-auto">
        <ul className="relative" style={{ height: rows.getTotalSize() }}>
          {rows.getVirtualItems().map(({ index, start }) => {
            const span = spans[index] as Span
            const from = timeAt(span.from)
            const until = timeAt(Math.min(span.to ?? events.length - 1, Math.max(at, span.from)))
            const all = timeAt(span.to ?? events.length - 1)
            return (
              <li
                key={span.id}
                aria-setsize={spans.length}
                aria-posinset={index + 1}
                className="absolute inset-x-0"
                style={{ height: ROW, transform: `translateY(${start}px)` }}
              >
                <Row
                  span={span}
                  begun={span.from <= at}
                  working={span.from <= at && (span.to === undefined || span.to > at)}
                  left={(from - begin) / length}
                  done={(until - from) / length}
                  whole={(all - from) / length}
                  ms={all - from}
                  onSelect={() => onMove(span.from)}
                />
              </li>
            )
          })}
        </ul>
      </section>
      <ul aria-label="Colours" className="flex flex-wrap gap-x-4 gap-y-1 border-t px-3 py-1.5 text-xs text-muted">
        {LEGEND.map(kind => (
          <li key={kind} className="flex items-center gap-1.5">
            <span className={`size-2 rounded-sm ${LOOKS[kind].bar}`} />
            {LOOKS[kind].label}
          </li>
        ))}
      </ul>
    </div>
  )
}

const LEGEND = ['node', 'graph', 'model', 'tool'] as const

interface RowProps {
  span: Span
  begun: boolean
  working: boolean
  /** Parts of the whole, from 0 to 1: where it begins, how long it is, and how much of it one has seen. */
  left: number
  done: number
  whole: number
  ms: number
  onSelect: () => void
}

function Row({ span, begun, working, left, done, whole, ms, onSelect }: RowProps) {
  const { icon: Icon, label, bar, text } = LOOKS[span.kind]
  const colour = span.failed ? 'bg-bad' : bar
  const { tokens } = span
  return (
    <button
      type="button"
      onClick={onSelect}
      title={`${label} ${span.name}`}
      className={`${GRID} size-full px-3 text-left hover:bg-hover ${begun ? '' : 'text-muted'}`}
    >
      <span className="flex min-w-0 items-center gap-1.5" style={{ paddingLeft: Math.min(span.depth, 8) * 12 }}>
        <Icon size={13} aria-hidden className={`shrink-0 ${span.failed ? 'text-bad' : text}`} />
        <span className={`truncate ${span.kind === 'attempt' ? 'font-medium' : ''}`}>
          {!span.name.startsWith(label) && <span className="sr-only">{label} </span>}
          {span.name}
          {span.failed && <span className="sr-only"> failed</span>}
        </span>
        {span.asked && <span className="text-xs text-warn">asked</span>}
        {tokens && (
          <span className={`shrink-0 text-xs tabular-nums max-sm:hidden ${text}`}>
            {tokens.input} → {tokens.output} tok
          </span>
        )}
      </span>
      <span className="relative h-3">
        <span
          className={`absolute inset-y-0 min-w-0.75 rounded-sm opacity-25 ${colour}`}
          style={{ left: share(left), width: share(whole) }}
        />
        {begun && (
          <span
            className={`absolute inset-y-0 min-w-0.75 rounded-sm ${colour} ${working ? 'animate-pulse' : ''}`}
            style={{ left: share(left), width: share(done) }}
          />
        )}
      </span>
      <span className="truncate text-right text-xs tabular-nums">{durationOf(ms)}</span>
    </button>
  )
}

/** The bar's least width stays inside. */
function share(part: number): string {
  return `min(${(part * 100).toFixed(3)}%, 100% - 3px)`
}
