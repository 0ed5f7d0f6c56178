// What is kept of a thread under the gateway dialect: messages, run events, feedback and token usage (contracts: gateway
// §1.7, §1.9, §1.11). Paths are relative to where the dialect is mounted.
import { type Context, Hono } from 'hono'
import { RunloomError } from '../core/errors.ts'
import { feedbackStats, giveFeedback, listFeedback, type NewFeedback, removeFeedback } from '../core/feedback.ts'
import { newId } from '../core/ids.ts'
import { type Message, type MessagePage, runMessages, type ShownMessage, threadMessages } from '../core/messages.ts'
import { listRunEvents } from '../core/run-events.ts'
import type { RunKey } from '../core/run-keys.ts'
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
      const range = parse(protocol.messageQuery, c.req.query())
      const { messages, has_more } = await db.run(runMessages, { ...(await runKey(ports, c)), ...given(range) })
      return c.json({ data: messages.map(wireMessage), has_more, hasMore: has_more })
    })
    app.get(`${path}/feedback`, async c => c.json(await db.run(listFeedback, await runKey(ports, c))))
  }
  app.get(`${run}/events`, async c => c.json(await events(ports, c)))
  app.get(`${thread}/messages`, async c => {
    const range = parse(protocol.messageQuery, c.req.query())
    const { messages } = await readThread(ports, c, { ...given(range), shown_only: false })
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
    return c.json(await db.run(threadUsage, { ...(await onThread(ports, c, 'threads:read')), include_active }))
  })

  app.put(`${run}/feedback`, async c => c.json(await rate(ports, c, 'replace')))
  app.post(`${run}/feedback`, async c => c.json(await rate(ports, c, 'raise')))
  app.get(`${run}/feedback/stats`, async c => c.json(await db.run(feedbackStats, await runKey(ports, c))))
  for (const path of [`${run}/feedback`, `${run}/feedback/:feedback_id`] as const) {
    app.delete(path, async c => {
      const feedback_id = c.req.param('feedback_id')
      const key = { ...(await runKey(ports, c, 'threads:update')), user_id: readerOf(c) }
      await db.run(removeFeedback, feedback_id === undefined ? key : { ...key, feedback_id })
      return c.json({ success: true })
    })
  }
  return app
}

/** What finds the run in the path, on the thread in the path where there is one, if this may be done with it. */
export async function runKey(
  ports: Ports,
  c: Context,
  event: 'threads:read' | 'threads:update' = 'threads:read',
): Promise<RunKey> {
  const run_id = c.req.param('run_id') as string
  const { thread_id, allowed } = await onThread(ports, c, event, { run_id })
  return { run_id, allowed, ...(thread_id !== undefined && { thread_id }) }
}

/** Who gives and reads feedback. */
function readerOf(c: Context): string {
  return userOf(c)?.identity ?? 'default'
}

async function readThread(
  ports: Ports,
  c: Context,
  query: { limit: number; after_seq?: number; before_seq?: number; shown_only: boolean },
): Promise<MessagePage<ShownMessage>> {
  const key = await onThread(ports, c, 'threads:read')
  return ports.db.run(threadMessages, { ...key, user_id: readerOf(c), ...query })
}

async function rate(ports: Ports, c: Context, if_exists: NewFeedback['if_exists']) {
  const { rating, comment, message_id } = await body(c, protocol.feedback)
  if (rating !== 1 && rating !== -1) throw new RunloomError('malformed', 'rating: must be 1 or -1')
  const given = { feedback_id: newId(), rating, comment: comment ?? null, message_id: message_id ?? null } as const
  const key = await runKey(ports, c, 'threads:update')
  return ports.db.run(giveFeedback, { ...key, ...given, user_id: readerOf(c), if_exists })
}

async function events(ports: Ports, c: Context) {
  const query = parse(protocol.eventQuery, c.req.query())
  const key = await runKey(ports, c)
  const { thread_id, events } = await ports.db.run(listRunEvents, { ...key, ...given(query) })
  const rows: object[] = []
  for (const event of events) rows.push(await wireEvent(ports, { run_id: key.run_id, thread_id }, event))
  return rows
}

/** An event's content above this many characters of JSON is cut. */
const CONTENT_CHARS = 10_240

async function wireEvent(
  { texts }: Ports,
  { run_id, thread_id }: { run_id: string; thread_id: string },
  event: RunEvent,
) {
  const [event_type = '', ...namespace] = event.event.split('|')
  const text = await texts.render(thread_id, event.data)
  const cut = text.length > CONTENT_CHARS
  return {
    run_id,
    thread_id,
    seq: event.seq,
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
