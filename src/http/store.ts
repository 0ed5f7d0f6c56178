// The long-term store over HTTP (contracts: langgraph §7): the same items that graphs see.
import { type Context, Hono } from 'hono'
import { RunloomError } from '../core/errors.ts'
import type { Item, ItemName, NamespaceSearch } from '../core/items.ts'
import { ownedBy } from '../core/users.ts'
import { flag } from '../protocol/common.ts'
import * as protocol from '../protocol/store.ts'
import { permit } from './access.ts'
import { userOf } from './authentication.ts'
import { body, parse } from './errors.ts'
import type { Ports } from './ports.ts'

const MINUTE_MS = 60_000

export function storeRoutes(ports: Ports) {
  const storeOf = (c: Context) => ports.store.of(ownedBy(userOf(c)))
  return new Hono()
    .put('/store/items', async c => {
      const asked = await body(c, protocol.putItem)
      const { value: put, allowed } = await permit(ports, c, 'store:put', nameOf(asked))
      const { namespace, key, value, index, ttl } = put
      const ttl_ms = ttl == null ? ttl : Math.max(1, Math.round(ttl * MINUTE_MS))
      await storeOf(c).run([
        {
          put: {
            namespace,
            key,
            value,
            allowed,
            index: index ?? null,
            ...(ttl_ms !== undefined && { ttl_ms }),
          },
        },
      ])
      return c.body(null, 204)
    })
    .get('/store/items', async c => {
      const path = c.req.query('namespace')
      const key = parse(protocol.itemName.shape.key, c.req.query('key'), 'key')
      const asked = nameOf({ namespace: path ? path.split('.') : [], key })
      const { value, allowed } = await permit(ports, c, 'store:get', asked)
      const [item] = await storeOf(c).run([{ get: { ...value, allowed, ...refreshing(c) } }])
      return c.json(item === null ? null : wireItem(item as Item))
    })
    .delete('/store/items', async c => {
      const asked = nameOf(await body(c, protocol.itemName))
      const { value, allowed } = await permit(ports, c, 'store:delete', asked)
      await storeOf(c).run([{ put: { ...value, allowed, value: null } }])
      return c.body(null, 204)
    })
    .post('/store/items/search', async c => {
      const { namespace_prefix, refresh_ttl, ...asked } = await body(c, protocol.searchItems)
      const { value, allowed } = await permit(ports, c, 'store:search', { namespace: namespace_prefix, ...asked })
      const { namespace, filter, limit, offset, query } = value
      const search = {
        namespace_prefix: namespace,
        allowed,
        limit: limit ?? 10,
        offset: offset ?? 0,
        ...(filter && { filter }),
        ...(query && { query }),
        ...(refresh_ttl != null && { refresh: refresh_ttl }),
      }
      const [items] = await storeOf(c).run([{ search }])
      return c.json({ items: (items as Item[]).map(wireItem) })
    })
    .post('/store/namespaces', async c => {
      const { prefix, ...asked } = await body(c, protocol.searchNamespaces)
      const { value, allowed } = await permit(ports, c, 'store:list_namespaces', { namespace: prefix, ...asked })
      const { namespace, suffix, max_depth, limit, offset } = value
      const match: NamespaceSearch['match'] = []
      if (namespace) match.push({ end: 'prefix', labels: namespace })
      if (suffix) match.push({ end: 'suffix', labels: suffix })
      const list = { match, allowed, limit: limit ?? 100, offset: offset ?? 0, ...(max_depth != null && { max_depth }) }
      const [namespaces] = await storeOf(c).run([{ list }])
      return c.json({ namespaces })
    })
}

/** An item has a namespace: none at all is another mistake than a label that is none. */
function nameOf<T extends ItemName>(asked: T): T {
  if (asked.namespace.length === 0) throw new RunloomError('malformed', 'namespace: must not be empty')
  return asked
}

function refreshing(c: Context): { refresh?: boolean } {
  const asked = c.req.query('refresh_ttl')
  return asked === undefined ? {} : { refresh: parse(flag, asked, 'refresh_ttl') }
}

function wireItem({ namespace, key, value, created_at, updated_at, score }: Item) {
  return { namespace, key, value: JSON.parse(value), created_at, updated_at, ...(score !== undefined && { score }) }
}
