// Sub-agents at work, as their custom events tell: what each has to do, what it said last, and how it ended.
import { Bot } from 'lucide-react'
import { Badge } from '../../components/badge.tsx'
import { textOf } from './entries.ts'

export interface Subtask {
  id: string
  description: string
  state: 'running' | 'completed' | 'failed'
  /** What it said last, its result, or why it failed. */
  text: string
  steps: number
}

interface TaskEvent {
  type: string
  task_id: string
  description?: string
  message?: { content?: never; kwargs?: { content?: never } }
  result?: string
  error?: string
}

/** The tasks after one more event; the same ones if it tells of none. */
export function afterEvent(tasks: ReadonlyMap<string, Subtask>, event: unknown): ReadonlyMap<string, Subtask> {
  const { type, task_id: id, ...told } = (event ?? {}) as TaskEvent
  if (typeof type !== 'string' || !type.startsWith('task_') || !id) return tasks
  const known = tasks.get(id) ?? { id, description: '', state: 'running' as const, text: '', steps: 0 }
  const { message } = told
  const said = message && textOf({ content: message.content ?? message.kwargs?.content ?? '' })
  const next: Record<string, Partial<Subtask>> = {
    task_started: { description: told.description ?? '', state: 'running' },
    task_running: { state: 'running', steps: known.steps + 1, ...(said && { text: said }) },
    task_completed: { state: 'completed', text: told.result ?? known.text },
    task_failed: { state: 'failed', text: told.error ?? known.text },
  }
  return new Map(tasks).set(id, { ...known, ...next[type] })
}

export function SubtaskNote({ task: { description, state, text, steps } }: { task: Subtask }) {
  const tone = state === 'running' ? 'live' : state === 'completed' ? 'good' : 'bad'
  return (
    <div className="flex gap-2 border-t px-3 py-2 text-sm">
      <Bot size={15} aria-hidden className="mt-0.5 shrink-0 text-muted" />
      <div className="min-w-0 flex-1">
        <div className="flex flex-wrap items-center gap-2">
          <span className="font-medium">{description || 'Sub-agent'}</span>
          <Badge tone={tone} live={state === 'running'}>
            {state}
          </Badge>
          {steps > 0 && <span className="text-xs text-muted">{steps === 1 ? '1 step' : `${steps} steps`}</span>}
        </div>
        {text && (
          <p dir="auto" className="line-clamp-3 break-words text-soft">
            {text}
          </p>
        )}
      </div>
    </div>
  )
}
