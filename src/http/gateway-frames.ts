// The frames of the gateway dialect (contracts: gateway §1.4): `metadata` first, `end` last, whatever happened; before the
// end, `cancel` of a run that was cancelled. The ids are those of the log; what is not in the log has none.
import { isEnded, type Run, runOutcome } from '../core/runs.ts'
import { readHeads } from '../events/log.ts'
import type { Frame } from '../graph/projection.ts'
import type { Followed } from './face.ts'
import type { Ports } from './ports.ts'

export async function* gatewayFrames(
  ports: Ports,
  frames: AsyncGenerator<Frame[]>,
  { run, after, signal }: Followed,
): AsyncGenerator<Frame[]> {
  const { run_id } = run
  let opened = after > 0
  for await (const batch of frames) {
    if (!opened && batch[0]?.event !== 'metadata') yield [metadata(run)]
    opened = true
    const gap = batch.find(frame => frame.event === 'gap')
    if (!gap) {
      yield batch.map(frame => shown(run, frame))
      continue
    }
    const { frame, goesOn } = await gapFrame(ports, run_id, gap, after)
    yield [frame]
    if (goesOn) return // an end would say that it does not
    break
  }
  if (signal.aborted) return
  const outcome = await ports.db.run(runOutcome, run_id)
  const cancelled = !outcome || outcome.run.status === 'interrupted'
  const links = outcome && feedbackLinks(run)
  yield [
    ...(opened ? [] : [metadata(run)]),
    ...(links ? [{ event: 'feedback', data: JSON.stringify(links) }] : []),
    ...(cancelled ? [{ event: 'cancel', data: 'null' }] : []),
    { event: 'end', data: 'null' },
  ]
}

/** What is missing, and what is kept of the run's events. Retention removes all of them at once. */
async function gapFrame({ db }: Ports, run_id: string, gap: Frame, after: number) {
  const outcome = await db.run(runOutcome, run_id)
  const [head] = await db.run(readHeads, [run_id])
  const goesOn = outcome !== undefined && !isEnded(outcome.run)
  const kept = goesOn || outcome?.run.retained_from != null
  const { to = 0 } = JSON.parse(gap.data) as { to?: number }
  const data = {
    code: 'stream_replay_gap',
    run_id,
    requested_event_id: after > 0 ? String(after) : null,
    earliest_available_event_id: kept ? String(to + 1) : null,
    latest_available_event_id: kept && head ? String(head.last_seq) : null,
    recovery: 'reload_durable_state',
  }
  return { goesOn, frame: { event: 'gap', data: JSON.stringify(data) } }
}

/** Where to rate a run that asked for it, by feedback key. */
export function feedbackLinks({ thread_id, run_id, kwargs }: Run): Record<string, string> | undefined {
  const { feedback_keys } = JSON.parse(kwargs) as { feedback_keys?: string[] }
  if (!feedback_keys?.length) return undefined
  return Object.fromEntries(feedback_keys.map(key => [key, `/api/threads/${thread_id}/runs/${run_id}/feedback`]))
}

function metadata({ run_id, thread_id }: Run): Frame {
  return { event: 'metadata', data: JSON.stringify({ run_id, thread_id }) }
}

function shown(run: Run, frame: Frame): Frame {
  if (frame.event === 'metadata') {
    const { attempt } = JSON.parse(frame.data) as { attempt: number }
    if (attempt === 1) return { ...frame, ...metadata(run) }
    return { ...frame, data: JSON.stringify({ run_id: run.run_id, thread_id: run.thread_id, attempt }) }
  }
  if (frame.event === 'error') {
    const { error, message } = JSON.parse(frame.data) as { error: string; message: string }
    return { ...frame, data: JSON.stringify({ message, name: error }) }
  }
  return /^messages(\||$)/.test(frame.event) ? { ...frame, data: named(frame.data) } : frame
}

/** Pieces of a message have a type of their own, as LangChain for Python names it. */
function named(data: string): string {
  const [message, ...meta] = JSON.parse(data) as [{ type: string; tool_call_chunks?: unknown[] }, ...unknown[]]
  if (message.type !== 'ai' || !message.tool_call_chunks) return data
  return JSON.stringify([{ ...message, type: 'AIMessageChunk' }, ...meta])
}
