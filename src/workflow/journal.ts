// The log of a workflow run as its executor writes it: events numbered for clients from 1 without gaps (the run's log has
// others in between), each with the rows that it leaves behind, in one commit.
import { jsonText } from '../core/json.ts'
import type { Bulk } from '../db/database.ts'
import type { RunWriter } from '../events/event-log.ts'
import type { WorkflowEventType } from '../protocol/workflow-events.ts'

export class Journal {
  readonly run_id: string
  readonly #writer: RunWriter
  #last_seq: number
  #closed: PromiseWithResolvers<void> | undefined

  constructor(run_id: string, writer: RunWriter, last_seq: number) {
    this.run_id = run_id
    this.#writer = writer
    this.#last_seq = last_seq
  }

  /** True before the first event. */
  get empty(): boolean {
    return this.#last_seq === 0
  }

  /**
   * Appends an event with its rows. Resolves when they are committed, together with everything that was appended in the
   * same turn; rejects when they never will be.
   */
  append(type: WorkflowEventType, payload: Record<string, unknown>, rows: Bulk[] = []): Promise<void> {
    if (this.#closed) return this.#closed.promise
    const data = jsonText({ seq: ++this.#last_seq, ...payload })
    return this.#writer.append({ event: type, data, refs: 0 }, rows)
  }

  /** Appends rows alone. */
  keep(rows: Bulk[]): Promise<void> {
    return this.#closed?.promise ?? this.#writer.append(undefined, rows)
  }

  /** What is appended later, by work that did not stop at once, is left out and never resolves. */
  close() {
    this.#closed = Promise.withResolvers()
  }

  /** Resolves when the log keeps up. */
  room(): Promise<void> {
    return this.#writer.room()
  }
}
