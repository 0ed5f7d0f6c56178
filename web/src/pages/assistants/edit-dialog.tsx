// The form of an assistant: a new one, or a new version of one that there is.
import type { Assistant, Config, Metadata } from '@langchain/langgraph-sdk'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useId, useState } from 'react'
import { currentClient } from '../../api.ts'
import { useAssistants } from '../../assistants.ts'
import { Button } from '../../components/button.tsx'
import { Dialog } from '../../components/dialog.tsx'
import { ErrorNote } from '../../components/error-note.tsx'
import { JsonField, parseJson } from '../../components/json-field.tsx'

const LABEL = 'mb-1 block text-xs text-muted'

interface EditDialogProps {
  /** The one to change; a new one without it. */
  assistant?: Assistant
  onClose: () => void
  onDone?: (assistant: Assistant) => void
}

export function EditDialog({ assistant, onClose, onDone }: EditDialogProps) {
  const all = useAssistants()
  const graphs = [...new Set(all.data?.map(({ graph_id }) => graph_id))].sort()
  const [name, setName] = useState(assistant?.name ?? '')
  const [graph, setGraph] = useState(assistant?.graph_id ?? '')
  const [description, setDescription] = useState(assistant?.description ?? '')
  const [config, setConfig] = useState(textOf(assistant?.config))
  const [context, setContext] = useState(textOf(assistant?.context))
  const [metadata, setMetadata] = useState(textOf(assistant?.metadata))
  const queries = useQueryClient()
  const id = useId()
  const parts = [config, context, metadata].map(text => parseJson(text || '{}'))
  const graphId = graph || graphs[0] || ''
  const save = useMutation({
    mutationFn: () => {
      const [configValue, contextValue, metadataValue] = parts.map(({ value }) => value)
      const fields = {
        graphId,
        name: name.trim(),
        description: description.trim(),
        config: configValue as Config,
        context: contextValue,
        metadata: metadataValue as Metadata,
      }
      const { assistants } = currentClient()
      return assistant ? assistants.update(assistant.assistant_id, fields) : assistants.create(fields)
    },
    onSuccess: async saved => {
      await queries.invalidateQueries({ queryKey: ['assistants'] })
      onClose()
      onDone?.(saved)
    },
  })
  return (
    <Dialog title={assistant ? `Change ${assistant.name}` : 'New assistant'} onClose={onClose}>
      <form
        className="grid gap-3"
        onSubmit={event => {
          event.preventDefault()
          save.mutate()
        }}
      >
        <div className="grid gap-3 sm:grid-cols-2">
          <div>
            <label htmlFor={`${id}name`} className={LABEL}>
              Name
            </label>
            <input
              id={`${id}name`}
              className="field"
              required
              value={name}
              onChange={event => setName(event.target.value)}
            />
          </div>
          <div>
            <label htmlFor={`${id}graph`} className={LABEL}>
              Graph
            </label>
            <select
              id={`${id}graph`}
              className="field"
              value={graphId}
              onChange={event => setGraph(event.target.value)}
            >
              {graphs.map(one => (
                <option key={one}>{one}</option>
              ))}
            </select>
          </div>
        </div>
        <div>
          <label htmlFor={`${id}description`} className={LABEL}>
            Description (may be empty)
          </label>
          <input
            id={`${id}description`}
            className="field"
            value={description}
            onChange={event => setDescription(event.target.value)}
          />
        </div>
        <JsonField object label="Config" rows={4} value={config} onChange={setConfig} />
        <JsonField object label="Context" rows={3} value={context} onChange={setContext} />
        <JsonField object label="Metadata" rows={3} value={metadata} onChange={setMetadata} />
        {assistant && (
          <p className="text-xs text-muted">It becomes a new version, and the one that counts. Metadata is merged.</p>
        )}
        {save.isError && <ErrorNote error={save.error} />}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" disabled={save.isPending || parts.some(({ error }) => error)}>
            {assistant ? 'Save as a new version' : 'Create it'}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}

function textOf(value: unknown): string {
  return JSON.stringify(value ?? {}, null, 2)
}
