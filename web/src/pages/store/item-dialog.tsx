// One item of the store, to look at, change or delete; or a new one.
import type { Item } from '@langchain/langgraph-sdk'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Trash2 } from 'lucide-react'
import { useId, useState } from 'react'
import { currentClient } from '../../api.ts'
import { Button } from '../../components/button.tsx'
import { Dialog } from '../../components/dialog.tsx'
import { ErrorNote } from '../../components/error-note.tsx'
import { JsonField, parseJson } from '../../components/json-field.tsx'

const LABEL = 'mb-1 block text-xs text-muted'

interface ItemDialogProps {
  item?: Item
  /** Where a new one is put at first. */
  namespace?: string[]
  onClose: () => void
  /** With the namespace of a new one. */
  onChanged: (namespace?: string[]) => void
}

export function ItemDialog({ item, namespace = [], onClose, onChanged }: ItemDialogProps) {
  const [path, setPath] = useState((item?.namespace ?? namespace).join('.'))
  const [key, setKey] = useState(item?.key ?? '')
  const [text, setText] = useState(JSON.stringify(item?.value ?? {}, null, 2))
  const [sure, setSure] = useState(false)
  const queries = useQueryClient()
  const id = useId()
  const parsed = parseJson(text || '{}')
  const done = (where?: string[]) => async () => {
    await queries.invalidateQueries({ queryKey: ['store'] })
    onClose()
    onChanged(where)
  }
  const labels = item?.namespace ?? path.split('.').map(label => label.trim())
  const save = useMutation({
    mutationFn: () => currentClient().store.putItem(labels, key, parsed.value as Record<string, unknown>),
    onSuccess: done(item ? undefined : labels),
  })
  const remove = useMutation({
    mutationFn: () => currentClient().store.deleteItem(labels, key),
    onSuccess: done(),
  })
  const failed = save.error ?? remove.error
  return (
    <Dialog title={item ? item.key : 'New item'} onClose={onClose}>
      <form
        className="grid gap-3"
        onSubmit={event => {
          event.preventDefault()
          save.mutate()
        }}
      >
        {item ? (
          <p className="text-muted">{item.namespace.join(' › ')}</p>
        ) : (
          <div className="grid gap-3 sm:grid-cols-2">
            <div>
              <label htmlFor={`${id}namespace`} className={LABEL}>
                Namespace (labels with dots between)
              </label>
              <input
                id={`${id}namespace`}
                className="field"
                required
                placeholder="users.anna"
                value={path}
                onChange={event => setPath(event.target.value)}
              />
            </div>
            <div>
              <label htmlFor={`${id}key`} className={LABEL}>
                Key
              </label>
              <input
                id={`${id}key`}
                className="field"
                required
                value={key}
                onChange={event => setKey(event.target.value)}
              />
            </div>
          </div>
        )}
        <JsonField object label="Value" rows={10} value={text} onChange={setText} />
        {failed && <ErrorNote error={failed} />}
        <div className="flex flex-wrap justify-end gap-2">
          {item && (
            <Button
              kind="danger"
              icon={Trash2}
              className="mr-auto"
              disabled={remove.isPending}
              onClick={() => (sure ? remove.mutate() : setSure(true))}
            >
              {sure ? 'Really delete it' : 'Delete'}
            </Button>
          )}
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" disabled={save.isPending || parsed.error !== undefined}>
            Save
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
