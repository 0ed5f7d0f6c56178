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

/** As `RUNLOOM_API_KEYS` takes it: the key itself is not in it. Without scopes the key may do everything. */
export function namedHash(name: string, key: string, scopes: readonly Scope[] = []): string {
  return [name, hashOf(key).toString('hex'), ...(scopes.length > 0 ? [scopes.join('+')] : [])].join(':')
}

export class ApiKeys {
  readonly #keys: readonly ApiKey[]

  /**
   * Each entry is `<name>:<SHA-256 in hex>`, with `:<scope>+<scope>` behind it where the key may do only that; or a key, which
   * is then named after the beginning of its hash. Throws an Error for what is no scope.
   */
  constructor(entries: readonly string[]) {
    this.#keys = entries.map(entry => {
      const [, name, hex, scopes] = /^([^:]+):([0-9a-f]{64})(?::(.*))?$/i.exec(entry) ?? []
      const permissions = scopes === undefined ? [] : readScopes(scopes)
      if (name && hex) return { user: userNamed(name, permissions), hash: Buffer.from(hex, 'hex') }
      const hash = hashOf(entry)
      return { user: userNamed(`key-${hash.toString('hex').slice(0, 8)}`, []), hash }
    })
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

function userNamed(name: string, permissions: Scope[]): User {
  return { identity: name, permissions, display_name: name, is_authenticated: true }
}
