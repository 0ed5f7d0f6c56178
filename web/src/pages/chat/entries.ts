// Messages as the page shows them: questions, answers with the results of their tools, and the end of each turn.
import type { AIMessage, HumanMessage, Message, ToolMessage } from '@langchain/langgraph-sdk'

export type Entry =
  | { kind: 'question'; key: string; message: HumanMessage }
  | { kind: 'answer'; key: string; message: AIMessage; results: (ToolMessage | undefined)[] }
  | { kind: 'note'; key: string; message: Message }
  | { kind: 'end'; key: string; turn: Turn }

/** A question and what was answered. */
export interface Turn {
  question: HumanMessage | undefined
  answers: AIMessage[]
}

export interface Call {
  id?: string | undefined
  name: string
  args: Record<string, unknown>
}

export function entriesOf(messages: readonly Message[]): Entry[] {
  const results = new Map<string, ToolMessage>()
  for (const message of messages) if (message.type === 'tool') results.set(message.tool_call_id, message)
  const entries: Entry[] = []
  let turn: Turn = { question: undefined, answers: [] }
  const end = () => {
    if (turn.answers.length > 0) entries.push({ kind: 'end', key: `end-${turn.answers.at(-1)?.id}`, turn })
  }
  for (const [index, message] of messages.entries()) {
    const key = message.id ?? String(index)
    if (message.type === 'human') {
      end()
      turn = { question: message, answers: [] }
      entries.push({ kind: 'question', key, message })
    } else if (message.type === 'ai') {
      turn.answers.push(message)
      entries.push({ kind: 'answer', key, message, results: callsOf(message).map(({ id }) => results.get(id ?? '')) })
    } else if (message.type !== 'tool') entries.push({ kind: 'note', key, message })
  }
  end()
  return entries
}

export function callsOf(message: AIMessage): Call[] {
  return (message.tool_calls ?? []) as Call[]
}

/** The text of a message; what is not text is left out. */
export function textOf({ content }: Pick<Message, 'content'>): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  return content.map(part => (part.type === 'text' ? part.text : '')).join('')
}

/** What a model thought before it spoke, in the spellings of the providers. */
export function reasoningOf(message: AIMessage): string {
  const parts = Array.isArray(message.content) ? (message.content as unknown as Record<string, unknown>[]) : []
  const inContent = parts.map(part =>
    part.type === 'thinking' ? part.thinking : part.type === 'reasoning' ? (part.reasoning ?? part.text) : undefined,
  )
  const { reasoning_content, reasoning } = (message.additional_kwargs ?? {}) as Record<string, unknown>
  const found = [...inContent, reasoning_content, reasoning].filter(text => typeof text === 'string')
  return found.join('\n')
}
