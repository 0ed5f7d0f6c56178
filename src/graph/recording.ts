// The recording: what LangGraph's stream yields, as events of the run's log, beside the checkpointer's rows.
//
// LangGraph calls the checkpointer first, and the chunk of the same step reaches us some microtasks later. So all that
// happens in one turn of the event loop is held and appended at its end, at once, and the log commits what is appended at
// once as one. A node's pending writes, its `updates` and its task result are therefore stored together or not at all,
// and so are a checkpoint and the events before it: recovery counts on that (recording-replay.ts).
import { refuseLarge, refuseSize, type SizeLimits } from '../core/limits.ts'
import type { Bulk } from '../db/database.ts'
import type { NewEvent } from '../events/log.ts'
import type { RunWriter } from '../events/run-writer.ts'
import type { Durability } from './executor-config.ts'
import type { Replay } from './recording-replay.ts'
import { wireCheckpoint, wireDebug } from './recording-wire.ts'
import type { Encoded, StateWriter } from './state-writer.ts'

/** A chunk of LangGraph's stream. */
export interface Chunk {
  /** Empty at the root; else `node:task_id` segments. */
  namespace: readonly string[]
  mode: string
  payload: unknown
}

interface Entry {
  event?: NewEvent
  writes: Bulk[]
  committed?: PromiseWithResolvers<void>
}

export type RecordingLimits = Pick<SizeLimits, 'max_event_bytes' | 'max_state_bytes'>

export class Recording {
  readonly #writer: RunWriter
  readonly #state: StateWriter
  readonly #durability: Durability
  readonly #limits: RecordingLimits
  /** Checkpoints and pending writes that wait for the end (durability `exit`). */
  #atExit: Bulk[] = []
  #held: Entry[] = []
  /** Settles at the end of this turn of the event loop, when what is held is appended. */
  #turn: (PromiseWithResolvers<void> & { timer: NodeJS.Immediate }) | undefined
  #closed = false
  #replay: Replay | undefined

  constructor(writer: RunWriter, state: StateWriter, durability: Durability, limits: RecordingLimits) {
    this.#writer = writer
    this.#state = state
    this.#durability = durability
    this.#limits = limits
  }

  /** Leaves out what an earlier attempt has recorded. */
  skip(replay: Replay) {
    this.#replay = replay
  }

  /**
   * Records a chunk. Throws when it is larger than an event or a state may be; then nothing of this turn is stored, nor
   * anything later.
   */
  add(chunk: Chunk) {
    if (this.#closed) return
    const event = eventName(chunk)
    const { writes, bytes = 0, data } = this.#encode(chunk)
    if (this.#replay?.repeats(chunk, { event, data })) return
    try {
      refuseLarge(`event "${event}":`, data, this.#limits.max_event_bytes)
      refuseSize('state: the values are', bytes, this.#limits.max_state_bytes)
    } catch (error) {
      this.close({ drop: true })
      throw error
    }
    // A token is part of nothing that has to be stored together.
    if (chunk.mode === 'messages' && this.#held.length === 0) void this.#writer.append({ event, data }, writes)
    else this.#hold({ event: { event, data }, writes })
  }

  /**
   * Takes the checkpointer's rows: with durability `sync` until they are committed, with `exit` in one piece when the run
   * ends, since subgraphs store theirs before the root does. Never rejects: a run whose writes are refused is stopped by
   * its owner.
   */
  readonly write = (writes: Bulk[]): Promise<void> => {
    if (this.#closed || writes.length === 0) return Promise.resolve()
    const late = this.#durability === 'exit' ? writes.filter(isCheckpoint) : []
    this.#atExit.push(...late)
    const committed = this.#durability === 'sync' ? Promise.withResolvers<void>() : undefined
    this.#hold({ writes: writes.filter(bulk => !late.includes(bulk)), ...(committed && { committed }) })
    return committed?.promise ?? Promise.resolve()
  }

  /** Resolves when everything so far is committed; rejects when it never will be. */
  readonly flush = async (): Promise<void> => {
    this.#hold({ writes: this.#atExit.splice(0) })
    await this.#turn?.promise
    await this.#writer.append(undefined, [], { prompt: true })
  }

  /** Ends the recording. `drop` leaves out the unfinished turn, as if the process had died before it. */
  close({ drop }: { drop: boolean }) {
    if (this.#closed) return
    if (!drop) this.#hold({ writes: this.#atExit.splice(0) })
    else for (const { committed } of this.#held.splice(0)) committed?.resolve()
    this.#append()
    this.#closed = true
  }

  #hold(entry: Entry) {
    this.#held.push(entry)
    this.#turn ??= Object.assign(Promise.withResolvers<void>(), { timer: setImmediate(() => this.#append()) })
  }

  #append() {
    const turn = this.#turn
    this.#turn = undefined
    clearImmediate(turn?.timer)
    for (const { event, writes, committed } of this.#held.splice(0)) {
      const commit = this.#writer.append(event, writes, { prompt: committed !== undefined })
      if (committed) commit.then(committed.resolve, () => committed.resolve())
    }
    turn?.resolve()
  }

  #encode({ namespace, mode, payload }: Chunk): Encoded & { bytes?: number } {
    const ns = namespace.join('|')
    switch (mode) {
      case 'values':
        return isState(payload) && !interruptsOf(payload)
          ? this.#state.encodeState(payload, ns)
          : this.#state.encode(payload)
      case 'messages': {
        const [message, metadata] = payload as [unknown, unknown]
        return this.#state.encodeMessage(message, metadata)
      }
      case 'checkpoints':
        return this.#state.encode(wireCheckpoint(payload), ns)
      case 'debug':
        return this.#state.encode(wireDebug(payload))
      case 'tasks':
        // What a task begins with is the checkpoint's state; what it returned may be that state, changed in place.
        return this.#state.encode(payload, isState(payload) && 'input' in payload ? ns : undefined)
      default:
        return this.#state.encode(payload)
    }
  }
}

/**
 * The name a chunk is recorded under: `mode` or `mode|namespace`. The values chunk that only says `__interrupt__` is an
 * `interrupt`, so that the newest event named exactly `values` is always the whole state of the root.
 */
export function eventName({ namespace, mode, payload }: Chunk): string {
  return [mode === 'values' && interruptsOf(payload) ? 'interrupt' : mode, ...namespace].join('|')
}

/** The interrupts in a values or updates chunk that says nothing else; empty ones mean a breakpoint. */
export function interruptsOf(payload: unknown): unknown[] | undefined {
  if (!isState(payload) || Object.keys(payload).length !== 1) return undefined
  const { __interrupt__: interrupts } = payload
  return Array.isArray(interrupts) ? interrupts : undefined
}

/** A checkpoint and what is stored with it; not the values that events refer to as well, nor what was spent. */
function isCheckpoint({ each }: Bulk): boolean {
  return each.startsWith('insert into checkpoint') || each.startsWith('insert into messages')
}

function isState(payload: unknown): payload is Record<string, unknown> {
  return typeof payload === 'object' && payload !== null && !Array.isArray(payload)
}
