// Whether who sent a request may do what it asks for (contracts: langgraph §13): asks the handler of the user's `Auth`, or
// keeps to what the owner of an API key has.
// Every route asks for its event before it touches anything, goes on with the `value` that comes back, and gives `allowed`
// to the query that finds the rows.
import type { Context } from 'hono'
import { type Filter, readFilter } from '../core/access.ts'
import { RunloomError } from '../core/errors.ts'
import { assistantId, isUuid } from '../core/ids.ts'
import { may, ownedBy, type User } from '../core/users.ts'
import { denialOf } from './auth-file.ts'
import { userOf } from './authentication.ts'
import type { Ports } from './ports.ts'

export type Event =
  | `${'threads' | 'assistants' | 'crons'}:${'create' | 'read' | 'update' | 'delete' | 'search'}`
  | 'threads:create_run'
  | `store:${'put' | 'get' | 'search' | 'list_namespaces' | 'delete'}`

export interface Permit<V> {
  /** What the handler was given, and may have changed. */
  value: V
  /** What it lets the request touch; undefined for everything. */
  allowed: Filter | undefined
}

/** Rejects with what the client is to hear when it may not. Costs nothing where there are no handlers. */
export async function permit<V extends object>(
  { handlers }: Pick<Ports, 'handlers'>,
  c: Context,
  event: Event,
  value: V,
): Promise<Permit<V>> {
  if (!handlers) return { value, allowed: ownedBy(userOf(c)) }
  const [resource = '', action = ''] = event.split(':')
  const handler = [event, resource, `*:${action}`, '*'].map(name => handlers.get(name)).find(Boolean)
  if (!handler) return { value, allowed: undefined }
  const user = userOf(c) as User
  const question = { event, resource, action, value, user, permissions: user.permissions }
  let answer: unknown
  try {
    answer = await handler(question)
  } catch (error) {
    throw denialOf(error) ?? new Error(`auth: the handler of ${event} failed: ${String(error)}`, { cause: error })
  }
  if (answer === undefined || answer === null || answer === true) return { value, allowed: undefined }
  if (answer === false) throw new RunloomError('forbidden', `Forbidden: you may not do ${event}`)
  return { value, allowed: filterOf(event, answer) }
}

function filterOf(event: Event, answer: unknown): Filter {
  try {
    if (typeof answer === 'object' && answer !== null) return readFilter(answer)
  } catch (cause) {
    throw new Error(`auth: the filter of ${event} is none: ${(cause as Error).message}`, { cause })
  }
  const shown = `a ${typeof answer}`
  throw new Error(`auth: the handler of ${event} returned ${shown}; return nothing, true, false or a filter`)
}

/** May this be done with the thread in the path? Answers what finds it, if so. */
export async function onThread(
  ports: Pick<Ports, 'handlers'>,
  c: Context,
  event: 'threads:read' | 'threads:update' | 'threads:delete' | 'threads:search',
  more: object = {},
) {
  const thread_id = c.req.param('thread_id') as string
  const { allowed } = await permit(ports, c, event, { thread_id, ...more })
  return { thread_id, allowed }
}

/**
 * May who asks change what all share? Throws otherwise. A user of an `Auth`, or with a key that has an owner, has to have the
 * permission `admin`: without scopes they may do everything that is theirs, which this is not.
 */
export function administrate({ handlers }: Pick<Ports, 'handlers'>, c: Context): void {
  const user = userOf(c)
  const limited = handlers || user?.key_owner !== undefined
  if (limited ? user?.permissions.includes('admin') : may(user, 'admin')) return
  throw new RunloomError('forbidden', 'Forbidden: this needs the permission admin')
}

/** Handlers are given the assistant's id where a client gave its graph's. */
export function namedAssistant(id: string): string {
  return isUuid(id) ? id : assistantId(id)
}
