// The frame of the web page and its settings: what it weighs, navigation by keyboard, themes, keys, a prefix.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { PAGE } from '../../scripts/page.ts'
import { startServer, temporaryFolder } from '../support/server.ts'
import { assertAccessible, assertNoSidewaysScroll, NARROW, openUi, startUi, THEMES } from './ui.ts'

const KEY = 'mr_sk_secretsecretsecretsecret'

const { browser, skip } = await startUi()

async function serve(t: TestContext, options: { config?: object; env?: Record<string, string> } = {}) {
  const folder = temporaryFolder()
  const config = join(folder.path, 'langgraph.json')
  writeFileSync(config, JSON.stringify(options.config ?? {}))
  const database_url = `sqlite:${join(folder.path, 'runloom.db')}`
  const server = await startServer({ database_url, config, ...(options.env && { env: options.env }) })
  t.after(async () => {
    await server.stop()
    folder.remove()
  })
  return server.url
}

interface Chunk {
  file: string
  css?: string[]
  imports?: string[]
}

test('what is loaded first is at most 350 kB, packed: the frame and the first page', { skip }, () => {
  const manifest: Record<string, Chunk> = JSON.parse(readFileSync(join(PAGE, '.vite/manifest.json'), 'utf8'))
  const files = new Set<string>()
  const take = (name: string) => {
    const { file, css = [], imports = [] } = manifest[name] as Chunk
    if (files.has(file)) return
    for (const one of [file, ...css]) files.add(one)
    for (const one of imports) take(one)
  }
  for (const name of Object.keys(manifest)) if (/^index\.html$|\/chat-page\.tsx$/.test(name)) take(name)
  const bytes = [...files].reduce((sum, file) => sum + readFileSync(join(PAGE, `${file}.gz`)).length, 0)
  assert.ok(bytes > 50_000 && bytes <= 350_000, `${bytes} bytes in ${[...files].join(', ')}`)
})

test('a browser that asks for / gets the page, and moves in it by keyboard alone', { skip }, async t => {
  const url = await serve(t)
  const page = await openUi(t, browser, url)
  await page.waitForURL(/\/ui\/\w+/)
  await page.getByRole('navigation', { name: 'Pages' }).waitFor()
  await page.keyboard.press('Control+k')
  await page.getByRole('combobox', { name: 'Go to' }).waitFor()
  await page.keyboard.type('sett')
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Settings' }).waitFor()
  assert.equal(await page.title(), 'Settings · Runloom')
  await page.keyboard.press('Control+k')
  await page.keyboard.type('dark')
  await page.keyboard.press('Enter')
  await page.locator('html[data-theme=dark]').waitFor()
  await page.reload()
  await page.locator('html[data-theme=dark]').waitFor()
})

test('settings and the palette are accessible in both themes, and fit a narrow screen', { skip }, async t => {
  const url = await serve(t)
  for (const colorScheme of THEMES) {
    for (const viewport of [undefined, NARROW]) {
      const page = await openUi(t, browser, `${url}/ui/settings`, { colorScheme, ...(viewport && { viewport }) })
      await page.getByText('LangGraph.js').waitFor()
      await assertAccessible(page)
      await assertNoSidewaysScroll(page)
      await page.keyboard.press('Control+k')
      await page.getByRole('combobox', { name: 'Go to' }).waitFor()
      await assertAccessible(page)
    }
  }
})

test('where a key is needed the page says so, takes one for the session, and says when it is wrong', {
  skip,
}, async t => {
  const url = await serve(t, { env: { RUNLOOM_API_KEYS: KEY } })
  const page = await openUi(t, browser, `${url}/ui/settings`, { refused: /401/ })
  const field = page.getByLabel(/^Needed where/)
  await field.fill('wrong')
  await page.getByRole('button', { name: 'Use it' }).click()
  await page.getByText('The server wants a key').waitFor()
  assert.match((await page.getByRole('alert').textContent()) as string, /Request \S+/)
  await assertAccessible(page)
  await field.fill(KEY)
  await page.getByRole('button', { name: 'Use it' }).click()
  await page.getByText('The server answers.').waitFor()
  const kept = await page.evaluate(() => [JSON.stringify(localStorage), document.cookie])
  assert.ok(!kept.join().includes(KEY), 'the key is in the session alone')
  await page.reload()
  assert.equal(await field.inputValue(), KEY)
})

test('below a prefix, also at an address deep in it', { skip }, async t => {
  const url = await serve(t, { config: { http: { mount_prefix: '/team/agents' } } })
  const page = await openUi(t, browser, `${url}/team/agents/ui/settings`)
  await page.getByText('LangGraph.js').waitFor()
  await page.getByText(`${url}/team/agents`).waitFor()
  await page.goto(`${url}/team/agents/ui/no/such/page`)
  await page.getByText('There is no page at this address').waitFor()
})
