// What a run's stored request (`kwargs`) means to LangGraph: its config, and its input or Command.
import { Command, Send } from '@langchain/langgraph'
import type { OnPendingInterrupt } from '../core/questions.ts'
import { type User, userConfigurable, withoutUser } from '../core/users.ts'

/** A run's request as core/runs.ts stores it; null stands for absent everywhere. */
export interface RunRequest {
  input?: unknown
  command?: RunCommand | null
  config: RunSettings
  context?: Record<string, unknown> | null
  checkpoint?: Record<string, unknown> | null
  checkpoint_id?: string | null
  interrupt_before?: '*' | string[] | null
  interrupt_after?: '*' | string[] | null
  durability?: Durability | null
  checkpoint_during?: boolean | null
  stream_mode?: string | string[] | null
  strict_resume?: boolean | null
  on_pending_interrupt?: OnPendingInterrupt | null
}

interface RunSettings {
  configurable: Record<string, unknown>
  metadata: Record<string, unknown>
  tags?: string[] | null
  recursion_limit?: number | null
  max_concurrency?: number | null
  run_name?: string | null
}

export interface RunCommand {
  resume?: unknown
  update?: Record<string, unknown> | [string, unknown][] | null
  goto?: Goto | Goto[] | null
}

type Goto = string | { node: string; input?: unknown }
export type Durability = 'sync' | 'async' | 'exit'

/** The options of `graph.stream` that a request decides. What it leaves open is absent: a graph has defaults of its own. */
export interface RunConfig {
  configurable: Record<string, unknown>
  metadata: Record<string, unknown>
  tags?: string[]
  recursionLimit?: number
  maxConcurrency?: number
  runName?: string
  context?: Record<string, unknown>
  interruptBefore?: '*' | string[]
  interruptAfter?: '*' | string[]
  durability?: Durability
}

/** What every run records; `events`, `debug` and `tools` are added when the run asks for them. */
export const RECORDED_MODES = ['values', 'updates', 'messages', 'custom', 'tasks', 'checkpoints'] as const

const CHECKPOINT_KEYS = ['checkpoint_id', 'checkpoint_ns', 'checkpoint_map']

/** `user` is who made the run: `userConfigurable` of core/users.ts. */
export function runConfig(request: RunRequest, user: User | null = null): RunConfig {
  const { tags, recursion_limit, max_concurrency, run_name, configurable, metadata } = request.config
  return given<RunConfig>({
    configurable: { ...withoutReserved(configurable), ...userConfigurable(user), ...startOf(request) },
    metadata,
    tags,
    recursionLimit: recursion_limit,
    maxConcurrency: max_concurrency,
    runName: run_name,
    context: request.context,
    interruptBefore: request.interrupt_before,
    interruptAfter: request.interrupt_after,
    durability: request.durability ?? legacyDurability(request),
  })
}

/** The same run from the thread's newest checkpoint, wherever it began. */
export function fromHead(config: RunConfig): RunConfig {
  const kept = Object.entries(config.configurable).filter(([key]) => !CHECKPOINT_KEYS.includes(key))
  return { ...config, configurable: Object.fromEntries(kept) }
}

/** The stream modes a client asked for. */
export function streamModes({ stream_mode }: Pick<RunRequest, 'stream_mode'>): string[] {
  return [stream_mode ?? []].flat()
}

/** A resume that names the interrupts it answers: interrupt id to value. */
export function resumeMap(resume: unknown): Record<string, unknown> | undefined {
  if (resume === null || typeof resume !== 'object' || Array.isArray(resume)) return undefined
  const ids = Object.keys(resume)
  return ids.length > 0 && ids.every(id => /^[0-9a-f]{32}$/.test(id)) ? (resume as Record<string, unknown>) : undefined
}

export function langgraphCommand({ resume, update, goto }: RunCommand): Command {
  return new Command({
    ...(resume !== undefined && resume !== null && { resume }),
    ...(update && { update }),
    ...(goto && { goto: Array.isArray(goto) ? goto.map(target) : target(goto) }),
  } as ConstructorParameters<typeof Command>[0])
}

function target(goto: Goto): string | Send {
  return typeof goto === 'string' ? goto : new Send(goto.node, goto.input ?? null)
}

/** Where a fork starts. LangGraph goes by the presence of these keys, so none is there without a value. */
function startOf({ checkpoint, checkpoint_id }: RunRequest): Record<string, unknown> {
  const keys = { ...checkpoint, ...(checkpoint_id && { checkpoint_id }) }
  return given(Object.fromEntries(CHECKPOINT_KEYS.map(key => [key, (keys as Record<string, unknown>)[key]])))
}

/** Keys that LangGraph or this server keeps for itself are not a client's to set. */
function withoutReserved(configurable: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(withoutUser(configurable)).filter(([key]) => !key.startsWith('__')))
}

function legacyDurability({ checkpoint_during }: RunRequest): Durability | undefined {
  if (checkpoint_during === undefined || checkpoint_during === null) return undefined
  return checkpoint_during ? 'async' : 'exit'
}

function given<T extends object>(fields: { [K in keyof T]: T[K] | null | undefined }): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null)) as T
}
