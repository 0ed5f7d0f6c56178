// `runloom keys create`: a new API key. It is stored nowhere; the server is given its hash.
import { ConfigError } from '../config.ts'
import { namedHash, newApiKey } from '../core/api-keys.ts'

export function keys(action: string | undefined, name = 'key'): void {
  if (action !== 'create') throw new ConfigError(`runloom keys ${action ?? ''}: use runloom keys create [name]`)
  if (!/^[\w.@-]+$/.test(name)) {
    throw new ConfigError(`runloom keys create ${name}: a name has letters, digits and . _ @ - only`)
  }
  const key = newApiKey()
  process.stdout.write(`${key}

This is the key, shown once. A client sends it as x-api-key, or as Authorization: Bearer.
Give the server its hash, with a comma after those that are there:

RUNLOOM_API_KEYS=${namedHash(name, key)}
`)
}
