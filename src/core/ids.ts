// Identifiers. New ids are UUIDs whose order is their age (version 7); ids derived from a name are version 5.
import { createHash, randomUUID } from 'node:crypto'

/** Ids of one millisecond are counted (RFC 9562, section 6.2, method 1), so that those of a process are in order, too. */
const COUNTS = 4096
let newest_ms = 0
let count = 0

/** A UUIDv7: 48 bits of milliseconds, 12 that count, 62 random ones. Greater than all before it in this thread. */
export function newId(): string {
  const now = Date.now()
  if (now > newest_ms) [newest_ms, count] = [now, 0]
  else if (++count === COUNTS) [newest_ms, count] = [newest_ms + 1, 0]
  const time = newest_ms.toString(16).padStart(12, '0')
  const counted = count.toString(16).padStart(3, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${counted}${randomUUID().slice(18)}`
}

/** The namespace of the Agent Server's assistant ids (contracts: langgraph §1). It is not one of RFC 4122's. */
const ASSISTANT_NAMESPACE = '6ba7b821-9dad-11d1-80b4-00c04fd430c8'

/** The stable id of a graph's system assistant: UUIDv5 of the graph id. */
export function assistantId(graph_id: string): string {
  const namespace = Buffer.from(ASSISTANT_NAMESPACE.replaceAll('-', ''), 'hex')
  const bytes = createHash('sha1').update(namespace).update(graph_id).digest().subarray(0, 16)
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x50
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

export function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(text)
}
