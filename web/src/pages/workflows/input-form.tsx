// The inputs of a workflow as a form, made from their declarations, and with what it is run.
import { useQuery } from '@tanstack/react-query'
import { Play } from 'lucide-react'
import { useId, useState } from 'react'
import type { InputDeclaration } from '../../../../src/protocol/workflow-spec.ts'
import { request } from '../../api.ts'
import { Button } from '../../components/button.tsx'
import { JsonField, parseJson } from '../../components/json-field.tsx'

const LABEL = 'mb-1 block text-xs text-muted'

interface Models {
  models: { name: string; display_name: string }[]
}

interface InputFormProps {
  inputs: readonly InputDeclaration[]
  disabled: boolean
  onRun: (given: { input: Record<string, unknown>; modelOverride?: string }) => void
}

export function InputForm({ inputs, disabled, onRun }: InputFormProps) {
  const [texts, setTexts] = useState<Record<string, string>>({})
  const [model, setModel] = useState('')
  const models = useQuery({ queryKey: ['models'], queryFn: () => request<Models>('/api/models'), staleTime: 60_000 })
  const id = useId()
  const textFor = (input: InputDeclaration) => texts[input.name] ?? textOf(input.default)
  const values = inputs.map(input => [input, valueFrom(input, textFor(input))] as const)
  const isReady = values.every(([input, { value, wrong }]) => !wrong && (value !== undefined || !isNeeded(input)))
  return (
    <form
      className="grid gap-3"
      onSubmit={event => {
        event.preventDefault()
        const given = values.flatMap(([{ name }, { value }]) => (value === undefined ? [] : [[name, value] as const]))
        onRun({ input: Object.fromEntries(given), ...(model && { modelOverride: model }) })
      }}
    >
      {inputs.map(input => (
        <Field
          key={input.name}
          input={input}
          text={textFor(input)}
          onChange={text => setTexts({ ...texts, [input.name]: text })}
        />
      ))}
      <div className="flex items-end gap-2">
        <div className="min-w-0 flex-1">
          <label htmlFor={`${id}model`} className={LABEL}>
            Model
          </label>
          <select id={`${id}model`} className="field" value={model} onChange={event => setModel(event.target.value)}>
            <option value="">As the workflow says</option>
            {models.data?.models.map(({ name, display_name }) => (
              <option key={name} value={name}>
                {display_name}
              </option>
            ))}
          </select>
        </div>
        <Button kind="primary" type="submit" icon={Play} disabled={disabled || !isReady}>
          Run
        </Button>
      </div>
    </form>
  )
}

function Field({ input, text, onChange }: { input: InputDeclaration; text: string; onChange: (text: string) => void }) {
  const { name, type = 'json', description } = input
  const id = useId()
  const label = `${name}${isNeeded(input) ? '' : ' (may be empty)'}${description ? ` – ${description}` : ''}`
  if (type === 'boolean') {
    return (
      <label className="flex items-center gap-2">
        <input
          type="checkbox"
          className="accent-accent"
          checked={text === 'true'}
          onChange={event => onChange(String(event.target.checked))}
        />
        {label}
      </label>
    )
  }
  if (type === 'object' || type === 'array') {
    return (
      <JsonField
        label={`${label}, as JSON`}
        rows={3}
        value={text}
        onChange={onChange}
        object={type === 'object' && text.trim() !== ''}
      />
    )
  }
  const { wrong } = valueFrom(input, text)
  return (
    <div>
      <label htmlFor={id} className={LABEL}>
        {label}
      </label>
      <textarea
        id={id}
        rows={1}
        className="field field-sizing-content max-h-52 resize-none"
        inputMode={type === 'number' ? 'decimal' : 'text'}
        aria-invalid={wrong !== undefined}
        aria-describedby={`${id}wrong`}
        value={text}
        onChange={event => onChange(event.target.value)}
      />
      <p id={`${id}wrong`} aria-live="polite" className="mt-1 text-xs text-bad empty:hidden">
        {wrong}
      </p>
    </div>
  )
}

function isNeeded({ required, default: fallback, type }: InputDeclaration): boolean {
  return required === true && fallback === undefined && type !== 'boolean'
}

function textOf(value: unknown): string {
  if (value === undefined) return ''
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** What a text stands for; undefined when it is left out. Any JSON may be given as it is, other texts are texts. */
function valueFrom({ type = 'json' }: InputDeclaration, text: string): { value?: unknown; wrong?: string } {
  if (type === 'boolean') return { value: text === 'true' }
  if (type === 'string') return text === '' ? {} : { value: text }
  if (text.trim() === '') return {}
  const { value, error } = parseJson(text)
  if (type === 'json') return { value: error ? text : value }
  if (error) return { wrong: type === 'number' ? 'It must be a number' : error }
  const fits =
    type === 'array'
      ? Array.isArray(value)
      : type === 'null'
        ? value === null
        : typeof value === type && !Array.isArray(value) && value !== null
  return fits ? { value } : { wrong: `It must be of type ${type}` }
}
