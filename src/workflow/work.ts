// What nodes do that takes time: calling a model, or running one of the server's assistants.
import type { Filter } from '../core/access.ts'
import type { Children } from '../core/children.ts'
import { Stopped } from '../core/executor.ts'
import type { Json } from '../core/json.ts'
import type { Bulk } from '../db/database.ts'
import { NodeFailure } from './failure.ts'
import type { Item } from './fanout.ts'
import { type LlmPorts, runLlm, type WAITS } from './llm.ts'
import { textItem } from './messages.ts'
import type { AgentInput, LlmWork, MessageItem, PlanNode, TransformWork } from './plan.ts'
import type { StepRecord } from './records.ts'
import { bound, type Scope } from './values.ts'

/** Nobody executes the agent yet: ask again in a moment, and leave it the room to begin. */
export const LATER = Symbol('later')

/** A node, or an item of a fan-out, at work. */
export interface Job {
  id: string
  /** Slots go to the lowest. */
  key: string
  work: LlmWork | TransformWork | (PlanNode & { type: 'agent.run' })
  timeout_ms: number | undefined
  scope: Scope
  item?: Item
  model: string | undefined
  /** Stream, whatever the node says. */
  stream: boolean
}

export interface WorkPorts extends LlmPorts {
  agents: Children
  /** What each assistant has to pass. */
  allowed: Record<string, Filter | null>
}

/**
 * Does a job within its time: a model's call has all of it at each attempt, an agent's goes on from `started_ms`, however
 * often it is looked at. `waitingRow` is the row of its node while it waits for its client.
 */
export async function work(
  job: Job,
  steps: StepRecord[],
  ports: WorkPorts,
  { started_ms, waitingRow }: { started_ms: number; waitingRow: () => Bulk },
  signal: AbortSignal,
): Promise<Json | typeof WAITS | typeof LATER> {
  const { timeout_ms } = job
  const spent_ms = job.work.type === 'agent.run' ? Date.now() - started_ms : 0
  const timeout = timeout_ms === undefined ? undefined : AbortSignal.timeout(Math.max(0, timeout_ms - spent_ms))
  const within = timeout ? AbortSignal.any([signal, timeout]) : signal
  try {
    if (job.work.type === 'agent.run') return await runAgent(job, job.work.input, ports, within)
    return await callModel(job, job.work as LlmWork, steps, ports, waitingRow, within)
  } catch (error) {
    if (!timeout?.aborted || signal.aborted) throw error
    throw new NodeFailure('timeout', `the node took longer than ${timeout_ms} ms`)
  }
}

function callModel(
  { id, scope, model, stream }: Job,
  { type, input }: LlmWork,
  steps: StepRecord[],
  ports: WorkPorts,
  waitingRow: () => Bulk,
  signal: AbortSignal,
) {
  if (model === undefined) throw new NodeFailure('model_required', `node ${id} has no model`)
  const request = bound(input.request, input.bindings, scope)
  const how = { model, input: { ...input, stream: stream || input.stream }, routes: type === 'route.switch' }
  return runLlm({ node_id: id, request, ...how, steps, lost: 0, waitingRow }, ports, signal)
}

const FIRST_LOOK_MS = 500
const LOOK_MS = 5_000

/** Runs an assistant as a run of its own, found again after a crash; its last message is the text of the output. */
async function runAgent(
  { id, scope }: Job,
  { agent, input, bindings }: AgentInput,
  ports: WorkPorts,
  signal: AbortSignal,
) {
  const { agents, journal } = ports
  const assistant_allowed = ports.allowed[agent] ?? undefined
  const messages = bound({ input }, bindings, scope).input.map(({ role, content }) => ({
    role,
    content: textOf(content),
  }))
  const child = await agents
    .start({ parent_run_id: journal.run_id, key: id, assistant_id: agent, assistant_allowed, input: { messages } })
    .catch((error: Error) => {
      throw new NodeFailure('agent_failed', `assistant "${agent}" could not be started: ${error.message}`)
    })
  try {
    for (let for_ms = FIRST_LOOK_MS; ; for_ms = LOOK_MS) {
      const outcome = await agents.outcome(child, for_ms, signal)
      if (outcome === 'pending') return LATER
      if (outcome === 'running') continue
      if ('error' in outcome) throw new NodeFailure('agent_failed', `assistant "${agent}" failed: ${outcome.error}`)
      const { values } = outcome
      const last = values?.messages?.at(-1)?.content ?? ''
      const output = [textItem('assistant', typeof last === 'string' ? last : JSON.stringify(last))]
      return { run_id: child, output, values }
    }
  } catch (error) {
    if (signal.aborted && !goesOn(signal.reason)) await agents.cancel(child)
    throw error
  }
}

/** Whether the run that asked goes on elsewhere, and its agents with it. */
function goesOn(reason: unknown): boolean {
  return reason instanceof Stopped && ['shutting_down', 'lease_lost'].includes(reason.reason.type)
}

function textOf(content: MessageItem['content']): string {
  return content.map(part => (part.type === 'text' ? part.text : '')).join('')
}
