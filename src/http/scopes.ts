// What a request needs where that is not the same for all requests of a route (contracts: gateway §1.10).
import type { Context } from 'hono'
import { flag } from '../protocol/common.ts'
import type { Scope } from '../protocol/scopes.ts'
import { bodyText } from './errors.ts'

/** `open`: nobody has to say who they are; `known`: for everybody who has. What depends on the request is asked of it. */
export type Needs = Scope | 'open' | 'known' | ((c: Context) => Scope[] | Promise<Scope[]>)

/** Joining a run. Who would stop it by leaving needs to be allowed that, too. */
export function joining(c: Context): Scope[] {
  const stays = flag.safeParse(c.req.query('cancel_on_disconnect')).data === false
  return stays ? ['runs:read'] : ['runs:read', 'runs:cancel']
}

/** The same where an `action` in the query stops the run first. */
export function joiningOrStopping(c: Context): Scope[] {
  return c.req.query('action') === undefined ? joining(c) : ['runs:read', 'runs:cancel']
}

/** Pruning threads: deletes them, unless the body says otherwise. */
export async function pruning(c: Context): Promise<Scope[]> {
  const { strategy } = readable(await bodyText(c)) ?? {}
  return [strategy === 'keep_latest' ? 'threads:write' : 'threads:delete']
}

/** What is no JSON is refused by the route, in its own words. */
function readable(text: string): { strategy?: unknown } | null {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
