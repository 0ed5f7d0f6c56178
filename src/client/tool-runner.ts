// Answers the tools that a workflow run waits for (contracts: workflows §6), while it passes on the run's events.
import { z } from 'zod'
import type { WorkflowRun } from '../protocol/workflow-answers.ts'
import type { WorkflowEvent } from '../protocol/workflow-events.ts'
import { ValidationError } from './errors.ts'
import { terminal } from './events.ts'
import { backOff, mayPass } from './http.ts'
import type { WorkflowRunsClient } from './workflow-runs.ts'

export interface Tool<S extends z.ZodType = z.ZodType> {
  /** Tells the model what the tool is for. */
  description?: string
  /** Of the arguments; the model is given it as a JSON Schema. */
  schema: S
  /** Answers a text, or what is sent as JSON. The signal is aborted when the run is no longer followed. */
  run(args: z.output<S>, call: { id: string; signal: AbortSignal }): unknown
}

/** A tool whose `run` knows its arguments by its schema. */
export function tool<S extends z.ZodType>(definition: Tool<S>): Tool {
  return definition
}

type Waiting = Extract<WorkflowEvent, { type: 'node_waiting' }>

export class ToolRunner {
  readonly #client: WorkflowRunsClient
  readonly #tools: Map<string, Tool>

  /** The tools by the names that models call them by. */
  constructor(client: WorkflowRunsClient, tools: Record<string, Tool>) {
    this.#client = client
    this.#tools = new Map(Object.entries(tools))
    for (const [name, { schema, run }] of this.#tools) {
      if (!(schema instanceof z.ZodType)) throw new ValidationError(`tools.${name}.schema`, 'must be a zod schema')
      if (typeof run !== 'function') throw new ValidationError(`tools.${name}.run`, 'must be a function')
    }
  }

  /** The tools as the `tools` of a node name them. */
  get definitions() {
    return [...this.#tools].map(([name, { description, schema }]) => {
      const { $schema: _, ...parameters } = z.toJSONSchema(schema, { target: 'draft-7', io: 'input' })
      return { type: 'function' as const, function: { name, ...(description && { description }), parameters } }
    })
  }

  /** Follows a run to its end, answers what it waits for, and gives the run as it is then. */
  async run(runId: string): Promise<WorkflowRun> {
    for await (const _ of this.follow(runId)) {
      // answered inside
    }
    return this.#client.get(runId)
  }

  /**
   * The run's events after `afterSeq`, all of them. Whenever a node waits, its calls are answered while the events go on, in
   * one submission a wait; a tool that fails answers `Error: …`. A submission that is refused ends the iteration with its error;
   * one that does not get through is repeated as long as the events can be followed.
   */
  async *follow(runId: string, { afterSeq = 0 }: { afterSeq?: number } = {}): AsyncGenerator<WorkflowEvent, void> {
    const stream = await this.#client.streamEvents(runId, { afterSeq })
    const gone = new AbortController()
    let failure: { error: unknown } | undefined
    try {
      for await (const event of stream) {
        if (event.type === 'node_waiting') {
          this.#answer(runId, event, gone.signal).catch(error => {
            if (gone.signal.aborted) return
            failure = { error }
            stream.cancel()
          })
        }
        if (terminal.has(event.type)) gone.abort()
        yield event
      }
    } finally {
      gone.abort()
      stream.cancel()
    }
    if (failure) throw failure.error
  }

  /** Runs the tools of one step, unless somebody has answered it before, as in a history that is read again. */
  async #answer(runId: string, { node_id, waiting }: Waiting, signal: AbortSignal) {
    const { step, request_id } = waiting
    const { pending } = await insist(signal, () => this.#client.pendingTools(runId))
    const open = pending.find(one => one.node_id === node_id && one.step === step && one.request_id === request_id)
    if (!open || signal.aborted) return
    const results = await Promise.all(
      open.tool_calls.map(async ({ tool_call: { id, name, arguments: text } }) => {
        const output = await this.#call(name, text, { id, signal }).catch(error => `Error: ${messageOf(error)}`)
        return { tool_call: { id, name }, output }
      }),
    )
    const answer = { node_id, step, request_id, results }
    await insist(signal, () => this.#client.submitToolResults(runId, answer))
  }

  async #call(name: string, text: string, call: { id: string; signal: AbortSignal }): Promise<string> {
    const found = this.#tools.get(name)
    if (!found) throw new Error(`there is no tool "${name}"`)
    const args = await found.schema.safeParseAsync(argumentsOf(text))
    if (!args.success) {
      const faults = args.error.issues.map(({ path, message }) => `${path.join('.') || 'arguments'}: ${message}`)
      throw new Error(faults.join('; '))
    }
    const output = await found.run(args.data, call)
    return typeof output === 'string' ? output : (JSON.stringify(output) ?? '')
  }
}

/** Calls until there is an answer or a refusal, or the signal is aborted. */
async function insist<T>(signal: AbortSignal, call: () => Promise<T>): Promise<T> {
  for (let failures = 1; ; failures++) {
    signal.throwIfAborted()
    try {
      return await call()
    } catch (error) {
      if (!mayPass(error)) throw error
    }
    await backOff(failures, signal)
  }
}

/** Models leave them out where a tool has none. */
function argumentsOf(text: string): unknown {
  if (text.trim() === '') return {}
  try {
    return JSON.parse(text)
  } catch {
    throw new Error('the arguments are not JSON')
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
