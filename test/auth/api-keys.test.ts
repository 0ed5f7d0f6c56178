// Static API keys (contracts: langgraph §13): who comes in without an `auth` section.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Client } from '@langchain/langgraph-sdk'
import { namedHash, newApiKey } from '../../src/core/api-keys.ts'
import { forEachDatabase } from '../support/databases.ts'
import { type AuthServer, startAuthServer } from './harness.ts'

const CI = newApiKey()
const PLAIN = 'a-plain-key-of-mine'
const READER = newApiKey()

forEachDatabase('API keys', open => {
  let server: AuthServer
  before(async () => {
    server = await startAuthServer(await open(), 'keys.json', {
      RUNLOOM_API_KEYS: `${namedHash('ci', CI)}, ${PLAIN}, ${namedHash('reader', READER, ['threads:read', 'runs:read'])}`,
    })
  })
  after(() => server.close())

  const count = async (headers: object, path = '/threads/count') =>
    (await server.call(undefined, 'POST', path, {}, headers)).status

  test('a key comes as x-api-key or as a bearer; nothing else does', async () => {
    for (const key of [CI, PLAIN]) {
      assert.equal(await count({ 'x-api-key': key }), 200)
      assert.equal(await count({ authorization: `Bearer ${key}` }), 200)
      assert.equal(await count({ authorization: `bearer ${key}`, 'x-api-key': 'old' }), 200)
      assert.equal(await count({ authorization: `Basic ${key}` }), 401)
      assert.equal(await count({ 'x-api-key': `${key}x` }), 401)
      assert.equal(await count({ 'x-modelrelay-api-key': key }), 401)
      assert.equal(await count({ cookie: `x-api-key=${key}` }), 401)
    }
    assert.equal(await count({ 'x-api-key': namedHash('ci', CI) }), 401)
    assert.equal(await count({ 'x-auth-scheme': 'langsmith' }), 401)
    assert.equal(await count({}), 401)
  })

  test('below /api/v1 a key may also come as X-ModelRelay-Api-Key', async () => {
    assert.equal(await count({}, '/api/v1/threads'), 401)
    assert.equal(await count({ 'x-modelrelay-api-key': CI }, '/api/v1/threads'), 404)
    assert.equal(await count({ 'x-modelrelay-api-key': CI }, '/api/v10/threads'), 401)
  })

  test('a key with scopes opens what they say; none needs a CSRF token', async () => {
    assert.equal(await count({ 'x-api-key': READER, cookie: 'session=x' }), 200)
    const { status, json } = await server.call(undefined, 'POST', '/threads', {}, { 'x-api-key': READER })
    assert.deepEqual([status, json], [403, { detail: 'Forbidden: this needs the permission threads:write' }])
    assert.equal((await server.call(READER, 'POST', '/api/threads', {})).status, 403)
    assert.equal((await server.call(READER, 'POST', '/api/v1/threads', {})).status, 404)
    assert.equal((await server.call(READER, 'GET', '/metrics')).status, 200)
    for (const key of [CI, PLAIN]) assert.equal((await server.call(key, 'POST', '/threads', {})).status, 200)
    const pages = await Promise.all([READER, CI].map(key => server.call(key, 'GET', '/api/v1/auth/me')))
    assert.deepEqual(
      pages.map(page => page.json.system_role),
      ['user', 'admin'],
    )
    const cookie = { 'x-modelrelay-api-key': READER, cookie: 'session=x' }
    assert.equal((await server.call(undefined, 'POST', '/api/v1/nothing', {}, cookie)).status, 404)
  })

  test('a refusal is one of our errors, and browsers may read it', async () => {
    const { status, json, headers } = await server.call(undefined, 'GET', '/threads/x', undefined, {
      origin: 'http://a',
    })
    assert.equal(status, 401)
    assert.deepEqual(Object.keys(json), ['detail'])
    assert.equal(headers.get('www-authenticate'), 'Bearer')
    assert.equal(headers.get('access-control-allow-origin'), '*')
    const preflight = { origin: 'http://a', 'access-control-request-method': 'GET' }
    assert.equal((await server.call(undefined, 'OPTIONS', '/threads/x', undefined, preflight)).status, 204)
  })

  test('/ok and /info need none', async () => {
    assert.equal((await server.call(undefined, 'GET', '/ok')).status, 200)
    assert.equal((await server.call(undefined, 'GET', '/info')).status, 200)
  })

  test('the official client sends its key; a run is told whose it was', async () => {
    const fetchHere = ((path: string, init: RequestInit) =>
      server.runtime.app.fetch(new Request(path, init))) as typeof fetch
    const callerOptions = { maxRetries: 0, fetch: fetchHere }
    const client = new Client({ apiUrl: 'http://runloom.test', apiKey: CI, callerOptions })
    const values = (await client.runs.wait(null, 'whoami', { input: {} })) as Record<string, unknown>
    assert.equal(values.user_id, 'ci')
    assert.deepEqual(values.permissions, [])
  })
})
