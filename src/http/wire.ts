// Rows as the root face shows them. Columns are wire fields already; what is JSON text in the table becomes JSON here.
import type { Assistant } from '../core/assistants.ts'
import type { Run } from '../core/runs.ts'
import type { Thread } from '../core/threads.ts'

export function wireRun(run: Run) {
  const { run_id, thread_id, assistant_id, status, multitask_strategy, created_at, updated_at } = run
  return {
    run_id,
    thread_id,
    assistant_id,
    status,
    metadata: JSON.parse(run.metadata),
    kwargs: JSON.parse(run.kwargs),
    multitask_strategy,
    created_at,
    updated_at,
    cancel_reason: cancelReason(run),
  }
}

/** Why a cancelled run was cancelled: by whom, or by which run it was superseded. */
function cancelReason(run: Run): string | null {
  if (run.status !== 'interrupted' || !run.ending) return null
  const { reason, by } = JSON.parse(run.ending) as { reason: string; by?: string }
  return by ? `${reason} by ${by}` : reason
}

/** `values` is JSON text, or null for a thread without state. */
export function wireThread(thread: Thread, values: string | null) {
  const { thread_id, created_at, updated_at, state_updated_at, status, error } = thread
  return {
    thread_id,
    created_at,
    updated_at,
    state_updated_at: state_updated_at ?? created_at,
    metadata: JSON.parse(thread.metadata),
    config: JSON.parse(thread.config),
    status,
    values: values === null ? null : JSON.parse(values),
    interrupts: JSON.parse(thread.interrupts),
    ...(error !== null && { error }),
  }
}

export function wireAssistant(assistant: Assistant) {
  return {
    ...assistant,
    config: JSON.parse(assistant.config),
    context: JSON.parse(assistant.context),
    metadata: JSON.parse(assistant.metadata),
  }
}
