// Postgres' own troubles: connections that are cut, answers to commits that are lost, a server that dies and comes back, a
// pool that is exhausted, statements that take too long, a pooler in between. Nothing of it ends a run.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '../api/harness.ts'
import { createDatabase, dropDatabase, startPostgres } from '../support/postgres.ts'
import { clientOf } from '../support/server.ts'
import { expectComplete, type StartedRun, start, startCounted, untilStep } from './harness.ts'
import { openPgBouncer, pgBouncerMissing } from './pgbouncer.ts'
import { openProbe } from './probe.ts'

/** A fresh database, dropped afterwards. */
async function onPostgres(body: (database_url: string) => Promise<void>): Promise<void> {
  const database_url = await createDatabase()
  try {
    await body(database_url)
  } finally {
    await dropDatabase(database_url)
  }
}

test('connections that are cut again and again end no run and lose no event', async () => {
  await onPostgres(async database_url => {
    const server = await start(database_url)
    const runs: StartedRun[] = []
    const probe = await openProbe(database_url)
    for (let count = 0; count < 12; count++) {
      const made = await persist(() => startCounted(clientOf(server.url), 6, 60))
      runs.push(made)
      await probe.rows(`
        select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and random() < 0.7`)
    }
    await probe.close()
    for (const run of runs) await persist(() => expectComplete(server, run))
    await server.kill()
  })
})

test('a commit whose answer was lost is neither repeated nor forgotten', async () => {
  await onPostgres(async database_url => {
    const server = await start(database_url, { CHAOS_LOSE_COMMITS: '0.15' })
    const runs: StartedRun[] = []
    for (let count = 0; count < 12; count++) {
      // A subgraph reads its checkpoints as it starts, which must not fail the node that calls it.
      const graph = count % 2 ? 'outer' : 'counted'
      runs.push(await persist(() => startCounted(clientOf(server.url), 8, 20, {}, graph)))
    }
    const other = await start(database_url)
    for (const run of runs) await expectComplete(other, run)
    await Promise.all([server.kill(), other.kill()])
  })
})

test('a server that dies and comes back: what runs goes on, requests meanwhile get a clear 503', async () => {
  const postgres = await startPostgres()
  try {
    const server = await start(postgres.url)
    const runs = await Promise.all(Array.from({ length: 4 }, () => startCounted(clientOf(server.url), 15, 80)))
    for (const run of runs) await untilStep(postgres.url, run.run_id, 2)
    await postgres.crash()
    const refused = await fetch(`${server.url}/threads`, { method: 'POST', body: '{}' })
    assert.equal(refused.status, 503)
    assert.match(((await refused.json()) as { detail: string }).detail, /database/)
    await sleep(500)
    await postgres.serve()
    for (const run of runs) await persist(() => expectComplete(server, run))
    await expectComplete(server, await persist(() => startCounted(clientOf(server.url), 2, 0)))
    await server.kill()
  } finally {
    await postgres.stop()
  }
})

test('a pool that is exhausted delays and ends nothing', async () => {
  await onPostgres(async database_url => {
    const server = await start(database_url)
    const run = await startCounted(clientOf(server.url), 15, 80)
    await untilStep(database_url, run.run_id, 2)
    // Readers that hold every connection of the pool: they wait for a lock that we have.
    const probe = await openProbe(database_url)
    await probe.rows('begin')
    await probe.rows('lock table assistants in access exclusive mode')
    const blocked = Array.from({ length: 40 }, () =>
      fetch(`${server.url}/assistants/search`, { method: 'POST', body: '{}' }).then(answer => answer.status),
    )
    await sleep(700)
    await probe.rows('rollback')
    await probe.close()
    assert.deepEqual(new Set(await Promise.all(blocked)), new Set([200]))
    await expectComplete(server, run)
    await server.kill()
  })
})

test('statements that take too long are tried again', async () => {
  await onPostgres(async database_url => {
    const server = await start(database_url)
    const run = await startCounted(clientOf(server.url), 15, 80)
    await untilStep(database_url, run.run_id, 2)
    const probe = await openProbe(database_url)
    const name = new URL(database_url).pathname.slice(1)
    await probe.rows(`alter database ${name} set statement_timeout = '150ms'`)
    await probe.rows(`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`)
    await probe.rows('set statement_timeout = 0')
    await probe.rows('begin')
    await probe.rows('lock table run_events in access exclusive mode')
    await sleep(600)
    await probe.rows('rollback')
    await probe.close()
    await persist(() => expectComplete(server, run))
    await server.kill()
  })
})

describe('behind PgBouncer in transaction mode', () => {
  for (const direct of [true, false]) {
    test(`${direct ? 'with' : 'without'} DATABASE_DIRECT_URL`, async t => {
      const missing = pgBouncerMissing()
      if (missing) return t.skip(missing)
      await onPostgres(async database_url => {
        const bouncer = await openPgBouncer(database_url)
        try {
          const env = direct ? { DATABASE_DIRECT_URL: database_url } : {}
          const [one, two] = await Promise.all([start(bouncer.url, env), start(bouncer.url, env)])
          const kept = await startCounted(clientOf(one.url), 4, 60)
          await expectComplete(two, kept)
          const taken = await startCounted(clientOf(one.url), 15, 80)
          await untilStep(database_url, taken.run_id, 3)
          await one.kill()
          await expectComplete(two, taken)
          await two.kill()
        } finally {
          await bouncer.close()
        }
      })
    })
  }
})

/** Repeats what an outage may break. */
async function persist<T>(work: () => Promise<T>): Promise<T> {
  let done: { value: T } | undefined
  await eventually(async () => {
    done ??= { value: await work() }
  })
  return (done as { value: T }).value
}
