// The web page at `/ui`: the files that scripts/page.ts has built, and where browsers are sent to it. All addresses are
// relative to where they are asked for, so that a prefix, also one that a proxy adds, does not matter. It asks for no key:
// what the page shows, it fetches from the API like any other client.
import { readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { type Context, Hono, type HonoRequest } from 'hono'
import { RunloomError } from '../core/errors.ts'

const TYPES: Record<string, string> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
}

/** No script, style or address but our own. What a message names is never fetched; images of users are data or blobs. */
const POLICY = [
  "default-src 'self'",
  "img-src 'self' data: blob:",
  "object-src 'none'",
  "base-uri 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const HEADERS = {
  'content-security-policy': POLICY,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
}

/** The page in `folder`, as scripts/page.ts has built it. */
export function uiRoutes(folder: string): Hono {
  return new Hono()
    .use('/', async (c, next) => {
      if (!wantsPage(c.req)) return next()
      return c.redirect(c.req.path.endsWith('/') ? 'ui/' : `${lastOf(c.req.path)}/ui/`)
    })
    .get('/ui/assets/:file', c => asset(c, folder, c.req.param('file')))
    .get('/ui/*', c => page(c, folder))
}

/** Whether a browser asks for something to look at. */
export function wantsPage(request: HonoRequest): boolean {
  return request.method === 'GET' && (request.header('accept') ?? '').includes('text/html')
}

/** The same for every address below `/ui`: the page itself knows what each shows. */
async function page(c: Context, folder: string): Promise<Response> {
  const [, below] = /\/ui(?:\/(.*))?$/s.exec(c.req.path.slice(c.req.path.indexOf('/ui'))) ?? []
  if (below === undefined) return c.redirect('ui/')
  const html = await readFile(join(folder, 'index.html'), 'utf8').catch(() => {
    throw new RunloomError('not_found', 'The web page has not been built; npm run build builds it')
  })
  const base = '../'.repeat(below.split('/').length - 1) || './'
  const text = html.replace('<head>', `<head>\n    <base href="${base}">`)
  return c.html(text, 200, { ...HEADERS, 'cache-control': 'no-cache' })
}

/** Named by a hash of its content, so that it never changes. */
async function asset(c: Context, folder: string, name: string): Promise<Response> {
  const type = /^[\w-][\w.-]*$/.test(name) ? TYPES[extname(name)] : undefined
  if (type === undefined) throw new RunloomError('not_found', `There is no ${name} here`)
  const file = join(folder, 'assets', name)
  const zipped = /\bgzip\b/.test(c.req.header('accept-encoding') ?? '')
  const packed = zipped ? await readIfThere(`${file}.gz`) : undefined
  const bytes = packed ?? (await readIfThere(file))
  if (!bytes) throw new RunloomError('not_found', `There is no ${name} here`)
  const packing = packed && { 'content-encoding': 'gzip' }
  const headers = { ...HEADERS, ...packing, 'content-type': type, vary: 'accept-encoding' }
  return c.body(bytes, 200, { ...headers, 'cache-control': 'public, max-age=31536000, immutable' })
}

async function readIfThere(file: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  return readFile(file).catch(() => undefined)
}

function lastOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
