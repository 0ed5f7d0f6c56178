// One assistant: what it is made of, its versions, and what differs between two of them.
import type { Assistant } from '@langchain/langgraph-sdk'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate, useParams } from '@tanstack/react-router'
import { Pencil, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { currentClient } from '../../api.ts'
import { Badge } from '../../components/badge.tsx'
import { Button } from '../../components/button.tsx'
import { CopyButton } from '../../components/copy-button.tsx'
import { ConfirmDialog } from '../../components/dialog.tsx'
import { ErrorNote } from '../../components/error-note.tsx'
import { JsonView } from '../../components/json-view.tsx'
import { PageFrame, Panel } from '../../components/panel.tsx'
import { Spinner } from '../../components/spinner.tsx'
import { Time } from '../../components/time.tsx'
import { isSystem } from './assistants-page.tsx'
import { EditDialog } from './edit-dialog.tsx'
import { Versions } from './versions.tsx'

export default function AssistantPage() {
  const { assistantId = '' } = useParams({ strict: false }) as { assistantId?: string }
  const assistant = useQuery({
    queryKey: ['assistants', assistantId],
    queryFn: () => currentClient().assistants.get(assistantId),
  })
  if (assistant.data) return <Shown key={assistantId} assistant={assistant.data} />
  return (
    <PageFrame title="Assistant">
      {assistant.isPending && <Spinner label="Reading the assistant" />}
      {assistant.isError && <ErrorNote error={assistant.error} onRetry={() => void assistant.refetch()} />}
    </PageFrame>
  )
}

function Shown({ assistant }: { assistant: Assistant }) {
  const [open, setOpen] = useState<'edit' | 'delete'>()
  const queries = useQueryClient()
  const navigate = useNavigate()
  const remove = useMutation({
    mutationFn: () => currentClient().assistants.delete(assistant.assistant_id),
    onSuccess: async () => {
      // The list is read again before it is shown, and this one is not asked for any more.
      await queries.invalidateQueries({ queryKey: ['assistants', 'all'], refetchType: 'all' })
      await navigate({ to: '/assistants' })
    },
  })
  const system = isSystem(assistant)
  const actions = (
    <>
      <Button icon={Pencil} onClick={() => setOpen('edit')}>
        Change
      </Button>
      {!system && (
        <Button kind="danger" icon={Trash2} onClick={() => setOpen('delete')}>
          Delete
        </Button>
      )}
    </>
  )
  const note = (
    <Link to="/assistants" className="hover:underline">
      All assistants
    </Link>
  )
  return (
    <PageFrame title={assistant.name} note={note} actions={actions}>
      <div className="mx-auto grid max-w-5xl gap-4">
        {remove.isError && <ErrorNote error={remove.error} />}
        <Panel>
          {assistant.description && <p className="mb-3 max-w-prose">{assistant.description}</p>}
          <dl className="grid grid-cols-[5.5rem_1fr] items-center gap-y-1.5">
            <Fact name="Graph">
              <Link
                to="/graph"
                search={{ assistant: assistant.assistant_id }}
                className="font-mono text-xs text-accent hover:underline"
              >
                {assistant.graph_id}
              </Link>
            </Fact>
            <Fact name="Kind">
              {system ? <Badge>system</Badge> : <Badge tone="good">own</Badge>}
              {system && <span className="ml-2 text-muted">comes with its graph and cannot be deleted</span>}
            </Fact>
            <Fact name="Version">{assistant.version}</Fact>
            <Fact name="Changed">
              <Time at={assistant.updated_at} />
            </Fact>
            <Fact name="Id">
              <span className="flex items-center gap-1">
                <code className="min-w-0 text-xs break-all">{assistant.assistant_id}</code>
                <CopyButton text={() => assistant.assistant_id} label="Copy the id" />
              </span>
            </Fact>
          </dl>
        </Panel>
        <div className="grid items-start gap-4 md:grid-cols-3">
          <Part title="Config" value={assistant.config} />
          <Part title="Context" value={assistant.context} />
          <Part title="Metadata" value={assistant.metadata} />
        </div>
        <Versions assistant={assistant} />
      </div>
      {open === 'edit' && <EditDialog assistant={assistant} onClose={() => setOpen(undefined)} />}
      {open === 'delete' && (
        <ConfirmDialog
          title={`Delete ${assistant.name}?`}
          action="Delete it"
          onConfirm={() => remove.mutate()}
          onClose={() => setOpen(undefined)}
        >
          All its versions and its runs go with it, and its crons stop. Its threads stay.
        </ConfirmDialog>
      )}
    </PageFrame>
  )
}

function Fact({ name, children }: { name: string; children: React.ReactNode }) {
  return (
    <>
      <dt className="text-muted">{name}</dt>
      <dd className="min-w-0">{children}</dd>
    </>
  )
}

function Part({ title, value }: { title: string; value: unknown }) {
  const isEmpty = !value || Object.keys(value).length === 0
  return (
    <Panel title={title}>
      {isEmpty ? <p className="text-muted">Nothing is set.</p> : <JsonView value={value} depth={3} />}
    </Panel>
  )
}
