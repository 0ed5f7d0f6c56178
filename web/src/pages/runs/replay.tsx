// The slider through a run: by hand, or by itself.
import { Pause, Play, SkipForward } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import { IconButton } from '../../components/button.tsx'

/** A whole run is played in about this time. */
const PLAY_MS = 8_000
const FRAME_MS = 50

export function Replay({
  count,
  at,
  latest,
  onMove,
  onLatest,
}: {
  count: number
  at: number
  /** Whether it stays at the newest event. */
  latest: boolean
  onMove: (at: number) => void
  onLatest: () => void
}) {
  const [playing, setPlaying] = useState(false)
  const place = useRef(at)
  place.current = at
  useEffect(() => {
    if (!playing) return
    const step = Math.max(1, Math.round((count * FRAME_MS) / PLAY_MS))
    const every = Math.max(FRAME_MS, PLAY_MS / count)
    const timer = setInterval(() => {
      if (place.current >= count - 1) return setPlaying(false)
      onMove(Math.min(count - 1, place.current + step))
    }, every)
    return () => clearInterval(timer)
  }, [playing, count, onMove])
  const play = () => {
    if (!playing && at >= count - 1) onMove(0)
    setPlaying(!playing)
  }
  return (
    <div className="flex items-center gap-2">
      <IconButton icon={playing ? Pause : Play} label={playing ? 'Stop the replay' : 'Replay'} onClick={play} />
      <input
        type="range"
        aria-label="Replay up to event"
        aria-valuetext={`Event ${at + 1} of ${count}`}
        min={0}
        max={Math.max(count - 1, 0)}
        value={Math.max(at, 0)}
        onChange={event => {
          setPlaying(false)
          onMove(Number(event.target.value))
        }}
        className="h-8 min-w-0 flex-1 cursor-pointer accent-accent"
      />
      <span className="min-w-24 text-right text-xs text-muted tabular-nums">
        {Math.max(at + 1, 0)} of {count}
      </span>
      <IconButton
        icon={SkipForward}
        label="To the newest event"
        disabled={latest}
        onClick={() => {
          setPlaying(false)
          onLatest()
        }}
      />
    </div>
  )
}
