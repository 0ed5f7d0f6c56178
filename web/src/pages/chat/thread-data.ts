// What the server keeps of a thread, as the chat asks for it: the state at a head, the tree of checkpoints, and which run
// each message belongs to.
import type { Client, ThreadState } from '@langchain/langgraph-sdk'
import { queryOptions } from '@tanstack/react-query'
import { request } from '../../api.ts'
import type { Place } from './branches.ts'
import type { Todo } from './todos.tsx'
import type { Model } from './turn-cost.ts'

/** The values of a graph that one can talk to; other keys may be there. */
export interface Values extends Record<string, unknown> {
  messages?: import('@langchain/langgraph-sdk').Message[]
  title?: string | null
  todos?: Todo[] | null
}

/** A message's place: its run, what its reader thinks of it, and how long its turn took. */
export interface MessageRow {
  run_id: string
  feedback?: { feedback_id: string; rating: 1 | -1; comment: string | null } | null
  turn_duration?: number
}

const MOST_PLACES = 1_000
const MOST_PAGES = 10

export const keys = {
  list: ['threads', 'list'] as const,
  thread: (id: string) => ['threads', 'one', id] as const,
  itself: (id: string) => ['threads', 'one', id, 'itself'] as const,
}

/** The newest state, or the one at `head`. */
export function stateQuery(client: Client, thread_id: string, head: string | undefined) {
  return queryOptions({
    queryKey: [...keys.thread(thread_id), 'state', head ?? 'newest'],
    queryFn: () => client.threads.getState<Values>(thread_id, head) as Promise<ThreadState<Values>>,
    staleTime: Number.POSITIVE_INFINITY,
  })
}

export function placesQuery(thread_id: string) {
  return queryOptions({
    queryKey: [...keys.thread(thread_id), 'places'],
    queryFn: () =>
      request<Place[]>(`/threads/${thread_id}/history`, {
        method: 'POST',
        json: { limit: MOST_PLACES, select: ['checkpoint', 'parent_checkpoint', 'metadata'] },
      }),
    staleTime: Number.POSITIVE_INFINITY,
  })
}

interface Row {
  run_id: string
  seq: number
  content: { id?: string; additional_kwargs?: { turn_duration?: number } }
  feedback?: MessageRow['feedback']
}

/** By the ids of messages. */
export function rowsQuery(thread_id: string) {
  return queryOptions({
    queryKey: [...keys.thread(thread_id), 'rows'],
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async () => {
      const rows = new Map<string, MessageRow>()
      let before = ''
      for (let page = 0; page < MOST_PAGES; page++) {
        const path = `/api/threads/${thread_id}/messages/page?limit=200${before}`
        const { data, has_more, next_before_seq } = await request<{
          data: Row[]
          has_more: boolean
          next_before_seq: number | null
        }>(path)
        for (const { run_id, content, feedback } of data) {
          const turn_duration = content.additional_kwargs?.turn_duration
          const row = { run_id, ...(feedback !== undefined && { feedback }), ...(turn_duration && { turn_duration }) }
          if (content.id) rows.set(content.id, row)
        }
        if (!has_more) break
        before = `&before_seq=${next_before_seq}`
      }
      return rows
    },
  })
}

export const modelsQuery = queryOptions({
  queryKey: ['models'],
  queryFn: async () => (await request<{ models: Model[] }>('/api/models')).models,
  staleTime: 60_000,
})
