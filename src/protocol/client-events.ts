// What the embedded client's `stream()` yields (contracts: gateway §3.2). `messages-tuple` is this client's name of it;
// docs/streaming.md has the two other names that the same thing goes by.
import { z } from 'zod'

/** Tokens; providers add details. */
export const usage = z.looseObject({
  input_tokens: z.number(),
  output_tokens: z.number(),
  total_tokens: z.number(),
})
export type Usage = z.infer<typeof usage>

const fields = z.record(z.string(), z.unknown())
const toolCall = z.object({ name: z.string(), args: fields, id: z.string().nullable() })
export type ToolCall = z.infer<typeof toolCall>

/** What has been said of one message since the event before: texts of one id are to be joined. */
const aiMessage = z.object({
  type: z.literal('ai'),
  content: z.string(),
  id: z.string(),
  /** Each call once, its arguments complete. */
  tool_calls: z.array(toolCall).optional(),
  usage_metadata: usage.optional(),
  additional_kwargs: fields.optional(),
})

const toolMessage = z.object({
  type: z.literal('tool'),
  content: z.string(),
  name: z.string().nullable(),
  tool_call_id: z.string().nullable(),
  id: z.string(),
  artifact: z.unknown().optional(),
})

/** The message, or half of one, was lost with the process that made it; it is made again under another id. */
const removedMessage = z.object({ type: z.literal('remove'), id: z.string() })

const message = z.discriminatedUnion('type', [aiMessage, toolMessage, removedMessage])

/** A message of the state: `human`, `ai`, `system`, `tool`, or `unknown`. */
const stateMessage = z.looseObject({ type: z.string(), content: z.unknown(), id: z.string().nullable() })
export type StateMessage = z.infer<typeof stateMessage>

const state = z.object({
  title: z.string().nullable(),
  messages: z.array(stateMessage),
  artifacts: z.array(z.unknown()),
  /** What the run has asked; only where it stopped to ask. */
  __interrupt__: z.array(z.unknown()).optional(),
})

export const clientEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('messages-tuple'), data: message }),
  z.object({ type: z.literal('values'), data: state }),
  z.object({ type: z.literal('custom'), data: z.unknown() }),
  z.object({ type: z.literal('end'), data: z.object({ usage: usage }) }),
])
export type ClientEvent = z.infer<typeof clientEvent>
