// Following a thread across its runs (contracts: langgraph §5.7). The stream stays open between runs. An event's id is its
// number in the thread's log; what marks the end of a run has the number of its last event and `.done`.
import { type Context, Hono } from 'hono'
import { RunloomError } from '../core/errors.ts'
import type { Run } from '../core/runs.ts'
import type { ThreadCursor } from '../core/thread-log.ts'
import type { RunEvent } from '../events/log.ts'
import { type Frame, needsHistory, project } from '../graph/projection.ts'
import type { ThreadReader } from '../graph/state.ts'
import { queryList } from '../protocol/common.ts'
import * as protocol from '../protocol/threads.ts'
import { onThread } from './access.ts'
import { userOf } from './authentication.ts'
import { parse } from './errors.ts'
import type { Ports } from './ports.ts'
import { sse } from './sse.ts'
import { staying } from './staying.ts'

/** `run_modes`: what each run was asked to stream. `lifecycle`: its start and end. `state_update`: the state after it. */
type Modes = ReadonlySet<string>

export function threadStreamRoutes(ports: Ports) {
  return new Hono().get('/threads/:thread_id/stream', async c => {
    const key = { ...(await onThread(ports, c, 'threads:read')), user: userOf(c) }
    const { thread_id } = key
    const now = await ports.threads.end(key)
    if (!now) throw new RunloomError('not_found', `Thread ${thread_id} not found`)
    const modes = modesOf(c)
    const gone = new AbortController()
    const frames = follow(ports, key, cursorOf(c.req.header('last-event-id'), now), modes, gone.signal)
    const query = [...modes].map(mode => `stream_mode=${mode}`).join('&')
    const headers = { location: `/threads/${thread_id}/stream?${query}` }
    return sse(frames, { ...staying(ports, c, thread_id), headers, onGone: () => gone.abort() })
  })
}

function modesOf(c: Context): Modes {
  const names = ['stream_mode', 'stream_modes'].flatMap(name => [name, `${name}[]`])
  const asked = queryList(names.flatMap(name => c.req.queries(name) ?? []))
  return new Set(parse(protocol.threadStreamModes, asked.length > 0 ? asked : ['run_modes'], 'stream_mode'))
}

/** Without an id from now on; with one that is no place in the log ("-", foreign ids) from the beginning. */
function cursorOf(id: string | undefined, now: ThreadCursor): ThreadCursor {
  if (id === undefined) return now
  const [, seq, done] = /^(\d{1,15})(\.done)?$/.exec(id) ?? []
  return { seq: Number(seq ?? 0), done: done !== undefined }
}

async function* follow(
  ports: Ports,
  reader: ThreadReader,
  from: ThreadCursor,
  modes: Modes,
  signal: AbortSignal,
): AsyncGenerator<Frame[]> {
  for (let cursor = from; ; ) {
    const run = await ports.threads.next(reader, cursor, signal)
    if (!run) return
    const base = run.base_seq as number
    const seen = { seq: Math.max(0, cursor.seq - base) }
    for await (const frames of runFrames(ports, run, seen, modes, signal)) {
      if (frames.length > 0)
        yield frames.map(frame => (frame.id ? { ...frame, id: `${base + Number(frame.id)}` } : frame))
    }
    if (signal.aborted) return
    cursor = { seq: base + seen.seq, done: true }
    const marks = await marksOf(ports, reader, run, modes)
    const last = marks.at(-1)
    if (last) last.id = `${cursor.seq}.done`
    yield marks
  }
}

/** What one run shows from `seen` on, which moves along. */
async function* runFrames(
  ports: Ports,
  { run_id, thread_id, kwargs }: Run,
  seen: { seq: number },
  modes: Modes,
  signal: AbortSignal,
): AsyncGenerator<Frame[]> {
  const { stream_mode: asked, stream_subgraphs } = JSON.parse(kwargs) as {
    stream_mode?: string[]
    stream_subgraphs?: boolean
  }
  const stream_mode = modes.has('run_modes') ? (asked ?? ['values']) : []
  const after = seen.seq
  const events = noting(ports.log.read(run_id, needsHistory(stream_mode) ? 0 : after, signal), seen)
  const render = (data: string) => ports.texts.render(thread_id, data)
  const shown = project(events, { stream_mode, subgraphs: stream_subgraphs ?? false, after, render })
  for await (const frames of ports.texts.untilErased(run_id, shown)) {
    if (modes.has('run_modes')) yield frames
    else if (modes.has('lifecycle')) yield frames.filter(frame => frame.event === 'metadata')
  }
}

async function* noting(events: AsyncIterable<RunEvent[]>, seen: { seq: number }): AsyncGenerator<RunEvent[]> {
  for await (const batch of events) {
    seen.seq = Math.max(seen.seq, batch.at(-1)?.seq ?? 0)
    yield batch
  }
}

/** What follows a run that has ended, or is gone. */
async function marksOf(ports: Ports, reader: ThreadReader, { run_id }: Run, modes: Modes): Promise<Frame[]> {
  const marks: Frame[] = []
  if (modes.has('run_modes') || modes.has('lifecycle')) {
    marks.push({ event: 'metadata', data: JSON.stringify({ status: 'run_done', run_id }) })
  }
  if (modes.has('state_update')) {
    const state = await ports.states.get(reader).catch(unreadable)
    if (state !== undefined) marks.push({ event: 'state_update', data: state })
  }
  return marks
}

/** The thread is gone, or its graph cannot be loaded, as reading the state says to who asks for it. */
function unreadable(error: unknown): undefined {
  if (!(error instanceof RunloomError)) throw error
}
