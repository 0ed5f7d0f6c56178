// The Executor for workflows: takes a run up from what it has stored, and drives it until it ends or can only wait.
import type { Children } from '../core/children.ts'
import type { Executor } from '../core/executor.ts'
import { type Database, patient } from '../db/database.ts'
import type { Bus } from '../events/bus.ts'
import { Execution, type WorkflowRequest } from './execution.ts'
import { Journal } from './journal.ts'
import type { Models } from './model-call.ts'
import type { Plan } from './plan.ts'
import { getPlan } from './plans.ts'
import { newAnswers, readProgress } from './records.ts'
import type { ServerTools } from './server-tools.ts'

export interface WorkflowPorts {
  db: Database
  bus: Bus
  models: Models
  tools: ServerTools
  /** Assistants, for `agent.run`. */
  agents: Children
  /** The longest that an answer may lie unseen when its hint was lost. */
  poll_ms: number
}

export function workflowExecutor(ports: WorkflowPorts): Executor {
  return async ({ run }, writer, signal) => {
    const db = patient(ports.db, signal)
    const { run_id } = run
    const request = JSON.parse(run.kwargs) as WorkflowRequest
    const plan = JSON.parse(await db.run(getPlan, request)) as Plan
    const progress = await db.run(readProgress, run_id)
    const journal = new Journal(run_id, writer, progress.last_seq)
    const { models, tools, agents } = ports
    const execution = new Execution(
      { plan, request, started_ms: Date.parse(run.started_at ?? run.created_at) },
      {
        journal,
        models,
        tools,
        agents,
        allowed: request.agents,
        newAnswers: () => db.run(newAnswers, run_id),
        ...(request.session_id !== undefined && { session_id: request.session_id }),
      },
      signal,
    )
    const look = () => execution.wake({ answers: true })
    const unsubscribe = ports.bus.subscribe(`inputs:${run_id}`, look)
    const polling = setInterval(look, ports.poll_ms)
    try {
      return await execution.run(progress)
    } finally {
      clearInterval(polling)
      unsubscribe()
    }
  }
}
