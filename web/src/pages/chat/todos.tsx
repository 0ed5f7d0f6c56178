// The plan that the agent keeps, as `state.todos` has it.
import { Circle, CircleCheck, CircleDot, ListTodo } from 'lucide-react'
import { memo, useState } from 'react'

export interface Todo {
  content: string
  status: 'pending' | 'in_progress' | 'completed'
}

const ICONS = { pending: Circle, in_progress: CircleDot, completed: CircleCheck }
const WORDS = { pending: 'to do', in_progress: 'at work', completed: 'done' }

export const Todos = memo(function Todos({ todos }: { todos: readonly Todo[] }) {
  const [open, setOpen] = useState(true)
  if (todos.length === 0) return null
  const now = todos.find(({ status }) => status === 'in_progress')
  return (
    <section aria-label="Plan" className="mb-2 rounded-md border bg-surface">
      <button
        type="button"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
        className="flex w-full items-center gap-2 px-3 py-1.5 text-left"
      >
        <ListTodo size={15} aria-hidden className="text-accent" />
        <span className="font-medium">Plan</span>
        <span className="text-muted tabular-nums">{progressOf(todos)}</span>
        {!open && now && <span className="truncate text-soft">{now.content}</span>}
      </button>
      {open && (
        <ul className="max-h-40 overflow-y-auto px-3 pb-2">
          {todos.map(({ content, status }, index) => {
            const Icon = ICONS[status] ?? Circle
            return (
              <li key={index} className="flex gap-2 py-0.5">
                <Icon
                  size={15}
                  aria-label={WORDS[status]}
                  className={`mt-0.5 shrink-0 ${status === 'pending' ? 'text-muted' : 'text-accent'}`}
                />
                <span dir="auto" className={status === 'completed' ? 'text-muted line-through' : ''}>
                  {content}
                </span>
              </li>
            )
          })}
        </ul>
      )}
    </section>
  )
})

export function progressOf(todos: readonly Partial<Todo>[]): string {
  return `${todos.filter(todo => todo?.status === 'completed').length} of ${todos.length} done`
}
