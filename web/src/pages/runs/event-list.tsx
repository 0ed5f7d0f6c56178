// All events of a run, in order; only those in sight are in the page. The arrow keys move through them.
import { useVirtualizer } from '@tanstack/react-virtual'
import { type KeyboardEvent, useEffect, useId, useRef } from 'react'
import type { RunEvent } from './run-events.ts'
import { taskOf } from './spans.ts'

const ROW = 28
const PAGE_ROWS = 15

const COLOURS: Record<string, string> = {
  metadata: 'text-muted',
  error: 'text-bad',
  interrupt: 'text-warn',
  messages: 'text-thread-model',
  tasks: 'text-thread-node',
  updates: 'text-thread-node',
  custom: 'text-thread-tool',
  values: 'text-thread-graph',
  checkpoints: 'text-thread-graph',
}

export function EventList({
  events,
  at,
  onMove,
}: {
  events: readonly RunEvent[]
  at: number
  onMove: (at: number) => void
}) {
  const box = useRef<HTMLDivElement>(null)
  const id = useId()
  const rows = useVirtualizer({
    count: events.length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW,
    overscan: 16,
  })
  const { scrollToIndex } = rows
  useEffect(() => {
    if (at >= 0) scrollToIndex(at, { align: 'auto' })
  }, [at, scrollToIndex])
  const onKeyDown = (event: KeyboardEvent) => {
    const moves: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      PageDown: at + PAGE_ROWS,
      PageUp: at - PAGE_ROWS,
      Home: 0,
      End: events.length - 1,
    }
    const to = moves[event.key]
    if (to === undefined) return
    event.preventDefault()
    onMove(Math.max(0, Math.min(events.length - 1, to)))
  }
  const begin = Date.parse(events[0]?.created_at ?? '')
  return (
    <div
      ref={box}
      role="listbox"
      aria-label="Events"
      aria-activedescendant={at >= 0 ? `${id}${at}` : undefined}
      tabIndex={0}
      onKeyDown={onKeyDown}
      className="min-h-0 flex-1 overflow-y-auto"
    >
      <div className="relative" style={{ height: rows.getTotalSize() }}>
        {rows.getVirtualItems().map(({ index, start }) => {
          const event = events[index] as RunEvent
          return (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the list has the keys
            <div
              key={event.seq}
              id={`${id}${index}`}
              role="option"
              tabIndex={-1}
              aria-selected={index === at}
              aria-setsize={events.length}
              aria-posinset={index + 1}
              onClick={() => onMove(index)}
              className={`absolute inset-x-0 flex items-center gap-2 px-3 ${index === at ? 'bg-accent-wash' : 'hover:bg-hover'} ${index > at ? 'text-muted' : ''}`}
              style={{ height: ROW, transform: `translateY(${start}px)` }}
            >
              <span className="w-10 shrink-0 text-right text-xs text-muted tabular-nums">{index + 1}</span>
              <span className={`w-21 shrink-0 truncate font-medium ${COLOURS[event.event_type] ?? ''}`}>
                {event.event_type}
              </span>
              <span className="min-w-0 flex-1 truncate font-mono text-xs">{gist(event)}</span>
              <span className="shrink-0 text-xs text-muted tabular-nums">
                +{((Date.parse(event.created_at) - begin) / 1000).toFixed(2)} s
              </span>
            </div>
          )
        })}
      </div>
    </div>
  )
}

/** What an event says, in a line. */
function gist({ event_type, content, metadata }: RunEvent): string {
  const where = metadata.namespace?.map(part => part.split(':')[0]).join(' › ')
  const said = saidBy(event_type, content)
  return where && event_type !== 'messages' ? `${where} › ${said}` : said
}

function saidBy(type: string, content: unknown): string {
  if (type === 'tasks') {
    const { name, input, error } = taskOf({ content }) ?? {}
    return `${name} ${input !== undefined ? 'begins' : error ? 'fails' : 'is done'}`
  }
  if (typeof content === 'string') return content.slice(0, 200)
  const fields = content as Record<string, unknown>
  if (type === 'metadata') return `attempt ${fields.attempt}`
  if (type === 'error') return `${fields.error}: ${fields.message}`
  if (type === 'checkpoints') return `step ${(fields.metadata as { step?: number } | undefined)?.step ?? ''}`
  if (type === 'messages') return textOf((content as [Record<string, unknown>])[0])
  if (type === 'updates' || type === 'values') return Object.keys(fields).join(', ')
  return JSON.stringify(content).slice(0, 200)
}

function textOf({ content, tool_call_chunks }: Record<string, unknown>): string {
  if (typeof content === 'string' && content) return content.slice(0, 200)
  const [call] = (tool_call_chunks as { name?: string; args?: string }[] | undefined) ?? []
  if (call) return `${call.name ? `calls ${call.name} ` : ''}${call.args ?? ''}`
  return content ? JSON.stringify(content).slice(0, 200) : ''
}
