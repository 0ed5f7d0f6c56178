// JSON as a tree that opens where one looks. Long texts and long lists are cut until they are asked for, so that a value of
// any size costs what is shown of it.
import { ChevronRight } from 'lucide-react'
import { useState } from 'react'
import { CopyButton } from './copy-button.tsx'

const LIST_PART = 100
const TEXT_PART = 400

/** `depth`: how many levels are open at first. */
export function JsonView({ value, depth = 1 }: { value: unknown; depth?: number }) {
  return (
    <div className="group relative rounded-md bg-sunken px-3 py-2 font-mono text-xs break-words">
      <span className="absolute top-1 right-1 opacity-0 group-focus-within:opacity-100 group-hover:opacity-100">
        <CopyButton text={() => JSON.stringify(value, null, 2)} label="Copy JSON" />
      </span>
      <Value value={value} depth={depth} />
    </div>
  )
}

function Value({ name, value, depth }: { name?: string; value: unknown; depth: number }) {
  if (typeof value === 'object' && value !== null) return <Branch name={name} value={value} depth={depth} />
  return (
    <div className="pl-4">
      <Name name={name} />
      <Leaf value={value} />
    </div>
  )
}

function Branch({ name, value, depth }: { name: string | undefined; value: object; depth: number }) {
  const [open, setOpen] = useState(depth > 0)
  const [shown, setShown] = useState(LIST_PART)
  const entries = Object.entries(value)
  const [left, right] = Array.isArray(value) ? ['[', ']'] : ['{', '}']
  if (entries.length === 0) {
    return (
      <div className="pl-4">
        <Name name={name} />
        {left + right}
      </div>
    )
  }
  return (
    <div>
      <button
        type="button"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
        className="flex items-start rounded-sm text-left hover:bg-hover"
      >
        <ChevronRight
          size={12}
          aria-hidden
          className={`mt-0.75 mr-1 shrink-0 text-muted transition-transform ${open ? 'rotate-90' : ''}`}
        />
        <span>
          <Name name={name} />
          <span className="text-muted">{open ? left : `${left} ${countOf(value, entries.length)} ${right}`}</span>
        </span>
      </button>
      {open && (
        <div className="ml-1.5 border-l pl-2">
          {entries.slice(0, shown).map(([key, part]) => (
            <Value key={key} name={key} value={part} depth={depth - 1} />
          ))}
          {entries.length > shown && (
            <button type="button" className="pl-4 text-accent underline" onClick={() => setShown(shown + LIST_PART)}>
              {entries.length - shown} more
            </button>
          )}
        </div>
      )}
    </div>
  )
}

function countOf(value: object, count: number): string {
  return Array.isArray(value)
    ? `${count} ${count === 1 ? 'item' : 'items'}`
    : `${count} ${count === 1 ? 'key' : 'keys'}`
}

function Name({ name }: { name: string | undefined }) {
  return name === undefined ? null : <span className="text-thread-graph">{name}: </span>
}

function Leaf({ value }: { value: unknown }) {
  const [whole, setWhole] = useState(false)
  if (typeof value !== 'string') return <span className="text-thread-model">{String(value)}</span>
  const cut = !whole && value.length > TEXT_PART
  return (
    <span className="whitespace-pre-wrap text-ink">
      <bdi>“{cut ? value.slice(0, TEXT_PART) : value}”</bdi>
      {cut && (
        <button type="button" className="ml-1 text-accent underline" onClick={() => setWhole(true)}>
          {value.length - TEXT_PART} more characters
        </button>
      )}
    </span>
  )
}
