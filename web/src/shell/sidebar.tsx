// The navigation: beside the page where there is room, over it otherwise.
import { Link } from '@tanstack/react-router'
import { Search, X } from 'lucide-react'
import { useEffect } from 'react'
import { IconButton } from '../components/button.tsx'
import mark from '../mark.svg'
import { type Page, pages } from '../pages.ts'
import { ThemeSwitch } from './theme-switch.tsx'

export function Sidebar({ open, onClose, onSearch }: { open: boolean; onClose: () => void; onSearch: () => void }) {
  useEffect(() => {
    if (!open) return
    const onKey = (event: KeyboardEvent) => event.key === 'Escape' && onClose()
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  }, [open, onClose])
  return (
    <>
      {open && (
        <button
          type="button"
          aria-label="Close the navigation"
          tabIndex={-1}
          className="fixed inset-0 z-30 bg-[rgb(10_12_10/0.45)] md:hidden"
          onClick={onClose}
        />
      )}
      <aside
        className={`z-40 flex w-52 shrink-0 flex-col border-r bg-ground px-3 py-3 max-md:fixed max-md:inset-y-0 max-md:left-0 max-md:w-64 max-md:shadow-float ${open ? '' : 'max-md:hidden'}`}
      >
        <div className="mb-4 flex items-center gap-2.5 px-1">
          <img src={mark} alt="" className="size-7" />
          <span className="text-base font-semibold tracking-tight">Runloom</span>
          <IconButton icon={X} label="Close the navigation" className="ml-auto md:hidden" onClick={onClose} />
        </div>
        <button
          type="button"
          onClick={onSearch}
          className="mb-3 flex h-8 items-center gap-2 rounded-md border border-line-strong bg-surface px-2.5 text-muted hover:text-ink"
        >
          <Search size={14} aria-hidden />
          Go to…
          <kbd className="ml-auto text-xs">{/Mac|iPhone|iPad/.test(navigator.userAgent) ? '⌘K' : 'Ctrl K'}</kbd>
        </button>
        <nav aria-label="Pages" className="flex min-h-0 flex-1 flex-col gap-0.5 overflow-y-auto">
          {pages
            .filter(({ last }) => !last)
            .map(page => (
              <Entry key={page.to} page={page} onClick={onClose} />
            ))}
          <div className="mt-auto pt-2" />
          {pages
            .filter(({ last }) => last)
            .map(page => (
              <Entry key={page.to} page={page} onClick={onClose} />
            ))}
        </nav>
        <ThemeSwitch />
      </aside>
    </>
  )
}

function Entry({ page: { to, label, icon: Icon }, onClick }: { page: Page; onClick: () => void }) {
  return (
    <Link
      to={to}
      onClick={onClick}
      className="flex h-8 items-center gap-2.5 rounded-md px-2.5 font-medium text-soft hover:bg-hover hover:text-ink"
      activeProps={{ className: 'bg-accent-wash text-accent-strong! hover:bg-accent-wash' }}
    >
      <Icon size={16} aria-hidden />
      {label}
    </Link>
  )
}
