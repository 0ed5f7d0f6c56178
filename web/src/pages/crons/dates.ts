// When a cron comes next, in words and in the time zone of who looks.
import { nextDate, type Schedule } from '../../../../src/core/schedule.ts'

const DAY_MS = 86_400_000

export const VIEWER_ZONE = new Intl.DateTimeFormat().resolvedOptions().timeZone

const time = new Intl.DateTimeFormat('en', { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })
const weekday = new Intl.DateTimeFormat('en', { weekday: 'long' })
const date = new Intl.DateTimeFormat('en', { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' })

/** `today at 14:30`, `tomorrow at 09:00`, `Friday at 09:00`, `Mon, Jan 4, 2027 at 09:00`. */
export function dateWords(iso: string, now = new Date()): string {
  const at = new Date(iso)
  const days = Math.round((midnight(at) - midnight(now)) / DAY_MS)
  const day =
    days === 0 ? 'today' : days === 1 ? 'tomorrow' : days > 1 && days < 7 ? weekday.format(at) : date.format(at)
  return `${day} at ${time.format(at)}`
}

/** The next `count` dates of a schedule as the server will find them, or in its words what is wrong with it. */
export function nextDates(schedule: Schedule, count: number): { dates: string[]; wrong?: string } {
  const dates: string[] = []
  try {
    for (let after = new Date().toISOString(); dates.length < count; ) {
      const next = nextDate(schedule, after)
      if (next === null) break
      dates.push(next)
      after = next
    }
    return { dates }
  } catch (error) {
    return { dates: [], wrong: (error as Error).message }
  }
}

function midnight(at: Date): number {
  return new Date(at.getFullYear(), at.getMonth(), at.getDate()).getTime()
}
