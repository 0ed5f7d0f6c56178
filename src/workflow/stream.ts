// A run's events as clients read them (contracts: workflows §10): whole lines of ASCII JSON, numbered without gaps.
import { RunloomError } from '../core/errors.ts'
import type { Json } from '../core/json.ts'
import type { Database } from '../db/database.ts'
import type { RunEvent } from '../events/log.ts'
import { nodeOutput } from './records.ts'
import { type RunOfOwner, readSnapshot } from './runs.ts'
import { snapshotOutputs, terminalEvent } from './snapshot.ts'

/** One event: its number, its type, and its JSON. */
export interface Line {
  seq: number
  type: string
  json: string
}

export interface Reading {
  after_seq: number
  /** Events at most. */
  limit?: number | undefined
  /** Put payloads up to a megabyte into the events that only name them. */
  include_output?: boolean
}

/**
 * The events after a cursor, in batches, from the run's log; `log` may begin at the same number, because the log has at
 * least as many events. After the log's end comes the event that ends the run, if it has ended.
 */
export async function* lines(
  db: Database,
  key: RunOfOwner,
  log: AsyncIterable<RunEvent[]>,
  { after_seq, limit = Number.POSITIVE_INFINITY, include_output = false }: Reading,
): AsyncGenerator<Line[]> {
  let left = limit
  let last = after_seq
  for await (const batch of log) {
    const all = batch.flatMap(event => line(key.run_id, event) ?? [])
    const found = all.filter(one => one.seq > last).slice(0, left)
    left -= found.length
    last = found.at(-1)?.seq ?? last
    if (found.length > 0) yield include_output ? await Promise.all(found.map(one => withOutput(db, key, one))) : found
    if (left <= 0) return
  }
  const snapshot = await db.run(readSnapshot, key).catch(error => {
    if (error instanceof RunloomError && error.code === 'not_found') return undefined // it was deleted meanwhile
    throw error
  })
  const terminal = snapshot && terminalEvent(snapshot)
  if (!terminal || snapshot.last_seq < last) return
  const seq = snapshot.last_seq + 1
  const data = JSON.stringify({ seq, ...terminal.payload })
  const end = wireLine(key.run_id, seq, terminal.type, data, terminal.at_ms)
  yield [include_output ? withContent(end, 'outputs', snapshotOutputs(snapshot)) : end]
}

/** Payloads that are larger stay out of events. */
const MAX_INCLUDED_BYTES = 1024 * 1024

async function withOutput(db: Database, { run_id }: RunOfOwner, one: Line): Promise<Line> {
  if (one.type !== 'node_output') return one
  const { node_id } = JSON.parse(one.json) as { node_id: string }
  return withContent(one, 'output', await db.run(nodeOutput, { run_id, node_id }))
}

function withContent(one: Line, field: 'output' | 'outputs', content: Json): Line {
  const event = JSON.parse(one.json) as Record<string, { info: { bytes: number; included: boolean }; content: Json }>
  const payload = event[field]
  if (!payload || payload.info.bytes > MAX_INCLUDED_BYTES) return one
  payload.info.included = true
  payload.content = content
  return { ...one, json: ascii(JSON.stringify(event)) }
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
