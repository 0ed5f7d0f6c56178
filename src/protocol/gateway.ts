// The gateway dialect's requests (contracts: gateway §1.2, §2): the same runs and threads with other defaults.
import { z } from 'zod'
import { checkpoint, limit, offset } from './common.ts'
import * as runs from './runs.ts'
import * as threads from './threads.ts'

/** `runs` is no thread: the stateless calls are also at `/threads/runs`. */
export const threadId = z
  .string()
  .regex(/^(?!runs$)[A-Za-z0-9_-]{1,64}$/, { error: 'must be 1 to 64 letters, digits, "_" or "-", and not "runs"' })

const MESSAGE_TYPES = ['human', 'user', 'ai', 'assistant', 'system', 'developer', 'tool', 'remove']

/** One message, or a list of them. */
const messages = z.unknown().superRefine((given, context) => {
  if (!Array.isArray(given)) return checkMessage(given, [], context)
  for (const [index, message] of given.entries()) checkMessage(message, [index], context)
})

/** A message as LangChain takes it: a text, `[role, content]`, a serialised object, or the fields of one. */
function checkMessage(given: unknown, at: PropertyKey[], context: z.RefinementCtx) {
  const refuse = (path: string[], message: string) =>
    context.addIssue({ code: 'custom', path: [...at, ...path], message })
  if (typeof given === 'string') return
  if (typeof given !== 'object' || given === null) return refuse([], 'must be a message: an object with a role or type')
  const fields: Fields = Array.isArray(given) ? { role: given[0], content: given[1] } : given
  if (fields.lc === 1) return
  const named = typeof fields.role === 'string' ? 'role' : 'type'
  const { [named]: type, content = '' } = fields
  if (!MESSAGE_TYPES.includes(type as string)) {
    refuse([named], `${JSON.stringify(type) ?? 'nothing'} is none of ${MESSAGE_TYPES.join(', ')}`)
  }
  if (typeof content !== 'string' && !Array.isArray(content) && content !== null) {
    refuse(['content'], 'must be a text or a list of content blocks')
  }
  if (type === 'tool' && typeof fields.tool_call_id !== 'string') refuse(['tool_call_id'], 'must be a text')
  if (type === 'remove' && typeof fields.id !== 'string') refuse(['id'], 'must be a text')
}

type Fields = { role?: unknown; type?: unknown; content?: unknown; tool_call_id?: unknown; id?: unknown; lc?: unknown }

const input = z.looseObject({ messages: messages.nullish() })

const { multitask_strategy, on_disconnect, on_completion, if_not_exists, stream_mode } = runs.createRun.shape

/** `messages` is the graph library's name for what the SDK calls `messages-tuple`: the same here. */
export function streamModes(modes: readonly StreamMode[] | null | undefined): StreamMode[] {
  return [...new Set((modes ?? ['values', 'messages']).map(mode => (mode === 'messages' ? 'messages-tuple' : mode)))]
}

type StreamMode = z.infer<typeof runs.streamMode>

export const createRun = runs.createRun.extend({
  assistant_id: z.string().min(1).nullish(),
  input: input.nullish(),
  command: runs.command.extend({ action: z.unknown().optional() }).nullish(),
  stream_mode: stream_mode.transform(streamModes),
  multitask_strategy: multitask_strategy.transform(strategy => strategy ?? 'reject'),
  on_disconnect: on_disconnect.transform(reaction => reaction ?? 'cancel'),
  on_completion: on_completion.transform(what => what ?? 'keep'),
  if_not_exists: if_not_exists.transform(what => what ?? 'create'),
  follow_up_to_run_id: z.string().nullish(),
})

export const RUN_FIELDS = [
  'run_id',
  'thread_id',
  'assistant_id',
  'status',
  'metadata',
  'kwargs',
  'multitask_strategy',
  'follow_up_to_run_id',
  'created_at',
  'updated_at',
  'error',
  'stop_reason',
  'total_input_tokens',
  'total_output_tokens',
  'total_tokens',
  'llm_call_count',
  'lead_agent_tokens',
  'subagent_tokens',
  'middleware_tokens',
  'message_count',
] as const
export type RunField = (typeof RUN_FIELDS)[number]

/** A status that there is not matches nothing. */
export const listRuns = z.object({
  limit,
  offset,
  status: z.string().nullish(),
  select: z.array(z.enum(RUN_FIELDS)).nullish(),
})

export const createThread = threads.createThread.extend({
  thread_id: threadId.nullish(),
  if_exists: threads.createThread.shape.if_exists.transform(what => what ?? 'do_nothing'),
})

export const updateState = z.strictObject({
  values: z.unknown().optional(),
  as_node: z.string().nullish(),
  checkpoint: checkpoint.nullish(),
  checkpoint_id: z.string().nullish(),
})

export const history = threads.history.extend({ limit: z.coerce.number().int().min(1).max(100).nullish() })
