// Below each turn: copy, answer anew, what one thinks of it, and what it took.
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { Activity, RefreshCw, ThumbsDown, ThumbsUp } from 'lucide-react'
import { memo, useState } from 'react'
import { request } from '../../api.ts'
import { Button, IconButton } from '../../components/button.tsx'
import { CopyButton } from '../../components/copy-button.tsx'
import { ErrorNote } from '../../components/error-note.tsx'
import { hasPage } from '../../pages.ts'
import { type Turn, textOf } from './entries.ts'
import { type MessageRow, rowsQuery } from './thread-data.ts'
import { type Model, spentBy, wordsFor } from './turn-cost.ts'

const RUN = '/runs/$threadId/$runId'

interface TurnEndProps {
  thread_id: string
  turn: Turn
  row: MessageRow | undefined
  models: readonly Model[]
  /** Without it there is nothing to answer anew. */
  onAgain: (() => void) | undefined
}

export const TurnEnd = memo(
  function TurnEnd({ thread_id, turn, row, models, onAgain }: TurnEndProps) {
    const spent = spentBy(turn.answers, models)
    return (
      <div className="text-muted">
        <div className="flex flex-wrap items-center gap-0.5">
          <CopyButton text={() => turn.answers.map(textOf).filter(Boolean).join('\n\n')} label="Copy the answer" />
          {onAgain && <IconButton small icon={RefreshCw} label="Answer anew" onClick={onAgain} />}
          {row && <Thumbs thread_id={thread_id} turn={turn} row={row} />}
          {row && hasPage(RUN) && (
            <Link
              to={RUN}
              params={{ threadId: thread_id, runId: row.run_id }}
              aria-label="Show the run"
              title="Show the run"
              className="grid size-6 place-items-center rounded-md text-soft hover:bg-hover hover:text-ink"
            >
              <Activity size={14} aria-hidden />
            </Link>
          )}
          {spent.input + spent.output > 0 && (
            <span className="ml-1.5 text-xs tabular-nums">
              {wordsFor(spent)}
              {row?.turn_duration ? ` · ${row.turn_duration} s` : ''}
            </span>
          )}
        </div>
      </div>
    )
  },
  (before, now) =>
    before.thread_id === now.thread_id &&
    before.row === now.row &&
    before.models === now.models &&
    before.onAgain === now.onAgain &&
    before.turn.question === now.turn.question &&
    before.turn.answers.length === now.turn.answers.length &&
    before.turn.answers.every((answer, index) => answer === now.turn.answers[index]),
)

function Thumbs({ thread_id, turn, row }: { thread_id: string; turn: Turn; row: MessageRow }) {
  const queries = useQueryClient()
  const [asking, setAsking] = useState(false)
  const [comment, setComment] = useState(row.feedback?.comment ?? '')
  const path = `/api/threads/${thread_id}/runs/${row.run_id}/feedback`
  const given = row.feedback?.rating
  const rate = useMutation({
    mutationFn: (rating: 1 | -1 | 0) =>
      rating === 0
        ? request(path, { method: 'DELETE' })
        : request(path, {
            method: 'PUT',
            json: { rating, comment: comment || null, message_id: turn.answers.at(-1)?.id },
          }),
    onSuccess: () => queries.invalidateQueries({ queryKey: rowsQuery(thread_id).queryKey }),
  })
  const press = (rating: 1 | -1) => {
    setAsking(given !== rating)
    rate.mutate(given === rating ? 0 : rating)
  }
  return (
    <>
      <IconButton
        small
        icon={ThumbsUp}
        label="A good answer"
        aria-pressed={given === 1}
        className={given === 1 ? 'text-good!' : ''}
        onClick={() => press(1)}
      />
      <IconButton
        small
        icon={ThumbsDown}
        label="A bad answer"
        aria-pressed={given === -1}
        className={given === -1 ? 'text-bad!' : ''}
        onClick={() => press(-1)}
      />
      {asking && given && (
        <form
          className="order-last flex w-full gap-2 pt-2"
          onSubmit={event => {
            event.preventDefault()
            rate.mutate(given)
            setAsking(false)
          }}
        >
          <input
            // biome-ignore lint/a11y/noAutofocus: it appears where the thumb was pressed
            autoFocus
            aria-label="Why?"
            placeholder="Why? (if you like)"
            className="field max-w-md"
            value={comment}
            onChange={event => setComment(event.target.value)}
          />
          <Button type="submit">Say so</Button>
        </form>
      )}
      {rate.isError && (
        <div className="order-last w-full pt-2">
          <ErrorNote error={rate.error} />
        </div>
      )}
    </>
  )
}
