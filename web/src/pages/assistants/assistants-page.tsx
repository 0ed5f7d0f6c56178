// All assistants: those that graphs come with, and those that were made of them.
import type { Assistant } from '@langchain/langgraph-sdk'
import { Link, useNavigate } from '@tanstack/react-router'
import { Bot, Plus } from 'lucide-react'
import { useState } from 'react'
import { useAssistants } from '../../assistants.ts'
import { Badge } from '../../components/badge.tsx'
import { Button } from '../../components/button.tsx'
import { EmptyState } from '../../components/empty-state.tsx'
import { ErrorNote } from '../../components/error-note.tsx'
import { PageFrame } from '../../components/panel.tsx'
import { Spinner } from '../../components/spinner.tsx'
import { type Column, Table } from '../../components/table.tsx'
import { Time } from '../../components/time.tsx'
import { EditDialog } from './edit-dialog.tsx'

const columns: Column<Assistant>[] = [
  {
    head: 'Name',
    cell: assistant => (
      <div className="max-w-96 min-w-40">
        <Link
          to="/assistants/$assistantId"
          params={{ assistantId: assistant.assistant_id }}
          className="font-medium text-accent hover:underline"
        >
          {assistant.name}
        </Link>
        {assistant.description && <p className="line-clamp-1 text-xs text-muted">{assistant.description}</p>}
      </div>
    ),
  },
  { head: 'Graph', cell: ({ graph_id }) => <code className="text-xs">{graph_id}</code> },
  { head: 'Kind', cell: assistant => (isSystem(assistant) ? <Badge>system</Badge> : <Badge tone="good">own</Badge>) },
  { head: 'Version', right: true, cell: ({ version }) => version },
  { head: 'Changed', cell: ({ updated_at }) => <Time at={updated_at} /> },
]

export default function AssistantsPage() {
  const assistants = useAssistants()
  const navigate = useNavigate()
  const [isNew, setNew] = useState(false)
  const add = (
    <Button kind="primary" icon={Plus} onClick={() => setNew(true)}>
      New assistant
    </Button>
  )
  return (
    <PageFrame title="Assistants" actions={add}>
      <div className="mx-auto flex max-w-5xl flex-col gap-4">
        <p className="max-w-prose text-muted">
          An assistant is a graph with a configuration of its own. Every graph comes with one, and you can make more of
          it: each change is a new version, and you choose the version that counts.
        </p>
        {assistants.isPending && <Spinner label="Reading the assistants" />}
        {assistants.isError && <ErrorNote error={assistants.error} onRetry={() => void assistants.refetch()} />}
        {assistants.data?.length === 0 && (
          <EmptyState icon={Bot} title="There are no assistants">
            Name a graph in langgraph.json and start the server again: it comes with one.
          </EmptyState>
        )}
        {(assistants.data?.length ?? 0) > 0 && (
          <Table
            label="Assistants"
            columns={columns}
            rows={assistants.data ?? []}
            keyOf={({ assistant_id }) => assistant_id}
          />
        )}
      </div>
      {isNew && (
        <EditDialog
          onClose={() => setNew(false)}
          onDone={({ assistant_id }) =>
            void navigate({ to: '/assistants/$assistantId', params: { assistantId: assistant_id } })
          }
        />
      )}
    </PageFrame>
  )
}

/** It came with its graph, and cannot be deleted. */
export function isSystem({ metadata }: Pick<Assistant, 'metadata'>): boolean {
  return (metadata as { created_by?: unknown } | null)?.created_by === 'system'
}
