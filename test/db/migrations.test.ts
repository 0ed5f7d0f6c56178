// The schema is applied once, whoever comes first, and never to a database that is newer.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import sql from 'sql-template-tag'
import { openDatabase } from '../../src/db/database.ts'
import { migrate } from '../../src/db/migrate.ts'
import { forEachDatabase } from '../support/databases.ts'
import { execute, portable } from './transitions.ts'

forEachDatabase('migrations', open => {
  test('a second time they change nothing', async () => {
    const db = await openDatabase(await open())
    const version = await migrate(db)
    await db.run(execute, [
      portable(sql`insert into idempotency_keys (face, idempotency_key, body_hash, run_id, created_ms)
        values ('f', 'k', 'h', 'r', 1)`),
    ])
    assert.equal(await migrate(db), version)
    assert.equal((await db.run(execute, [portable(sql`select * from idempotency_keys`)])).length, 1)
    assert.equal((await db.run(execute, [portable(sql`select * from schema_version`)])).length, 1)
    await db.close()
  })

  test('are applied once when two processes start at the same time', async () => {
    const url = await open()
    const dbs = await Promise.all(Array.from({ length: 4 }, () => openDatabase(url)))
    const versions = await Promise.all(dbs.map(migrate))
    assert.equal(new Set(versions).size, 1)
    assert.equal((await dbs[0]?.run(execute, [portable(sql`select * from schema_version`)]))?.length, 1)
    await Promise.all(dbs.map(db => db.close()))
  })

  test('a database of a newer Runloom is refused, and what to do is said', async () => {
    const db = await openDatabase(await open())
    const version = await migrate(db)
    await db.run(execute, [portable(sql`insert into schema_version (version) values (${version + 1})`)])
    await assert.rejects(migrate(db), (error: Error) => {
      assert.match(error.message, new RegExp(`schema version ${version + 1}.*knows ${version}.*newer Runloom`))
      return true
    })
    await db.close()
  })
})
