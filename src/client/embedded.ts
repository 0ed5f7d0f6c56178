// The embedded client (contracts: gateway §3): the server's engine and database inside a process, without a port. `stream`
// and `chat` create a run and read its log; what else it reads and changes is in embedded-resources.ts.
import { Client } from '@langchain/langgraph-sdk'
import { RunloomError } from '../core/errors.ts'
import { newId } from '../core/ids.ts'
import { acceptRun, requestCancel } from '../core/run-requests.ts'
import { type CreateRun, getRun, type MultitaskStrategy, type Run } from '../core/runs.ts'
import { Closing } from '../events/followers.ts'
import type { ClientEvent } from '../protocol/client-events.ts'
import { threadId } from '../protocol/gateway.ts'
import { Engine, type EngineOptions, ORIGIN } from './embedded-engine.ts'
import { Resources } from './embedded-resources.ts'
import { followRun } from './embedded-run.ts'

/** What the lead agent is asked to be; what is not said is as the configuration has it. */
export interface AgentOptions {
  /** A configured model. */
  modelName?: string
  thinkingEnabled?: boolean
  reasoningEffort?: string
  subagentEnabled?: boolean
  planMode?: boolean
  /** Letters, digits and hyphens. */
  agentName?: string
  /** The skills that it is offered; all that are enabled without it. */
  availableSkills?: readonly string[]
}

export interface RunloomClientOptions extends EngineOptions, AgentOptions {
  /** A graph of one's own instead of the lead agent. */
  assistantId?: string
}

/** A text, or content blocks (`{type: 'text', text}`, images) as models take them. */
export type MessageContent = string | readonly Record<string, unknown>[]

/** Instead of a message: what LangGraph calls a Command. */
export interface Answer {
  resume?: unknown
  update?: Record<string, unknown>
  goto?: string | string[]
}

export interface StreamOptions extends Omit<AgentOptions, 'modelName'> {
  /** Without one, a new thread. */
  threadId?: string
  /** A configured model, for this run. */
  model?: string
  assistantId?: string
  /** More of the run's context, for one's own graphs. */
  context?: Record<string, unknown>
  /** Of the run's config: what callbacks of its graph are told. */
  metadata?: Record<string, unknown>
  recursionLimit?: number
  /** When the thread is busy: `enqueue` by default. */
  multitaskStrategy?: MultitaskStrategy
  /** Ends the stream with its reason. */
  signal?: AbortSignal
  /** What becomes of the run when its stream is left before the end. */
  onAbandon?: 'cancel' | 'continue'
  onRunCreated?: (run: { run_id: string; thread_id: string }) => void
}

const LEAD_AGENT = 'lead_agent'
const RECURSION_LIMIT = 100

export class RunloomClient extends Resources implements AsyncDisposable {
  /** The official SDK's client, for everything that the server can do. */
  readonly langgraph: Client
  readonly #options: RunloomClientOptions

  /** Opens nothing yet. Throws `invalid` for an agent's name with other characters. */
  constructor(options: RunloomClientOptions = {}) {
    checkName(options.agentName)
    super(new Engine(options))
    this.#options = options
    this.langgraph = new Client({ apiUrl: ORIGIN, callerOptions: { fetch: this.engine.fetch, maxRetries: 0 } })
  }

  /**
   * Runs a turn and yields what it says (docs/embedded-client.md). Left before its end, by `break` or by the signal, it
   * cancels the run. Throws RunFailed where the run does not succeed.
   */
  async *stream(
    message: MessageContent | Answer,
    { signal, onAbandon = 'cancel', onRunCreated, ...options }: StreamOptions = {},
  ): AsyncGenerator<ClientEvent, void> {
    signal?.throwIfAborted()
    const { ports } = await this.engine.runtime()
    const run = await acceptRun(ports, this.#toCreate(message, options))
    let abandoned = onAbandon === 'cancel'
    try {
      const { run_id, thread_id } = run
      onRunCreated?.({ run_id, thread_id })
      yield* followRun(this.engine, run, signal ?? new AbortController().signal)
      abandoned = false
    } catch (error) {
      if (error instanceof Closing) abandoned = false // it goes on when its database is opened again
      throw error
    } finally {
      if (abandoned) await this.#cancel(run)
    }
  }

  /** The events of a run from its first, whoever started it and whether or not it has ended. Leaving lets it go on. */
  async *join(runId: string, { signal }: { signal?: AbortSignal } = {}): AsyncGenerator<ClientEvent, void> {
    const { ports } = await this.engine.runtime()
    const run = await ports.db.run(getRun, { run_id: runId })
    yield* followRun(this.engine, run, signal ?? new AbortController().signal)
  }

  /** Runs a turn and returns the text of its last message; "" where it says nothing. */
  async chat(message: MessageContent | Answer, options: StreamOptions = {}): Promise<string> {
    const texts = new Map<string, string[]>()
    let last: string | undefined
    for await (const { type, data } of this.stream(message, options)) {
      if (type !== 'messages-tuple') continue
      if (data.type === 'remove') texts.delete(data.id)
      if (data.type !== 'ai' || !data.content) continue
      last = data.id
      const known = texts.get(data.id)
      if (known) known.push(data.content)
      else texts.set(data.id, [data.content])
    }
    return texts.get(last ?? '')?.join('') ?? ''
  }

  /** Reads the configuration and builds the agent anew with the next call. Runs in flight go on then. */
  async resetAgent(): Promise<void> {
    await this.engine.reset()
  }

  /** Ends what is open, as stopping the server does: runs in flight go on with the next client, or server, of the database. */
  async close(): Promise<void> {
    await this.engine.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #toCreate(message: MessageContent | Answer, options: StreamOptions): CreateRun {
    const { threadId: asked, assistantId = this.#options.assistantId, context, metadata, recursionLimit } = options
    checkName(options.agentName)
    const thread_id = asked === undefined ? newId() : checkThread(asked)
    const isMessage = typeof message === 'string' || Array.isArray(message)
    const chosen = { ...this.#options, ...given(options), ...(options.model && { modelName: options.model }) }
    return {
      run_id: newId(),
      thread_id,
      assistant_id: assistantId ?? LEAD_AGENT,
      if_not_exists: 'create',
      kwargs: {
        input: isMessage ? { messages: [{ type: 'human', content: message, id: newId() }] } : null,
        ...(!isMessage && { command: message }),
        ...(metadata && { config: { metadata } }),
        context: { ...context, ...contextOf(chosen), thread_id },
        stream_mode: ['values', 'messages-tuple', 'custom'],
        on_pending_interrupt: 'answer',
      },
      metadata: {},
      multitask_strategy: options.multitaskStrategy ?? 'enqueue',
      after_ms: 0,
      recursion_limit: recursionLimit ?? RECURSION_LIMIT,
    }
  }

  async #cancel(run: Run): Promise<void> {
    if (this.engine.closed) return
    const { ports } = await this.engine.runtime()
    const request = { action: 'interrupt', by: 'abandoned', wait: false } as const
    await requestCancel(ports, run, request).catch(error => {
      if (!(error instanceof RunloomError)) throw error // else it has ended
    })
  }
}

/** The names that the lead agent reads in a run's context. */
function contextOf(options: AgentOptions): Record<string, unknown> {
  return given({
    model_name: options.modelName,
    thinking_enabled: options.thinkingEnabled,
    reasoning_effort: options.reasoningEffort,
    subagent_enabled: options.subagentEnabled,
    is_plan_mode: options.planMode,
    agent_name: options.agentName,
    available_skills: options.availableSkills,
  })
}

function checkName(name: string | undefined) {
  if (name === undefined || /^[A-Za-z0-9-]+$/.test(name)) return
  throw new RunloomError('invalid', `agentName: "${name}" may have letters, digits and hyphens only`)
}

function checkThread(id: string): string {
  const { error } = threadId.safeParse(id)
  if (error) throw new RunloomError('invalid', `threadId: ${error.issues[0]?.message}`)
  return id
}

function given<T extends object>(options: T): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>
}
