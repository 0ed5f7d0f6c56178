// `npm run screenshots`: pictures of every page for the README and docs/, into docs/images. A real server in a temporary
// folder, filled by screenshot-content.ts. Pages come from the page's own navigation, so that a new one gets its picture, too.
import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { browserForUi, NARROW, WIDE } from '../test/browser/ui.ts'
import { temporaryFolder } from '../test/support/server.ts'
import { furnishedServer } from './screenshot-content.ts'

const IMAGES = join(import.meta.dirname, '../docs/images')

/** Taken again with this added to their names. */
const DARK = ['chat', 'run', 'workflow-run']
const ON_A_TELEPHONE = ['chat']

const browser = await browserForUi()
if (typeof browser === 'string') throw new Error(browser)
const folder = temporaryFolder()
const config = join(folder.path, 'langgraph.json')
const planner = join(import.meta.dirname, '../examples/graphs/planner.ts:planner')
writeFileSync(config, JSON.stringify({ graphs: { planner } }))
const { server, pages } = await furnishedServer({
  database_url: `sqlite:${join(folder.path, 'runloom.db')}`,
  env: { RUNLOOM_DATA: folder.path },
  config,
})
try {
  mkdirSync(IMAGES, { recursive: true })
  const page = await open(browser, {})
  const named: Record<string, string> = { ...(await navigation(page)), ...pages }
  for (const [name, path] of Object.entries(named)) await take(page, name, path)
  const dark = await open(browser, { colorScheme: 'dark' })
  for (const name of DARK) await take(dark, `${name}-dark`, named[name] as string)
  const narrow = await open(browser, { viewport: NARROW })
  for (const name of ON_A_TELEPHONE) await take(narrow, `${name}-narrow`, named[name] as string)
} finally {
  await Promise.all([browser.close(), server.stop()])
  folder.remove()
}

function open(browser: Browser, options: object): Promise<Page> {
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
  await page.goto(`${server.url}/ui/`)
  const links = page.getByRole('navigation', { name: 'Pages' }).getByRole('link')
  await links.first().waitFor()
  const found = await links.evaluateAll(all =>
    all.map(one => [one.textContent?.toLowerCase(), new URL((one as HTMLAnchorElement).href).pathname]),
  )
  return Object.fromEntries(found.map(([label, path]) => [label, path?.replace(/^.*\/ui/, '')]))
}

async function take(page: Page, name: string, path: string) {
  await page.goto(`${server.url}/ui${path}`)
  await page.waitForLoadState('networkidle')
  // What comes late, such as pictures of graphs and code in colours, has been drawn.
  await page.waitForTimeout(1_500)
  const file = join(IMAGES, `${name}.png`)
  await page.screenshot({ path: file, animations: 'disabled' })
  console.log(`${name}.png ${Math.ceil(statSync(file).size / 1024)} kB`)
}
