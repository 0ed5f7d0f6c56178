// What an identity may be limited to (contracts: gateway §1.10): scopes of an API key, permissions of a user.

export const SCOPES = [
  'threads:read',
  'threads:write',
  'threads:delete',
  'runs:create',
  'runs:read',
  'runs:cancel',
  'admin',
] as const

export type Scope = (typeof SCOPES)[number]

/** Reads scopes with `+` between them. Throws an Error that names what is none and what there is. */
export function readScopes(list: string): Scope[] {
  return list.split('+').map(name => {
    const scope = SCOPES.find(one => one === name)
    if (!scope) throw new Error(`"${name}" is no scope; use ${SCOPES.join(', ')}`)
    return scope
  })
}
