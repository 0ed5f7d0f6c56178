// What the user's `Auth` may say (contracts: langgraph §13): of who asks, and of what they may do.
import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { newId } from '../../src/core/ids.ts'
import { answers, asked, EDITOR, type Question } from '../fixtures/auth/auth.ts'
import { forEachDatabase } from '../support/databases.ts'
import { type AuthServer, startAuthServer } from './harness.ts'

forEachDatabase('handlers', open => {
  let server: AuthServer
  before(async () => {
    server = await startAuthServer(await open(), 'scripted.json')
  })
  after(() => server.close())
  afterEach(() => {
    for (const handler of Object.keys(answers)) delete answers[handler]
    asked.length = 0
  })

  const call = (method: string, path: string, body?: unknown) => server.call('alice', method, path, body)
  const events = () => asked.map(({ event }) => event)

  test('an HTTPException of authenticate is the answer, with its headers', async () => {
    const { status, json, headers } = await server.call('teapot', 'GET', '/threads/x')
    assert.equal(status, 418)
    assert.deepEqual(json, { detail: 'I am a teapot' })
    assert.equal(headers.get('x-pot'), 'short and stout')
    assert.equal(headers.get('content-type'), 'application/json')
  })

  test('anything else that goes wrong there is 401, and says nothing but to the log', async () => {
    for (const token of [undefined, 'nobody', 'unlisted']) {
      const { status, json } = await server.call(token, 'GET', '/threads/x', undefined)
      assert.equal(status, 401)
      assert.deepEqual(json, { detail: 'Unauthorized' })
    }
    assert.match(JSON.stringify(server.logged), /authenticate failed.*postgres:.*permissions are a list of names/)
  })

  test('a user is what authenticate returned, filled up', async () => {
    await server.call('plain', 'POST', '/threads/count', {})
    const filled = { display_name: 'plain', identity: 'plain', is_authenticated: true, permissions: [] }
    assert.deepEqual(asked[0]?.user, filled)
    await server.call('scoped-x', 'POST', '/threads/count', {})
    assert.deepEqual(asked[1]?.permissions, EDITOR)
  })

  test('the most specific handler answers, alone', async () => {
    const id = newId()
    await call('GET', `/threads/${id}`)
    await call('PATCH', `/threads/${id}`, {})
    await call('POST', '/threads/search', {})
    await call('GET', '/assistants/steps')
    await call('POST', '/assistants/search', {})
    await call('POST', '/store/namespaces', {})
    assert.deepEqual(
      asked.map(({ handler, event }) => `${handler} for ${event}`),
      [
        'threads:read for threads:read',
        'threads for threads:update',
        'threads for threads:search',
        '*:read for assistants:read',
        '*:search for assistants:search',
        '* for store:list_namespaces',
      ],
    )
  })

  test('nothing, null and true let it pass; false does not; anything else is our log’s', async () => {
    for (const [answer, expected] of [
      [undefined, 200],
      [null, 200],
      [true, 200],
      [false, 403],
      [{}, 200],
      [{ $or: [{ owner: 'a' }, { owner: 'b' }] }, 200],
      ['yes', 500],
      [0, 500],
      [{ owner: undefined }, 500],
      [{ owner: { $regex: '.*' } }, 500],
    ] as const) {
      answers.threads = () => answer
      const { status, json } = await call('POST', '/threads/count', {})
      assert.equal(status, expected, JSON.stringify(answer))
      if (status >= 400) assert.deepEqual(Object.keys(json), ['detail'])
      if (status === 500) assert.match(String(server.logged.at(-1)?.fields?.reason), /auth: .* of threads:search/)
    }
  })

  test('a handler that throws: an HTTPException is the answer, anything else is 500 without a word', async () => {
    answers.threads = () => {
      throw new Error('secret')
    }
    const { status, json } = await call('POST', '/threads/count', {})
    assert.equal(status, 500)
    assert.doesNotMatch(JSON.stringify(json), /secret/)
    assert.match(JSON.stringify(server.logged.at(-1)), /secret/)
  })

  test('what a handler changes is what is done', async () => {
    answers['*'] = ({ event, value, user }: Question) => {
      if (event === 'threads:create') value.metadata = { stamp: user.identity }
      if (event === 'threads:create_run') value.metadata.run_stamp = user.identity
      if (event === 'threads:search') value.limit = 1
      if (event === 'assistants:create') value.name = 'renamed'
      if (event === 'crons:create') value.schedule = '0 0 2 2 *'
      if (event.startsWith('store:')) value.namespace = [user.identity, ...(value.namespace ?? [])]
    }
    const { json: thread } = await call('POST', '/threads', { metadata: { given: 1 } })
    assert.deepEqual(thread.metadata, { stamp: 'alice' })
    await call('POST', '/threads')
    assert.equal((await call('POST', '/threads/search', { limit: 10 })).json.length, 1)
    const fresh = newId()
    const run = { assistant_id: 'steps', input: { count: 1 }, if_not_exists: 'create', metadata: { given: 1 } }
    const { json: made } = await call('POST', `/threads/${fresh}/runs`, run)
    assert.deepEqual([made.metadata.given, made.metadata.run_stamp], [1, 'alice'])
    assert.equal((await call('GET', `/threads/${fresh}`)).json.metadata.stamp, 'alice')
    assert.equal((await call('POST', '/assistants', { graph_id: 'steps', name: 'given' })).json.name, 'renamed')
    const cron = await call('POST', '/runs/crons', { assistant_id: 'steps', schedule: '0 0 1 1 *' })
    assert.equal(cron.json.schedule, '0 0 2 2 *')
    assert.deepEqual(cron.json.metadata, { run_stamp: 'alice', stamp: 'alice' })
    assert.equal((await call('PUT', '/store/items', { namespace: ['n'], key: 'k', value: { n: 1 } })).status, 204)
    assert.deepEqual((await call('GET', '/store/items?namespace=n&key=k')).json.namespace, ['alice', 'n'])
    const { json } = await server.call('bob', 'GET', '/store/items?namespace=n&key=k')
    assert.equal(json, null)
    assert.deepEqual((await call('POST', '/store/namespaces', {})).json.namespaces, [['alice', 'n']])
    assert.equal((await call('POST', '/store/items/search', { namespace_prefix: [] })).json.items.length, 1)
    assert.equal((await server.call('bob', 'DELETE', '/store/items', { namespace: ['n'], key: 'k' })).status, 204)
    assert.equal((await call('POST', '/store/items/search', { namespace_prefix: ['n'] })).json.items.length, 1)
  })

  test('the events of a run: its making, its assistant, and its thread where there is none yet', async () => {
    const { json: thread } = await call('POST', '/threads')
    asked.length = 0
    const run = { assistant_id: 'steps', input: { count: 1 }, if_not_exists: 'create' }
    await call('POST', `/threads/${thread.thread_id}/runs/wait`, run)
    assert.deepEqual(events(), ['threads:create_run', 'assistants:read'])
    asked.length = 0
    await call('POST', `/threads/${newId()}/runs/wait`, run)
    assert.deepEqual(events(), ['threads:create_run', 'assistants:read', 'threads:create'])
    asked.length = 0
    await call('POST', '/runs/batch', [{ assistant_id: 'steps', after_seconds: 60 }])
    assert.deepEqual(events(), ['threads:create_run', 'assistants:read', 'threads:create'])
    assert.equal(asked[0]?.value.after_seconds, 60)
    asked.length = 0
    await call('POST', `/threads/${thread.thread_id}/runs/crons`, { assistant_id: 'steps', schedule: '0 0 1 1 *' })
    assert.deepEqual(events(), ['crons:create', 'threads:create_run', 'assistants:read'])
    asked.length = 0
    await call('POST', `/threads/${thread.thread_id}/copy`)
    assert.deepEqual(events(), ['threads:read', 'threads:create'])
  })

  test('who may read a run but not stop it cannot stop it by leaving', async () => {
    const { json: run } = await call('POST', '/runs', { assistant_id: 'steps', after_seconds: 60 })
    answers.threads = ({ action }) => action !== 'update'
    answers['threads:read'] = () => true
    const path = `/runs/${run.run_id}/stream`
    assert.equal((await call('GET', path)).status, 200)
    assert.equal((await call('GET', `${path}?cancel_on_disconnect=true`)).status, 403)
  })

  test('that Studio’s requests are asked like all others is said at start', async () => {
    const { status } = await server.call(undefined, 'GET', '/threads/x', undefined, { 'x-auth-scheme': 'langsmith' })
    assert.equal(status, 401)
  })
})
