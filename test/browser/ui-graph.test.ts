// The page of graphs: an assistant's drawing, the graphs in it, and a run in it, live and afterwards.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { eventually, say } from '../api/harness.ts'
import { assertAccessible, assertNoSidewaysScroll, NARROW, openUi, startUiAndServer, THEMES } from './ui.ts'

const { browser, skip, server, client } = await startUiAndServer()

const picture = (page: Page) => page.getByRole('region', { name: 'Picture' })
const words = (page: Page) => page.getByRole('list', { name: 'Nodes' }).getByRole('listitem')
/** The edges that are drawn, a moment after their nodes, and those that a run took, each as `from to`. */
const edges = async (page: Page) => {
  const drawn = await picture(page)
    .locator('.react-flow__edge')
    .evaluateAll(all =>
      all.map(edge => ({
        name: edge.getAttribute('data-id') ?? '',
        took: edge.querySelector('path')?.getAttribute('style')?.includes('accent') ?? false,
      })),
    )
  return { all: drawn.map(({ name }) => name), took: drawn.filter(({ took }) => took).map(({ name }) => name) }
}

test('a graph is drawn, and the graphs in it open in place, by the keyboard, too', { skip }, async t => {
  const page = await openUi(t, browser, `${server.url}/ui/graph?assistant=deep`)
  const outer = picture(page).getByRole('button', { name: 'outer' })
  await outer.waitFor()
  assert.equal(await outer.getAttribute('aria-expanded'), 'false')
  await eventually(async () => {
    assert.deepEqual(await edges(page), { all: ['__start__ outer', 'outer __end__'], took: [] })
  })
  await outer.focus()
  await page.keyboard.press('Enter')
  await picture(page).getByText('before', { exact: true }).waitFor()
  assert.equal(await outer.getAttribute('aria-expanded'), 'true')
  await picture(page).getByRole('button', { name: 'inner' }).click()
  await picture(page).getByText('hear', { exact: true }).waitFor()
  await eventually(async () => assert.equal((await edges(page)).all.length, 4))
  await page.getByRole('button', { name: 'Close all graphs' }).click()
  await picture(page).getByText('before', { exact: true }).waitFor({ state: 'detached' })
  await page.getByLabel('Assistant').selectOption('nested')
  await picture(page).getByText('inner', { exact: true }).waitFor()
})

test('a run that ended: the nodes it was in, and the way it took', { skip }, async t => {
  const { thread_id } = await client.threads.create()
  const run = await client.runs.create(thread_id, 'agent', { input: say('what is 3 * 4?') })
  await client.runs.join(thread_id, run.run_id)
  const page = await openUi(t, browser, `${server.url}/ui/runs/${thread_id}/${run.run_id}`)
  await page.getByRole('link', { name: 'The way it took' }).click()
  await picture(page).getByText('model_request, done').waitFor()
  await picture(page).getByText('×2').waitFor()
  await eventually(async () => {
    const { took } = await edges(page)
    assert.ok(took.includes('model_request tools') && took.includes('tools model_request'), took.join(', '))
  })
  await page.getByRole('tab', { name: 'In words' }).click()
  const model = words(page).filter({ hasText: /^model_request/ })
  await model.getByText('2 times').waitFor()
  await page.getByLabel('Run').selectOption('No run')
  await model.getByText('2 times').waitFor({ state: 'detached' })
  await page.getByRole('tab', { name: 'Picture' }).click()
  await picture(page).getByText('tools', { exact: true }).waitFor()
  assert.deepEqual((await edges(page)).took, [])
})

test('a run without tools has not taken the way of the tools', { skip }, async t => {
  const { thread_id } = await client.threads.create()
  await client.runs.wait(thread_id, 'agent', { input: say('hello') })
  const page = await openUi(t, browser, `${server.url}/ui/graph?assistant=agent`)
  await picture(page).getByText('model_request, done').waitFor()
  await eventually(async () => {
    const { all, took } = await edges(page)
    assert.ok(all.includes('model_request tools') && took.length > 1, all.join(', '))
    assert.deepEqual(
      took.filter(edge => edge.includes('tools')),
      [],
    )
  })
})

test('the newest run is followed while it goes on; nodes that failed or ask say so', { skip }, async t => {
  const page = await openUi(t, browser, `${server.url}/ui/graph?assistant=steps`)
  await page.getByLabel('Run').getByText('There is none yet').waitFor({ state: 'attached' })
  const { thread_id } = await client.threads.create()
  const run = await client.runs.create(thread_id, 'steps', { input: { count: 1, delay_ms: 60_000 } })
  await picture(page).getByText('step, running').waitFor()
  await client.runs.cancel(thread_id, run.run_id, true)
  await picture(page).getByText('step, running').waitFor({ state: 'detached' })
  await client.runs.wait((await client.threads.create()).thread_id, 'ask_both', { input: {} })
  await page.getByLabel('Assistant').selectOption('ask_both')
  await picture(page).getByText('left, asked').waitFor()
  await picture(page).getByText('right, asked').waitFor()
  await eventually(async () => {
    assert.deepEqual((await edges(page)).took.sort(), ['__start__ left', '__start__ right'])
  })
  await client.runs.wait((await client.threads.create()).thread_id, 'fail', { input: {}, raiseError: false })
  await page.getByLabel('Assistant').selectOption('fail')
  await picture(page).getByText('fail, failed').waitFor()
})

test('in words: every node, also those of closed graphs, and where it leads', { skip }, async t => {
  const page = await openUi(t, browser, `${server.url}/ui/graph?assistant=deep`)
  await page.getByRole('tab', { name: 'In words' }).click()
  const said = await words(page).allTextContents()
  assert.ok(
    said.some(text => text.includes('outer › inner › hear') && text.includes('leads to speak')),
    said.join('\n'),
  )
})

test('accessible in both themes, and no wider than a telephone', { skip }, async t => {
  await client.runs.wait((await client.threads.create()).thread_id, 'deep', { input: say('hello') })
  for (const colorScheme of THEMES) {
    for (const viewport of [undefined, NARROW]) {
      const page = await openUi(t, browser, `${server.url}/ui/graph?assistant=deep`, {
        colorScheme,
        ...(viewport && { viewport }),
      })
      await page.getByRole('button', { name: 'Open all graphs' }).click()
      await picture(page).getByText('speak, done').waitFor()
      await assertAccessible(page)
      await assertNoSidewaysScroll(page)
      await page.getByRole('tab', { name: 'In words' }).click()
      await words(page).first().waitFor()
      await assertAccessible(page)
    }
  }
})
