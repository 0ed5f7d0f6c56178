// One execution of a workflow run: an event-sourced scheduler without rounds. A node starts the moment its dependencies
// allow; everything that happens is appended with the rows that it leaves, and a later attempt goes on from those rows, so
// that a finished node never runs again.
//
//   pending ──► running ──┬─► succeeded            a node that calls a model holds one of the run's slots;
//      │          ▲       ├─► failed               joins, transforms and fan-outs need none,
//      ▼          └─► waiting (client's answers)   one that waits gives its slot back
//   skipped (a router went elsewhere)
import type { Filter } from '../core/access.ts'
import { type Ending, Stopped } from '../core/executor.ts'
import type { Json } from '../core/json.ts'
import { takeAnswer } from './answers.ts'
import { NodeFailure, runError } from './failure.ts'
import { Fanout, type Item } from './fanout.ts'
import { decide, isJoin, type Join, tolerates } from './joins.ts'
import { WAITS } from './llm.ts'
import { NodeStates } from './node-states.ts'
import { modelOf, type Overrides } from './overrides.ts'
import type { Plan, PlanNode } from './plan.ts'
import type { Answer, NodeRecord, Progress, StepRecord } from './records.ts'
import { answerRows } from './sessions.ts'
import { Slots } from './slots.ts'
import { Topology } from './topology.ts'
import { outputsOf, type Scope, transformed } from './values.ts'
import { type Job, LATER, type WorkPorts, work } from './work.ts'

export interface WorkflowRequest extends Overrides {
  owner: string
  plan_hash: string
  /** The run's inputs by name, defaults included. */
  input: Record<string, Json>
  stream?: boolean
  /** The assistants that its nodes may be, each with the filter that it has to pass. */
  agents: Record<string, Filter | null>
  /** Where the answers go when it has succeeded. */
  session_id?: string
  /** What is called when it has ended. */
  webhook?: string
}

export interface ExecutionPorts extends WorkPorts {
  /** What clients have sent and the log does not have yet. */
  newAnswers(): Promise<Answer[]>
}

/** The deadline of the run itself, among those of its nodes. */
const RUN = ''
const LONGEST_TIMER_MS = 2 ** 31 - 1
const LATER_MS = 1_000

export class Execution {
  readonly #plan: Plan
  readonly #request: WorkflowRequest
  readonly #ports: ExecutionPorts
  readonly #signal: AbortSignal
  /** Aborted when the execution is over, whatever is still at work. */
  readonly #stop = new AbortController()
  readonly #nodes: ReadonlyMap<string, PlanNode>
  readonly #topology: Topology
  readonly #slots: Slots
  readonly #states: NodeStates
  readonly #steps = new Map<string, StepRecord[]>()
  /** Jobs that wait for their client. */
  readonly #waits = new Map<string, Job>()
  /** Jobs that wait for an agent which nobody executes yet. */
  readonly #later = new Map<string, Job>()
  readonly #deadlines = new Map<string, number>()
  /** Nodes whose dependencies, and fan-outs whose items, have changed. */
  readonly #touched = new Set<string>()
  readonly #touchedFanouts = new Set<Fanout>()
  #jobs = 0
  #unsettled: number
  #failure: Error | undefined
  #looksForAnswers = true
  #changed = Promise.withResolvers<void>()

  constructor(
    { plan, request, started_ms }: { plan: Plan; request: WorkflowRequest; started_ms: number },
    ports: ExecutionPorts,
    signal: AbortSignal,
  ) {
    this.#plan = plan
    this.#request = request
    this.#ports = ports
    this.#signal = AbortSignal.any([signal, this.#stop.signal])
    this.#nodes = new Map(plan.nodes.map(node => [node.id, node]))
    this.#unsettled = plan.nodes.length
    this.#topology = new Topology(plan)
    this.#slots = new Slots(plan.execution.max_parallelism)
    this.#states = new NodeStates(ports.journal)
    const { run_timeout_ms } = plan.execution
    if (run_timeout_ms !== undefined) this.#deadlines.set(RUN, started_ms + run_timeout_ms)
  }

  /** Resolves when every node has come to an end, or when there is nothing to do but wait; rejects when one failed. */
  async run(progress: Progress): Promise<Ending> {
    const { journal } = this.#ports
    const wake = () => this.wake()
    this.#signal.addEventListener('abort', wake)
    try {
      const { plan_hash } = this.#request
      if (journal.empty) {
        journal.append('run_compiled', { plan_hash })
        journal.append('run_started', { plan_hash })
      }
      this.#restore(progress)
      for (;;) {
        this.#changed = Promise.withResolvers()
        if (this.#looksForAnswers) await this.#takeAnswers()
        this.#expire()
        this.#drain()
        this.#signal.throwIfAborted()
        if (this.#failure) throw this.#failure
        if (this.#unsettled === 0) return this.#complete()
        const for_ms = Math.max(0, Math.min(...this.#deadlines.values()) - Date.now())
        if (this.#jobs === 0 && !this.#looksForAnswers) return this.#parked(for_ms)
        const timer = for_ms < LONGEST_TIMER_MS ? setTimeout(wake, for_ms) : undefined
        await this.#changed.promise
        clearTimeout(timer)
      }
    } finally {
      this.#signal.removeEventListener('abort', wake)
      journal.close()
      this.#stop.abort()
    }
  }

  /** Looks again; with `answers` also for what clients have sent. */
  wake({ answers = false } = {}) {
    if (answers && this.#waits.size > 0) this.#looksForAnswers = true
    this.#changed.resolve()
  }

  /** Takes up what an earlier attempt has left. */
  #restore({ nodes, steps }: Progress) {
    for (const step of steps) this.#stepsOf(step.node_id).push(step)
    for (const record of nodes) this.#states.restore(record)
    for (const record of nodes) if (record.parent_id === null) this.#resume(record)
    for (const { id } of this.#plan.nodes) this.#touched.add(id)
  }

  #resume(record: NodeRecord) {
    const node = this.#nodes.get(record.node_id) as PlanNode
    if (record.status === 'succeeded' || record.status === 'failed') this.#unsettled--
    else if (node.type === 'join.collect') this.#setDeadline(node.id, node.input.timeout_ms)
    else if (!isJoin(node)) this.#start(node)
  }

  /** Starts, settles or skips whatever can be, until nothing follows any more. */
  #drain() {
    while (this.#touched.size + this.#touchedFanouts.size > 0 && !this.#failure) {
      const ids = [...this.#touched].sort()
      this.#touched.clear()
      for (const id of ids) this.#consider(this.#nodes.get(id) as PlanNode)
      const fanouts = [...this.#touchedFanouts]
      this.#touchedFanouts.clear()
      for (const fanout of fanouts) this.#fill(fanout)
    }
  }

  #consider(node: PlanNode) {
    const { status } = this.#states.standing(node.id)
    const collects = node.type === 'join.collect' && status === 'running'
    if (this.#failure || (status !== 'pending' && !collects)) return
    if (isJoin(node)) return this.#join(node, false)
    const dependencies = this.#topology.dependencies(node.id, id => this.#states.standing(id))
    if (dependencies.some(one => one.state === 'dead')) return this.#skip(node.id)
    if (dependencies.every(one => one.state === 'met')) this.#start(node)
  }

  #join(node: Join, expired: boolean) {
    const { id } = node
    const dependencies = this.#topology.dependencies(id, one => this.#states.standing(one))
    const decision = decide(node, dependencies, this.#states, expired)
    if (decision === 'skip') return this.#skip(id)
    if (decision === 'fail') {
      return this.#fail(id, null, new NodeFailure('join_unsatisfied', 'no dependency came to an output that it takes'))
    }
    if (decision !== 'wait') {
      const outputs = decision.take.map(one => [one, this.#states.standing(one).output])
      return this.#succeed(id, null, Object.fromEntries(outputs))
    }
    const begun = dependencies.some(one => this.#states.standing(one.from).status !== 'pending')
    if (node.type !== 'join.collect' || !begun || this.#states.get(id)) return
    this.#begin(id)
    this.#setDeadline(id, node.input.timeout_ms)
  }

  #start(node: PlanNode) {
    try {
      if (node.type === 'map.fanout') return this.#openFanout(node)
      if (isJoin(node)) return
      this.#launch({
        id: node.id,
        key: node.id,
        work: node,
        ...this.#needs(node, this.#plan.execution.node_timeout_ms),
      })
    } catch (error) {
      this.#fail(node.id, null, error)
    }
  }

  #openFanout(node: PlanNode & { type: 'map.fanout' }) {
    this.#begin(node.id)
    this.#setDeadline(node.id, node.timeout_ms)
    const most = Math.min(node.input.max_parallelism ?? Number.POSITIVE_INFINITY, this.#plan.execution.max_parallelism)
    this.#touchedFanouts.add(new Fanout(node, this.#scope(), most, id => this.#states.get(id)))
  }

  /** Starts as many items as may work at once; ends the fan-out after the last. */
  #fill(fanout: Fanout) {
    const { id, input } = fanout.node
    if (this.#states.standing(id).status !== 'running') return // it has failed, and its run does without it
    for (let item = fanout.next(); item && !this.#failure; item = fanout.next()) {
      const needs = this.#needs(input.subnode, this.#plan.execution.node_timeout_ms, item)
      this.#launch({ id: item.id, key: item.key, work: input.subnode, ...needs, item })
    }
    if (fanout.isComplete) this.#succeed(id, null, { results: fanout.results })
  }

  #needs(node: { id: string; timeout_ms?: number } & Job['work'], timeout_ms?: number, item?: Item) {
    const named = { id: node.id, ...(item && { parent_id: item.fanout.node.id }) }
    const model = 'request' in node.input ? modelOf({ ...named, input: node.input }, this.#request) : undefined
    const stream = this.#request.stream === true
    return { timeout_ms: node.timeout_ms ?? timeout_ms, scope: this.#scope(item), model, stream }
  }

  #scope(item?: Item): Scope {
    return {
      output: id => this.#states.standing(id).output,
      input: name => this.#request.input[name],
      ...(item && { item: item.value }),
    }
  }

  /** Puts a node or an item to work, unless it waits for its client. */
  #launch(job: Job) {
    if (this.#stepsOf(job.id).at(-1)?.waiting_until != null) return this.#leave(job, WAITS)
    this.#jobs++
    const parent = job.item?.fanout.node.id ?? null
    void this.#perform(job)
      .catch(error => this.#fail(job.id, parent, error))
      .finally(() => {
        this.#jobs--
        this.wake()
      })
  }

  async #perform(job: Job) {
    await this.#ports.journal.room()
    if (job.work.type === 'transform.json') {
      this.#begin(job.id, job.item)
      return this.#ended(job, transformed(job.work.input, job.scope))
    }
    const giveBack = await this.#slots.take(job.key)
    try {
      this.#signal.throwIfAborted()
      const record = this.#begin(job.id, job.item)
      // What a call follows from is stored before it is made.
      await this.#ports.journal.stored()
      const waitingRow = () => this.#states.row(Object.assign(record, { status: 'waiting' }))
      const { started_ms } = record
      const output = await work(job, this.#stepsOf(job.id), this.#ports, { started_ms, waitingRow }, this.#signal)
      if (output === WAITS || output === LATER) this.#leave(job, output)
      else this.#ended(job, output)
    } finally {
      giveBack()
    }
  }

  #ended({ id, item }: Job, output: Json) {
    if (this.#signal.aborted) return
    this.#succeed(id, item?.fanout.node.id ?? null, output)
    if (!item) return
    item.fanout.finish(item, output)
    this.#touchedFanouts.add(item.fanout)
  }

  /** Leaves a job until its client has answered, or for a moment; another item may work meanwhile. */
  #leave(job: Job, how: typeof WAITS | typeof LATER) {
    const until = how === WAITS ? this.#stepsOf(job.id).at(-1)?.waiting_until : undefined
    this.#deadlines.set(job.id, until ?? Date.now() + LATER_MS)
    if (how === WAITS) this.#waits.set(job.id, job)
    else this.#later.set(job.id, job)
    this.#looksForAnswers = true
    if (!job.item) return
    job.item.fanout.pause()
    this.#touchedFanouts.add(job.item.fanout)
  }

  /** Writes what clients have sent into the log, and puts the nodes that have all their answers back to work. */
  async #takeAnswers() {
    this.#looksForAnswers = false
    const { journal } = this.#ports
    for (const answer of await this.#ports.newAnswers()) {
      const step = this.#stepsOf(answer.node_id).at(-1)
      const job = this.#waits.get(answer.node_id)
      if (!takeAnswer({ journal, states: this.#states }, answer, step) || !job) continue
      this.#waits.delete(job.id)
      this.#deadlines.delete(job.id)
      job.item?.fanout.resume()
      this.#launch(job)
    }
  }

  /** Lets what has waited too long come to its end. */
  #expire() {
    const now = Date.now()
    for (const [id, at] of this.#deadlines) {
      if (at > now || this.#failure) continue
      this.#deadlines.delete(id)
      const node = this.#nodes.get(id)
      const job = this.#waits.get(id)
      const later = this.#later.get(id)
      if (later) {
        this.#later.delete(id)
        this.#launch(later)
      } else if (id === RUN) {
        this.#failure = new Stopped({ type: 'timeout', after_ms: this.#plan.execution.run_timeout_ms as number })
      } else if (job) {
        this.#waits.delete(id)
        const error = new NodeFailure('wait_expired', 'the client did not answer the tool calls in time')
        this.#fail(id, job.item?.fanout.node.id ?? null, error)
      } else if (node?.type === 'join.collect') this.#join(node, true)
      else if (node) this.#fail(id, null, new NodeFailure('timeout', `the node took longer than ${node.timeout_ms} ms`))
    }
  }

  #setDeadline(id: string, after_ms: number | undefined) {
    const record = this.#states.get(id)
    if (after_ms !== undefined && record) this.#deadlines.set(id, record.started_ms + after_ms)
  }

  #begin(id: string, item?: Item): NodeRecord {
    const record = this.#states.begin(id, item?.fanout.node.id)
    if (!item) this.#touchFollowers(id)
    return record
  }

  #succeed(id: string, parent_id: string | null, output: Json) {
    if (this.#failure) return
    this.#states.succeed(id, output)
    if (parent_id === null) this.#settle(id)
  }

  #skip(id: string) {
    this.#states.skip(id)
    this.#settle(id)
  }

  /** A node's failure is its run's, unless joins that can do without it are all that waits for it. */
  #fail(id: string, parent_id: string | null, cause: unknown): void {
    if (this.#failure || this.#signal.aborted || this.#states.standing(id).status === 'failed') return
    this.#states.fail(id, parent_id, cause)
    if (parent_id !== null) this.#fail(parent_id, null, cause)
    else if (tolerates(this.#plan, this.#topology, this.#states, id)) this.#settle(id)
    else this.#failure = runError(id, cause)
    this.wake()
  }

  #settle(id: string) {
    this.#unsettled--
    this.#deadlines.delete(id)
    this.#touchFollowers(id)
  }

  #touchFollowers(id: string) {
    for (const follower of this.#topology.successors(id)) this.#touched.add(follower)
  }

  #complete(): Ending {
    const outputs = outputsOf(this.#plan, id => this.#states.standing(id).output)
    const { session_id } = this.#request
    const { journal } = this.#ports
    if (session_id !== undefined) journal.keep(answerRows(session_id, journal.run_id, outputs))
    return { interrupts: {}, has_next: false }
  }

  #parked(for_ms: number): Ending {
    if (!Number.isFinite(for_ms)) throw new Error('the workflow cannot go on: no node can run, and none waits')
    return {
      interrupts: {},
      has_next: true,
      wait: { reason: this.#waits.size > 0 ? 'tool_results' : 'agents', for_ms: Math.ceil(for_ms) },
    }
  }

  #stepsOf(node_id: string): StepRecord[] {
    const known = this.#steps.get(node_id) ?? []
    this.#steps.set(node_id, known)
    return known
  }
}
