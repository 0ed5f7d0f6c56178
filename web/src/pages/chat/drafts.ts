// What is written and not sent yet, by thread, as long as the page is open; and what is being sent, as long as the tab is, so
// that a reload at the wrong moment neither loses a message nor sends it twice.
import type { HumanMessage } from '@langchain/langgraph-sdk'

const drafts = new Map<string, string>()

export function draftOf(thread_id: string): string {
  return drafts.get(thread_id) ?? ''
}

export function keepDraft(thread_id: string, text: string): void {
  if (text) drafts.set(thread_id, text)
  else drafts.delete(thread_id)
}

/** A message on its way: its id is in the metadata of the run that it starts. */
export interface Sending {
  message: HumanMessage & { id: string }
  assistant_id: string
  context: Record<string, unknown> | undefined
  /** Where it starts from, if not from the newest state. */
  checkpoint_id?: string
}

const keyOf = (thread_id: string) => `runloom:sending:${thread_id}`

export function keepSending(thread_id: string, sending: Sending): void {
  sessionStorage.setItem(keyOf(thread_id), JSON.stringify(sending))
}

export function sendingOf(thread_id: string): Sending | undefined {
  const text = sessionStorage.getItem(keyOf(thread_id))
  return text === null ? undefined : (JSON.parse(text) as Sending)
}

export function sent(thread_id: string): void {
  sessionStorage.removeItem(keyOf(thread_id))
}

/** An id like the server's; `crypto.randomUUID` is there on encrypted pages alone. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const hex = Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
