// The web page in a browser, as the built server hands it out. Whatever a test does: no request leaves the origin, the
// page's policy is not broken, and nothing is written to the console as an error.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { after, type TestContext } from 'node:test'
import type { AxeResults } from 'axe-core'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { buildIfOlder } from '../../scripts/page.ts'
import { clientOf, startServer, temporaryFolder } from '../support/server.ts'
import { startBrowser } from './chromium.ts'

export const WIDE = { width: 1280, height: 800 }
export const NARROW = { width: 375, height: 720 }
export const THEMES = ['light', 'dark'] as const

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** A browser and a built page; where there is no browser, why. */
export async function browserForUi(): Promise<Browser | string> {
  const browser = await startBrowser()
  if (typeof browser !== 'string') await buildIfOlder()
  return browser
}

/** The same for the tests of a file; where there is no browser `skip` says why, and so does the output. */
export async function startUi(): Promise<{ browser: Browser; skip: string | false }> {
  const browser = await browserForUi()
  if (typeof browser === 'string') {
    console.log(`Not run in a browser: ${browser}`)
    return { browser: undefined as never, skip: browser }
  }
  after(() => browser.close())
  return { browser, skip: false }
}

/** The same with a real server, and a folder for what a test keeps. */
export async function startUiAndServer(config?: string) {
  const { browser, skip } = await startUi()
  const folder = temporaryFolder()
  after(() => folder.remove())
  if (skip) return { browser, skip, folder, server: undefined as never, client: undefined as never }
  const database_url = `sqlite:${join(folder.path, 'runloom.db')}`
  const server = await startServer({ database_url, ...(config && { config }) })
  after(() => server.stop())
  return { browser, skip, folder, server, client: clientOf(server.url) }
}

export interface OpenOptions extends BrowserContextOptions {
  /** What the server may refuse: the page shows it, and the browser writes it to its console. */
  refused?: RegExp
}

/** A page in a context of its own at `url`. What it did wrong fails the test when it ends. */
export async function openUi(t: TestContext, browser: Browser, url: string, options: OpenOptions = {}): Promise<Page> {
  const { refused, ...rest } = options
  const context = await browser.newContext({ viewport: WIDE, colorScheme: 'light', reducedMotion: 'reduce', ...rest })
  const page = await context.newPage()
  page.setDefaultTimeout(60_000)
  const wrong: string[] = []
  const { origin } = new URL(url)
  page.on('request', request => {
    const to = new URL(request.url())
    if (/^https?:$/.test(to.protocol) && to.origin !== origin) wrong.push(`a request to ${request.url()}`)
  })
  page.on('pageerror', error => wrong.push(String(error)))
  page.on('console', message => {
    if (message.type() === 'error' && !refused?.test(message.text())) wrong.push(message.text())
  })
  t.after(async () => {
    await context.close()
    assert.deepEqual(wrong, [])
  })
  await page.goto(url)
  return page
}

/** Fails for what axe-core finds wrong, in the theme that the page has. */
export async function assertAccessible(page: Page): Promise<void> {
  await page.evaluate(axe)
  const { violations } = (await page.evaluate('axe.run()')) as AxeResults
  const found = violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('; ')}`,
  )
  assert.deepEqual(found, [])
}

/** Nothing is wider than the window. */
export async function assertNoSidewaysScroll(page: Page): Promise<void> {
  const [inner, outer] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth])
  assert.ok((inner as number) <= (outer as number), `${inner} px wide in a window of ${outer}`)
}
