// The long-term store: namespaces as a tree, the items below the chosen one, and what each has in it.
import type { SearchItemsResponse } from '@langchain/langgraph-sdk'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { Database, Plus, Search } from 'lucide-react'
import { useDeferredValue, useState } from 'react'
import { currentClient } from '../../api.ts'
import { Button } from '../../components/button.tsx'
import { EmptyState } from '../../components/empty-state.tsx'
import { ErrorNote } from '../../components/error-note.tsx'
import { PageFrame } from '../../components/panel.tsx'
import { Spinner } from '../../components/spinner.tsx'
import { type Column, Table } from '../../components/table.tsx'
import { Time } from '../../components/time.tsx'
import { ItemDialog } from './item-dialog.tsx'
import { NamespaceTree } from './namespace-tree.tsx'
import { treeOf } from './tree.ts'

const MOST = 1_000

type Item = SearchItemsResponse['items'][number]

export default function StorePage() {
  const { namespace = [] } = useSearch({ strict: false }) as { namespace?: string[] }
  const navigate = useNavigate()
  const [text, setText] = useState('')
  const [open, setOpen] = useState<Item | 'new'>()
  const asked = useDeferredValue(text.trim())
  const namespaces = useQuery({
    queryKey: ['store', 'namespaces'],
    queryFn: async () => (await currentClient().store.listNamespaces({ limit: MOST })).namespaces,
  })
  const items = useQuery({
    queryKey: ['store', 'items', namespace, asked],
    queryFn: async () => {
      const query = asked ? { query: asked } : {}
      return (await currentClient().store.searchItems(namespace, { limit: MOST, refreshTtl: false, ...query })).items
    },
    placeholderData: keepPreviousData,
  })
  const choose = (path: string[]) =>
    void navigate({ to: '/store', search: path.length > 0 ? { namespace: path } : {}, replace: true })
  const found = asked ? matching(items.data ?? [], asked) : (items.data ?? [])
  const add = (
    <Button kind="primary" icon={Plus} onClick={() => setOpen('new')}>
      New item
    </Button>
  )
  const failed = [namespaces, items].find(({ isError }) => isError)
  const nothing = namespaces.data?.length === 0
  return (
    <PageFrame title="Store" actions={add}>
      <div className="mx-auto grid max-w-6xl items-start gap-4 md:grid-cols-[14rem_1fr]">
        {failed && (
          <div className="md:col-span-2">
            <ErrorNote error={failed.error} onRetry={() => void failed.refetch()} />
          </div>
        )}
        {nothing && !failed && (
          <div className="md:col-span-2">
            <EmptyState icon={Database} title="Nothing is remembered yet" action={add}>
              What graphs and agents put into the store, to know it in every conversation, is shown here.
            </EmptyState>
          </div>
        )}
        {!nothing && namespaces.data && (
          <>
            <NamespaceTree branches={treeOf(namespaces.data)} chosen={namespace} onChoose={choose} />
            <div className="flex min-w-0 flex-col gap-3">
              <search className="relative">
                <Search size={14} aria-hidden className="absolute top-2.25 left-2.5 text-muted" />
                <input
                  type="search"
                  aria-label="Search items"
                  className="field pl-8"
                  placeholder={namespace.length > 0 ? `Search below ${namespace.join(' › ')}` : 'Search all items'}
                  value={text}
                  onChange={event => setText(event.target.value)}
                />
              </search>
              {items.isPending && <Spinner label="Reading the items" />}
              {items.isSuccess && found.length === 0 && (
                <p className="p-6 text-center text-muted">
                  {asked ? 'No item is like that. Search for less, or in another namespace.' : 'No item is here.'}
                </p>
              )}
              {found.length > 0 && (
                <Table
                  label="Items"
                  columns={columnsFor(setOpen)}
                  rows={found}
                  keyOf={item => JSON.stringify([item.namespace, item.key])}
                />
              )}
            </div>
          </>
        )}
        {namespaces.isPending && <Spinner label="Reading the store" />}
      </div>
      {open && (
        <ItemDialog
          {...(open === 'new' ? { namespace } : { item: open })}
          onClose={() => setOpen(undefined)}
          onChanged={path => path && choose(path)}
        />
      )}
    </PageFrame>
  )
}

/** A server that searches by meaning has chosen already, and says how well each fits; of others all items are looked through. */
function matching(items: Item[], text: string): Item[] {
  if (items.some(({ score }) => typeof score === 'number')) return items
  const wanted = text.toLowerCase()
  return items.filter(({ key, value }) => `${key} ${JSON.stringify(value)}`.toLowerCase().includes(wanted))
}

function columnsFor(onOpen: (item: Item) => void): Column<Item>[] {
  return [
    {
      head: 'Key',
      cell: item => (
        <button
          type="button"
          className="max-w-60 min-w-20 rounded-sm text-left font-mono text-xs font-medium break-all text-accent hover:underline"
          onClick={() => onOpen(item)}
        >
          {item.key}
        </button>
      ),
    },
    {
      head: 'Value',
      cell: ({ value }) => (
        <span className="line-clamp-2 max-w-md min-w-40 font-mono text-xs break-words text-soft">
          <bdi>{JSON.stringify(value).slice(0, 300)}</bdi>
        </span>
      ),
    },
    { head: 'Namespace', cell: ({ namespace }) => <span className="text-xs text-muted">{namespace.join(' › ')}</span> },
    { head: 'Changed', cell: ({ updatedAt }) => <Time at={updatedAt} /> },
  ]
}
