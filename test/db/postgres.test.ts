// What is Postgres' own: a pool of connections, which must be neither leaked nor thrown away.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import sql, { raw } from 'sql-template-tag'
import { type Database, isRefused, openDatabase } from '../../src/db/database.ts'
import { PreparedNames } from '../../src/db/prepared.ts'
import { createDatabase, dropDatabase } from '../support/postgres.ts'
import { execute, portable, refuse } from './transitions.ts'

describe('postgres', () => {
  let url: string
  before(async () => {
    url = await createDatabase()
  })
  after(() => dropDatabase(url))

  const backend = portable(sql`select pg_backend_pid() as pid`)

  test('a refused transition keeps its connection', async () => {
    const db = await openDatabase(url, { connections: 1 })
    const [before] = await db.run(execute, [backend])
    for (const how of ['domain', 'plain', 'type'] as const)
      await assert.rejects(db.run(refuse, { statements: [], how }))
    await assert.rejects(db.run(execute, [portable(sql`select 1 / 0`)]))
    assert.deepEqual(await db.run(execute, [backend]), [before])
    await db.close()
  })

  test('a value that cannot be sent is refused, and no reason to try again', async () => {
    const db = await openDatabase(url, { connections: 1 })
    const [before] = await db.run(execute, [backend])
    const bad = { toPostgres: () => assert.fail(new TypeError('no such value')) }
    const error = await db.run(execute, [portable(sql`select ${bad as never} as bad`)]).then(
      () => assert.fail('it was sent'),
      error => error,
    )
    assert.ok(isRefused(error), String(error))
    assert.deepEqual(await db.run(execute, [backend]), [before])
    await db.close()
  })

  test('a connection that breaks fails its transition, and the next gets another one', async () => {
    const db = await openDatabase(url, { connections: 1 })
    await assert.rejects(db.run(execute, [portable(sql`select pg_terminate_backend(pg_backend_pid())`)]))
    assert.equal((await db.run(execute, [backend])).length, 1)
    await db.close()
  })

  test('a statement without an answer fails after the time it was given, once', async () => {
    const db = await openDatabase(url, { connections: 1, timeout_ms: 1_000 })
    const started = performance.now()
    await assert.rejects(db.run(execute, [portable(sql`select pg_sleep(30)`)]), /timeout/i)
    assert.ok(performance.now() - started < 1_950, `${performance.now() - started} ms`)
    assert.equal((await db.run(execute, [backend])).length, 1)
    await db.close()
  })

  test('what was only read is told before its commit; what was written or locked is not', async t => {
    const db = await openDatabase(url, { connections: 3 })
    const commit = Promise.withResolvers<void>()
    const query = pg.Client.prototype.query as (...args: unknown[]) => unknown
    t.mock.method(pg.Client.prototype, 'query', async function (this: pg.Client, ...args: unknown[]) {
      if (args[0] === 'commit') await commit.promise
      return query.apply(this, args)
    })
    await db.run(execute, [portable(sql`select 1 as one`)])
    let told = 0
    const waiting = ['create table told (one integer)', 'select 1 from pg_class limit 0 for update'].map(async text => {
      await db.run(execute, [portable(raw(text))])
      told++
    })
    await sleep(200)
    assert.equal(told, 0)
    commit.resolve()
    await Promise.all(waiting)
    await db.close()
  })

  describe('statements that are asked often are prepared', () => {
    const asked = portable(sql`select ${7} + 1 as eight`)
    const prepared = portable(sql`select name from pg_prepared_statements where statement like '%as eight'`)
    const often = async (db: Database) => {
      for (let time = 0; time < 4; time++) assert.deepEqual(await db.run(execute, [asked]), [{ eight: 8 }])
    }
    /** A database with one connection, and whether it prepares still. */
    const opened = async (use: (db: Database) => Promise<void>) => {
      const db = await openDatabase(url, { connections: 1 })
      await use(db)
      await often(db)
      const names = await db.run(execute, [prepared])
      await db.close()
      return names.map(({ name }) => String(name))
    }

    test('under a name that is made of their text', async () => {
      const [names, again] = [await opened(often), await opened(often)]
      assert.equal(names.length, 1)
      assert.match(names[0] ?? '', /^runloom_/)
      assert.deepEqual(again, names)
    })

    test('unless they are gone from the session', async () => {
      const names = await opened(async db => {
        await often(db)
        await db.run(execute, [portable(sql`deallocate all`)])
      })
      assert.deepEqual(names, [])
    })

    test('unless another has prepared them in it', async () => {
      const [name = ''] = await opened(often)
      const names = await opened(async db => {
        await db.run(execute, [portable(raw(`prepare ${name} as select 8 as eight`))])
        await often(db)
      })
      assert.deepEqual(names, [name], 'the one of the other')
    })

    test('unless what they return has changed', async () => {
      const other = await openDatabase(url, { connections: 1 })
      await other.run(execute, [portable(sql`create table growing (one integer)`)])
      await other.run(execute, [portable(sql`insert into growing values (1)`)])
      const rows = portable(sql`select * from growing where one = ${1}`)
      await opened(async db => {
        for (let time = 0; time < 4; time++) assert.deepEqual(await db.run(execute, [rows]), [{ one: 1 }])
        await other.run(execute, [portable(sql`alter table growing add column two integer default 2`)])
        assert.deepEqual(await db.run(execute, [rows]), [{ one: 1, two: 2 }])
      })
      await other.close()
    })

    test('of those that are never asked again nothing is kept', async () => {
      const names = new PreparedNames()
      const often = [names.of('often'), names.of('often'), names.of('often')]
      assert.deepEqual(often, [undefined, undefined, often[2]])
      for (let text = 0; text < 5_000; text++) assert.equal(names.of(`once ${text}`), undefined)
      assert.equal(names.of('often'), often[2])
    })
  })
})
