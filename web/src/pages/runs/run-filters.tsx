// By what the list of runs is narrowed.
import { X } from 'lucide-react'
import { useEffect, useId, useState } from 'react'
import { useAssistants } from '../../assistants.ts'
import { Button } from '../../components/button.tsx'

export interface RunFilter {
  status?: string
  assistant_id?: string
  thread_id?: string
  within?: string
}

const HOUR_MS = 3_600_000

export const WITHIN = [
  { id: 'hour', label: 'Last hour', ms: HOUR_MS },
  { id: 'day', label: 'Last 24 hours', ms: 24 * HOUR_MS },
  { id: 'week', label: 'Last 7 days', ms: 7 * 24 * HOUR_MS },
  { id: 'month', label: 'Last 30 days', ms: 30 * 24 * HOUR_MS },
]

const STATUSES = ['pending', 'running', 'success', 'error', 'timeout', 'interrupted']

export function RunFilters({ filter, onChange }: { filter: RunFilter; onChange: (filter: RunFilter) => void }) {
  const assistants = useAssistants()
  const set = (field: keyof RunFilter) => (value: string) => {
    const { [field]: _, ...rest } = filter
    onChange(value ? { ...rest, [field]: value } : rest)
  }
  return (
    <search className="grid grid-cols-2 items-end gap-3 sm:flex sm:flex-wrap">
      <Choice label="Status" any="Any" value={filter.status} onChange={set('status')}>
        {STATUSES.map(status => (
          <option key={status}>{status}</option>
        ))}
      </Choice>
      <Choice label="Assistant" any="Any" value={filter.assistant_id} onChange={set('assistant_id')}>
        {assistants.data?.map(({ assistant_id, name }) => (
          <option key={assistant_id} value={assistant_id}>
            {name}
          </option>
        ))}
      </Choice>
      <Choice label="Made" any="At any time" value={filter.within} onChange={set('within')}>
        {WITHIN.map(({ id, label }) => (
          <option key={id} value={id}>
            {label}
          </option>
        ))}
      </Choice>
      <ThreadField value={filter.thread_id ?? ''} onChange={set('thread_id')} />
      {Object.keys(filter).length > 0 && (
        <Button kind="quiet" icon={X} onClick={() => onChange({})}>
          Clear
        </Button>
      )}
    </search>
  )
}

function Choice({
  label,
  any,
  value = '',
  onChange,
  children,
}: {
  label: string
  any: string
  value: string | undefined
  onChange: (value: string) => void
  children: React.ReactNode
}) {
  const id = useId()
  return (
    <div className="sm:w-36">
      <label htmlFor={id} className="mb-1 block text-xs text-muted">
        {label}
      </label>
      <select id={id} className="field" value={value} onChange={event => onChange(event.target.value)}>
        <option value="">{any}</option>
        {children}
      </select>
    </div>
  )
}

/** Taken when it is left, or with Enter: half an id finds nothing. */
function ThreadField({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const id = useId()
  const [text, setText] = useState(value)
  useEffect(() => setText(value), [value])
  const take = () => text.trim() !== value && onChange(text.trim())
  return (
    <form
      className="min-w-0 flex-1"
      onSubmit={event => {
        event.preventDefault()
        take()
      }}
    >
      <label htmlFor={id} className="mb-1 block text-xs text-muted">
        Thread
      </label>
      <input
        id={id}
        className="field font-mono text-xs"
        placeholder="Its id"
        value={text}
        onChange={event => setText(event.target.value)}
        onBlur={take}
      />
    </form>
  )
}
