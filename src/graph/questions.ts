// Open questions where a run starts: inputs that would pass over them, answers that answer none (contracts: langgraph §4.10).
import { type ClaimedRun, Refused } from '../core/executor.ts'
import { meaning, openIds, refusal } from '../core/questions.ts'
import { type RunRequest, resumeMap } from './executor-config.ts'

/** What a request comes to on a thread with open questions. The request was accepted before they were asked, or allows for them. */
export function pastQuestions(
  { input, command, on_pending_interrupt }: RunRequest,
  claimed: Pick<ClaimedRun, 'interrupts'>,
): Pick<RunRequest, 'input' | 'command'> {
  if (command || input === null || input === undefined || claimed.interrupts === '{}')
    return { input, command: command ?? null }
  const ids = openIds(claimed.interrupts)
  const what = meaning(on_pending_interrupt, claimed.interrupts)
  const why = refusal(what, ids)
  if (why !== undefined) throw new Refused(claimed, 'PendingInterruptError', why, { pending_ids: ids })
  if (what === 'answer') return { command: { resume: Object.fromEntries(ids.map(id => [id, input])) } }
  if (what === 'keep') return { command: { update: input as Record<string, unknown> } }
  return { input }
}

/** For `strict_resume`: refuses answers that nobody waits for, and one value where several wait. */
export function checkAnswers(claimed: Pick<ClaimedRun, 'interrupts'>, resume: unknown, open: readonly string[]) {
  if (resume === null || resume === undefined) return
  const refuse = (reason: string, message: string, interrupt_ids: readonly string[] = []) => {
    throw new Refused(claimed, 'UnknownInterruptError', message, { reason, interrupt_ids, pending_ids: open })
  }
  const waiting = open.length > 0 ? `Waiting: ${open.join(', ')}` : 'None is waiting'
  const named = resumeMap(resume)
  const unknown = Object.keys(named ?? {}).filter(id => !open.includes(id))
  if (unknown.length > 0)
    refuse('not_pending', `No interrupt ${unknown.join(', ')} waits for an answer. ${waiting}`, unknown)
  if (named) return
  if (typeof resume === 'object' && Object.keys(resume).length === 0) {
    refuse('empty_map', `The resume is empty: it answers nothing. ${waiting}`)
  }
  if (open.length === 0) refuse('not_pending', 'No interrupt waits for an answer')
  if (open.length > 1)
    refuse('ambiguous', `One value cannot answer several interrupts: name each by its id. ${waiting}`)
}
