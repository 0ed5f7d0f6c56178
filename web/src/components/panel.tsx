// A page's head and body, and panels in it.
import type { ReactNode } from 'react'
import { usePageTitle } from './page-title.ts'

/** The frame of every page: a title, which the tab has, too, what can be done, and a body that scrolls by itself. */
export function PageFrame({
  title,
  note,
  actions,
  children,
}: {
  title: string
  note?: ReactNode
  actions?: ReactNode
  children: ReactNode
}) {
  usePageTitle(title)
  return (
    <div className="flex h-full min-h-0 flex-col">
      <header className="flex min-h-13 flex-wrap items-center gap-x-3 gap-y-2 border-b bg-surface px-4 py-2 max-md:pl-14 md:px-6">
        <h1 className="text-base font-semibold tracking-tight">{title}</h1>
        {note && <div className="text-muted">{note}</div>}
        {actions && <div className="ml-auto flex items-center gap-2">{actions}</div>}
      </header>
      <div className="min-h-0 flex-1 overflow-y-auto p-4 md:p-6">{children}</div>
    </div>
  )
}

export function Panel({
  title,
  actions,
  className = '',
  children,
}: {
  title?: string
  actions?: ReactNode
  className?: string
  children: ReactNode
}) {
  return (
    <section className={`rounded-lg border bg-surface ${className}`}>
      {title && (
        <header className="flex min-h-10 items-center gap-2 border-b px-4 py-1.5">
          <h2 className="font-semibold">{title}</h2>
          {actions && <div className="ml-auto flex items-center gap-2">{actions}</div>}
        </header>
      )}
      <div className="p-4">{children}</div>
    </section>
  )
}
