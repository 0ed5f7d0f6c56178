// Death at the wrong moments: while starting, migrating, three times in one run, with a cancel on its way; and how soon
// somebody goes on.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '../api/harness.ts'
import { Random } from '../simulation/random.ts'
import { forEachDatabase } from '../support/databases.ts'
import { createDatabase, dropDatabase } from '../support/postgres.ts'
import { clientOf, spawnServer } from '../support/server.ts'
import { Reader } from './client.ts'
import { RECOVERY_GRAPHS } from './cluster.ts'
import { expectComplete, LEASE_MS, lookUp, rowsOf, start, startCluster, startCounted, untilStep } from './harness.ts'
import { write } from './probe.ts'
import { forSqlite } from './sqlite-files.ts'

forEachDatabase('SIGKILL', open => {
  test('while it starts and migrates, at any moment: the next start takes the database', async () => {
    const database_url = await open()
    for (const commit of [1, 2, 3, 4]) {
      const server = await start(database_url, { CHAOS_DIE_AT: String(commit) }).catch(() => undefined)
      assert.ok(!server || commit > 2, 'it dies as it migrates')
      await server?.kill()
    }
    for (let after_ms = 100; after_ms < 800; after_ms += 150) {
      const server = spawnServer({ database_url, config: RECOVERY_GRAPHS })
      await Promise.race([sleep(after_ms), server.listening])
      await server.kill()
    }
    const server = await start(database_url)
    await expectComplete(server, await startCounted(clientOf(server.url), 3, 0))
    await server.kill()
  })

  test('three times in one run: its reader sees every event once and the run ends', async () => {
    const database_url = await open()
    const cluster = await startCluster(database_url, 1)
    const [member] = cluster.members as [(typeof cluster.members)[0]]
    const run = await startCounted(clientOf(member.url as string), 16, 80)
    const reader = new Reader(cluster, new Random(1), ['updates', 'values'], 'steady')
    const reading = reader.join(run.path)
    for (const steps of [2, 5, 9]) {
      await untilStep(database_url, run.run_id, steps)
      await cluster.kill(member)
      await cluster.start(member)
    }
    await reading
    const steps = reader.frames
      .filter(frame => frame.event === 'updates')
      .map(frame => JSON.parse(frame.data).step.log[0])
    assert.deepEqual(steps, run.lines)
    assert.equal(reader.complaint, undefined)
    assert.ok(Number((await rowsOf(database_url, run)).runs?.[0]?.crashes) >= 3)
    await cluster.close()
  })

  test('while it stops: what it had not handed back yet goes on, each step once', async () => {
    const database_url = await open()
    let server = await start(database_url, { RUNLOOM_DRAIN_MS: '200' })
    const client = clientOf(server.url)
    const runs = await Promise.all([1, 2, 3, 4].map(() => startCounted(client, 14, 80)))
    for (const after_ms of [0, 100, 200, 230]) {
      for (const run of runs) await untilStep(database_url, run.run_id, 1)
      const { child } = server
      child.kill('SIGTERM')
      await sleep(after_ms)
      await server.kill()
      server = await start(database_url, { RUNLOOM_DRAIN_MS: '200' })
    }
    for (const run of runs) await expectComplete(server, run)
    await server.kill()
  })

  test('once more than is allowed: the run ends with an error that says so', async () => {
    const database_url = await open()
    const env = { RUNLOOM_MAX_CRASHES: '1' }
    let server = await start(database_url, env)
    const run = await startCounted(clientOf(server.url), 20, 100)
    for (const steps of [1, 3]) {
      await untilStep(database_url, run.run_id, steps)
      await server.kill()
      server = await start(database_url, env)
    }
    const client = clientOf(server.url)
    const { __error__ } = (await client.runs.join(run.thread_id, run.run_id)) as { __error__?: { message: string } }
    assert.match(__error__?.message ?? '', /died 2 times/)
    assert.equal((await client.runs.get(run.thread_id, run.run_id)).status, 'error')
    await expectComplete(server, await startCounted(client, 2, 0))
    await server.kill()
  })

  test('of the owner of a cancelled run: it ends cancelled and is not executed again', async () => {
    const database_url = await open()
    let server = await start(database_url)
    const client = clientOf(server.url)
    const run = await startCounted(client, 20, 100)
    await untilStep(database_url, run.run_id, 2)
    await server.kill()
    // What a cancel leaves for an owner that does not hear it any more.
    const ending = JSON.stringify({ reason: 'cancelled', by: 'request' })
    await write(
      database_url,
      `update runs set cancel_action = 'interrupt', ending = '${ending}' where run_id = '${run.run_id}'`,
    )
    const before = await rowsOf(database_url, run)
    server = await start(database_url)
    await eventually(async () => {
      const { runs } = await rowsOf(database_url, run)
      assert.equal(runs?.[0]?.status, 'interrupted')
    })
    assert.deepEqual((await rowsOf(database_url, run)).events, before.events)
    await expectComplete(server, await startCounted(clientOf(server.url), 2, 0))
    await server.kill()
  })
})

describe('how soon somebody goes on', () => {
  test('SQLite: within a second after the new process listens', async () => {
    await forSqlite(async database_url => {
      let server = await start(database_url)
      const run = await startCounted(clientOf(server.url), 20, 60)
      const waits: number[] = []
      for (const [index, steps] of [2, 5].entries()) {
        await untilStep(database_url, run.run_id, steps)
        await server.kill()
        server = await start(database_url)
        const listening = Date.now()
        waits.push((await openingOf(database_url, run.run_id, index + 2)) - listening)
      }
      expectWithin(1_000, waits)
      await expectComplete(server, run)
      await server.kill()
    })
  })

  test('Postgres: another process within the lease and two seconds; readers of either see the same', async () => {
    const database_url = await createDatabase()
    let [one, two] = await Promise.all([start(database_url), start(database_url)])
    const run = await startCounted(clientOf(one.url), 20, 250)
    const waits: number[] = []
    for (const [index, steps] of [2, 6].entries()) {
      await untilStep(database_url, run.run_id, steps)
      const owner = steps === 2 ? one : two
      const killed = Date.now()
      await owner.kill()
      waits.push((await openingOf(database_url, run.run_id, index + 2)) - killed)
      if (steps === 2) one = await start(database_url)
      else two = await start(database_url)
    }
    expectWithin(LEASE_MS + 2_000, waits)
    await expectComplete(one, run)
    await expectComplete(two, run)
    await Promise.all([one.kill(), two.kill()])
    await dropDatabase(database_url)
  })

  test('Postgres: two processes that migrate at once, one killed in it', async () => {
    const database_url = await createDatabase()
    const [killed, server] = await Promise.allSettled([start(database_url, { CHAOS_DIE_AT: '1' }), start(database_url)])
    assert.equal(killed.status, 'rejected')
    if (server.status === 'rejected') throw server.reason
    await expectComplete(server.value, await startCounted(clientOf(server.value.url), 3, 0))
    await server.value.kill()
    await dropDatabase(database_url)
  })
})

/** When a run's nth attempt opened, by this machine's clock. */
async function openingOf(database_url: string, run_id: string, nth: number): Promise<number> {
  const opened = `select at_ms from run_events where run_id = '${run_id}' and event = 'metadata' order by seq`
  let at_ms = 0
  await eventually(async () => {
    const rows = (await lookUp(database_url, { opened })).opened ?? []
    assert.ok(rows.length >= nth, `attempt ${nth} did not open`)
    at_ms = Number(rows[nth - 1]?.at_ms)
  })
  return at_ms
}

/** One of several is enough: what the others took on top was the machine's. */
function expectWithin(ms: number, waits: number[]) {
  assert.ok(Math.min(...waits) <= ms, `it took ${waits.join(' and ')} ms`)
}
