// Rows as the root face shows them. Columns are wire fields already; what is JSON text in the table becomes JSON here.
import type { Assistant, AssistantVersion } from '../core/assistants.ts'
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

/** Null for a thread that lives until it is deleted. `expires_at` moves whenever the thread is used. */
export function wireTtl({ ttl_strategy, ttl_minutes, expires_at }: Thread) {
  if (ttl_minutes === null) return null
  return {
    strategy: ttl_strategy,
    ttl_minutes,
    expires_at: expires_at === null ? null : new Date(expires_at).toISOString(),
  }
}

/** What is found at a path (`values.messages[-1].content`); null where there is nothing. */
export function extracted(thread: object, path: string): unknown {
  let found: unknown = thread
  for (const [, key, index] of path.matchAll(/(?:^|\.)([^.[\]]+)|\[(-?\d+)\]/g)) {
    if (typeof found !== 'object' || found === null) return null
    if (index !== undefined) found = Array.isArray(found) ? found.at(Number(index)) : undefined
    else found = Object.hasOwn(found, key as string) ? (found as Record<string, unknown>)[key as string] : undefined
  }
  return found ?? null
}

/** An assistant, or one of its versions. */
export function wireAssistant<T extends AssistantVersion>(assistant: T) {
  const { system: _, owner: __, ...shown } = assistant as T & Partial<Assistant>
  return {
    ...shown,
    config: JSON.parse(assistant.config),
    context: JSON.parse(assistant.context),
    metadata: JSON.parse(assistant.metadata),
  }
}
