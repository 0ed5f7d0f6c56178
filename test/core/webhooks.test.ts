// The outbox of webhooks: written with a run's end, sent at least once and by one process at a time, whatever dies, and
// never in the way of runs.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { sweep } from '../../src/core/claims.ts'
import { Deliverer, type DelivererOptions, type DelivererPorts } from '../../src/core/deliverer.ts'
import { newId } from '../../src/core/ids.ts'
import { cancelRun, deleteRun } from '../../src/core/runs.ts'
import { startAlone } from '../../src/core/startup.ts'
import { deleteThread } from '../../src/core/threads.ts'
import { WebhookPolicy, type WebhookRules } from '../../src/core/webhook-policy.ts'
import { claimDeliveries, type Delivery, listDeliveries, redeliver, settleDelivery } from '../../src/core/webhooks.ts'
import { LocalBus } from '../../src/events/bus.ts'
import { webhooksConfig } from '../../src/protocol/webhooks.ts'
import { forEachDatabase } from '../support/databases.ts'
import { begin, type Core, claim, create, expire, finish, openCore, sliceOf, until } from './harness.ts'

interface Received {
  path: string
  headers: http.IncomingHttpHeaders
  body: string
}

/** An endpoint that answers by path: `/ok`, `/status/500`, `/hang`, `/redirect`; `/fail/2` fails so often. */
async function startEndpoint() {
  const received: Received[] = []
  const server = http.createServer(async (request, response) => {
    const body = (await Array.fromAsync(request)).join('')
    const path = request.url ?? ''
    received.push({ path, headers: request.headers, body })
    const [, kind, number] = path.split('/')
    if (kind === 'hang') return
    const failing = kind === 'fail' && received.filter(one => one.path === path).length <= Number(number)
    if (kind === 'redirect') response.setHeader('location', '/ok')
    response.statusCode = kind === 'status' ? Number(number) : failing ? 503 : kind === 'redirect' ? 302 : 200
    response.end('an answer that nobody reads')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    received,
    url: `http://127.0.0.1:${port}`,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

const CLAIM = { limit: 100, lease_ms: 60_000, per_origin: 100, busy: [] as string[] }
const rules = (changes: Partial<WebhookRules> = {}): WebhookRules => ({
  disabled: false,
  networks: ['127.0.0.0/8'],
  url: webhooksConfig.parse({}).url,
  ...changes,
})

forEachDatabase('webhooks', open => {
  let core: Core
  let endpoint: Awaited<ReturnType<typeof startEndpoint>>
  let deliverers: Deliverer[] = []
  before(async () => {
    core = await openCore(await open())
    endpoint = await startEndpoint()
  })
  after(async () => {
    endpoint.close()
    await core.close()
  })
  beforeEach(async () => {
    await core.empty()
    endpoint.received.length = 0
  })
  afterEach(async () => {
    await Promise.all(deliverers.map(deliverer => deliverer.close()))
    deliverers = []
  })

  const kwargs = (path: string) => ({ input: null, webhook: path.startsWith('/') ? `${endpoint.url}${path}` : path })
  const ended = async (path: string) => {
    const claimed = await begin(core, { kwargs: kwargs(path) })
    await finish(core, claimed)
    return claimed.run
  }
  const all = async () =>
    (await core.sql`select * from webhook_deliveries order by url, delivery_id`) as unknown as Delivery[]
  const statuses = async () => (await all()).map(delivery => delivery.status)
  const start = (options: Partial<DelivererOptions> = {}, ports: Partial<DelivererPorts> = {}) => {
    const deliverer = new Deliverer(
      {
        db: core.db,
        bus: new LocalBus(),
        logger: () => {},
        policy: new WebhookPolicy(rules()),
        body: async run_id => JSON.stringify({ run_id }),
        callHere: async () => assert.fail('no relative URL is called'),
        ...ports,
      },
      {
        poll_ms: 20,
        headers: {},
        secret: undefined,
        timeout_ms: 2_000,
        attempts: 3,
        backoff_ms: 10,
        ...options,
      },
    )
    deliverers.push(deliverer)
    return deliverer
  }
  const settled = () =>
    until(async () => (await statuses()).every(status => status === 'delivered' || status === 'dead'), 'all settled')

  test('every end of a run is put into the outbox, with the end', async () => {
    const success = await begin(core, { kwargs: kwargs('/ok') })
    assert.deepEqual(await all(), [])
    await finish(core, success)
    const failed = await begin(core, { kwargs: kwargs('/ok') })
    await finish(core, failed, { status: 'error', ending: { reason: 'failed', error: { error: 'E', message: 'm' } } })
    const timeout = await begin(core, { kwargs: kwargs('/ok') })
    await finish(core, timeout, { status: 'timeout' })
    const pending = await create(core, { kwargs: kwargs('/ok'), after_ms: 60_000 })
    await core.db.run(cancelRun, { run_id: pending.run.run_id, action: 'interrupt', by: 'test' })
    const running = await begin(core, { kwargs: kwargs('/ok') })
    await core.db.run(cancelRun, { run_id: running.run.run_id, action: 'interrupt', by: 'test' })
    assert.equal((await all()).length, 4)
    await finish(core, running)
    await finish(core, await begin(core, { kwargs: { input: { webhook: 'a word' } } }))
    const told = [success, failed, timeout, pending, running].map(({ run }) => run.run_id)
    assert.deepEqual((await all()).map(delivery => delivery.run_id).sort(), told.sort())
  })

  test('an end that is refused by the fence tells nobody', async () => {
    const claimed = await begin(core, { kwargs: kwargs('/ok') })
    const stale = { slice: sliceOf({ ...claimed, attempt: claimed.attempt - 1 }) }
    assert.deepEqual(await finish(core, claimed, stale), { landed: false })
    assert.deepEqual(await all(), [])
  })

  test('a run that was erased is not told of', async () => {
    const { run } = await create(core, { kwargs: kwargs('/ok'), after_ms: 60_000 })
    await core.db.run(cancelRun, { run_id: run.run_id, action: 'rollback', by: 'test' })
    const deleted = await ended('/ok')
    await core.db.run(deleteRun, deleted)
    const withThread = await ended('/ok')
    await core.db.run(deleteThread, { thread_id: withThread.thread_id })
    assert.deepEqual(await all(), [])
  })

  test('what was to be sent when the process died is sent by the next one', async () => {
    await ended('/ok') // and the process died before it looked
    const interrupted = await ended('/ok')
    const [claimed] = (await core.db.run(claimDeliveries, { ...CLAIM, limit: 2 })).filter(
      delivery => delivery.run_id === interrupted.run_id,
    )
    await core.sql`update webhook_deliveries set due_at = 1` // its lease has ended
    start()
    await settled()
    assert.deepEqual(await statuses(), ['delivered', 'delivered'])
    // The one that was taken for dead answers late: it changes nothing.
    const late = { status: 'dead', response_status: null, error: 'late', retry_ms: 0 } as const
    const { delivery_id, attempts } = claimed ?? assert.fail()
    await core.db.run(settleDelivery, { delivery_id, attempts, ...late })
    assert.deepEqual(await statuses(), ['delivered', 'delivered'])
  })

  test('at a start of the one process what was being sent is due, and what waits for a clock that went back', async () => {
    await ended('/ok') // being sent
    await core.db.run(claimDeliveries, CLAIM)
    await ended('/ok') // to be tried again, by a clock that was ahead
    const [hour, then] = [60 * 60 * 1000, new Date(Date.now() + 60 * 60 * 1000).toISOString()]
    await core.sql`
      update webhook_deliveries set due_at = due_at + ${hour}, updated_at = ${then} where status = 'pending'`
    assert.deepEqual(await core.db.run(claimDeliveries, CLAIM), [])
    await core.db.run(startAlone, undefined)
    assert.equal((await core.db.run(claimDeliveries, { ...CLAIM, limit: 2 })).length, 2)
  })

  test('of many processes one sends each', async () => {
    for (let n = 0; n < 30; n++) await ended(`/ok/${n}`)
    for (let n = 0; n < 5; n++) start()
    await settled()
    assert.deepEqual(new Set(await statuses()), new Set(['delivered']))
    assert.equal(endpoint.received.length, 30)
  })

  test('two claims at once never give the same delivery', async () => {
    for (let n = 0; n < 20; n++) await ended('/ok')
    const claims = await Promise.all(
      Array.from({ length: 6 }, () => core.db.run(claimDeliveries, { ...CLAIM, limit: 10 })),
    )
    const ids = claims.flat().map(delivery => delivery.delivery_id)
    assert.equal(new Set(ids).size, ids.length)
  })

  test('it is posted as JSON with its id, the configured headers and a signature that holds', async () => {
    const run = await ended('/ok')
    start({ headers: { authorization: 'Bearer x', 'content-type': 'text/plain' }, secret: 'secret' })
    await settled()
    const [{ headers, body }] = endpoint.received as [Received]
    assert.deepEqual(JSON.parse(body), { run_id: run.run_id })
    assert.equal(headers['content-type'], 'application/json')
    assert.equal(headers.authorization, 'Bearer x')
    const [delivery] = await all()
    assert.equal(headers['x-runloom-delivery'], delivery?.delivery_id)
    assert.deepEqual([delivery?.response_status, delivery?.attempts, delivery?.error], [200, 1, null])
    assert.ok(delivery?.delivered_at)
    const [, time, mac] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers['x-runloom-signature'])) ?? assert.fail()
    assert.equal(mac, createHmac('sha256', 'secret').update(`${time}.${body}`).digest('hex'))
    assert.ok(Math.abs(Number(time) - Date.now() / 1000) < 60)
  })

  test('a failure is tried again, later and later, until the limit; then it is dead', async () => {
    const urls = ['/fail/2', '/hang', '/redirect', '/status/500']
    for (const url of [...urls, 'http://127.0.0.2:1/nobody']) await ended(url)
    start({ timeout_ms: 300 })
    await settled()
    const outcome = (await all()).map(({ status, attempts, response_status, error }) => [
      status,
      attempts,
      response_status,
      error?.replace(/ECONNREFUSED.*/, 'ECONNREFUSED'),
    ])
    assert.deepEqual(outcome, [
      ['delivered', 3, 200, undefined],
      ['dead', 3, null, 'no answer within 300 ms'],
      ['dead', 3, 302, 'HTTP 302: redirects are not followed; give the final URL'],
      ['dead', 3, 500, 'HTTP 500'],
      ['dead', 3, null, 'connect ECONNREFUSED'],
    ])
    assert.equal(endpoint.received.filter(({ path }) => path === '/ok').length, 0)
  })

  test('the pauses grow from the first to six hours in all', async () => {
    await ended('/status/500')
    const pauses: number[] = []
    start({ attempts: 8, backoff_ms: 10_000 })
    for (let attempt = 1; attempt < 8; attempt++) {
      await until(
        async () => (await all())[0]?.attempts === attempt && (await statuses())[0] === 'pending',
        'it failed',
      )
      const [row] = await core.sql`select due_at - now_ms() as pause from webhook_deliveries`
      pauses.push(Number(row?.pause))
      await core.sql`update webhook_deliveries set due_at = 1`
    }
    await settled()
    for (const [index, pause] of pauses.entries()) {
      const expected = 10_000 * 3.4 ** index
      assert.ok(pause > expected * 0.75 && pause < expected * 1.25, `${pause} ms after attempt ${index + 1}`)
    }
    const hours = pauses.reduce((sum, pause) => sum + pause) / 3_600_000
    assert.ok(hours > 4.5 && hours < 7.5, `${hours} hours`)
  })

  test('a dead endpoint holds neither the other endpoints nor the runs', async t => {
    for (let n = 0; n < 40; n++) await ended('/hang')
    const other = await startEndpoint()
    t.after(() => other.close())
    start({ timeout_ms: 60_000 })
    await until(() => endpoint.received.length === 8, 'the dead endpoint is called, as often at once as it may')
    await ended(`${other.url}/ok`)
    await until(() => other.received.length === 1, 'the other endpoint is called beside it')
    const began = performance.now()
    await ended('/hang')
    assert.ok(performance.now() - began < 30_000, 'not as long as a dead endpoint is waited for')
    assert.equal(endpoint.received.length, 8)
  })

  test('closing breaks off what hangs and gives it back at once', async () => {
    await ended('/hang')
    const deliverer = start({ timeout_ms: 60_000 })
    await until(() => endpoint.received.length === 1, 'it is under way')
    await deliverer.close()
    const [delivery] = await all()
    assert.deepEqual([delivery?.status, delivery?.attempts], ['pending', 0])
    assert.equal((await core.db.run(claimDeliveries, CLAIM)).length, 1)
  })

  test('what the rules forbid is dead at once, and nothing is connected', async () => {
    await ended('/ok')
    await ended('http://localhost.:1/')
    start({}, { policy: new WebhookPolicy(rules({ networks: [] })) })
    await settled()
    assert.deepEqual(await statuses(), ['dead', 'dead'])
    assert.match((await all())[0]?.error ?? '', /not public/)
    assert.deepEqual(endpoint.received, [])
  })

  test('a relative URL is a call within the process, where that is allowed', async () => {
    const { run } = await begin(core, { kwargs: { input: null, webhook: '/custom/hook?x=1' } }).then(async claimed => {
      await finish(core, claimed)
      return claimed
    })
    const calls: string[] = []
    const url = { ...rules().url, disable_loopback: false }
    const callHere: DelivererPorts['callHere'] = async (path, init) => {
      calls.push(`${path} ${init.body}`)
      return new Response('taken')
    }
    start({}, { policy: new WebhookPolicy(rules({ url })), callHere })
    await settled()
    assert.deepEqual(calls, [`/custom/hook?x=1 ${JSON.stringify({ run_id: run.run_id })}`])
  })

  test('a run stays for its webhook, and is swept after it', async () => {
    const { run } = await begin(core, { kwargs: kwargs('/status/500'), if_not_exists: 'temporary' }).then(
      async claimed => {
        await finish(core, claimed)
        return claimed
      },
    )
    await core.sql`update runs set retained_from = 1`
    assert.equal((await core.db.run(sweep, { retention_ms: 0 })).swept, 0)
    start({ attempts: 1 })
    await settled()
    assert.equal((await core.db.run(sweep, { retention_ms: 0 })).swept, 1)
    assert.deepEqual(await core.sql`select 1 as x from threads where thread_id = ${run.thread_id}`, [])
  })

  test('a delivery is listed, and sent once more on request', async () => {
    const { run_id, thread_id } = await ended('/ok')
    start()
    await settled()
    const [delivery] = await core.db.run(listDeliveries, { run_id, thread_id })
    const again = await core.db.run(redeliver, { run_id, delivery_id: delivery?.delivery_id as string })
    assert.notEqual(again.delivery_id, delivery?.delivery_id)
    await until(() => endpoint.received.length === 2, 'it is sent again')
    await settled()
    assert.equal((await core.db.run(listDeliveries, { run_id })).length, 2)
    await assert.rejects(core.db.run(redeliver, { run_id, delivery_id: newId() }), { code: 'not_found' })
    await assert.rejects(core.db.run(listDeliveries, { run_id, thread_id: newId() }), { code: 'not_found' })
  })

  test('a run whose owner crashed too often is told of', async () => {
    const claimed = await begin(core, { kwargs: kwargs('/ok') })
    await core.sql`update runs set crashes = 3`
    await expire(core, claimed.run.thread_id)
    await claim(core)
    assert.equal((await all()).length, 1)
  })
})

test('which URLs are taken is the operator’s to say', () => {
  const url = webhooksConfig.parse({}).url
  const refused = (webhook: string, changes: Partial<typeof url> = {}, rest: Partial<WebhookRules> = {}) =>
    assert.throws(
      () => new WebhookPolicy(rules({ networks: [], url: { ...url, ...changes }, ...rest })).check(webhook),
      {
        code: 'invalid',
        message: /^webhook: /,
      },
    )
  const taken = (webhook: string, changes: Partial<typeof url> = {}) =>
    new WebhookPolicy(rules({ networks: [], url: { ...url, ...changes } })).check(webhook)
  taken('https://example.com/hook')
  taken('http://example.com:8080/hook?token=1')
  for (const odd of ['', 'example.com', 'ftp://example.com', 'file:///etc/passwd', 'javascript:1', 'http://'])
    refused(odd)
  for (const local of ['http://127.0.0.1', 'http://2130706433', 'https://[::1]/', 'http://localhost.:80'])
    refused(local)
  refused('/custom')
  taken('/custom', { disable_loopback: false })
  refused('//example.com', { disable_loopback: false })
  refused('/\\example.com', { disable_loopback: false })
  refused('http://example.com', { require_https: true })
  refused('https://example.com:8443', { allowed_ports: [443] })
  taken('https://example.com', { allowed_ports: [443] })
  const allowed_domains = ['hooks.example.com', '*.my.org']
  taken('https://hooks.example.com', { allowed_domains })
  taken('https://HOOKS.example.com.', { allowed_domains })
  taken('https://a.b.my.org', { allowed_domains })
  refused('https://my.org', { allowed_domains })
  refused('https://notmy.org', { allowed_domains })
  refused('https://example.com', { allowed_domains })
  refused(`https://example.com/${'x'.repeat(5000)}`)
  refused('https://example.com', {}, { disabled: true })
})
