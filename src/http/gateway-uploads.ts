// Uploads over HTTP (contracts: gateway §4.1): multipart, streamed to the disk. Paths are relative to where the dialect is
// mounted. A thread that there is not yet is made by its first upload, as by its first run.
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Busboy, type BusboyFileStream, type BusboyInstance } from '@fastify/busboy'
import { type Context, Hono } from 'hono'
import { RunloomError } from '../core/errors.ts'
import { jsonText } from '../core/json.ts'
import { createThread, getThread } from '../core/threads.ts'
import type { UploadBatch } from '../core/uploads.ts'
import type { UploadAnswer, UploadDeleted, UploadLimits, UploadList } from '../protocol/files.ts'
import { onThread, permit } from './access.ts'
import type { Ports } from './ports.ts'

type NodeStream = Parameters<typeof Readable.fromWeb>[0]

/** What the parts of a body have around their content, at most. */
const ENVELOPE_BYTES = 1024 * 1024

export function gatewayUploadRoutes(ports: Ports) {
  const { db, uploads } = ports
  const path = '/threads/:thread_id/uploads' as const
  return new Hono()
    .get(`${path}/limits`, c => c.json(uploads.limits satisfies UploadLimits))
    .get(`${path}/list`, async c => {
      const { thread_id } = await db.run(getThread, await onThread(ports, c, 'threads:read'))
      return c.json((await uploads.list(thread_id)) satisfies UploadList)
    })
    .post(path, async c => {
      const target = await targetOf(ports, c)
      const batch = uploads.begin()
      try {
        await receive(c, batch, uploads.limits)
        return c.json((await uploads.add(await target(), batch)) satisfies UploadAnswer)
      } finally {
        await batch.drop()
      }
    })
    .delete(`${path}/:name`, async c => {
      const { thread_id } = await db.run(getThread, await onThread(ports, c, 'threads:update'))
      return c.json((await uploads.remove(thread_id, c.req.param('name'))) satisfies UploadDeleted)
    })
}

/** Whether this body has a limit of its own. */
export function isUpload(c: Context): boolean {
  return c.req.method === 'POST' && /\/api\/threads\/[^/]+\/uploads$/.test(c.req.path)
}

/** May who asks upload to the thread in the path? Answers what makes sure that there is one. */
async function targetOf(ports: Ports, c: Context): Promise<() => Promise<string>> {
  const { db, ttl } = ports
  const key = await onThread(ports, c, 'threads:update')
  const { thread_id } = key
  try {
    await db.run(getThread, key)
    return async () => thread_id
  } catch (error) {
    if (!(error instanceof RunloomError) || error.code !== 'not_found') throw error
    if (await exists(ports, thread_id)) throw error
  }
  const asked = { thread_id, metadata: {}, if_exists: 'do_nothing' as const }
  const { value, allowed } = await permit(ports, c, 'threads:create', asked)
  const thread = { thread_id, metadata: jsonText(value.metadata), hidden: 0 as const, allowed, ...(ttl && { ttl }) }
  return async () => (await db.run(createThread, { ...thread, if_exists: 'do_nothing' })).thread_id
}

/** For whomever it may be. */
async function exists({ db }: Ports, thread_id: string): Promise<boolean> {
  return db.run(getThread, { thread_id }).then(
    () => true,
    () => false,
  )
}

/** Takes the files of a multipart body, one after the other, no faster than the disk. */
async function receive(c: Context, batch: UploadBatch, limits: UploadLimits): Promise<void> {
  const announced = Number(c.req.header('content-length') ?? 0)
  if (announced > limits.max_total_size + ENVELOPE_BYTES) {
    throw new RunloomError('too_large', `files: together they are larger than ${limits.max_total_size} bytes`)
  }
  const { body } = c.req.raw
  const type = c.req.header('content-type') ?? ''
  if (!body || !/^multipart\/form-data\s*;/i.test(type)) {
    throw new RunloomError('malformed', 'body: send multipart/form-data with one or more files in the field "files"')
  }
  const stop = new AbortController()
  const arriving = new Set<BusboyFileStream>()
  let failure: unknown
  let taking = Promise.resolve()
  const fail = (error: unknown) => {
    failure ??= error
    stop.abort()
    for (const stream of arriving) stream.destroy()
  }
  const parser = parserOf(type)
  parser.on('file', (field, stream, filename) => {
    stream.on('error', () => {}) // whoever reads it hears of it
    if (failure !== undefined || field !== 'files' || !filename) return stream.resume()
    arriving.add(stream)
    taking = taking.then(() => batch.take(filename, stream)).catch(fail)
  })
  await pipeline(Readable.fromWeb(body as NodeStream), parser, { signal: stop.signal }).catch(cause =>
    fail(new RunloomError('malformed', `body: it is no complete multipart body (${cause.message})`, { cause })),
  )
  await taking
  if (failure !== undefined) throw failure
  if (batch.parts.length === 0) {
    throw new RunloomError('malformed', 'files: no file came; send one or more in the field "files"')
  }
}

function parserOf(type: string): BusboyInstance {
  try {
    const limits = { fields: 100, fieldSize: 64 * 1024 }
    return new Busboy({ headers: { 'content-type': type }, preservePath: true, limits })
  } catch (cause) {
    throw new RunloomError('malformed', `body: ${(cause as Error).message}`, { cause })
  }
}
