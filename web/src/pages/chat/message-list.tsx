// The conversation, of which only what is seen is in the page. It stays at its end while one is there, and where one is
// otherwise.
import { useVirtualizer } from '@tanstack/react-virtual'
import { ArrowDown } from 'lucide-react'
import { type ReactNode, useEffect, useLayoutEffect, useRef, useState } from 'react'
import { IconButton } from '../../components/button.tsx'
import type { Entry } from './entries.ts'

/** Nearer to the end than this is at the end. */
const END_PX = 80

interface MessageListProps {
  entries: readonly Entry[]
  render: (entry: Entry) => ReactNode
  /** Below the last entry. */
  foot: ReactNode
}

export function MessageList({ entries, render, foot }: MessageListProps) {
  const scroller = useRef<HTMLDivElement>(null)
  const content = useRef<HTMLDivElement>(null)
  const sticks = useRef(true)
  const [away, setAway] = useState(false)
  const list = useVirtualizer({
    count: entries.length,
    getScrollElement: () => scroller.current,
    estimateSize: index => (entries[index]?.kind === 'end' ? 40 : 120),
    getItemKey: index => entries[index]?.key ?? index,
    overscan: 6,
  })
  const toEnd = () => {
    sticks.current = true
    setAway(false)
    scroller.current?.scrollTo({ top: scroller.current.scrollHeight })
  }
  // What grows moves the end.
  useLayoutEffect(() => {
    const inside = content.current
    if (!inside) return
    const observer = new ResizeObserver(() => {
      if (sticks.current) scroller.current?.scrollTo({ top: scroller.current.scrollHeight })
    })
    observer.observe(inside)
    return () => observer.disconnect()
  }, [])
  const count = entries.length
  const last = entries.at(-1)?.key
  useEffect(() => {
    if (count > 0 && last !== undefined && sticks.current)
      scroller.current?.scrollTo({ top: scroller.current.scrollHeight })
  }, [count, last])

  return (
    <div className="relative min-h-0 flex-1">
      <section
        ref={scroller}
        aria-label="Conversation"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        tabIndex={0}
        onScroll={() => {
          const { scrollTop, scrollHeight, clientHeight } = scroller.current as HTMLDivElement
          sticks.current = scrollHeight - scrollTop - clientHeight < END_PX
          setAway(!sticks.current)
        }}
        className="h-full overflow-y-auto px-4 outline-offset-[-2px] [overflow-anchor:none]"
      >
        <div ref={content} className="mx-auto max-w-3xl pt-6 pb-4">
          <div className="relative" style={{ height: list.getTotalSize() }}>
            {list.getVirtualItems().map(({ key, index, start }) => (
              <div
                key={key}
                data-index={index}
                ref={list.measureElement}
                className="absolute inset-x-0 top-0 pb-3"
                style={{ transform: `translateY(${start}px)` }}
              >
                {entries[index] && render(entries[index])}
              </div>
            ))}
          </div>
          {foot}
        </div>
      </section>
      {away && (
        <IconButton
          kind="plain"
          icon={ArrowDown}
          label="To the end"
          className="absolute bottom-3 left-1/2 -translate-x-1/2 rounded-full! shadow-float"
          onClick={toEnd}
        />
      )}
    </div>
  )
}
