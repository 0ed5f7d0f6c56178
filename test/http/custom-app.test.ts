// In which order the user's middleware and authentication see a request, and which of the user's routes need it.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Hono, type MiddlewareHandler } from 'hono'
import { loadApp, mountAround } from '../../src/http/custom-app.ts'

type Order = 'middleware_first' | 'auth_first'

function open(middleware_order: Order, enable_custom_route_auth: boolean, mount_prefix = '') {
  const seen: string[] = []
  const noting =
    (name: string): MiddlewareHandler =>
    async (_c, next) => {
      seen.push(name)
      await next()
    }
  const custom = new Hono()
    .use(noting('middleware'))
    .get('/mine/:id', c => c.text('mine'))
    .all('/any', c => c.text('any'))
    .get('/ours/passed', (_, next) => next())
  const authenticate: MiddlewareHandler = async (c, next) => {
    seen.push('auth')
    return c.req.header('key') ? await next() : c.json({ detail: 'who are you?' }, 401)
  }
  const app = new Hono().basePath(mount_prefix)
  mountAround(app, { http: { middleware_order, enable_custom_route_auth, mount_prefix }, custom, authenticate })
  app.get('/ours/:id?', c => c.text('ours'))
  return async (path: string, headers: Record<string, string> = {}) => {
    seen.length = 0
    const { status } = await app.request(`${mount_prefix}${path}`, { headers })
    return [status, ...seen]
  }
}

const key = { key: 'k' }

describe('around our routes', () => {
  for (const prefix of ['', '/agents']) {
    test(`the user's middleware comes first, then authentication of our routes, below "${prefix}"`, async () => {
      const get = open('middleware_first', false, prefix)
      assert.deepEqual(await get('/ours', key), [200, 'middleware', 'auth'])
      assert.deepEqual(await get('/ours'), [401, 'middleware', 'auth'])
      for (const path of ['/mine/1', '/any']) assert.deepEqual(await get(path), [200, 'middleware'])
    })

    test(`authentication may come first, without touching the user's routes, below "${prefix}"`, async () => {
      const get = open('auth_first', false, prefix)
      assert.deepEqual(await get('/ours', key), [200, 'auth', 'middleware'])
      assert.deepEqual(await get('/ours'), [401, 'auth'])
      for (const path of ['/mine/1', '/any']) assert.deepEqual(await get(path), [200, 'middleware'])
      assert.deepEqual(await get('/mine'), [401, 'auth'])
    })

    test(`the user's routes are authenticated where the configuration says so, below "${prefix}"`, async () => {
      for (const order of ['middleware_first', 'auth_first'] as const) {
        const get = open(order, true, prefix)
        for (const path of ['/mine/1', '/any', '/ours']) {
          assert.deepEqual(await get(path), [401, 'auth'])
          assert.deepEqual(await get(path, key), [200, 'auth', 'middleware'])
        }
      }
    })
  }

  test('a route of the user’s that passes a request on does not open ours', async () => {
    for (const order of ['middleware_first', 'auth_first'] as const) {
      for (const own of [true, false]) {
        const get = open(order, own)
        assert.equal((await get('/ours/passed'))[0], 401)
        const [status, ...seen] = await get('/ours/passed', key)
        assert.deepEqual([status, ...seen.sort()], [200, 'auth', 'middleware'])
      }
    }
  })

  test('what is no app is named with its file', async () => {
    const graphs = join(import.meta.dirname, '../fixtures/http/graphs.ts')
    await assert.rejects(
      loadApp(graphs, 'tell'),
      /^Error: http\.app: .*graphs\.ts: tell is no Hono app; write: export const/,
    )
    await assert.rejects(loadApp(graphs, 'none'), /none is no Hono app/)
    const broken = join(import.meta.dirname, '../fixtures/api/broken.ts')
    await assert.rejects(loadApp(broken, 'app'), /^Error: http\.app: .*broken\.ts: /)
  })
})
