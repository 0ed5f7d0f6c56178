// The workflows page against a real server: writing one, what is wrong with it, running it, answering its question.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Locator, Page } from 'playwright-core'
import {
  assertAccessible,
  assertNoSidewaysScroll,
  NARROW,
  type OpenOptions,
  openUi,
  startUiAndServer,
  THEMES,
} from './ui.ts'

const { browser, skip, server } = await startUiAndServer()

async function open(t: TestContext, options: OpenOptions = {}): Promise<Page> {
  const page = await openUi(t, browser, `${server.url}/ui/workflows`, options)
  await page.getByText('It compiles.').waitFor()
  return page
}

async function choose(page: Page, example: string) {
  await page.getByRole('button', { name: 'Examples' }).click()
  await page.getByRole('menuitemcheckbox', { name: example }).click()
}

function editor(page: Page): Locator {
  return page.getByRole('textbox', { name: 'The workflow, as JSON' })
}

function problems(page: Page): Locator {
  return page.getByRole('list', { name: 'Problems' })
}

function node(page: Page, name: string): Locator {
  return page.getByRole('list', { name: 'Nodes' }).getByRole('listitem').filter({ hasText: name })
}

test('a workflow with a question: run, answered in the page, its nodes live, what came out and what it took', {
  skip,
}, async t => {
  const page = await open(t)
  await choose(page, 'Ask a person')
  await page.getByRole('region', { name: 'The plan' }).getByText('serve').waitFor()
  await page.getByRole('button', { name: 'Run', exact: true }).click()
  const asked = page.getByRole('region', { name: 'Waiting for answers' })
  await asked.getByText('What shall it be?').waitFor()
  await page.getByRole('region', { name: 'The plan' }).getByText('ask, asked').waitFor()
  await assertAccessible(page)
  await asked.getByRole('button', { name: 'Tea' }).click()
  await page.getByRole('heading', { name: 'Workflow run' }).locator('..').getByText('succeeded').waitFor()
  await asked.waitFor({ state: 'detached' })
  await page.getByRole('definition').filter({ hasText: 'Tea' }).waitFor()
  await page.getByRole('region', { name: 'The plan' }).getByText('serve, done').waitFor()
  await node(page, 'serve')
    .getByText(/A run is/)
    .waitFor()
  await page.getByRole('table').filter({ hasText: 'Tokens in' }).getByText('offline').waitFor()
  await page.reload()
  await page.getByRole('definition').filter({ hasText: 'Tea' }).waitFor()
  await page.getByRole('link', { name: 'All workflows' }).click()
  await page.getByRole('row', { name: /^succeeded/ }).waitFor()
})

test('a tool that the client has is answered in the page', { skip }, async t => {
  const page = await open(t)
  const spec = {
    kind: 'workflow',
    model: 'offline',
    nodes: [
      {
        id: 'sum',
        type: 'llm',
        user: 'What is 6 * 7?',
        tools: [{ type: 'function', function: { name: 'calculate', parameters: { type: 'object' } } }],
        tool_execution: { mode: 'client' },
      },
    ],
    outputs: [{ name: 'sum', from: 'sum', pointer: '/output/0/content/0/text' }],
  }
  await write(page, JSON.stringify(spec))
  await page.getByText('It compiles.').waitFor()
  await page.getByRole('region', { name: 'The plan' }).getByText('sum').waitFor()
  await page.getByRole('button', { name: 'Run', exact: true }).click()
  await page.getByLabel('What the tool returns').fill('forty-two')
  await page.getByRole('button', { name: 'Return it' }).click()
  await page.getByRole('definition').filter({ hasText: 'forty-two' }).waitFor()
})

test('what is wrong is said at its place as one types, and the inputs are a form', { skip }, async t => {
  const page = await open(t)
  const spec = {
    kind: 'workflow',
    model: 'offline',
    inputs: [
      { name: 'count', type: 'number', required: true },
      { name: 'loud', type: 'boolean' },
      { name: 'list', type: 'array', default: [1] },
    ],
    nodes: [{ id: 'tell', type: 'llm', user: 'count to {{count}}' }],
    outputs: [{ name: 'counted', from: 'nobody' }],
  }
  await write(page, JSON.stringify({ ...spec, surprise: 1 }).slice(0, -1))
  await problems(page).getByText('Not JSON').waitFor()
  await write(page, JSON.stringify({ ...spec, surprise: 1 }))
  await problems(page).getByText('surprise: is unknown').waitFor()
  await problems(page)
    .getByRole('button', { name: /outputs\[0\].from/ })
    .click()
  const selected = await page.evaluate(() => {
    const root = [...document.querySelectorAll('div')].find(({ shadowRoot }) => shadowRoot)?.shadowRoot
    return (root as unknown as { getSelection?: () => Selection })?.getSelection?.().toString()
  })
  assert.equal(selected, '"nobody"')
  assert.equal(await page.getByRole('button', { name: 'Run', exact: true }).isDisabled(), true)
  await write(
    page,
    JSON.stringify({ ...spec, outputs: [{ name: 'counted', from: 'tell', pointer: '/output/0/content/0/text' }] }),
  )
  await page.getByText('It compiles.').waitFor()
  await page.getByLabel('count', { exact: true }).fill('many')
  await page.getByText('It must be a number').waitFor()
  assert.equal(await page.getByRole('button', { name: 'Run', exact: true }).isDisabled(), true)
  await page.getByLabel('count', { exact: true }).fill('3')
  await page.getByRole('button', { name: 'Run', exact: true }).click()
  await page.getByRole('definition').filter({ hasText: '1, 2, 3' }).waitFor()
})

test('these pages are accessible in both themes, and fit a narrow screen', { skip }, async t => {
  for (const colorScheme of THEMES) {
    const page = await open(t, { colorScheme, viewport: NARROW })
    await assertAccessible(page)
    await assertNoSidewaysScroll(page)
    await choose(page, 'Beside each other')
    await page.getByRole('region', { name: 'The plan' }).getByText('threads').waitFor()
    await page.getByRole('button', { name: 'Run', exact: true }).click()
    await node(page, 'both').getByText('succeeded').waitFor()
    await assertAccessible(page)
    await assertNoSidewaysScroll(page)
  }
})

async function write(page: Page, text: string) {
  await editor(page).press('Control+a')
  await page.keyboard.insertText(text)
}
