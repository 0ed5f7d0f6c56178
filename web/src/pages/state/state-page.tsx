// The states of a thread: its checkpoints, what a step changed or how any two differ, and going on from any of them.
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { Activity, History, Pencil, Play } from 'lucide-react'
import { useState } from 'react'
import { queries } from '../../api.ts'
import { Button } from '../../components/button.tsx'
import { EmptyState } from '../../components/empty-state.tsx'
import { ErrorNote } from '../../components/error-note.tsx'
import { JsonView } from '../../components/json-view.tsx'
import { PageFrame } from '../../components/panel.tsx'
import { Spinner } from '../../components/spinner.tsx'
import { Tabs } from '../../components/tabs.tsx'
import { Changes } from './changes.tsx'
import { CheckpointList, nameOf } from './checkpoint-list.tsx'
import { type Place, placesQuery, stateQuery } from './checkpoints.ts'
import { EditDialog } from './edit-dialog.tsx'
import { RunDialog } from './run-dialog.tsx'

export default function StatePage() {
  const { threadId = '' } = useParams({ strict: false })
  const history = useInfiniteQuery(placesQuery(threadId))
  const places = history.data?.pages.flat() ?? []
  return (
    <PageFrame
      title="State"
      note={<span className="hidden font-mono text-xs sm:inline">{threadId}</span>}
      actions={
        <Link
          to="/runs"
          search={{ thread_id: threadId }}
          className="inline-flex items-center gap-1.5 font-medium text-accent hover:underline"
        >
          <Activity size={15} aria-hidden />
          Its runs
        </Link>
      }
    >
      {history.isError && <ErrorNote error={history.error} onRetry={() => void history.refetch()} />}
      {history.isPending && <Spinner label="Reading its checkpoints" />}
      {history.isSuccess && places.length === 0 && (
        <EmptyState icon={History} title="It has no state yet">
          A thread has one after the first step of a run. Run an assistant on it, and look again.
        </EmptyState>
      )}
      {places[0] && (
        <Places
          key={threadId}
          places={places}
          newest={places[0]}
          onMore={history.hasNextPage ? () => void history.fetchNextPage() : undefined}
        />
      )}
    </PageFrame>
  )
}

interface PlacesProps {
  places: readonly Place[]
  newest: Place
  onMore: (() => void) | undefined
}

function Places({ places, newest, onMore }: PlacesProps) {
  const { thread_id } = newest.checkpoint
  const { at, with: chosen }: { at?: string; with?: string } = useSearch({ strict: false })
  const navigate = useNavigate()
  const go = (search: { at?: string; with?: string }) =>
    void navigate({ to: '/threads/$threadId/state', params: { threadId: thread_id }, search, replace: true })
  const place = places.find(({ checkpoint }) => checkpoint.checkpoint_id === at) ?? newest
  const looked = place.checkpoint.checkpoint_id
  const compared = chosen ?? place.parent_checkpoint?.checkpoint_id
  return (
    <div className="grid gap-4 lg:h-full lg:grid-cols-[20rem_1fr]">
      <section aria-label="History" className="max-h-72 overflow-y-auto rounded-lg border bg-surface lg:max-h-none">
        <CheckpointList
          places={places}
          at={looked}
          compared={chosen}
          onLook={id => go({ at: id })}
          onCompare={id => go({ at: looked, with: id })}
          onMore={onMore}
        />
      </section>
      <section aria-label="The checkpoint" className="flex min-h-0 flex-col rounded-lg border bg-surface">
        <Looked
          key={looked}
          place={place}
          compared={compared}
          other={places.find(({ checkpoint }) => checkpoint.checkpoint_id === compared)}
          onChanged={() => {
            void queries.invalidateQueries(placesQuery(thread_id))
            go({})
          }}
        />
      </section>
    </div>
  )
}

interface LookedProps {
  place: Place
  /** What it is compared with; the list may not have it. */
  compared: string | undefined
  other: Place | undefined
  onChanged: () => void
}

function Looked({ place, compared, other, onChanged }: LookedProps) {
  const { thread_id, checkpoint_id } = place.checkpoint
  const [open, setOpen] = useState<'edit' | 'run'>()
  const state = useQuery(stateQuery(thread_id, checkpoint_id))
  const before = useQuery({ ...stateQuery(thread_id, compared ?? ''), enabled: compared !== undefined })
  const error = state.error ?? before.error
  if (error) {
    return (
      <div className="p-4">
        <ErrorNote error={error} />
      </div>
    )
  }
  if (!state.data || (compared && !before.data)) return <Spinner label="Reading the state" />
  const { values } = state.data
  const isParent = compared === place.parent_checkpoint?.checkpoint_id
  return (
    <>
      <header className="flex flex-wrap items-center gap-2 border-b px-4 py-2">
        <h2 className="mr-auto font-semibold">{nameOf(place)}</h2>
        <Button icon={Pencil} onClick={() => setOpen('edit')}>
          Edit
        </Button>
        <Button kind="primary" icon={Play} onClick={() => setOpen('run')}>
          Run from here
        </Button>
      </header>
      <div className="min-h-0 flex-1 overflow-y-auto">
        <Tabs
          label="Changes and values"
          tabs={[
            {
              id: 'changes',
              label: isParent || !other ? 'What it changed' : `Compared with ${nameOf(other)}`,
              content: (
                <Changes
                  before={before.data?.values ?? null}
                  after={values}
                  none={isParent ? 'This step changed nothing.' : 'Nothing differs.'}
                />
              ),
            },
            {
              id: 'values',
              label: 'Values',
              content: (
                <div className="p-4">
                  <JsonView value={values} depth={2} />
                </div>
              ),
            },
            {
              id: 'all',
              label: 'Everything',
              content: (
                <div className="p-4">
                  <JsonView value={state.data} depth={1} />
                </div>
              ),
            },
          ]}
        />
      </div>
      {open === 'edit' && (
        <EditDialog place={place} values={values ?? {}} onDone={onChanged} onClose={() => setOpen(undefined)} />
      )}
      {open === 'run' && <RunDialog place={place} onClose={() => setOpen(undefined)} />}
    </>
  )
}
