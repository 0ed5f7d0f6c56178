// Times and durations, short, with the whole truth on hover.
const STEPS: [seconds: number, unit: Intl.RelativeTimeFormatUnit][] = [
  [60, 'second'],
  [3600, 'minute'],
  [86_400, 'hour'],
  [604_800, 'day'],
]
const SIZES: Partial<Record<Intl.RelativeTimeFormatUnit, number>> = { second: 1, minute: 60, hour: 3600, day: 86_400 }

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'short' })
const day = new Intl.DateTimeFormat('en', { day: 'numeric', month: 'short', year: 'numeric' })
const whole = new Intl.DateTimeFormat('en', { dateStyle: 'full', timeStyle: 'long' })

/** `3 min. ago`, `in 2 hr.`; a date when that is more than a week away. */
export function Time({ at }: { at: string | number }) {
  const date = new Date(at)
  return (
    <time dateTime={date.toISOString()} title={whole.format(date)} className="whitespace-nowrap">
      {wordsFor(date)}
    </time>
  )
}

function wordsFor(date: Date): string {
  const seconds = Math.round((date.getTime() - Date.now()) / 1000)
  const [, unit] = STEPS.find(([below]) => Math.abs(seconds) < below) ?? []
  if (!unit) return day.format(date)
  if (unit === 'second') return seconds > 5 ? relative.format(seconds, unit) : 'just now'
  return relative.format(Math.round(seconds / (SIZES[unit] ?? 1)), unit)
}

/** `340 ms`, `4.2 s`, `3 min 5 s`, `2 h 4 min`. */
export function Duration({ ms }: { ms: number }) {
  return <span className="whitespace-nowrap tabular-nums">{durationOf(ms)}</span>
}

export function durationOf(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`
  const minutes = Math.floor(ms / 60_000)
  if (minutes < 60) return `${minutes} min ${Math.round((ms % 60_000) / 1000)} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
