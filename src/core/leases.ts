// The leases of this process: renewed by a thread, watched here. A run whose lease was not confirmed in time is let go
// before anyone else may take it.
import { extname } from 'node:path'
import { type MessagePort, Worker as Thread } from 'node:worker_threads'
import type { Renewal, Renewed } from './claims.ts'
import { LeaseBoard } from './lease-board.ts'

/** What the renewing thread tells: of the runs it asked for, those that are still ours. */
export interface LeaseReport {
  asked_at: number
  asked: Renewal[]
  renewed: Renewed[]
}

export interface LeaseListener {
  lost(run_id: string): void
  cancelled(run_id: string): void
  /** Renewing broke down; it is started again. */
  failed(error: unknown): void
}

/** What the renewing thread is given. */
export interface LeaseThread {
  url: string
  door: MessagePort | undefined
  lease_ms: number
  /** The memory of the board with what is to be renewed. */
  board: SharedArrayBuffer
  /** Counts the turns of the main loop. */
  ticks: Int32Array
  /** Without a turn for so long the main loop hangs, and nothing is renewed any more. */
  hung_ms: number
}

/** Milliseconds on the clock that all threads of a process share and nobody can set. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000
}

/** How often, at least, the deadlines are checked and the main loop shows that it lives. */
const TICK_MS = 100
const HUNG_MS = 60_000
/** The part of a lease that is kept in reserve for noticing and stopping. */
const RESERVE = 0.1

export class Leases {
  readonly #lease_ms: number
  readonly #tick_ms: number
  readonly #listener: LeaseListener
  readonly #url: string
  readonly #door: () => MessagePort | undefined
  #thread: Thread
  #closed = false
  readonly #ticks = new Int32Array(new SharedArrayBuffer(4))
  readonly #timer: NodeJS.Timeout
  readonly #held = new Map<string, { attempt: number; deadline: number }>()
  readonly #board = new LeaseBoard()
  #ticked = monotonicMs()
  #lag_ms = 0

  /** The thread connects to `url`, or takes a `door` where the database has one. */
  constructor(url: string, door: () => MessagePort | undefined, lease_ms: number, listener: LeaseListener) {
    this.#lease_ms = lease_ms
    this.#tick_ms = Math.min(TICK_MS, (lease_ms * RESERVE) / 2)
    this.#listener = listener
    this.#url = url
    this.#door = door
    this.#thread = this.#start()
    this.#timer = setInterval(() => this.#tick(), this.#tick_ms)
  }

  /** How late the main loop last was, or is. */
  get lag_ms(): number {
    return Math.max(this.#lag_ms, this.#lateness(monotonicMs()))
  }

  /** Holds a lease that was asked for at `asked_at` (monotonicMs). */
  add(run_id: string, attempt: number, asked_at: number) {
    this.#held.set(run_id, { attempt, deadline: this.#deadline(asked_at) })
    this.#board.add({ run_id, attempt })
  }

  remove(run_id: string) {
    this.#held.delete(run_id)
    this.#board.remove(run_id)
  }

  async close() {
    this.#closed = true
    clearInterval(this.#timer)
    const exited = new Promise(resolve => this.#thread.once('exit', resolve))
    this.#thread.postMessage('close')
    if (this.#thread.threadId !== -1) await exited
  }

  /** The thread, and another in its place should it die: what it held is held on, as far as the deadlines allow. */
  #start(): Thread {
    const here = import.meta.url
    const door = this.#door()
    const workerData: LeaseThread = {
      url: this.#url,
      door,
      lease_ms: this.#lease_ms,
      board: this.#board.memory,
      ticks: this.#ticks,
      hung_ms: HUNG_MS,
    }
    const transferList = door ? [door] : []
    const thread = new Thread(new URL(`./lease-thread${extname(here)}`, here), { workerData, transferList })
    thread.on('message', (report: LeaseReport) => this.#hear(report))
    thread.on('error', error => this.#listener.failed(error))
    thread.on('exit', () => {
      if (!this.#closed) setTimeout(() => this.#restart(), this.#lease_ms / 10).unref()
    })
    return thread
  }

  #restart() {
    if (!this.#closed) this.#thread = this.#start()
  }

  #deadline(asked_at: number): number {
    return asked_at + this.#lease_ms * (1 - RESERVE)
  }

  #hear({ asked_at, asked, renewed }: LeaseReport) {
    const kept = new Map(renewed.map(run => [run.run_id, run]))
    for (const { run_id, attempt } of asked) {
      const lease = this.#held.get(run_id)
      if (!lease || lease.attempt !== attempt) continue
      const run = kept.get(run_id)
      if (!run) this.#lose(run_id)
      if (run?.renewed) lease.deadline = this.#deadline(asked_at)
      if (run?.cancelled) this.#listener.cancelled(run_id)
    }
  }

  #tick() {
    const now = monotonicMs()
    this.#lag_ms = this.#lateness(now)
    this.#ticked = now
    Atomics.add(this.#ticks, 0, 1)
    // After a pause of this loop the thread's reports come first: they may have kept what looks overdue.
    setImmediate(() => {
      for (const [run_id, { deadline }] of this.#held) if (monotonicMs() > deadline) this.#lose(run_id)
    })
  }

  #lateness(now: number): number {
    return Math.max(0, now - this.#ticked - this.#tick_ms)
  }

  #lose(run_id: string) {
    this.remove(run_id)
    this.#listener.lost(run_id)
  }
}
