// The client of workflow runs (contracts: workflows §2). Arguments are checked before anything is sent; what is sent and
// answered has the names of the wire.
import type { z } from 'zod'
import {
  type AcceptedResults,
  acceptedResults,
  type CanceledRun,
  type CompiledWorkflow,
  type CreatedWorkflowRun,
  canceledRun,
  compiledWorkflow,
  createdWorkflowRun,
  type ListedWorkflowRun,
  listedWorkflowRuns,
  type PendingTools,
  pendingTools,
  type WorkflowRun,
  workflowRun,
} from '../protocol/workflow-answers.ts'
import { planHash, toolResults, type WorkflowRunStatus } from '../protocol/workflow-runs.ts'
import type { workflowSpec } from '../protocol/workflow-spec.ts'
import type { compiledSpec } from '../protocol/workflow-v1.ts'
import { ValidationError } from './errors.ts'
import { openEventStream, type StreamOptions, type WorkflowEventStream } from './events.ts'
import { type CallOptions, type ClientOptions, Http } from './http.ts'
import { type RunOptions, runOptions, uuid } from './run-options.ts'

/** A workflow in the form that people write, or in the compiled one. */
export type Workflow = z.input<typeof workflowSpec> | z.input<typeof compiledSpec>

/** Answers to the calls of one step of a node, as `node_waiting` and `pendingTools` name it. */
export interface ToolResults {
  node_id: string
  step: number
  request_id: string
  results: { tool_call: { id: string; name: string; arguments?: string }; output: string; error?: string }[]
}

export class WorkflowRunsClient {
  readonly #http: Http

  constructor(options: ClientOptions) {
    this.#http = new Http(options)
  }

  /** Compiles a workflow; an `ApiError` has all its issues. The plan is kept under its hash. */
  async compile(spec: Workflow): Promise<CompiledWorkflow> {
    return this.#http.json(compiledWorkflow, { method: 'POST', path: '/workflows/compile', body: specOf(spec) })
  }

  create(spec: Workflow): Promise<CreatedWorkflowRun> {
    return this.createWithOptions(spec, {})
  }

  /** Answers when the run is accepted. Safe to be sent again: without an idempotency key it gets one of its own. */
  async createWithOptions(spec: Workflow, options: RunOptions): Promise<CreatedWorkflowRun> {
    return this.#create({ spec: specOf(spec) }, options)
  }

  /** The run leaves its answers in the session. */
  async createWithSession(spec: Workflow, sessionId: string, options: RunOptions = {}): Promise<CreatedWorkflowRun> {
    return this.createWithOptions(spec, { ...options, sessionId: uuid('sessionId', sessionId) })
  }

  createFromPlan(hash: string): Promise<CreatedWorkflowRun> {
    return this.createFromPlanWithOptions(hash, {})
  }

  async createFromPlanWithOptions(hash: string, options: RunOptions): Promise<CreatedWorkflowRun> {
    const found = planHash.safeParse(hash)
    if (!found.success) throw new ValidationError('planHash', found.error.issues[0]?.message ?? 'is no hash')
    return this.#create({ plan_hash: found.data }, options)
  }

  /** `include`: `steps` is every model call of every node, with its tools; `plan` is what is run, as `plan_json`. */
  async get(
    runId: string,
    { include = [], ...options }: CallOptions & { include?: ('steps' | 'tool_calls' | 'plan')[] } = {},
  ): Promise<WorkflowRun> {
    const query = include.length > 0 ? `?include=${include.join(',')}` : ''
    return this.#http.json(workflowRun, { method: 'GET', path: `${runPath(runId)}${query}` }, options)
  }

  /** What the run waits for. */
  async pendingTools(runId: string): Promise<PendingTools> {
    return this.#http.json(pendingTools, { method: 'GET', path: `${runPath(runId)}/pending-tools` })
  }

  async submitToolResults(runId: string, results: ToolResults): Promise<AcceptedResults> {
    const path = `${runPath(runId)}/tool-results`
    const [issue] = toolResults.safeParse(results).error?.issues ?? []
    if (issue) throw new ValidationError(issue.path.join('.') || 'results', issue.message)
    uuid('request_id', results.request_id)
    return this.#http.json(acceptedResults, { method: 'POST', path, body: results })
  }

  /**
   * The run's events after `afterSeq`, `limit` of them at most (0: all), from history and live. Resolves when the server has
   * accepted, whenever that is, unless `signal` or `headerTimeoutMs` gives it up; see `WorkflowEventStream`.
   */
  async streamEvents(
    runId: string,
    { afterSeq = 0, limit = 0, ...options }: StreamOptions & { afterSeq?: number; limit?: number } = {},
  ): Promise<WorkflowEventStream> {
    for (const [field, value] of Object.entries({ afterSeq, limit })) {
      if (!Number.isSafeInteger(value)) throw new ValidationError(field, 'must be a whole number')
    }
    const { headerTimeoutMs } = options
    if (headerTimeoutMs !== undefined && !(headerTimeoutMs > 0)) {
      throw new ValidationError('headerTimeoutMs', 'must be a number above 0')
    }
    const from = { after: Math.max(afterSeq, 0), limit: limit > 0 ? limit : Number.POSITIVE_INFINITY }
    return openEventStream(this.#http, { run_id: uuid('runId', runId), ...from }, options)
  }

  /** Stops a run, and answers when it has stopped. */
  async cancel(runId: string): Promise<CanceledRun> {
    return this.#http.json(canceledRun, { method: 'POST', path: `${runPath(runId)}/cancel` }, { attempts: 1 })
  }

  /** Newest first; 50 unless `limit` (up to 1000) says otherwise. */
  async list(
    options: { status?: WorkflowRunStatus; limit?: number; offset?: number } = {},
  ): Promise<ListedWorkflowRun[]> {
    const given = Object.entries(options).filter(([, value]) => value !== undefined)
    const query = new URLSearchParams(given.map(([name, value]) => [name, String(value)]))
    const path = query.size > 0 ? `/runs?${query}` : '/runs'
    return (await this.#http.json(listedWorkflowRuns, { method: 'GET', path })).runs
  }

  #create(what: { spec: object } | { plan_hash: string }, options: RunOptions): Promise<CreatedWorkflowRun> {
    const body = { ...what, ...runOptions(options) }
    return this.#http.json(createdWorkflowRun, { method: 'POST', path: '/runs', body })
  }
}

function runPath(runId: string): string {
  return `/runs/${uuid('runId', runId)}`
}

function specOf(spec: Workflow): object {
  if (typeof spec === 'object' && spec !== null && !Array.isArray(spec)) return spec
  throw new ValidationError('spec', 'must be a workflow, as an object')
}
