// All assistants, for choosing one and for calling them by their names.
import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { currentClient } from './api.ts'

const MOST = 1_000

export function useAssistants() {
  return useQuery({
    queryKey: ['assistants', 'all'],
    queryFn: () => currentClient().assistants.search({ limit: MOST, sortBy: 'name', sortOrder: 'asc' }),
    staleTime: 60_000,
  })
}

export function useAssistantNames(): ReadonlyMap<string, string> {
  const { data } = useAssistants()
  return useMemo(() => new Map(data?.map(({ assistant_id, name }) => [assistant_id, name])), [data])
}
