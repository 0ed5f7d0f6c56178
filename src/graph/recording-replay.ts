// What an earlier attempt has recorded of a superstep already. A new attempt starts that superstep again: LangGraph
// repeats its checkpoint, the starts of its tasks and the updates of those that had finished, which readers have seen.
//
// A finished task's pending writes were stored together with its `updates` and its result (recording.ts), and the writes
// it found at its start together with the checkpoint's event. So once the log has that event, every update that
// LangGraph serves from the pending writes is in the log as well.
import type { RunEvent } from '../events/log.ts'
import type { Chunk } from './recording.ts'

type Logged = Pick<RunEvent, 'event' | 'data'>

/** Both begin as recorded (recording-wire.ts, LangGraph's task payloads), before any state. */
const CHECKPOINT =
  /^\{"checkpoint":\{"thread_id":"(?:[^"\\]|\\.)*","checkpoint_ns":"(?:[^"\\]|\\.)*","checkpoint_id":"([^"]+)"/
const TASK = /^\{"id":"([^"]+)","name":"((?:[^"\\]|\\.)*)","(input|result)":/

export class Replay {
  readonly #checkpoints = new Set<string>()
  readonly #starts = new Set<string>()
  /** Texts of events that only say that a task waits, or that a breakpoint was reached. */
  readonly #waits = new Set<string>()
  /** Root nodes that have finished. */
  readonly finished = new Set<string>()
  /** Namespaces that are at a checkpoint which the log has. */
  readonly #repeating = new Set<string>()
  #ended = false

  constructor(superstep: readonly Logged[]) {
    for (const event of superstep) this.#read(event)
  }

  /** Whether the log has the event of a root checkpoint. */
  has(checkpoint_id: string): boolean {
    return this.#checkpoints.has(` ${checkpoint_id}`)
  }

  /** The earlier attempt had executed everything (durability `exit`, whose checkpoints have no ids before that). */
  allIsLogged() {
    this.#ended = true
  }

  /** Whether an earlier attempt has recorded this chunk; `event` is what it is recorded as. */
  repeats({ namespace, mode, payload }: Chunk, event: Pick<RunEvent, 'event' | 'data'>): boolean {
    const ns = namespace.join('|')
    if (mode === 'debug') return this.#repeatsDebug(ns, payload as { type: string; payload: Payload })
    if (mode === 'checkpoints') {
      const repeated = this.#ended || this.#hasCheckpoint(ns, payload as Payload)
      if (repeated) this.#repeating.add(ns)
      else this.#repeating.delete(ns)
      return repeated
    }
    if (mode === 'tasks' && this.#hasStart(ns, payload as Payload)) return true
    if (mode === 'updates' && isCached(payload) && (this.#ended || this.#repeating.has(ns))) return true
    return this.#waits.has(key(event))
  }

  #read({ event, data }: Logged) {
    const [mode, ...namespace] = event.split('|')
    const ns = namespace.join('|')
    const checkpoint = mode === 'checkpoints' && CHECKPOINT.exec(data)
    if (checkpoint) this.#checkpoints.add(`${ns} ${checkpoint[1]}`)
    const task = mode === 'tasks' && TASK.exec(data)
    if (task && task[3] === 'input') this.#starts.add(`${ns} ${task[1]}`)
    if (task && task[3] === 'result' && ns === '') this.finished.add(JSON.parse(`"${task[2]}"`))
    if (data.startsWith('{"__interrupt__":') || (task && task[3] === 'result')) this.#waits.add(key({ event, data }))
  }

  #repeatsDebug(ns: string, { type, payload }: { type: string; payload: Payload }): boolean {
    return type === 'checkpoint' ? this.#hasCheckpoint(ns, payload) : type === 'task' && this.#hasStart(ns, payload)
  }

  #hasCheckpoint(ns: string, { config }: Payload): boolean {
    return this.#checkpoints.has(`${ns} ${config?.configurable.checkpoint_id}`)
  }

  #hasStart(ns: string, { id, ...payload }: Payload): boolean {
    return 'input' in payload && this.#starts.has(`${ns} ${id}`)
  }
}

interface Payload {
  id?: string
  config?: { configurable: { checkpoint_id?: string } }
}

function key({ event, data }: Pick<RunEvent, 'event' | 'data'>): string {
  return `${event} ${data}`
}

function isCached(payload: unknown): boolean {
  return (payload as { __metadata__?: { cached?: boolean } } | null)?.__metadata__?.cached === true
}
