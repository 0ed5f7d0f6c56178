// An address that leads to no page.
import { Link } from '@tanstack/react-router'
import { Unplug } from 'lucide-react'
import { EmptyState } from '../components/empty-state.tsx'

export function NotFound() {
  return (
    <EmptyState icon={Unplug} title="There is no page at this address">
      <Link to="/" className="font-medium text-accent underline">
        Go to the first one
      </Link>
    </EmptyState>
  )
}
