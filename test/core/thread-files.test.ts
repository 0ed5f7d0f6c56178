import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { link, lstat, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { newId } from '../../src/core/ids.ts'
import { ThreadFiles } from '../../src/core/thread-files.ts'
import { pruneThread, sweepThreads } from '../../src/core/thread-prune.ts'
import { deleteThread } from '../../src/core/threads.ts'
import { Uploads } from '../../src/core/uploads.ts'
import { eventually } from '../api/harness.ts'
import { forEachDatabase } from '../support/databases.ts'
import { temporaryFolder } from '../support/server.ts'
import { type Core, openCore } from './harness.ts'

const refusedWith = (code: string) => (error: unknown) => (error as { code?: string }).code === code

forEachDatabase('files of threads', open => {
  let core: Core
  let data: string
  let files: ThreadFiles
  let uploads: Uploads
  const folders: { remove: () => void }[] = []

  before(async () => {
    core = await openCore(await open())
    const folder = temporaryFolder()
    folders.push(folder)
    data = folder.path
    files = new ThreadFiles({ db: core.db, folder: data, logger: () => {} })
    const limits = { max_files: 3, max_file_size: 100, max_total_size: 150 }
    uploads = new Uploads({ files, documents: undefined, limits })
  })
  after(async () => {
    await files.close()
    await core.close()
    for (const folder of folders) folder.remove()
  })

  async function thread(): Promise<string> {
    const thread_id = newId()
    await core.sql`
      insert into threads (thread_id, owner, created_at, updated_at, metadata, config, status, resting_status, interrupts,
        last_position, last_thread_seq, hidden)
      values (${thread_id}, '', '', '', '{}', '{}', 'idle', 'idle', '{}', 0, 0, 0)`
    return thread_id
  }
  async function put(thread_id: string, segments: string[], text: string) {
    return files.put(thread_id, segments, await files.stage([Buffer.from(text)]), 'replace')
  }
  async function textOf(thread_id: string, segments: string[]): Promise<string> {
    const { handle } = await files.open(thread_id, segments)
    const text = await handle.readFile('utf8')
    await handle.close()
    return text
  }
  const onDisk = async (thread_id: string, ...segments: string[]) =>
    join(data, await files.hostPath(thread_id, segments))
  const upload = async (thread_id: string, ...names: string[]) => {
    const batch = uploads.begin()
    try {
      for (const name of names) await batch.take(name, chunks(`content of ${name}`))
      return await uploads.add(thread_id, batch)
    } finally {
      await batch.drop()
    }
  }
  async function* chunks(...texts: string[]) {
    for (const text of texts) yield Buffer.from(text)
  }
  const parts = async () => (existsSync(join(data, 'threads/.parts')) ? readdir(join(data, 'threads/.parts')) : [])

  test('a file comes whole, is replaced whole, and is in its thread alone', async () => {
    const [mine, other] = [await thread(), await thread()]
    await put(mine, ['workspace', 'a', 'b.txt'], 'one')
    await put(mine, ['workspace', 'a', 'b.txt'], 'two')
    assert.equal(await textOf(mine, ['workspace', 'a', 'b.txt']), 'two')
    await assert.rejects(textOf(other, ['workspace', 'a', 'b.txt']), refusedWith('not_found'))
    assert.deepEqual(
      (await files.list(mine, ['workspace'])).map(({ name, kind }) => [name, kind]),
      [['a', 'folder']],
    )
    assert.deepEqual(await parts(), [])
  })

  test('a thread without files has no folder, and lists none', async () => {
    const thread_id = await thread()
    assert.deepEqual(await uploads.list(thread_id), { files: [], count: 0 })
    await assert.rejects(textOf(thread_id, ['uploads', 'a']), refusedWith('not_found'))
    assert.ok(!existsSync(dirname(dirname(await onDisk(thread_id, 'uploads')))))
  })

  test('a thread that there is not gets no file', async () => {
    await assert.rejects(put(newId(), ['uploads', 'a'], 'x'), refusedWith('not_found'))
    assert.deepEqual(await parts(), [])
  })

  test('no link is followed: not to read, not to write, not to delete', async () => {
    const thread_id = await thread()
    const outside = join(data, `outside-${thread_id}`)
    await mkdir(outside)
    await writeFile(join(outside, 'secret'), 'secret')
    await put(thread_id, ['uploads', 'a'], 'a')
    await symlink(join(outside, 'secret'), await onDisk(thread_id, 'uploads', 'link'))
    await symlink(outside, await onDisk(thread_id, 'uploads', 'folder'))
    await link(join(outside, 'secret'), await onDisk(thread_id, 'uploads', 'hard'))

    for (const segments of [
      ['uploads', 'link'],
      ['uploads', 'folder', 'secret'],
    ]) {
      await assert.rejects(textOf(thread_id, segments), refusedWith('forbidden'))
      await assert.rejects(files.remove(thread_id, segments), refusedWith('forbidden'))
    }
    await assert.rejects(put(thread_id, ['uploads', 'folder', 'new'], 'x'), refusedWith('forbidden'))
    await assert.rejects(files.list(thread_id, ['uploads', 'folder']), refusedWith('forbidden'))
    assert.equal(await put(thread_id, ['uploads', 'link'], 'x'), 'linked')
    assert.equal(await put(thread_id, ['uploads', 'hard'], 'x'), 'linked')
    const { success, files: put_, skipped_files } = await upload(thread_id, 'link', 'hard', 'b')
    assert.deepEqual([success, put_.map(file => file.filename), skipped_files], [false, ['b'], ['link', 'hard']])
    assert.deepEqual(
      (await files.list(thread_id, ['uploads'])).map(entry => entry.name),
      ['a', 'b', 'hard'],
    )
    await assert.rejects(uploads.remove(thread_id, 'link'), refusedWith('forbidden'))
    assert.equal(await readFile(join(outside, 'secret'), 'utf8'), 'secret')
    assert.deepEqual(await readdir(outside), ['secret'])

    await core.db.run(deleteThread, { thread_id })
    files.start()
    files.wake()
    await eventually(async () =>
      assert.deepEqual(await core.sql`select * from thread_folders where thread_id is null`, []),
    )
    assert.equal(await readFile(join(outside, 'secret'), 'utf8'), 'secret')
  })

  test('names that are taken get a number, in one call and over several', async () => {
    const thread_id = await thread()
    const first = await upload(thread_id, 'a.txt', 'a.txt', 'b')
    assert.deepEqual(
      first.files.map(({ filename, original_filename }) => [filename, original_filename]),
      [
        ['a.txt', undefined],
        ['a_1.txt', 'a.txt'],
        ['b', undefined],
      ],
    )
    const second = await upload(thread_id, 'a.txt')
    assert.equal(second.files[0]?.filename, 'a_2.txt')
    const together = await Promise.all(Array.from({ length: 5 }, () => upload(thread_id, 'c.txt')))
    const names = together.map(({ files: [file] }) => file?.filename)
    assert.deepEqual(names.sort(), ['c.txt', 'c_1.txt', 'c_2.txt', 'c_3.txt', 'c_4.txt'])
    assert.equal((await uploads.list(thread_id)).count, 9)
  })

  test('above a limit, and with a name that is none, nothing of a batch stays', async () => {
    const thread_id = await thread()
    const cases: [string, (batch: ReturnType<Uploads['begin']>) => Promise<void>][] = [
      ['too_large', batch => batch.take('a', chunks('x'.repeat(60), 'x'.repeat(60)))],
      [
        'too_large',
        batch => batch.take('b', chunks('x'.repeat(100))).then(() => batch.take('c', chunks('x'.repeat(100)))),
      ],
      ['malformed', batch => batch.take('../d', chunks('x'))],
      [
        'too_large',
        async batch => {
          for (const name of 'efgh') await batch.take(name, chunks('x'))
        },
      ],
    ]
    for (const [code, taking] of cases) {
      const batch = uploads.begin()
      await assert.rejects(taking(batch), refusedWith(code))
      await batch.drop()
    }
    assert.deepEqual(await parts(), [])
    assert.equal((await uploads.list(thread_id)).count, 0)
  })

  test('a folder goes with its thread, whichever way that goes; the next of that id has another', async () => {
    const [deleted, expired, kept] = [await thread(), await thread(), await thread()]
    for (const thread_id of [deleted, expired, kept]) await put(thread_id, ['outputs', 'a'], thread_id)
    const paths = await Promise.all([deleted, expired, kept].map(thread_id => onDisk(thread_id, 'outputs', 'a')))
    await core.sql`update threads set expires_at = 1, ttl_strategy = 'delete' where thread_id = ${expired}`
    await core.db.run(sweepThreads, 10)
    await core.db.run(deleteThread, { thread_id: deleted })
    await core.db.run(pruneThread, { thread_id: kept })
    await core.sql`
      insert into threads (thread_id, owner, created_at, updated_at, metadata, config, status, resting_status, interrupts,
        last_position, last_thread_seq, hidden)
      values (${deleted}, '', '', '', '{}', '{}', 'idle', 'idle', '{}', 0, 0, 0)`
    await assert.rejects(textOf(deleted, ['outputs', 'a']), refusedWith('not_found'))
    await put(deleted, ['outputs', 'b'], 'new')
    files.start()
    files.wake()
    await eventually(async () => assert.deepEqual(paths.map(existsSync), [false, false, true]))
    assert.equal(await textOf(deleted, ['outputs', 'b']), 'new')
    assert.equal(await textOf(kept, ['outputs', 'a']), kept)
    await eventually(async () =>
      assert.deepEqual(await core.sql`select * from thread_folders where thread_id is null`, []),
    )
  })

  test('a copy has its own files, and no links', async () => {
    const [from, to, empty] = [await thread(), await thread(), await thread()]
    await put(from, ['uploads', 'a'], 'a')
    await symlink('/etc/hosts', await onDisk(from, 'uploads', 'link'))
    await files.copy(from, to)
    await put(from, ['uploads', 'a'], 'changed')
    assert.equal(await textOf(to, ['uploads', 'a']), 'a')
    assert.equal(await lstat(await onDisk(to, 'uploads', 'link')).catch(() => 'none'), 'none')
    await files.copy(empty, from)
    assert.equal(await textOf(from, ['uploads', 'a']), 'changed')
  })
})
