// What recovery reads: how far a run came, which answers it gave, and what its log says of the superstep it was in. Runs
// in the database thread: no LangChain here.
import sql, { empty, join } from 'sql-template-tag'
import { all, first, type Steps, transition } from '../db/database.ts'
import type { RunEvent } from '../events/log.ts'
import { NULL_TASK } from './checkpoint-rows.ts'

const RESUME = '__resume__'
const INTERRUPT = '__interrupt__'

/** A root checkpoint. */
export interface Head {
  checkpoint_id: string
  run_id: string
  /** JSON of the checkpoint without its channel values. */
  checkpoint: string
  metadata: string
}

export interface PendingRow {
  checkpoint_ns: string
  checkpoint_id: string
  task_id: string
  run_id: string
  channel: string
  /** JSON; for interrupts only. */
  exact: string | null
}

export interface Progress {
  head: Head | undefined
  /** The head's pending writes, of every run. */
  pending: PendingRow[]
  /** Resumes and interrupts inside subgraphs, of the runs that left a resume at the head, and of this one. */
  nested: PendingRow[]
}

interface ProgressQuery {
  thread_id: string
  run_id: string
  /** The root checkpoint to look at; the newest when undefined. */
  checkpoint_id: string | undefined
}

export const readProgress = transition(
  import.meta.url,
  'readProgress',
  function* ({ thread_id, run_id, checkpoint_id }: ProgressQuery): Steps<Progress> {
    const head = yield* first<Head>(sql`
      select checkpoint_id, run_id, checkpoint, metadata from checkpoints
      where thread_id = ${thread_id} and checkpoint_ns = ''
      ${checkpoint_id === undefined ? empty : sql`and checkpoint_id = ${checkpoint_id}`}
      order by position desc limit 1`)
    if (!head) return { head, pending: [], nested: [] }
    const pending = yield* all<PendingRow>(sql`
      select checkpoint_ns, checkpoint_id, task_id, run_id, channel,
        case when channel = ${INTERRUPT} then exact end as exact
      from checkpoint_writes
      where thread_id = ${thread_id} and checkpoint_ns = '' and checkpoint_id = ${head.checkpoint_id}`)
    const runs = new Set(pending.filter(row => row.channel === RESUME).map(row => row.run_id))
    if (runs.size === 0) return { head, pending, nested: [] }
    const nested = yield* all<PendingRow>(sql`
      select checkpoint_ns, checkpoint_id, task_id, run_id, channel,
        case when channel = ${INTERRUPT} then exact end as exact
      from checkpoint_writes
      where thread_id = ${thread_id} and checkpoint_ns > '' and channel in (${RESUME}, ${INTERRUPT})
        and (channel = ${INTERRUPT} or run_id in (${join([...runs, run_id])}))`)
    return { head, pending, nested }
  },
)

/** Resumes that a Command left for whichever task asks first, and that a task of the same run has taken. */
export function spentResumes({ pending, nested }: Progress): PendingRow[] {
  const takers = new Set([...pending, ...nested].filter(isOwnResume).map(row => row.run_id))
  return [...pending, ...nested].filter(row => isNullResume(row) && takers.has(row.run_id))
}

/** What Commands left at the head. In a checkpoint that the same run stored it is applied already (durability `exit`). */
export function commandWrites({ pending }: Progress): PendingRow[] {
  return pending.filter(row => row.task_id === NULL_TASK)
}

/** What earlier runs' Commands left at the head, once this run has left its own: LangGraph forgets it then, too. */
export function replacedWrites(progress: Progress, run_id: string): PendingRow[] {
  const commands = commandWrites(progress)
  return commands.some(row => row.run_id === run_id) ? commands.filter(row => row.run_id !== run_id) : []
}

/** Whether this run's answers are stored at the head. */
export function hasResumed({ pending }: Progress, run_id: string): boolean {
  return pending.some(row => row.run_id === run_id && row.channel === RESUME)
}

/** The ids of interrupts whose task has taken an answer of this run. */
export function answeredInterrupts({ pending, nested }: Progress, run_id: string): Set<string> {
  const rows = [...pending, ...nested]
  const tasks = new Set(rows.filter(row => isOwnResume(row) && row.run_id === run_id).map(row => row.task_id))
  return new Set(interruptIds(rows.filter(row => tasks.has(row.task_id))))
}

/** The ids of the interrupts at the head whose tasks have not finished. */
export function openInterrupts({ pending }: Progress): string[] {
  const finished = new Set(pending.filter(row => !UNFINISHED.has(row.channel)).map(row => row.task_id))
  return interruptIds(pending.filter(row => !finished.has(row.task_id)))
}

/** What a task may store before it has finished. */
const UNFINISHED = new Set([INTERRUPT, RESUME, '__error__', '__scheduled__'])

function interruptIds(rows: PendingRow[]): string[] {
  const interrupts = rows.filter(row => row.channel === INTERRUPT && row.exact !== null)
  return interrupts.map(row => (JSON.parse(row.exact as string) as { id: string }).id)
}

/** Whether a task of the head has stored anything. */
export function hasTaskWrites({ pending }: Progress): boolean {
  return pending.some(row => isTask(row.task_id))
}

function isNullResume(row: PendingRow): boolean {
  return row.channel === RESUME && row.task_id === NULL_TASK
}

function isOwnResume(row: PendingRow): boolean {
  return row.channel === RESUME && isTask(row.task_id)
}

/** A resume map is stored under interrupt ids, which are bare hashes; tasks have UUIDs. */
function isTask(task_id: string): boolean {
  return task_id !== NULL_TASK && task_id.includes('-')
}

/** The events of the superstep that the root was in, from its newest `checkpoints` event on. */
export const readSuperstep = transition(import.meta.url, 'readSuperstep', function* (run_id: string): Steps<
  Pick<RunEvent, 'event' | 'data'>[]
> {
  const names = ['checkpoints', 'tasks', 'updates', 'interrupt']
  const named = join(
    names.map(name => sql`(event = ${name} or event like ${`${name}|%`})`),
    ' or ',
  )
  return yield* all<Pick<RunEvent, 'event' | 'data'>>(sql`
      select event, data from run_events where run_id = ${run_id} and (${named}) and seq >=
        coalesce((
          select seq from run_events where run_id = ${run_id} and event = 'checkpoints' order by seq desc limit 1), 0)
      order by seq`)
})
