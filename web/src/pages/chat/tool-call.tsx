// A call of a tool, folded: its name, how it went, and inside its arguments and its result.
import type { ToolMessage } from '@langchain/langgraph-sdk'
import { Check, ChevronRight, LoaderCircle, Minus, TriangleAlert } from 'lucide-react'
import { useState } from 'react'
import { JsonView } from '../../components/json-view.tsx'
import { type Call, textOf } from './entries.ts'
import { type Subtask, SubtaskNote } from './subtasks.tsx'
import { progressOf, type Todo } from './todos.tsx'

interface ToolCallProps {
  call: Call
  result: ToolMessage | undefined
  /** Its answer may come any moment. */
  live: boolean
  task?: Subtask | undefined
}

export function ToolCall({ call, result, live, task }: ToolCallProps) {
  const [open, setOpen] = useState(false)
  const failed = result?.status === 'error'
  const [Icon, words, look] = result
    ? failed
      ? [TriangleAlert, 'failed', 'text-bad']
      : [Check, 'done', 'text-good']
    : live
      ? [LoaderCircle, 'at work', 'text-live animate-spin']
      : [Minus, 'without an answer', 'text-muted']
  return (
    <div className="mt-2 overflow-hidden first:mt-0 rounded-md border bg-surface">
      <button
        type="button"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
        className="flex w-full items-center gap-2 px-3 py-1.5 text-left hover:bg-hover"
      >
        <Icon size={14} aria-label={words} className={`shrink-0 ${look}`} />
        <code className="shrink-0 text-xs font-semibold">{call.name}</code>
        {!open && <span className="min-w-0 truncate text-xs text-muted">{briefly(call, result)}</span>}
        <ChevronRight
          size={14}
          aria-hidden
          className={`ml-auto shrink-0 text-muted transition-transform ${open ? 'rotate-90' : ''}`}
        />
      </button>
      {task && <SubtaskNote task={task} />}
      {open && (
        <div className="grid grid-cols-[minmax(0,1fr)] gap-2 border-t p-3">
          <p className="text-xs font-medium text-muted">Arguments</p>
          <JsonView value={call.args} depth={2} />
          {result && <p className="text-xs font-medium text-muted">{failed ? 'Error' : 'Result'}</p>}
          {result && <Result message={result} />}
        </div>
      )}
    </div>
  )
}

function Result({ message }: { message: ToolMessage }) {
  const text = textOf(message)
  const value = jsonIn(text)
  if (value !== undefined) return <JsonView value={value} depth={2} />
  return (
    <pre
      dir="auto"
      className="max-h-96 overflow-auto rounded-md bg-sunken px-3 py-2 text-xs break-words whitespace-pre-wrap"
    >
      {text || 'nothing'}
    </pre>
  )
}

/** An object or list that the text is; undefined if it is none. */
function jsonIn(text: string): object | undefined {
  if (!/^\s*[[{]/.test(text)) return undefined
  try {
    return JSON.parse(text) as object
  } catch {
    return undefined
  }
}

const BRIEF_CHARS = 160

function briefly({ args }: Call, result: ToolMessage | undefined): string {
  if (Array.isArray(args?.todos)) return progressOf(args.todos as Todo[])
  const values = Object.values(args ?? {}).map(value => (typeof value === 'string' ? value : JSON.stringify(value)))
  const given = [...new Set(values)].join(', ')
  const got = result ? ` → ${textOf(result)}` : ''
  return `${given.slice(0, BRIEF_CHARS)}${got.slice(0, BRIEF_CHARS)}`
}
