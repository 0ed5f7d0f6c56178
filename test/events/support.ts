// Databases and buses that lose things, and readers that are watched.
import type { Database, Transition } from '../../src/db/database.ts'
import { insertMany, Outage } from '../../src/db/database.ts'
import { type Bus, LocalBus, type Topic } from '../../src/events/bus.ts'
import type { EventLog } from '../../src/events/event-log.ts'
import type { RunEvent } from '../../src/events/log.ts'

/** A database whose connection breaks when asked: before a transition, or after its commit. */
export class FlakyDatabase implements Database {
  readonly dialect: Database['dialect']
  /** What befalls the next transitions, in order. */
  readonly faults: ('before' | 'after commit')[] = []
  /** How many transitions of each name were tried. */
  readonly tried = new Map<string, number>()
  /** How many transitions are under way. */
  active = 0
  readonly #db: Database

  constructor(db: Database) {
    this.dialect = db.dialect
    this.#db = db
  }

  async run<A, T>(transition: Transition<A, T>, args: A): Promise<T> {
    this.tried.set(transition.name, (this.tried.get(transition.name) ?? 0) + 1)
    const fault = this.faults.shift()
    if (fault === 'before') throw lost()
    this.active++
    const result = await this.#db.run(transition, args).finally(() => this.active--)
    if (fault === 'after commit') throw lost()
    return result
  }

  async close() {}
}

function lost(): Error {
  return new Outage(Object.assign(new Error('Connection terminated unexpectedly'), { code: 'ECONNRESET' }))
}

/** A bus on which every hint is lost. */
export class DeafBus implements Bus {
  readonly poll_ms = 20
  publish() {}
  subscribe() {
    return () => {}
  }
  async close() {}
}

/** A bus that knows how many listen. */
export class CountedBus extends LocalBus {
  listeners = 0
  override subscribe(topic: Topic, listener: () => void) {
    this.listeners++
    const unsubscribe = super.subscribe(topic, listener)
    return () => {
      this.listeners--
      unsubscribe()
    }
  }
}

/** A row of checkpoint writes: a second one with the same key is refused. */
export function checkpointWrite(thread_id: string, task_id: string, run_id: string) {
  const columns = {
    thread_id: 'text',
    checkpoint_ns: 'text',
    checkpoint_id: 'text',
    task_id: 'text',
    idx: 'bigint',
    run_id: 'text',
    channel: 'text',
    exact: 'text',
  } as const
  const row = { thread_id, checkpoint_ns: '', checkpoint_id: '1', task_id, idx: 0, run_id, channel: 'c', exact: '1' }
  return insertMany('checkpoint_writes', columns)([row])
}

/** A reader whose events can be awaited one by one. */
export class Reader {
  readonly events: RunEvent[] = []
  readonly #stop = new AbortController()
  readonly done: Promise<void>
  #moved = Promise.withResolvers<void>()

  constructor(log: EventLog, run_id: string, after = 0) {
    this.done = this.#read(log, run_id, after).finally(() => this.#moved.resolve())
  }

  get signal(): AbortSignal {
    return this.#stop.signal
  }

  get seqs(): number[] {
    return this.events.map(event => event.seq)
  }

  /** Resolves when it has seen an event with this number. */
  async until(seq: number) {
    while (!this.events.some(event => event.seq >= seq)) await this.#moved.promise
  }

  async stop() {
    this.#stop.abort()
    await this.done
  }

  async #read(log: EventLog, run_id: string, after: number) {
    for await (const batch of log.read(run_id, after, this.#stop.signal)) {
      this.events.push(...batch)
      this.#moved.resolve()
      this.#moved = Promise.withResolvers<void>()
    }
  }
}

export function numbers(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index)
}
