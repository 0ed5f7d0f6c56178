// What clients answered, on its way into the log: marked as taken in the commit that has its events, so it counts once.
import type { Journal } from './journal.ts'
import { toolResult, unanswered } from './llm.ts'
import type { NodeStates } from './node-states.ts'
import { type Answer, type StepRecord, stepRow, takenRows } from './records.ts'
import { answerOf, askOf } from './user-ask.ts'

interface Ports {
  journal: Journal
  states: NodeStates
}

/** Writes an answer to the step that waits for it; true when it was the last that the step waits for. */
export function takeAnswer({ journal, states }: Ports, answer: Answer, step: StepRecord | undefined): boolean {
  const taken = takenRows(journal.run_id, [answer])
  const call = step && unanswered(step).find(one => one.id === answer.call_id)
  if (!call || step.request_id !== answer.request_id || step.waiting_until === null) {
    journal.keep([taken])
    return false
  }
  const { node_id } = step
  const { output, error } = answer
  const outcome = { output, ...(error !== undefined && { error }) }
  step.results[call.id] = outcome
  const complete = unanswered(step).length === 0
  if (complete) step.waiting_until = null
  const record = states.begin(node_id)
  if (complete) record.status = 'running'
  const result = toolResult(step, call, outcome)
  const ask = askOf(call)
  if (ask && !('fault' in ask)) {
    const { step: number, request_id, tool_call } = result.tool_result
    const user_answer = { step: number, request_id, tool_call, ...answerOf(output) }
    journal.append('node_user_answer', { node_id, user_answer })
  }
  journal.append('node_tool_result', result, [taken, stepRow(journal.run_id, step), states.row(record)])
  return complete
}
