// A question in any form: what is asked, the options it names, and room for an answer in words or in JSON.
import { useId, useState } from 'react'
import { Button } from '../../components/button.tsx'
import { JsonView } from '../../components/json-view.tsx'
import { Markdown } from './markdown.tsx'

export function FreeAnswer({ value, onDone }: { value: unknown; onDone: (answer: unknown) => void }) {
  const [text, setText] = useState('')
  const [json, setJson] = useState(false)
  const id = useId()
  const { question, options } = questionOf(value)
  const parsed = json ? parse(text) : { value: text }
  const ready = text.trim() !== '' && parsed !== undefined
  return (
    <form
      onSubmit={event => {
        event.preventDefault()
        if (ready) onDone(parsed.value)
      }}
    >
      {question === undefined ? <JsonView value={value} depth={3} /> : <Markdown text={question} />}
      {options.length > 0 && (
        <div className="my-2 flex flex-wrap gap-2">
          {options.map(option => (
            <Button key={option} onClick={() => onDone(option)}>
              {option}
            </Button>
          ))}
        </div>
      )}
      <label htmlFor={id} className="mt-2 mb-1 block text-muted">
        Your answer{json && ', as JSON'}
      </label>
      <textarea
        id={id}
        className={`field field-sizing-content max-h-52 min-h-16 resize-none ${json ? 'font-mono' : ''}`}
        value={text}
        onChange={event => setText(event.target.value)}
      />
      <div className="mt-2 flex items-center gap-3">
        <label className="flex items-center gap-1.5 text-muted">
          <input
            type="checkbox"
            className="accent-accent"
            checked={json}
            onChange={event => setJson(event.target.checked)}
          />
          JSON
        </label>
        {json && text && !parsed && <span className="text-bad">That is no JSON yet.</span>}
        <Button type="submit" kind="primary" className="ml-auto" disabled={!ready}>
          Answer
        </Button>
      </div>
    </form>
  )
}

/** Where a value says what is asked in words; JSON is shown otherwise. */
function questionOf(value: unknown): { question: string | undefined; options: string[] } {
  if (typeof value === 'string') return { question: value, options: [] }
  const { type: _, question, message, prompt, options, choices, ...rest } = (value ?? {}) as Record<string, unknown>
  const words = [question, message, prompt].find(text => typeof text === 'string') as string | undefined
  const named = [options, choices].find(Array.isArray) as unknown[] | undefined
  return {
    question: Object.keys(rest).length === 0 ? words : undefined,
    options: (named ?? []).filter(option => typeof option === 'string'),
  }
}

function parse(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) }
  } catch {
    return undefined
  }
}
