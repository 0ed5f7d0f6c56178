// `runloom keys create`: a new API key. It is stored nowhere; the server is given its hash.
import { ConfigError } from '../config.ts'
import { namedHash, newApiKey } from '../core/api-keys.ts'
import { readScopes, type Scope } from '../protocol/scopes.ts'

export interface KeyOptions {
  /** What it makes belongs to them, and it sees nothing else. */
  owner?: string | undefined
  /** Separated by commas; without them the key may do everything. */
  scopes?: string | undefined
}

export function keys(action: string | undefined, name = 'key', { owner, scopes }: KeyOptions = {}): void {
  if (action !== 'create') {
    throw new ConfigError(
      `runloom ${['keys', action].filter(Boolean).join(' ')}: use runloom keys create [name] [--owner <owner>] [--scopes <scope>,<scope>]`,
    )
  }
  if (!/^[\w.-]+$/.test(name)) {
    throw new ConfigError(`runloom keys create ${name}: a name has letters, digits and . _ - only`)
  }
  if (owner !== undefined && !/^[\w-]+$/.test(owner)) {
    throw new ConfigError(`--owner ${owner}: an owner has letters, digits and _ - only`)
  }
  const allowed = scopes === undefined ? [] : scopesOf(scopes)
  const key = newApiKey()
  process.stdout.write(`${key}

This is the key, shown once. A client sends it as x-api-key, or as Authorization: Bearer.
It may do ${allowed.join(', ') || 'everything'}${owner === undefined ? '' : `, with what is ${owner}'s`}.
Give the server its hash, with a comma after those that are there:

RUNLOOM_API_KEYS=${namedHash(owner === undefined ? name : `${name}@${owner}`, key, allowed)}
`)
}

function scopesOf(list: string): Scope[] {
  try {
    return readScopes(list.replaceAll(',', '+'))
  } catch (error) {
    throw new ConfigError(`--scopes ${list}: ${(error as Error).message}`)
  }
}
