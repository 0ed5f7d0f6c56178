// The Executor port: what turns a claimed run into events. Graphs are one, workflows the other.
import type { TimedEvent } from '../events/log.ts'
import type { RunWriter } from '../events/run-writer.ts'
import type { Run } from './runs.ts'

/** A run that this process owns under `attempt` until its lease ends. */
export interface ClaimedRun {
  run: Run
  attempt: number
  /** The log's length when it was claimed, the `metadata` event of this attempt included. */
  last_seq: number
  /** That event, where the claim wrote it. */
  opening?: TimedEvent
  /** JSON: the thread's open interrupts by task id when it was claimed. */
  interrupts: string
  /** Set when the lease of another owner had ended. */
  taken_over?: boolean
  /** False when its thread surely had no checkpoint when it was claimed. */
  has_state: boolean
}

export interface Interrupt {
  id?: string
  value: unknown
}

/** How an execution that did not fail came to its end. */
export interface Ending {
  /** Open interrupts by task id; empty when nothing waits for an answer. */
  interrupts: Record<string, Interrupt[]>
  /** Whether nodes are left to run: at a breakpoint, after an interrupt. */
  has_next: boolean
  /** Set when the run has not ended but has nothing to do: it is parked, without lease or slot. */
  wait?: Wait
}

export interface Wait {
  /** What it waits for, in one word. */
  reason: string
  /** When it goes on in any case. */
  for_ms: number
}

/** Thrown by an executor that touched nothing, because of what the thread waits for: those interrupts stay open. */
export class Refused extends Error {
  readonly interrupts: Record<string, Interrupt[]>
  /** What the error event says beside name and message. */
  readonly details: Record<string, unknown>

  constructor(
    { interrupts }: Pick<ClaimedRun, 'interrupts'>,
    name: string,
    message: string,
    details: Record<string, unknown>,
  ) {
    super(message)
    this.name = name
    this.interrupts = JSON.parse(interrupts)
    this.details = details
  }
}

/**
 * Executes a run, appending every event and every row to the writer, in order. Rejects when the run fails, or with the
 * signal's reason when it was stopped. Once it settles it appends nothing more.
 */
export type Executor = (claimed: ClaimedRun, writer: RunWriter, signal: AbortSignal) => Promise<Ending>

/** Why a run is stopped: the reason of its signal. The first reason wins. */
export type StopReason =
  | { type: 'cancelled' }
  | { type: 'timeout'; after_ms: number }
  | { type: 'lease_lost' }
  /** The database refused what it wrote. */
  | { type: 'refused'; error: Error }
  | { type: 'shutting_down' }

export class Stopped extends Error {
  override name = 'AbortError'
  readonly reason: StopReason

  constructor(reason: StopReason) {
    super(`the run was stopped: ${reason.type}`)
    this.reason = reason
  }
}
