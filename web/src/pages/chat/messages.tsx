// One message each: a question, which can be said differently; an answer with what the model thought and the tools it
// called; anything else.
import type { AIMessage, HumanMessage, Message, ToolMessage } from '@langchain/langgraph-sdk'
import { ChevronLeft, ChevronRight, FileText, Lightbulb, Pencil } from 'lucide-react'
import { memo, useState } from 'react'
import { Button, IconButton } from '../../components/button.tsx'
import { CopyButton } from '../../components/copy-button.tsx'
import type { Alternatives } from './branches.ts'
import { callsOf, reasoningOf, textOf } from './entries.ts'
import { Markdown } from './markdown.tsx'
import type { Subtask } from './subtasks.tsx'
import { ToolCall } from './tool-call.tsx'

interface QuestionProps {
  message: HumanMessage
  alternatives: Alternatives | undefined
  onBranch: (head: string) => void
  /** Without it the question stays as it is. */
  onEdit: ((text: string) => void) | undefined
}

export const Question = memo(function Question({ message, alternatives, onBranch, onEdit }: QuestionProps) {
  const [editing, setEditing] = useState(false)
  const text = textOf(message)
  const files = filesOf(message)
  if (editing && onEdit)
    return (
      <EditForm
        text={text}
        onCancel={() => setEditing(false)}
        onDone={next => {
          setEditing(false)
          onEdit(next)
        }}
      />
    )
  return (
    <article aria-label="You" className="group flex flex-col items-end gap-1">
      <div
        dir="auto"
        className="max-w-[85%] min-w-0 rounded-lg rounded-br-sm bg-accent-wash px-3.5 py-2 text-base break-words whitespace-pre-wrap"
      >
        {text}
        {files.map(({ filename }) => (
          <span key={filename} className="mt-1 flex items-center gap-1.5 text-sm text-soft">
            <FileText size={14} aria-hidden /> {filename}
          </span>
        ))}
      </div>
      <div className="flex min-h-6 items-center gap-0.5">
        {alternatives && <BranchSwitch alternatives={alternatives} onBranch={onBranch} />}
        <span className="flex opacity-0 transition-opacity group-focus-within:opacity-100 group-hover:opacity-100 max-md:opacity-100">
          <CopyButton text={() => text} label="Copy the message" />
          {onEdit && <IconButton small icon={Pencil} label="Say it differently" onClick={() => setEditing(true)} />}
        </span>
      </div>
    </article>
  )
})

function EditForm({ text, onCancel, onDone }: { text: string; onCancel: () => void; onDone: (text: string) => void }) {
  const [next, setNext] = useState(text)
  return (
    <form
      className="rounded-lg border border-line-strong bg-surface p-3"
      onSubmit={event => {
        event.preventDefault()
        if (next.trim()) onDone(next)
      }}
    >
      <textarea
        // biome-ignore lint/a11y/noAutofocus: it was opened to type in
        autoFocus
        aria-label="The message, said differently"
        value={next}
        onChange={event => setNext(event.target.value)}
        onKeyDown={event => event.key === 'Escape' && onCancel()}
        className="field-sizing-content max-h-80 min-h-16 w-full resize-none bg-transparent text-base outline-none"
      />
      <div className="mt-2 flex items-center justify-end gap-2">
        <span className="mr-auto text-xs text-muted max-md:hidden">What followed is kept as another branch.</span>
        <Button onClick={onCancel}>Cancel</Button>
        <Button type="submit" kind="primary" disabled={!next.trim()}>
          Send
        </Button>
      </div>
    </form>
  )
}

function BranchSwitch({
  alternatives: { heads, shown },
  onBranch,
}: {
  alternatives: Alternatives
  onBranch: (head: string) => void
}) {
  const go = (index: number) => heads[index] !== undefined && onBranch(heads[index])
  return (
    <fieldset className="flex items-center text-xs text-muted" aria-label="Branches">
      <IconButton
        small
        icon={ChevronLeft}
        label="The branch before"
        disabled={shown === 0}
        onClick={() => go(shown - 1)}
      />
      <span className="tabular-nums">
        {shown + 1} of {heads.length}
      </span>
      <IconButton
        small
        icon={ChevronRight}
        label="The next branch"
        disabled={shown === heads.length - 1}
        onClick={() => go(shown + 1)}
      />
    </fieldset>
  )
}

interface AnswerProps {
  message: AIMessage
  results: (ToolMessage | undefined)[]
  /** It is being written. */
  growing: boolean
  /** Its run goes on. */
  live: boolean
  tasks: ReadonlyMap<string, Subtask>
}

export const Answer = memo(
  function Answer({ message, results, growing, live, tasks }: AnswerProps) {
    const text = textOf(message)
    const reasoning = reasoningOf(message)
    return (
      <article aria-label="Answer" className="min-w-0 text-base">
        {reasoning && <Reasoning text={reasoning} open={growing && text === ''} />}
        {text && <Markdown text={text} growing={growing} />}
        {callsOf(message).map((call, index) => (
          <ToolCall
            key={call.id ?? index}
            call={call}
            result={results[index]}
            live={live}
            task={tasks.get(call.id ?? '')}
          />
        ))}
      </article>
    )
  },
  (before, now) =>
    before.message === now.message &&
    before.growing === now.growing &&
    before.live === now.live &&
    before.tasks === now.tasks &&
    before.results.length === now.results.length &&
    before.results.every((result, index) => result === now.results[index]),
)

function Reasoning({ text, open }: { text: string; open: boolean }) {
  const [chosen, setChosen] = useState<boolean>()
  const shown = chosen ?? open
  return (
    <div className="my-2 text-sm">
      <button
        type="button"
        aria-expanded={shown}
        onClick={() => setChosen(!shown)}
        className="flex items-center gap-1.5 text-muted hover:text-ink"
      >
        <Lightbulb size={14} aria-hidden />
        {open ? 'Thinking…' : 'What it thought'}
        <ChevronRight size={13} aria-hidden className={`transition-transform ${shown ? 'rotate-90' : ''}`} />
      </button>
      {shown && (
        <p dir="auto" className="mt-1 border-l-2 pl-3 break-words whitespace-pre-wrap text-soft">
          {text}
        </p>
      )}
    </div>
  )
}

export const Note = memo(function Note({ message }: { message: Message }) {
  return (
    <p dir="auto" className="border-l-2 pl-3 text-sm break-words whitespace-pre-wrap text-muted">
      {message.type}: {textOf(message)}
    </p>
  )
})

function filesOf({ additional_kwargs }: HumanMessage): { filename: string }[] {
  const { files } = (additional_kwargs ?? {}) as { files?: { filename: string }[] }
  return Array.isArray(files) ? files : []
}
