// The kinds of work that clients give the servers while these are being killed, each checking what it can see: answers,
// final states, endings. What has to be compared later goes into the ledger.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../simulation/random.ts'
import { ask, get, Reader, type Temper } from './client.ts'
import type { Cluster } from './cluster.ts'
import { KINDS, type Kind, linesOf, type Work, work } from './work.ts'

/** What the checks after a round need to know. */
export interface Ledger {
  readers: Reader[]
  /** Runs that ended with success: their log must show each step once. */
  succeeded: { path: string; work?: Work }[]
  /** Ids of runs that were rolled back. */
  erased: string[]
  /** Runs each Idempotency-Key was answered with. */
  keys: Map<string, Set<string>>
}

export interface Job {
  name: string
  cluster: Cluster
  random: Random
  ledger: Ledger
  /** Paths of its runs, for the report if something is wrong. */
  runs: string[]
}

interface WireRun {
  run_id: string
  thread_id: string
  status: string
}

type Body = Record<string, unknown>

export const MODES = ['values', 'updates', 'messages-tuple', 'custom']
const TEMPERS: readonly Temper[] = ['steady', 'steady', 'slow', 'restless', 'absent']

/** Each resolves when its runs have ended and what it saw was right. */
export const JOBS = {
  async streamed(job: Job) {
    const path = await newThread(job)
    const given = work(job.random.pick(KINDS), job.name, job.random)
    const reader = newReader(job)
    const key = newKey(job)
    const twice = job.random.chance(0.3) ? newReader(job, reader.modes) : undefined
    await Promise.all([reader, twice].map(one => one?.create(`${path}/runs`, asBody(given), key)))
    for (const one of [reader, twice]) if (one) noteKey(job, key, one.run_id)
    await expectSuccess(job, reader.path, given, [])
  },

  async waited(job: Job) {
    const path = await newThread(job)
    const given = work(job.random.pick(KINDS), job.name, job.random)
    const values = await get(job.cluster, job.random, `${path}/runs/wait`, { body: asBody(given), key: newKey(job) })
    assert.deepEqual(linesOf(values), given.lines, 'the answer to wait is the final state')
    const [run] = await get<WireRun[]>(job.cluster, job.random, `${path}/runs`)
    await expectSuccess(job, `${path}/runs/${run?.run_id}`, given, [])
  },

  async joined(job: Job) {
    const path = await newThread(job)
    const given = work(job.random.pick(KINDS), job.name, job.random)
    const run = await create(job, path, asBody(given))
    const reader = newReader(job)
    const [values] = await Promise.all([get(job.cluster, job.random, `${run}/join`), reader.join(run)])
    assert.deepEqual(linesOf(values), given.lines, 'the answer to join is the final state')
    await expectSuccess(job, run, given, [])
  },

  async background(job: Job) {
    const path = await newThread(job)
    const given = work(job.random.pick(KINDS), job.name, job.random)
    const durability = job.random.pick(['sync', 'async', 'exit'])
    const run = await create(job, path, { ...asBody(given), durability })
    while (['pending', 'running'].includes((await runAt(job, run))?.status ?? 'gone')) await sleep(80)
    // With `exit` it starts over after a crash, and shows its steps again.
    if (durability === 'exit') await expectState(job, path, given.lines)
    else await expectSuccess(job, run, given, [])
  },

  async delayed(job: Job) {
    const path = await newThread(job)
    const given = work('counted', job.name, job.random)
    const run = await create(job, path, { ...asBody(given), after_seconds: job.random.between(2, 15) / 10 })
    await get(job.cluster, job.random, `${run}/join`)
    await expectSuccess(job, run, given, [])
  },

  /** A cron that comes each second for a while: at most one run a second, whoever fires it, and all of them succeed. */
  async cron(job: Job) {
    const path = await newThread(job)
    const given = work('counted', job.name, job.random)
    const lasts_ms = 3_000
    const cron = {
      ...asBody(given),
      schedule: '* * * * * *',
      end_time: new Date(Date.now() + lasts_ms).toISOString(),
    }
    // It has no key, so a repeat after a lost answer makes another; one that comes too late is refused.
    const answer = await ask(job.cluster, job.random, `${path}/runs/crons`, { body: cron })
    assert.ok([200, 422].includes(answer.status), `the cron was answered ${answer.status}: ${answer.text}`)
    const search = { thread_id: path.split('/').at(-1), limit: 100 }
    const crons = () =>
      get<{ next_run_date: string | null }[]>(job.cluster, job.random, '/runs/crons/search', { body: search })
    while ((await crons()).some(one => one.next_run_date !== null)) await sleep(100)
    const runs = await get<WireRun[]>(job.cluster, job.random, `${path}/runs?limit=100`)
    const most = (await crons()).length * (lasts_ms / 1_000 + 1)
    assert.ok(runs.length <= most, `${runs.length} runs of crons that come ${most} times`)
    for (const { run_id } of runs) {
      const run = `${path}/runs/${run_id}`
      job.runs.push(run)
      await get(job.cluster, job.random, `${run}/join`)
      await expectEnding(job, run, ['success'], given)
    }
    await expectState(
      job,
      path,
      runs.flatMap(() => given.lines),
    )
  },

  async enqueued(job: Job) {
    const path = await newThread(job)
    const kind = job.random.pick(KINDS)
    const given = ['a', 'b', 'c'].map(part => work(kind, `${job.name}${part}`, job.random))
    const runs = []
    for (const one of given) runs.push(await create(job, path, asBody(one)))
    const reader = newReader(job)
    await reader.join(runs[2] as string)
    for (const [index, run] of runs.entries()) await expectEnding(job, run, ['success'], given[index])
    await expectState(
      job,
      path,
      given.flatMap(one => one.lines),
    )
  },

  async interrupting(job: Job) {
    const path = await newThread(job)
    const { first, later, firstRun, laterRun } = await displaced(job, path, 'interrupt')
    const ending = await expectEnding(job, firstRun, ['interrupted', 'success'], first)
    await expectEnding(job, laterRun, ['success'], later)
    const lines = await stateOf(job, path)
    const kept = lines.slice(0, lines.length - later.lines.length)
    assert.deepEqual(lines.slice(kept.length), later.lines)
    assert.deepEqual(kept, first.lines.slice(0, kept.length), 'what the interrupted run left is a part of its work')
    if (ending === 'success') assert.deepEqual(kept, first.lines)
  },

  async rolling_back(job: Job) {
    const path = await newThread(job)
    const { first, later, firstRun, laterRun } = await displaced(job, path, 'rollback')
    await expectEnding(job, laterRun, ['success'], later)
    const run = await runAt(job, firstRun)
    if (run) await expectEnding(job, firstRun, ['success'], first)
    else erased(job, firstRun)
    await expectState(job, path, [...(run ? first.lines : []), ...later.lines])
  },

  async cancelled(job: Job) {
    const path = await newThread(job)
    const kind = job.random.pick(KINDS)
    const before = work(kind, `${job.name}a`, job.random)
    await get(job.cluster, job.random, `${path}/runs/wait`, { body: asBody(before), key: newKey(job) })
    const given = work(kind, `${job.name}b`, job.random)
    const run = await create(job, path, asBody(given))
    const reader = newReader(job)
    const reading = reader.join(run)
    await sleep(job.random.between(0, 500))
    const action = job.random.pick(['interrupt', 'rollback'])
    const answer = await ask(job.cluster, job.random, `${run}/cancel?wait=true&action=${action}`, { method: 'POST' })
    assert.ok([204, 404, 409].includes(answer.status), `cancel answered ${answer.status}: ${answer.text}`)
    await reading
    const ended = await runAt(job, run)
    if (!ended) {
      assert.equal(action, 'rollback')
      erased(job, run)
      return expectState(job, path, before.lines)
    }
    const status = await expectEnding(job, run, action === 'rollback' ? ['success'] : ['interrupted', 'success'], given)
    const lines = await stateOf(job, path)
    if (status === 'success') assert.deepEqual(lines, [...before.lines, ...given.lines])
    else
      assert.deepEqual(lines, [...before.lines, ...given.lines].slice(0, Math.max(lines.length, before.lines.length)))
  },

  async asked(job: Job) {
    const path = await newThread(job)
    const state = async () => get<{ values: { answers?: string[] } }>(job.cluster, job.random, `${path}/state`)
    const step = async (body: Body, question: string | undefined, answers: string[]) => {
      const run = await create(job, path, { assistant_id: 'ask', ...body })
      const values = await get<Body>(job.cluster, job.random, `${run}/join`)
      await expectEnding(job, run, ['success'])
      const [open] = (values.__interrupt__ ?? []) as { value: { question: string } }[]
      assert.equal(open?.value.question, question, `the question open after ${JSON.stringify(body)}`)
      assert.deepEqual((await state()).values.answers ?? [], answers)
      const thread = await get<{ status: string }>(job.cluster, job.random, path)
      assert.equal(thread.status, question ? 'interrupted' : 'idle')
    }
    await step({ input: {} }, 'first?', [])
    await step({ command: { resume: `${job.name}-1` } }, 'second?', [])
    await step({ command: { resume: `${job.name}-2` } }, undefined, [`${job.name}-1`, `${job.name}-2`])
  },

  async stateless(job: Job) {
    const given = work(job.random.pick(KINDS), job.name, job.random)
    const reader = newReader(job)
    const key = newKey(job)
    await reader.create('/runs', asBody(given), key)
    noteKey(job, key, reader.run_id)
    const last = reader.frames.findLast(frame => frame.event === 'values')
    assert.deepEqual(linesOf(JSON.parse(last?.data ?? 'null')), given.lines)
  },

  async deleted(job: Job) {
    const path = await newThread(job)
    const given = work('counted', job.name, job.random)
    const run = await create(job, path, asBody(given))
    const reader = newReader(job)
    const reading = reader.join(run)
    await sleep(job.random.between(0, 400))
    const whole = job.random.chance(0.5)
    const answer = await ask(job.cluster, job.random, whole ? path : run, { method: 'DELETE' })
    assert.ok([204, 404].includes(answer.status), `delete answered ${answer.status}: ${answer.text}`)
    await reading
    assert.equal(await runAt(job, run), undefined, 'a deleted run is gone')
    if (whole) return erased(job, run)
    const next = work('counted', `${job.name}n`, job.random)
    const values = await get(job.cluster, job.random, `${path}/runs/wait`, { body: asBody(next), key: newKey(job) })
    assert.deepEqual(linesOf(values).slice(-next.lines.length), next.lines, 'the thread takes the next message')
  },
}

function asBody({ assistant_id, input }: Work): Body {
  return { assistant_id, input }
}

/** Under an id of its own, so that a lost answer does not matter. */
async function newThread({ cluster, random }: Job): Promise<string> {
  const thread_id = crypto.randomUUID()
  await get(cluster, random, '/threads', { body: { thread_id, if_exists: 'do_nothing' } })
  return `/threads/${thread_id}`
}

function newReader({ cluster, random, ledger }: Job, asked?: string[]): Reader {
  const modes = asked ?? MODES.filter(mode => mode === 'values' || random.chance(0.6))
  const reader = new Reader(cluster, random, modes, random.pick(TEMPERS))
  ledger.readers.push(reader)
  return reader
}

function newKey({ name }: Job): string {
  return `${name} ${crypto.randomUUID()}`
}

function noteKey({ ledger }: Job, key: string, run_id: string) {
  ledger.keys.set(key, (ledger.keys.get(key) ?? new Set()).add(run_id))
}

/** Creates a run in the background; sometimes asks twice at once, as clients with a short patience do. Its path. */
async function create(job: Job, path: string, body: Body): Promise<string> {
  const key = newKey(job)
  const post = () =>
    get<WireRun>(job.cluster, job.random, `${path}/runs`, { body: { ...body, stream_mode: MODES }, key })
  const made = await Promise.all(job.random.chance(0.3) ? [post(), post()] : [post()])
  for (const run of made) noteKey(job, key, run.run_id)
  const [run] = made as [WireRun]
  job.runs.push(`${path}/runs/${run.run_id}`)
  return `${path}/runs/${run.run_id}`
}

async function runAt({ cluster, random }: Job, run: string): Promise<WireRun | undefined> {
  const { status, text } = await ask(cluster, random, run)
  if (status === 404) return undefined
  assert.equal(status, 200, text)
  return JSON.parse(text)
}

/** A run, and another that makes it go. */
async function displaced(job: Job, path: string, multitask_strategy: string) {
  const kind: Kind = job.random.pick(KINDS)
  const [first, later] = [work(kind, `${job.name}a`, job.random), work(kind, `${job.name}b`, job.random)]
  const firstRun = await create(job, path, asBody(first))
  await sleep(job.random.between(0, 600))
  const laterRun = await create(job, path, { ...asBody(later), multitask_strategy })
  const reader = newReader(job)
  await reader.join(laterRun)
  return { first, later, firstRun, laterRun }
}

function erased({ ledger }: Job, run: string) {
  ledger.erased.push(run.split('/').at(-1) as string)
}

async function stateOf({ cluster, random }: Job, path: string): Promise<string[]> {
  return linesOf((await get<{ values: unknown }>(cluster, random, `${path}/state`)).values)
}

async function expectState(job: Job, path: string, lines: string[]) {
  assert.deepEqual(await stateOf(job, path), lines, `the state of ${path}`)
  assert.deepEqual(
    linesOf((await get<{ values: unknown }>(job.cluster, job.random, path)).values),
    lines,
    `the values of ${path}`,
  )
}

async function expectEnding(job: Job, run: string, allowed: string[], given?: Work): Promise<string> {
  const { status } = (await runAt(job, run)) ?? { status: 'gone' }
  assert.ok(allowed.includes(status), `${run} has status ${status}, not ${allowed.join(' or ')}`)
  if (status === 'success') job.ledger.succeeded.push({ path: run, ...(given && { work: given }) })
  return status
}

async function expectSuccess(job: Job, run: string, given: Work, before: string[]) {
  await expectEnding(job, run, ['success'], given)
  await expectState(job, run.split('/runs')[0] as string, [...before, ...given.lines])
}
