// How runs end: from what an execution came to, and why it was stopped, to the status that is stored.
import type { Finish } from './claims.ts'
import { type Ending, Refused, Stopped, type StopReason } from './executor.ts'

/** What an execution came to. */
export type Outcome = { ending: Ending } | { error: unknown }

/** Why an execution was stopped: from outside, or by its executor, which may know of a timeout of its own. */
export function stopReason(outcome: Outcome, signal: AbortSignal): StopReason | undefined {
  if (signal.aborted) return (signal.reason as Stopped).reason
  return 'error' in outcome && outcome.error instanceof Stopped ? outcome.error.reason : undefined
}

/** From how an execution stopped to how its run ends. */
export function conclude(
  outcome: Outcome,
  reason: StopReason | undefined,
): Omit<Finish, 'thread_id' | 'slice' | 'claim'> {
  if (reason?.type === 'cancelled') {
    return { status: 'interrupted', ending: { reason: 'cancelled' }, interrupts: {}, resting_status: 'interrupted' }
  }
  if (reason?.type === 'timeout') {
    const message = `The run did not finish within ${reason.after_ms / 1000} s`
    const ending = { reason: 'timeout', error: { error: 'TimeoutError', message } }
    return { status: 'timeout', ending, interrupts: {}, resting_status: 'error' }
  }
  if (reason?.type === 'refused' || 'error' in outcome) {
    const error = reason?.type === 'refused' ? reason.error : (outcome as { error: unknown }).error
    const ending = { reason: 'failed', error: describe(error) }
    const interrupts = error instanceof Refused ? error.interrupts : {}
    const resting_status = Object.keys(interrupts).length > 0 ? 'interrupted' : 'error'
    return { status: 'error', ending, interrupts, resting_status }
  }
  const { interrupts, has_next } = outcome.ending
  const open = Object.values(interrupts).flat()
  return {
    status: 'success',
    ending: { reason: 'completed', ...(open.length > 0 && { interrupts: open }) },
    interrupts,
    resting_status: has_next || open.length > 0 ? 'interrupted' : 'idle',
  }
}

/** The ending of a run whose last rows the database refused: the refusal is its error. */
export function withoutRows({ slice, ...rest }: Finish, error: unknown): Finish {
  const refusal = { event: 'error', data: JSON.stringify(describe(error)), lines: 1, at_ms: Date.now() }
  return { ...rest, slice: { ...slice, events: [refusal], writes: [] }, ...conclude({ error }, undefined) }
}

function describe(error: unknown): { error: string; message: string } {
  if (error instanceof Refused) return { error: error.name, message: error.message, ...error.details }
  return error instanceof Error
    ? { error: error.name, message: error.message }
    : { error: 'Error', message: String(error) }
}
