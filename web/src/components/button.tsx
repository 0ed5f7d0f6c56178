// Buttons. `IconButton` has no text, so it must have a label.
import type { LucideIcon } from 'lucide-react'
import type { ComponentProps } from 'react'

type Kind = 'primary' | 'plain' | 'quiet' | 'danger'

const LOOKS: Record<Kind, string> = {
  primary: 'bg-accent text-on-accent hover:bg-accent-strong border-transparent',
  plain: 'bg-raised text-ink border-line-strong hover:bg-hover',
  quiet: 'text-soft border-transparent hover:bg-hover hover:text-ink',
  danger: 'bg-raised text-bad border-bad hover:bg-bad-wash',
}

const SHAPE =
  'inline-flex shrink-0 items-center justify-center gap-1.5 rounded-md border font-medium transition-colors select-none disabled:opacity-50 disabled:pointer-events-none'

interface Looks {
  kind?: Kind
  icon?: LucideIcon
}

export function Button({
  kind = 'plain',
  icon: Icon,
  className = '',
  children,
  ...rest
}: ComponentProps<'button'> & Looks) {
  return (
    <button type="button" className={`${SHAPE} h-8 px-3 ${LOOKS[kind]} ${className}`} {...rest}>
      {Icon && <Icon size={15} aria-hidden />}
      {children}
    </button>
  )
}

export function IconButton({
  kind = 'quiet',
  icon: Icon,
  label,
  small,
  className = '',
  ...rest
}: Omit<ComponentProps<'button'>, 'children'> & { kind?: Kind; icon: LucideIcon; label: string; small?: boolean }) {
  const size = small ? 'size-6' : 'size-8'
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      className={`${SHAPE} ${size} ${LOOKS[kind]} ${className}`}
      {...rest}
    >
      <Icon size={small ? 14 : 16} aria-hidden />
    </button>
  )
}
