// What users may do whose permissions are stated (contracts: gateway §1.10), where that depends on more than the route; and
// writes by cookie. test/auth/routes.test.ts has every route.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Hono } from 'hono'
import { newId } from '../../src/core/ids.ts'
import { permissions } from '../../src/http/permissions.ts'
import { eventually } from '../api/harness.ts'
import { forEachDatabase } from '../support/databases.ts'
import { type AuthServer, startAuthServer } from './harness.ts'
import { limited } from './needs.ts'

forEachDatabase('permissions', open => {
  let server: AuthServer
  before(async () => {
    server = await startAuthServer(await open(), 'langgraph.json')
  })
  after(() => server.close())

  const status = async (scopes: string, method: string, path: string, body?: unknown) =>
    (await server.call(limited('alice', scopes), method, path, body)).status

  const waiting = async () => {
    const run = { assistant_id: 'steps', after_seconds: 3_600 }
    const { json } = await server.call('alice', 'POST', '/runs', run)
    return json as { thread_id: string; run_id: string }
  }

  test('who may only read a run does not stop it: by leaving, by an action, by a query nobody can read', async () => {
    const run = await waiting()
    const one = `threads/${run.thread_id}/runs/${run.run_id}`
    for (const path of [
      `/${one}/stream`,
      `/api/${one}/stream`,
      `/runs/${run.run_id}/stream`,
      `/api/runs/${run.run_id}/stream`,
    ]) {
      assert.equal(await status('runs:read', 'GET', path), 200)
      assert.equal(await status('runs:read', 'GET', `${path}?cancel_on_disconnect=0`), 200)
      for (const wanted of ['1', 'true', 'maybe']) {
        assert.equal(await status('runs:read', 'GET', `${path}?cancel_on_disconnect=${wanted}`), 403)
      }
    }
    assert.equal(await status('runs:read', 'GET', `/${one}/join?cancel_on_disconnect=true`), 403)
    for (const path of [`/api/${one}/stream`, `/api/langgraph/${one}/stream`, `/api/runs/${run.run_id}/stream`]) {
      for (const method of ['GET', 'POST', 'HEAD']) {
        assert.equal(await status('runs:read', method, `${path}?action=interrupt`), 403, `${method} ${path}`)
      }
    }
    assert.equal((await server.call('alice', 'GET', `/${one}`)).json.status, 'pending')
    assert.equal(await status('runs:read+runs:cancel', 'GET', `/api/${one}/stream?action=interrupt`), 200)
    await eventually(async () => {
      assert.equal((await server.call('alice', 'GET', `/${one}`)).json.status, 'interrupted')
    })
  })

  test('pruning to the latest state is a write, all else of it deletes', async () => {
    const thread_ids = [newId()]
    for (const path of ['/threads/prune', '/api/threads/prune']) {
      for (const [scope, keep, remove] of [
        ['threads:write', 200, 403],
        ['threads:delete', 403, 200],
      ] as const) {
        assert.equal(await status(scope, 'POST', path, { thread_ids, strategy: 'keep_latest' }), keep)
        assert.equal(await status(scope, 'POST', path, { thread_ids, strategy: 'delete' }), remove)
        assert.equal(await status(scope, 'POST', path, { thread_ids }), remove)
      }
      for (const body of [null, 'keep_latest', { strategy: 'odd' }]) {
        assert.equal(await status('threads:write', 'POST', path, body), 403)
        assert.equal(await status('threads:delete', 'POST', path, body), 422)
      }
    }
  })

  test('a missing permission is said before anything else; what is not served is not there', async () => {
    assert.equal(await status('runs:read', 'GET', '/threads/nothing'), 403)
    assert.equal(await status('runs:read', 'POST', '/threads/search', { limit: 'x' }), 403)
    assert.equal(await status('admin', 'GET', '/threads/nothing'), 403)
    assert.equal(await status('threads:read', 'GET', `/threads/${newId()}`), 404)
    assert.equal(await status('admin', 'GET', '/no/such/route'), 404)
    assert.equal(await status('admin', 'GET', '/docs'), 200)
    assert.equal(await status('admin', 'GET', '/api/models'), 200)
    assert.equal((await server.call('alice', 'GET', '/api/mcp/config')).status, 200)
  })

  test('a relative webhook is a call by who made the run, with what they may do', async () => {
    const run = { assistant_id: 'steps', input: { count: 1 }, on_completion: 'keep', webhook: '/assistants/count' }
    const answered = async (...scopes: string[]) => {
      const { json } = await server.call(limited('alice', ...scopes), 'POST', '/runs', run)
      const path = `/threads/${json.thread_id}/runs/${json.run_id}/webhooks`
      let delivery: { response_status?: number } = {}
      await eventually(async () => {
        ;[delivery] = (await server.call('alice', 'GET', path)).json
        assert.ok(delivery.response_status)
      })
      return delivery.response_status
    }
    assert.equal(await answered('runs:create'), 403)
    assert.equal(await answered('runs:create', 'threads:read'), 200)
  })

  test('a write by cookie needs the token of a cookie in a header, too', async () => {
    const write = async (headers: Record<string, string>, method = 'POST', path = '/threads') => {
      const body = method === 'GET' ? undefined : {}
      return (await server.call(undefined, method, path, body, headers)).status
    }
    const session = 'session=alice'
    const cookie = `theme=dark; ${session}; csrf_token=t0ken`
    const forged = await server.call(undefined, 'POST', '/threads', {}, { cookie })
    assert.equal(forged.status, 403)
    assert.match(forged.json.detail, /X-CSRF-Token.+csrf_token/)
    assert.equal(await write({ cookie, 'x-csrf-token': 't0ken' }), 200)
    for (const [cookies, token] of [
      [cookie, 't0ken2'],
      [cookie, ''],
      [session, ''],
      [session, 't0ken'],
      [`${session}; csrf_token=`, ''],
      [`${session}; xcsrf_token=t0ken`, 't0ken'],
    ] as const) {
      assert.equal(await write({ cookie: cookies, 'x-csrf-token': token }), 403, `${cookies} ${token}`)
    }
    for (const method of ['PUT', 'PATCH', 'DELETE']) {
      assert.equal(await write({ cookie }, method, `/api/threads/${newId()}`), 403, method)
      assert.equal(await write({ cookie, 'x-csrf-token': 't0ken' }, method, `/api/threads/${newId()}`), 404, method)
    }
    assert.equal(await write({ cookie }, 'GET', `/threads/${newId()}`), 404)
    assert.equal(await write({ cookie, authorization: 'Bearer alice' }), 200)
    assert.equal(await write({ cookie, 'x-api-key': 'any' }), 200)
    assert.equal(await write({ cookie: 'csrf_token=t0ken' }), 401)
  })
})

test('a route that says of no scope is closed to who may not do everything; a prefix does not matter', async () => {
  const app = new Hono().basePath('/base')
  app.use(async (c, next) => {
    c.set('user' as never, { identity: 'x', permissions: JSON.parse(c.req.header('x-permissions') ?? '') } as never)
    await next()
  })
  app.get('/*', (_, next) => next())
  app.use(permissions('/base'))
  app.get('/forgotten', c => c.text('')).get('/threads/:thread_id', c => c.text(''))
  app.onError((error, c) => c.text(error.message, 418))
  const answer = async (path: string, ...scopes: string[]) => {
    const response = await app.request(`/base${path}`, { headers: { 'x-permissions': JSON.stringify(scopes) } })
    return `${response.status} ${await response.text()}`
  }
  assert.equal(await answer('/forgotten'), '200 ')
  assert.equal(await answer('/forgotten', 'admin'), '418 GET /base/forgotten has no scope')
  assert.equal(await answer('/theirs', 'admin'), '404 404 Not Found')
  assert.equal(await answer('/threads/x', 'threads:read'), '200 ')
  assert.equal(await answer('/threads/x', 'a name of the handlers'), '200 ')
  assert.equal(await answer('/threads/x', 'admin'), '418 Forbidden: this needs the permission threads:read')
})
