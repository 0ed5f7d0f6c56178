// The frame around every page: navigation, the command palette, and keys that work everywhere.
import { Outlet, useNavigate, useRouterState } from '@tanstack/react-router'
import { Menu as MenuIcon } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import { IconButton } from '../components/button.tsx'
import { pages } from '../pages.ts'
import { Palette } from './palette.tsx'
import { Sidebar } from './sidebar.tsx'

/** How long the second key of a pair is waited for. */
const PAIR_MS = 1_000

export function Shell() {
  const [palette, setPalette] = useState(false)
  const [drawer, setDrawer] = useState(false)
  const path = useRouterState({ select: state => state.location.pathname })
  const main = useRef<HTMLElement>(null)
  const section = path.split('/')[1]
  useKeys(() => setPalette(true))

  // A new page begins at its beginning, for the keyboard and for screen readers; moves inside a page keep the focus.
  const first = useRef(true)
  useEffect(() => {
    setDrawer(false)
    if (!first.current) main.current?.focus({ preventScroll: true })
    first.current = false
  }, [section])

  return (
    <div className="flex h-full">
      <a
        href="#main"
        className="sr-only z-50 rounded-md bg-raised px-3 py-2 focus:not-sr-only focus:fixed focus:top-2 focus:left-2"
      >
        Skip to the page
      </a>
      <Sidebar open={drawer} onClose={() => setDrawer(false)} onSearch={() => setPalette(true)} />
      <IconButton
        icon={MenuIcon}
        label="Open the navigation"
        className="fixed top-2.5 left-3 z-30 md:hidden"
        onClick={() => setDrawer(true)}
      />
      <main id="main" ref={main} tabIndex={-1} className="min-w-0 flex-1 outline-none">
        <Outlet />
      </main>
      {palette && <Palette onClose={() => setPalette(false)} />}
    </div>
  )
}

/** Ctrl or Cmd with K opens the palette; `g` and a page's letter open that page. */
function useKeys(openPalette: () => void) {
  const navigate = useNavigate()
  useEffect(() => {
    let pressed = 0
    const onKey = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
        event.preventDefault()
        return openPalette()
      }
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.composedPath()[0])) return
      const page = pages.find(({ key }) => key === event.key)
      if (page && Date.now() - pressed < PAIR_MS) void navigate({ to: page.to })
      pressed = event.key === 'g' ? Date.now() : 0
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  })
}

/** By the innermost element, also of one in a shadow root. */
function isTyping(target: EventTarget | undefined): boolean {
  return (
    target instanceof HTMLElement && target.closest('input, textarea, select, dialog, [contenteditable=true]') !== null
  )
}
