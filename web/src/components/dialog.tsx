// A modal dialog: the browser's own, which keeps the focus, closes with Escape, and needs no style of anybody's.
import { X } from 'lucide-react'
import { type ReactNode, useEffect, useId, useRef } from 'react'
import { Button, IconButton } from './button.tsx'

interface DialogProps {
  title: string
  onClose: () => void
  children: ReactNode
  /** The head is left out, the title is told to screen readers alone. */
  bare?: boolean
  className?: string
}

/** Open while it is rendered. */
export function Dialog({ title, onClose, children, bare, className = '' }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null)
  const id = useId()
  useEffect(() => {
    const dialog = ref.current
    if (!dialog?.open) dialog?.showModal()
    return () => dialog?.close()
  }, [])
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: a click on the backdrop closes it; the keyboard has Escape
    <dialog
      ref={ref}
      aria-labelledby={id}
      onCancel={event => {
        event.preventDefault()
        onClose()
      }}
      onClick={event => event.target === ref.current && onClose()}
      className={`m-auto w-[min(34rem,calc(100vw-2rem))] rounded-lg border bg-surface p-0 text-ink shadow-float ${className}`}
    >
      <div className={bare ? '' : 'p-5'}>
        <div className={bare ? 'sr-only' : 'mb-3 flex items-center justify-between gap-4'}>
          <h2 id={id} className="text-base font-semibold">
            {title}
          </h2>
          {!bare && <IconButton icon={X} label="Close" onClick={onClose} />}
        </div>
        {children}
      </div>
    </dialog>
  )
}

/** Asks before something that cannot be taken back. */
export function ConfirmDialog({
  title,
  action,
  onConfirm,
  onClose,
  children,
}: Omit<DialogProps, 'bare'> & { action: string; onConfirm: () => void }) {
  return (
    <Dialog title={title} onClose={onClose}>
      <div className="text-soft">{children}</div>
      <div className="mt-5 flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button
          kind="danger"
          onClick={() => {
            onConfirm()
            onClose()
          }}
        >
          {action}
        </Button>
      </div>
    </Dialog>
  )
}
