// A thread's files for browsers (contracts: gateway §2), by their virtual path below `/threads/{t}/artifacts`. What a
// browser would run as a page of this server's is never shown as one: it is downloaded, and may do nothing.
import { Readable } from 'node:stream'
import { type Context, Hono } from 'hono'
import { lookup } from 'mrmime'
import type { OpenFile } from '../core/thread-files.ts'
import { getThread } from '../core/threads.ts'
import { segmentsOf } from '../core/virtual-paths.ts'
import { flag } from '../protocol/common.ts'
import { onThread } from './access.ts'
import { parse } from './errors.ts'
import type { Ports } from './ports.ts'

const ACTIVE = /[/+]x?html\b|[/+]xml\b|xml-/

export function gatewayArtifactRoutes(ports: Ports) {
  const { db, files } = ports
  return new Hono().get('/threads/:thread_id/artifacts/:path{.+}', async c => {
    const key = await onThread(ports, c, 'threads:read')
    const download = parse(flag, c.req.query('download'), 'download')
    const { thread_id } = await db.run(getThread, key)
    const file = await files.open(thread_id, segmentsOf(c.req.param('path')))
    try {
      return answer(c, file, download)
    } catch (error) {
      await file.handle.close()
      throw error
    }
  })
}

async function answer(c: Context, file: OpenFile, download: boolean): Promise<Response> {
  const { handle, size } = file
  const headers = headersOf(file, download)
  const range = rangeOf(c, file)
  if (c.req.header('if-none-match') === headers.etag) {
    await handle.close()
    return c.body(null, 304, headers)
  }
  if (range === 'unsatisfiable') {
    await handle.close()
    return c.body(null, 416, { ...headers, 'content-range': `bytes */${size}` })
  }
  const { start, end } = range ?? { start: 0, end: size - 1 }
  const sent = {
    ...headers,
    'content-length': String(end - start + 1),
    ...(range && { 'content-range': `bytes ${start}-${end}/${size}` }),
  }
  const status = range ? 206 : 200
  if (c.req.method === 'HEAD' || size === 0) {
    await handle.close()
    return c.body(null, status, sent)
  }
  return c.body(Readable.toWeb(handle.createReadStream({ start, end })) as ReadableStream, status, sent)
}

function headersOf({ segments, size, modified_ms }: OpenFile, download: boolean) {
  const name = segments.at(-1) ?? ''
  const type = lookup(name) ?? 'application/octet-stream'
  const active = ACTIVE.test(type)
  return {
    'content-type': /^text\/|[/+](json|xml)$|javascript$/.test(type) ? `${type}; charset=utf-8` : type,
    'content-disposition': disposition(active || download ? 'attachment' : 'inline', name),
    ...(active && { 'content-security-policy': "sandbox; default-src 'none'" }),
    'x-content-type-options': 'nosniff',
    'cache-control': 'private, no-cache',
    'accept-ranges': 'bytes',
    etag: `"${size.toString(36)}-${Math.trunc(modified_ms * 1000).toString(36)}"`,
  }
}

/** RFC 6266: a name of ASCII for old clients, the name itself for the others. */
function disposition(kind: 'attachment' | 'inline', name: string): string {
  const ascii = name.replaceAll(/[^\x20-\x7e]|["\\%]/g, '_')
  const exact = encodeURIComponent(name).replaceAll(/['()*]/g, letter => `%${letter.charCodeAt(0).toString(16)}`)
  return `${kind}; filename="${ascii}"; filename*=UTF-8''${exact}`
}

/** The part that is asked for; undefined for the whole, which several parts at once are answered with, too. */
function rangeOf(c: Context, { size }: OpenFile): { start: number; end: number } | 'unsatisfiable' | undefined {
  const [, from = '', to = ''] = /^bytes=(\d*)-(\d*)$/.exec(c.req.header('range') ?? '') ?? []
  if (from === '' && to === '') return undefined
  const start = from === '' ? Math.max(0, size - Number(to)) : Number(from)
  const end = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1)
  if (from !== '' && to !== '' && Number(to) < Number(from)) return undefined
  return start > end ? 'unsatisfiable' : { start, end }
}
