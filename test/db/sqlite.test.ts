// What is SQLite's own: one process a file, and a thread that transitions have to travel to.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import sql from 'sql-template-tag'
import { isRefused, openDatabase, ping } from '../../src/db/database.ts'
import { lockSqliteFile, openSqliteReadOnly } from '../../src/db/sqlite.ts'
import { execute, portable } from './transitions.ts'

describe('sqlite', () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'runloom-sqlite-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  test('a file that another process holds is refused with its name and a remedy, until that process is killed', async t => {
    const file = join(folder, 'held.db')
    const holder = await holdingProcess(file)
    t.after(() => holder.kill('SIGKILL'))
    assert.throws(
      () => lockSqliteFile(file),
      (error: Error) =>
        error.message.includes(file) && /another Runloom process; stop it, or choose/.test(error.message),
    )
    holder.kill('SIGKILL')
    await once(holder, 'exit')
    lockSqliteFile(file)()
  })

  test('a file may be taken again after its release, by the same process too', () => {
    const file = join(folder, 'released.db')
    const release = lockSqliteFile(file)
    assert.throws(() => lockSqliteFile(file), /in use/)
    release()
    lockSqliteFile(file)()
  })

  test('a file that is in use can be looked at', async () => {
    const file = join(folder, 'looked-at.db')
    const release = lockSqliteFile(file)
    const db = await openDatabase(`sqlite:${file}`)
    await db.run(execute, [portable(sql`create table seen (n integer)`), portable(sql`insert into seen values (7)`)])
    const reader = openSqliteReadOnly(file)
    assert.equal((await reader.run(execute, [portable(sql`select n from seen`)]))[0]?.n, 7)
    await assert.rejects(reader.run(execute, [portable(sql`insert into seen values (8)`)]), /readonly/)
    await reader.close()
    await db.close()
    release()
  })

  test('a new file may be opened by many at once', async () => {
    const [threads, arrived] = [3, new Int32Array(new SharedArrayBuffer(4))]
    const files = Array.from({ length: 150 }, (_, index) => join(folder, `new-${index}.db`))
    const opening = Array.from({ length: threads }, async () => {
      const thread = new Worker(new URL('./opening-thread.ts', import.meta.url), {
        workerData: { files, threads, arrived },
      })
      return (await once(thread, 'message'))[0]
    })
    assert.deepEqual(await Promise.all(opening), [[], [], []])
  })

  test('arguments that cannot travel to the thread are refused and harm nobody else', async () => {
    const db = await openDatabase(`sqlite:${join(folder, 'cloning.db')}`)
    const [before, unclonable, after] = await Promise.allSettled([
      db.run(execute, [portable(sql`select 1 as n`)]),
      db.run(execute, [(() => 1) as never]),
      db.run(execute, [portable(sql`select 2 as n`)]),
    ])
    assert.equal(before.status, 'fulfilled')
    assert.equal(after.status, 'fulfilled')
    assert.ok(unclonable.status === 'rejected' && isRefused(unclonable.reason), String(unclonable))
    await db.run(ping, undefined)
    await db.close()
  })
})

async function holdingProcess(file: string) {
  const module = new URL('../../src/db/sqlite.ts', import.meta.url).href
  const code = `const release = (await import(${JSON.stringify(module)})).lockSqliteFile(${JSON.stringify(file)})
    console.log('held'); setInterval(() => release, 1e6)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  return child
}
