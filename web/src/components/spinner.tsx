// Something is on its way; said to screen readers, too.
import { LoaderCircle } from 'lucide-react'

export function Spinner({ label, small }: { label: string; small?: boolean }) {
  return (
    <div role="status" className={`flex items-center justify-center gap-2 text-muted ${small ? '' : 'p-8'}`}>
      <LoaderCircle size={small ? 14 : 18} className="animate-spin" aria-hidden />
      <span className={small ? 'sr-only' : ''}>{label}…</span>
    </div>
  )
}
