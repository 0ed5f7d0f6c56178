// The event one looks at, as it is in the log; and what the thread's state was then.
import { useMemo } from 'react'
import { JsonView } from '../../components/json-view.tsx'
import { Tabs } from '../../components/tabs.tsx'
import type { RunEvent } from './run-events.ts'

export function EventDetail({ events, at }: { events: readonly RunEvent[]; at: number }) {
  const event = events[at]
  const state = useMemo(
    () => events.findLast(({ event_type, metadata }, n) => n <= at && event_type === 'values' && !metadata.namespace),
    [events, at],
  )
  if (!event) return null
  return (
    <Tabs
      label="Event and state"
      tabs={[
        {
          id: 'event',
          label: `Event ${at + 1}`,
          content: <Shown key={event.seq} event={event} value={rawOf(event)} />,
        },
        {
          id: 'state',
          label: 'State then',
          content: state ? (
            <Shown key={state.seq} event={state} value={state.content} />
          ) : (
            <p className="p-4 text-muted">The run had stored no state by then.</p>
          ),
        },
      ]}
    />
  )
}

/** As the API has it, what it says first. */
function rawOf({ event_type, content, ...rest }: RunEvent): object {
  return { event_type, content, ...rest }
}

function Shown({ event, value }: { event: RunEvent; value: unknown }) {
  return (
    <div className="p-3">
      {event.metadata.content_truncated && (
        <p className="mb-2 text-muted">Longer than what is kept for this view: this is its beginning.</p>
      )}
      <JsonView value={value} depth={2} />
    </div>
  )
}
