// Inputs on a thread that waits for an answer. None passes over the question unless it says so.
import type { Steps } from '../db/database.ts'
import { RunloomError } from './errors.ts'
import type { Interrupt } from './executor.ts'
import type { CreateRun } from './runs.ts'
import { headOf, namedCheckpoint } from './states.ts'
import type { Thread } from './threads.ts'

/**
 * What an input does where a question is open. `answer`: it is the answer. `keep`: it becomes part of the state, and the
 * node that asked asks again. `discard`: the graph starts anew from it, and the question is gone.
 */
export type OnPendingInterrupt = 'reject' | 'answer' | 'keep' | 'discard'

/** The `type` in an interrupt's value by which a graph says that the user's next message is the answer. */
export const CLARIFICATION = 'clarification'

/** What an input is that does not say it: the answer to a question that waits for the next message, else refused. */
export function meaning(said: OnPendingInterrupt | null | undefined, interrupts: string): OnPendingInterrupt {
  if (said) return said
  const open = Object.values(JSON.parse(interrupts) as Record<string, Interrupt[]>).flat()
  const [value] = open.map(({ value }) => value as { type?: unknown } | null)
  return open.length === 1 && value?.type === CLARIFICATION ? 'answer' : 'reject'
}

/** Why an input may not pass over the open questions; undefined when it may. */
export function refusal(what: OnPendingInterrupt, ids: readonly string[]): string | undefined {
  const answer = `Answer with command: {"resume": {"<interrupt id>": <answer>}}`
  if (what === 'answer' && ids.length > 1) {
    return `The thread waits for answers to several interrupts (${ids.join(', ')}), and an input can only answer one. ${answer}`
  }
  if (what !== 'reject') return undefined
  return `The thread waits for an answer to interrupt ${ids.join(', ')}. ${answer}, or say with on_pending_interrupt what the input is: "answer", "keep" (the question is asked again) or "discard"`
}

/** The ids of a thread's open interrupts. */
export function openIds(interrupts: string): string[] {
  const open = Object.values(JSON.parse(interrupts) as Record<string, Interrupt[]>).flat()
  return open.flatMap(({ id }) => id ?? [])
}

/** Refuses an input that would start at the thread's newest checkpoint, where a question is open. The thread is locked. */
export function* checkQuestions({ kwargs }: CreateRun, thread: Thread): Steps<void> {
  if (thread.interrupts === '{}' || kwargs.command || kwargs.input === null || kwargs.input === undefined) return
  const ids = openIds(thread.interrupts)
  const why = refusal(meaning(kwargs.on_pending_interrupt as OnPendingInterrupt | undefined, thread.interrupts), ids)
  if (why === undefined || !(yield* startsAtHead(kwargs, thread.thread_id))) return
  throw new RunloomError('conflict', why, { details: { interrupts: JSON.parse(thread.interrupts) } })
}

function* startsAtHead(kwargs: CreateRun['kwargs'], thread_id: string): Steps<boolean> {
  const from = namedCheckpoint(kwargs)
  return from === undefined || (yield* headOf(thread_id)) === from.checkpoint_id
}
