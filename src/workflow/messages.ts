// The messages of a model node as a request has them (contracts: workflows §3).
import type { LlmNode } from '../protocol/workflow-spec.ts'
import type { ContentPart, MessageItem, MessageToolCall } from './plan.ts'

type GivenItem = NonNullable<LlmNode['input']>[number]

/** `input` in one spelling, or a system and a user message. */
export function messageItems({ input, system, user }: Pick<LlmNode, 'input' | 'system' | 'user'>): MessageItem[] {
  if (input) return input.map(messageItem)
  const items: MessageItem[] = []
  if (system !== undefined) items.push(textItem('system', system))
  if (user !== undefined) items.push(textItem('user', user))
  return items
}

export function textItem(role: MessageItem['role'], text: string): MessageItem {
  return { type: 'message', role, content: [{ type: 'text', text }] }
}

export function messageItem({ role, content, ...rest }: GivenItem): MessageItem {
  const calls = rest.tool_calls ?? rest.toolCalls
  const call_id = rest.tool_call_id ?? rest.toolCallId
  return {
    type: 'message',
    role,
    content: content as ContentPart[],
    ...(calls && calls.length > 0 && { tool_calls: calls.map(toolCall) }),
    ...(call_id !== undefined && { tool_call_id: call_id }),
  }
}

function toolCall({ id, function: { name, arguments: given } }: NonNullable<GivenItem['tool_calls']>[number]) {
  return { id, type: 'function', function: { name, arguments: given } } satisfies MessageToolCall
}
