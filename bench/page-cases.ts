// What is measured of the web page, in a real Chromium: an answer of 200 tokens a second as long as `page_seconds`, and
// opening a run of `events` events. A long task is one of 50 ms and more, during which the page answers nobody.
import { Client } from '@langchain/langgraph-sdk'
import type { Browser, Page } from 'playwright-core'
import { browserForUi } from '../test/browser/ui.ts'
import type { Case } from './cases.ts'
import * as local from './local.ts'
import { figure, median } from './measure.ts'
import type { Target } from './server.ts'

const RATE = 200
/** When the heap is measured first: what a page takes to begin with is done. */
const SETTLED_S = 10
const OPENINGS = 5

interface LongTask {
  at: number
  ms: number
}

interface TraceEvent {
  name: string
  pid: number
  tid: number
  /** Microseconds of CPU. */
  tdur?: number
  args?: { name?: string }
}

interface Opening {
  first: number
  all: number
}

export const page: Case = async (target, sizes, goals) => {
  const browser = await browserForUi()
  if (typeof browser === 'string') {
    process.stderr.write(`The page was not measured: ${browser}\n`)
    return []
  }
  try {
    const answer = await longAnswer(browser, target, sizes.page_seconds)
    const opened = await openings(browser, target, sizes.events)
    const of = (name: string, unit: string, value: number) =>
      figure(target.name, name, unit, value, { goal: goals[name] ?? goals[name.replace(/,.*/, '')] })
    return [
      of('page: longest task', 'ms', Math.max(0, ...answer.tasks.map(({ ms }) => ms))),
      of('page: longest task, CPU', 'ms', answer.longest_cpu_ms),
      of(`page: long tasks in ${sizes.page_seconds} s`, '', answer.tasks.length),
      of(`page: heap after ${SETTLED_S} s`, 'MB', answer.settled_mb),
      of('page: heap growth', 'MB', answer.ended_mb - answer.settled_mb),
      of('page: run opens, first rows', 'ms', median(opened.map(({ first }) => first))),
      of(`page: run opens, all of ${sizes.events} events`, 'ms', median(opened.map(({ all }) => all))),
    ]
  } finally {
    await browser.close()
  }
}

/** Asks the graph of tokens in the chat page, and watches the page until the answer is whole. */
async function longAnswer(browser: Browser, { urls: [url] }: Target, seconds: number) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
  await page.goto(`${url}/ui/chat/new`)
  await page.getByRole('button', { name: 'Assistant' }).click()
  await page.getByRole('menuitemcheckbox', { name: 'tokens' }).click()
  const heap = await heapOf(page)
  await page.evaluate(() => {
    const tasks: LongTask[] = []
    new PerformanceObserver(list => {
      for (const { startTime, duration } of list.getEntries()) tasks.push({ at: startTime, ms: duration })
    }).observe({ type: 'longtask' })
    Object.assign(window, { tasks })
  })
  await browser.startTracing(page, { categories: ['toplevel'] })
  const field = page.getByRole('textbox', { name: 'Your message' })
  await field.fill(`${RATE * seconds}@${RATE}`)
  await field.press('Enter')
  await page.getByText('token-0').first().waitFor()
  await page.waitForTimeout(SETTLED_S * 1000)
  const settled = await heap()
  await page.getByText(`token-${RATE * seconds - 1}`).waitFor({ timeout: seconds * 3_000 })
  await page.locator('[data-busy=false]').waitFor()
  await page.waitForTimeout(1_000)
  const tasks = (await page.evaluate('tasks')) as LongTask[]
  const longest_cpu_ms = longestOf(await browser.stopTracing())
  const ended = await heap()
  await page.context().close()
  // A collection that was asked for here is nothing that the page does by itself.
  const own = tasks.filter(({ at, ms }) => at + ms < settled.from || at > settled.to)
  return { longest_cpu_ms, tasks: own, settled_mb: settled.mb, ended_mb: ended.mb }
}

/**
 * Milliseconds of CPU that the longest task of the page's main thread took. On a machine that others use, a task's length
 * by the clock is theirs as much.
 */
function longestOf(trace: Buffer): number {
  const { traceEvents } = JSON.parse(trace.toString()) as { traceEvents: TraceEvent[] }
  const mains = new Set(
    traceEvents.filter(({ args }) => args?.name === 'CrRendererMain').map(({ pid, tid }) => `${pid} ${tid}`),
  )
  const tasks = traceEvents.filter(({ name, pid, tid }) => name.endsWith('RunTask') && mains.has(`${pid} ${tid}`))
  return tasks.reduce((most, { tdur = 0 }) => Math.max(most, tdur / 1000), 0)
}

/** Megabytes after a full collection, and when that went on, by the page's clock. */
async function heapOf(page: Page) {
  const devtools = await page.context().newCDPSession(page)
  await devtools.send('Performance.enable')
  const now = () => page.evaluate(() => performance.now())
  return async () => {
    const from = await now()
    await devtools.send('HeapProfiler.collectGarbage')
    const { metrics } = await devtools.send('Performance.getMetrics')
    const bytes = metrics.find(({ name }) => name === 'JSHeapUsedSize')?.value ?? Number.NaN
    return { mb: bytes / 2 ** 20, from, to: await now() }
  }
}

/** Milliseconds from an address being opened until the first events, and until all of them are there. */
async function openings(browser: Browser, { urls: [url] }: Target, events: number) {
  const client = new Client({ apiUrl: url as string })
  const { thread_id } = await client.threads.create()
  const input = local.say(String(events))
  const { run_id } = await client.runs.create(thread_id, 'tokens', { input, streamMode: ['messages-tuple'] })
  await client.runs.join(thread_id, run_id)
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } })
  await context.addInitScript(count => {
    const seen: { first?: number; all?: number } = {}
    const look = () => {
      const place = document.querySelector('[role=option][aria-selected=true]')?.getAttribute('aria-posinset')
      if (place) seen.first ??= performance.now()
      // The newest event is the chosen one, and in sight.
      if (Number(place) >= count) seen.all ??= performance.now()
      else requestAnimationFrame(look)
    }
    look()
    Object.assign(window, { seen })
  }, events)
  const found: Opening[] = []
  // The first one fetches the page's files and does not count.
  for (let round = 0; round <= OPENINGS; round++) {
    const page = await context.newPage()
    await page.goto(`${url}/ui/runs/${thread_id}/${run_id}`)
    const all = () => (window as unknown as { seen: Opening }).seen.all !== undefined
    await page.waitForFunction(all, undefined, { timeout: 60_000 })
    if (round > 0) found.push((await page.evaluate('seen')) as Opening)
    await page.close()
  }
  await context.close()
  return found
}
