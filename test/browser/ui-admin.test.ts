// The pages about what a server keeps, against a real one: assistants, crons, the store, webhooks.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Page } from 'playwright-core'
import { clientOf, startServer } from '../support/server.ts'
import { PAGES } from './page.ts'
import {
  assertAccessible,
  assertNoSidewaysScroll,
  NARROW,
  type OpenOptions,
  openUi,
  startUiAndServer,
  THEMES,
} from './ui.ts'

const config = join(PAGES, 'langgraph.json')

const { browser, skip, server, folder } = await startUiAndServer(config)

const open = (t: TestContext, path: string, options: OpenOptions = {}): Promise<Page> =>
  openUi(t, browser, `${server.url}/ui${path}`, options)

test('an assistant is made, changed, compared with what it was, taken back, and deleted', { skip }, async t => {
  const page = await open(t, '/assistants')
  await page.getByRole('row', { name: /echo .* system/ }).waitFor()
  await page.getByRole('button', { name: 'New assistant' }).click()
  await page.getByLabel('Name').fill('Parrot')
  await page.getByLabel('Graph').selectOption('echo')
  await page.getByLabel('Context').fill('{"tone": ')
  await page.getByText('Not JSON').waitFor()
  await page.getByLabel('Context').fill('{"tone": "plain"}')
  await page.getByRole('button', { name: 'Create it' }).click()
  await page.getByRole('heading', { name: 'Parrot', level: 1 }).waitFor()
  const [, id = ''] = /\/assistants\/([0-9a-f-]{36})$/.exec(page.url()) ?? []
  await page.getByRole('button', { name: 'Change' }).click()
  await page.getByLabel('Context').fill('{"tone": "warm"}')
  await page.getByRole('button', { name: 'Save as a new version' }).click()
  const changes = page.getByRole('list', { name: 'Changes' })
  await changes.getByText('context.tone').waitFor()
  assert.match((await changes.textContent()) ?? '', /plain.*warm/s)
  await page.getByRole('button', { name: 'Use version 1' }).click()
  await page.getByRole('button', { name: 'Use version 2' }).waitFor()
  assert.equal((await clientOf(server.url).assistants.get(id)).version, 1)
  await page.getByRole('button', { name: 'Delete', exact: true }).click()
  await page.getByRole('button', { name: 'Delete it' }).click()
  await page.waitForURL(/\/assistants$/)
  await page.getByRole('row', { name: /echo .* system/ }).waitFor()
  assert.equal(await page.getByText('Parrot').count(), 0)
})

test('a system assistant is marked and offers no deletion', { skip }, async t => {
  const page = await open(t, '/assistants')
  await page.getByRole('link', { name: 'echo' }).click()
  await page.getByText('cannot be deleted').waitFor()
  assert.equal(await page.getByRole('button', { name: 'Delete' }).count(), 0)
})

test('a cron says when it comes in the time zone of who looks, is run at once, paused and deleted', {
  skip,
}, async t => {
  const page = await open(t, '/crons', { timezoneId: 'Asia/Tokyo' })
  await page.getByText('Nothing runs on a schedule yet').waitFor()
  await page.getByRole('button', { name: 'New cron' }).first().click()
  await page.getByLabel('Assistant').selectOption({ label: 'echo' })
  await page.getByLabel(/^Schedule/).fill('61 9 * * *')
  await page.locator('p', { hasText: 'schedule: "61 9 * * *"' }).waitFor()
  await page.getByLabel(/^Schedule/).fill('30 23 * * *')
  await page.getByLabel('Time zone').fill('UTC')
  await page.getByLabel('Keep these threads, with what was said').check()
  await page.getByRole('button', { name: 'Create it' }).click()
  const cron = page.getByRole('list', { name: 'Crons' }).getByRole('listitem')
  await cron.getByText(/^(today|tomorrow) at 08:30$/).waitFor()
  await cron.getByRole('button', { name: 'Run now' }).click()
  await cron.getByText('It was started').waitFor()
  const [, thread_id = '', run_id = ''] =
    /runs\/([^/]+)\/([^/]+)$/.exec((await cron.getByRole('link').getAttribute('href')) as string) ?? []
  await clientOf(server.url).runs.join(thread_id, run_id)
  assert.equal((await clientOf(server.url).runs.get(thread_id, run_id)).status, 'success')
  await cron.getByRole('button', { name: 'Pause' }).click()
  await cron.getByText('It does not run until you resume it.').waitFor()
  await cron.getByRole('button', { name: 'Resume' }).click()
  await cron.getByRole('button', { name: 'Pause' }).waitFor()
  await cron.getByRole('button', { name: 'Delete the cron of echo' }).click()
  await page.getByRole('button', { name: 'Delete it' }).click()
  await page.getByText('Nothing runs on a schedule yet').waitFor()
})

test('the store: an item is put, found below its namespace, changed and deleted', { skip }, async t => {
  const { store } = clientOf(server.url)
  const page = await open(t, '/store')
  await page.getByText('Nothing is remembered yet').waitFor()
  await store.putItem(['shop'], 'tea', { cents: 450 })
  await page.getByRole('button', { name: 'New item' }).first().click()
  await page.getByLabel(/^Namespace/).fill('users.anna')
  await page.getByLabel('Key').fill('note')
  await page.getByLabel('Value').fill('{"text": "likes <b>tea</b>"}')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('button', { name: 'note' }).waitFor()
  await page.getByRole('button', { name: 'tea' }).waitFor({ state: 'detached' }) // of another namespace
  await page.getByRole('button', { name: 'All namespaces' }).click()
  await page.getByRole('button', { name: 'tea' }).waitFor()
  await page.getByRole('searchbox').fill('likes')
  await page.getByRole('button', { name: 'tea' }).waitFor({ state: 'detached' })
  await page.getByRole('button', { name: 'note' }).click()
  await page.getByLabel('Value').fill('{"text": "likes coffee"}')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('likes coffee').waitFor()
  assert.deepEqual((await store.getItem(['users', 'anna'], 'note'))?.value, { text: 'likes coffee' })
  await page.getByRole('button', { name: 'note' }).click()
  await page.getByRole('button', { name: 'Delete' }).click()
  await page.getByRole('button', { name: 'Really delete it' }).click()
  await page.getByText('No item is like that').waitFor()
  assert.equal(await store.getItem(['users', 'anna'], 'note'), null)
})

test('webhooks: a delivery is listed with its answer, and sent again', { skip }, async t => {
  let calls = 0
  const receiver = createServer((_, response) => {
    calls++
    response.writeHead(204).end()
  })
  await new Promise<void>(resolve => receiver.listen(0, '127.0.0.1', resolve))
  t.after(() => receiver.close())
  const page = await open(t, '/webhooks')
  await page.getByText('Nobody was told yet').waitFor()
  const { threads, runs } = clientOf(server.url)
  const { thread_id } = await threads.create()
  const webhook = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/done`
  await runs.wait(thread_id, 'echo', { input: { messages: [{ role: 'user', content: 'hello' }] }, webhook })
  await page.getByRole('row', { name: /delivered .*\/done 204 1/ }).waitFor()
  await page.getByRole('button', { name: 'Send again' }).click()
  await page
    .getByRole('row', { name: /delivered .*\/done 204/ })
    .nth(1)
    .waitFor()
  assert.equal(calls, 2)
})

test('the overview counts what ran, and is honest about metrics that are off', { skip }, async t => {
  const page = await open(t, '/overview')
  const { runs, threads } = clientOf(server.url)
  const { thread_id } = await threads.create()
  await runs.wait(thread_id, 'echo', { input: { messages: [{ role: 'user', content: 'hello' }] } })
  const { thread_id: asking } = await threads.create()
  await runs.wait(asking, 'agent', { input: { messages: [{ role: 'user', content: 'Ask me about the date' }] } })
  await page.getByText(/[1-9]\d* succeeded/).waitFor()
  await page.getByRole('listitem').filter({ hasText: 'wait for an answer' }).getByText('1').waitFor()
  await page.locator('dl > div', { hasText: 'Running' }).getByText(/^\d+$/).waitFor()
  await page
    .locator('dl > div', { hasText: 'Oldest wait' })
    .getByText(/^\d\S* s$/)
    .waitFor()
  await page.getByRole('link', { name: 'Failed' }).click()
  await page.waitForURL(/\/runs\?status=error/)
  const without = join(folder.path, 'without-metrics.json')
  writeFileSync(without, JSON.stringify({ http: { disable_meta: true } }))
  const silent = await startServer({ database_url: `sqlite:${join(folder.path, 'silent.db')}`, config: without })
  const other = await openUi(t, browser, `${silent.url}/ui/overview`, { refused: /404/ })
  t.after(() => silent.stop()) // after the page, which would miss it
  await other.getByText('This server gives no metrics').waitFor()
  await other.getByText('Nothing ran in the last day').waitFor()
  await assertAccessible(other)
})

test('these pages are accessible in both themes, and fit a narrow screen', { skip }, async t => {
  const client = clientOf(server.url)
  await client.store.putItem(['a', 'long-namespace-of-somebody', 'notes'], 'k'.repeat(80), { text: 'x'.repeat(400) })
  const { cron_id } = (await client.crons.create('echo', { schedule: '0 9 * * *', input: {} })) as { cron_id: string }
  t.after(() => client.crons.delete(cron_id))
  for (const colorScheme of THEMES) {
    const page = await open(t, '/assistants', { colorScheme, viewport: NARROW })
    for (const [path, shown] of [
      ['/assistants', page.getByRole('table')],
      ['/overview', page.getByText('Following')],
      ['/crons', page.getByText('Run now')],
      ['/store', page.getByRole('table')],
      ['/webhooks', page.getByRole('heading', { name: 'Webhooks' })],
    ] as const) {
      await page.goto(`${server.url}/ui${path}`)
      await shown.waitFor()
      await assertAccessible(page)
      await assertNoSidewaysScroll(page)
    }
    await page.goto(`${server.url}/ui/assistants`)
    await page.getByRole('link', { name: 'echo' }).click()
    await page.getByRole('heading', { name: 'echo', level: 1 }).waitFor()
    await page
      .getByRole('table', { name: 'Versions' })
      .or(page.getByRole('region', { name: 'Versions' }))
      .first()
      .waitFor()
    await assertAccessible(page)
    await assertNoSidewaysScroll(page)
  }
})
