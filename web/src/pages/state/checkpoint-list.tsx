// The checkpoints of a thread, newest first. The one one looks at is marked, and so is the one it is compared with.
import { GitBranch, GitCompare } from 'lucide-react'
import { Badge } from '../../components/badge.tsx'
import { Button, IconButton } from '../../components/button.tsx'
import { Time } from '../../components/time.tsx'
import type { Place } from './checkpoints.ts'

const SOURCES: Record<string, string> = { input: 'input', loop: 'step', update: 'edited', fork: 'fork' }

export function CheckpointList({
  places,
  at,
  compared,
  onLook,
  onCompare,
  onMore,
}: {
  places: readonly Place[]
  at: string
  compared: string | undefined
  onLook: (id: string) => void
  onCompare: (id: string) => void
  /** Missing when all are there. */
  onMore: (() => void) | undefined
}) {
  return (
    <>
      <ul aria-label="Checkpoints" className="divide-y">
        {places.map((place, n) => {
          const { checkpoint_id } = place.checkpoint
          const parent = place.parent_checkpoint?.checkpoint_id
          const follows = !parent || parent === places[n + 1]?.checkpoint.checkpoint_id
          return (
            <li
              key={checkpoint_id}
              className={`flex items-center gap-1 pr-2 ${checkpoint_id === at ? 'bg-accent-wash' : 'hover:bg-hover'}`}
            >
              <button
                type="button"
                aria-current={checkpoint_id === at}
                onClick={() => onLook(checkpoint_id)}
                className="min-w-0 flex-1 px-3 py-2 text-left"
              >
                <span className="flex items-center gap-2">
                  <span className="font-medium">{nameOf(place)}</span>
                  {place.interrupts.length > 0 && <Badge tone="warn">asks</Badge>}
                  {!follows && <GitBranch size={13} className="text-thread-model" aria-label="of another branch" />}
                  {checkpoint_id === compared && <Badge>compared</Badge>}
                  <span className="ml-auto text-xs text-muted">
                    <Time at={place.created_at} />
                  </span>
                </span>
                <span className="block truncate text-xs text-muted">{thenOf(place)}</span>
              </button>
              <IconButton
                small
                icon={GitCompare}
                label={`Compare with ${nameOf(place)}`}
                disabled={checkpoint_id === at}
                onClick={() => onCompare(checkpoint_id)}
              />
            </li>
          )
        })}
      </ul>
      {onMore && (
        <div className="border-t p-2 text-center">
          <Button onClick={onMore}>Older ones</Button>
        </div>
      )}
    </>
  )
}

function thenOf({ next }: Place): string {
  if (next.length === 0) return 'the end'
  return `then ${next.map(node => (node === '__start__' ? 'the start' : node)).join(', ')}`
}

/** `Input`, `Step 3`, `Step 4, edited`. */
export function nameOf({ metadata }: Place): string {
  const source = SOURCES[metadata?.source ?? 'loop'] ?? metadata?.source ?? 'step'
  const step = metadata?.step ?? 0
  if (step < 0) return 'Input'
  return source === 'step' ? `Step ${step}` : `Step ${step}, ${source}`
}
