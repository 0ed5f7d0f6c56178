// Statuses of runs and threads, in a word and a colour; what is at work pulses.
const LOOKS = {
  good: 'bg-good-wash text-good',
  bad: 'bg-bad-wash text-bad',
  warn: 'bg-warn-wash text-warn',
  live: 'bg-live-wash text-live',
  still: 'bg-hover text-soft',
} as const

type Tone = keyof typeof LOOKS

const TONES: Record<string, Tone> = {
  success: 'good',
  succeeded: 'good',
  completed: 'good',
  delivered: 'good',
  error: 'bad',
  failed: 'bad',
  timeout: 'bad',
  interrupted: 'warn',
  waiting: 'warn',
  retrying: 'warn',
  running: 'live',
  busy: 'live',
}

export function StatusBadge({ status }: { status: string }) {
  return (
    <Badge tone={TONES[status] ?? 'still'} live={TONES[status] === 'live'}>
      {status.replaceAll('_', ' ')}
    </Badge>
  )
}

export function Badge({ tone = 'still', live, children }: { tone?: Tone; live?: boolean; children: React.ReactNode }) {
  return (
    <span
      className={`inline-flex h-5 items-center gap-1.5 rounded-full px-2 text-xs font-medium whitespace-nowrap ${LOOKS[tone]}`}
    >
      {live && <span className="size-1.5 animate-pulse rounded-full bg-current" />}
      {children}
    </span>
  )
}
