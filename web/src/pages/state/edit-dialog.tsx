// Changes a state: what was edited goes to the graph as an update of a node, from the checkpoint one looks at. That makes a
// new checkpoint; an old one is never changed.
import { useMutation, useQuery } from '@tanstack/react-query'
import { useId, useState } from 'react'
import { currentClient } from '../../api.ts'
import { Button } from '../../components/button.tsx'
import { Dialog } from '../../components/dialog.tsx'
import { ErrorNote } from '../../components/error-note.tsx'
import { JsonField, parseJson } from '../../components/json-field.tsx'
import type { Place } from './checkpoints.ts'

interface EditProps {
  place: Place
  values: Record<string, unknown>
  onDone: () => void
  onClose: () => void
}

export function EditDialog({ place, values, onDone, onClose }: EditProps) {
  const [text, setText] = useState(() => JSON.stringify(values, null, 2))
  const [node, setNode] = useState('')
  const nodes = useQuery(nodesQuery(place.metadata?.assistant_id ?? place.metadata?.graph_id))
  const id = useId()
  const edited = changedFields(values, parseJson(text).value)
  const count = Object.keys(edited ?? {}).length
  const save = useMutation({
    mutationFn: () =>
      currentClient().threads.updateState(place.checkpoint.thread_id, {
        values: edited ?? {},
        checkpoint: place.checkpoint,
        ...(node && { asNode: node }),
      }),
    onSuccess: () => {
      onDone()
      onClose()
    },
  })
  return (
    <Dialog title="Edit the state" onClose={onClose} className="w-[min(44rem,calc(100vw-2rem))]">
      <form
        className="grid gap-3"
        onSubmit={event => {
          event.preventDefault()
          save.mutate()
        }}
      >
        <p className="text-soft">
          Fields that you change are sent as if a node had returned them; the graph's reducers take them in. Messages
          with a known id are replaced, others are added.
        </p>
        <JsonField label="Values" value={text} onChange={setText} rows={16} object />
        <div>
          <label htmlFor={id} className="mb-1 block text-xs text-muted">
            As if it came from
          </label>
          <select id={id} className="field" value={node} onChange={event => setNode(event.target.value)}>
            <option value="">the node that was last</option>
            {nodes.data?.map(name => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </div>
        {save.isError && <ErrorNote error={save.error} />}
        <div className="flex items-center justify-end gap-2">
          <span className="mr-auto text-xs text-muted" aria-live="polite">
            {edited && (count === 0 ? 'Nothing is changed yet' : `Changes ${Object.keys(edited).join(', ')}`)}
          </span>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" disabled={save.isPending || count === 0}>
            Save as a new checkpoint
          </Button>
        </div>
      </form>
    </Dialog>
  )
}

/** Undefined while what is written is no JSON object. */
function changedFields(before: Record<string, unknown>, now: unknown): Record<string, unknown> | undefined {
  if (typeof now !== 'object' || now === null || Array.isArray(now)) return undefined
  const changed = Object.entries(now).filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(before[key]))
  return Object.fromEntries(changed)
}

function nodesQuery(assistant_id = '') {
  return {
    queryKey: ['assistant', assistant_id, 'nodes'],
    queryFn: async () => {
      const { nodes } = await currentClient().assistants.getGraph(assistant_id)
      return nodes.map(({ id }) => String(id)).filter(id => id !== '__start__' && id !== '__end__')
    },
    enabled: assistant_id !== '',
  }
}
