// What the page reads of `/metrics`, which is text for Prometheus: a line is `name{label="value"} number`. What was read is
// kept for as long as the page is open, so that coming back shows the line it had.
import { useQuery } from '@tanstack/react-query'
import { API, ApiError, currentKey } from '../../api.ts'

const REFRESH_MS = 3_000
const KEPT = 100

export interface Sample {
  running: number
  /** Runs whose time has come and that nobody executes yet. */
  queued: number
  oldest_s: number
  takeovers: number
  readers: number
}

const samples: Sample[] = []

/** The newest last. */
export function useSamples() {
  return useQuery({
    queryKey: ['metrics'],
    queryFn: async () => {
      samples.push(sampleOf(await metricsText()))
      samples.splice(0, samples.length - KEPT)
      return [...samples]
    },
    refetchInterval: query => (query.state.status === 'error' ? false : REFRESH_MS),
    retry: false,
  })
}

/** Whether the server says that it has none. */
export function areOff(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404
}

async function metricsText(): Promise<string> {
  const key = currentKey()
  const response = await fetch(`${API}/metrics`, { headers: key ? { 'x-api-key': key } : {} })
  const text = await response.text()
  if (response.ok) return text
  throw new ApiError(response.status, 'The metrics were refused', response.headers.get('x-request-id') ?? undefined)
}

function sampleOf(text: string): Sample {
  const numbers = new Map<string, number>()
  for (const line of text.split('\n')) {
    const [, name, number] = /^(runloom_[^ ]+) (\S+)/.exec(line) ?? []
    if (name) numbers.set(name, Number(number))
  }
  const read = (name: string) => numbers.get(`runloom_${name}`) ?? Number.NaN
  return {
    running: read('runs{status="running"}'),
    queued: read('queue_depth'),
    oldest_s: read('queue_oldest_seconds'),
    takeovers: read('lease_takeovers_total'),
    readers: read('stream_readers'),
  }
}
