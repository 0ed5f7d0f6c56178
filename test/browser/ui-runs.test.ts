// The pages of runs: the list with its filters, and one run as a timeline with its events, live and afterwards.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Client } from '@langchain/langgraph-sdk'
import type { Page } from 'playwright-core'
import { say } from '../api/harness.ts'
import { clientOf, startServer, temporaryFolder } from '../support/server.ts'
import { assertAccessible, assertNoSidewaysScroll, NARROW, openUi, startUiAndServer, THEMES } from './ui.ts'

const { browser, skip, server, client } = await startUiAndServer()

/** Creates a run on a thread of its own; waits for its end unless it is told not to. */
async function run(
  assistant: string,
  input: object,
  { wait = true, ...more }: Parameters<Client['runs']['create']>[2] & { wait?: boolean } = {},
) {
  const { thread_id } = await client.threads.create()
  const { run_id } = await client.runs.create(thread_id, assistant, { input: { ...input }, ...more })
  if (wait) await client.runs.join(thread_id, run_id)
  return { thread_id, run_id, path: `/ui/runs/${thread_id}/${run_id}` }
}

const bar = (page: Page, name: RegExp) => page.getByRole('region', { name: 'Timeline' }).getByRole('button', { name })

test('the list shows runs as they come, and is narrowed by what is chosen; the address keeps it', { skip }, async t => {
  const page = await openUi(t, browser, `${server.url}/ui/runs`)
  await page.getByText('Nothing has run yet').waitFor()
  await assertAccessible(page)
  const good = await run('echo', say('hello'))
  const bad = await run('fail', {})
  const rows = page.getByRole('region', { name: 'Runs' }).getByRole('row')
  const link = (run_id: string) => page.getByRole('link', { name: `…${run_id.slice(-8)}` })
  await link(bad.run_id).waitFor()
  await link(good.run_id).waitFor()
  await page.getByLabel('Status').selectOption('error')
  await link(good.run_id).waitFor({ state: 'detached' })
  assert.equal(await rows.count(), 2)
  await page.reload()
  await link(bad.run_id).waitFor()
  assert.equal(await page.getByLabel('Status').inputValue(), 'error')
  await page.getByLabel('Assistant').selectOption('echo')
  await page.getByText('No run is like that').waitFor()
  await page.getByRole('button', { name: 'Show all runs' }).click()
  await page.getByRole('button', { name: `…${good.thread_id.slice(-8)}` }).click()
  await link(bad.run_id).waitFor({ state: 'detached' })
  assert.equal(await page.getByLabel('Thread').inputValue(), good.thread_id)
  await link(good.run_id).click()
  await page.waitForURL(`**${good.path}`)
})

test('a run is a timeline of its nodes, sub-graphs, model calls and tools, with tokens', { skip }, async t => {
  const team = await run('team', say('two words'))
  const page = await openUi(t, browser, `${server.url}${team.path}`)
  await bar(page, /^Node title/).waitFor()
  await bar(page, /^Sub-graph worker/).waitFor()
  await bar(page, /^Node work\b/).waitFor()
  assert.equal(await bar(page, /\d+ → \d+ tok/).count(), 3)
  const agent = await run('agent', say('what is 3 * 4?'))
  await page.goto(`${server.url}${agent.path}`)
  await bar(page, /^Tool calculate/).waitFor()
  await bar(page, /^Attempt 1/).waitFor()
  const failed = await run('fail', {})
  await page.goto(`${server.url}${failed.path}`)
  await bar(page, /^Attempt 1 failed/).waitFor()
  await bar(page, /^Node fail failed/).waitFor()
})

test('events are moved through by keys, by the slider, and from the timeline; the state is that of then', {
  skip,
}, async t => {
  const { path } = await run('steps', { count: 3 })
  const page = await openUi(t, browser, `${server.url}${path}`)
  const list = page.getByRole('listbox', { name: 'Events' })
  const chosen = list.getByRole('option', { selected: true })
  await chosen.getByText('checkpoints').waitFor()
  await list.focus()
  await page.keyboard.press('Home')
  await chosen.getByText('metadata').waitFor()
  await page.getByRole('tab', { name: 'State then' }).click()
  await page.getByText('The run had stored no state by then.').waitFor()
  await page.getByRole('slider').fill('9')
  await page.getByText('10 of ').waitFor()
  await page.getByText('“step 0”').waitFor()
  assert.equal(await page.getByText('“step 1”').count(), 0)
  await bar(page, /^Node step/)
    .last()
    .click()
  await chosen.getByText('step begins').waitFor()
  await page.getByText('“step 1”').waitFor()
  await page.getByRole('tab', { name: /^Event \d/ }).click()
  await page.getByText('“tasks”').waitFor()
  await page.getByRole('button', { name: 'To the newest event' }).click()
  await chosen.getByText('checkpoints').waitFor()
})

test('a run under way grows by itself, is stopped, and says so', { skip }, async t => {
  const { path, thread_id, run_id } = await run(
    'steps',
    { count: 500, delay_ms: 50 },
    { wait: false, config: { recursion_limit: 1_000 } },
  )
  const page = await openUi(t, browser, `${server.url}${path}`)
  await bar(page, /^Node step/)
    .nth(2)
    .waitFor()
  await page.getByRole('button', { name: 'Stop', exact: true }).click()
  await page.getByRole('button', { name: 'Stop it' }).click()
  await page.getByText('interrupted', { exact: true }).waitFor()
  await page.getByRole('button', { name: 'Stop', exact: true }).waitFor({ state: 'detached' })
  assert.equal((await client.runs.get(thread_id, run_id)).status, 'interrupted')
})

test('the server dies and comes back: the page goes on by itself and shows the second attempt', { skip }, async t => {
  const apart = temporaryFolder()
  const options = { database_url: `sqlite:${join(apart.path, 'runloom.db')}` }
  const first = await startServer(options)
  const own = clientOf(first.url)
  const { thread_id } = await own.threads.create()
  const input = { count: 60, delay_ms: 100 }
  const { run_id } = await own.runs.create(thread_id, 'steps', { input, config: { recursion_limit: 200 } })
  const page = await openUi(t, browser, `${first.url}/ui/runs/${thread_id}/${run_id}`, {
    refused: /ERR_|Failed to load/,
  })
  await bar(page, /^Node step/)
    .nth(2)
    .waitFor()
  await first.kill()
  const second = await startServer({ ...options, port: Number(new URL(first.url).port) })
  t.after(async () => {
    await second.stop()
    apart.remove()
  })
  await page.getByText('success', { exact: true }).waitFor()
  const facts = page.locator('dl > div').filter({ hasText: 'Attempts' })
  await facts.getByText('2', { exact: true }).waitFor()
  assert.equal(await page.getByRole('alert').count(), 0)
})

test('a run that waits says so, and is followed once it begins', { skip }, async t => {
  const { path } = await run('echo', say('one two'), { wait: false, afterSeconds: 2 })
  const page = await openUi(t, browser, `${server.url}${path}`)
  await page.getByText('It has not begun').waitFor()
  await bar(page, /^Node model/).waitFor()
  await page.getByText('success').waitFor()
})

test('ten thousand events: few of them are in the page, and the last one is reached', { skip }, async t => {
  const words = Array.from({ length: 10_000 }, (_, n) => `word${n}`).join(' ')
  const { path } = await run('echo', say(words))
  const page = await openUi(t, browser, `${server.url}${path}`)
  await page.getByText(/of 100\d\d$/).waitFor()
  const list = page.getByRole('listbox', { name: 'Events' })
  assert.ok((await list.getByRole('option').count()) < 100)
  await list.focus()
  await page.keyboard.press('Home')
  await list.getByText('attempt 1').waitFor()
  await page.getByRole('slider').fill('5000')
  await list
    .getByText(/^word49\d\d/)
    .first()
    .waitFor()
  await page.keyboard.press('End')
  await list.getByText('model is done').waitFor()
  await page.getByRole('tab', { name: 'State then' }).click()
  await page.getByRole('button', { name: 'Read all of it' }).click()
  await page
    .getByText(/\{ \d keys \}/)
    .nth(1)
    .waitFor()
  assert.equal(await page.getByText('It is long').count(), 0)
  assert.ok((await list.getByRole('option').count()) < 100)
})

test('the commands for a terminal work, and never have the key in them', { skip }, async t => {
  const { path, run_id } = await run('echo', say("it's here"))
  const page = await openUi(t, browser, `${server.url}${path}`, { permissions: ['clipboard-read', 'clipboard-write'] })
  const copied = async (item: string) => {
    await page.getByRole('button', { name: /Copy as curl|Copied/ }).click()
    await page.getByRole('menuitem', { name: item }).click()
    await page.getByRole('button', { name: 'Copied' }).waitFor()
    return page.evaluate(() => navigator.clipboard.readText())
  }
  const again = await copied('The same run again')
  assert.ok(again.includes(`"it'\\''s here"`) && again.includes(`'${server.url}/threads/`), again)
  await page.reload()
  assert.match(await copied('Follow this run'), new RegExp(`/runs/${run_id}/stream'$`))
})

test('accessible in both themes, and no wider than a telephone', { skip }, async t => {
  const { path } = await run('team', say('hello'))
  for (const colorScheme of THEMES) {
    for (const viewport of [undefined, NARROW]) {
      const page = await openUi(t, browser, `${server.url}/ui/runs`, { colorScheme, ...(viewport && { viewport }) })
      await page.getByRole('row').nth(1).waitFor()
      await assertAccessible(page)
      await assertNoSidewaysScroll(page)
      await page.goto(`${server.url}${path}`)
      await bar(page, /^Sub-graph worker/).waitFor()
      await assertAccessible(page)
      await assertNoSidewaysScroll(page)
    }
  }
})

test('a run that there is not: in plain words, with the id of the request', { skip }, async t => {
  const page = await openUi(t, browser, `${server.url}/ui/runs/${crypto.randomUUID()}/${crypto.randomUUID()}`, {
    refused: /404/,
  })
  await page.getByText('There is no such thing here').waitFor()
  assert.match((await page.getByRole('alert').textContent()) as string, /Request \S+/)
})
