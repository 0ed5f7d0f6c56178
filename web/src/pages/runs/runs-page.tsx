// All runs, newest first, live; the filters are in the address, so that a view can be kept and sent.
import type { Run } from '@langchain/langgraph-sdk'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { ChevronLeft, ChevronRight, Funnel, History, Play } from 'lucide-react'
import { request } from '../../api.ts'
import { useAssistantNames } from '../../assistants.ts'
import { StatusBadge } from '../../components/badge.tsx'
import { Button } from '../../components/button.tsx'
import { EmptyState } from '../../components/empty-state.tsx'
import { ErrorNote } from '../../components/error-note.tsx'
import { PageFrame } from '../../components/panel.tsx'
import { Spinner } from '../../components/spinner.tsx'
import { type Column, Table } from '../../components/table.tsx'
import { Duration, Time } from '../../components/time.tsx'
import { isInFlight } from './run-events.ts'
import { type RunFilter, RunFilters, WITHIN } from './run-filters.tsx'

const PAGE = 50
const REFRESH_MS = 3_000
const COLUMNS = ['run_id', 'thread_id', 'assistant_id', 'status', 'created_at', 'updated_at']

export default function RunsPage() {
  const filter: RunFilter & { offset?: number } = useSearch({ strict: false })
  const { offset = 0 } = filter
  const navigate = useNavigate()
  const change = (next: RunFilter & { offset?: number }) =>
    void navigate({ to: '/runs', search: { ...next }, replace: true })
  const runs = useQuery({
    queryKey: ['runs', filter],
    queryFn: () => request<Run[]>('/runs/search', { method: 'POST', json: bodyOf(filter, offset) }),
    refetchInterval: REFRESH_MS,
    placeholderData: keepPreviousData,
  })
  const found = runs.data?.slice(0, PAGE) ?? []
  const { offset: _, ...narrowed } = filter
  const isNarrowed = Object.values(narrowed).some(Boolean)
  return (
    <PageFrame
      title="Runs"
      actions={
        filter.thread_id && (
          <Link
            to="/threads/$threadId/state"
            params={{ threadId: filter.thread_id }}
            className="inline-flex items-center gap-1.5 font-medium text-accent hover:underline"
          >
            <History size={15} aria-hidden />
            States of this thread
          </Link>
        )
      }
    >
      <div className="mx-auto flex max-w-6xl flex-col gap-4">
        <RunFilters filter={narrowed} onChange={change} />
        {runs.isError && <ErrorNote error={runs.error} onRetry={() => void runs.refetch()} />}
        {runs.isPending && <Spinner label="Reading the runs" />}
        {runs.isSuccess && found.length === 0 && (
          <Nothing narrowed={isNarrowed || offset > 0} onClear={() => change({})} />
        )}
        {found.length > 0 && <RunTable runs={found} onThread={thread_id => change({ ...narrowed, thread_id })} />}
        {(offset > 0 || (runs.data?.length ?? 0) > PAGE) && (
          <nav aria-label="Pages of runs" className="flex justify-center gap-2">
            <Button
              icon={ChevronLeft}
              disabled={offset === 0}
              onClick={() => change({ ...narrowed, offset: Math.max(0, offset - PAGE) })}
            >
              Newer
            </Button>
            <Button
              disabled={(runs.data?.length ?? 0) <= PAGE}
              onClick={() => change({ ...narrowed, offset: offset + PAGE })}
            >
              Older
              <ChevronRight size={15} aria-hidden />
            </Button>
          </nav>
        )}
      </div>
    </PageFrame>
  )
}

/** One more than is shown tells whether there is another page. */
function bodyOf({ status, assistant_id, thread_id, within }: RunFilter, offset: number) {
  const ms = WITHIN.find(({ id }) => id === within)?.ms
  return {
    limit: PAGE + 1,
    offset,
    select: COLUMNS,
    ...(status && { status }),
    ...(assistant_id && { assistant_id }),
    ...(thread_id && { thread_id }),
    ...(ms && { created_after: new Date(Date.now() - ms).toISOString() }),
  }
}

function RunTable({ runs, onThread }: { runs: Run[]; onThread: (thread_id: string) => void }) {
  const names = useAssistantNames()
  const columns: Column<Run>[] = [
    { head: 'Status', cell: ({ status }) => <StatusBadge status={status} /> },
    {
      head: 'Run',
      cell: ({ thread_id, run_id }) => (
        <Link
          to="/runs/$threadId/$runId"
          params={{ threadId: thread_id, runId: run_id }}
          className="font-mono text-xs font-medium whitespace-nowrap text-accent hover:underline"
          title={run_id}
        >
          {shortId(run_id)}
        </Link>
      ),
    },
    {
      head: 'Assistant',
      cell: ({ assistant_id }) => (
        <span className="block max-w-48 truncate">{names.get(assistant_id) ?? shortId(assistant_id)}</span>
      ),
    },
    {
      head: 'Thread',
      cell: ({ thread_id }) => (
        <button
          type="button"
          title={`Only runs of thread ${thread_id}`}
          onClick={() => onThread(thread_id)}
          className="rounded-sm font-mono text-xs whitespace-nowrap text-soft hover:underline"
        >
          {shortId(thread_id)}
        </button>
      ),
    },
    { head: 'Made', cell: ({ created_at }) => <Time at={created_at} /> },
    {
      head: 'Took',
      right: true,
      cell: run =>
        isInFlight(run) ? (
          <span className="text-muted">–</span>
        ) : (
          <Duration ms={Date.parse(run.updated_at) - Date.parse(run.created_at)} />
        ),
    },
  ]
  return <Table label="Runs" columns={columns} rows={runs} keyOf={({ run_id }) => run_id} />
}

/** Ids begin with their time: the end tells them apart. */
function shortId(id: string): string {
  return `…${id.slice(-8)}`
}

function Nothing({ narrowed, onClear }: { narrowed: boolean; onClear: () => void }) {
  if (narrowed) {
    return (
      <EmptyState icon={Funnel} title="No run is like that" action={<Button onClick={onClear}>Show all runs</Button>}>
        Choose less, or another time.
      </EmptyState>
    )
  }
  return (
    <EmptyState
      icon={Play}
      title="Nothing has run yet"
      action={
        <Link to="/chat" className="font-medium text-accent underline">
          Say something in a chat
        </Link>
      }
    >
      Runs of every thread are listed here, those under way as they happen.
    </EmptyState>
  )
}
