// What the newest runs have told others: deliveries of their webhooks, and sending one again.
import type { Run } from '@langchain/langgraph-sdk'
import { useMutation, useQueries, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { RotateCcw, Webhook } from 'lucide-react'
import { request } from '../../api.ts'
import { StatusBadge } from '../../components/badge.tsx'
import { Button } from '../../components/button.tsx'
import { EmptyState } from '../../components/empty-state.tsx'
import { ErrorNote } from '../../components/error-note.tsx'
import { PageFrame } from '../../components/panel.tsx'
import { Spinner } from '../../components/spinner.tsx'
import { type Column, Table } from '../../components/table.tsx'
import { Time } from '../../components/time.tsx'

const LOOKED_AT = 500
const SHOWN_RUNS = 50
const REFRESH_MS = 5_000

interface Delivery {
  delivery_id: string
  run_id: string
  thread_id: string
  url: string
  status: 'pending' | 'sending' | 'delivered' | 'dead'
  attempts: number
  response_status: number | null
  error: string | null
  created_at: string
  next_attempt_at: string | null
}

export default function WebhooksPage() {
  const runs = useQuery({
    queryKey: ['runs', 'with a webhook'],
    queryFn: async () => {
      const select = ['run_id', 'thread_id', 'kwargs']
      const found = await request<Run[]>('/runs/search', { method: 'POST', json: { limit: LOOKED_AT, select } })
      return found.filter(run => (run as { kwargs?: { webhook?: unknown } }).kwargs?.webhook).slice(0, SHOWN_RUNS)
    },
    refetchInterval: REFRESH_MS,
  })
  const answers = useQueries({
    queries: (runs.data ?? []).map(run => ({
      queryKey: ['webhooks', run.run_id],
      queryFn: () => request<Delivery[]>(pathOf(run)),
      refetchInterval: REFRESH_MS,
    })),
  })
  const deliveries = answers.flatMap(({ data = [] }) => data)
  const failed = [runs, ...answers].find(({ isError }) => isError)
  const isPending = runs.isPending || answers.some(answer => answer.isPending)
  return (
    <PageFrame title="Webhooks">
      <div className="mx-auto flex max-w-6xl flex-col gap-4">
        {failed && <ErrorNote error={failed.error} onRetry={() => void failed.refetch()} />}
        {isPending && !failed && <Spinner label="Reading the deliveries" />}
        {!isPending && !failed && deliveries.length === 0 && (
          <EmptyState icon={Webhook} title="Nobody was told yet">
            Start a run with a <code>webhook</code>: its URL is called when the run has ended, and what came of it is
            listed here.
          </EmptyState>
        )}
        {deliveries.length > 0 && (
          <>
            <p className="text-muted">Of the newest {LOOKED_AT} runs, those that asked for a call when they end.</p>
            <Table label="Deliveries" columns={columns} rows={deliveries} keyOf={({ delivery_id }) => delivery_id} />
          </>
        )}
      </div>
    </PageFrame>
  )
}

function pathOf({ thread_id, run_id }: Pick<Run, 'thread_id' | 'run_id'>): string {
  return `/threads/${thread_id}/runs/${run_id}/webhooks`
}

const columns: Column<Delivery>[] = [
  { head: 'Status', cell: ({ status }) => <StatusBadge status={status === 'dead' ? 'failed' : status} /> },
  {
    head: 'To',
    cell: ({ url, error }) => (
      <div className="max-w-80 min-w-40">
        <p className="truncate font-mono text-xs" title={url}>
          {url}
        </p>
        {error && <p className="text-xs break-words text-bad">{error}</p>}
      </div>
    ),
  },
  { head: 'Answer', cell: ({ response_status }) => response_status ?? '–' },
  { head: 'Attempts', right: true, cell: ({ attempts }) => attempts },
  {
    head: 'Run',
    cell: ({ thread_id, run_id }) => (
      <Link
        to="/runs/$threadId/$runId"
        params={{ threadId: thread_id, runId: run_id }}
        className="font-mono text-xs whitespace-nowrap text-accent hover:underline"
        title={run_id}
      >
        …{run_id.slice(-8)}
      </Link>
    ),
  },
  {
    head: 'When',
    cell: ({ created_at, next_attempt_at }) => (
      <>
        <Time at={created_at} />
        {next_attempt_at && (
          <span className="block text-xs text-muted">
            again <Time at={next_attempt_at} />
          </span>
        )}
      </>
    ),
  },
  { head: 'Again', cell: delivery => <SendAgain delivery={delivery} /> },
]

function SendAgain({ delivery }: { delivery: Delivery }) {
  const queries = useQueryClient()
  const send = useMutation({
    mutationFn: () => request(`${pathOf(delivery)}/${delivery.delivery_id}/redeliver`, { method: 'POST' }),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['webhooks', delivery.run_id] }),
  })
  if (send.isError) return <ErrorNote error={send.error} />
  return (
    <Button icon={RotateCcw} disabled={send.isPending} onClick={() => send.mutate()}>
      Send again
    </Button>
  )
}
