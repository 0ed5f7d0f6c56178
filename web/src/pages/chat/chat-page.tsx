// Threads on one side, a conversation on the other. `/chat/new` and `/chat` are a thread that there is not yet: it gets its
// id here, and keeps it when its first message has made it, so that what is on the page stays.
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useParams } from '@tanstack/react-router'
import { Layers, PanelLeft, SquarePen, X } from 'lucide-react'
import { useCallback, useState } from 'react'
import { useClient } from '../../api.ts'
import { IconButton } from '../../components/button.tsx'
import { usePageTitle } from '../../components/page-title.ts'
import { hasPage } from '../../pages.ts'
import { Conversation } from './conversation.tsx'
import { newId } from './drafts.ts'
import { keys, stateQuery } from './thread-data.ts'
import { ThreadList } from './thread-list.tsx'
import { titleOf, UNTITLED } from './thread-title.ts'

const NEW = 'new'
const STATE = '/threads/$threadId/state'

export default function ChatPage() {
  const { threadId } = useParams({ strict: false }) as { threadId?: string }
  const exists = threadId !== undefined && threadId !== NEW
  const [draft, setDraft] = useState(newId)
  const [was, setWas] = useState(exists)
  if (was !== exists) {
    // Whoever leaves a thread for a new one gets another.
    if (!exists) setDraft(newId())
    setWas(exists)
  }
  const [drawer, setDrawer] = useState(false)
  const thread_id = exists ? threadId : draft
  return (
    <div className="flex h-full min-h-0">
      {drawer && (
        <button
          type="button"
          tabIndex={-1}
          aria-label="Close the threads"
          className="fixed inset-0 z-30 bg-[rgb(10_12_10/0.45)] lg:hidden"
          onClick={() => setDrawer(false)}
        />
      )}
      <aside
        aria-label="Threads"
        onKeyDown={event => event.key === 'Escape' && setDrawer(false)}
        className={`w-64 shrink-0 border-r bg-ground max-lg:fixed max-lg:inset-y-0 max-lg:right-0 max-lg:z-30 max-lg:w-72 max-lg:border-l max-lg:shadow-float ${drawer ? '' : 'max-lg:hidden'}`}
      >
        {drawer && (
          <IconButton
            icon={X}
            label="Close the threads"
            className="absolute top-2.5 left-[-2.75rem] bg-raised lg:hidden"
            onClick={() => setDrawer(false)}
          />
        )}
        <ThreadList current={thread_id} onPick={() => setDrawer(false)} />
      </aside>
      <Thread key={thread_id} thread_id={thread_id} exists={exists} onThreads={() => setDrawer(true)} />
    </div>
  )
}

interface ThreadProps {
  thread_id: string
  exists: boolean
  onThreads: () => void
}

function Thread({ thread_id, exists, onThreads }: ThreadProps) {
  const client = useClient()
  const queries = useQueryClient()
  const navigate = useNavigate()
  const [round, setRound] = useState(0)
  const thread = useQuery({
    queryKey: keys.itself(thread_id),
    queryFn: () => client.threads.get(thread_id),
    enabled: exists,
  })
  const state = useQuery({ ...stateQuery(client, thread_id, undefined), enabled: exists })
  const { title, messages } = state.data?.values ?? {}
  const { metadata = null } = (thread.data ?? {}) as { metadata?: { assistant_id?: string } | null }
  const onLost = useCallback(() => {
    void queries.resetQueries({ queryKey: keys.thread(thread_id) }).then(() => setRound(round => round + 1))
  }, [queries, thread_id])
  const onThread = useCallback(
    () => void navigate({ to: '/chat/$threadId', params: { threadId: thread_id }, replace: true }),
    [navigate, thread_id],
  )
  const named = titleOf({ metadata, extracted: { title, first: messages?.[0]?.content } })
  const words = named === UNTITLED ? 'New chat' : named
  usePageTitle(words)
  return (
    <div className="flex min-w-0 flex-1 flex-col">
      <header className="flex min-h-13 items-center gap-2 border-b bg-surface px-4 max-md:pl-14">
        <h1 dir="auto" className="min-w-0 flex-1 truncate text-base font-semibold tracking-tight">
          {words}
        </h1>
        {exists && hasPage(STATE) && (
          <Link
            to={STATE}
            params={{ threadId: thread_id }}
            aria-label="The state of this thread"
            title="The state of this thread"
            className="grid size-8 place-items-center rounded-md text-soft hover:bg-hover"
          >
            <Layers size={16} aria-hidden />
          </Link>
        )}
        <Link
          to="/chat/new"
          aria-label="New chat"
          title="New chat"
          className="grid size-8 place-items-center rounded-md text-soft hover:bg-hover lg:hidden"
        >
          <SquarePen size={16} aria-hidden />
        </Link>
        <IconButton icon={PanelLeft} label="Show the threads" className="lg:hidden" onClick={onThreads} />
      </header>
      <Conversation
        key={round}
        thread_id={thread_id}
        exists={exists}
        assistant_id={metadata?.assistant_id}
        resumed={round > 0}
        onThread={onThread}
        onLost={onLost}
      />
    </div>
  )
}
