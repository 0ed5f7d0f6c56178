// What a run has recorded, with the time of each event: its whole history in pages, then the rest as it happens. The run's
// stream says that there is something new; what it is comes from the same list, which alone has the times.
import type { Run } from '@langchain/langgraph-sdk'
import { queryOptions } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { asApiError, currentClient, queries, request } from '../../api.ts'

export interface RunEvent {
  /** Counts over the thread, without gaps within a run. */
  seq: number
  event_type: string
  /** A text, cut, where `content_truncated`. */
  content: unknown
  metadata: { namespace?: string[]; content_truncated?: true }
  created_at: string
}

export interface Recorded {
  events: readonly RunEvent[]
  /** The whole history is there; what comes now is live. */
  caught_up: boolean
  /** Nothing more will come. */
  ended: boolean
  /** Why nothing comes at present. */
  error?: unknown
}

const PAGE = 2_000
/** What comes within this time is fetched together. */
const TOGETHER_MS = 250
const RETRY_MS = 2_000

const MODES = ['values', 'updates', 'messages-tuple', 'tasks', 'checkpoints', 'custom'] as const

export function useRunEvents(thread_id: string, run_id: string): Recorded {
  const [recorded, setRecorded] = useState<Recorded>(NOTHING)
  useEffect(() => {
    const gone = new AbortController()
    setRecorded(NOTHING)
    const change = (part: (before: Recorded) => Partial<Recorded>) => {
      if (!gone.signal.aborted) setRecorded(before => ({ ...before, error: undefined, ...part(before) }))
    }
    void follow({ thread_id, run_id, signal: gone.signal }, change)
    return () => gone.abort()
  }, [thread_id, run_id])
  return recorded
}

const NOTHING: Recorded = { events: [], caught_up: false, ended: false }

interface RunKey {
  thread_id: string
  run_id: string
}

/** How a run is read. */
export function runQuery({ thread_id, run_id }: RunKey) {
  return queryOptions({
    queryKey: ['run', thread_id, run_id],
    queryFn: () => currentClient().runs.get(thread_id, run_id),
  })
}

export function isInFlight(run: Run | undefined): boolean {
  return run?.status === 'pending' || run?.status === 'running'
}

interface Followed extends RunKey {
  signal: AbortSignal
}

type Change = (part: (before: Recorded) => Partial<Recorded>) => void

/** Goes on after a connection that was lost, from what it has; ends with the run, or with an error that stays. */
async function follow(run: Followed, change: Change): Promise<void> {
  let after = 0
  let base: number | undefined
  const take = async () => {
    for (;;) {
      const page = await pageOf(run, after)
      after = page.at(-1)?.seq ?? after
      base ??= page[0] && page[0].seq - 1
      if (page.length > 0) change(({ events }) => ({ events: [...events, ...page] }))
      if (page.length < PAGE) return change(() => ({ caught_up: true }))
    }
  }
  while (!run.signal.aborted) {
    try {
      await take()
      for await (const _ of news(run, base === undefined ? 0 : after - base)) await take()
      // A stream may also end because the connection did: the run's status tells.
      const over = !isInFlight(await queries.fetchQuery({ ...runQuery(run), staleTime: 0 }))
      await take()
      if (over) return change(() => ({ ended: true }))
      await pause(RETRY_MS)
    } catch (error) {
      change(() => ({ error }))
      if (asApiError(error).status > 0) return
      await pause(RETRY_MS)
    }
  }
}

function pageOf({ thread_id, run_id, signal }: Followed, after: number): Promise<RunEvent[]> {
  return request(`/api/threads/${thread_id}/runs/${run_id}/events?after_seq=${after}&limit=${PAGE}`, { signal })
}

/** Yields whenever something has come after an event, at most every TOGETHER_MS; ends with the run. */
async function* news({ thread_id, run_id, signal }: Followed, after: number): AsyncGenerator<void> {
  let rung = Promise.withResolvers<boolean>()
  const options = { signal, streamMode: [...MODES], ...(after > 0 && { lastEventId: String(after) }) }
  const listen = async () => {
    for await (const _ of currentClient().runs.joinStream(thread_id, run_id, options)) rung.resolve(true)
  }
  let over = false
  let failed: unknown
  const listening = listen()
    .catch(error => {
      failed = error
    })
    .finally(() => {
      over = true
      rung.resolve(false)
    })
  while (!over && (await rung.promise)) {
    rung = Promise.withResolvers()
    yield
    await Promise.race([pause(TOGETHER_MS), listening])
  }
  if (failed !== undefined && !signal.aborted) throw failed
}

/** The content of an event that the list has cut, by its place in the run; the stream has all of it. */
export async function wholeContent(
  { thread_id, run_id }: RunKey,
  place: number,
  signal: AbortSignal,
): Promise<unknown> {
  const options = { signal, streamMode: [...MODES], ...(place > 0 && { lastEventId: String(place) }) }
  for await (const { id, data } of currentClient().runs.joinStream(thread_id, run_id, options)) {
    if (id === String(place + 1)) return data
  }
  throw new Error('The run does not have this event any more')
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
