// A run's events as clients read them (contracts: workflows §10): whole lines of ASCII JSON, numbered without gaps.
import type { Database } from '../db/database.ts'
import type { RunEvent } from '../events/log.ts'
import { type RunOfOwner, readSnapshot } from './runs.ts'
import { terminalEvent } from './snapshot.ts'

/** One event: its number, its type, and its JSON. */
export interface Line {
  seq: number
  type: string
  json: string
}

/**
 * The events after a cursor, in batches, from the run's log; `log` may begin at the same number, because the log has at
 * least as many events. After the log's end comes the event that ends the run, if it has ended.
 */
export async function* lines(
  db: Database,
  key: RunOfOwner,
  log: AsyncIterable<RunEvent[]>,
  { after_seq, limit = Number.POSITIVE_INFINITY }: { after_seq: number; limit?: number | undefined },
): AsyncGenerator<Line[]> {
  let left = limit
  let last = after_seq
  for await (const batch of log) {
    const found = batch
      .flatMap(event => line(key.run_id, event) ?? [])
      .filter(one => one.seq > last)
      .slice(0, left)
    left -= found.length
    last = found.at(-1)?.seq ?? last
    if (found.length > 0) yield found
    if (left <= 0) return
  }
  const snapshot = await db.run(readSnapshot, key)
  const terminal = terminalEvent(snapshot)
  const seq = snapshot.last_seq + 1
  if (!terminal || seq <= last) return
  const data = JSON.stringify({ seq, ...terminal.payload })
  yield [wireLine(key.run_id, seq, terminal.type, data, terminal.at_ms)]
}

/** An event of the log; undefined for those that are no event of a workflow. */
function line(run_id: string, { event, data, at_ms }: RunEvent): Line | undefined {
  const [, seq] = /^\{"seq":(\d+),/.exec(data) ?? []
  return seq === undefined ? undefined : wireLine(run_id, Number(seq), event, data, at_ms)
}

/** `data` is the JSON of the payload, its first field the number. */
function wireLine(run_id: string, seq: number, type: string, data: string, at_ms: number): Line {
  const ts = new Date(at_ms).toISOString()
  const envelope = `{"envelope_version":"v2","run_id":"${run_id}","type":"${type}","ts":"${ts}",`
  return { seq, type, json: ascii(envelope + data.slice(1)) }
}

/** One client decodes chunk by chunk and breaks where a character is cut in two. */
function ascii(text: string): string {
  return text.replace(/[\u0080-\uffff]/g, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
