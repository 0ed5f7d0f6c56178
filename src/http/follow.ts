// Following a run: as a stream of frames, or until its result. Both read the log, so any number may follow at any time.
import type { Context } from 'hono'
import { RunloomError } from '../core/errors.ts'
import { errorFields } from '../core/logger.ts'
import type { RunKey } from '../core/run-keys.ts'
import { type CancelAction, cancelRun, type Run, runOutcome } from '../core/runs.ts'
import { needsHistory, project, waitResult } from '../graph/projection.ts'
import { runPath } from './accept.ts'
import type { Ports } from './ports.ts'
import { requestFields } from './request-log.ts'
import { eventualJson, sse } from './sse.ts'

interface Following {
  /** Cancel the run when this client goes before the end. */
  cancelOnDisconnect: boolean
  /** Whether the client speaks of the run as one of a thread. */
  onThread: boolean
}

interface Streaming extends Following {
  stream_mode: string[]
  subgraphs: boolean
  /** The last event the client has; 0 for all. */
  after: number
}

/** The run's events as server-sent events, from a cursor to its end. */
export function streamRun(
  ports: Ports,
  c: Context,
  run: Run,
  { stream_mode, subgraphs, after, ...how }: Streaming,
): Response {
  const { signal, onGone } = leaving(ports, c, run, how)
  const render = (data: string) => ports.texts.render(run.thread_id, data)
  const events = ports.log.read(run.run_id, needsHistory(stream_mode) ? 0 : after, signal)
  const frames = project(events, { stream_mode, subgraphs, after, render })
  // Relative to the client's base; the SDK reconnects there with its Last-Event-ID.
  c.header('location', `${runPath(run, how.onThread)}/stream`)
  return sse(frames, { heartbeat_ms: ports.heartbeat_ms, headers: headersOf(c), onGone })
}

/** The run's result as JSON once it has ended: last values, `__interrupt__`, or `__error__` (contracts: langgraph §4.10). */
export function waitForRun(ports: Ports, c: Context, run: Run, how: Following): Response {
  const { signal, onGone } = leaving(ports, c, run, how)
  const result = ports.log.ended(run.run_id, signal).then(() => resultOf(ports, run))
  return eventualJson(result, { heartbeat_ms: ports.heartbeat_ms, headers: headersOf(c), onGone })
}

/** Requests a cancel; resolves when the run has stopped if `wait`. */
export async function requestCancel(
  ports: Ports,
  key: RunKey,
  { action, by, wait }: { action: CancelAction; by: string; wait: boolean },
): Promise<void> {
  await ports.db.run(cancelRun, { ...key, action, by })
  announceStop(ports, key.run_id)
  if (wait) await ports.log.ended(key.run_id, AbortSignal.timeout(CANCEL_WAIT_MS))
}

/** Hints to a run's owner and readers that its row says to stop. */
export function announceStop(ports: Ports, run_id: string) {
  ports.bus.publish(`cancel:${run_id}`)
  ports.bus.publish(`run:${run_id}`)
  ports.bus.publish('work')
}

const CANCEL_WAIT_MS = 60_000

async function resultOf({ db, texts }: Ports, { run_id, thread_id }: Run): Promise<string> {
  const outcome = await db.run(runOutcome, run_id)
  if (!outcome) return 'null'
  const { run, values } = outcome
  const { interrupts = [], error } = JSON.parse(run.ending ?? '{}') as { interrupts?: unknown[]; error?: object }
  if (error) return JSON.stringify({ __error__: error })
  const text = values && (await texts.render(thread_id, values.data))
  return waitResult(text ?? null, interrupts)
}

function leaving(ports: Ports, c: Context, run: Run, { cancelOnDisconnect }: Following) {
  const gone = new AbortController()
  const onGone = () => {
    gone.abort()
    if (!cancelOnDisconnect) return
    requestCancel(ports, run, { action: 'interrupt', by: 'disconnect', wait: false }).catch(error => {
      if (error instanceof RunloomError) return
      const fields = { ...requestFields(c), run_id: run.run_id, ...errorFields(error) }
      ports.logger('error', 'cancelling on disconnect failed', fields)
    })
  }
  return { signal: gone.signal, onGone }
}

/** The headers set on the context so far, for a response that is made without it. */
function headersOf(c: Context): Record<string, string> {
  return Object.fromEntries(
    ['location', 'content-location'].flatMap(name => {
      const value = c.res.headers.get(name)
      return value === null ? [] : [[name, value]]
    }),
  )
}
