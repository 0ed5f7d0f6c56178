// A state of a thread as clients see it (contracts: langgraph §3, ThreadState).
import type { StateSnapshot } from '@langchain/langgraph'

export type WireState = Record<string, unknown> & { values: unknown }

/** Of a thread without a graph. */
export const EMPTY_STATE: WireState = {
  values: {},
  next: [],
  tasks: [],
  metadata: null,
  created_at: null,
  checkpoint: null,
  parent_checkpoint: null,
  interrupts: [],
}

export function wireState(snapshot: StateSnapshot): WireState {
  const { values, next, tasks, metadata, createdAt, config, parentConfig } = snapshot
  return {
    values: values ?? {},
    next,
    tasks: tasks.map(wireTask),
    metadata: metadata ?? null,
    created_at: createdAt ?? null,
    checkpoint: wireCheckpoint(config),
    parent_checkpoint: wireCheckpoint(parentConfig),
    interrupts: tasks.flatMap(task => task.interrupts),
  }
}

/** The selected fields; `values.<key>` is one of the values. Everything without a selection. */
export function selectedState(state: WireState, select: readonly string[] | null | undefined): Record<string, unknown> {
  if (!select || select.length === 0) return state
  const selected = Object.fromEntries(Object.entries(state).filter(([field]) => select.includes(field)))
  const keys = select.filter(field => field.startsWith('values.')).map(field => field.slice('values.'.length))
  if (keys.length === 0 || select.includes('values')) return selected
  const values = Object.entries(state.values as object).filter(([key]) => keys.includes(key))
  return { ...selected, values: Object.fromEntries(values) }
}

function wireTask(task: StateSnapshot['tasks'][number]): Record<string, unknown> {
  const { id, name, path, error, interrupts, state, result } = task as typeof task & { result?: unknown }
  const nested = state && 'values' in state ? (state as StateSnapshot) : undefined
  return {
    id,
    name,
    path: path ?? [],
    error: error === undefined ? null : errorText(error),
    interrupts,
    checkpoint: nested ? wireCheckpoint(nested.config) : wireCheckpoint(state as StateSnapshot['config'] | undefined),
    state: nested ? wireState(nested) : null,
    result: result ?? null,
  }
}

/** As text: clients try to parse `{error, message}` from it. */
function errorText(error: unknown): string {
  if (typeof error === 'string') return error
  const { name = 'Error', message = '' } = error as Partial<Error>
  return JSON.stringify({ error: name, message })
}

function wireCheckpoint(config: StateSnapshot['config'] | undefined) {
  const { thread_id, checkpoint_id, checkpoint_ns, checkpoint_map } = config?.configurable ?? {}
  if (checkpoint_id === undefined && !checkpoint_ns) return null
  return { thread_id, checkpoint_id, checkpoint_ns: checkpoint_ns ?? '', checkpoint_map: checkpoint_map ?? null }
}
