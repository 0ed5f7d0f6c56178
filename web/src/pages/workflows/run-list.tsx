// Earlier runs of workflows, newest first.
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { ListedWorkflowRun } from '../../../../src/protocol/workflow-answers.ts'
import { StatusBadge } from '../../components/badge.tsx'
import { ErrorNote } from '../../components/error-note.tsx'
import { Spinner } from '../../components/spinner.tsx'
import { type Column, Table } from '../../components/table.tsx'
import { Duration, Time } from '../../components/time.tsx'
import { workflows } from './client.ts'

const SHOWN = 50
const REFRESH_MS = 5_000

const columns: Column<ListedWorkflowRun>[] = [
  { head: 'Status', cell: ({ status }) => <StatusBadge status={status} /> },
  {
    head: 'Run',
    cell: ({ run_id }) => (
      <Link
        to="/workflows/$runId"
        params={{ runId: run_id }}
        className="font-mono text-xs font-medium whitespace-nowrap text-accent hover:underline"
        title={run_id}
      >
        …{run_id.slice(-8)}
      </Link>
    ),
  },
  {
    head: 'Plan',
    cell: ({ plan_hash }) => (
      <code className="text-xs text-muted" title={plan_hash}>
        {plan_hash.slice(0, 8)}
      </code>
    ),
  },
  { head: 'Made', cell: ({ created_at }) => <Time at={created_at} /> },
  {
    head: 'Took',
    right: true,
    cell: ({ created_at, ended_at }) =>
      ended_at ? (
        <Duration ms={Date.parse(ended_at) - Date.parse(created_at)} />
      ) : (
        <span className="text-muted">–</span>
      ),
  },
]

export function RunList() {
  const runs = useQuery({
    queryKey: ['workflow runs'],
    queryFn: () => workflows().list({ limit: SHOWN }),
    refetchInterval: REFRESH_MS,
  })
  return (
    <section className="flex flex-col gap-3">
      <h2 className="font-semibold">Earlier runs</h2>
      {runs.isPending && <Spinner label="Reading the runs" />}
      {runs.isError && <ErrorNote error={runs.error} onRetry={() => void runs.refetch()} />}
      {runs.data?.length === 0 && <p className="text-muted">No workflow has run yet. Choose an example, and run it.</p>}
      {(runs.data?.length ?? 0) > 0 && (
        <Table label="Workflow runs" columns={columns} rows={runs.data ?? []} keyOf={({ run_id }) => run_id} />
      )}
    </section>
  )
}
