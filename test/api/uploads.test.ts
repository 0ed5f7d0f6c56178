// Uploads as a page and a client have them (contracts: gateway §4.1).
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { uploadAnswer, uploadDeleted, uploadLimits, uploadList } from '../../src/protocol/files.ts'
import { wordDocument } from '../support/office.ts'
import { forEachServer, startServer, temporaryFolder } from '../support/server.ts'
import { call, threadName } from './gateway-harness.ts'
import { eventually, say } from './harness.ts'

const LIMIT = 50 * 1024 * 1024

/** A body with these files in `field`. */
function form(files: [name: string, content: BlobPart][], field = 'files'): RequestInit {
  const body = new FormData()
  for (const [name, content] of files) body.append(field, new Blob([content]), name)
  return { method: 'POST', body }
}

const data = temporaryFolder()
after(data.remove)

forEachServer(
  'uploads',
  server => {
    const send = async (thread_id: string, init: RequestInit, status = 200) => {
      const response = await call(server(), `/threads/${thread_id}/uploads`, undefined, init)
      const text = await response.text()
      assert.equal(response.status, status, text)
      return JSON.parse(text)
    }
    const upload = async (thread_id: string, ...files: [name: string, content: BlobPart][]) =>
      uploadAnswer.parse(await send(thread_id, form(files)))
    const list = async (thread_id: string) => {
      const response = await call(server(), `/threads/${thread_id}/uploads/list`)
      assert.equal(response.status, 200)
      return uploadList.parse(await response.json())
    }
    const remove = (thread_id: string, name: string) =>
      call(server(), `/threads/${thread_id}/uploads/${name}`, undefined, { method: 'DELETE' })

    test('a file is uploaded, listed, read and deleted; the thread is made by it', async () => {
      const thread_id = threadName()
      const answer = await upload(thread_id, ['Übersicht 1.txt', 'hello'])
      const [file] = answer.files
      assert.deepEqual(
        { ...answer, files: [{ ...file, path: '' }] },
        {
          success: true,
          files: [
            {
              filename: 'Übersicht 1.txt',
              size: 5,
              path: '',
              virtual_path: '/mnt/user-data/uploads/Übersicht 1.txt',
              artifact_url: `/api/threads/${thread_id}/artifacts/mnt/user-data/uploads/%C3%9Cbersicht%201.txt`,
            },
          ],
          message: '1 file uploaded',
          skipped_files: [],
        },
      )
      assert.match(file?.path ?? '', new RegExp(`^threads/${thread_id}\\.\\w+/user-data/uploads/Übersicht 1\\.txt$`))
      const { files, count } = await list(thread_id)
      assert.equal(count, 1)
      const { path, virtual_path, artifact_url } = file as NonNullable<typeof file>
      assert.deepEqual(files, [
        {
          filename: 'Übersicht 1.txt',
          size: 5,
          path,
          virtual_path,
          artifact_url,
          extension: '.txt',
          modified: files[0]?.modified,
        },
      ])
      assert.ok(Math.abs(Date.now() / 1000 - (files[0]?.modified ?? 0)) < 3600)
      const { url, fetch } = server()
      assert.equal(await (await fetch(`${url}${file?.artifact_url}`)).text(), 'hello')
      const deleted = await remove(thread_id, encodeURIComponent('Übersicht 1.txt'))
      assert.deepEqual(uploadDeleted.parse(await deleted.json()), { success: true, message: 'Übersicht 1.txt deleted' })
      assert.deepEqual(await list(thread_id), { files: [], count: 0 })
      assert.equal((await remove(thread_id, encodeURIComponent('Übersicht 1.txt'))).status, 404)
    })

    test('the limits are told before there is a thread; a fresh thread has nothing', async () => {
      const limits = await (await call(server(), `/threads/${threadName()}/uploads/limits`)).json()
      assert.deepEqual(uploadLimits.parse(limits), {
        max_files: 10,
        max_file_size: LIMIT,
        max_total_size: 2 * LIMIT,
      })
      const { thread_id } = await server().client.threads.create()
      assert.deepEqual(await list(thread_id), { files: [], count: 0 })
      assert.equal((await call(server(), `/threads/${threadName()}/uploads/list`)).status, 404)
    })

    test('names that are taken get a number', async () => {
      const thread_id = threadName()
      await upload(thread_id, ['a.txt', '1'], ['a.txt', '2'])
      const { files } = await upload(thread_id, ['a.txt', '3'], ['b.txt', '4'])
      assert.deepEqual(
        files.map(({ filename, original_filename }) => [filename, original_filename]),
        [
          ['a_2.txt', 'a.txt'],
          ['b.txt', undefined],
        ],
      )
      assert.deepEqual(
        (await list(thread_id)).files.map(file => file.filename),
        ['a.txt', 'a_1.txt', 'a_2.txt', 'b.txt'],
      )
    })

    test('a document has its text beside it, and takes it along; what cannot be converted is uploaded', async () => {
      const thread_id = threadName()
      await upload(thread_id, ['report.md', 'my own'])
      const { files, success } = await upload(
        thread_id,
        ['report.docx', wordDocument('Chapter', 'words')],
        ['broken.docx', 'no document'],
      )
      assert.equal(success, true)
      const [report, broken] = files
      assert.equal(report?.markdown_file, 'report_1.md')
      assert.equal(report?.markdown_virtual_path, '/mnt/user-data/uploads/report_1.md')
      assert.equal(broken?.markdown_file, undefined)
      const { url, fetch } = server()
      const text = await (await fetch(`${url}${report?.markdown_artifact_url}`)).text()
      assert.equal(text, '<!-- text of report.docx -->\n\n# Chapter\n\nwords\n')
      assert.equal((await remove(thread_id, 'report.docx')).status, 200)
      assert.deepEqual(
        (await list(thread_id)).files.map(file => file.filename),
        ['broken.docx', 'report.md'],
      )
    })

    test('what is no upload is refused by name', async () => {
      const thread_id = threadName()
      const none = await send(thread_id, form([]), 400)
      assert.match(none.detail, /^files: no file came/)
      assert.match((await send(thread_id, form([['a', 'x']], 'file'), 400)).detail, /in the field "files"/)
      assert.match((await send(thread_id, { method: 'POST', body: '{}' }, 400)).detail, /multipart\/form-data/)
      const cut = { method: 'POST', headers: { 'content-type': 'multipart/form-data; boundary=b' } }
      const part = '--b\r\ncontent-disposition: form-data; name="files"; filename="a"\r\n\r\nx'
      assert.match((await send(thread_id, { ...cut, body: part }, 400)).detail, /no complete multipart body/)
      const names: [string, RegExp][] = [
        ['../evil.txt', /no slash or backslash/],
        ['..\\\\evil.txt', /no slash or backslash/],
        ['..', /not the name of a file/],
        [`${'x'.repeat(252)}.txt`, /255 bytes/],
      ]
      for (const [name, problem] of names) {
        const body = `${part.replace('"a"', `"${name}"`)}\r\n--b--\r\n`
        assert.match((await send(thread_id, { ...cut, body }, 400)).detail, problem)
      }
      const { url, fetch } = server()
      assert.equal((await fetch(`${url}/api/threads/${thread_id}`)).status, 404)
    })

    test('above a limit all of it is refused, and nothing stays', async () => {
      const thread_id = threadName()
      const many = Array.from({ length: 11 }, (_, n): [string, BlobPart] => [`${n}.txt`, 'x'])
      assert.match((await send(thread_id, form(many), 413)).detail, /more than 10 files/)
      const large = new Uint8Array(LIMIT + 1)
      assert.match(
        (
          await send(
            thread_id,
            form([
              ['ok.txt', 'x'],
              ['large.bin', large],
            ]),
            413,
          )
        ).detail,
        /"large.bin" is larger/,
      )
      const { url, fetch } = server()
      assert.equal((await fetch(`${url}/api/threads/${thread_id}`)).status, 404)
      assert.equal((await upload(thread_id, ['ok.txt', 'x'])).files.length, 1)
      assert.deepEqual(
        (await list(thread_id)).files.map(file => file.filename),
        ['ok.txt'],
      )
    })

    test('a path is no name to delete', async () => {
      const thread_id = threadName()
      await upload(thread_id, ['a.txt', 'x'])
      for (const name of ['..%2f..%2fa.txt', '%2e%2e%2fuploads%2fa.txt', 'x%5c..', 'a%00.txt']) {
        assert.equal((await remove(thread_id, name)).status, 400, name)
      }
      assert.equal((await list(thread_id)).count, 1)
    })

    test('a copy of a thread has its files, and its own; they go with the thread', async () => {
      const thread_id = threadName()
      await upload(thread_id, ['a.txt', 'x'])
      const { client } = server()
      const copied = (await client.threads.copy(thread_id)) as unknown as { thread_id: string }
      await client.threads.delete(thread_id)
      assert.deepEqual(
        (await list(copied.thread_id)).files.map(file => file.filename),
        ['a.txt'],
      )
      assert.equal((await call(server(), `/threads/${thread_id}/uploads/list`)).status, 404)
      await upload(thread_id, ['b.txt', 'x'])
      assert.deepEqual(
        (await list(thread_id)).files.map(file => file.filename),
        ['b.txt'],
      )
    })

    test('a thread that runs on after its first upload is the same one', async () => {
      const thread_id = threadName()
      await upload(thread_id, ['a.txt', 'x'])
      const asked = { assistant_id: 'echo', input: say('hi') }
      const run = await call(server(), `/threads/${thread_id}/runs/wait`, asked)
      assert.equal(run.status, 200)
      assert.equal((await list(thread_id)).count, 1)
    })
  },
  { env: { RUNLOOM_DATA: data.path } },
)

test('an upload that is broken off leaves nothing, and no word in the log', async t => {
  const folder = temporaryFolder()
  const server = await startServer({ database_url: `sqlite:${join(folder.path, 'runloom.db')}` })
  t.after(async () => {
    await server.stop()
    folder.remove()
  })
  const parts = () => readdirSync(join(folder.path, 'threads', '.parts'))
  const { port, host } = new URL(server.url)
  const socket = connect(Number(port), '127.0.0.1')
  socket.on('error', () => {})
  socket.write(
    `POST /api/threads/t/uploads HTTP/1.1\r\nhost: ${host}\r\ncontent-type: multipart/form-data; boundary=b\r\n` +
      'content-length: 10000000\r\n\r\n--b\r\ncontent-disposition: form-data; name="files"; filename="a"\r\n\r\n' +
      'x'.repeat(1_000_000),
  )
  await eventually(async () => assert.equal(parts().length, 1))
  socket.destroy()
  await eventually(async () => assert.deepEqual(parts(), []))
  assert.deepEqual(readdirSync(join(folder.path, 'threads')), ['.parts'])
  assert.equal((await fetch(`${server.url}/api/threads/t`)).status, 404)
  assert.doesNotMatch(server.errors(), /a request failed/)
})

test('an upload of the largest size is never whole in memory', async t => {
  const folder = temporaryFolder()
  const server = await startServer({
    database_url: `sqlite:${join(folder.path, 'runloom.db')}`,
    env: { NODE_OPTIONS: '--max-old-space-size=64', RUNLOOM_MAX_BODY_BYTES: '1000000' },
  })
  t.after(async () => {
    await server.stop()
    folder.remove()
  })
  const bodies = Array.from({ length: 4 }, (_, n) => form([[`${n}`, new Uint8Array(LIMIT)]]))
  const answers = await Promise.all(bodies.map(init => fetch(`${server.url}/api/threads/t/uploads`, init)))
  assert.deepEqual(
    answers.map(answer => answer.status),
    [200, 200, 200, 200],
  )
})
