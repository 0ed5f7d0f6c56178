// The tool calls in messages, and answers in the place of a tool or of a model.
import { AIMessage, type BaseMessage, type ToolCall, ToolMessage } from '@langchain/core/messages'

/** The calls that a message asks for. */
export function callsOf(message: BaseMessage | undefined): ToolCall[] {
  return AIMessage.isInstance(message) ? (message.tool_calls ?? []) : []
}

/** Those of the model's last message that call one tool, in their order. */
export function latestCallsOf(name: string, messages: readonly BaseMessage[]): ToolCall[] {
  return callsOf(messages.findLast(message => AIMessage.isInstance(message))).filter(call => call.name === name)
}

/** The result of a call that is not made. */
export function refusedCall({ id = '', name }: { id?: string; name: string }, content: string): ToolMessage {
  return new ToolMessage({ tool_call_id: id, name, status: 'error', content })
}

/** A model's answer with other words. Under the same id, so that it takes the place of what was streamed. */
export function reworded(answer: AIMessage, content: string, tool_calls: ToolCall[]): AIMessage {
  const { id, usage_metadata, response_metadata, additional_kwargs } = answer
  const { tool_calls: _, ...kept } = additional_kwargs
  return new AIMessage({
    content,
    tool_calls,
    response_metadata,
    additional_kwargs: kept,
    ...(id !== undefined && { id }),
    ...(usage_metadata !== undefined && { usage_metadata }),
  })
}
