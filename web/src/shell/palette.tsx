// The command palette: every page, and what a few keys are for. Arrow keys and Enter; Escape closes it.
import { useNavigate } from '@tanstack/react-router'
import { type LucideIcon, Monitor, Moon, SquarePen, Sun } from 'lucide-react'
import { useEffect, useId, useRef, useState } from 'react'
import { Dialog } from '../components/dialog.tsx'
import { pages } from '../pages.ts'
import { setTheme } from '../theme.ts'

interface Command {
  label: string
  icon: LucideIcon
  keys?: string
  run: () => void
}

export function Palette({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState('')
  const [at, setAt] = useState(0)
  const id = useId()
  const list = useRef<HTMLDivElement>(null)
  const found = useCommands().filter(({ label }) => matches(label, text))
  const chosen = found[Math.min(at, found.length - 1)]
  const run = (command: Command | undefined) => {
    if (!command) return
    onClose()
    command.run()
  }
  useEffect(() => {
    list.current?.querySelector('[aria-selected=true]')?.scrollIntoView({ block: 'nearest' })
  }, [at, text])

  const onKeyDown = (event: React.KeyboardEvent) => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
    if (step !== 0 && found.length > 0) {
      event.preventDefault()
      setAt((at + step + found.length) % found.length)
    }
    if (event.key === 'Enter') {
      event.preventDefault()
      run(chosen)
    }
  }
  return (
    <Dialog title="Go to" bare onClose={onClose} className="mt-[12vh] overflow-hidden">
      <input
        autoFocus
        role="combobox"
        aria-label="Go to"
        aria-expanded="true"
        aria-controls={id}
        aria-activedescendant={chosen && `${id}-${found.indexOf(chosen)}`}
        placeholder="Go to a page, or change something…"
        value={text}
        onChange={event => {
          setText(event.target.value)
          setAt(0)
        }}
        onKeyDown={onKeyDown}
        className="h-12 w-full border-b bg-transparent px-4 text-base outline-none placeholder:text-muted"
      />
      <div id={id} ref={list} role="listbox" aria-label="Commands" className="max-h-80 overflow-y-auto p-1.5">
        {found.map((command, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the input has the keys
          <div
            key={command.label}
            id={`${id}-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={command === chosen}
            onClick={() => run(command)}
            onPointerMove={() => setAt(index)}
            className="flex h-9 items-center gap-3 rounded-md px-2.5 aria-selected:bg-hover"
          >
            <command.icon size={16} aria-hidden className="text-muted" />
            {command.label}
            {command.keys && <kbd className="ml-auto text-xs text-muted">{command.keys}</kbd>}
          </div>
        ))}
      </div>
      {found.length === 0 && <p className="px-4 pb-4 text-muted">Nothing is called that.</p>}
    </Dialog>
  )
}

function useCommands(): Command[] {
  const navigate = useNavigate()
  return [
    ...pages.map(({ label, icon, to, key }) => ({ label, icon, keys: `g ${key}`, run: () => void navigate({ to }) })),
    ...(pages.some(({ to }) => to === '/chat')
      ? [{ label: 'New chat', icon: SquarePen, run: () => void navigate({ to: '/chat/new' }) }]
      : []),
    { label: 'Light theme', icon: Sun, run: () => setTheme('light') },
    { label: 'Dark theme', icon: Moon, run: () => setTheme('dark') },
    { label: 'Theme as the system has it', icon: Monitor, run: () => setTheme('system') },
  ]
}

/** Every word of the text is in the label. */
function matches(label: string, text: string): boolean {
  return text
    .toLowerCase()
    .split(/\s+/)
    .every(word => label.toLowerCase().includes(word))
}
