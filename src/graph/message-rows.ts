// What a checkpoint's `messages` are on the thread's list of messages (core/messages.ts). They are taken from checkpoints
// and not from the stream, so what a client saw of an answer that was never stored is not among them.
import { createHash } from 'node:crypto'
import type { Json } from '../core/json.ts'
import { eventTypeOf, messageRows, type NewMessage } from '../core/messages.ts'
import type { Bulk } from '../db/database.ts'
import { encode } from './serde.ts'
import { isMessage } from './state-messages.ts'

interface Writer {
  thread_id: string
  run_id: string
  /** Undefined where no model is called: in a state update. */
  callerOf: ((message_id: string) => string | undefined) | undefined
  /** The run that this one makes anew, as its metadata says. */
  replaced: unknown
}

/** The rows of messages from index `known` on: those before have rows. Others that have one are sorted out by the insert. */
export function messageBulks(writer: Writer, values: readonly unknown[], known: number): Bulk[] {
  const rows: NewMessage[] = []
  for (let index = known; index < values.length; index++) {
    const row = messageRow(writer, values[index], index)
    if (row) rows.push(row)
  }
  return rows.length > 0 ? [messageRows(rows)] : []
}

function messageRow(
  { thread_id, run_id, callerOf, replaced }: Writer,
  value: unknown,
  index: number,
): NewMessage | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { id, type } = value as { id?: unknown; type?: unknown }
  const kind = isMessage(value) ? value._getType() : type
  const event_type = eventTypeOf(kind)
  if (!event_type) return undefined
  const content = JSON.stringify(ordered(JSON.parse(encode(value).data)))
  const message_id = typeof id === 'string' && id !== '' ? id : nameless(index, content)
  const caller = kind === 'ai' && callerOf ? (callerOf(message_id) ?? 'lead_agent') : null
  const replaced_run_id = typeof replaced === 'string' ? replaced : null
  return { thread_id, run_id, message_id, event_type, content, caller, replaced_run_id }
}

/** With the fields of objects in one order, so that equal messages are equal texts. */
function ordered(json: Json): Json {
  if (typeof json !== 'object' || json === null) return json
  if (Array.isArray(json)) return json.map(ordered)
  const fields = Object.keys(json).sort()
  return Object.fromEntries(fields.map(field => [field, ordered(json[field])]))
}

/** A message without an id is the one with this content at this place. */
function nameless(index: number, content: string): string {
  return `${index}:${createHash('sha256').update(content).digest('base64url')}`
}
