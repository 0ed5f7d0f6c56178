// Who asks: what authentication says of them, what they may do, and what the graphs of their runs are told.
import { SCOPES, type Scope } from '../protocol/scopes.ts'
import type { Owned } from './access.ts'

/** As the official `Auth` has it, with whatever fields its `authenticate` adds. */
export interface User {
  identity: string
  /** Scopes, and whatever else the handlers of the user's `Auth` look for. Without a scope among them: everything. */
  permissions: string[]
  display_name: string
  is_authenticated: boolean
  /** Of the API key: what is made with it belongs to them, and it opens nothing else. */
  key_owner?: string
  [field: string]: unknown
}

/** Whether scopes say what somebody may do: then they may do nothing else. */
export function isLimited(user: User | undefined): boolean {
  return user?.permissions.some(permission => (SCOPES as readonly string[]).includes(permission)) ?? false
}

/** Nobody is asked where nobody has to say who they are. */
export function may(user: User | undefined, scope: Scope): boolean {
  return !isLimited(user) || user?.permissions.includes(scope) === true
}

/** What somebody may touch by their key alone; undefined for everything. */
export function ownedBy(user: User | null | undefined): Owned | undefined {
  return user?.key_owner === undefined ? undefined : { owner: user.key_owner }
}

/** Whose memory is meant: that of nobody in particular where nobody has to say who they are. */
export function memoryOwner(user: User | null | undefined): string {
  return user?.key_owner ?? user?.identity ?? ''
}

/** The keys of `configurable` that tell a graph for whom it runs (contracts: langgraph §13); none for nobody. */
export function userConfigurable(user: User | null | undefined): Record<string, unknown> {
  if (!user) return {}
  return {
    langgraph_auth_user: user,
    langgraph_auth_user_id: user.identity,
    langgraph_auth_permissions: user.permissions,
  }
}

/** Without those keys: they are the server's to set, and nobody's to read. */
export function withoutUser(configurable: Record<string, unknown> = {}): Record<string, unknown> {
  return Object.fromEntries(Object.entries(configurable).filter(([key]) => !key.startsWith('langgraph_auth_')))
}
