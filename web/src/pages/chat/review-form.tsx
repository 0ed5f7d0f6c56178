// Calls of tools that wait for approval, in the shape of LangChain's human-in-the-loop middleware: each is approved, changed
// or turned down, as far as its review allows.
import { useId, useState } from 'react'
import { Button } from '../../components/button.tsx'
import { JsonView } from '../../components/json-view.tsx'

interface Action {
  name: string
  args: Record<string, unknown>
  description?: string
}

type Kind = 'approve' | 'edit' | 'reject'

/** The SDK shows both spellings of its keys. */
export interface Review {
  action_requests: Action[]
  review_configs?: { allowed_decisions?: Kind[] }[]
}

type Decision = { type: Kind; message?: string; edited_action?: Action; editedAction?: Action }

export function isReview(value: unknown): value is Review {
  return Array.isArray((value as Partial<Review> | null)?.action_requests)
}

export function ReviewForm({
  review,
  onDone,
}: {
  review: Review
  onDone: (answer: { decisions: Decision[] }) => void
}) {
  const { action_requests: actions, review_configs = [] } = review
  const [decisions, setDecisions] = useState<(Decision | undefined)[]>(actions.map(() => undefined))
  const decide = (index: number, decision: Decision | undefined) => {
    const next = decisions.with(index, decision)
    if (actions.length === 1 && decision) onDone({ decisions: [decision] })
    else setDecisions(next)
  }
  const whole = decisions.filter(decision => decision !== undefined)
  return (
    <div className="grid gap-3">
      {actions.map((action, index) => (
        <ActionForm
          key={index}
          action={action}
          allowed={review_configs[index]?.allowed_decisions ?? ['approve', 'edit', 'reject']}
          decision={decisions[index]}
          onDecide={decision => decide(index, decision)}
        />
      ))}
      {actions.length > 1 && (
        <Button
          kind="primary"
          className="justify-self-end"
          disabled={whole.length < actions.length}
          onClick={() => onDone({ decisions: whole })}
        >
          {whole.length < actions.length ? `${actions.length - whole.length} to decide` : 'Send the decisions'}
        </Button>
      )}
    </div>
  )
}

const DECIDED = { approve: 'Approved', edit: 'Changed and approved', reject: 'Turned down' }

interface ActionFormProps {
  action: Action
  allowed: Kind[]
  decision: Decision | undefined
  onDecide: (decision: Decision | undefined) => void
}

function ActionForm({ action, allowed, decision, onDecide }: ActionFormProps) {
  const [mode, setMode] = useState<'edit' | 'reject'>()
  if (decision) {
    return (
      <div className="flex items-center gap-3 text-soft">
        <code className="font-semibold">{action.name}</code> {DECIDED[decision.type]}
        <Button className="ml-auto" onClick={() => onDecide(undefined)}>
          Change
        </Button>
      </div>
    )
  }
  return (
    <div>
      <p className="mb-2">
        It wants to call <code className="font-semibold">{action.name}</code>.
      </p>
      {action.description && <p className="mb-2 break-words whitespace-pre-wrap text-soft">{action.description}</p>}
      {mode === 'edit' ? (
        <EditArgs
          args={action.args}
          onCancel={() => setMode(undefined)}
          onDone={args => {
            const edited = { name: action.name, args }
            onDecide({ type: 'edit', edited_action: edited, editedAction: edited })
          }}
        />
      ) : mode === 'reject' ? (
        <Reject
          onCancel={() => setMode(undefined)}
          onDone={message => onDecide({ type: 'reject', ...(message && { message }) })}
        />
      ) : (
        <>
          <JsonView value={action.args} depth={2} />
          <div className="mt-3 flex flex-wrap gap-2">
            {allowed.includes('approve') && (
              <Button kind="primary" onClick={() => onDecide({ type: 'approve' })}>
                Approve
              </Button>
            )}
            {allowed.includes('edit') && <Button onClick={() => setMode('edit')}>Change it</Button>}
            {allowed.includes('reject') && (
              <Button kind="danger" onClick={() => setMode('reject')}>
                Turn it down
              </Button>
            )}
          </div>
        </>
      )}
    </div>
  )
}

function EditArgs({
  args,
  onCancel,
  onDone,
}: {
  args: object
  onCancel: () => void
  onDone: (args: Record<string, unknown>) => void
}) {
  const [text, setText] = useState(JSON.stringify(args, null, 2))
  const id = useId()
  const parsed = objectIn(text)
  return (
    <form
      onSubmit={event => {
        event.preventDefault()
        if (parsed) onDone(parsed)
      }}
    >
      <label htmlFor={id} className="mb-1 block text-muted">
        Arguments, as JSON
      </label>
      <textarea
        id={id}
        spellCheck={false}
        className="field field-sizing-content max-h-72 min-h-24 resize-none font-mono text-xs"
        value={text}
        onChange={event => setText(event.target.value)}
      />
      <div className="mt-2 flex items-center justify-end gap-2">
        {!parsed && <span className="mr-auto text-bad">That is no JSON object yet.</span>}
        <Button onClick={onCancel}>Back</Button>
        <Button type="submit" kind="primary" disabled={!parsed}>
          Approve this
        </Button>
      </div>
    </form>
  )
}

function Reject({ onCancel, onDone }: { onCancel: () => void; onDone: (message: string) => void }) {
  const [text, setText] = useState('')
  const id = useId()
  return (
    <form
      onSubmit={event => {
        event.preventDefault()
        onDone(text.trim())
      }}
    >
      <label htmlFor={id} className="mb-1 block text-muted">
        Why not? The agent is told; you may leave it empty.
      </label>
      <textarea
        id={id}
        className="field field-sizing-content max-h-52 min-h-16 resize-none"
        value={text}
        onChange={event => setText(event.target.value)}
      />
      <div className="mt-2 flex justify-end gap-2">
        <Button onClick={onCancel}>Back</Button>
        <Button type="submit" kind="danger">
          Turn it down
        </Button>
      </div>
    </form>
  )
}

function objectIn(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}
