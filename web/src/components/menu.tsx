// A menu behind a button. It is not modal, because a modal one would put a style of its own into the page, which the
// page's policy refuses.
import type { LucideIcon } from 'lucide-react'
import { Check, Square, SquareCheck } from 'lucide-react'
import { DropdownMenu } from 'radix-ui'
import type { ReactNode } from 'react'

export function Menu({
  trigger,
  children,
  side = 'bottom',
}: {
  trigger: ReactNode
  children: ReactNode
  side?: 'top' | 'bottom'
}) {
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger asChild>{trigger}</DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content
          side={side}
          align="start"
          sideOffset={4}
          collisionPadding={8}
          className="z-50 max-h-80 min-w-44 overflow-y-auto rounded-md border bg-raised p-1 shadow-float"
        >
          {children}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  )
}

const ITEM =
  'flex items-center gap-2 rounded-sm px-2 py-1.5 outline-none select-none data-[highlighted]:bg-hover data-[disabled]:opacity-50'

export function MenuItem({
  icon: Icon,
  danger,
  onSelect,
  children,
}: {
  icon?: LucideIcon
  danger?: boolean
  onSelect: () => void
  children: ReactNode
}) {
  return (
    <DropdownMenu.Item onSelect={onSelect} className={`${ITEM} ${danger ? 'text-bad' : ''}`}>
      {Icon && <Icon size={15} aria-hidden className={danger ? '' : 'text-muted'} />}
      {children}
    </DropdownMenu.Item>
  )
}

/** One of several, of which one is chosen; `many`: any of them may be. */
export function MenuChoice({
  chosen,
  many,
  note,
  onSelect,
  children,
}: {
  chosen: boolean
  many?: boolean
  note?: string
  onSelect: () => void
  children: ReactNode
}) {
  const Icon = many ? (chosen ? SquareCheck : Square) : Check
  return (
    <DropdownMenu.CheckboxItem checked={chosen} onSelect={onSelect} className={ITEM}>
      <Icon size={15} aria-hidden className={chosen ? 'text-accent' : many ? 'text-muted' : 'invisible'} />
      <span>
        <span className="block">{children}</span>
        {note && <span className="block max-w-64 text-xs text-muted">{note}</span>}
      </span>
    </DropdownMenu.CheckboxItem>
  )
}
