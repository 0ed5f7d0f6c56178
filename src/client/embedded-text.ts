// Messages as the embedded client shows them (contracts: gateway §3.5). Contents are what providers made them: a text, or
// blocks of which only texts are read.
import { type StateMessage, usage } from '../protocol/client-events.ts'

/** A message as the wire has it; whatever else it has is not looked at. */
export interface WireMessage {
  type?: string
  id?: string | null
  name?: string | null
  content?: unknown
  tool_calls?: { name: string; args: Record<string, unknown>; id?: string | null }[]
  /** Pieces of a message have these, whole messages do not. */
  tool_call_chunks?: { index?: number; id?: string | null; name?: string | null; args?: string | null }[]
  usage_metadata?: unknown
  additional_kwargs?: Record<string, unknown>
  response_metadata?: Record<string, unknown>
  tool_call_id?: string | null
  artifact?: unknown
}

/** The text in a content; "" where there is none. */
export function textOf(content: unknown): string {
  if (typeof content === 'string') return content
  if (content === null || content === undefined) return ''
  if (!Array.isArray(content)) return typeof content === 'object' ? JSON.stringify(content) : String(content)
  if (content.every(part => typeof part === 'string')) return content.join(isCutJson(content) ? '' : '\n')
  const texts: string[] = []
  let glued = ''
  for (const part of content) {
    if (typeof part === 'string') {
      glued += part
      continue
    }
    if (glued) texts.push(glued)
    glued = ''
    const { text } = (part ?? {}) as { text?: unknown }
    if (typeof text === 'string') texts.push(text)
  }
  return [...texts, ...(glued ? [glued] : [])].join('\n')
}

const PIECE = 20

/** Some providers give the arguments of a tool as a list of short pieces. */
function isCutJson(parts: string[]): boolean {
  return parts.length > 1 && parts.every(part => part.length <= PIECE && /[{}[\]":,]/.test(part))
}

/** A message of a state, `id` being what it is known by where it has none of its own. */
export function shownMessage(message: WireMessage, id: string | null): StateMessage {
  const { type, content, name, tool_call_id, tool_calls, usage_metadata, additional_kwargs } = message
  switch (type) {
    case 'ai':
    case 'AIMessageChunk': {
      const spent = usage.safeParse(usage_metadata).data
      return {
        type: 'ai',
        content,
        id,
        ...(tool_calls?.length && { tool_calls: tool_calls.map(shownCall) }),
        ...(spent && { usage_metadata: spent }),
        ...(additional_kwargs && Object.keys(additional_kwargs).length > 0 && { additional_kwargs }),
      }
    }
    case 'tool':
      return { type, content: textOf(content), name: name ?? null, tool_call_id: tool_call_id ?? null, id }
    case 'human':
    case 'system':
      return { type, content, id }
    default:
      return { type: 'unknown', content: textOf(content), id }
  }
}

export function shownCall({ name, args, id }: NonNullable<WireMessage['tool_calls']>[number]) {
  return { name, args, id: id ?? null }
}
