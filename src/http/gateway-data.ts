// What is kept of a thread under the gateway dialect: messages, run events, feedback and token usage (contracts: gateway
// §1.7, §1.9, §1.11). Paths are relative to where the dialect is mounted.
import { type Context, Hono } from 'hono'
import { RunloomError } from '../core/errors.ts'
import { feedbackStats, giveFeedback, listFeedback, type NewFeedback, removeFeedback } from '../core/feedback.ts'
import { newId } from '../core/ids.ts'
import { listMessages, type Message, type MessagePage, type ShownMessage, threadMessages } from '../core/messages.ts'
import { listRunEvents } from '../core/run-events.ts'
import { getRun, type Run } from '../core/runs.ts'
import { getThread } from '../core/threads.ts'
import { threadUsage } from '../core/usage.ts'
import type { RunEvent } from '../events/log.ts'
import * as protocol from '../protocol/gateway-data.ts'
import { onThread } from './access.ts'
import { userOf } from './authentication.ts'
import { body, parse } from './errors.ts'
import type { Ports } from './ports.ts'

export function gatewayDataRoutes(ports: Ports) {
  const { db } = ports
  const thread = '/threads/:thread_id' as const
  const run = `${thread}/runs/:run_id` as const
  const app = new Hono()
  for (const path of [run, '/runs/:run_id'] as const) {
    app.get(`${path}/messages`, async c => {
      const { run_id, thread_id } = await runOf(ports, c)
      const query = parse(protocol.messageQuery, c.req.query())
      const { messages, has_more } = await db.run(listMessages, { thread_id, run_id, ...given(query) })
      return c.json({ data: messages.map(wireMessage), has_more, hasMore: has_more })
    })
    app.get(`${path}/feedback`, async c => c.json(await db.run(listFeedback, keyOf(await runOf(ports, c)))))
  }
  app.get(`${run}/events`, async c => c.json(await events(ports, c)))
  app.get(`${thread}/messages`, async c => {
    const query = parse(protocol.messageQuery, c.req.query())
    const { messages } = await readThread(ports, c, { ...given(query), shown_only: false })
    return c.json(messages.map(wireShown))
  })
  app.get(`${thread}/messages/page`, async c => {
    const { limit, before_seq } = parse(protocol.pageQuery, c.req.query())
    const page = await readThread(ports, c, { ...given({ limit, before_seq }), shown_only: true })
    const next_before_seq = page.has_more ? page.messages[0]?.seq : null
    return c.json({ data: page.messages.map(wireShown), has_more: page.has_more, next_before_seq })
  })
  app.get(`${thread}/token-usage`, async c => {
    const { include_active } = parse(protocol.usageQuery, c.req.query())
    return c.json(await db.run(threadUsage, { thread_id: await threadOf(ports, c), include_active }))
  })

  app.put(`${run}/feedback`, async c => c.json(await rate(ports, c, 'replace')))
  app.post(`${run}/feedback`, async c => c.json(await rate(ports, c, 'raise')))
  app.get(`${run}/feedback/stats`, async c => {
    const { run_id, thread_id } = await runOf(ports, c)
    return c.json({ run_id, ...(await db.run(feedbackStats, { run_id, thread_id })) })
  })
  for (const path of [`${run}/feedback`, `${run}/feedback/:feedback_id`] as const) {
    app.delete(path, async c => {
      const feedback_id = c.req.param('feedback_id')
      const key = { ...keyOf(await runOf(ports, c, 'threads:update')), user_id: readerOf(c) }
      await db.run(removeFeedback, feedback_id === undefined ? key : { ...key, feedback_id })
      return c.json({ success: true })
    })
  }
  return app
}

/** The run in the path, on the thread in the path where there is one, if this may be done with it. */
export async function runOf(ports: Ports, c: Context, event: ThreadEvent = 'threads:read'): Promise<Run> {
  const run_id = c.req.param('run_id') as string
  const { thread_id, allowed } = await onThread(ports, c, event, { run_id })
  return ports.db.run(getRun, { run_id, allowed, ...(thread_id !== undefined && { thread_id }) })
}

/** The id of the thread in the path, once it is known to be one of those that may be read. */
export async function threadOf(ports: Ports, c: Context): Promise<string> {
  return (await ports.db.run(getThread, await onThread(ports, c, 'threads:read'))).thread_id
}

type ThreadEvent = 'threads:read' | 'threads:update'

/** Who gives and reads feedback. */
function readerOf(c: Context): string {
  return userOf(c)?.identity ?? 'default'
}

function keyOf({ run_id, thread_id }: Run) {
  return { run_id, thread_id }
}

async function readThread(
  ports: Ports,
  c: Context,
  query: { limit: number; after_seq?: number; before_seq?: number; shown_only: boolean },
): Promise<MessagePage<ShownMessage>> {
  const thread_id = await threadOf(ports, c)
  return ports.db.run(threadMessages, { thread_id, user_id: readerOf(c), ...query })
}

async function rate(ports: Ports, c: Context, if_exists: NewFeedback['if_exists']) {
  const { rating, comment, message_id } = await body(c, protocol.feedback)
  if (rating !== 1 && rating !== -1) throw new RunloomError('malformed', 'rating: must be 1 or -1')
  const key = keyOf(await runOf(ports, c, 'threads:update'))
  const given = { feedback_id: newId(), rating, comment: comment ?? null, message_id: message_id ?? null } as const
  return ports.db.run(giveFeedback, { ...key, ...given, user_id: readerOf(c), if_exists })
}

/** `seq` counts over the thread, as in its stream. */
async function events(ports: Ports, c: Context) {
  const run = await runOf(ports, c)
  const { after_seq, ...query } = parse(protocol.eventQuery, c.req.query())
  const base = run.base_seq ?? 0
  const after = Math.max(0, (after_seq ?? 0) - base)
  const found = await ports.db.run(listRunEvents, { run_id: run.run_id, after, ...given(query) })
  const rows: object[] = []
  for (const event of found) rows.push(await wireEvent(ports, run, event, base))
  return rows
}

/** An event's content above this many characters of JSON is cut. */
const CONTENT_CHARS = 10_240

async function wireEvent({ texts }: Ports, { run_id, thread_id }: Run, event: RunEvent, base: number) {
  const [event_type = '', ...namespace] = event.event.split('|')
  const text = await texts.render(thread_id, event.data)
  const cut = text.length > CONTENT_CHARS
  return {
    run_id,
    thread_id,
    seq: base + event.seq,
    event_type,
    category: ['metadata', 'error'].includes(event_type) ? 'lifecycle' : 'trace',
    content: cut ? text.slice(0, CONTENT_CHARS) : JSON.parse(text),
    metadata: { ...(namespace.length > 0 && { namespace }), ...(cut && { content_truncated: true }) },
    created_at: new Date(event.at_ms).toISOString(),
  }
}

function wireMessage({ thread_id, run_id, seq, event_type, content, caller, created_at }: Message) {
  const metadata = caller === null ? {} : { caller }
  return { thread_id, run_id, seq, event_type, category: 'message', content: JSON.parse(content), metadata, created_at }
}

/** The page reads a turn's duration, in seconds, in the answer itself. */
function wireShown(message: ShownMessage) {
  const { feedback, duration_ms } = message
  const { content, ...row } = wireMessage(message)
  if (feedback === undefined) return { ...row, content }
  const turn_duration = duration_ms == null ? undefined : Math.round(duration_ms / 1000)
  return {
    ...row,
    content: { ...content, additional_kwargs: { ...content.additional_kwargs, turn_duration } },
    feedback: feedback && {
      feedback_id: feedback.feedback_id,
      rating: feedback.rating,
      comment: feedback.comment,
    },
  }
}

/** Without what was not given. */
function given<T extends object>(query: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined)) as never
}
