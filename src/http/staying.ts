// Clients that stay: what they may see is asked again every so often, as a new request would be (contracts: langgraph §13).
// A key that was revoked, or a thread that was given to somebody else, ends what is open.
import type { Context } from 'hono'
import sql from 'sql-template-tag'
import { type Filter, permitted } from '../core/access.ts'
import { RunloomError } from '../core/errors.ts'
import { first, type Steps, transition } from '../db/database.ts'
import { permit } from './access.ts'
import { Denial } from './auth-file.ts'
import { asksAgain } from './authentication.ts'
import type { Ports } from './ports.ts'
import type { StayOpen } from './sse.ts'

/** A minute, unless heartbeats come otherwise. */
const HEARTBEATS = 12

export const isForeign = transition(
  import.meta.url,
  'isForeign',
  function* ({ thread_id, allowed }: { thread_id: string; allowed: Filter }): Steps<boolean> {
    const found = yield* first(
      sql`select 1 as found from threads where thread_id = ${thread_id} and not (${permitted(allowed)})`,
    )
    return found !== undefined
  },
)

/** How a response that shows a thread stays open. API keys and calls from inside do not change while it does. */
export function staying(ports: Ports, c: Context, thread_id: string): Pick<StayOpen, 'heartbeat_ms' | 'recheck'> {
  const { heartbeat_ms, handlers, authenticate } = ports
  const again = handlers && authenticate && asksAgain(c, authenticate)
  if (!again) return { heartbeat_ms }
  const mayStay = async () => {
    try {
      await again()
      const { allowed } = await permit(ports, c, 'threads:read', { thread_id })
      return allowed === undefined || !(await ports.db.run(isForeign, { thread_id, allowed }))
    } catch (error) {
      return !(error instanceof Denial || error instanceof RunloomError) // an outage is no refusal
    }
  }
  return { heartbeat_ms, recheck: { every_ms: HEARTBEATS * heartbeat_ms, mayStay } }
}
