// Searching the runs of all threads: graph runs, since workflow runs have a list of their own (workflow/runs.ts).
import sql, { empty } from 'sql-template-tag'
import { all, first, type Steps, transition } from '../db/database.ts'
import type { Guarded } from './access.ts'
import { andThreadAllowed } from './run-keys.ts'
import type { Run } from './runs.ts'

export interface RunSearch extends Guarded {
  status?: string
  assistant_id?: string
  thread_id?: string
  /** ISO dates in UTC, as rows have them; `after` is part of the range, `before` is not. */
  created_after?: string
  created_before?: string
  limit: number
  offset: number
}

/** Newest first; `total` is how many there are on all pages. */
export const searchRuns = transition(import.meta.url, 'searchRuns', function* (args: RunSearch): Steps<{
  runs: Run[]
  total: number
}> {
  const { status, assistant_id, thread_id, created_after, created_before, allowed, limit, offset } = args
  const where = sql`kind = 'graph' ${andThreadAllowed(allowed)}
    ${status === undefined ? empty : sql`and status = ${status}`}
    ${assistant_id === undefined ? empty : sql`and assistant_id = ${assistant_id}`}
    ${thread_id === undefined ? empty : sql`and thread_id = ${thread_id}`}
    ${created_after === undefined ? empty : sql`and created_at >= ${created_after}`}
    ${created_before === undefined ? empty : sql`and created_at < ${created_before}`}`
  const counted = yield* first<{ n: number }>(sql`select count(*) as n from runs where ${where}`)
  const runs = yield* all<Run>(sql`
    select * from runs where ${where} order by created_at desc, run_id desc limit ${limit} offset ${offset}`)
  return { runs, total: counted?.n ?? 0 }
})
