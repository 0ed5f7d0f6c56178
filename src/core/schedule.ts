// When a schedule comes next: cron expressions of five fields, or six with the seconds first, in an IANA time zone.
// Daylight saving as in cron itself: a time of day that a change skips comes right after the gap; one that it repeats
// comes once, the first time; what comes every so many minutes goes on through both hours.
import { Cron as Pattern } from 'croner'
import { RunloomError } from './errors.ts'

export interface Schedule {
  schedule: string
  /** UTC without one. */
  timezone: string | null
  /** An ISO date after which it does not come any more. */
  end_time: string | null
}

/** The next date after another, as an ISO string; null when there is none. Throws `invalid`, naming the field. */
export function nextDate({ schedule, timezone, end_time }: Schedule, after: string): string | null {
  const next = pattern(schedule, timezone).nextRun(new Date(after))?.toISOString() ?? null
  return next !== null && end_time !== null && next > end_time ? null : next
}

function pattern(schedule: string, timezone: string | null): Pattern {
  checkTimezone(timezone)
  const fields = schedule.trim().split(/\s+/)
  if (!/^@\w+$/.test(schedule.trim()) && fields.length !== 5 && fields.length !== 6) {
    throw new RunloomError(
      'invalid',
      `schedule: "${schedule}" has ${fields.length} fields; use five (minute hour day month weekday), or six with the seconds first`,
    )
  }
  try {
    return new Pattern(schedule.trim(), { timezone: timezone ?? 'UTC', paused: true })
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.replace(/^CronPattern: /, '') : String(cause)
    throw new RunloomError('invalid', `schedule: "${schedule}": ${reason}`, { cause })
  }
}

function checkTimezone(timezone: string | null) {
  if (timezone === null || isTimezone(timezone)) return
  throw new RunloomError('invalid', `timezone: "${timezone}" is no IANA time zone; use one like "Europe/Berlin"`)
}

function isTimezone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false // an offset, which Intl would take
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}
