// An error in plain words: what happened, what to do, and the id under which the server's log has it.
import { Link } from '@tanstack/react-router'
import { CircleAlert } from 'lucide-react'
import { type ApiError, asApiError } from '../api.ts'
import { Button } from './button.tsx'

export function ErrorNote({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const known = asApiError(error)
  return (
    <div role="alert" className="flex gap-2.5 rounded-md border border-bad bg-bad-wash px-3 py-2.5 text-ink">
      <CircleAlert size={16} className="mt-0.5 shrink-0 text-bad" aria-hidden />
      <div className="min-w-0 flex-1">
        <p className="font-semibold text-bad">{titleOf(known)}</p>
        <p className="break-words">{known.message}</p>
        {known.request_id && (
          <p className="mt-0.5 text-xs text-soft">
            Request <code className="select-all">{known.request_id}</code>
          </p>
        )}
      </div>
      {known.status === 401 ? (
        <Link to="/settings" className="shrink-0 self-center font-medium text-accent underline">
          Give a key
        </Link>
      ) : (
        onRetry && (
          <Button className="self-center" onClick={onRetry}>
            Try again
          </Button>
        )
      )}
    </div>
  )
}

function titleOf({ status }: ApiError): string {
  if (status === 0) return 'That did not work'
  if (status === 401) return 'The server wants a key'
  if (status === 403) return 'This key may not do that'
  if (status === 404) return 'There is no such thing here'
  if (status === 409) return 'Something else is in the way'
  if (status === 422 || status === 400) return 'The server did not take that'
  if (status === 429) return 'Too much at once'
  if (status === 501) return 'This server does not have that'
  return status >= 500 ? 'The server has a problem' : 'That did not work'
}
