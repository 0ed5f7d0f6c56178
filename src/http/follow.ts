// Following a run: as a stream of frames, or until its result. Both read the log, so any number may follow at any time.
import type { Context } from 'hono'
import { RunloomError } from '../core/errors.ts'
import { errorFields } from '../core/logger.ts'
import { requestCancel } from '../core/run-requests.ts'
import { type Outcome, type Run, type RunStatus, runOutcome } from '../core/runs.ts'
import { needsHistory, project } from '../graph/projection.ts'
import type { Face } from './face.ts'
import type { Ports } from './ports.ts'
import { requestFields } from './request-log.ts'
import { eventualJson, sse } from './sse.ts'
import { staying } from './staying.ts'

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
  /** What the client needs to ask for again when it reconnects: `?stream_mode=…`. */
  query?: string
}

/** The run's events as server-sent events, from a cursor to its end. */
export function streamRun(
  ports: Ports,
  c: Context,
  run: Run,
  { face, stream_mode, subgraphs, after, query = '', ...how }: Streaming,
): Response {
  const { signal, onGone } = leaving(ports, c, run, how)
  const render = (data: string) => ports.texts.render(run.thread_id, data)
  const events = ports.log.read(run.run_id, needsHistory(stream_mode) ? 0 : after, signal)
  const shown = ports.texts.untilErased(run.run_id, project(events, { stream_mode, subgraphs, after, render }))
  const frames = face.frames(ports, shown, { run, after, signal })
  // Relative to the client's base; the SDK reconnects there with its Last-Event-ID.
  c.header('location', `${face.runPath(run, how.onThread)}/stream${query}`)
  return sse(frames, { ...staying(ports, c, run.thread_id), headers: headersOf(c), onGone })
}

/** The run's result as JSON once it has ended. */
export function waitForRun(ports: Ports, c: Context, run: Run, { face, ...how }: Following): Response {
  const { signal, onGone } = leaving(ports, c, run, how)
  const result = async () => face.result(ports, run, await outcomeOf(ports, run, signal))
  return eventualJson(result(), { ...staying(ports, c, run.thread_id), headers: headersOf(c), onGone })
}

/** What a run came to, when it has ended: from memory where it was executed in this process. */
async function outcomeOf({ db, log }: Ports, run: Run, signal: AbortSignal): Promise<Outcome | undefined> {
  const end = await log.ended(run.run_id, signal)
  if (!end) return db.run(runOutcome, run.run_id)
  const { status, ending, values: data } = end
  return { run: { ...run, status: status as RunStatus, ending }, values: data === undefined ? undefined : { data } }
}

/** A cursor is the `seq` of the last event seen; what is not one ("-1", foreign ids) means from the start. */
export function cursorOf(c: Context): number {
  const id = c.req.header('last-event-id')
  return id !== undefined && /^\d{1,15}$/.test(id) ? Number(id) : 0
}

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
