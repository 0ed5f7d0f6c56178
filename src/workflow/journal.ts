// The log of a workflow run as its executor writes it: events numbered for clients from 1 without gaps (the run's log has
// others in between), each with the rows that it leaves behind, in one commit.
import { jsonText } from '../core/json.ts'
import type { Bulk } from '../db/database.ts'
import type { RunWriter } from '../events/run-writer.ts'
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

  /** Appends an event with its rows; what is appended in one turn is one commit. */
  append(type: WorkflowEventType, payload: Record<string, unknown>, rows: Bulk[] = []) {
    if (this.#closed) return
    const data = jsonText({ seq: ++this.#last_seq, ...payload })
    void this.#writer.append({ event: type, data }, rows)
  }

  /** Appends rows alone. */
  keep(rows: Bulk[]) {
    if (!this.#closed) void this.#writer.append(undefined, rows)
  }

  /** Resolves when all that was appended is committed; rejects when it never will be. */
  stored(): Promise<void> {
    return this.#closed?.promise ?? this.#writer.append(undefined, [], { prompt: true })
  }

  /** What is appended later, by work that did not stop at once, is left out; who waits for it waits for ever. */
  close() {
    this.#closed = Promise.withResolvers()
  }

  /** Resolves when the log keeps up. */
  async room(): Promise<void> {
    await this.#writer.room()
  }
}
