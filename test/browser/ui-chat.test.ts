// The chat page against real servers: talking, what survives reloads and kills, questions, branches, and that whatever is
// said stays text.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Locator, Page } from 'playwright-core'
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
const WORDS = Array.from({ length: 40 }, (_, index) => `word${index}`).join(' ')
const QUICK = `20ms ${WORDS}`
const SLOW = `150ms ${WORDS}`

const { browser, skip, server, folder } = await startUiAndServer(config)

async function open(t: TestContext, assistant?: string, options: OpenOptions = {}): Promise<Page> {
  const page = await openUi(t, browser, `${server.url}/ui/chat/new`, options)
  await field(page).waitFor()
  if (assistant) await choose(page, assistant)
  return page
}

async function choose(page: Page, assistant: string) {
  await page.getByRole('button', { name: 'Assistant' }).click()
  await page.getByRole('menuitemcheckbox', { name: assistant }).click()
}

function field(page: Page): Locator {
  return page.getByRole('textbox', { name: 'Your message' })
}

async function say(page: Page, text: string) {
  await field(page).fill(text)
  await field(page).press('Enter')
}

function answers(page: Page): Locator {
  return page.getByRole('article', { name: 'Answer' })
}

/** Until the last answer is this, and its turn is over. */
async function answered(page: Page, text: string | RegExp) {
  await answers(page).last().filter({ hasText: text }).waitFor({ timeout: 60_000 })
  await page.locator('[data-busy=false]').waitFor({ timeout: 60_000 })
}

/** Until some of the last answer is there, but not all. */
async function growing(page: Page) {
  await answers(page).last().filter({ hasText: 'word3' }).waitFor()
}

function threadOf(page: Page): string {
  const [, id = ''] = /\/chat\/([0-9a-f-]{36})$/.exec(page.url()) ?? []
  return id
}

async function textsOf(page: Page): Promise<string[]> {
  const texts = await page
    .getByRole('article')
    .evaluateAll(all => all.map(one => one.firstElementChild?.textContent ?? ''))
  return texts.map(text => text.trim())
}

test('talking to the agent: a tool, its result, what it took, and what one thinks of it', { skip }, async t => {
  const page = await open(t)
  await say(page, 'What is 6 * 7?')
  await answered(page, '6 * 7 is 42.')
  assert.ok(threadOf(page), 'the page is at the thread’s own address')
  await page.getByRole('button', { name: /calculate/ }).click()
  await page.getByText('“6 * 7”').waitFor()
  await page.getByText('87 tokens in, 10 out').waitFor()
  await page.getByRole('button', { name: 'A good answer' }).click()
  await page.getByLabel('Why?').fill('right at once')
  await page.getByRole('button', { name: 'Say so' }).click()
  await page.getByRole('button', { name: 'A good answer', pressed: true }).waitFor()
  const [run] = await clientOf(server.url).runs.list(threadOf(page))
  const path = `${server.url}/api/threads/${threadOf(page)}/runs/${run?.run_id}/feedback`
  await page.waitForFunction(async url => (await (await fetch(url)).json())[0]?.comment === 'right at once', path)
  await page.getByRole('button', { name: 'A good answer' }).click()
  await page.getByRole('button', { name: 'A good answer', pressed: false }).waitFor()
})

test('threads: listed, found, renamed, copied and deleted', { skip }, async t => {
  const page = await open(t, 'echo')
  await say(page, 'a thread about weaving')
  await answered(page, 'a thread about weaving')
  const list = page.getByRole('list', { name: 'Threads' })
  await list.getByRole('link', { name: 'a thread about weaving' }).waitFor()
  const more = async (action: string) => {
    await list
      .getByRole('button', { name: /^More about/ })
      .first()
      .click()
    await page.getByRole('menuitem', { name: action }).click()
  }
  await more('Rename')
  await page.getByLabel('Title').fill('The loom')
  await page.getByRole('button', { name: 'Rename' }).click()
  await page.getByRole('heading', { name: 'The loom', level: 1 }).waitFor()
  await page.getByRole('searchbox').fill('no such thread')
  await page.getByText('None is like that').waitFor()
  await page.getByRole('searchbox').fill('loom')
  assert.equal(await list.getByRole('link').count(), 1)
  const first = threadOf(page)
  await more('Copy')
  await page.waitForURL(url => !url.pathname.endsWith(first))
  await answered(page, 'a thread about weaving')
  const copy = threadOf(page)
  assert.equal((await clientOf(server.url).threads.get(copy)).metadata?.title, 'The loom')
  await list.getByRole('link').nth(1).waitFor()
  await more('Delete')
  await page.getByRole('button', { name: 'Delete it' }).click()
  await page.waitForFunction(() => document.querySelectorAll('ul[aria-label=Threads] a').length === 1)
})

test('a reload in mid-answer goes on with it', { skip }, async t => {
  const page = await open(t, 'echo')
  await say(page, QUICK)
  await answered(page, QUICK)
  await say(page, SLOW)
  await growing(page)
  await page.reload()
  await growing(page)
  await answered(page, SLOW)
  assert.deepEqual(await textsOf(page), [QUICK, QUICK, SLOW, SLOW])
})

test('so does one right after the first message of a new chat, which is sent once', { skip }, async t => {
  const page = await open(t, 'echo')
  const sent: string[] = []
  page.on('request', request => sent.push(request.url()))
  await say(page, SLOW)
  await page.waitForURL(/\/chat\/[0-9a-f-]{36}$/)
  await page.reload()
  await growing(page)
  await answered(page, SLOW)
  assert.deepEqual(await textsOf(page), [SLOW, SLOW])
  assert.equal((await clientOf(server.url).runs.list(threadOf(page))).length, 1)
  assert.deepEqual(
    sent.filter(url => url.includes('/threads/new')),
    [],
  )
})

test('the server is killed in mid-answer and comes back: the answer goes on by itself', { skip }, async t => {
  const database_url = `sqlite:${join(folder.path, 'killed.db')}`
  let server = await startServer({ database_url, config })
  t.after(() => server.stop())
  const refused =
    /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|Failed to fetch|network error|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET/
  const page = await openUi(t, browser, `${server.url}/ui/chat/new`, { refused })
  await choose(page, 'echo')
  await say(page, SLOW)
  await growing(page)
  const port = Number(new URL(server.url).port)
  await server.kill()
  server = await startServer({ database_url, config, port })
  await page.getByText('taken up where it broke off').waitFor({ timeout: 60_000 })
  await page.getByText('(attempt 2)').waitFor({ timeout: 60_000 })
  await answered(page, SLOW)
  assert.deepEqual(await textsOf(page), [SLOW, SLOW])
})

test('a server that is away for longer than the SDK waits is found again', { skip }, async t => {
  const database_url = `sqlite:${join(folder.path, 'away.db')}`
  let server = await startServer({ database_url, config })
  t.after(() => server.stop())
  const page = await openUi(t, browser, `${server.url}/ui/chat/new`, { refused: /./ })
  await choose(page, 'echo')
  await say(page, SLOW)
  await growing(page)
  const port = Number(new URL(server.url).port)
  await page.clock.install()
  await server.kill()
  // What the SDK waits between its attempts goes by at once.
  await page.getByText('The connection is lost.').waitFor({ timeout: 60_000 })
  for (let second = 0; second < 60; second++) await page.clock.runFor(1_000)
  await page.getByText('The connection is lost.').waitFor()
  server = await startServer({ database_url, config, port })
  await page.clock.resume()
  await answered(page, SLOW)
  assert.deepEqual(await textsOf(page), [SLOW, SLOW])
})

test('two tabs on one thread see the same', { skip }, async t => {
  const page = await open(t, 'echo')
  await say(page, 'hello')
  await answered(page, 'hello')
  const other = await openUi(t, browser, page.url())
  await answered(other, 'hello')
  await say(page, SLOW)
  await growing(other)
  await Promise.all([answered(page, SLOW), answered(other, SLOW)])
  assert.deepEqual(await textsOf(other), ['hello', 'hello', SLOW, SLOW])
  await say(other, 'and back')
  await answered(page, 'and back')
})

test('stop ends the run on the server, and the thread takes the next message', { skip }, async t => {
  const page = await open(t, 'echo')
  await say(page, SLOW)
  await growing(page)
  await page.getByRole('button', { name: 'Stop' }).click()
  await page.getByText('Stopped.').waitFor()
  const client = clientOf(server.url)
  const [run] = await client.runs.list(threadOf(page))
  await client.runs.join(threadOf(page), run?.run_id as string)
  assert.equal((await client.runs.get(threadOf(page), run?.run_id as string)).status, 'interrupted')
  await page.reload()
  await page.getByRole('button', { name: 'Go on' }).waitFor()
  await say(page, 'and now?')
  await answered(page, 'and now?')
})

test('a question is asked, also after a reload, and answered in words', { skip }, async t => {
  const page = await open(t, 'approve')
  await say(page, 'a dance')
  await page.getByText('May I do "a dance"?').waitFor()
  await page.reload()
  await page.getByText('May I do "a dance"?').waitFor()
  await assertAccessible(page)
  await page.getByLabel('Your answer').fill('yes')
  await page.getByRole('button', { name: 'Answer', exact: true }).click()
  await answered(page, 'You said yes.')
})

test('two questions at once are answered together, each its own', { skip }, async t => {
  const page = await open(t, 'work')
  await say(page, 'both')
  await page.getByText('The agent waits for 2 answers').waitFor()
  await page.getByRole('button', { name: 'blue' }).click()
  await page.getByText('1 to go').waitFor()
  await page.getByLabel('Your answer').fill('west')
  await page.getByRole('button', { name: 'Answer', exact: true }).click()
  await page.getByRole('button', { name: 'Send the answers' }).click()
  await answered(page, 'right: blue')
  assert.deepEqual(await textsOf(page), ['both', 'left: west', 'right: blue'])
})

test('a tool that waits for approval is changed, or turned down', { skip }, async t => {
  const page = await open(t, 'work')
  await say(page, 'review')
  await page.getByText('It wants to call').waitFor()
  await assertAccessible(page)
  await page.getByRole('button', { name: 'Change it' }).click()
  await page.getByLabel('Arguments, as JSON').fill('{"to": "bob"}')
  await page.getByRole('button', { name: 'Approve this' }).click()
  await answered(page, '"args":{"to":"bob"}')
  await say(page, 'review')
  await page.getByRole('button', { name: 'Turn it down' }).click()
  await page.getByLabel(/^Why not/).fill('too late')
  await page.getByRole('button', { name: 'Turn it down' }).click()
  await answered(page, '{"type":"reject","message":"too late"}')
})

test('an earlier message said differently is a branch; each can be looked at, and gone on from', { skip }, async t => {
  const page = await open(t, 'echo')
  for (const text of ['one', 'two']) {
    await say(page, text)
    await answered(page, text)
  }
  const edit = async (nth: number, text: string) => {
    await page.getByRole('button', { name: 'Say it differently' }).nth(nth).click()
    await page.getByLabel('The message, said differently').fill(text)
    await page.getByRole('button', { name: 'Send', exact: true }).first().click()
    await answered(page, text)
  }
  await edit(0, 'three')
  assert.deepEqual(await textsOf(page), ['three', 'three'])
  await page.getByText('2 of 2').waitFor()
  await edit(0, 'four')
  await page.getByText('3 of 3').waitFor()
  await page.getByRole('button', { name: 'The branch before' }).click()
  await page.getByText('2 of 3').waitFor()
  await page.getByRole('button', { name: 'The branch before' }).click()
  await answered(page, 'two')
  assert.deepEqual(await textsOf(page), ['one', 'one', 'two', 'two'])
  await say(page, 'five')
  await answered(page, 'five')
  assert.deepEqual(await textsOf(page), ['one', 'one', 'two', 'two', 'five', 'five'])
  await page.getByRole('button', { name: 'Answer anew' }).last().click()
  await page.getByText('2 of 2').waitFor()
  assert.deepEqual(await textsOf(page), ['one', 'one', 'two', 'two', 'five', 'five'])
  await page.reload()
  await page.getByText('1 of 3').waitFor()
})

test('whatever is said stays text', { skip }, async t => {
  const page = await open(t, 'echo')
  const hostile = [
    '<script>document.title = "taken"</script><img src=x onerror="document.title = \'taken\'">',
    '[a link](javascript:document.title="taken") ![a pixel](https://example.com/pixel.png)',
    '<style>body { display: none }</style><iframe src="https://example.com"></iframe>',
    'right\u202eto left\u202c and \u0000 nothing',
    'x'.repeat(20_000),
  ].join('\n\n')
  await say(page, hostile)
  await answered(page, 'x'.repeat(20_000))
  assert.match((await answers(page).last().textContent()) as string, /<script>document\.title/)
  assert.equal(await page.locator('article img, article iframe, article script, article style').count(), 0)
  assert.equal(await page.locator('article a[href^="javascript:"]').count(), 0)
  assert.notEqual(await page.title(), 'taken')
  await assertNoSidewaysScroll(page)
})

test('a plan, reasoning, tools, sub-agents and Markdown: accessible in both themes, wide and narrow', {
  skip,
}, async t => {
  let address = ''
  for (const colorScheme of THEMES) {
    for (const viewport of [undefined, NARROW]) {
      const shape = { colorScheme, ...(viewport && { viewport }) }
      const page = address ? await openUi(t, browser, address, shape) : await open(t, 'work', shape)
      if (!address) {
        await say(page, 'show me')
        await page.getByText('They are fine.', { exact: true }).waitFor()
      }
      await answered(page, 'What I found')
      address = page.url()
      await page.getByText('1 of 3 done').waitFor()
      await page.getByRole('button', { name: 'What it thought' }).click()
      await page.getByText('First I should look.').waitFor()
      await page.getByRole('button', { name: /search/ }).click()
      await page.getByText('“runs”').waitFor()
      await page.locator('.hljs-keyword').waitFor()
      await assertAccessible(page)
      await assertNoSidewaysScroll(page)
    }
  }
})

test('files by drop, paste and choice go with the message; modes are in the run’s context', { skip }, async t => {
  const page = await open(t)
  await page.setInputFiles('input[type=file]', { name: 'one.txt', mimeType: 'text/plain', buffer: Buffer.from('1') })
  for (const [type, name] of [
    ['drop', 'two.txt'],
    ['paste', 'three.txt'],
  ]) {
    await field(page).evaluate(
      (element, [type, name]) => {
        const data = new DataTransfer()
        data.items.add(new File(['more'], name as string, { type: 'text/plain' }))
        const how = { bubbles: true, cancelable: true }
        element.dispatchEvent(
          type === 'drop'
            ? new DragEvent('drop', { ...how, dataTransfer: data })
            : new ClipboardEvent('paste', { ...how, clipboardData: data }),
        )
      },
      [type, name],
    )
  }
  await page.getByRole('button', { name: 'Modes' }).click()
  await page.getByRole('menuitemcheckbox', { name: 'Plan first' }).click()
  const files = page.getByRole('list', { name: 'Files' })
  await files.getByText('three.txt').waitFor()
  await files.getByRole('button', { name: 'Leave out one.txt' }).click()
  await say(page, 'hello')
  await answered(page, 'offline model')
  await page.getByRole('article', { name: 'You' }).getByText('two.txt').waitFor()
  const client = clientOf(server.url)
  const { values } = await client.threads.getState<{ messages: { additional_kwargs: { files: object[] } }[] }>(
    threadOf(page),
  )
  assert.deepEqual(values.messages[0]?.additional_kwargs.files, [
    { filename: 'two.txt', size: 4, path: '/mnt/user-data/uploads/two.txt', status: 'uploaded' },
    { filename: 'three.txt', size: 4, path: '/mnt/user-data/uploads/three.txt', status: 'uploaded' },
  ])
  const [run] = await client.runs.list(threadOf(page))
  assert.deepEqual((run as unknown as { kwargs: { context: unknown } }).kwargs.context, { is_plan_mode: true })
})

test('a long thread opens at its end, with what is seen of it', { skip }, async t => {
  const client = clientOf(server.url)
  const messages = Array.from({ length: 400 }, (_, n) => [
    { type: 'human', id: `q${n}`, content: `question ${n}` },
    { type: 'ai', id: `a${n}`, content: `answer ${n}\n\n${'word '.repeat(n % 90)}` },
  ]).flat()
  const { thread_id } = await client.threads.create({ graphId: 'echo' })
  await client.threads.updateState(thread_id, { values: { messages }, asNode: 'model' })
  const page = await openUi(t, browser, `${server.url}/ui/chat/${thread_id}`)
  await page.getByText('answer 399').waitFor()
  assert.ok((await page.getByRole('article').count()) < 80, 'only some of them are in the page')
  await page.getByRole('region', { name: 'Conversation' }).hover()
  await page.mouse.wheel(0, -3_000)
  await page.getByRole('button', { name: 'To the end' }).click()
  await page.getByText('answer 399').waitFor()
})

test('a thread that there is not is said so, with the id of the request', { skip }, async t => {
  const nothing = '00000000-0000-4000-8000-000000000000'
  const page = await openUi(t, browser, `${server.url}/ui/chat/${nothing}`, { refused: /404/ })
  await page.getByText('There is no such thing here').waitFor()
  assert.match((await page.getByRole('alert').first().textContent()) as string, /Request \S+/)
})

test('a key that is not good any more: the page says so, takes another, and goes on', { skip }, async t => {
  const key = 'mr_sk_secretsecretsecretsecret'
  const database_url = `sqlite:${join(folder.path, 'keys.db')}`
  const guarded = await startServer({ database_url, config, env: { RUNLOOM_API_KEYS: key } })
  const page = await openUi(t, browser, `${guarded.url}/ui/settings`, { refused: /401/ })
  t.after(() => guarded.stop()) // after the page, which would miss it
  const give = async (key: string) => {
    await page.getByLabel(/^Needed where/).fill(key)
    await page.getByRole('button', { name: 'Use it' }).click()
  }
  await give(key)
  await page.getByText('The server answers.').waitFor()
  await page.getByRole('link', { name: 'Chat' }).click()
  await say(page, 'What is 6 * 7?')
  await answered(page, '6 * 7 is 42.')
  await page.evaluate(() => sessionStorage.setItem('runloom:key', 'expired'))
  await page.reload()
  await page.getByRole('link', { name: 'Give a key' }).first().click()
  await give(key)
  await page.getByText('The server answers.').waitFor()
  await page.getByRole('link', { name: 'Chat' }).click()
  await page.getByRole('link', { name: 'What is 6 * 7?' }).click()
  await answered(page, '6 * 7 is 42.')
})

test('at 375 px: threads behind a button, and room to write', { skip }, async t => {
  const page = await open(t, 'echo', { viewport: NARROW })
  await say(page, 'from a small screen')
  await answered(page, 'from a small screen')
  await page.getByRole('button', { name: 'Show the threads' }).click()
  await page.getByRole('list', { name: 'Threads' }).getByRole('link', { name: 'from a small screen' }).waitFor()
  await assertAccessible(page)
  await assertNoSidewaysScroll(page)
  await page.getByRole('link', { name: 'New chat' }).first().click()
  await page.getByText('Say something to the agent').waitFor()
})
