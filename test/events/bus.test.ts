// The Bus: hints reach every listener of a topic, across processes where Postgres carries them.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import pg from 'pg'
import { LocalBus } from '../../src/events/bus.ts'
import { PostgresBus } from '../../src/events/postgres-bus.ts'
import { until } from '../core/harness.ts'
import { createDatabase, dropDatabase } from '../support/postgres.ts'

test('a local bus tells every listener of a topic until it unsubscribes', () => {
  const bus = new LocalBus()
  const heard: string[] = []
  const stop = bus.subscribe('run:1', () => heard.push('a'))
  bus.subscribe('run:1', () => heard.push('b'))
  bus.subscribe('run:2', () => heard.push('c'))
  bus.publish('run:1')
  stop()
  stop()
  bus.publish('run:1')
  assert.deepEqual(heard, ['a', 'b', 'b'])
})

test('a listener may unsubscribe, and subscribe another, while it is told', () => {
  const bus = new LocalBus()
  const heard: string[] = []
  const stop = bus.subscribe('work', () => {
    heard.push('first')
    stop()
    bus.subscribe('work', () => heard.push('second'))
  })
  bus.publish('work')
  bus.publish('work')
  assert.deepEqual(heard, ['first', 'second'])
})

describe('a Postgres bus', () => {
  let url: string
  before(async () => {
    url = await createDatabase()
  })
  after(() => dropDatabase(url))

  const connected = (...buses: PostgresBus[]) =>
    until(() => buses.every(bus => bus.poll_ms === 1_000), 'the listeners have heard themselves')

  test('tells its own process at once, others soon, and nobody twice', async () => {
    const [here, there] = [new PostgresBus(url), new PostgresBus(url)]
    await connected(here, there)
    const heard = { here: 0, there: 0 }
    const arrived = Promise.withResolvers<void>()
    here.subscribe('run:1', () => heard.here++)
    there.subscribe('run:1', () => heard.there++)
    there.subscribe('run:2', arrived.resolve)
    for (let n = 0; n < 5; n++) here.publish('run:1')
    assert.deepEqual(heard, { here: 5, there: 0 })
    here.publish('run:2')
    await arrived.promise
    assert.deepEqual(heard, { here: 5, there: 1 })
    await Promise.all([here.close(), there.close()])
  })

  test('carries many topics at once', async () => {
    const [here, there] = [new PostgresBus(url), new PostgresBus(url)]
    await connected(here, there)
    const missing = new Set<string>()
    const all = Promise.withResolvers<void>()
    for (let n = 0; n < 1_000; n++) {
      const topic = `cancel:${String(n).padStart(36, '0')}` as const
      missing.add(topic)
      there.subscribe(topic, () => missing.delete(topic) && missing.size === 0 && all.resolve())
    }
    for (const topic of missing) here.publish(topic as 'work')
    await all.promise
    await Promise.all([here.close(), there.close()])
  })

  test('asks for polling while it does not hear, and hears again after its connection broke', async () => {
    const bus = new PostgresBus(url)
    assert.equal(bus.poll_ms, 100)
    await connected(bus)
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
    )
    await until(() => bus.poll_ms === 100, 'the break is noticed')
    await connected(bus)
    await client.end()
    await bus.close()
  })

  test('what others say on its channel says nothing', async () => {
    const bus = new PostgresBus(url)
    await connected(bus)
    const arrived = Promise.withResolvers<void>()
    bus.subscribe('work', arrived.resolve)
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    for (const payload of ['hello', '{}', 'null', '["else", "work"]']) {
      await client.query(`select pg_notify('runloom', $1)`, [payload])
    }
    await arrived.promise
    await client.end()
    await bus.close()
  })

  test('closes at once, also before it is connected and where there is no server', async () => {
    await new PostgresBus(url).close()
    const started = performance.now()
    await new PostgresBus('postgres://nobody@127.0.0.1:1/none').close()
    assert.ok(performance.now() - started < 5_000)
    const bus = new PostgresBus(url)
    bus.publish('work')
    await connected(bus)
    bus.publish('work')
    await bus.close()
  })
})
