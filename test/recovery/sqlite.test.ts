// SQLite's own troubles: a full disk, a file that cannot be written, a file that somebody else holds, a write-ahead log whose
// end is torn. Each gives a clear error, loses nothing that was committed, and passes when its cause does.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '../api/harness.ts'
import { clientOf, temporaryFolder } from '../support/server.ts'
import { expectComplete, fileOf, framesOf, rowsOf, start, startCounted, untilStep } from './harness.ts'
import { forSqlite } from './sqlite-files.ts'

const isRoot = process.getuid?.() === 0

test('a full disk: requests get a clear error, and what runs goes on when there is room again', async t => {
  await onSmallDisk(t, async folder => {
    const database_url = `sqlite:${join(folder, 'runloom.db')}`
    const server = await start(database_url)
    const client = clientOf(server.url)
    const done = await startCounted(client, 3, 0)
    await expectComplete(server, done)
    const run = await startCounted(client, 20, 60)
    await untilStep(database_url, run.run_id, 2)
    const filler = join(folder, 'filler')
    fill(filler)
    const refusal = await eventuallyRefused(server.url)
    assert.equal(refusal.status, 503, refusal.text)
    assert.match(refusal.text, /database/i)
    await sleep(1_500)
    rmSync(filler)
    await expectComplete(server, run)
    await expectComplete(server, await startCounted(client, 2, 0))
    await expectComplete(server, done)
    await server.kill()
  })
})

test('a limit on the size of files is like a full disk: nothing committed is lost', async () => {
  await forSqlite(async database_url => {
    // In units of 512 bytes or 1 KiB, by the shell.
    const limited = await start(database_url, {}, 'ulimit -f 2000; trap "" XFSZ')
    const client = clientOf(limited.url)
    const runs = []
    for (let count = 0; count < 200; count++) {
      const made = await startCounted(client, 5, 0, { filler: 'x'.repeat(20_000) }).catch(() => undefined)
      if (!made) break
      runs.push(made)
    }
    assert.ok(runs.length > 0 && runs.length < 200, `${runs.length} runs fitted`)
    await limited.kill()
    const server = await start(database_url)
    for (const run of runs) await expectComplete(server, run)
    await server.kill()
  })
})

test('a database that may only be read is refused in one clear line', async t => {
  if (isRoot && !canDropRights()) return t.skip('root may write any file, and there is no setpriv to stop being root')
  await forSqlite(async database_url => {
    const file = fileOf(database_url)
    for (const folder of [join(file, '..'), join(file, '../..')]) chmodSync(folder, 0o755) // the server may be nobody
    const server = await start(database_url)
    const run = await startCounted(clientOf(server.url), 3, 0)
    await expectComplete(server, run)
    await server.stop()
    chmodSync(join(file, '..'), 0o555)
    for (const name of [file, `${file}.lock`]) if (existsSync(name)) chmodSync(name, 0o444)
    await assert.rejects(start(database_url, {}, isRoot ? asNobody : undefined), (error: Error) => {
      const [line, ...more] = error.message.trim().split('\n')
      assert.match(line as string, /runloom\.db cannot be written/)
      assert.deepEqual(more, [], 'one line, not a stack')
      return true
    })
    chmodSync(join(file, '..'), 0o755)
    for (const name of [file, `${file}.lock`]) if (existsSync(name)) chmodSync(name, 0o644)
    const again = await start(database_url)
    await expectComplete(again, run)
    await again.kill()
  })
})

test('a file that another program holds for a while only delays', async () => {
  await forSqlite(async database_url => {
    const server = await start(database_url)
    const run = await startCounted(clientOf(server.url), 15, 60)
    await untilStep(database_url, run.run_id, 2)
    const holder = new DatabaseSync(fileOf(database_url))
    holder.exec('begin immediate')
    await sleep(2_500)
    holder.exec('rollback')
    holder.close()
    await expectComplete(server, run)
    await server.kill()
  })
})

test('a write-ahead log whose last write is torn loses nothing that was committed', async () => {
  await forSqlite(async database_url => {
    const wal = `${fileOf(database_url)}-wal`
    let server = await start(database_url)
    const run = await startCounted(clientOf(server.url), 22, 40)
    for (const tear of [garbage, halfFrame, zeroes]) {
      await untilStep(database_url, run.run_id, 2)
      await sleep(100)
      await server.kill()
      const before = await rowsOf(database_url, run)
      tear(wal)
      server = await start(database_url)
      const { events = [] } = await rowsOf(database_url, run)
      assert.deepEqual(events.slice(0, before.events?.length), before.events, 'what was committed is still there')
    }
    await expectComplete(server, run)
    await server.kill()
  })
})

test('a write-ahead log that lost commits: the run is done again from there, and a cursor from the future gets a gap', async () => {
  await forSqlite(async database_url => {
    const wal = `${fileOf(database_url)}-wal`
    let server = await start(database_url)
    const run = await startCounted(clientOf(server.url), 14, 180)
    await untilStep(database_url, run.run_id, 2)
    const kept = statSync(wal).size
    await untilStep(database_url, run.run_id, 8)
    await server.kill()
    const cursor = (await rowsOf(database_url, run)).heads?.[0]?.last_seq as number
    truncateSync(wal, kept - 100)
    server = await start(database_url)
    const headers = { 'last-event-id': String(cursor) }
    const text = await (await fetch(`${server.url}${run.path}/stream?stream_mode=updates`, { headers })).text()
    await expectComplete(server, run)
    const ids = (await framesOf(server, run.path)).map(frame => frame.id as number)
    assert.deepEqual(
      ids,
      ids.toSorted((a, b) => a - b),
    )
    assert.match(text, /event: gap/)
    await server.kill()
  })
})

const asNobody = 'set -- setpriv --reuid=65534 --regid=65534 --clear-groups "$@"'

function canDropRights(): boolean {
  return spawnSync('setpriv', ['--version']).status === 0
}

async function eventuallyRefused(url: string): Promise<{ status: number; text: string }> {
  let last = { status: 0, text: '' }
  await eventually(async () => {
    const metadata = { filler: 'x'.repeat(20_000) }
    const response = await fetch(`${url}/threads`, { method: 'POST', body: JSON.stringify({ metadata }) })
    last = { status: response.status, text: await response.text() }
    assert.ok(last.status >= 500)
  })
  return last
}

/** A file system of a few megabytes, which only root can have. */
async function onSmallDisk(t: TestContext, body: (folder: string) => Promise<void>): Promise<void> {
  const parent = temporaryFolder()
  const folder = join(parent.path, 'disk')
  mkdirSync(folder)
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', folder])
  if (mounted.status !== 0) {
    parent.remove()
    return t.skip(`no small disk: mounting one needs root (${String(mounted.stderr ?? mounted.error).trim()})`)
  }
  try {
    await body(folder)
  } finally {
    spawnSync('umount', ['-l', folder])
    parent.remove()
  }
}

function fill(file: string) {
  writeFileSync(file, '')
  for (const size of [1_000_000, 10_000, 100, 1]) {
    try {
      for (;;) appendFileSync(file, Buffer.alloc(size))
    } catch {
      // It is full for pieces of this size.
    }
  }
}

function garbage(wal: string) {
  appendFileSync(wal, Buffer.from(Array.from({ length: 5_000 }, (_, index) => (index * 7919) & 0xff)))
}

function halfFrame(wal: string) {
  appendFileSync(wal, Buffer.alloc(1_000, 0x2d))
}

function zeroes(wal: string) {
  appendFileSync(wal, Buffer.alloc(4_120 * 3))
}
