// The older `messages` mode: each message's metadata once, what was said of it so far at every token, and the whole message
// when it appears in the root's state (contracts: langgraph §5.2).
import { AIMessageChunk } from '@langchain/core/messages'
import type { Frame } from './projection.ts'
import { wireText } from './serde.ts'

interface FlatMessage {
  id?: string
  type: string
  /** Chunks have these, whole messages do not. */
  tool_call_chunks?: unknown[]
}

export class LegacyMessages {
  readonly #said = new Map<string, AIMessageChunk>()
  readonly #completed = new Set<string>()

  /** Whether this mode is made from such an event. */
  concerns(mode: string, namespace: string): boolean {
    return mode === 'messages' || (mode === 'values' && namespace === '')
  }

  /** `data` is the event's JSON text. Has to see the events in order, each once. */
  frames(mode: string, data: string): Frame[] {
    return mode === 'values' ? this.#complete(JSON.parse(data)) : this.#partial(JSON.parse(data))
  }

  #partial([message, metadata]: [FlatMessage, unknown]): Frame[] {
    if (message.id === undefined || !message.tool_call_chunks) return []
    const known = this.#said.get(message.id)
    const chunk = new AIMessageChunk(message as ConstructorParameters<typeof AIMessageChunk>[0])
    const said = known ? known.concat(chunk) : chunk
    this.#said.set(message.id, said)
    const partial = { event: 'messages/partial', data: wireText([said]) }
    if (known) return [partial]
    return [{ event: 'messages/metadata', data: JSON.stringify({ [message.id]: { metadata } }) }, partial]
  }

  #complete(values: unknown): Frame[] {
    const { messages } = (values ?? {}) as { messages?: FlatMessage | FlatMessage[] }
    const fresh = [messages ?? []].flat().filter(({ id }) => id !== undefined && !this.#completed.has(id))
    if (fresh.length === 0) return []
    for (const { id } of fresh) this.#completed.add(id as string)
    return [{ event: 'messages/complete', data: JSON.stringify(fresh) }]
  }
}
