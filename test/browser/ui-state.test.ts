// The page of a thread's states: what steps changed, any two compared, one edited, and a run from an older one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { say } from '../api/harness.ts'
import { assertAccessible, assertNoSidewaysScroll, NARROW, openUi, startUiAndServer, THEMES } from './ui.ts'

const { browser, skip, server, client } = await startUiAndServer()

/** A thread on which an assistant has run. */
async function ran(assistant: string, input: Record<string, unknown>, config: object = {}) {
  const { thread_id } = await client.threads.create()
  await client.runs.wait(thread_id, assistant, { input, config })
  return { thread_id, url: `${server.url}/ui/threads/${thread_id}/state` }
}

const history = (page: Page) => page.getByRole('list', { name: 'Checkpoints' })
const changes = (page: Page) => page.getByRole('list', { name: 'Changes' })

test('what a step changed, and how any two differ; the address keeps both', { skip }, async t => {
  const { url } = await ran('steps', { count: 3 })
  const page = await openUi(t, browser, url)
  await changes(page).getByText('log[2]').waitFor()
  assert.equal(await page.title(), 'State · Runloom')
  await changes(page).getByText('step 2').waitFor()
  assert.equal(await changes(page).getByRole('listitem').count(), 1)
  await history(page).getByRole('button', { name: 'Compare with Step 1' }).click()
  await page.getByRole('tab', { name: 'Compared with Step 1' }).waitFor()
  await changes(page).getByText('log[1]').waitFor()
  assert.equal(await changes(page).getByRole('listitem').count(), 2)
  await page.reload()
  await page.getByRole('tab', { name: 'Compared with Step 1' }).waitFor()
  await history(page)
    .getByRole('button', { name: /^Step 1 / })
    .click()
  await changes(page).getByText('log[0]').waitFor()
  await page.getByRole('tab', { name: 'Values' }).click()
  await page.getByText('“step 0”').waitFor()
  assert.equal(await page.getByText('“step 1”').count(), 0)
})

test('a state is edited: only what was changed is sent, as if a node had said it', { skip }, async t => {
  const { url, thread_id } = await ran('steps', { count: 2 })
  const page = await openUi(t, browser, url)
  await page.getByRole('button', { name: 'Edit' }).click()
  const field = page.getByRole('textbox', { name: 'Values' })
  const save = page.getByRole('button', { name: 'Save as a new checkpoint' })
  assert.equal(await save.isDisabled(), true)
  await field.fill('{ "count": 5')
  await page.getByText('Not JSON').waitFor()
  await field.fill('[5]')
  await page.getByText('It must be an object').waitFor()
  assert.equal(await save.isDisabled(), true)
  await field.fill('{ "count": 5, "log": ["step 0", "step 1"] }')
  await page.getByText('Changes count', { exact: true }).waitFor()
  await page.getByLabel('As if it came from').selectOption('step')
  await assertAccessible(page)
  await save.click()
  await history(page).getByText('edited').waitFor()
  await changes(page).getByText('count', { exact: true }).waitFor()
  const { values, next } = await client.threads.getState<{ count: number; log: string[] }>(thread_id)
  assert.deepEqual([values.count, values.log, next], [5, ['step 0', 'step 1'], ['step']])
})

test('a run from an older checkpoint: with its page, and as another branch', { skip }, async t => {
  const { url, thread_id } = await ran('steps', { count: 3 })
  const page = await openUi(t, browser, url)
  await history(page)
    .getByRole('button', { name: /^Step 1 / })
    .click()
  await page.getByRole('button', { name: 'Run from here' }).click()
  await page.getByText('Without an input it goes on with step.').waitFor()
  await page.getByRole('button', { name: 'Run', exact: true }).click()
  await page.waitForURL(`**/ui/runs/${thread_id}/*`)
  await page.getByText('success', { exact: true }).waitFor()
  await page.getByRole('link', { name: 'Its states' }).click()
  await page.getByLabel('of another branch').waitFor()
  const { values } = await client.threads.getState<{ log: string[] }>(thread_id)
  assert.deepEqual(values.log, ['step 0', 'step 1', 'step 2'])
})

test('a long history comes in parts', { skip }, async t => {
  const { url } = await ran('steps', { count: 70 }, { recursion_limit: 100 })
  const page = await openUi(t, browser, url)
  await history(page).getByText('Step 70').waitFor()
  assert.equal(await history(page).getByRole('listitem').count(), 50)
  await page.getByRole('button', { name: 'Older ones' }).click()
  await history(page).getByText('Input').waitFor()
  assert.equal(await history(page).getByRole('listitem').count(), 72)
})

test('a thread without state says what to do, one that there is not is an error', { skip }, async t => {
  const { thread_id } = await client.threads.create()
  const page = await openUi(t, browser, `${server.url}/ui/threads/${thread_id}/state`, { refused: /404/ })
  await page.getByText('It has no state yet').waitFor()
  await assertAccessible(page)
  await page.goto(`${server.url}/ui/threads/${crypto.randomUUID()}/state`)
  assert.match((await page.getByRole('alert').textContent()) as string, /Request \S+/)
})

test('accessible in both themes, and no wider than a telephone', { skip }, async t => {
  const { url } = await ran('echo', say('hello'))
  for (const colorScheme of THEMES) {
    for (const viewport of [undefined, NARROW]) {
      const page = await openUi(t, browser, url, { colorScheme, ...(viewport && { viewport }) })
      await changes(page).getByText('messages[1]').waitFor()
      await assertAccessible(page)
      await assertNoSidewaysScroll(page)
    }
  }
})
