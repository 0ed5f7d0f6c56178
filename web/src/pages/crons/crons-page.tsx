// All crons: when each comes next, and what can be done with it.
import type { Cron } from '@langchain/langgraph-sdk'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { CalendarClock, Pause, Play, Plus, Trash2, Zap } from 'lucide-react'
import { useState } from 'react'
import { currentClient, request } from '../../api.ts'
import { useAssistantNames } from '../../assistants.ts'
import { Badge } from '../../components/badge.tsx'
import { Button, IconButton } from '../../components/button.tsx'
import { ConfirmDialog } from '../../components/dialog.tsx'
import { EmptyState } from '../../components/empty-state.tsx'
import { ErrorNote } from '../../components/error-note.tsx'
import { PageFrame } from '../../components/panel.tsx'
import { Spinner } from '../../components/spinner.tsx'
import { Time } from '../../components/time.tsx'
import { CronDialog } from './cron-dialog.tsx'
import { dateWords, nextDates, VIEWER_ZONE } from './dates.ts'

const MOST = 1_000
const REFRESH_MS = 10_000
const SHOWN_DATES = 3
const WEEK_MS = 7 * 86_400_000
const INPUT_CHARS = 300

/** As this server has it: with what the SDK does not name. */
type FullCron = Cron & { next_run_date: string | null; enabled: boolean; disabled_reason: string | null }

export default function CronsPage() {
  const crons = useQuery({
    queryKey: ['crons'],
    queryFn: () =>
      currentClient().crons.search({ limit: MOST, sortBy: 'created_at', sortOrder: 'desc' }) as Promise<FullCron[]>,
    refetchInterval: REFRESH_MS,
  })
  const [isNew, setNew] = useState(false)
  const add = (
    <Button kind="primary" icon={Plus} onClick={() => setNew(true)}>
      New cron
    </Button>
  )
  return (
    <PageFrame title="Crons" actions={add}>
      <div className="mx-auto flex max-w-4xl flex-col gap-3">
        {crons.isPending && <Spinner label="Reading the crons" />}
        {crons.isError && <ErrorNote error={crons.error} onRetry={() => void crons.refetch()} />}
        {crons.data?.length === 0 && (
          <EmptyState icon={CalendarClock} title="Nothing runs on a schedule yet" action={add}>
            A cron runs an assistant at dates that you choose, also while nobody looks.
          </EmptyState>
        )}
        {(crons.data?.length ?? 0) > 0 && (
          <>
            <p className="text-muted">Dates are in your time zone, {VIEWER_ZONE}.</p>
            <ul aria-label="Crons" className="flex flex-col gap-3">
              {crons.data?.map(cron => (
                <CronCard key={cron.cron_id} cron={cron} />
              ))}
            </ul>
          </>
        )}
      </div>
      {isNew && <CronDialog onClose={() => setNew(false)} />}
    </PageFrame>
  )
}

function CronCard({ cron }: { cron: FullCron }) {
  const queries = useQueryClient()
  const names = useAssistantNames()
  const [deleting, setDeleting] = useState(false)
  const refresh = () => queries.invalidateQueries({ queryKey: ['crons'] })
  const toggle = useMutation({
    mutationFn: () => currentClient().crons.update(cron.cron_id, { enabled: !cron.enabled }),
    onSuccess: refresh,
  })
  const remove = useMutation({ mutationFn: () => currentClient().crons.delete(cron.cron_id), onSuccess: refresh })
  const start = useMutation({ mutationFn: () => runNow(cron) })
  const name = names.get(cron.assistant_id) ?? cron.assistant_id
  const input = inputWords(cron)
  const failed = [toggle, remove, start].find(({ isError }) => isError)?.error
  return (
    <li className="rounded-lg border bg-surface p-4">
      <div className="flex flex-wrap items-start gap-x-4 gap-y-3">
        <div className="min-w-0 flex-1 basis-64">
          <h2 className="flex flex-wrap items-center gap-2 font-semibold">
            {name}
            {cron.enabled ? <Badge tone="good">on</Badge> : <Badge tone="warn">paused</Badge>}
          </h2>
          <p className="text-muted">
            <code className="text-xs">{cron.schedule}</code> in {cron.timezone ?? 'UTC'}
            {cron.thread_id ? (
              <>
                , on thread <code className="text-xs">…{cron.thread_id.slice(-8)}</code>
              </>
            ) : (
              `, each time on a thread of its own${cron.on_run_completed === 'keep' ? ', which is kept' : ''}`
            )}
            {cron.end_time && `, until ${dateWords(cron.end_time)}`}
          </p>
          {input && <p className="mt-2 truncate">{input}</p>}
          <NextDates cron={cron} />
        </div>
        <div className="flex items-center gap-2">
          <Button icon={Zap} disabled={start.isPending} onClick={() => start.mutate()}>
            Run now
          </Button>
          <Button icon={cron.enabled ? Pause : Play} disabled={toggle.isPending} onClick={() => toggle.mutate()}>
            {cron.enabled ? 'Pause' : 'Resume'}
          </Button>
          <IconButton icon={Trash2} label={`Delete the cron of ${name}`} onClick={() => setDeleting(true)} />
        </div>
      </div>
      <div aria-live="polite" className="mt-3 empty:hidden">
        {start.isSuccess && <Started run={start.data} stays={!!cron.thread_id || cron.on_run_completed === 'keep'} />}
        {failed ? <ErrorNote error={failed} /> : null}
      </div>
      {deleting && (
        <ConfirmDialog
          title="Delete this cron?"
          action="Delete it"
          onConfirm={() => remove.mutate()}
          onClose={() => setDeleting(false)}
        >
          {name} does not run at these dates any more. Runs that it has made stay.
        </ConfirmDialog>
      )}
    </li>
  )
}

function NextDates({ cron }: { cron: FullCron }) {
  if (!cron.enabled) return <p className="mt-2">{cron.disabled_reason ?? 'It does not run until you resume it.'}</p>
  if (!cron.next_run_date) return <p className="mt-2">Its time is over: there is no next date.</p>
  const { dates } = nextDates(
    { schedule: cron.schedule, timezone: cron.timezone ?? null, end_time: cron.end_time ?? null },
    SHOWN_DATES,
  )
  return (
    <div className="mt-2">
      <p>
        Next <strong className="font-semibold">{dateWords(cron.next_run_date)}</strong>{' '}
        {Date.parse(cron.next_run_date) - Date.now() < WEEK_MS && (
          <span className="text-muted">
            (<Time at={cron.next_run_date} />)
          </span>
        )}
      </p>
      {dates.length > 1 && (
        <p className="text-xs text-muted">
          then{' '}
          {dates
            .slice(1)
            .map(one => dateWords(one))
            .join(', ')}
        </p>
      )}
    </div>
  )
}

/** What it asks the assistant: the last message of its input, or the input as it is. */
function inputWords({ payload }: FullCron): string {
  const { input } = payload as { input?: { messages?: { content?: unknown }[] } | null }
  const said = Array.isArray(input?.messages) ? input.messages.at(-1)?.content : undefined
  if (typeof said === 'string') return `“${said.slice(0, INPUT_CHARS)}”`
  return input && Object.keys(input).length > 0 ? JSON.stringify(input).slice(0, INPUT_CHARS) : ''
}

interface StartedRun {
  run_id: string
  thread_id: string
}

/** What the cron would run, at once; its dates stay as they are. */
function runNow({ assistant_id, thread_id, payload, metadata, on_run_completed }: FullCron): Promise<StartedRun> {
  const run = { ...payload, assistant_id, metadata }
  if (thread_id) return request(`/threads/${thread_id}/runs`, { method: 'POST', json: run })
  return request('/runs', { method: 'POST', json: { ...run, on_completion: on_run_completed ?? 'delete' } })
}

function Started({ run: { thread_id, run_id }, stays }: { run: StartedRun; stays: boolean }) {
  if (!stays) return <p className="text-good">It was started; its thread goes when it has ended.</p>
  return (
    <p className="text-good">
      It was started:{' '}
      <Link
        to="/runs/$threadId/$runId"
        params={{ threadId: thread_id, runId: run_id }}
        className="font-medium text-accent underline"
      >
        see the run
      </Link>
    </p>
  )
}
