// LangChain messages as flat JSON objects `{type, content, id, tool_calls, …}`, the form clients see, and back. Messages
// are recognised by shape, not class: a graph may bring its own copy of @langchain/core.
import {
  AIMessage,
  AIMessageChunk,
  type BaseMessage,
  ChatMessage,
  ChatMessageChunk,
  FunctionMessage,
  FunctionMessageChunk,
  HumanMessage,
  HumanMessageChunk,
  RemoveMessage,
  SystemMessage,
  SystemMessageChunk,
  ToolMessage,
  ToolMessageChunk,
} from '@langchain/core/messages'

/** What `toDict().data` gives, and the type. */
export type Fields = Record<string, unknown>

// biome-ignore lint/suspicious/noExplicitAny: each message class has its own fields
type MessageClass = new (fields: any) => BaseMessage

const CLASSES: Readonly<Record<string, MessageClass>> = {
  AIMessage,
  AIMessageChunk,
  ChatMessage,
  ChatMessageChunk,
  FunctionMessage,
  FunctionMessageChunk,
  HumanMessage,
  HumanMessageChunk,
  RemoveMessage,
  SystemMessage,
  SystemMessageChunk,
  ToolMessage,
  ToolMessageChunk,
}

/** For classes that are not LangChain's own: a subclass comes back as what it derives from. */
const CLASS_OF_TYPE: Readonly<Record<string, string>> = {
  ai: 'AIMessage',
  function: 'FunctionMessage',
  generic: 'ChatMessage',
  human: 'HumanMessage',
  remove: 'RemoveMessage',
  system: 'SystemMessage',
  tool: 'ToolMessage',
}

export function isMessage(value: object): value is BaseMessage {
  const { toDict, _getType } = value as Partial<BaseMessage>
  return typeof toDict === 'function' && typeof _getType === 'function'
}

/**
 * By class, the fields that messages made of the same arguments have: most messages are tokens, and `toDict` is slow. Only
 * where each is a property of the message; then its place is all that `toDict` decides.
 */
const FIELDS = new WeakMap<object, Map<string, readonly string[]>>()
/** Sets of arguments that are remembered for a class. */
const FIELD_SETS = 32

/** The message's fields as clients see them, but not copied: `toDict` would lose what is not JSON in them. */
export function flatten(message: BaseMessage): Fields {
  const known = FIELDS.get(message.constructor) ?? new Map<string, readonly string[]>()
  const made = Object.keys(message.lc_kwargs).join()
  const names = known.get(made)
  if (names) return picked(message, names)
  const { type, data } = message.toDict()
  const fields: Fields = { ...data, type }
  for (const key of Object.keys(data)) if (key in message) fields[key] = message[key as keyof BaseMessage]
  if (Object.keys(fields).every(key => key in message) && known.size < FIELD_SETS) {
    FIELDS.set(message.constructor, known.set(made, Object.keys(fields)))
  }
  return fields
}

function picked(message: BaseMessage, names: readonly string[]): Fields {
  const fields: Fields = {}
  for (const name of names) fields[name] = message[name as keyof BaseMessage]
  return fields
}

/** The name under which `reviveMessage` finds the message's class; undefined for a type that LangChain does not have. */
export function messageClass(message: BaseMessage): string | undefined {
  const name = message.lc_id.at(-1) as string
  return name in CLASSES ? name : CLASS_OF_TYPE[message._getType()]
}

/**
 * A message from its fields. They are set once more after construction, because constructors derive some fields from
 * others (a chunk recomputes its tool calls) where a stored message must come back as it was.
 */
export function reviveMessage(name: string, { type: _, content_blocks, ...fields }: Fields): BaseMessage {
  const Class = CLASSES[name]
  if (!Class) throw new Error(`"${name}" is not a message class`)
  if (fields.content === undefined && content_blocks !== undefined) fields.content = content_blocks
  const kept = { ...fields }
  const message = new Class(fields)
  return Object.assign(message, kept)
}
