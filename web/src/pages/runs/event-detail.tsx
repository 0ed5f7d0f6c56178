// The event one looks at, as it is in the log; and what the thread's state was then.
import type { Run } from '@langchain/langgraph-sdk'
import { useQuery } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { Button } from '../../components/button.tsx'
import { ErrorNote } from '../../components/error-note.tsx'
import { JsonView } from '../../components/json-view.tsx'
import { Tabs } from '../../components/tabs.tsx'
import { type RunEvent, wholeContent } from './run-events.ts'

export function EventDetail({ run, events, at }: { run: Run; events: readonly RunEvent[]; at: number }) {
  const event = events[at]
  const stored = useMemo(
    () =>
      events.findLastIndex(({ event_type, metadata }, n) => n <= at && event_type === 'values' && !metadata.namespace),
    [events, at],
  )
  const state = events[stored]
  if (!event) return null
  return (
    <Tabs
      label="Event and state"
      tabs={[
        {
          id: 'event',
          label: `Event ${at + 1}`,
          content: <Shown key={event.seq} run={run} event={event} place={at} value={rawOf} />,
        },
        {
          id: 'state',
          label: 'State then',
          content: state ? (
            <Shown key={state.seq} run={run} event={state} place={stored} value={({ content }) => content} />
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

interface ShownProps {
  run: Run
  event: RunEvent
  place: number
  /** What is shown of it. */
  value: (event: RunEvent) => unknown
}

function Shown({ run, event, place, value }: ShownProps) {
  const [asked, setAsked] = useState(false)
  const { content_truncated: cut, namespace } = event.metadata
  const whole = useQuery({
    queryKey: ['event', run.run_id, place],
    queryFn: ({ signal }) => wholeContent(run, place, signal),
    enabled: asked,
    staleTime: Number.POSITIVE_INFINITY,
  })
  const shown = whole.data === undefined ? event : { ...event, content: whole.data }
  return (
    <div className="grid grid-cols-[minmax(0,1fr)] gap-2 p-3">
      {cut && whole.data === undefined && (
        <div className="flex items-center gap-2 text-muted">
          <p className="flex-1">It is long: this is its beginning.</p>
          {/* Streams show a sub-graph's events only where the run was asked to. */}
          {!namespace && (
            <Button disabled={whole.isFetching} onClick={() => setAsked(true)}>
              Read all of it
            </Button>
          )}
        </div>
      )}
      {whole.isError && <ErrorNote error={whole.error} onRetry={() => void whole.refetch()} />}
      <JsonView key={String(whole.isSuccess)} value={value(shown)} depth={2} />
    </div>
  )
}
