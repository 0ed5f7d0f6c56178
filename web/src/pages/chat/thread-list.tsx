// All threads, newest first: found by their titles, narrowed down by status, as far down as one scrolls.
import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { useVirtualizer } from '@tanstack/react-virtual'
import {
  Activity,
  Copy,
  EllipsisVertical,
  History,
  ListFilter,
  MessagesSquare,
  Pencil,
  Search,
  SquarePen,
  Trash2,
} from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import { currentClient, request } from '../../api.ts'
import { Badge } from '../../components/badge.tsx'
import { Button, IconButton } from '../../components/button.tsx'
import { ConfirmDialog, Dialog } from '../../components/dialog.tsx'
import { EmptyState } from '../../components/empty-state.tsx'
import { ErrorNote } from '../../components/error-note.tsx'
import { Menu, MenuChoice, MenuItem } from '../../components/menu.tsx'
import { Spinner } from '../../components/spinner.tsx'
import { Time } from '../../components/time.tsx'
import { keys } from './thread-data.ts'
import { type ListedThread, titleOf } from './thread-title.ts'

const PAGE_SIZE = 40
const ROW_PX = 54
const LOOK_MS = 5_000

const STATUSES = { idle: 'Idle', busy: 'At work', interrupted: 'Stopped or waiting', error: 'Failed' } as const
type Status = keyof typeof STATUSES

function useThreads(status: Status | undefined) {
  return useInfiniteQuery({
    queryKey: [...keys.list, status ?? 'all'],
    initialPageParam: 0,
    refetchInterval: LOOK_MS,
    queryFn: ({ pageParam }) =>
      request<ListedThread[]>('/threads/search', {
        method: 'POST',
        json: {
          limit: PAGE_SIZE,
          offset: pageParam,
          sort_by: 'updated_at',
          sort_order: 'desc',
          select: ['thread_id', 'status', 'metadata', 'updated_at', 'interrupts'],
          extract: { title: 'values.title', first: 'values.messages[0].content' },
          ...(status && { status }),
        },
      }),
    getNextPageParam: (last, all) => (last.length === PAGE_SIZE ? all.length * PAGE_SIZE : undefined),
  })
}

export function ThreadList({ current, onPick }: { current: string; onPick: () => void }) {
  const [text, setText] = useState('')
  const [status, setStatus] = useState<Status>()
  const threads = useThreads(status)
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = threads
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  const all = threads.data?.pages.flat() ?? []
  const found = all.filter(thread => words.every(word => titleOf(thread).toLowerCase().includes(word)))
  const scroller = useRef<HTMLDivElement>(null)
  const list = useVirtualizer({
    count: found.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    getItemKey: index => found[index]?.thread_id ?? index,
    overscan: 8,
  })
  const items = list.getVirtualItems()
  const atEnd = (items.at(-1)?.index ?? 0) >= found.length - 5
  useEffect(() => {
    if (atEnd && hasNextPage && !isFetchingNextPage) void fetchNextPage()
  }, [atEnd, hasNextPage, isFetchingNextPage, fetchNextPage])

  return (
    <div className="flex h-full min-h-0 flex-col">
      <div className="flex min-h-13 items-center gap-2 border-b px-3">
        <h2 className="font-semibold">Threads</h2>
        <Link
          to="/chat/new"
          onClick={onPick}
          className="ml-auto inline-flex h-8 items-center gap-1.5 rounded-md bg-accent px-2.5 font-medium text-on-accent hover:bg-accent-strong"
        >
          <SquarePen size={14} aria-hidden /> New chat
        </Link>
      </div>
      <div className="flex gap-1 p-2">
        <div className="relative flex-1">
          <Search size={14} aria-hidden className="absolute top-2.25 left-2.5 text-muted" />
          <input
            type="search"
            aria-label="Find a thread"
            placeholder="Find…"
            className="field pl-8!"
            value={text}
            onChange={event => setText(event.target.value)}
          />
        </div>
        <Menu
          trigger={
            <IconButton
              icon={ListFilter}
              label={status ? `Only: ${STATUSES[status]}` : 'Filter by status'}
              className={status ? 'text-accent' : ''}
            />
          }
        >
          <MenuChoice chosen={!status} onSelect={() => setStatus(undefined)}>
            All
          </MenuChoice>
          {Object.entries(STATUSES).map(([one, label]) => (
            <MenuChoice key={one} chosen={status === one} onSelect={() => setStatus(one as Status)}>
              {label}
            </MenuChoice>
          ))}
        </Menu>
      </div>
      <div ref={scroller} className="min-h-0 flex-1 overflow-y-auto px-2 pb-2">
        {threads.isPending && <Spinner label="Looking for threads" />}
        {threads.isError && <ErrorNote error={threads.error} onRetry={() => void threads.refetch()} />}
        {threads.isSuccess && found.length === 0 && !hasNextPage && (
          <EmptyState icon={MessagesSquare} title={all.length > 0 || status ? 'None is like that' : 'No threads yet'}>
            {all.length > 0 || status
              ? 'Other words or another status may find more.'
              : 'Your first message begins one.'}
          </EmptyState>
        )}
        <ul aria-label="Threads" className="relative" style={{ height: list.getTotalSize() }}>
          {items.map(({ index, start }) => {
            const thread = found[index]
            return (
              thread && (
                <Row
                  key={thread.thread_id}
                  thread={thread}
                  top={start}
                  chosen={thread.thread_id === current}
                  onPick={onPick}
                />
              )
            )
          })}
        </ul>
        {isFetchingNextPage && <Spinner label="Looking for more" small />}
      </div>
    </div>
  )
}

/** Whether a question is open, or somebody has stopped it. */
function isAsked({ interrupts = {} }: ListedThread): boolean {
  return Object.values(interrupts).some(asked => asked.length > 0)
}

interface RowProps {
  thread: ListedThread
  top: number
  chosen: boolean
  onPick: () => void
}

function Row({ thread, top, chosen, onPick }: RowProps) {
  const [asked, setAsked] = useState<'rename' | 'delete'>()
  const { copy, remove } = useActions(thread, chosen)
  const navigate = useNavigate()
  const params = { threadId: thread.thread_id }
  const title = titleOf(thread)
  const failure = copy.error ?? remove.error
  return (
    <li className="group absolute inset-x-0 top-0" style={{ transform: `translateY(${top}px)`, height: ROW_PX }}>
      <div className={`flex items-center rounded-md ${chosen ? 'bg-accent-wash' : 'hover:bg-hover'}`}>
        <Link
          to="/chat/$threadId"
          params={params}
          onClick={onPick}
          aria-current={chosen ? 'page' : undefined}
          className="min-w-0 flex-1 rounded-md py-1.5 pl-2.5"
        >
          <span dir="auto" className="block truncate font-medium">
            {title}
          </span>
          <span className="flex h-5 items-center gap-2 text-xs text-muted">
            <Time at={thread.updated_at} />
            {thread.status === 'busy' && (
              <Badge tone="live" live>
                at work
              </Badge>
            )}
            {thread.status === 'interrupted' &&
              (isAsked(thread) ? <Badge tone="warn">waits for you</Badge> : <Badge>stopped</Badge>)}
            {thread.status === 'error' && <Badge tone="bad">failed</Badge>}
          </span>
        </Link>
        <Menu trigger={<IconButton small icon={EllipsisVertical} label={`More about ${title}`} className="mr-1" />}>
          <MenuItem icon={Pencil} onSelect={() => setAsked('rename')}>
            Rename
          </MenuItem>
          <MenuItem icon={Copy} onSelect={() => copy.mutate()}>
            Copy
          </MenuItem>
          <MenuItem icon={History} onSelect={() => void navigate({ to: '/threads/$threadId/state', params })}>
            Its states
          </MenuItem>
          <MenuItem
            icon={Activity}
            onSelect={() => void navigate({ to: '/runs', search: { thread_id: thread.thread_id } })}
          >
            Its runs
          </MenuItem>
          <MenuItem icon={Trash2} danger onSelect={() => setAsked('delete')}>
            Delete
          </MenuItem>
        </Menu>
      </div>
      {asked === 'rename' && <Rename thread={thread} onClose={() => setAsked(undefined)} />}
      {asked === 'delete' && (
        <ConfirmDialog
          title="Delete this thread?"
          action="Delete it"
          onConfirm={() => remove.mutate()}
          onClose={() => setAsked(undefined)}
        >
          “{title}” goes with its messages, runs and files. That cannot be taken back.
        </ConfirmDialog>
      )}
      {failure && (
        <Dialog
          title="That did not work"
          onClose={() => {
            copy.reset()
            remove.reset()
          }}
        >
          <ErrorNote error={failure} />
        </Dialog>
      )}
    </li>
  )
}

function useActions({ thread_id }: ListedThread, chosen: boolean) {
  const queries = useQueryClient()
  const navigate = useNavigate()
  const listed = () => queries.invalidateQueries({ queryKey: keys.list })
  const copy = useMutation({
    mutationFn: () => currentClient().threads.copy(thread_id) as unknown as Promise<{ thread_id: string }>,
    onSuccess: async made => {
      await listed()
      void navigate({ to: '/chat/$threadId', params: { threadId: made.thread_id } })
    },
  })
  const remove = useMutation({
    mutationFn: () => currentClient().threads.delete(thread_id),
    onSuccess: async () => {
      if (chosen) void navigate({ to: '/chat/new' })
      await listed()
    },
  })
  return { copy, remove }
}

function Rename({ thread, onClose }: { thread: ListedThread; onClose: () => void }) {
  const queries = useQueryClient()
  const [title, setTitle] = useState(titleOf(thread))
  const rename = useMutation({
    mutationFn: () => currentClient().threads.update(thread.thread_id, { metadata: { title: title.trim() } }),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: keys.list })
      void queries.invalidateQueries({ queryKey: keys.itself(thread.thread_id) })
      onClose()
    },
  })
  return (
    <Dialog title="Rename the thread" onClose={onClose}>
      <form
        onSubmit={event => {
          event.preventDefault()
          rename.mutate()
        }}
      >
        <input
          aria-label="Title"
          dir="auto"
          className="field"
          value={title}
          onChange={event => setTitle(event.target.value)}
        />
        {rename.isError && <ErrorNote error={rename.error} />}
        <div className="mt-4 flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" kind="primary" disabled={!title.trim() || rename.isPending}>
            Rename
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
