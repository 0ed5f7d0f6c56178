// A block of code: its language, a button that copies it, and colours once the highlighter is here.
import { useEffect, useState } from 'react'
import { CopyButton } from '../../components/copy-button.tsx'
import type { Highlighted } from './highlight.ts'

/** Longer code is not coloured. */
const MOST_CHARS = 50_000
/** A block that grows is coloured when it rests. */
const REST_MS = 200

export function CodeBlock({ text, language }: { text: string; language: string | undefined }) {
  const parts = useHighlighted(text, language)
  return (
    <div className="not-prose my-3 overflow-hidden rounded-md border bg-sunken">
      <div className="flex h-8 items-center justify-between border-b pr-1 pl-3 text-xs text-muted">
        <span>{language ?? 'text'}</span>
        <CopyButton text={() => text} label="Copy the code" />
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <pre tabIndex={0} className="overflow-x-auto px-3 py-2.5 text-xs leading-5">
        <code>
          {parts
            ? parts.map(({ text, look }, index) => (
                <span key={index} className={look}>
                  {text}
                </span>
              ))
            : text}
        </code>
      </pre>
    </div>
  )
}

function useHighlighted(text: string, language: string | undefined): Highlighted[] | undefined {
  const [found, setFound] = useState<{ text: string; parts: Highlighted[] }>()
  useEffect(() => {
    if (!language || text.length > MOST_CHARS) return
    let gone = false
    const timer = setTimeout(async () => {
      const { highlight } = await import('./highlight.ts')
      const parts = highlight(text, language)
      if (!gone && parts) setFound({ text, parts })
    }, REST_MS)
    return () => {
      gone = true
      clearTimeout(timer)
    }
  }, [text, language])
  return found?.text === text ? found.parts : undefined
}
