// Every route, as somebody else (contracts: langgraph §13), and as somebody who may not do that (gateway §1.10): a route
// that is not in the table fails the first test, one that forgets to ask or to filter fails another.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { namedHash } from '../../src/core/api-keys.ts'
import { newId } from '../../src/core/ids.ts'
import { SCOPES } from '../../src/protocol/scopes.ts'
import { eventually } from '../api/harness.ts'
import { answers } from '../fixtures/auth/auth.ts'
import { forEachDatabase } from '../support/databases.ts'
import { GATEWAY_DATA, oneFile, skillNamed, TALK } from './gateway-data-routes.ts'
import { type AuthServer, startAuthServer } from './harness.ts'
import { limited, needsOf } from './needs.ts'

/** What alice has. */
export interface World {
  mark: string
  assistant_id: string
  /** A thread whose run has ended. */
  thread_id: string
  run_id: string
  checkpoint_id: string
  delivery_id: string
  /** A thread with a run that waits. */
  waiting: { thread_id: string; run_id: string }
  cron_id: string
  /** Hers, on that run. */
  feedback_id: string
  /** A thread with a question and an answer. */
  talk_id: string
  /** In her memory. */
  fact_id: string
  /** A run that waits for its client, where a route of workflows is asked. */
  workflow: { plan_hash: string; run_id: string; session_id: string; pending: Record<string, unknown>; call_id: string }
}

/**
 * What bob gets: a status, or 200 and this body. `open`: what everybody gets; `known`: everybody who is known; `asked`:
 * everybody whom the handler does not refuse; `admin`: who has that permission, where not everybody may do everything.
 */
type Foreign = 404 | 409 | 204 | 'open' | 'known' | 'asked' | 'admin' | { body: unknown }

export type Case = [foreign: Foreign, path: string, body?: unknown]

const WORKFLOW = {
  kind: 'workflow',
  nodes: [
    {
      id: 'a',
      type: 'llm',
      model: 'offline',
      user: 'what is 2 + 2',
      tools: [{ type: 'function', function: { name: 'calculate' } }],
      tool_execution: { mode: 'client' },
    },
  ],
  outputs: [{ name: 'o', from: 'a' }],
}

const SCHEDULE = { schedule: '0 0 1 1 *' }

const ROOT: Record<string, (world: World) => Case> = {
  'GET /ok': () => ['open', '/ok?check_db=1'],
  'GET /health': () => ['open', '/health'],
  'GET /info': () => ['open', '/info'],
  'GET /openapi.json': () => ['open', '/openapi.json'],
  'GET /docs': () => ['open', '/docs'],
  'GET /docs/:file': () => ['open', '/docs/swagger-ui.css'],
  'GET /metrics': () => ['known', '/metrics'],
  'GET /ui/*': () => ['open', '/ui/chat'],
  'GET /ui/assets/:file': () => ['open', '/ui/assets/page-Ab12.js'],
  'POST /assistants': w => [
    409,
    '/assistants',
    { assistant_id: w.assistant_id, graph_id: 'steps', if_exists: 'do_nothing' },
  ],
  'POST /assistants/search': w => [{ body: [] }, '/assistants/search', { metadata: { mark: w.mark } }],
  'POST /assistants/count': w => [{ body: 0 }, '/assistants/count', { metadata: { mark: w.mark } }],
  'GET /assistants/:assistant_id': w => [404, `/assistants/${w.assistant_id}`],
  'PATCH /assistants/:assistant_id': w => [404, `/assistants/${w.assistant_id}`, { name: 'taken' }],
  'DELETE /assistants/:assistant_id': w => [404, `/assistants/${w.assistant_id}?delete_threads=true`],
  'GET /assistants/:assistant_id/graph': w => [404, `/assistants/${w.assistant_id}/graph`],
  'GET /assistants/:assistant_id/schemas': w => [404, `/assistants/${w.assistant_id}/schemas`],
  'GET /assistants/:assistant_id/subgraphs': w => [404, `/assistants/${w.assistant_id}/subgraphs`],
  'GET /assistants/:assistant_id/subgraphs/:namespace': w => [404, `/assistants/${w.assistant_id}/subgraphs/none`],
  'POST /assistants/:assistant_id/versions': w => [404, `/assistants/${w.assistant_id}/versions`, {}],
  'POST /assistants/:assistant_id/latest': w => [404, `/assistants/${w.assistant_id}/latest`, { version: 1 }],
  'POST /threads': w => [409, '/threads', { thread_id: w.thread_id, if_exists: 'do_nothing' }],
  'POST /threads/search': w => [{ body: [] }, '/threads/search', { ids: [w.thread_id, w.waiting.thread_id] }],
  'POST /threads/count': w => [{ body: 0 }, '/threads/count', { metadata: { mark: w.mark } }],
  'POST /threads/prune': w => [{ body: { pruned_count: 0 } }, '/threads/prune', { thread_ids: [w.thread_id] }],
  'GET /threads/:thread_id': w => [404, `/threads/${w.thread_id}`],
  'PATCH /threads/:thread_id': w => [404, `/threads/${w.thread_id}`, { metadata: { taken: true } }],
  'DELETE /threads/:thread_id': w => [404, `/threads/${w.thread_id}`],
  'POST /threads/:thread_id/copy': w => [404, `/threads/${w.thread_id}/copy`],
  'GET /threads/:thread_id/storage': w => [404, `/threads/${w.thread_id}/storage`],
  'GET /threads/:thread_id/state': w => [404, `/threads/${w.thread_id}/state`],
  'GET /threads/:thread_id/state/:checkpoint_id': w => [404, `/threads/${w.thread_id}/state/${w.checkpoint_id}`],
  'POST /threads/:thread_id/state/checkpoint': w => [
    404,
    `/threads/${w.thread_id}/state/checkpoint`,
    { checkpoint: { checkpoint_id: w.checkpoint_id } },
  ],
  'POST /threads/:thread_id/state': w => [404, `/threads/${w.thread_id}/state`, { values: { log: ['taken'] } }],
  'PATCH /threads/:thread_id/state': w => [404, `/threads/${w.thread_id}/state`, { metadata: { taken: true } }],
  'GET /threads/:thread_id/history': w => [404, `/threads/${w.thread_id}/history`],
  'POST /threads/:thread_id/history': w => [404, `/threads/${w.thread_id}/history`, {}],
  'GET /threads/:thread_id/stream': w => [404, `/threads/${w.thread_id}/stream`],
  'POST /threads/:thread_id/runs': w => [
    404,
    `/threads/${w.thread_id}/runs`,
    { assistant_id: 'steps', if_not_exists: 'create', multitask_strategy: 'rollback' },
  ],
  'POST /threads/:thread_id/runs/stream': w => [
    404,
    `/threads/${w.thread_id}/runs/stream`,
    { assistant_id: 'steps', input: { count: 1 } },
  ],
  'POST /threads/:thread_id/runs/wait': w => [
    404,
    `/threads/${w.thread_id}/runs/wait`,
    { assistant_id: 'steps', input: { count: 1 } },
  ],
  'POST /runs': w => [404, '/runs', { assistant_id: w.assistant_id, input: { count: 1 } }],
  'POST /runs/stream': w => [404, '/runs/stream', { assistant_id: w.assistant_id, input: { count: 1 } }],
  'POST /runs/wait': w => [404, '/runs/wait', { assistant_id: w.assistant_id, input: { count: 1 } }],
  'POST /runs/batch': w => [404, '/runs/batch', [{ assistant_id: w.assistant_id, input: { count: 1 } }]],
  'POST /runs/search': w => [{ body: [] }, '/runs/search', { thread_id: w.thread_id }],
  'POST /runs/cancel': w => [204, '/runs/cancel', { thread_id: w.waiting.thread_id, run_ids: [w.waiting.run_id] }],
  'GET /threads/:thread_id/runs': w => [404, `/threads/${w.thread_id}/runs`],
  'GET /threads/:thread_id/runs/:run_id': w => [404, `/threads/${w.thread_id}/runs/${w.run_id}`],
  'DELETE /threads/:thread_id/runs/:run_id': w => [404, `/threads/${w.thread_id}/runs/${w.run_id}`],
  'GET /threads/:thread_id/runs/:run_id/join': w => [404, `/threads/${w.thread_id}/runs/${w.run_id}/join`],
  'GET /threads/:thread_id/runs/:run_id/stream': w => [
    404,
    `/threads/${w.thread_id}/runs/${w.run_id}/stream?cancel_on_disconnect=1`,
  ],
  'GET /runs/:run_id/stream': w => [404, `/runs/${w.run_id}/stream`],
  'POST /threads/:thread_id/runs/:run_id/cancel': w => [
    404,
    `/threads/${w.waiting.thread_id}/runs/${w.waiting.run_id}/cancel`,
  ],
  'GET /threads/:thread_id/runs/:run_id/webhooks': w => [404, `/threads/${w.thread_id}/runs/${w.run_id}/webhooks`],
  'POST /threads/:thread_id/runs/:run_id/webhooks/:delivery_id/redeliver': w => [
    404,
    `/threads/${w.thread_id}/runs/${w.run_id}/webhooks/${w.delivery_id}/redeliver`,
  ],
  'POST /runs/crons': w => [404, '/runs/crons', { ...SCHEDULE, assistant_id: w.assistant_id }],
  'POST /threads/:thread_id/runs/crons': w => [
    404,
    `/threads/${w.thread_id}/runs/crons`,
    { ...SCHEDULE, assistant_id: 'steps' },
  ],
  'POST /runs/crons/search': w => [{ body: [] }, '/runs/crons/search', { metadata: { mark: w.mark } }],
  'POST /runs/crons/count': w => [{ body: 0 }, '/runs/crons/count', { metadata: { mark: w.mark } }],
  'GET /runs/crons/:cron_id': w => [404, `/runs/crons/${w.cron_id}`],
  'PATCH /runs/crons/:cron_id': w => [404, `/runs/crons/${w.cron_id}`, { enabled: false }],
  'DELETE /runs/crons/:cron_id': w => [404, `/runs/crons/${w.cron_id}`],
  'PUT /store/items': w => [404, '/store/items', { namespace: [w.mark], key: 'k', value: { taken: true } }],
  'GET /store/items': w => [{ body: null }, `/store/items?namespace=${w.mark}&key=k`],
  'DELETE /store/items': w => [404, '/store/items', { namespace: [w.mark], key: 'k' }],
  'POST /store/items/search': w => [{ body: { items: [] } }, '/store/items/search', { namespace_prefix: [w.mark] }],
  'POST /store/namespaces': w => [{ body: { namespaces: [] } }, '/store/namespaces', { prefix: [w.mark] }],
  ...GATEWAY_DATA,
  'POST /api/v1/workflows/compile': () => ['asked', '/api/v1/workflows/compile', WORKFLOW],
  'POST /api/v1/workflows/lint': () => ['asked', '/api/v1/workflows/lint', WORKFLOW],
  'GET /api/v1/schemas/run_event.schema.json': () => ['open', '/api/v1/schemas/run_event.schema.json'],
  'GET /api/v1/schemas/workflow.schema.json': () => ['open', '/api/v1/schemas/workflow.schema.json'],
  'POST /api/v1/runs': w => [404, '/api/v1/runs', { plan_hash: w.workflow.plan_hash }],
  'GET /api/v1/runs': () => [{ body: { runs: [] } }, '/api/v1/runs'],
  'GET /api/v1/runs/:run_id': w => [404, `/api/v1/runs/${w.workflow.run_id}`],
  'GET /api/v1/runs/:run_id/steps': w => [404, `/api/v1/runs/${w.workflow.run_id}/steps`],
  'GET /api/v1/runs/:run_id/steps/:step/tool-calls/:tool_id': w => [
    404,
    `/api/v1/runs/${w.workflow.run_id}/steps/${w.workflow.pending.step}/tool-calls/${w.workflow.call_id}`,
  ],
  'GET /api/v1/runs/:run_id/tasks': w => [404, `/api/v1/runs/${w.workflow.run_id}/tasks`],
  'GET /api/v1/runs/:run_id/events': w => [404, `/api/v1/runs/${w.workflow.run_id}/events?wait=0&after_seq=9`],
  'GET /api/v1/runs/:run_id/pending-tools': w => [404, `/api/v1/runs/${w.workflow.run_id}/pending-tools`],
  'POST /api/v1/runs/:run_id/tool-results': w => [
    404,
    `/api/v1/runs/${w.workflow.run_id}/tool-results`,
    { ...w.workflow.pending, results: [{ tool_call: { id: w.workflow.call_id }, output: '' }] },
  ],
  'POST /api/v1/runs/:run_id/cancel': w => [404, `/api/v1/runs/${w.workflow.run_id}/cancel`],
  'POST /api/v1/sessions': () => ['asked', '/api/v1/sessions', {}],
  'GET /api/v1/sessions': w => [{ body: { sessions: [] } }, `/api/v1/sessions?customer_id=${w.mark}`],
  'GET /api/v1/sessions/:session_id': w => [404, `/api/v1/sessions/${w.workflow.session_id}`],
  'PATCH /api/v1/sessions/:session_id': w => [404, `/api/v1/sessions/${w.workflow.session_id}`, { metadata: { x: 1 } }],
  'DELETE /api/v1/sessions/:session_id': w => [404, `/api/v1/sessions/${w.workflow.session_id}`],
  'POST /api/v1/sessions/:session_id/messages': w => [
    404,
    `/api/v1/sessions/${w.workflow.session_id}/messages`,
    { role: 'user', content: [{ type: 'text', text: 'x' }] },
  ],
  'POST /api/v1/sessions/:session_id/clear': w => [404, `/api/v1/sessions/${w.workflow.session_id}/clear`],
}

/** Routes of the root that the gateway dialect has, too; the rest of them is below. */
const SHARED = /^\w+ \/(assistants|threads|runs(\/(stream|wait|:run_id\/stream))?$)(?!.*(crons|webhooks))/

const GATEWAY: Record<string, (world: World) => Case> = {
  ...Object.fromEntries(
    Object.entries(ROOT).filter(([route]) => SHARED.test(route) && route !== 'GET /threads/:thread_id/stream'),
  ),
  'GET /v1/auth/me': () => ['known', '/v1/auth/me'],
  'POST /threads/runs': w => [404, '/threads/runs', { assistant_id: 'steps', config: onThread(w) }],
  'POST /threads/runs/stream': w => [404, '/threads/runs/stream', { assistant_id: 'steps', config: onThread(w) }],
  'POST /threads/runs/wait': w => [404, '/threads/runs/wait', { assistant_id: 'steps', config: onThread(w) }],
  'POST /runs/:run_id/stream': w => [404, `/runs/${w.run_id}/stream`],
  'POST /threads/:thread_id/runs/:run_id/stream': w => [
    404,
    `/threads/${w.waiting.thread_id}/runs/${w.waiting.run_id}/stream?action=rollback`,
  ],
}

/** A call that names no thread in its path runs on this one. */
function onThread({ thread_id }: World) {
  return { configurable: { thread_id } }
}

const TABLE: Record<string, (world: World) => Case> = {
  ...ROOT,
  ...Object.fromEntries(
    Object.entries(GATEWAY).map(([route, entry]) => [
      route.replace(' /', ' /api/'),
      (world: World): Case => {
        const [foreign, path, body] = entry(world)
        return [foreign, `/api${path}`, body]
      },
    ]),
  ),
}

function expectedOf(foreign: Foreign, status: number): number {
  if (typeof foreign === 'number') return foreign
  return (foreign === 'asked' || foreign === 'admin') && status < 300 ? status : 200
}

const V1 = '/api/v1'
/** Each is sent as it is called; the last has no owner. */
const KEYS = [
  namedHash('first@alice', 'alice'),
  namedHash('second@alice', 'alice-2'),
  namedHash('first@bob', 'bob'),
  namedHash('operator', 'operator'),
]
/** Hundreds of routes, each with a world of its own. */
const WALK = { timeout: 600_000 }
const ADMIN = limited('alice', 'admin')
const NO_WORKFLOW = {
  plan_hash: '0'.repeat(64),
  run_id: newId(),
  session_id: newId(),
  pending: { step: 0 },
  call_id: 'none',
}

forEachDatabase('every route', open => {
  let server: AuthServer
  let denying: AuthServer
  let keyed: AuthServer
  before(async () => {
    keyed = await startAuthServer(await open(), 'keys.json', { RUNLOOM_API_KEYS: KEYS.join(',') })
    server = await startAuthServer(await open(), 'langgraph.json')
    denying = await startAuthServer(await open(), 'scripted.json')
    for (const [one, token] of [
      [server, ADMIN],
      [denying, ADMIN],
      [keyed, 'operator'],
    ] as const) {
      const { status } = await one.call(token, 'POST', '/api/skills/install', () => skillNamed('haiku'))
      assert.equal(status, 200)
    }
  })
  after(async () => {
    await server.close()
    await denying.close()
    await keyed.close()
  })

  const alice = async (method: string, path: string, body?: unknown, token = 'alice', on = server) => {
    const { status, json } = await on.call(token, method, path, body)
    assert.ok(status < 300, `${method} ${path} is ${status}: ${JSON.stringify(json)}`)
    return json
  }

  const asAlice =
    (on: AuthServer, token = 'alice') =>
    (method: string, path: string, body?: unknown) =>
      alice(method, path, body, token, on)

  /** Worlds for one route after the other: what only reads leaves its own for the next of its kind. */
  function worlds(on: AuthServer): (route: string) => Promise<World> {
    const left = new Map<string | undefined, World>()
    return async route => {
      const [kind] = /\/api\/v1\/|uploads|artifacts/.exec(route) ?? []
      const world = left.get(kind) ?? (await made(route, on))
      const reads = route.startsWith('GET ') || needsOf(route).every(scope => scope.endsWith(':read'))
      if (reads) left.set(kind, world)
      else left.delete(kind)
      return world
    }
  }

  async function made(route = '', on = server): Promise<World> {
    const alice = asAlice(on)
    const mark = `mark-${newId()}`
    const metadata = { mark }
    const { assistant_id } = await alice('POST', '/assistants', { graph_id: 'steps', metadata })
    const { thread_id } = await alice('POST', '/threads', { metadata })
    const { run_id } = await alice('POST', `/threads/${thread_id}/runs`, {
      assistant_id,
      input: { count: 1 },
      webhook: '/assistants/count',
    })
    await alice('GET', `/threads/${thread_id}/runs/${run_id}/join`)
    const { checkpoint } = await alice('GET', `/threads/${thread_id}/state`)
    const waiting = await alice('POST', '/threads', { metadata })
    const delayed = { assistant_id: 'steps', after_seconds: 3_600 }
    const pending = await alice('POST', `/threads/${waiting.thread_id}/runs`, delayed)
    const { cron_id } = await alice('POST', '/runs/crons', { ...SCHEDULE, assistant_id, metadata })
    await alice('PUT', '/store/items', { namespace: [mark], key: 'k', value: { n: 1 } })
    const feedback = await alice('PUT', `/api/threads/${thread_id}/runs/${run_id}/feedback`, { rating: 1 })
    const talk = await alice('POST', '/threads', { metadata })
    for (const message of TALK) {
      const asked = { assistant_id: 'talk', input: { messages: [message] } }
      await alice('POST', `/threads/${talk.thread_id}/runs/wait`, asked)
    }
    const { facts } = await alice('POST', '/api/memory/facts', { content: mark })
    if (/uploads|artifacts/.test(route)) await alice('POST', `/api/threads/${thread_id}/uploads`, oneFile())
    const delivery = await eventually(async () => {
      const [delivery] = await alice('GET', `/threads/${thread_id}/runs/${run_id}/webhooks`)
      assert.equal(delivery.status, 'delivered')
      return delivery
    })
    return {
      mark,
      assistant_id,
      thread_id,
      run_id,
      checkpoint_id: checkpoint.checkpoint_id,
      delivery_id: delivery.delivery_id,
      waiting: { thread_id: waiting.thread_id, run_id: pending.run_id },
      cron_id,
      feedback_id: feedback.feedback_id,
      talk_id: talk.thread_id,
      fact_id: facts.find(({ content }: { content: string }) => content === mark).id,
      workflow: route.includes(V1) ? await workflow(mark, on) : NO_WORKFLOW,
    }
  }

  async function workflow(mark: string, on: AuthServer): Promise<World['workflow']> {
    const alice = asAlice(on)
    const { plan_hash } = await alice('POST', `${V1}/workflows/compile`, { ...WORKFLOW, name: mark })
    const { run_id } = await alice('POST', `${V1}/runs`, { plan_hash })
    const { id: session_id } = await alice('POST', `${V1}/sessions`, { customer_id: mark })
    const path = `${V1}/runs/${run_id}/pending-tools`
    await eventually(async () => assert.equal((await alice('GET', path)).pending.length, 1))
    const [{ tool_calls, ...pending }] = (await alice('GET', path)).pending
    return { plan_hash, run_id, session_id, pending, call_id: tool_calls[0].tool_call.id }
  }

  /** All that alice has, as she sees it, or who else may. */
  async function look(
    { mark, assistant_id, thread_id, run_id, waiting, cron_id }: World,
    on = server,
    token = 'alice',
  ) {
    const alice = asAlice(on, token)
    return Promise.all([
      alice('GET', `/threads/${thread_id}/runs/${run_id}/webhooks`),
      alice('GET', `/assistants/${assistant_id}`),
      alice('GET', `/threads/${thread_id}`),
      alice('GET', `/threads/${thread_id}/state`),
      alice('GET', `/threads/${thread_id}/runs`),
      alice('GET', `/threads/${waiting.thread_id}/runs/${waiting.run_id}`),
      alice('GET', `/runs/crons/${cron_id}`),
      alice('POST', '/threads/count', { metadata: { mark } }),
      alice('GET', `/api/runs/${run_id}/feedback`),
      alice('POST', '/store/items/search', { namespace_prefix: [mark] }),
      alice('GET', '/api/memory'),
    ])
  }

  test('the table has every route that there is, and no other', () => {
    const routes = server.runtime.app.routes
      .filter(({ method }) => method !== 'ALL')
      .flatMap(({ method, path }) =>
        path.endsWith('?')
          ? [path.replace(/\/:\w+\?$/, ''), path.slice(0, -1)].map(one => `${method} ${one}`)
          : [`${method} ${path}`],
      )
    assert.deepEqual([...new Set(routes)].sort(), Object.keys(TABLE).sort())
  })

  test(
    'who may not is refused first; another sees and changes nothing; its owner needs no more than the scopes',
    WALK,
    async t => {
      const world = worlds(server)
      for (const [route, entry] of Object.entries(TABLE)) {
        await t.test(route, async () => {
          const [method = ''] = route.split(' ')
          const mine = await world(route)
          const [foreign, path, body] = entry(mine)
          const before = await look(mine)
          const needs = needsOf(route)
          for (const missing of needs) {
            const others = SCOPES.filter(scope => scope !== missing)
            const refused = await server.call(limited('bob', ...others), method, path, body)
            assert.equal(refused.status, 403, `without ${missing}: ${JSON.stringify(refused.json)}`)
            assert.match(refused.json.detail ?? refused.json.message, new RegExp(` ${missing}$`))
          }
          const only = needs.length > 0 ? needs : ['admin']
          const { status, json } = await server.call(limited('bob', ...only), method, path, body)
          assert.equal(status, expectedOf(foreign, status), `bob: ${JSON.stringify(json)}`)
          if (typeof foreign === 'object') assert.deepEqual(json, foreign.body)
          assert.deepEqual(await look(mine), before)
          const owner = await alice(method, path, body, limited('alice', ...only))
          if (typeof foreign === 'object') assert.notDeepEqual(owner, foreign.body)
        })
      }
    },
  )

  test(
    'what the keys of one owner make, another sees not and changes not; a second key of the owner may do it all',
    WALK,
    async t => {
      const world = worlds(keyed)
      for (const [route, entry] of Object.entries(TABLE)) {
        await t.test(route, async () => {
          const [method = ''] = route.split(' ')
          const mine = await world(route)
          const [foreign, path, body] = entry(mine)
          const before = await look(mine, keyed)
          // Items of one name are another's own: an owner has a store of their own.
          const ownItem = /^(PUT|DELETE) .*\/store\/items$/.test(route)
          const { status, json } = await keyed.call('bob', method, path, body)
          const expected = foreign === 'admin' ? 403 : expectedOf(foreign, status)
          assert.equal(status, ownItem ? 204 : expected, `bob: ${JSON.stringify(json)}`)
          if (typeof foreign === 'object') assert.deepEqual(json, foreign.body)
          assert.deepEqual(await look(mine, keyed), before)
          assert.doesNotMatch(JSON.stringify(before), /"owner"|key_owner/)
          // Last are the items, which an operator sees below their owner's label, and the memory, which is everybody's own.
          assert.deepEqual((await look(mine, keyed, 'operator')).slice(0, -2), before.slice(0, -2))
          if (foreign === 'admin') return
          const again = await asAlice(keyed, 'alice-2')(method, path, body)
          if (typeof foreign === 'object') assert.notDeepEqual(again, foreign.body)
        })
      }
    },
  )

  test('a request of nobody is 401, whatever it says of Studio', async t => {
    const mine = await made()
    for (const [route, entry] of Object.entries(TABLE)) {
      await t.test(route, async () => {
        const [method = ''] = route.split(' ')
        const [foreign, path, body] = entry(mine)
        const { status, json } = await server.call(undefined, method, path, body, { 'x-auth-scheme': 'langsmith' })
        assert.equal(status, foreign === 'open' ? 200 : 401)
        if (status !== 401) return
        if (path.startsWith(V1)) assert.equal(json.code, 'UNAUTHORIZED')
        else assert.deepEqual(json, { detail: 'Unauthorized' })
      })
    }
    assert.equal((await server.call(undefined, 'GET', '/no/such/route')).status, 401)
  })

  test('a handler that says no is asked by every route', async t => {
    const mine = await made()
    answers['*'] = () => false
    t.after(() => delete answers['*'])
    for (const [route, entry] of Object.entries(TABLE)) {
      await t.test(route, async () => {
        const [method = ''] = route.split(' ')
        const [foreign, path, body] = entry(mine)
        const { status, json } = await denying.call('alice', method, path, body)
        assert.equal(status, ['open', 'known'].includes(foreign as string) ? 200 : 403, JSON.stringify(json))
      })
    }
  })
})
