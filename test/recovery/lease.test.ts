// Who owns a run: processes that were stopped past their lease, that block their event loop, or whose clock is an hour off.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { forEachDatabase } from '../support/databases.ts'
import { createDatabase, dropDatabase } from '../support/postgres.ts'
import { clientOf, type ServerProcess } from '../support/server.ts'
import {
  expectComplete,
  framesOf,
  LEASE_MS,
  lookUp,
  rowsOf,
  sibling,
  start,
  startCounted,
  untilStep,
} from './harness.ts'
import { forSqlite } from './sqlite-files.ts'

const HOUR_MS = 3_600_000

/** Two servers on a fresh Postgres, stopped afterwards. */
async function onTwo(
  envs: NodeJS.ProcessEnv[],
  body: (url: string, one: ServerProcess, two: ServerProcess) => Promise<void>,
) {
  const database_url = await createDatabase()
  const servers = await Promise.all([start(database_url, envs[0]), start(database_url, envs[1])])
  try {
    await body(database_url, ...(servers as [ServerProcess, ServerProcess]))
  } finally {
    await Promise.all(servers.map(server => server.kill()))
    await dropDatabase(database_url)
  }
}

describe('SIGSTOP past the lease, then SIGCONT, with another process', () => {
  test('after the run has ended elsewhere nothing of the sleeper lands', async () => {
    await onTwo([], async (database_url, sleeper, other) => {
      const run = await startCounted(clientOf(sleeper.url), 12, 60)
      await untilStep(database_url, run.run_id, 2)
      sleeper.child.kill('SIGSTOP')
      await clientOf(other.url).runs.join(run.thread_id, run.run_id)
      const before = await rowsOf(database_url, run)
      sleeper.child.kill('SIGCONT')
      await sleep(LEASE_MS)
      assert.deepEqual(await rowsOf(database_url, run), before)
      await expectComplete(other, run)
      assert.deepEqual(await framesOf(sleeper, run.path), await framesOf(other, run.path))
    })
  })

  test('while the run goes on elsewhere the sleeper adds nothing and both see the same', async () => {
    await onTwo([], async (database_url, sleeper, other) => {
      const run = await startCounted(clientOf(sleeper.url), 20, 90)
      await untilStep(database_url, run.run_id, 2)
      sleeper.child.kill('SIGSTOP')
      await untilAttempt(database_url, run.run_id, 2)
      sleeper.child.kill('SIGCONT')
      await expectComplete(other, run)
      const { heads } = await rowsOf(database_url, run)
      assert.equal(heads?.[0]?.attempt, 2, 'the sleeper did not take it back')
      assert.deepEqual(await framesOf(sleeper, run.path), await framesOf(other, run.path))
      await startCounted(clientOf(sleeper.url), 2, 0).then(next => expectComplete(other, next))
    })
  })
})

test('a process that is stopped in the middle of a transaction does not hold up the others', async () => {
  const stopAt = (commit: number) =>
    onTwo([{ CHAOS_FREEZE_AT: String(commit) }], async (database_url, frozen, other) => {
      const starting = startCounted(clientOf(frozen.url), 15, 60).catch(() => undefined)
      await untilFrozen(frozen)
      const next = await startCounted(clientOf(other.url), 3, 0)
      await expectComplete(other, next)
      const run = await Promise.race([starting, sleep(100)])
      if (run) await expectComplete(other, run)
      const { stuck } = await untilQuiet(database_url)
      assert.deepEqual(stuck, [], `stopped at commit ${commit}`)
      frozen.child.kill('SIGCONT')
    })
  await Promise.all([6, 9, 12].map(stopAt))
})

forEachDatabase('one process', open => {
  test('SIGSTOP past the lease, then SIGCONT: the run goes on, each step once', async () => {
    const database_url = await open()
    const server = await start(database_url)
    const run = await startCounted(clientOf(server.url), 20, 50)
    await untilStep(database_url, run.run_id, 2)
    server.child.kill('SIGSTOP')
    await sleep(LEASE_MS * 1.5)
    server.child.kill('SIGCONT')
    await expectComplete(server, run)
    await server.kill()
  })
})

forEachDatabase('a disk on which every commit takes long', open => {
  test('delays runs and their readers, and takes no run from its owner', async () => {
    const database_url = await open()
    const server = await start(database_url, { CHAOS_SLOW_COMMITS: '250', RUNLOOM_LEASE_MS: String(4 * LEASE_MS) })
    const runs = await Promise.all([1, 2].map(() => startCounted(clientOf(server.url), 20, 300)))
    for (const run of runs) {
      await expectComplete(server, run)
      assert.equal((await rowsOf(database_url, run)).heads?.[0]?.attempt, 1)
    }
    await server.kill()
  })
})

describe('an event loop that is blocked for longer than the lease', { concurrency: true }, () => {
  const lease_ms = 4 * LEASE_MS // renewed in time by a busy machine, too
  const env = { RUNLOOM_LEASE_MS: String(lease_ms) }
  const block_ms = lease_ms * 1.1
  const settled_ms = 300 // what begins the run is stored by then: a transaction in the middle would hold its thread

  test('keeps its run on SQLite', async () => {
    await forSqlite(async database_url => {
      const server = await start(database_url, env)
      const run = await startCounted(clientOf(server.url), 3, settled_ms, { block_ms })
      await expectComplete(server, run)
      assert.equal((await rowsOf(database_url, run)).heads?.[0]?.attempt, 1)
      await server.kill()
    })
  })

  test('keeps its run on Postgres while another process looks for work', async () => {
    await onTwo([env, env], async (database_url, blocked, other) => {
      const run = await startCounted(clientOf(blocked.url), 3, settled_ms, { block_ms })
      await expectComplete(other, run)
      assert.equal((await rowsOf(database_url, run)).heads?.[0]?.attempt, 1)
    })
  })
})

describe('a clock that is an hour off', () => {
  const RUNLOOM_LEASE_MS = String(3 * LEASE_MS) // a busy machine is no reason to lose it

  for (const [name, shift_ms] of [
    ['ahead', HOUR_MS],
    ['behind', -HOUR_MS],
  ] as const) {
    test(`Postgres: a process whose clock is ${name} keeps its runs, and its runs are taken over right`, async () => {
      const envs = [{ RUNLOOM_LEASE_MS, CHAOS_CLOCK_MS: String(shift_ms) }, { RUNLOOM_LEASE_MS }]
      await onTwo(envs, async (database_url, shifted, other) => {
        const kept = await startCounted(clientOf(shifted.url), 15, 100)
        await expectComplete(other, kept)
        assert.equal((await rowsOf(database_url, kept)).heads?.[0]?.attempt, 1, 'its lease was the database’s')

        const taken = await startCounted(clientOf(shifted.url), 20, 60)
        await untilStep(database_url, taken.run_id, 4)
        await shifted.kill()
        await expectComplete(other, taken)

        const client = clientOf(other.url)
        const input = { tag: 'next', at: 0, count: 2, delay_ms: 0 }
        const values = (await client.runs.wait(taken.thread_id, 'counted', { input })) as { log: string[] }
        assert.deepEqual(values.log, [...taken.lines, 'next:0', 'next:1'], 'the thread goes on from its newest state')
      })
    })
  }

  test('SQLite: a clock that jumps while a run executes does not lose it', async () => {
    await forSqlite(async database_url => {
      const clock = sibling(database_url, 'clock')
      writeFileSync(clock, '0')
      const server = await start(database_url, { RUNLOOM_LEASE_MS, CHAOS_CLOCK_FILE: clock })
      for (const shift_ms of [HOUR_MS, 0]) {
        const run = await startCounted(clientOf(server.url), 20, 50)
        await untilStep(database_url, run.run_id, 3)
        writeFileSync(clock, String(shift_ms))
        await expectComplete(server, run)
        assert.equal((await rowsOf(database_url, run)).heads?.[0]?.attempt, 1)
      }
      await server.kill()
    })
  })

  for (const meanwhile of ['it works', 'it is dead']) {
    test(`SQLite: what waits when the clock goes back while ${meanwhile} does not wait an hour`, async () => {
      await forSqlite(async database_url => {
        const clock = sibling(database_url, 'clock')
        writeFileSync(clock, String(HOUR_MS))
        const first = await start(database_url, { CHAOS_CLOCK_FILE: clock })
        const client = clientOf(first.url)
        const { thread_id, run_id } = await startCounted(client, 10, 50)
        const input = { tag: 'queued', at: 0, count: 2, delay_ms: 0 }
        const queued = await client.runs.create(thread_id, 'counted', { input, multitaskStrategy: 'enqueue' })
        await untilStep(database_url, run_id, 3)
        if (meanwhile === 'it is dead') await first.kill()
        writeFileSync(clock, '0')
        const server = meanwhile === 'it is dead' ? await start(database_url, { CHAOS_CLOCK_FILE: clock }) : first
        const { log } = (await clientOf(server.url).runs.join(thread_id, queued.run_id)) as { log: string[] }
        assert.equal(log.at(-1), 'queued:1')
        await expectComplete(server, await startCounted(clientOf(server.url), 2, 0))
        await server.kill()
      })
    })
  }
})

async function untilAttempt(database_url: string, run_id: string, attempt: number) {
  for (;;) {
    const { heads } = await lookUp(database_url, { heads: `select attempt from run_heads where run_id = '${run_id}'` })
    if (heads?.[0]?.attempt === attempt) return
    await sleep(30)
  }
}

async function untilFrozen({ child }: ServerProcess) {
  while (!/^State:\s*T/m.test(readFileSync(`/proc/${child.pid}/status`, 'utf8'))) await sleep(20)
}

/** The runs that are still in flight when others have had time to take them over. */
async function untilQuiet(database_url: string) {
  const query = { stuck: `select run_id, status from runs where status in ('pending', 'running')` }
  for (let waited = 0; waited < 80; waited++) {
    if ((await lookUp(database_url, query)).stuck?.length === 0) break
    await sleep(100)
  }
  return lookUp(database_url, query)
}
