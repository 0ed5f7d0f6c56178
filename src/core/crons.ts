// Crons: an assistant run on a schedule (contracts: langgraph §8), on one thread or each time on a thread of its own.
//
// A cron fires once for each date, whatever number of processes look: the transition that inserts the run holds the
// cron's row and moves `next_run_date`. Dates missed while nobody looked (the server was down, the database out of reach)
// are not made up for one by one: the cron fires once, late, and goes on from now.
import sql, { empty, type Sql } from 'sql-template-tag'
import { all, first, held, now, type Steps, transition } from '../db/database.ts'
import { andAllowed, type Filter, type Guarded, makerOf } from './access.ts'
import { findAssistant, findUsableAssistant } from './assistants.ts'
import { RunloomError } from './errors.ts'
import { assistantId } from './ids.ts'
import { jsonText } from './json.ts'
import type { QueueLimits } from './queue.ts'
import type { RunConfig } from './run-config.ts'
import { type Created, type CreateRun, createRun, type MultitaskStrategy } from './runs.ts'
import { nextDate, type Schedule } from './schedule.ts'
import { eraseThread, lockThread, type Ttl } from './threads.ts'

export interface Cron extends Schedule {
  cron_id: string
  /** Whose it is, and its runs are; '' for nobody's. */
  owner: string
  assistant_id: string
  /** Null: each run gets a thread of its own. */
  thread_id: string | null
  /** Who made it. */
  user_id: string | null
  /** The same as its runs have it, a `User` as JSON. */
  auth_user: string | null
  /** A `CronPayload` as JSON. */
  payload: string
  metadata: string
  /** What becomes of a run's own thread; null on a thread. */
  on_run_completed: 'delete' | 'keep' | null
  enabled: 0 | 1
  /** Why the server disabled it. */
  disabled_reason: string | null
  /** Null while it does not come: disabled, or past its end. */
  next_run_date: string | null
  created_at: string
  updated_at: string
}

/** The run that it makes, as in a request that creates one. */
export interface CronPayload {
  multitask_strategy?: MultitaskStrategy
  config?: RunConfig
  context?: Record<string, unknown>
  [option: string]: unknown
}

/** `allowed` says which thread it may run on, and whose it is. */
export interface NewCron extends Schedule, Guarded {
  cron_id: string
  assistant_id: string
  assistant_allowed?: Filter | undefined
  thread_id: string | null
  user_id: string | null
  auth_user?: string | null
  payload: CronPayload
  metadata: Record<string, unknown>
  on_run_completed: 'delete' | 'keep'
  enabled: boolean
}

export const createCron = transition(import.meta.url, 'createCron', function* (cron: NewCron): Steps<Cron> {
  const { assistant_id } = yield* findUsableAssistant(cron.assistant_id, cron.assistant_allowed)
  const { cron_id, thread_id, user_id, auth_user = null, schedule, timezone, end_time, payload, metadata } = cron
  if (thread_id !== null) yield* lockThread(thread_id, cron.allowed)
  const next = yield* checkedNext(cron)
  const made_at = yield* now()
  return (yield* first<Cron>(sql`
    insert into crons (cron_id, owner, assistant_id, thread_id, user_id, auth_user, schedule, timezone, end_time, payload, metadata,
      on_run_completed, enabled, next_run_date, created_at, updated_at)
    values (${cron_id}, ${makerOf(cron.allowed)}, ${assistant_id}, ${thread_id}, ${user_id}, ${auth_user}, ${schedule}, ${timezone}, ${end_time},
      ${jsonText(payload)}, ${jsonText(metadata)}, ${thread_id === null ? cron.on_run_completed : null},
      ${cron.enabled ? 1 : 0}, ${cron.enabled ? next : null}, ${made_at}, ${made_at})
    returning *`)) as Cron
})

export const getCron = transition(import.meta.url, 'getCron', function* ({ cron_id, allowed }: CronKey): Steps<Cron> {
  const cron = yield* first<Cron>(sql`select * from crons where cron_id = ${cron_id} ${andAllowed(allowed)}`)
  return cron ?? missing(cron_id)
})

export interface CronKey extends Guarded {
  cron_id: string
}

export interface CronPatch extends CronKey {
  schedule?: string
  timezone?: string
  /** Null removes it. */
  end_time?: string | null
  /** Merged, each option as a whole. */
  payload: CronPayload
  /** Merged, shallowly. */
  metadata: Record<string, unknown>
  on_run_completed?: 'delete' | 'keep'
  enabled?: boolean
}

/** Changes what is given. The next date is found anew when something changes that it depends on. */
export const patchCron = transition(import.meta.url, 'patchCron', function* (patch: CronPatch): Steps<Cron> {
  const cron = yield* first<Cron>(sql`
    select * from crons where cron_id = ${patch.cron_id} ${andAllowed(patch.allowed)} for update`)
  if (!cron) return missing(patch.cron_id)
  const { schedule = cron.schedule, timezone = cron.timezone, end_time = cron.end_time } = patch
  const { enabled = cron.enabled === 1, on_run_completed = cron.on_run_completed } = patch
  const moved = schedule !== cron.schedule || timezone !== cron.timezone || end_time !== cron.end_time
  const changed = moved || enabled !== (cron.enabled === 1)
  const next = changed ? yield* checkedNext({ schedule, timezone, end_time }, moved) : cron.next_run_date
  return (yield* first<Cron>(sql`
    update crons set schedule = ${schedule}, timezone = ${timezone}, end_time = ${end_time},
      payload = ${jsonText({ ...JSON.parse(cron.payload), ...patch.payload })},
      metadata = ${jsonText({ ...JSON.parse(cron.metadata), ...patch.metadata })},
      on_run_completed = ${cron.thread_id === null ? on_run_completed : null}, enabled = ${enabled ? 1 : 0},
      disabled_reason = ${enabled ? null : cron.disabled_reason}, next_run_date = ${enabled ? next : null},
      updated_at = now_iso()
    where cron_id = ${patch.cron_id} returning *`)) as Cron
})

export const deleteCron = transition(
  import.meta.url,
  'deleteCron',
  function* ({ cron_id, allowed }: CronKey): Steps<void> {
    const deleted = yield* first(
      sql`delete from crons where cron_id = ${cron_id} ${andAllowed(allowed)} returning cron_id`,
    )
    if (!deleted) missing(cron_id)
  },
)

export interface CronFilter extends Guarded {
  /** Or a graph's id, for its system assistant. */
  assistant_id?: string
  thread_id?: string
  enabled?: boolean
  /** JSON that the metadata contains. */
  metadata?: string
}

export interface CronSearch extends CronFilter {
  sort_by: keyof typeof ORDERS
  sort_order: 'asc' | 'desc'
  limit: number
  offset: number
}

const ORDERS = {
  cron_id: sql`cron_id`,
  assistant_id: sql`assistant_id`,
  thread_id: sql`thread_id`,
  created_at: sql`created_at`,
  updated_at: sql`updated_at`,
  next_run_date: sql`next_run_date`,
}

/** `total` is how many there are on all pages. What has no value to sort by comes last. */
export const searchCrons = transition(import.meta.url, 'searchCrons', function* (args: CronSearch): Steps<{
  crons: Cron[]
  total: number
}> {
  const order = args.sort_order === 'asc' ? sql`asc` : sql`desc`
  const crons = yield* all<Cron>(sql`
    select * from crons where ${matching(args)}
    order by ${ORDERS[args.sort_by]} ${order} nulls last, cron_id ${order} limit ${args.limit} offset ${args.offset}`)
  return { crons, total: yield* count(args) }
})

export const countCrons = transition(import.meta.url, 'countCrons', function* (filter: CronFilter): Steps<number> {
  return yield* count(filter)
})

function* count(filter: CronFilter): Steps<number> {
  return (yield* first<{ n: number }>(sql`select count(*) as n from crons where ${matching(filter)}`))?.n ?? 0
}

function matching({ assistant_id, thread_id, enabled, metadata, allowed }: CronFilter): Sql {
  return sql`1 = 1 ${andAllowed(allowed)}
    ${assistant_id === undefined ? empty : sql`and assistant_id in (${assistant_id}, ${assistantId(assistant_id)})`}
    ${thread_id === undefined ? empty : sql`and thread_id = ${thread_id}`}
    ${enabled === undefined ? empty : sql`and enabled = ${enabled ? 1 : 0}`}
    ${metadata === undefined ? empty : sql`and json_contains(metadata, ${metadata}) = 1`}`
}

export type Upcoming = Pick<Cron, 'cron_id' | 'thread_id'> & { next_run_date: string; now: string }

/** The crons that come next, soonest first, those that are due among them; and what time it is. */
export const upcomingCrons = transition(import.meta.url, 'upcomingCrons', function* (limit: number): Steps<Upcoming[]> {
  return yield* all<Upcoming>(sql`
    select cron_id, thread_id, next_run_date, now_iso() as now from crons where next_run_date is not null
    order by next_run_date limit ${limit}`)
})

export interface Fire extends Pick<Cron, 'cron_id' | 'thread_id'> {
  run_id: string
  /** For the run's own thread. */
  new_thread_id: string
  /** As of any run. */
  queue?: QueueLimits
  ttl?: Ttl
}

export interface Fired {
  created?: Created
  /** Why there is no run for this date. */
  skipped?: string
}

/**
 * Makes a cron's run and moves its next date, unless it is not due (any more) or somebody else is firing it. A cron whose
 * assistant is gone is disabled; a run that is refused, by a busy thread under `reject` say, is left out.
 */
export const fireCron = transition(import.meta.url, 'fireCron', function* (args: Fire): Steps<Fired> {
  // The thread first, as everywhere: deleting it deletes the cron.
  if (args.thread_id !== null) yield held(sql`select 1 from threads where thread_id = ${args.thread_id} for update`)
  const cron = yield* first<Cron>(sql`
    select * from crons where cron_id = ${args.cron_id} and next_run_date <= now_iso() for update skip locked`)
  if (!cron) return {}
  try {
    const next = nextDate(cron, yield* now())
    yield sql`update crons set next_run_date = ${next} where cron_id = ${cron.cron_id}`
    yield* findAssistant(cron.assistant_id)
  } catch (error) {
    if (!(error instanceof RunloomError)) throw error
    yield sql`
      update crons set enabled = 0, next_run_date = null, disabled_reason = ${error.message}, updated_at = now_iso()
      where cron_id = ${cron.cron_id}`
    return { skipped: error.message }
  }
  try {
    const { queue, ttl } = args
    const options = { ...(queue && { queue }), ...(ttl && { ttl }) }
    return { created: yield* createRun.steps({ ...runOf(cron, args), ...options }) }
  } catch (error) {
    if (!(error instanceof RunloomError)) throw error
    if (args.thread_id === null) yield* eraseThread(args.new_thread_id)
    return { skipped: error.message }
  }
})

function runOf(cron: Cron, { run_id, new_thread_id }: Fire): CreateRun {
  const { multitask_strategy = 'enqueue', ...options } = JSON.parse(cron.payload) as CronPayload
  const alone = cron.on_run_completed === 'keep' ? 'create' : 'temporary'
  return {
    run_id,
    thread_id: cron.thread_id ?? new_thread_id,
    assistant_id: cron.assistant_id,
    if_not_exists: cron.thread_id === null ? alone : 'reject',
    kwargs: { input: null, stream_mode: ['values'], ...options },
    metadata: { ...JSON.parse(cron.metadata), cron_id: cron.cron_id },
    multitask_strategy,
    after_ms: 0,
    auth_user: cron.auth_user,
    ...(cron.owner && { allowed: { owner: cron.owner } }),
  }
}

/** The next date from now; that there is none at all is `invalid` where the schedule is new. */
function* checkedNext(schedule: Schedule, isNew = true): Steps<string | null> {
  const next = nextDate(schedule, yield* now())
  if (next !== null || !isNew) return next
  if (schedule.end_time !== null && nextDate({ ...schedule, end_time: null }, yield* now()) !== null) {
    throw new RunloomError('invalid', `end_time: ${schedule.end_time} is before the schedule's next date`)
  }
  throw new RunloomError('invalid', `schedule: "${schedule.schedule}" never comes`)
}

function missing(cron_id: string): never {
  throw new RunloomError('not_found', `Cron ${cron_id} not found`)
}
