// A thread's files for browsers (contracts: gateway §2, §3.7).
import assert from 'node:assert/strict'
import { request } from 'node:http'
import { after, test } from 'node:test'
import { forEachServer, temporaryFolder } from '../support/server.ts'
import { call, threadName } from './gateway-harness.ts'

const FILES: Record<string, string> = {
  'a.txt': '0123456789',
  'page.html': '<script>alert(1)</script>',
  'drawing.svg': '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
  'data.xml': '<a/>',
  'page.xhtml': '<html xmlns="http://www.w3.org/1999/xhtml"/>',
  'data.json': '{}',
  'picture.png': 'png',
  'empty.txt': '',
  without: 'x',
  "it's (ä) 1%.txt": 'x',
}

const data = temporaryFolder()
after(data.remove)

forEachServer(
  'artifacts',
  (server, kind) => {
    async function thread(): Promise<string> {
      const thread_id = threadName()
      const body = new FormData()
      for (const [name, content] of Object.entries(FILES)) body.append('files', new Blob([content]), name)
      const { status } = await call(server(), `/threads/${thread_id}/uploads`, undefined, { method: 'POST', body })
      assert.equal(status, 200)
      return thread_id
    }
    const get = async (thread_id: string, path: string, init?: RequestInit) => {
      const response = await call(server(), `/threads/${thread_id}/artifacts/${path}`, undefined, init)
      return { status: response.status, headers: response.headers, text: await response.text() }
    }
    const below = (name: string) => `mnt/user-data/uploads/${encodeURIComponent(name)}`

    test('a file with its type and name; the leading slash may be there', async () => {
      const thread_id = await thread()
      const { status, headers, text } = await get(thread_id, below('a.txt'))
      assert.deepEqual([status, text], [200, FILES['a.txt']])
      assert.equal(headers.get('content-type'), 'text/plain; charset=utf-8')
      assert.equal(headers.get('content-length'), '10')
      assert.equal(headers.get('x-content-type-options'), 'nosniff')
      assert.equal(headers.get('content-disposition'), `inline; filename="a.txt"; filename*=UTF-8''a.txt`)
      assert.equal((await get(thread_id, `/${below('a.txt')}`)).text, FILES['a.txt'])
      assert.equal((await get(thread_id, below('empty.txt'))).text, '')
      const types = Object.fromEntries(
        await Promise.all(
          ['data.json', 'picture.png', 'without'].map(async name => [
            name,
            (await get(thread_id, below(name))).headers.get('content-type'),
          ]),
        ),
      )
      assert.deepEqual(types, {
        'data.json': 'application/json; charset=utf-8',
        'picture.png': 'image/png',
        without: 'application/octet-stream',
      })
      const quoted = await get(thread_id, below("it's (ä) 1%.txt"))
      assert.equal(
        quoted.headers.get('content-disposition'),
        `inline; filename="it's (_) 1_.txt"; filename*=UTF-8''it%27s%20%28%C3%A4%29%201%25.txt`,
      )
    })

    test('what a browser could run is downloaded, and may do nothing', async () => {
      const thread_id = await thread()
      for (const name of ['page.html', 'drawing.svg', 'data.xml', 'page.xhtml']) {
        const { status, headers } = await get(thread_id, below(name))
        assert.equal(status, 200)
        assert.match(headers.get('content-disposition') ?? '', /^attachment; /, name)
        assert.equal(headers.get('content-security-policy'), "sandbox; default-src 'none'", name)
        assert.equal(headers.get('x-content-type-options'), 'nosniff')
      }
      for (const flag of ['download=true', 'download=1']) {
        const { headers } = await get(thread_id, `${below('a.txt')}?${flag}`)
        assert.match(headers.get('content-disposition') ?? '', /^attachment; /)
      }
      assert.match(
        (await get(thread_id, `${below('a.txt')}?download=0`)).headers.get('content-disposition') ?? '',
        /^inline/,
      )
    })

    test('parts of a file, and a file that has not changed', async () => {
      const thread_id = await thread()
      const ranges: [range: string, status: number, text: string, content_range: string | null][] = [
        ['bytes=0-3', 206, '0123', 'bytes 0-3/10'],
        ['bytes=7-', 206, '789', 'bytes 7-9/10'],
        ['bytes=-2', 206, '89', 'bytes 8-9/10'],
        ['bytes=5-100', 206, '56789', 'bytes 5-9/10'],
        ['bytes=-100', 206, '0123456789', 'bytes 0-9/10'],
        ['bytes=10-', 416, '', 'bytes */10'],
        ['bytes=-0', 416, '', 'bytes */10'],
        ['bytes=3-1', 200, '0123456789', null],
        ['bytes=0-1,3-4', 200, '0123456789', null],
        ['lines=0-1', 200, '0123456789', null],
      ]
      for (const [range, status, text, content_range] of ranges) {
        const found = await get(thread_id, below('a.txt'), { headers: { range } })
        assert.deepEqual([found.status, found.text], [status, text], range)
        assert.equal(found.headers.get('content-range'), content_range, range)
      }
      const { headers } = await get(thread_id, below('a.txt'))
      const etag = headers.get('etag') ?? ''
      const unchanged = await get(thread_id, below('a.txt'), { headers: { 'if-none-match': etag } })
      assert.deepEqual([unchanged.status, unchanged.text], [304, ''])
      const head = await get(thread_id, below('a.txt'), { method: 'HEAD' })
      assert.deepEqual([head.status, head.headers.get('content-length'), head.text], [200, '10', ''])
    })

    test('nothing but files of the thread', async () => {
      const thread_id = await thread()
      const cases: [path: string, status: number][] = [
        ['mnt/user-data/uploads/missing.txt', 404],
        ['mnt/user-data/outputs/a.txt', 404],
        ['mnt/user-data/uploads/a.txt/b', 404],
        ['mnt/user-data', 400],
        ['mnt/user-data/uploads', 400],
        ['mnt/user-data-evil/uploads/a.txt', 400],
        ['mnt/user-data/uploads-evil/a.txt', 400],
        ['etc/passwd', 400],
        ['uploads/a.txt', 400],
        ['mnt/user-data/uploads/..%2f..%2f..%2f..%2fetc%2fpasswd', 403],
        ['mnt/user-data/%2e%2e%2f%2e%2e%2fx', 403],
        ['mnt/user-data/uploads/%252e%252e%252fa.txt', 404],
        ['mnt/user-data/uploads/..%5c..%5cx', 400],
        ['mnt/user-data/uploads/a.txt%00.png', 400],
      ]
      for (const [path, status] of cases) assert.equal((await get(thread_id, path)).status, status, path)
      const other = await thread()
      const { client } = server()
      await client.threads.delete(other)
      assert.equal((await get(other, below('a.txt'))).status, 404)
      assert.equal((await get(threadName(), below('a.txt'))).status, 404)
      const put = await call(server(), `/threads/${thread_id}/artifacts/${below('a.txt')}`, undefined, {
        method: 'PUT',
      })
      assert.equal(put.status, 501)
    })

    if (kind !== 'in process') {
      test('a path that the client did not tidy up', async () => {
        const thread_id = await thread()
        const { port, hostname } = new URL(server().url)
        for (const dots of ['..', '%2e%2e', '.%2e']) {
          const path = `/api/threads/${thread_id}/artifacts/mnt/user-data/uploads/${`${dots}/`.repeat(8)}etc/passwd`
          const status = await new Promise((resolve, reject) => {
            request({ port, hostname, path }, response => resolve(response.resume().statusCode))
              .on('error', reject)
              .end()
          })
          assert.ok([400, 403, 404].includes(status as number), `${path}: ${status}`)
        }
      })
    }
  },
  { env: { RUNLOOM_DATA: data.path } },
)
