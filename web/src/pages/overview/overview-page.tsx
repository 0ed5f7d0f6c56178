// How the server does: what runs and what waits now, by its metrics, and what ran in the last day, by the list of runs.
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { ChartNoAxesCombined } from 'lucide-react'
import { request } from '../../api.ts'
import { EmptyState } from '../../components/empty-state.tsx'
import { ErrorNote } from '../../components/error-note.tsx'
import { PageFrame, Panel } from '../../components/panel.tsx'
import { Spinner } from '../../components/spinner.tsx'
import { Duration } from '../../components/time.tsx'
import { HourBars } from './hour-bars.tsx'
import { type DayRun, hoursOf, tookOf } from './hours.ts'
import { areOff, type Sample, useSamples } from './metrics.ts'
import { Tile } from './tile.tsx'

const MOST = 1_000
const REFRESH_MS = 10_000
const DAY_MS = 86_400_000

export default function OverviewPage() {
  return (
    <PageFrame title="Overview">
      <div className="mx-auto flex max-w-5xl flex-col gap-4">
        <Now />
        <LastDay />
      </div>
    </PageFrame>
  )
}

const TILES: { label: string; field: keyof Sample; note: string }[] = [
  { label: 'Running', field: 'running', note: 'Runs that are executed now, on this database' },
  { label: 'Queued', field: 'queued', note: 'Runs whose time has come and that nobody executes yet' },
  { label: 'Oldest wait', field: 'oldest_s', note: 'How long the oldest of the queued has waited' },
  { label: 'Takeovers', field: 'takeovers', note: 'Runs that this process took over from one that died' },
  { label: 'Following', field: 'readers', note: 'Who follows a run or a thread in this process' },
]

function Now() {
  const samples = useSamples()
  if (samples.isError && areOff(samples.error)) {
    return (
      <p className="rounded-md border bg-surface px-4 py-3 text-soft">
        This server gives no metrics (<code>http.disable_meta</code>), so what runs and waits at this moment is not
        shown. What ran is below.
      </p>
    )
  }
  if (samples.isError) return <ErrorNote error={samples.error} onRetry={() => void samples.refetch()} />
  if (samples.isPending) return <Spinner label="Reading the metrics" />
  const last = samples.data.at(-1) as Sample
  return (
    <>
      {Number.isNaN(last.running) && (
        <p role="alert" className="rounded-md border border-bad bg-bad-wash px-4 py-3 text-bad">
          The database does not answer just now.
        </p>
      )}
      <dl className="grid grid-cols-2 gap-3 sm:grid-cols-3 lg:grid-cols-5">
        {TILES.map(({ label, field, note }) => (
          <Tile
            key={field}
            label={label}
            note={note}
            value={wordsOf(field, last[field])}
            line={samples.data.map(sample => sample[field])}
          />
        ))}
      </dl>
    </>
  )
}

function wordsOf(field: keyof Sample, number: number): string {
  if (!Number.isFinite(number)) return '–'
  return field === 'oldest_s'
    ? `${number > 0 && number < 10 ? number.toFixed(1) : Math.round(number)} s`
    : String(number)
}

function LastDay() {
  const runs = useQuery({
    queryKey: ['runs', 'of a day'],
    queryFn: () => {
      const created_after = new Date(Date.now() - DAY_MS).toISOString()
      const select = ['status', 'created_at', 'updated_at']
      return request<DayRun[]>('/runs/search', { method: 'POST', json: { limit: MOST, created_after, select } })
    },
    refetchInterval: REFRESH_MS,
  })
  if (runs.isPending) return <Spinner label="Reading the runs" />
  if (runs.isError) return <ErrorNote error={runs.error} onRetry={() => void runs.refetch()} />
  if (runs.data.length === 0) {
    return (
      <EmptyState
        icon={ChartNoAxesCombined}
        title="Nothing ran in the last day"
        action={
          <Link to="/chat" className="font-medium text-accent underline">
            Say something in a chat
          </Link>
        }
      >
        Runs are counted here by the hour in which they were made.
      </EmptyState>
    )
  }
  return (
    <>
      <Panel title="Runs per hour, last 24 hours">
        {runs.data.length === MOST && <p className="mb-2 text-muted">Of the newest {MOST} runs.</p>}
        <HourBars hours={hoursOf(runs.data)} />
      </Panel>
      <div className="grid gap-4 sm:grid-cols-2">
        <Panel title="How long they took">
          <dl className="grid grid-cols-[1fr_auto] gap-y-1.5">
            <dt className="text-muted">Half of them, at most</dt>
            <dd className="text-right">
              <Took ms={tookOf(runs.data, 0.5)} />
            </dd>
            <dt className="text-muted">19 of 20, at most</dt>
            <dd className="text-right">
              <Took ms={tookOf(runs.data, 0.95)} />
            </dd>
          </dl>
        </Panel>
        <Panel title="To look at">
          <ul className="grid gap-1.5">
            <Asking />
            {LISTS.map(({ label, status }) => (
              <li key={status} className="flex">
                <Link to="/runs" search={{ status, within: 'day' }} className="text-accent hover:underline">
                  {label}
                </Link>
                <span className="ml-auto tabular-nums">{runs.data.filter(run => run.status === status).length}</span>
              </li>
            ))}
          </ul>
        </Panel>
      </div>
    </>
  )
}

const LISTS = [
  { label: 'Failed', status: 'error' },
  { label: 'Ran out of time', status: 'timeout' },
  { label: 'Stopped', status: 'interrupted' },
]

/** A run that asks has ended well; it is its thread that waits. */
function Asking() {
  const threads = useQuery({
    queryKey: ['threads', 'that ask'],
    queryFn: () => request<number>('/threads/count', { method: 'POST', json: { status: 'interrupted' } }),
    refetchInterval: REFRESH_MS,
  })
  return (
    <li className="flex">
      <Link to="/chat" className="text-accent hover:underline">
        Threads that wait for an answer
      </Link>
      <span className="ml-auto tabular-nums">{threads.data ?? '–'}</span>
    </li>
  )
}

function Took({ ms }: { ms: number | undefined }) {
  return ms === undefined ? <span className="text-muted">–</span> : <Duration ms={ms} />
}
