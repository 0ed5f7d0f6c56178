// One number with a word, and the line it has drawn while one looked.
const WIDTH = 120
const HEIGHT = 28
const FEWEST = 2

export function Tile({ label, value, note, line }: { label: string; value: string; note: string; line: number[] }) {
  return (
    <div className="flex min-w-0 flex-col rounded-lg border bg-surface p-4" title={note}>
      <dt className="text-muted">{label}</dt>
      <dd className="text-xl font-semibold tracking-tight tabular-nums">{value}</dd>
      <dd aria-hidden className="mt-2 h-7 text-thread-graph">
        <Line numbers={line} />
      </dd>
    </div>
  )
}

function Line({ numbers }: { numbers: number[] }) {
  const known = numbers.map(number => (Number.isFinite(number) ? number : 0))
  if (known.length < FEWEST) return null
  const most = Math.max(1, ...known)
  const points = known.map((number, n) => {
    const x = (n / (known.length - 1)) * WIDTH
    return `${x.toFixed(1)},${(HEIGHT - 2 - (number / most) * (HEIGHT - 4)).toFixed(1)}`
  })
  return (
    <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" className="size-full" role="presentation">
      <polygon points={`0,${HEIGHT} ${points.join(' ')} ${WIDTH},${HEIGHT}`} className="fill-live-wash" />
      <polyline
        points={points.join(' ')}
        fill="none"
        stroke="currentColor"
        strokeWidth={1.5}
        vectorEffect="non-scaling-stroke"
      />
    </svg>
  )
}
