// Doing the last turn of a thread again, as the page asks for it: with the same question, or with another (contracts:
// gateway §2, `regenerate/prepare`). This only says what to send; the new run is one like any other, from a past checkpoint.
import { type Context, Hono } from 'hono'
import { RunloomError } from '../core/errors.ts'
import { newId } from '../core/ids.ts'
import { runOfMessage } from '../core/messages.ts'
import type { ThreadReader } from '../graph/state.ts'
import * as protocol from '../protocol/gateway-data.ts'
import { onThread } from './access.ts'
import { userOf } from './authentication.ts'
import { body } from './errors.ts'
import type { Ports } from './ports.ts'

/** Checkpoints that a turn is looked for in, from the newest back. */
const MOST_CHECKPOINTS = 200

interface Said {
  id?: string
  type: string
  content: unknown
  name?: string | null
  additional_kwargs?: Record<string, unknown>
}

interface State {
  values: { messages?: Said[] } | null
  checkpoint: { checkpoint_id: string } | null
  parent_checkpoint: { checkpoint_id: string } | null
}

export function gatewayReplayRoutes(ports: Ports) {
  const runs = '/threads/:thread_id/runs' as const
  return new Hono()
    .post(`${runs}/regenerate/prepare`, async c => {
      const { message_id } = await body(c, protocol.regenerate)
      const reader = await readerOf(ports, c)
      const messages = messagesOf(await stateOf(ports, reader))
      const answer = messages.findLast(({ type }) => type === 'ai')
      if (answer?.id !== message_id) {
        throw conflict(messages, message_id, 'message_id: only the last answer can be made anew')
      }
      const before = messages.slice(0, messages.indexOf(answer as Said))
      return c.json(await prepare(ports, reader, before.findLast(isHuman), answer as Said))
    })
    .post(`${runs}/edit-regenerate/prepare`, async c => {
      const { human_message_id, replacement_text } = await body(c, protocol.editAndRegenerate)
      const reader = await readerOf(ports, c)
      const messages = messagesOf(await stateOf(ports, reader))
      const question = messages.findLast(isHuman)
      if (question?.id !== human_message_id) {
        throw conflict(messages, human_message_id, 'human_message_id: only the last question can be changed')
      }
      const answer = messages.slice(messages.indexOf(question as Said)).findLast(({ type }) => type === 'ai')
      return c.json(await prepare(ports, reader, question, answer ?? (question as Said), replacement_text))
    })
}

/** What a run needs that does a turn again; `target` is the message whose run it takes the place of. */
async function prepare(ports: Ports, reader: ThreadReader, question: Said | undefined, target: Said, text?: string) {
  if (!question?.id) throw new RunloomError('conflict', 'There is no question with an id before this answer')
  const checkpoint_id = await checkpointBefore(ports, reader, question.id)
  const { thread_id, allowed } = reader
  const target_run_id = await ports.db.run(runOfMessage, { thread_id, allowed, message_id: target.id as string })
  const { id, content, name, additional_kwargs } = question
  const again = { type: 'human', id, content, additional_kwargs: additional_kwargs ?? {}, ...(name && { name }) }
  const asked = text === undefined ? again : { ...again, id: newId(), content: [{ type: 'text', text }] }
  return {
    input: { messages: [asked] },
    checkpoint: { checkpoint_ns: '', checkpoint_id, checkpoint_map: null },
    metadata: {
      ...(text !== undefined && { replay_kind: 'edit' }),
      regenerate_from_message_id: target.id,
      regenerate_from_run_id: target_run_id,
      regenerate_checkpoint_id: checkpoint_id,
    },
    target_run_id,
  }
}

/** The newest checkpoint of the thread's present branch that does not have a message yet. */
async function checkpointBefore(ports: Ports, reader: ThreadReader, message_id: string): Promise<string> {
  let state = await stateOf(ports, reader)
  for (let looked = 1; looked < MOST_CHECKPOINTS; looked++) {
    const { checkpoint, parent_checkpoint } = state
    if (checkpoint && !messagesOf(state).some(({ id }) => id === message_id)) return checkpoint.checkpoint_id
    if (!parent_checkpoint) break
    state = await stateOf(ports, reader, parent_checkpoint.checkpoint_id)
  }
  throw new RunloomError('conflict', `The checkpoint before message ${message_id} is not kept any more`)
}

async function readerOf(ports: Ports, c: Context): Promise<ThreadReader> {
  return { ...(await onThread(ports, c, 'threads:read')), user: userOf(c) }
}

async function stateOf({ states }: Ports, reader: ThreadReader, checkpoint_id?: string): Promise<State> {
  const select = ['values.messages', 'checkpoint', 'parent_checkpoint']
  return JSON.parse(await states.get(reader, { select, ...(checkpoint_id && { checkpoint: { checkpoint_id } }) }))
}

function messagesOf({ values }: State): Said[] {
  return Array.isArray(values?.messages) ? values.messages : []
}

function isHuman({ type }: Said): boolean {
  return type === 'human'
}

function conflict(messages: Said[], message_id: string, why: string): RunloomError {
  if (messages.some(({ id }) => id === message_id)) return new RunloomError('conflict', why)
  return new RunloomError('not_found', `Message ${message_id} not found`)
}
