// Static API keys: for a server without an `auth` section (contracts: langgraph §13). Compared by hash, so that nothing here
// holds a key that was given as one.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { readScopes, type Scope } from '../protocol/scopes.ts'
import type { User } from './users.ts'

interface ApiKey {
  user: User
  hash: Buffer
}

/** 32 random bytes. */
export function newApiKey(): string {
  return `mr_sk_${randomBytes(32).toString('base64url')}`
}

/**
 * As `RUNLOOM_API_KEYS` takes it: the key itself is not in it. `name` is `<name>@<owner>` for a key that opens what its
 * owner has alone. Without scopes the key may do everything.
 */
export function namedHash(name: string, key: string, scopes: readonly Scope[] = []): string {
  return [name, hashOf(key).toString('hex'), ...(scopes.length > 0 ? [scopes.join('+')] : [])].join(':')
}

export class ApiKeys {
  readonly #keys: readonly ApiKey[]

  /**
   * Each entry is `<name>:<SHA-256 in hex>` or `<name>@<owner>:<SHA-256 in hex>`, with `:<scope>+<scope>` behind it where the
   * key may do only that; or a key, which is then named after the beginning of its hash. Throws an Error for what is no
   * scope or no owner, and for a key without an owner that has the name of one: it would pass for them.
   */
  constructor(entries: readonly string[]) {
    this.#keys = entries.map(entry => {
      const [, name, hex, scopes] = /^([^:]+):([0-9a-f]{64})(?::(.*))?$/i.exec(entry) ?? []
      const permissions = scopes === undefined ? [] : readScopes(scopes)
      if (name && hex) return { user: userOf(name, permissions), hash: Buffer.from(hex, 'hex') }
      const hash = hashOf(entry)
      return { user: userOf(`key-${hash.toString('hex').slice(0, 8)}`, []), hash }
    })
    const owners = new Set(this.#keys.map(({ user }) => user.key_owner))
    const taken = this.#keys.find(({ user }) => user.key_owner === undefined && owners.has(user.identity))
    if (taken) throw new Error(`"${taken.user.identity}" is an owner; give the key of that name another, or that owner`)
  }

  /** Whose key it is. All are compared, each in constant time. */
  find(key: string): User | undefined {
    const hash = hashOf(key)
    return this.#keys.filter(known => timingSafeEqual(known.hash, hash))[0]?.user
  }
}

function hashOf(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}

/** The keys of one owner are one user, so that one of them can take another's place. */
function userOf(named: string, permissions: Scope[]): User {
  const [display_name = '', key_owner, ...more] = named.split('@')
  const user = { permissions, display_name, is_authenticated: true }
  if (key_owner === undefined) return { identity: display_name, ...user }
  if (more.length > 0 || !/^[\w-]+$/.test(key_owner)) {
    throw new Error(
      `"${named}" is no name of a key; use <name> or <name>@<owner>, an owner of letters, digits, _ and -`,
    )
  }
  return { identity: key_owner, ...user, key_owner }
}
