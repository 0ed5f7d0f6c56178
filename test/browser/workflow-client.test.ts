// The workflow runs client in a page of another origin than the server's: a run with a tool that only the page has.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { startServer, temporaryFolder } from '../support/server.ts'
import { startBrowser } from './chromium.ts'
import { bundlePage } from './page.ts'

const browser = await startBrowser()
const skip = typeof browser === 'string' && browser
if (skip) console.log(`Not run in a browser: ${skip}`)
after(async () => {
  if (typeof browser !== 'string') await browser.close()
})

test('a page runs a workflow and answers its tool', { skip }, async t => {
  assert.ok(typeof browser !== 'string')
  const script = await bundlePage('workflow.ts')
  const pages = createServer((request, response) => {
    const isScript = request.url === '/page.js'
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html')
    const page = '<!doctype html><title>the page says 42</title><body><script type="module" src="/page.js"></script>'
    response.end(isScript ? script : page)
  })
  await new Promise<void>(resolve => pages.listen(0, '127.0.0.1', resolve))
  const folder = temporaryFolder()
  const server = await startServer({ database_url: `sqlite:${join(folder.path, 'runloom.db')}` })
  t.after(async () => {
    pages.close()
    await server.stop()
    folder.remove()
  })
  const page = await browser.newPage()
  const { port } = pages.address() as AddressInfo
  await page.goto(`http://127.0.0.1:${port}/?api=${encodeURIComponent(server.url)}`)
  await page.locator('main', { hasText: /./ }).waitFor({ timeout: 60_000 })
  const shown = JSON.parse((await page.locator('main').textContent()) as string)
  assert.equal(shown.error, undefined)
  assert.equal(shown.status, 'succeeded')
  assert.match(shown.outputs.sum, /the page says 42/)
  assert.match(shown.requestId, /./)
  assert.deepEqual(
    [shown.types[0], shown.types.includes('node_waiting'), shown.types.at(-1)],
    ['run_compiled', true, 'run_completed'],
  )
})
