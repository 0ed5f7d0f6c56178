// Plan mode (contracts: gateway §4.3), for runs that ask for it: the model has a tool to write down what there is to do and
// how far it is; the plan is `todos` of the state. A plan that the model cannot see any more is shown to it again, and one
// that it leaves unfinished is brought to its mind, twice at most.
import { AIMessage, type BaseMessage, HumanMessage } from '@langchain/core/messages'
import {
  type AgentMiddleware,
  createMiddleware,
  TODO_LIST_MIDDLEWARE_SYSTEM_PROMPT,
  todoListMiddleware,
} from 'langchain'
import { z } from 'zod'
import type { AgentConfig } from '../protocol/runloom-file.ts'
import { readRunOptions } from './run-options.ts'
import { systemNote } from './system-note.ts'
import { callsOf, latestCallsOf, refusedCall } from './tool-calls.ts'

const stateSchema = z.object({
  todos: z.array(z.object({ content: z.string(), status: z.enum(['pending', 'in_progress', 'completed']) })).optional(),
})

type Todos = NonNullable<z.infer<typeof stateSchema>['todos']>

const WRITE_TODOS = 'write_todos'
const MOST_REMINDERS = 2

export function planMode(config: AgentConfig) {
  const { tools } = todoListMiddleware() as AgentMiddleware
  return createMiddleware({
    name: 'PlanMode',
    stateSchema,
    // Without it, the library hides the run's context from the hook. What is in it is read in run-options.ts.
    contextSchema: z.object({ is_plan_mode: z.unknown().optional() }),
    tools: tools ?? [],
    wrapModelCall: (request, handler) => {
      if (!readRunOptions(request.runtime, config).is_plan_mode) {
        return handler({ ...request, tools: request.tools.filter(tool => tool.name !== WRITE_TODOS) })
      }
      const { messages, systemMessage } = request
      const note = noteOn(request.state.todos ?? [], messages)
      return handler({
        ...request,
        messages: note === undefined ? messages : [...messages, systemNote(note)],
        systemMessage: systemMessage.concat(`\n\n${TODO_LIST_MIDDLEWARE_SYSTEM_PROMPT}`),
      })
    },
    // Each call writes the whole plan, so of several in one message none is the right one.
    wrapToolCall: (request, handler) => {
      const { toolCall, state, runtime } = request
      if (toolCall.name !== WRITE_TODOS) return handler(request)
      if (!readRunOptions(runtime, config).is_plan_mode) return refusedCall(toolCall, 'Plan mode is off in this run.')
      const calls = latestCallsOf(WRITE_TODOS, state.messages)
      return calls.length > 1
        ? refusedCall(toolCall, 'Write the plan once in a message, as a whole.')
        : handler(request)
    },
    afterAgent: {
      canJumpTo: ['model'],
      hook: (state, runtime) => {
        if (!state.todos?.length || !isUnfinished(state.todos)) return undefined
        if (!readRunOptions(runtime, config).is_plan_mode || endingsOf(state.messages) > MOST_REMINDERS)
          return undefined
        return { jumpTo: 'model' }
      },
    },
  })
}

/** What the model has to be told of its plan in this call. */
function noteOn(todos: Todos, messages: readonly BaseMessage[]): string | undefined {
  if (todos.length === 0) return undefined
  const plan = todos.map(({ content, status }) => `- [${status}] ${content}`).join('\n')
  if (isEnding(messages.at(-1))) {
    return `Your plan is not finished:\n${plan}\nGo on with it. If there is nothing left to do, bring the plan up to date with ${WRITE_TODOS}.`
  }
  const isSeen = messages.some(message => callsOf(message).some(call => call.name === WRITE_TODOS))
  if (isSeen || !isUnfinished(todos)) return undefined
  return `Your plan, which is no longer among the messages above:\n${plan}\nKeep it up to date with ${WRITE_TODOS}.`
}

function isUnfinished(todos: Todos): boolean {
  return todos.some(todo => todo.status !== 'completed')
}

/** How often the model has ended its turn since the user's last message. */
function endingsOf(messages: readonly BaseMessage[]): number {
  const asked = messages.findLastIndex(message => HumanMessage.isInstance(message))
  return messages.slice(asked + 1).filter(isEnding).length
}

function isEnding(message: BaseMessage | undefined): boolean {
  return AIMessage.isInstance(message) && callsOf(message).length === 0
}
