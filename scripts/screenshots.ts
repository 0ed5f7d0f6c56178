// `npm run screenshots`: pictures of every page for the README and docs/, into docs/images. A real server in a temporary
// folder, filled by screenshot-content.ts. Pages come from the page's own navigation, so that a new one gets its picture, too.
import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { browserForUi, NARROW, WIDE } from '../test/browser/ui.ts'
import { temporaryFolder } from '../test/support/server.ts'
import { furnishedServer } from './screenshot-content.ts'

const IMAGES = join(import.meta.dirname, '../docs/images')

/** What is done on a page before its picture. */
const BEFORE: Record<string, (page: Page) => Promise<unknown>> = {
  run: async page => {
    await page.getByRole('slider').fill('220')
    await page.getByRole('region', { name: 'Timeline' }).hover()
    await page.mouse.wheel(0, -10_000)
  },
  workflows: async page => {
    await page.getByRole('button', { name: 'Examples' }).click()
    await page.getByRole('menuitemcheckbox', { name: 'Beside each other' }).click()
  },
}

/** Taken again with this added to their names. */
const DARK = ['chat', 'overview']
const ON_A_TELEPHONE = ['chat']

const started = await browserForUi()
if (typeof started === 'string') throw new Error(started)
const browser = started
const folder = temporaryFolder()
const config = join(folder.path, 'langgraph.json')
const planner = join(import.meta.dirname, '../examples/graphs/planner.ts:planner')
writeFileSync(config, JSON.stringify({ graphs: { planner } }))
const { url, stop, pages } = await furnishedServer({
  database_url: `sqlite:${join(folder.path, 'runloom.db')}`,
  env: { RUNLOOM_DATA: folder.path, RUNLOOM_WEBHOOK_BACKOFF_MS: '60000' },
  config,
})
try {
  rmSync(IMAGES, { recursive: true, force: true })
  mkdirSync(IMAGES)
  const page = await open()
  const paths: Record<string, string> = { ...(await navigation(page)), ...pages }
  for (const [name, path] of Object.entries(paths)) await take(page, name, path)
  const dark = await open({ colorScheme: 'dark' })
  for (const name of DARK) await take(dark, name, paths[name], '-dark')
  const narrow = await open({ viewport: NARROW })
  for (const name of ON_A_TELEPHONE) await take(narrow, name, paths[name], '-narrow')
} finally {
  await Promise.all([browser.close(), stop()])
  folder.remove()
}

function open(options: BrowserContextOptions = {}): Promise<Page> {
  return browser.newPage({
    viewport: WIDE,
    colorScheme: 'light',
    reducedMotion: 'reduce',
    timezoneId: 'Europe/Berlin',
    ...options,
  })
}

/** Where the navigation leads, by label. */
async function navigation(page: Page): Promise<Record<string, string>> {
  await page.goto(`${url}/ui/`)
  const links = page.getByRole('navigation', { name: 'Pages' }).getByRole('link')
  await links.first().waitFor()
  const found = await links.evaluateAll(all =>
    all.map(one => [
      one.textContent?.toLowerCase(),
      new URL((one as HTMLAnchorElement).href).pathname.slice('/ui'.length),
    ]),
  )
  // There is nothing to see in the settings.
  return Object.fromEntries(found.filter(([label]) => label !== 'settings'))
}

async function take(page: Page, name: string, path: string | undefined, suffix = '') {
  await page.goto(`${url}/ui${path}`)
  await page.getByRole('main').getByRole('heading').first().waitFor()
  await page.waitForTimeout(1_500)
  await BEFORE[name]?.(page)
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur())
  // What comes late, such as pictures of graphs and code in colours, has been drawn.
  await page.waitForTimeout(1_500)
  const file = join(IMAGES, `${name}${suffix}.png`)
  await page.screenshot({ path: file, animations: 'disabled' })
  console.log(`${name}${suffix}.png ${Math.ceil(statSync(file).size / 1024)} kB`)
}
