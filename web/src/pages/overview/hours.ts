// Runs of the last day, hour by hour.
import type { Run } from '@langchain/langgraph-sdk'

const HOUR_MS = 3_600_000
const HOURS = 24

export type DayRun = Pick<Run, 'status' | 'created_at' | 'updated_at'>

export interface Hour {
  /** When it began. */
  at: number
  good: number
  bad: number
  /** Under way, or ended neither well nor badly. */
  other: number
}

/** The last 24 hours of the clock, the one that it is now last. */
export function hoursOf(runs: readonly DayRun[], now = Date.now()): Hour[] {
  const last = Math.floor(now / HOUR_MS)
  const hours = Array.from(
    { length: HOURS },
    (_, n): Hour => ({
      at: (last - HOURS + 1 + n) * HOUR_MS,
      good: 0,
      bad: 0,
      other: 0,
    }),
  )
  for (const { created_at, status } of runs) {
    const hour = hours[Math.floor(Date.parse(created_at) / HOUR_MS) - last + HOURS - 1]
    if (hour) hour[status === 'success' ? 'good' : status === 'error' || status === 'timeout' ? 'bad' : 'other']++
  }
  return hours
}

/** What a share of the runs that succeeded took at most, in ms; undefined when there is none. */
export function tookOf(runs: readonly DayRun[], share: number): number | undefined {
  const times = runs
    .filter(({ status }) => status === 'success')
    .map(({ created_at, updated_at }) => Date.parse(updated_at) - Date.parse(created_at))
    .sort((a, b) => a - b)
  return times[Math.min(times.length - 1, Math.floor(times.length * share))]
}
