// Following a run: as a stream of frames, or until its result. Both read the log, so any number may follow at any time.
import type { Context } from 'hono'
import { RunloomError } from '../core/errors.ts'
import { errorFields } from '../core/logger.ts'
import type { RunKey } from '../core/run-keys.ts'
import { type CancelRun, cancelRun, deleteRun, type Run } from '../core/runs.ts'
import { needsHistory, project } from '../graph/projection.ts'
import type { Face } from './face.ts'
import type { Ports } from './ports.ts'
import { requestFields } from './request-log.ts'
import { eventualJson, sse } from './sse.ts'

interface Following {
  face: Face
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
  { face, stream_mode, subgraphs, after, ...how }: Streaming,
): Response {
  const { signal, onGone } = leaving(ports, c, run, how)
  const render = (data: string) => ports.texts.render(run.thread_id, data)
  const events = ports.log.read(run.run_id, needsHistory(stream_mode) ? 0 : after, signal)
  const frames = face.frames(ports, project(events, { stream_mode, subgraphs, after, render }), { run, after, signal })
  // Relative to the client's base; the SDK reconnects there with its Last-Event-ID.
  c.header('location', `${face.runPath(run, how.onThread)}/stream`)
  return sse(frames, { heartbeat_ms: ports.heartbeat_ms, headers: headersOf(c), onGone })
}

/** The run's result as JSON once it has ended. */
export function waitForRun(ports: Ports, c: Context, run: Run, { face, ...how }: Following): Response {
  const { signal, onGone } = leaving(ports, c, run, how)
  const result = ports.log.ended(run.run_id, signal).then(() => face.result(ports, run))
  return eventualJson(result, { heartbeat_ms: ports.heartbeat_ms, headers: headersOf(c), onGone })
}

/** Requests a cancel; resolves when the run has stopped if `wait`. */
export async function requestCancel(
  ports: Ports,
  key: RunKey,
  { wait, ...request }: Omit<CancelRun, keyof RunKey> & { wait: boolean },
): Promise<void> {
  await ports.db.run(cancelRun, { ...key, ...request })
  announceStop(ports, key.run_id)
  if (wait) await ports.log.ended(key.run_id, AbortSignal.timeout(CANCEL_WAIT_MS))
}

/** Deletes a run; resolves when it is gone, also where its owner has to stop it first. */
export async function removeRun(ports: Ports, key: RunKey & { by?: string }, signal: AbortSignal): Promise<void> {
  const { pending } = await ports.db.run(deleteRun, key)
  announceStop(ports, key.run_id)
  if (pending) await ports.log.ended(key.run_id, signal)
}

/** A cursor is the `seq` of the last event seen; what is not one ("-1", foreign ids) means from the start. */
export function cursorOf(c: Context): number {
  const id = c.req.header('last-event-id')
  return id !== undefined && /^\d{1,15}$/.test(id) ? Number(id) : 0
}

/** Hints to a run's owner and readers that its row says to stop. */
export function announceStop(ports: Ports, run_id: string) {
  ports.bus.publish(`cancel:${run_id}`)
  ports.bus.publish(`run:${run_id}`)
  ports.bus.publish('work')
}

const CANCEL_WAIT_MS = 60_000

function leaving(ports: Ports, c: Context, run: Run, { cancelOnDisconnect }: Pick<Following, 'cancelOnDisconnect'>) {
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
