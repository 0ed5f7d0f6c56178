// A field for JSON that says where it is wrong.
import { useId } from 'react'

export function JsonField({
  label,
  value,
  onChange,
  rows,
  placeholder,
  object,
}: {
  label: string
  value: string
  onChange: (text: string) => void
  rows: number
  placeholder?: string
  /** Nothing but an object will do. */
  object?: boolean
}) {
  const id = useId()
  const { value: parsed, error } = parseJson(value || 'null')
  const wrong = error ?? (object && !isObject(parsed) ? 'It must be an object: { … }' : undefined)
  return (
    <div>
      <label htmlFor={id} className="mb-1 block text-xs text-muted">
        {label}
      </label>
      <textarea
        id={id}
        rows={rows}
        spellCheck={false}
        autoComplete="off"
        className="field resize-y font-mono text-xs"
        placeholder={placeholder}
        value={value}
        aria-invalid={wrong !== undefined}
        aria-describedby={`${id}wrong`}
        onChange={event => onChange(event.target.value)}
      />
      <p id={`${id}wrong`} aria-live="polite" className="mt-1 text-xs text-bad empty:hidden">
        {wrong}
      </p>
    </div>
  )
}

/** What a text says, or in plain words why it says nothing. */
export function parseJson(text: string): { value?: unknown; error?: string } {
  try {
    return { value: JSON.parse(text) }
  } catch (error) {
    return { error: `Not JSON: ${(error as Error).message}` }
  }
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
