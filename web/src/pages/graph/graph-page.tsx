// An assistant's graph as a picture: the graphs in it open in place, and a run shows where it is or which way it went.
import type { Assistant, Run } from '@langchain/langgraph-sdk'
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { ChevronsUpDown, Waypoints } from 'lucide-react'
import { lazy, Suspense, useCallback, useId, useMemo, useState } from 'react'
import { currentClient, request } from '../../api.ts'
import { useAssistants } from '../../assistants.ts'
import { Button } from '../../components/button.tsx'
import { EmptyState } from '../../components/empty-state.tsx'
import { ErrorNote } from '../../components/error-note.tsx'
import { PageFrame } from '../../components/panel.tsx'
import { Spinner } from '../../components/spinner.tsx'
import { Tabs } from '../../components/tabs.tsx'
import { isInFlight, runQuery, useRunEvents } from '../runs/run-events.ts'
import { workOf } from '../runs/spans.ts'
import { type Drawing, graphsIn, layOut, opened } from './drawing.ts'
import { NodeList } from './node-list.tsx'
import { NO_TRACE, type Trace, traceOf } from './trace.ts'

const Picture = lazy(() => import('./picture.tsx').then(({ Picture }) => ({ default: Picture })))

const REFRESH_MS = 3_000
const RUNS = 30

/** In the address: whose graph, and which run is shown in it, as `thread/run`; `none` for no run, the newest without. */
interface Chosen {
  assistant?: string
  run?: string
}

export default function GraphPage() {
  const chosen: Chosen = useSearch({ strict: false })
  const navigate = useNavigate()
  const choose = (search: Chosen) => void navigate({ to: '/graph', search: { ...search }, replace: true })
  const assistants = useAssistants()
  const assistant = assistants.data?.find(
    ({ assistant_id, graph_id }) => chosen.assistant === assistant_id || chosen.assistant === graph_id,
  )
  const shown = assistant ?? assistants.data?.[0]
  return (
    <PageFrame
      title="Graph"
      actions={
        assistants.data &&
        shown && (
          <Choice label="Assistant" value={shown.assistant_id} onChange={id => choose({ assistant: id })}>
            {assistants.data.map(({ assistant_id, name }) => (
              <option key={assistant_id} value={assistant_id}>
                {name}
              </option>
            ))}
          </Choice>
        )
      }
    >
      {assistants.isError && <ErrorNote error={assistants.error} onRetry={() => void assistants.refetch()} />}
      {assistants.isPending && <Spinner label="Reading the assistants" />}
      {assistants.isSuccess && !shown && (
        <EmptyState icon={Waypoints} title="There is no assistant">
          Name a graph in langgraph.json and start the server again.
        </EmptyState>
      )}
      {shown && (
        <Body
          key={shown.assistant_id}
          assistant={shown}
          run={chosen.run}
          onRun={run => choose({ assistant: shown.assistant_id, ...(run && { run }) })}
        />
      )}
    </PageFrame>
  )
}

interface BodyProps {
  assistant: Assistant
  run: string | undefined
  onRun: (run: string) => void
}

function Body({ assistant, run, onRun }: BodyProps) {
  const { assistant_id } = assistant
  const drawing = useQuery({
    queryKey: ['assistant', assistant_id, 'graph', assistant.version],
    queryFn: async () =>
      (await currentClient().assistants.getGraph(assistant_id, { xray: true })) as unknown as Drawing,
    staleTime: 60_000,
  })
  const runs = useQuery({
    queryKey: ['runs', 'of', assistant_id],
    queryFn: () =>
      request<Run[]>('/runs/search', {
        method: 'POST',
        json: { assistant_id, limit: RUNS, select: ['run_id', 'thread_id', 'status', 'created_at'] },
      }),
    refetchInterval: REFRESH_MS,
  })
  const newest = runs.data?.[0]
  const shown = run === 'none' ? undefined : (run ?? (newest && keyOf(newest)))
  if (drawing.isError) return <ErrorNote error={drawing.error} onRetry={() => void drawing.refetch()} />
  if (!drawing.data) return <Spinner label="Drawing" />
  const known = runs.data?.some(one => keyOf(one) === run) || run === undefined || run === 'none'
  const choice = (
    <Choice label="Run" value={run ?? ''} onChange={onRun}>
      <option value="">{newest ? 'The newest' : 'There is none yet'}</option>
      <option value="none">No run</option>
      {runs.data?.map(one => (
        <option key={one.run_id} value={keyOf(one)}>
          …{one.run_id.slice(-8)} {one.status}, {new Date(one.created_at).toLocaleTimeString()}
        </option>
      ))}
      {!known && <option value={run}>…{run?.slice(-8)}</option>}
    </Choice>
  )
  if (!shown) return <Shown drawing={drawing.data} trace={NO_TRACE} choice={choice} />
  return <Traced key={shown} drawing={drawing.data} run={shown} choice={choice} />
}

function keyOf({ thread_id, run_id }: Run): string {
  return `${thread_id}/${run_id}`
}

/** With a run in it, live while it goes on. */
function Traced({ drawing, run, choice }: { drawing: Drawing; run: string; choice: React.ReactNode }) {
  const [thread_id = '', run_id = ''] = run.split('/')
  const { events, ended, error } = useRunEvents(thread_id, run_id)
  const { data } = useQuery({
    ...runQuery({ thread_id, run_id }),
    refetchInterval: ({ state }) => (isInFlight(state.data) ? REFRESH_MS : false),
  })
  const succeeded = data?.status === 'success'
  const trace = useMemo(() => traceOf(workOf(events, ended).spans, succeeded), [events, ended, succeeded])
  return (
    <Shown
      drawing={drawing}
      trace={trace}
      choice={
        <>
          {choice}
          <Link
            to="/runs/$threadId/$runId"
            params={{ threadId: thread_id, runId: run_id }}
            className="font-medium text-accent hover:underline"
          >
            Its timeline
          </Link>
        </>
      }
      error={error}
    />
  )
}

interface ShownProps {
  drawing: Drawing
  trace: Trace
  choice: React.ReactNode
  error?: unknown
}

function Shown({ drawing, trace, choice, error }: ShownProps) {
  const graphs = useMemo(() => graphsIn(drawing), [drawing])
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set())
  const toggle = useCallback(
    (graph: string) =>
      setOpen(before => {
        const next = new Set(before)
        if (!next.delete(graph)) next.add(graph)
        return next
      }),
    [],
  )
  const { nodes, edges } = useMemo(() => opened(drawing, open), [drawing, open])
  const layout = useMemo(() => layOut(nodes, edges), [nodes, edges])
  const whole = useMemo(() => opened(drawing, new Set(graphs)), [drawing, graphs])
  const all = graphs.every(graph => open.has(graph))
  return (
    <div className="flex h-full flex-col gap-3">
      <div className="flex flex-wrap items-center gap-3">
        {choice}
        {graphs.length > 0 && (
          <Button className="ml-auto" icon={ChevronsUpDown} onClick={() => setOpen(new Set(all ? [] : graphs))}>
            {all ? 'Close all graphs' : 'Open all graphs'}
          </Button>
        )}
      </div>
      {error !== undefined && <ErrorNote error={error} />}
      <div className="min-h-96 flex-1 overflow-hidden rounded-lg border bg-surface [&>div]:h-full">
        <Tabs
          label="How it is shown"
          tabs={[
            {
              id: 'picture',
              label: 'Picture',
              content: (
                <section aria-label="Picture" className="h-full">
                  <Suspense fallback={<Spinner label="Drawing" />}>
                    <Picture nodes={nodes} edges={edges} layout={layout} trace={trace} onToggle={toggle} />
                  </Suspense>
                </section>
              ),
            },
            {
              id: 'list',
              label: 'In words',
              content: (
                <div className="h-full overflow-y-auto">
                  <NodeList {...whole} trace={trace} />
                </div>
              ),
            },
          ]}
        />
      </div>
    </div>
  )
}

function Choice({
  label,
  value,
  onChange,
  children,
}: {
  label: string
  value: string
  onChange: (value: string) => void
  children: React.ReactNode
}) {
  const id = useId()
  return (
    <div className="flex items-center gap-2">
      <label htmlFor={id} className="text-xs text-muted">
        {label}
      </label>
      <select
        id={id}
        className="field w-auto! max-w-60 sm:max-w-80"
        value={value}
        onChange={event => onChange(event.target.value)}
      >
        {children}
      </select>
    </div>
  )
}
