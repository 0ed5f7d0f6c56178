// The web page as the server hands it out: where browsers are sent, what may be cached, what its policy allows, a prefix,
// and that it can be turned off. The page is a fixture; test/browser has the real one.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { readConfig } from '../../src/config.ts'
import { startRuntime } from '../../src/runtime.ts'
import { PAGE } from '../auth/harness.ts'
import { temporaryFolder } from '../support/server.ts'

const BROWSER = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }

async function start(t: TestContext, { file = {}, env = {}, page = PAGE } = {}) {
  const folder = temporaryFolder()
  const config = join(folder.path, 'langgraph.json')
  writeFileSync(config, JSON.stringify(file))
  const settings = { ...env, DATABASE_URL: `sqlite:${join(folder.path, 'runloom.db')}` }
  const runtime = await startRuntime(await readConfig({ argv: { config }, env: settings }), { logger: () => {}, page })
  t.after(async () => {
    await runtime.close()
    folder.remove()
  })
  return (path: string, headers: Record<string, string> = {}) => runtime.app.request(path, { headers })
}

/** Where a browser would go from there. */
function sent(from: string, response: Response): string {
  assert.equal(response.status, 302)
  return new URL(response.headers.get('location') as string, `http://runloom.test${from}`).pathname
}

test('a browser that asks for / or /ui is sent to the page; others get what they got', async t => {
  const get = await start(t)
  assert.equal(sent('/', await get('/', BROWSER)), '/ui/')
  assert.equal(sent('/ui', await get('/ui', BROWSER)), '/ui/')
  const other = await get('/')
  assert.deepEqual([other.status, await other.json()], [404, { detail: 'GET / is not served here' }])
})

test('every address below /ui is the page, whose own addresses lead to the same folder', async t => {
  const get = await start(t)
  for (const path of ['/ui/', '/ui/chat', '/ui/chat/', '/ui/chat/5e7f0d1e', '/ui/runs/a/b/c']) {
    const response = await get(path, BROWSER)
    assert.equal(response.status, 200)
    assert.match(response.headers.get('content-type') as string, /^text\/html/)
    assert.equal(response.headers.get('cache-control'), 'no-cache')
    const [, base = ''] = /<base href="([^"]*)">/.exec(await response.text()) ?? []
    assert.equal(new URL(base, `http://runloom.test${path}`).pathname, '/ui/', path)
  }
})

test('its files never change, and are packed for who can unpack them; there is nothing else', async t => {
  const get = await start(t)
  const plain = await get('/ui/assets/page-Ab12.js')
  assert.equal(plain.headers.get('cache-control'), 'public, max-age=31536000, immutable')
  assert.equal(plain.headers.get('content-type'), 'text/javascript; charset=utf-8')
  assert.equal(plain.headers.get('content-encoding'), null)
  const packed = await get('/ui/assets/page-Ab12.js', { 'accept-encoding': 'gzip, br' })
  assert.equal(packed.headers.get('content-encoding'), 'gzip')
  assert.equal(packed.headers.get('vary'), 'accept-encoding')
  const text = await new Response(packed.body?.pipeThrough(new DecompressionStream('gzip'))).text()
  assert.equal(text, await plain.text())
  for (const name of [
    'none.js',
    '..%2findex.html',
    '%2e%2e%2f%2e%2e%2fpackage.json',
    'page-Ab12.js.gz',
    'page-Ab12.js%00.js',
  ])
    assert.equal((await get(`/ui/assets/${name}`)).status, 404, name)
})

test('a strict policy, on the page and its files: nothing inline, nothing from elsewhere, no frames', async t => {
  const get = await start(t)
  for (const path of ['/ui/', '/ui/assets/page-Ab12.js']) {
    const { headers } = await get(path)
    const policy = headers.get('content-security-policy') as string
    assert.match(policy, /^default-src 'self';/)
    assert.match(policy, /frame-ancestors 'none'/)
    assert.doesNotMatch(policy, /unsafe|\*/)
    assert.equal(headers.get('x-content-type-options'), 'nosniff')
  }
})

test('the page needs no key where the API does', async t => {
  const get = await start(t, { env: { RUNLOOM_API_KEYS: 'mr_sk_secretsecretsecretsecret' } })
  assert.equal(sent('/', await get('/', BROWSER)), '/ui/')
  for (const path of ['/ui/', '/ui/settings', '/ui/assets/page-Ab12.js'])
    assert.equal((await get(path)).status, 200, path)
  assert.equal((await get('/')).status, 401)
  assert.equal((await get('/threads/t')).status, 401)
})

test('it is below the prefix', async t => {
  const get = await start(t, { file: { http: { mount_prefix: '/team/agents' } } })
  assert.equal(sent('/team/agents', await get('/team/agents', BROWSER)), '/team/agents/ui/')
  assert.equal(sent('/team/agents/ui', await get('/team/agents/ui', BROWSER)), '/team/agents/ui/')
  assert.match(await (await get('/team/agents/ui/chat/x')).text(), /<base href="\.\.\/">/)
  assert.equal((await get('/ui/')).status, 404)
})

test('it can be turned off', async t => {
  const get = await start(t, { file: { http: { disable_ui: true } } })
  for (const path of ['/', '/ui', '/ui/', '/ui/assets/page-Ab12.js'])
    assert.equal((await get(path, BROWSER)).status, 404, path)
})

test('a page that was not built says how to', async t => {
  const get = await start(t, { page: join(PAGE, 'nowhere') })
  const response = await get('/ui/', BROWSER)
  assert.equal(response.status, 404)
  assert.match(((await response.json()) as { detail: string }).detail, /npm run build/)
})
