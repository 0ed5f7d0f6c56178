// The tasks that a run's models have written down with `tasks_write` (contracts: workflows §2.7, §6): the last list counts.
import sql from 'sql-template-tag'
import { z } from 'zod'
import { jsonText } from '../core/json.ts'
import { type Bulk, first, insertMany, type Steps, transition } from '../db/database.ts'
import { findRun, type RunOfOwner } from './runs.ts'

export const tasksOf = z.object({
  tasks: z
    .array(
      z.object({
        content: z.string().min(1).max(2_000),
        status: z.enum(['pending', 'in_progress', 'completed']),
        active_form: z.string().max(2_000).optional(),
      }),
    )
    .max(200),
})
type Task = z.infer<typeof tasksOf>['tasks'][number]

const insertTasks = insertMany('workflow_tasks', { run_id: 'text', tasks: 'text' }, { replace: ['run_id'] })

export function tasksRow(run_id: string, tasks: Task[]): Bulk {
  return insertTasks([{ run_id, tasks: jsonText(tasks) }])
}

export const readTasks = transition(import.meta.url, 'readTasks', function* (key: RunOfOwner): Steps<Task[]> {
  const { run_id } = yield* findRun(key)
  const found = yield* first<{ tasks: string }>(sql`select tasks from workflow_tasks where run_id = ${run_id}`)
  return found ? JSON.parse(found.tasks) : []
})
