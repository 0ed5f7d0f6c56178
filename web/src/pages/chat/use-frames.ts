// A value as it is at most once a frame, and less often while it is long: tokens come faster than anyone can see, and each
// costs what it takes to draw the whole.

import type { Message } from '@langchain/langgraph-sdk'
import { useEffect, useRef, useState } from 'react'
import { textOf } from './entries.ts'

/** Characters of a growing message for each millisecond between two drawings of it. */
const CHARS_PER_MS = 400

/** The messages, while `live` at the pace of the screen. */
export function useFrames(messages: Message[], live: boolean): Message[] {
  const [shown, setShown] = useState(messages)
  const newest = useRef(messages)
  const waits = useRef(false)
  newest.current = messages
  useEffect(() => {
    if (!live || waits.current || newest.current === shown) return
    waits.current = true
    const last = messages.at(-1)
    const pause_ms = last ? textOf(last).length / CHARS_PER_MS : 0
    const draw = () => {
      waits.current = false
      setShown(newest.current)
    }
    // A page that nobody sees has no frames.
    if (pause_ms > 16 || document.hidden) setTimeout(draw, Math.max(16, pause_ms))
    else requestAnimationFrame(draw)
  })
  return live ? shown : messages
}
