// A React page with the SDK's `useStream`, in a browser, against a real server: what a user of a chat sees.
import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { clientOf, type ServerProcess, startServer, temporaryFolder } from '../support/server.ts'
import { startBrowser } from './chromium.ts'
import { bundlePage, PAGES } from './page.ts'

const WORDS = Array.from({ length: 30 }, (_, index) => `word${index}`).join(' ')
const QUICK = `40ms ${WORDS}`
const SLOW = `150ms ${WORDS}`

const browser = await startBrowser()
const skip = typeof browser === 'string' && browser
if (skip) console.log(`Not run in a browser: ${skip}`)
after(async () => {
  if (typeof browser !== 'string') await browser.close()
})

for (const hook of ['@langchain/langgraph-sdk/react', '@langchain/react']) {
  describe(`a page with useStream of ${hook}`, { skip }, () => {
    let pages: Server
    let server: ServerProcess
    const folder = temporaryFolder()

    before(async () => {
      const sdk = '@langchain/langgraph-sdk/react'
      const script = await bundlePage('page.ts', hook === sdk ? {} : { [sdk]: hook })
      pages = createServer((request, response) => {
        const isScript = request.url === '/page.js'
        response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html')
        response.end(isScript ? script : '<!doctype html><body><script type="module" src="/page.js"></script>')
      })
      await new Promise<void>(resolve => pages.listen(0, '127.0.0.1', resolve))
      const config = join(PAGES, 'langgraph.json')
      server = await startServer({ database_url: `sqlite:${join(folder.path, 'runloom.db')}`, config })
    })

    after(async () => {
      pages?.close()
      await server?.stop()
      folder.remove()
    })

    async function open(t: TestContext, assistant: string): Promise<Page> {
      const page = await (browser as Browser).newPage()
      t.after(() => page.close())
      page.setDefaultTimeout(20_000)
      const { port } = pages.address() as AddressInfo
      await page.goto(`http://127.0.0.1:${port}/?api=${encodeURIComponent(server.url)}&assistant=${assistant}`)
      await page.locator('main').waitFor()
      return page
    }

    test('an answer appears word by word, and stays when it is complete', async t => {
      const page = await open(t, 'echo')
      await say(page, QUICK)
      await idle(page)
      assert.deepEqual(await texts(page), [QUICK, QUICK])
      const shown = await shownOf(page)
      assert.ok(shown.length > 3, `only ${shown.length} states of the answer were seen`)
      assertGrows(shown, QUICK)
    })

    test('stop ends the run on the server', async t => {
      const page = await open(t, 'echo')
      await say(page, SLOW)
      await answered(page)
      await page.click('#stop')
      await idle(page)
      const client = clientOf(server.url)
      const thread_id = (await page.getAttribute('main', 'data-thread')) as string
      const [run] = await client.runs.list(thread_id)
      await client.runs.join(thread_id, run?.run_id as string)
      assert.equal((await client.runs.get(thread_id, run?.run_id as string)).status, 'interrupted')
      await say(page, 'and now?')
      await idle(page)
      assert.equal((await texts(page)).at(-1), 'and now?', 'the thread takes the next message')
    })

    test('a reload in mid-answer goes on with it: no word is lost, none comes twice', async t => {
      const page = await open(t, 'echo')
      await say(page, SLOW)
      await answered(page)
      await page.reload()
      await answered(page)
      await idle(page)
      assert.deepEqual(await texts(page), [SLOW, SLOW])
      const shown = await shownOf(page)
      assert.ok(shown.length > 1, 'the answer went on to grow after the reload')
      assertGrows(shown, SLOW)
    })

    test('a question is shown, also after a reload, is not lost to another message, and is answered', async t => {
      const page = await open(t, 'approve')
      await say(page, 'a dance')
      const question = page.locator('#question')
      await question.waitFor()
      assert.match((await question.textContent()) as string, /May I do \\"a dance\\"\?/)
      await page.reload()
      await question.waitFor()
      await say(page, 'something else')
      assert.match((await page.locator('#error').textContent()) as string, /409/)
      await page.reload()
      await question.waitFor()
      await page.fill('input', 'yes')
      await page.click('#answer')
      await page.locator('li.ai').waitFor()
      await idle(page)
      assert.deepEqual(await texts(page), ['a dance', 'You said yes.'])
      assert.equal(await question.count(), 0)
    })

    test('an earlier message said differently is a branch, and both can be looked at', async t => {
      const page = await open(t, 'echo')
      await say(page, 'one')
      await idle(page)
      await say(page, 'two')
      await idle(page)
      assert.deepEqual(await texts(page), ['one', 'one', 'two', 'two'])
      await page.fill('input', 'three')
      await page.locator('.edit').nth(1).click()
      await page.locator('li.ai', { hasText: 'three' }).waitFor()
      await idle(page)
      await page.locator('.branch').first().waitFor()
      assert.deepEqual(await texts(page), ['one', 'one', 'three', 'three'])
      await page.locator('.branch:enabled').click()
      assert.deepEqual(await texts(page), ['one', 'one', 'two', 'two'])
    })
  })
}

async function say(page: Page, text: string) {
  await page.fill('input', text)
  await page.click('#send')
  await page.locator('main[data-loading=true], #error').first().waitFor()
}

async function idle(page: Page) {
  await page.locator('main[data-loading=false]').waitFor()
}

/** Waits until some words of the answer are there, but not all. */
async function answered(page: Page) {
  await page.waitForFunction(() => (window.shown.at(-1) ?? '').includes('word3'))
}

async function texts(page: Page): Promise<string[]> {
  return page.locator('li span').allTextContents()
}

function shownOf(page: Page): Promise<string[]> {
  return page.evaluate(() => window.shown)
}

/** Each state of the answer is a beginning of it, longer than the one before. */
function assertGrows(shown: string[], whole: string) {
  for (const [index, text] of shown.entries()) {
    assert.ok(whole.startsWith(text), `"${text}" is no beginning of the answer`)
    if (index > 0) assert.ok(text.length > (shown[index - 1] as string).length, `the answer shrank to "${text}"`)
  }
  assert.equal(shown.at(-1), whole)
}
