// The long-term store over HTTP (contracts: langgraph §7): the same items that graphs see.
import { type Context, Hono } from 'hono'
import { RunloomError } from '../core/errors.ts'
import type { Item, NamespaceSearch } from '../core/items.ts'
import { flag } from '../protocol/common.ts'
import * as protocol from '../protocol/store.ts'
import { body, parse } from './errors.ts'
import type { Ports } from './ports.ts'

const MINUTE_MS = 60_000

export function storeRoutes({ store }: Ports) {
  return new Hono()
    .put('/store/items', async c => {
      const { namespace, key, value, index, ttl } = await body(c, protocol.putItem)
      const ttl_ms = ttl == null ? ttl : Math.max(1, Math.round(ttl * MINUTE_MS))
      await store.run([
        {
          put: {
            namespace: named(namespace),
            key,
            value,
            index: index ?? null,
            ...(ttl_ms !== undefined && { ttl_ms }),
          },
        },
      ])
      return c.body(null, 204)
    })
    .get('/store/items', async c => {
      const path = c.req.query('namespace')
      const namespace = named(path ? path.split('.') : [])
      const key = parse(protocol.itemName.shape.key, c.req.query('key'), 'key')
      const [item] = await store.run([{ get: { namespace, key, ...refreshing(c) } }])
      return c.json(item === null ? null : wireItem(item as Item))
    })
    .delete('/store/items', async c => {
      const { namespace, key } = await body(c, protocol.itemName)
      await store.run([{ put: { namespace: named(namespace), key, value: null } }])
      return c.body(null, 204)
    })
    .post('/store/items/search', async c => {
      const { namespace_prefix, filter, limit, offset, query, refresh_ttl } = await body(c, protocol.searchItems)
      const search = {
        namespace_prefix,
        limit: limit ?? 10,
        offset: offset ?? 0,
        ...(filter && { filter }),
        ...(query && { query }),
        ...(refresh_ttl != null && { refresh: refresh_ttl }),
      }
      const [items] = await store.run([{ search }])
      return c.json({ items: (items as Item[]).map(wireItem) })
    })
    .post('/store/namespaces', async c => {
      const { prefix, suffix, max_depth, limit, offset } = await body(c, protocol.searchNamespaces)
      const match: NamespaceSearch['match'] = []
      if (prefix) match.push({ end: 'prefix', labels: prefix })
      if (suffix) match.push({ end: 'suffix', labels: suffix })
      const list = { match, limit: limit ?? 100, offset: offset ?? 0, ...(max_depth != null && { max_depth }) }
      const [namespaces] = await store.run([{ list }])
      return c.json({ namespaces })
    })
}

/** An item has a namespace: none at all is another mistake than a label that is none. */
function named(namespace: string[]): string[] {
  if (namespace.length === 0) throw new RunloomError('malformed', 'namespace: must not be empty')
  return namespace
}

function refreshing(c: Context): { refresh?: boolean } {
  const asked = c.req.query('refresh_ttl')
  return asked === undefined ? {} : { refresh: parse(flag, asked, 'refresh_ttl') }
}

function wireItem({ namespace, key, value, created_at, updated_at, score }: Item) {
  return { namespace, key, value: JSON.parse(value), created_at, updated_at, ...(score !== undefined && { score }) }
}
