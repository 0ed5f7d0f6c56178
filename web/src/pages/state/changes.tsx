// What differs between two states, field by field.

import { Minus, Pencil, Plus } from 'lucide-react'
import diff, { type Difference } from 'microdiff'
import { useMemo, useState } from 'react'
import { Button } from '../../components/button.tsx'
import { JsonView } from '../../components/json-view.tsx'

const LOOKS = {
  CREATE: { icon: Plus, word: 'added', text: 'text-good' },
  REMOVE: { icon: Minus, word: 'removed', text: 'text-bad' },
  CHANGE: { icon: Pencil, word: 'changed', text: 'text-warn' },
} as const

const SHOWN = 100

type Values = Record<string, unknown> | null

export function Changes({
  before,
  after,
  none,
}: {
  before: Values
  after: Values
  /** Said where nothing does. */
  none: string
}) {
  const changes = useMemo(() => diff(before ?? {}, after ?? {}), [before, after])
  const [shown, setShown] = useState(SHOWN)
  if (changes.length === 0) return <p className="p-4 text-muted">{none}</p>
  return (
    <>
      <ul aria-label="Changes" className="divide-y">
        {changes.slice(0, shown).map(change => (
          <Change key={`${change.type} ${change.path.join('/')}`} change={change} />
        ))}
      </ul>
      {changes.length > shown && (
        <div className="border-t p-2 text-center">
          <Button onClick={() => setShown(shown + SHOWN)}>{changes.length - shown} more</Button>
        </div>
      )}
    </>
  )
}

function Change({ change }: { change: Difference }) {
  const { icon: Icon, word, text } = LOOKS[change.type]
  return (
    <li className="px-4 py-3">
      <p className="mb-1.5 flex items-center gap-2">
        <Icon size={14} aria-hidden className={text} />
        <code className="min-w-0 font-medium break-all">{pathText(change.path)}</code>
        <span className={`text-xs ${text}`}>{word}</span>
      </p>
      <div className={change.type === 'CHANGE' ? 'grid gap-2 sm:grid-cols-2' : ''}>
        {change.type !== 'CREATE' && <Value label="was" wash="bg-bad-wash" value={change.oldValue} />}
        {change.type !== 'REMOVE' && <Value label="is" wash="bg-good-wash" value={change.value} />}
      </div>
    </li>
  )
}

function Value({ label, wash, value }: { label: string; wash: string; value: unknown }) {
  if (typeof value === 'object' && value !== null) return <JsonView value={value} depth={1} />
  return (
    <p className={`rounded-md px-3 py-2 font-mono text-xs break-words whitespace-pre-wrap ${wash}`}>
      <span className="sr-only">{label} </span>
      {typeof value === 'string' ? value : JSON.stringify(value)}
    </p>
  )
}

/** `messages[3].content`. */
function pathText(path: (string | number)[]): string {
  return path.map((part, n) => (typeof part === 'number' ? `[${part}]` : n === 0 ? part : `.${part}`)).join('')
}
