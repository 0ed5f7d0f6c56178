// The standing goal of a thread (contracts: gateway §3.1), a value of its state. Paths are relative to where the dialect is
// mounted.
import { type Context, Hono } from 'hono'
import type { ThreadReader } from '../graph/state.ts'
import { goalAnswer, setGoal } from '../protocol/goals.ts'
import { onThread } from './access.ts'
import { userOf } from './authentication.ts'
import { body } from './errors.ts'
import type { Ports } from './ports.ts'

export function gatewayGoalRoutes(ports: Ports) {
  const { states } = ports
  const path = '/threads/:thread_id/goal' as const
  const reader = async (c: Context, event: 'threads:read' | 'threads:update') => ({
    ...(await onThread(ports, c, event)),
    user: userOf(c),
  })
  /** As the state has it: a graph without such a value keeps none. */
  const answer = async (c: Context, thread: ThreadReader) => {
    const { values } = JSON.parse(await states.get(thread, { select: ['values'] }))
    return c.json(goalAnswer.parse({ goal: values?.goal ?? null }))
  }
  const write = async (c: Context, goal: string | null) => {
    const thread = await reader(c, 'threads:update')
    await states.update(thread, {}, { values: { goal } })
    return answer(c, thread)
  }
  return new Hono()
    .get(path, async c => answer(c, await reader(c, 'threads:read')))
    .put(path, async c => write(c, (await body(c, setGoal)).goal))
    .delete(path, c => write(c, null))
}
