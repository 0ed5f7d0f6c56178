// One run: what it did over time, every event of it, and how things were at any of them; live while it runs.
import type { Run } from '@langchain/langgraph-sdk'
import { useMutation, useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { History, ListX, Square, Waypoints } from 'lucide-react'
import { useMemo, useState } from 'react'
import { currentClient, queries } from '../../api.ts'
import { useAssistantNames } from '../../assistants.ts'
import { StatusBadge } from '../../components/badge.tsx'
import { Button } from '../../components/button.tsx'
import { ConfirmDialog, Dialog } from '../../components/dialog.tsx'
import { EmptyState } from '../../components/empty-state.tsx'
import { ErrorNote } from '../../components/error-note.tsx'
import { PageFrame } from '../../components/panel.tsx'
import { Spinner } from '../../components/spinner.tsx'
import { Duration, Time } from '../../components/time.tsx'
import { CopyCurl } from './copy-curl.tsx'
import { EventDetail } from './event-detail.tsx'
import { EventList } from './event-list.tsx'
import { Replay } from './replay.tsx'
import { isInFlight, runQuery, useRunEvents } from './run-events.ts'
import { workOf } from './spans.ts'
import { Timeline } from './timeline.tsx'

const REFRESH_MS = 2_000

export default function RunPage() {
  const { threadId = '', runId = '' } = useParams({ strict: false })
  const run = useQuery({
    ...runQuery({ thread_id: threadId, run_id: runId }),
    refetchInterval: ({ state }) => (isInFlight(state.data) ? REFRESH_MS : false),
  })
  return (
    <PageFrame
      title="Run"
      note={run.data && <StatusBadge status={run.data.status} />}
      actions={run.data && <Actions run={run.data} />}
    >
      {run.isError && <ErrorNote error={run.error} onRetry={() => void run.refetch()} />}
      {run.isPending && <Spinner label="Opening the run" />}
      {run.data && <Body key={runId} run={run.data} />}
    </PageFrame>
  )
}

function Actions({ run }: { run: Run }) {
  const [asked, setAsked] = useState(false)
  const cancel = useMutation({
    mutationFn: () => currentClient().runs.cancel(run.thread_id, run.run_id, true),
    onSettled: () => queries.invalidateQueries(runQuery(run)),
  })
  return (
    <>
      {isInFlight(run) && (
        <Button kind="danger" icon={Square} disabled={cancel.isPending} onClick={() => setAsked(true)}>
          {cancel.isPending ? 'Stopping…' : 'Stop'}
        </Button>
      )}
      <CopyCurl run={run} />
      {cancel.isError && (
        <Dialog title="It was not stopped" onClose={() => cancel.reset()}>
          <ErrorNote error={cancel.error} />
        </Dialog>
      )}
      {asked && (
        <ConfirmDialog
          title="Stop this run?"
          action="Stop it"
          onConfirm={() => cancel.mutate()}
          onClose={() => setAsked(false)}
        >
          What it has stored until then stays.
        </ConfirmDialog>
      )}
    </>
  )
}

function Body({ run }: { run: Run }) {
  const recorded = useRunEvents(run.thread_id, run.run_id)
  const { events } = recorded
  const [chosen, setChosen] = useState<number>()
  const at = Math.min(chosen ?? events.length - 1, events.length - 1)
  const work = useMemo(() => workOf(events, recorded.ended), [events, recorded.ended])
  const first = events[0]
  const last = events.at(-1)
  return (
    <div className="flex flex-col gap-4 lg:h-full">
      <Facts run={run}>
        <Fact name="Took">
          {first && last ? <Duration ms={Date.parse(last.created_at) - Date.parse(first.created_at)} /> : '–'}
        </Fact>
        <Fact name="Attempts">{work.attempts || '–'}</Fact>
        <Fact name="Tokens">
          {work.tokens.input + work.tokens.output > 0 ? (
            <span className="tabular-nums">
              {work.tokens.input.toLocaleString('en')} in, {work.tokens.output.toLocaleString('en')} out
            </span>
          ) : (
            '–'
          )}
        </Fact>
      </Facts>
      {recorded.error !== undefined && <ErrorNote error={recorded.error} />}
      {events.length === 0 ? (
        <Nothing run={run} known={recorded.ended} />
      ) : (
        <>
          <Replay
            count={events.length}
            at={at}
            latest={chosen === undefined}
            onMove={setChosen}
            onLatest={() => setChosen(undefined)}
          />
          <div className="grid min-h-0 flex-1 gap-4 lg:grid-cols-[3fr_2fr]">
            <section
              aria-label="What it did"
              className="flex h-96 min-h-0 flex-col overflow-hidden rounded-lg border bg-surface lg:h-auto"
            >
              <Timeline events={events} spans={work.spans} at={at} onMove={setChosen} />
            </section>
            <div className="flex min-h-0 flex-col gap-4 lg:grid lg:grid-rows-2">
              <section
                aria-label="What it recorded"
                className="flex h-80 min-h-0 flex-col overflow-hidden rounded-lg border bg-surface lg:h-auto"
              >
                <EventList events={events} at={at} onMove={setChosen} />
              </section>
              <section
                aria-label="The event"
                className="min-h-0 overflow-y-auto rounded-lg border bg-surface"
                // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
                tabIndex={0}
              >
                <EventDetail run={run} events={events} at={at} />
              </section>
            </div>
          </div>
        </>
      )}
    </div>
  )
}

function Facts({ run, children }: { run: Run; children: React.ReactNode }) {
  const names = useAssistantNames()
  return (
    <dl className="flex flex-wrap gap-x-8 gap-y-2">
      <Fact name="Assistant">{names.get(run.assistant_id) ?? run.assistant_id}</Fact>
      <Fact name="Made">
        <Time at={run.created_at} />
      </Fact>
      {children}
      <Fact name="Thread">
        <Link
          to="/threads/$threadId/state"
          params={{ threadId: run.thread_id }}
          className="inline-flex items-center gap-1 text-accent hover:underline"
        >
          <History size={13} aria-hidden />
          Its states
        </Link>
      </Fact>
      <Fact name="Graph">
        <Link
          to="/graph"
          search={{ assistant: run.assistant_id, run: `${run.thread_id}/${run.run_id}` }}
          className="inline-flex items-center gap-1 text-accent hover:underline"
        >
          <Waypoints size={13} aria-hidden />
          The way it took
        </Link>
      </Fact>
    </dl>
  )
}

function Fact({ name, children }: { name: string; children: React.ReactNode }) {
  return (
    <div>
      <dt className="text-xs text-muted">{name}</dt>
      <dd className="font-medium">{children}</dd>
    </div>
  )
}

function Nothing({ run, known }: { run: Run; known: boolean }) {
  if (run.status === 'pending') {
    return (
      <EmptyState icon={History} title="It has not begun">
        It waits for a free place, for its time, or for another run of its thread. What it does is shown here as it
        happens.
      </EmptyState>
    )
  }
  if (!known) return <Spinner label="Reading its events" />
  return (
    <EmptyState icon={ListX} title="Nothing is recorded of it">
      It did nothing, or its events are no longer kept. The thread still has its state.
    </EmptyState>
  )
}
