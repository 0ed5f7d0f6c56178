// The versions of an assistant, which of them counts, and what differs between two.
import type { Assistant, AssistantVersion } from '@langchain/langgraph-sdk'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useId, useState } from 'react'
import { currentClient } from '../../api.ts'
import { Badge } from '../../components/badge.tsx'
import { Button } from '../../components/button.tsx'
import { ErrorNote } from '../../components/error-note.tsx'
import { Spinner } from '../../components/spinner.tsx'
import { type Column, Table } from '../../components/table.tsx'
import { Time } from '../../components/time.tsx'
import { Changes } from '../state/changes.tsx'

const MOST = 1_000

export function Versions({ assistant: { assistant_id, version } }: { assistant: Assistant }) {
  const queries = useQueryClient()
  const versions = useQuery({
    queryKey: ['assistants', assistant_id, 'versions', version],
    queryFn: () => currentClient().assistants.getVersions(assistant_id, { limit: MOST }),
  })
  const choose = useMutation({
    mutationFn: (chosen: number) => currentClient().assistants.setLatest(assistant_id, chosen),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['assistants'] }),
  })
  const columns: Column<AssistantVersion>[] = [
    { head: 'Version', cell: one => <span className="tabular-nums">{one.version}</span> },
    { head: 'Name', cell: ({ name }) => name },
    { head: 'Made', cell: ({ created_at }) => <Time at={created_at} /> },
    {
      head: 'Which counts',
      cell: one =>
        one.version === version ? (
          <Badge tone="good">this one</Badge>
        ) : (
          <Button disabled={choose.isPending} onClick={() => choose.mutate(one.version)}>
            Use version {one.version}
          </Button>
        ),
    },
  ]
  if (versions.isPending) return <Spinner label="Reading the versions" />
  if (versions.isError) return <ErrorNote error={versions.error} onRetry={() => void versions.refetch()} />
  return (
    <>
      <h2 className="mt-2 font-semibold">Versions</h2>
      {choose.isError && <ErrorNote error={choose.error} />}
      <Table label="Versions" columns={columns} rows={versions.data} keyOf={one => String(one.version)} />
      {versions.data.length > 1 && <Compare versions={versions.data} />}
    </>
  )
}

/** The newest and the one before it, until others are chosen. */
function Compare({ versions }: { versions: AssistantVersion[] }) {
  const numbers = versions.map(({ version }) => version).sort((a, b) => b - a)
  const [to = 1, from = 1] = numbers
  const [chosen, setChosen] = useState<{ from?: number; to?: number }>({})
  const pair = { from, to, ...chosen }
  const contentOf = (number: number) => {
    const { name, description, graph_id, config, context, metadata } = versions.find(
      ({ version }) => version === number,
    ) as AssistantVersion
    return { name, description, graph_id, config, context, metadata }
  }
  return (
    <section className="rounded-lg border bg-surface">
      <header className="flex flex-wrap items-center gap-x-4 gap-y-2 border-b px-4 py-2">
        <h2 className="font-semibold">What differs</h2>
        <VersionChoice
          label="from"
          value={pair.from}
          numbers={numbers}
          onChange={next => setChosen({ ...chosen, from: next })}
        />
        <VersionChoice
          label="to"
          value={pair.to}
          numbers={numbers}
          onChange={next => setChosen({ ...chosen, to: next })}
        />
      </header>
      <Changes before={contentOf(pair.from)} after={contentOf(pair.to)} none="Nothing differs." />
    </section>
  )
}

function VersionChoice({
  label,
  value,
  numbers,
  onChange,
}: {
  label: string
  value: number
  numbers: number[]
  onChange: (version: number) => void
}) {
  const id = useId()
  return (
    <div className="flex items-center gap-2">
      <label htmlFor={id} className="text-muted">
        {label}
      </label>
      <select id={id} className="field w-auto" value={value} onChange={event => onChange(Number(event.target.value))}>
        {numbers.map(number => (
          <option key={number} value={number}>
            version {number}
          </option>
        ))}
      </select>
    </div>
  )
}
