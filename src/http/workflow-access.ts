// Who may do what with workflow runs, plans and sessions: they are asked for by the events of threads (langgraph §13). A run
// is filtered by its hidden thread, as every run is; plans and sessions belong to who made them.
import type { Context } from 'hono'
import { RunloomError } from '../core/errors.ts'
import { isUuid } from '../core/ids.ts'
import type { RunOfOwner } from '../workflow/runs.ts'
import { type Event, permit } from './access.ts'
import { userOf } from './authentication.ts'
import type { Ports } from './ports.ts'

/** Who plans and sessions belong to: the user whom handlers know, the owner of the API key; '' for who shares or sees all. */
export function ownerOf({ handlers }: Pick<Ports, 'handlers'>, c: Context): string {
  const user = userOf(c)
  return (handlers ? user?.identity : user?.key_owner) ?? ''
}

/** May this be done? Answers the owner of what it is done with. */
export async function ownerFor(ports: Ports, c: Context, event: Event, value: object = {}): Promise<string> {
  await permit(ports, c, event, value)
  return ownerOf(ports, c)
}

/** The run in the path, for who may do this with it. */
export async function runFor(ports: Ports, c: Context, event: 'threads:read' | 'threads:update'): Promise<RunOfOwner> {
  const run_id = c.req.param('run_id') as string
  if (!isUuid(run_id)) throw new RunloomError('malformed', `run_id: "${run_id}" must be a UUID`)
  const { allowed } = await permit(ports, c, event, { run_id })
  return { run_id, ...(allowed && { allowed }) }
}
