// A run from a checkpoint: it goes on from there, and what came after stays as another branch.
import { useMutation } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useId, useState } from 'react'
import { currentClient } from '../../api.ts'
import { useAssistants } from '../../assistants.ts'
import { Button } from '../../components/button.tsx'
import { Dialog } from '../../components/dialog.tsx'
import { ErrorNote } from '../../components/error-note.tsx'
import { JsonField, parseJson } from '../../components/json-field.tsx'
import type { Place } from './checkpoints.ts'

export function RunDialog({ place, onClose }: { place: Place; onClose: () => void }) {
  const assistants = useAssistants()
  const [assistant, setAssistant] = useState(place.metadata?.assistant_id ?? '')
  const [text, setText] = useState('')
  const navigate = useNavigate()
  const id = useId()
  const input = parseJson(text || 'null')
  const { thread_id } = place.checkpoint
  const start = useMutation({
    mutationFn: () =>
      currentClient().runs.create(thread_id, assistant, {
        input: input.value as Record<string, unknown> | null,
        checkpoint: place.checkpoint,
      }),
    onSuccess: run => navigate({ to: '/runs/$threadId/$runId', params: { threadId: thread_id, runId: run.run_id } }),
  })
  return (
    <Dialog title="Run from here" onClose={onClose}>
      <form
        className="grid gap-3"
        onSubmit={event => {
          event.preventDefault()
          start.mutate()
        }}
      >
        <p className="text-soft">
          {place.next.length > 0
            ? `Without an input it goes on with ${place.next.join(', ')}.`
            : 'Nothing is left to do at this checkpoint: give an input.'}{' '}
          What came after this checkpoint stays as another branch.
        </p>
        <div>
          <label htmlFor={id} className="mb-1 block text-xs text-muted">
            Assistant
          </label>
          <select
            id={id}
            required
            className="field"
            value={assistant}
            onChange={event => setAssistant(event.target.value)}
          >
            <option value="">Choose one</option>
            {assistants.data?.map(({ assistant_id, name }) => (
              <option key={assistant_id} value={assistant_id}>
                {name}
              </option>
            ))}
          </select>
        </div>
        <JsonField
          label="Input (may be empty)"
          value={text}
          onChange={setText}
          rows={6}
          placeholder='{"messages": [{"role": "user", "content": "…"}]}'
        />
        {start.isError && <ErrorNote error={start.error} />}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" disabled={start.isPending || input.error !== undefined}>
            Run
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
