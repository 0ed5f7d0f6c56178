// What is Postgres' own: a pool of connections, which must be neither leaked nor thrown away.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import sql from 'sql-template-tag'
import { isRefused, openDatabase } from '../../src/db/database.ts'
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
})
