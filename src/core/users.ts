// Who asks: what authentication says of them, and what the graphs of their runs are told.

/** As the official `Auth` has it, with whatever fields its `authenticate` adds. */
export interface User {
  identity: string
  permissions: string[]
  display_name: string
  is_authenticated: boolean
  [field: string]: unknown
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
