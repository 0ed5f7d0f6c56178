// One thread as a conversation: the SDK's stream, the state and the branches behind it, and which run goes on. A run is
// joined whoever started it: another tab, this one before it was loaded again, or before the server died. What the SDK
// does not get over by itself ends in `onLost`, whereupon the page begins anew with what the server has kept.
import type { Message, Run } from '@langchain/langgraph-sdk'
import { useStream } from '@langchain/langgraph-sdk/react'
import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/react-query'
import { useCallback, useEffect, useMemo, useRef, useState } from 'react'
import { asApiError, clientWith, useClient } from '../../api.ts'
import { Branches } from './branches.ts'
import { keepSending, type Sending, sendingOf, sent } from './drafts.ts'
import { afterEvent, type Subtask } from './subtasks.tsx'
import { keys, placesQuery, rowsQuery, stateQuery, type Values } from './thread-data.ts'
import { useFrames } from './use-frames.ts'

/** How often it is asked whether somebody else has started a run. */
const LOOK_MS = 2_000

const MODES: ('values' | 'messages-tuple' | 'custom')[] = ['values', 'messages-tuple', 'custom']
const HOW = { streamMode: MODES, streamResumable: true, onDisconnect: 'continue' as const }
const NO_TASKS: ReadonlyMap<string, Subtask> = new Map()
const NO_MESSAGES: Message[] = []

interface ConversationOptions {
  thread_id: string
  /** The thread is on the server. */
  exists: boolean
  assistant_id: string
  /** It has begun anew after the stream was lost. */
  resumed: boolean
  /** The stream is lost for good, and the server is back. */
  onLost: () => void
}

export function useConversation({ thread_id, exists, assistant_id, resumed, onLost }: ConversationOptions) {
  const queries = useQueryClient()
  const plain = useClient()
  const [head, setHead] = useState<string>()
  const [line, setLine] = useState<'lost' | 'resumed' | undefined>(resumed ? 'resumed' : undefined)
  const [attempt, setAttempt] = useState(1)
  const [tasks, setTasks] = useState(NO_TASKS)
  const [stopped, setStopped] = useState(false)
  const current = useRef<string>(undefined)
  /** The message whose place the next one takes. */
  const cut = useRef<string>(undefined)
  /** The thread is known as it was; what is new to it happened since. */
  const looked = useRef(false)
  const followed = useRef(new Set<string>())

  const client = useMemo(() => clientWith({ fetch: noting(setLine) }), [plain])

  const state = useQuery({ ...stateQuery(plain, thread_id, head), enabled: exists, placeholderData: keepPreviousData })
  const places = useQuery({ ...placesQuery(thread_id), enabled: exists })
  const rows = useQuery({ ...rowsQuery(thread_id), enabled: exists })

  const refresh = useCallback(async () => {
    setHead(undefined)
    void queries.invalidateQueries({ queryKey: keys.list })
    const others = { queryKey: keys.thread(thread_id), predicate: isNot('runs') }
    await queries.invalidateQueries({ ...others, refetchType: 'none' })
    void queries.refetchQueries({ queryKey: placesQuery(thread_id).queryKey })
    void queries.refetchQueries({ queryKey: rowsQuery(thread_id).queryKey })
    const newest = await queries.fetchQuery({ ...stateQuery(plain, thread_id, undefined), staleTime: 0 })
    return newest.checkpoint ? [newest] : []
  }, [queries, plain, thread_id])

  const thread = useMemo(
    () => ({
      data: state.data?.checkpoint ? [state.data] : [],
      error: state.error,
      isLoading: state.isLoading,
      mutate: refresh,
    }),
    [state.data, state.error, state.isLoading, refresh],
  )

  const begin = (run_id: string) => {
    current.current = run_id
    looked.current = true
    followed.current.add(run_id)
  }
  const stream = useStream<Values>({
    client,
    assistantId: assistant_id,
    threadId: exists ? thread_id : null,
    thread,
    throttle: false,
    onCreated: ({ run_id }) => {
      begin(run_id)
      sent(thread_id)
    },
    onMetadataEvent: data => setAttempt((data as { attempt?: number }).attempt ?? 1),
    onError: error => {
      if (asApiError(error).status !== 0) sent(thread_id)
    },
    onCustomEvent: data => setTasks(known => afterEvent(known, data)),
    // The parameter makes the SDK fetch the state again.
    onFinish: _state => {},
  })

  const runs = useQuery({
    queryKey: [...keys.thread(thread_id), 'runs'],
    queryFn: () => plain.runs.list(thread_id, { limit: 5 }),
    enabled: exists,
    staleTime: 0,
    refetchOnWindowFocus: true,
    refetchInterval: stream.isLoading ? false : LOOK_MS,
  })

  const start = (sending: Sending) => {
    const { message, context, checkpoint_id } = sending
    const place = cut.current
    cut.current = undefined
    keepSending(thread_id, sending)
    setTasks(NO_TASKS)
    setAttempt(1)
    setLine(undefined)
    setStopped(false)
    void stream.submit(
      { messages: [message] },
      {
        ...at(checkpoint_id),
        ...(context && { context }),
        ...HOW,
        metadata: { send_id: message.id },
        optimisticValues: ({ messages = [] }) => ({ messages: [...upTo(messages, place), message] }),
      },
    )
  }

  const newest = runs.data?.[0]
  const lookAt = useRef<(runs: Run[]) => void>(undefined)
  lookAt.current = all => {
    if (stream.isLoading) return
    const pending = sendingOf(thread_id)
    if (pending) {
      sent(thread_id)
      if (!all.some(({ metadata }) => (metadata as { send_id?: string } | null)?.send_id === pending.message.id))
        return start(pending)
    }
    const live = all.find(({ status, run_id }) => status === 'running' && !followed.current.has(run_id))
    if (live) {
      begin(live.run_id)
      setStopped(false)
      void stream.joinStream(live.run_id, undefined, { streamMode: MODES })
    } else if (all[0] && !followed.current.has(all[0].run_id) && all[0].status !== 'pending') {
      if (looked.current) void refresh()
    }
    for (const { run_id, status } of all) if (status !== 'running' && status !== 'pending') followed.current.add(run_id)
    looked.current = true
  }
  useEffect(() => {
    if (runs.data) lookAt.current?.(runs.data)
  }, [runs.data])

  const problem = useMemo(() => (stream.error == null ? undefined : asApiError(stream.error)), [stream.error])
  const isLost = problem?.status === 0 && problem.message === 'The server cannot be reached'
  const lostAt = useRef(0)
  if (isLost && lostAt.current === 0) lostAt.current = Date.now()
  useEffect(() => {
    if (isLost && runs.isSuccess && runs.dataUpdatedAt > lostAt.current) onLost()
  }, [isLost, runs.isSuccess, runs.dataUpdatedAt, onLost])

  const shownHead = head ?? state.data?.checkpoint?.checkpoint_id ?? undefined
  const branches = useMemo(() => new Branches(places.data ?? [], shownHead), [places.data, shownHead])
  const acts = {
    /** Sends a message; where one begins a thread, it is sent when the thread is there. */
    send: (sending: Sending) => start(head === undefined ? sending : { ...sending, checkpoint_id: head }),
    /** Says something in the place of a message of a run, and of all that came after it. */
    replace: (sending: Omit<Sending, 'checkpoint_id'>, message_id: string, checkpoint_id: string) => {
      cut.current = message_id
      start({ ...sending, checkpoint_id })
    },
    answer: (resume: unknown) => {
      const command = resume === undefined ? {} : { command: { resume } }
      void stream.submit(null, { ...command, ...at(head), ...HOW })
    },
    stop: () => {
      setStopped(true)
      void stream.stop()
      if (current.current) void plain.runs.cancel(thread_id, current.current, true).finally(refresh)
    },
    show: setHead,
    refresh,
  }
  const latest = useRef(acts)
  latest.current = acts
  const [actions] = useState(() => ({
    send: (...given: Parameters<typeof acts.send>) => latest.current.send(...given),
    replace: (...given: Parameters<typeof acts.replace>) => latest.current.replace(...given),
    answer: (resume: unknown) => latest.current.answer(resume),
    stop: () => latest.current.stop(),
    show: (head: string) => latest.current.show(head),
    refresh: () => void latest.current.refresh(),
  }))

  const busy = stream.isLoading
  const messages = useFrames(stream.messages.length > 0 ? stream.messages : NO_MESSAGES, busy)
  const { todos } = stream.values
  const { __interrupt__: asked } = stream.values
  // A new list each time it is read, of what these are.
  const interrupts = useMemo(() => (busy ? [] : stream.interrupts), [busy, asked, state.data, stream.error])
  const queued = !busy && newest?.status === 'pending'
  const loading = exists && state.isPending
  const error = state.error ?? (isLost || stopped ? undefined : problem)
  const cut_off = isLost || (runs.isError && asApiError(runs.error).status === 0)
  const shown = {
    ...{ messages, todos, interrupts, rows: rows.data, branches, tasks },
    ...{ busy, queued, loading, error, line: cut_off ? ('lost' as const) : line, attempt, stopped },
  }
  // The same as long as nothing in it has changed: a token that is not shown yet draws nothing.
  const parts = Object.values(shown)
  const talk = useRef({ ...shown, ...actions })
  const last = useRef(parts)
  if (parts.some((part, index) => part !== last.current[index])) {
    last.current = parts
    talk.current = { ...shown, ...actions }
  }
  return talk.current
}

export type Talk = ReturnType<typeof useConversation>

function at(checkpoint_id: string | undefined) {
  return checkpoint_id === undefined ? {} : { checkpoint: { checkpoint_id, checkpoint_ns: '', checkpoint_map: null } }
}

function upTo(messages: Message[], id: string | undefined): Message[] {
  const place = messages.findIndex(message => message.id === id)
  return id === undefined || place < 0 ? messages : messages.slice(0, place)
}

/** The queries of a thread but one. */
function isNot(name: string) {
  return ({ queryKey }: { queryKey: readonly unknown[] }) => queryKey[3] !== name
}

/** Tells when a stream is taken up again where it broke off, which the SDK does by itself. */
function noting(tell: (line: 'lost' | 'resumed') => void): typeof fetch {
  return async (input, init) => {
    const cursor = new Headers(init?.headers).get('last-event-id')
    const again = init?.method === 'GET' && /\/runs\/[^/]+\/stream/.test(String(input)) && cursor !== '-1'
    if (again) tell('lost')
    const response = await fetch(input, init)
    if (again && response.ok) tell('resumed')
    return response
  }
}
