// The wire form of LangGraph's checkpoint payloads, as its own `toEventStream` makes it (contracts: langgraph §5.2):
// config without callbacks, LangGraph's keys and the user, and the ids of a config as a `checkpoint`.
import { withoutUser } from '../core/users.ts'

interface Config {
  configurable?: Record<string, unknown>
  callbacks?: unknown
  [key: string]: unknown
}

interface CheckpointPayload {
  config: Config
  parentConfig?: Config
  tasks: { state?: Config; [key: string]: unknown }[]
  [key: string]: unknown
}

export function wireCheckpoint(payload: unknown): Record<string, unknown> {
  const { config, parentConfig, tasks, ...rest } = payload as CheckpointPayload
  return {
    checkpoint: checkpointOf(config), // first, where recording-replay.ts looks for it
    ...rest,
    config: withoutInternals(config),
    parent_config: withoutInternals(parentConfig),
    parent_checkpoint: checkpointOf(parentConfig),
    tasks: tasks.map(({ state, ...task }) => {
      const checkpoint = checkpointOf(state)
      return checkpoint ? { ...task, checkpoint } : { ...task, ...(state && { state }) }
    }),
  }
}

export function wireDebug(payload: unknown): unknown {
  const debug = payload as { type: string; payload: unknown }
  return debug.type === 'checkpoint' ? { ...debug, payload: wireCheckpoint(debug.payload) } : debug
}

function withoutInternals(config: Config | undefined): Config | undefined {
  if (!config?.configurable) return config
  const { callbacks: _, configurable, ...rest } = config
  return {
    ...rest,
    configurable: Object.fromEntries(
      Object.entries(withoutUser(configurable)).filter(([key]) => !key.startsWith('__')),
    ),
  }
}

function checkpointOf(config: Config | undefined): Record<string, unknown> | null {
  const { thread_id, checkpoint_ns, checkpoint_id, checkpoint_map } = config?.configurable ?? {}
  if (!thread_id) return null
  return {
    thread_id,
    checkpoint_ns: checkpoint_ns || '',
    checkpoint_id: checkpoint_id || null,
    checkpoint_map: checkpoint_map || null,
  }
}
