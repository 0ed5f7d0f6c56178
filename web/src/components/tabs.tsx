// Tabs, by the arrow keys, too. What is not shown is not rendered.
import { Tabs as Radix } from 'radix-ui'
import type { ReactNode } from 'react'

export interface Tab {
  id: string
  label: ReactNode
  content: ReactNode
}

export function Tabs({
  tabs,
  label,
  value,
  onChange,
}: {
  tabs: Tab[]
  label: string
  value?: string
  onChange?: (id: string) => void
}) {
  return (
    <Radix.Root
      defaultValue={tabs[0]?.id ?? ''}
      {...(value !== undefined && { value })}
      {...(onChange && { onValueChange: onChange })}
      className="flex min-h-0 flex-col"
    >
      <Radix.List aria-label={label} className="flex gap-1 border-b px-2">
        {tabs.map(tab => (
          <Radix.Trigger
            key={tab.id}
            value={tab.id}
            className="-mb-px border-b-2 border-transparent px-2.5 py-2 font-medium text-muted hover:text-ink data-[state=active]:border-accent data-[state=active]:text-ink"
          >
            {tab.label}
          </Radix.Trigger>
        ))}
      </Radix.List>
      {tabs.map(tab => (
        <Radix.Content key={tab.id} value={tab.id} className="min-h-0 flex-1">
          {tab.content}
        </Radix.Content>
      ))}
    </Radix.Root>
  )
}
