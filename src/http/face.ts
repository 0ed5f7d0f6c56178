// A face: what one of the protocols says in its own way about runs that are the same for all. The root face is the
// LangGraph Agent Server API; gateway-face.ts is the other.
import type { z } from 'zod'
import type { Outcome, Run } from '../core/runs.ts'
import { type Frame, waitResult } from '../graph/projection.ts'
import { uuid } from '../protocol/common.ts'
import * as protocol from '../protocol/runs.ts'
import { parseBody } from './errors.ts'
import type { Ports } from './ports.ts'

export interface Face {
  /** Whose idempotency keys they are. */
  name: string
  /** Where it is mounted. */
  base: string
  /** The ids of threads that its calls may create. */
  thread_id: z.ZodType<string>
  /** The request in a body, its defaults filled in; `onThread` is the thread in its path. */
  request(ports: Ports, text: string, onThread: string | undefined): RunRequest
  /** A run's path below the base; `onThread` when the client speaks of it as one of a thread. */
  runPath(run: Run, onThread: boolean): string
  /** The frames of a run's stream, from a cursor to the run's end. */
  frames(ports: Ports, frames: AsyncGenerator<Frame[]>, stream: Followed): AsyncGenerator<Frame[]>
  /** JSON text of what a run came to, once it has ended; undefined when it is gone. */
  result(ports: Ports, run: Run, outcome: Outcome | undefined): Promise<string>
}

export interface RunRequest extends protocol.CreateRun {
  /** The thread that a call without one in its path names in its body. */
  thread_id?: string
  /** The run that it goes on from, where the client says so. */
  follow_up_to_run_id?: string
  /** Where neither the request nor its assistant has one. */
  recursion_limit?: number
}

export interface Followed {
  run: Run
  /** The last event the client has; 0 for all. */
  after: number
  /** Aborted when the client has gone. */
  signal: AbortSignal
}

/** Last values, `__interrupt__`, or `__error__` (contracts: langgraph §4.10). */
export const langgraph: Face = {
  name: 'langgraph',
  base: '',
  thread_id: uuid,
  request: (_, text) => parseBody(text, protocol.createRun),
  runPath: ({ thread_id, run_id }, onThread) => (onThread ? `/threads/${thread_id}/runs/${run_id}` : `/runs/${run_id}`),
  frames: (_, frames) => frames,
  async result(ports, _, outcome) {
    if (!outcome) return 'null'
    const { error, interrupts = [] } = endingOf(outcome.run)
    return error ? JSON.stringify({ __error__: error }) : waitResult(await lastValues(ports, outcome), interrupts)
  },
}

/** Why and how a run ended; empty while it has not. */
export function endingOf({ ending }: Pick<Run, 'ending'>): {
  reason?: string
  interrupts?: unknown[]
  error?: { error: string; message: string }
} {
  return JSON.parse(ending ?? '{}')
}

/** JSON text of a run's last root state; null where it made none, or retention has removed it. */
export async function lastValues({ texts }: Pick<Ports, 'texts'>, { run, values }: Outcome): Promise<string | null> {
  return values ? texts.render(run.thread_id, values.data) : null
}
