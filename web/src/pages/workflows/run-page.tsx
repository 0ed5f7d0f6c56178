// A workflow run: its plan with live states, what it waits for, what came out, and what it took.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { Square } from 'lucide-react'
import type { WorkflowRun } from '../../../../src/protocol/workflow-answers.ts'
import { StatusBadge } from '../../components/badge.tsx'
import { Button } from '../../components/button.tsx'
import { ErrorNote } from '../../components/error-note.tsx'
import { JsonView } from '../../components/json-view.tsx'
import { PageFrame, Panel } from '../../components/panel.tsx'
import { Spinner } from '../../components/spinner.tsx'
import { type Column, Table } from '../../components/table.tsx'
import { Duration, Time } from '../../components/time.tsx'
import type { Mark } from '../graph/trace.ts'
import { workflows } from './client.ts'
import { type LiveRun, runKey, useLiveRun } from './live-run.ts'
import { PendingCalls } from './pending-calls.tsx'
import type { Plan } from './plan.ts'
import { PlanPicture } from './plan-picture.tsx'

type Node = WorkflowRun['nodes'][number]

export default function WorkflowRunPage() {
  const { runId = '' } = useParams({ strict: false }) as { runId?: string }
  const run = useQuery({ queryKey: runKey(runId), queryFn: () => workflows().get(runId, { include: ['plan'] }) })
  if (run.data) return <Shown key={runId} run={run.data} />
  return (
    <PageFrame title="Workflow run" note={<Back />}>
      {run.isPending && <Spinner label="Reading the run" />}
      {run.isError && <ErrorNote error={run.error} onRetry={() => void run.refetch()} />}
    </PageFrame>
  )
}

function Shown({ run }: { run: WorkflowRun }) {
  const { run_id, status } = run
  const { live, broken } = useLiveRun(run_id)
  const queries = useQueryClient()
  const cancel = useMutation({
    mutationFn: () => workflows().cancel(run_id),
    onSuccess: () => queries.invalidateQueries({ queryKey: runKey(run_id) }),
  })
  const isOpen = status === 'running' || status === 'waiting'
  const plan = run.plan_json as unknown as Plan
  const marks = new Map([...live.nodes].map(([id, { state }]): [string, Mark] => [id, { state, visits: 1 }]))
  const failed = broken ?? cancel.error
  const actions = isOpen && (
    <Button icon={Square} disabled={cancel.isPending} onClick={() => cancel.mutate()}>
      Cancel
    </Button>
  )
  const note = (
    <span className="flex items-center gap-3">
      <StatusBadge status={status} />
      <Back />
    </span>
  )
  return (
    <PageFrame title="Workflow run" note={note} actions={actions}>
      <div className="mx-auto grid max-w-7xl items-start gap-4 lg:grid-cols-2">
        <div className="flex min-w-0 flex-col gap-4">
          {failed ? <ErrorNote error={failed} /> : null}
          {isOpen && <PendingCalls run_id={run_id} />}
          {live.error && (
            <p role="alert" className="rounded-md border border-bad bg-bad-wash px-3 py-2.5 break-words text-bad">
              {live.error}
            </p>
          )}
          <Outputs run={run} />
          <Costs run={run} />
        </div>
        <div className="flex min-w-0 flex-col gap-4">
          <PlanPicture plan={plan} marks={marks} />
          <Nodes nodes={run.nodes} live={live} />
        </div>
      </div>
    </PageFrame>
  )
}

function Back() {
  return (
    <Link to="/workflows" className="text-muted hover:underline">
      All workflows
    </Link>
  )
}

function Outputs({ run: { outputs, status } }: { run: WorkflowRun }) {
  const entries = Object.entries(outputs)
  if (entries.length === 0) {
    const isOpen = status === 'running' || status === 'waiting'
    return (
      <Panel title="Outputs">
        <p className="text-muted">{isOpen ? 'They are there when the run has succeeded.' : 'It left none.'}</p>
      </Panel>
    )
  }
  return (
    <Panel title="Outputs">
      <dl className="grid gap-3">
        {entries.map(([name, value]) => (
          <div key={name}>
            <dt className="mb-1 text-xs text-muted">{name}</dt>
            <dd>
              {typeof value === 'string' ? (
                <p className="break-words whitespace-pre-wrap">
                  <bdi>{value}</bdi>
                </p>
              ) : (
                <JsonView value={value} depth={2} />
              )}
            </dd>
          </div>
        ))}
      </dl>
    </Panel>
  )
}

type LineItem = WorkflowRun['cost_summary']['line_items'][number]

const costColumns: Column<LineItem>[] = [
  { head: 'Model', cell: ({ model }) => model },
  { head: 'Calls', right: true, cell: ({ requests }) => requests },
  { head: 'Tokens in', right: true, cell: ({ input_tokens }) => input_tokens.toLocaleString('en') },
  { head: 'Tokens out', right: true, cell: ({ output_tokens }) => output_tokens.toLocaleString('en') },
  { head: 'Cost', right: true, cell: ({ usd_cents }) => dollars(usd_cents) },
]

function Costs({ run: { cost_summary, created_at } }: { run: WorkflowRun }) {
  return (
    <section className="flex flex-col gap-2">
      <p className="text-muted">
        {created_at && (
          <>
            Made <Time at={created_at} />.{' '}
          </>
        )}
        It cost <span className="text-ink tabular-nums">{dollars(cost_summary.total_usd_cents)}</span>.
      </p>
      {cost_summary.line_items.length > 0 && (
        <Table
          label="Costs"
          columns={costColumns}
          rows={cost_summary.line_items}
          keyOf={({ provider_id, model }) => `${provider_id} ${model}`}
        />
      )}
    </section>
  )
}

function dollars(cents: number): string {
  return `$${(cents / 100).toFixed(2)}`
}

function Nodes({ nodes, live }: { nodes: Node[]; live: LiveRun }) {
  return (
    <ul aria-label="Nodes" className="divide-y rounded-lg border bg-surface">
      {nodes.map(({ id, type, status, started_at, ended_at, error }) => {
        const now = live.nodes.get(id)
        const why = error?.message ?? now?.error
        return (
          <li key={id} className="px-4 py-2.5">
            <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
              <span className="font-medium">{id}</span>
              <code className="text-xs text-muted">{type}</code>
              <span className="ml-auto flex items-center gap-3">
                {started_at && ended_at && <Duration ms={Date.parse(ended_at) - Date.parse(started_at)} />}
                <StatusBadge status={status} />
              </span>
            </div>
            {now?.text && (
              <p className="mt-1 line-clamp-4 break-words whitespace-pre-wrap text-soft">
                <bdi>{now.text}</bdi>
              </p>
            )}
            {why && <p className="mt-1 break-words text-bad">{why}</p>}
          </li>
        )
      })}
    </ul>
  )
}
