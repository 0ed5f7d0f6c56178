// Feedback: what a user thinks of a run, once for each user (contracts: gateway §1.9). It goes with its run.
import sql, { empty, join } from 'sql-template-tag'
import { all, first, type Steps, transition } from '../db/database.ts'
import { RunloomError } from './errors.ts'
import { findRun, type RunKey } from './run-keys.ts'

export interface Feedback {
  feedback_id: string
  run_id: string
  thread_id: string
  user_id: string
  /** The message that is meant, if one is. */
  message_id: string | null
  rating: 1 | -1
  comment: string | null
  created_at: string
}

export interface NewFeedback extends RunKey, Omit<Feedback, 'thread_id' | 'created_at'> {
  /** What to do where the user has rated the run already. */
  if_exists: 'raise' | 'replace'
}

export const giveFeedback = transition(import.meta.url, 'giveFeedback', function* (args: NewFeedback): Steps<Feedback> {
  const { feedback_id, user_id, message_id, rating, comment, if_exists, run_id, thread_id: on, allowed } = args
  const { thread_id } = yield* findRun({ run_id, allowed, ...(on !== undefined && { thread_id: on }) })
  const given = yield* first<Feedback>(sql`
    insert into feedback (feedback_id, run_id, thread_id, user_id, message_id, rating, comment, created_at)
    values (${feedback_id}, ${run_id}, ${thread_id}, ${user_id}, ${message_id}, ${rating}, ${comment}, now_iso())
    on conflict (thread_id, run_id, user_id) do ${
      if_exists === 'raise'
        ? sql`nothing`
        : sql`update set rating = excluded.rating, comment = excluded.comment, created_at = excluded.created_at,
          message_id = coalesce(excluded.message_id, feedback.message_id)`
    }
    returning *`)
  if (given) return given
  throw new RunloomError('conflict', `Run ${run_id} has your feedback already; change it with PUT`)
})

/** Oldest first. */
export const listFeedback = transition(import.meta.url, 'listFeedback', function* (key: RunKey): Steps<Feedback[]> {
  const { run_id, thread_id } = yield* findRun(key)
  return yield* all<Feedback>(sql`
      select * from feedback where thread_id = ${thread_id} and run_id = ${run_id} order by created_at, feedback_id`)
})

export interface FeedbackStats {
  run_id: string
  total: number
  positive: number
  negative: number
}

export const feedbackStats = transition(
  import.meta.url,
  'feedbackStats',
  function* (key: RunKey): Steps<FeedbackStats> {
    const { run_id, thread_id } = yield* findRun(key)
    const counted = yield* first<Omit<FeedbackStats, 'run_id'>>(sql`
      select count(*) as total, count(case when rating = 1 then 1 end) as positive,
        count(case when rating = -1 then 1 end) as negative
      from feedback where thread_id = ${thread_id} and run_id = ${run_id}`)
    return { run_id, ...(counted as Omit<FeedbackStats, 'run_id'>) }
  },
)

/** Removes a user's feedback on a run: whichever there is, or the one of an id. Throws `not_found` where there is none. */
export const removeFeedback = transition(
  import.meta.url,
  'removeFeedback',
  function* (args: RunKey & { user_id: string; feedback_id?: string }): Steps<void> {
    const { user_id, feedback_id, ...key } = args
    const { run_id, thread_id } = yield* findRun(key)
    const removed = yield* first(sql`
      delete from feedback where thread_id = ${thread_id} and run_id = ${run_id} and user_id = ${user_id}
        ${feedback_id === undefined ? empty : sql`and feedback_id = ${feedback_id}`}
      returning feedback_id`)
    if (removed) return
    const which = feedback_id === undefined ? 'feedback' : `feedback ${feedback_id}`
    throw new RunloomError('not_found', `There is no ${which} of yours on run ${run_id}`)
  },
)

/** A user's feedback on some runs of a thread. */
export function* feedbackOf(args: { thread_id: string; run_ids: string[]; user_id: string }): Steps<Feedback[]> {
  const { thread_id, run_ids, user_id } = args
  return yield* all<Feedback>(sql`
    select * from feedback where thread_id = ${thread_id} and user_id = ${user_id} and run_id in (${join(run_ids)})`)
}
