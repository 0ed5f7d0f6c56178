// A thread's checkpoints: the list has no values, so that a long conversation costs what is shown of it; the values of those
// one looks at are fetched apart.
import type { Checkpoint, ThreadState } from '@langchain/langgraph-sdk'
import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import { currentClient, request } from '../../api.ts'

export interface Place {
  checkpoint: Checkpoint & { checkpoint_id: string }
  parent_checkpoint: { checkpoint_id: string } | null
  next: string[]
  created_at: string
  metadata: { source?: string; step?: number; run_id?: string; assistant_id?: string; graph_id?: string } | null
  interrupts: unknown[]
}

const PAGE = 50
const FIELDS = ['checkpoint', 'parent_checkpoint', 'next', 'created_at', 'metadata', 'interrupts']

/** Newest first. */
export function placesQuery(thread_id: string) {
  return infiniteQueryOptions({
    queryKey: ['state', thread_id, 'places'],
    queryFn: ({ pageParam: before }) =>
      request<Place[]>(`/threads/${thread_id}/history`, {
        method: 'POST',
        json: { limit: PAGE, select: FIELDS, ...(before && { before }) },
      }),
    initialPageParam: '',
    // Runs add to it while one looks elsewhere.
    staleTime: 0,
    getNextPageParam: page => (page.length < PAGE ? undefined : page.at(-1)?.checkpoint.checkpoint_id),
  })
}

export function stateQuery(thread_id: string, checkpoint_id: string) {
  return queryOptions({
    queryKey: ['state', thread_id, checkpoint_id],
    queryFn: (): Promise<ThreadState<Record<string, unknown>>> =>
      currentClient().threads.getState(thread_id, checkpoint_id),
  })
}
