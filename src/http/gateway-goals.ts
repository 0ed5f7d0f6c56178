// The standing goal of a thread (contracts: gateway §3.1), a value of its state. Paths are relative to where the dialect is
// mounted.
import { type Context, Hono } from 'hono'
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
  const write = async (c: Context, goal: string | null) => {
    await states.update(await reader(c, 'threads:update'), {}, { values: { goal } })
    return c.json(goalAnswer.parse({ goal }))
  }
  return new Hono()
    .get(path, async c => {
      const { values } = JSON.parse(await states.get(await reader(c, 'threads:read'), { select: ['values'] }))
      return c.json(goalAnswer.parse({ goal: values?.goal ?? null }))
    })
    .put(path, async c => write(c, (await body(c, setGoal)).goal))
    .delete(path, c => write(c, null))
}
