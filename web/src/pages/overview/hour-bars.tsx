// Runs per hour as bars: what succeeded, what failed, and the rest on top of each other. The numbers are a table for those
// who do not see it.
import type { Hour } from './hours.ts'

const BAR = 20
const GAP = 4
const HEIGHT = 120

const PARTS = [
  { part: 'good', word: 'succeeded', fill: 'fill-good', dot: 'bg-good' },
  { part: 'bad', word: 'failed', fill: 'fill-bad', dot: 'bg-bad' },
  { part: 'other', word: 'other', fill: 'fill-live', dot: 'bg-live' },
] as const

const clock = new Intl.DateTimeFormat('en', { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })

export function HourBars({ hours }: { hours: Hour[] }) {
  const sums = hours.map(({ good, bad, other }) => good + bad + other)
  const most = Math.max(1, ...sums)
  const width = hours.length * (BAR + GAP) - GAP
  return (
    <figure>
      <div className="flex gap-2">
        <span aria-hidden className="text-xs text-muted tabular-nums">
          {Math.max(...sums)}
        </span>
        <svg
          viewBox={`0 0 ${width} ${HEIGHT}`}
          preserveAspectRatio="none"
          className="h-32 w-full min-w-0 border-b"
          aria-hidden="true"
        >
          {hours.map((hour, n) => {
            let top = HEIGHT
            return (
              <g key={hour.at}>
                <title>{`${clock.format(hour.at)}: ${sums[n]}`}</title>
                <rect x={n * (BAR + GAP)} y={HEIGHT - 2} width={BAR} height={2} className="fill-line" />
                {PARTS.map(({ part, fill }) => {
                  const height = (hour[part] / most) * (HEIGHT - 2)
                  top -= height
                  return <rect key={part} x={n * (BAR + GAP)} y={top} width={BAR} height={height} className={fill} />
                })}
              </g>
            )
          })}
        </svg>
      </div>
      <div aria-hidden className="mt-1 flex justify-between pl-4 text-xs text-muted tabular-nums">
        <span>{clock.format(hours[0]?.at)}</span>
        <span>{clock.format(hours[Math.floor(hours.length / 2)]?.at)}</span>
        <span>now</span>
      </div>
      <figcaption className="mt-2 flex flex-wrap gap-x-4 gap-y-1 text-xs text-soft">
        {PARTS.map(({ part, word, dot }) => (
          <span key={part} className="flex items-center gap-1.5 tabular-nums">
            <span className={`size-2 rounded-full ${dot}`} />
            {hours.reduce((sum, hour) => sum + hour[part], 0)} {word}
          </span>
        ))}
      </figcaption>
      <table className="sr-only">
        <caption>Runs per hour</caption>
        <thead>
          <tr>
            <th scope="col">Hour</th>
            <th scope="col">Runs</th>
          </tr>
        </thead>
        <tbody>
          {hours.map((hour, n) => (
            <tr key={hour.at}>
              <td>{clock.format(hour.at)}</td>
              <td>{sums[n]}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </figure>
  )
}
