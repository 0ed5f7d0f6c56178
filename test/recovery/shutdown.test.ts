// SIGTERM: what runs is finished or handed back, nothing is counted as a crash, and nobody who waits or reads is told that
// a run has ended when it has not.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { collect, eventually } from '../api/harness.ts'
import { forEachDatabase } from '../support/databases.ts'
import { clientOf, startServer } from '../support/server.ts'
import { RECOVERY_GRAPHS } from './cluster.ts'
import { openProbe } from './probe.ts'

const config = RECOVERY_GRAPHS
/** Nobody is to be taken over here, however busy the machine is. */
const env = { RUNLOOM_LEASE_MS: '30000' }
const input = (count: number, delay_ms: number) => ({ tag: 'a', at: 0, count, delay_ms })

forEachDatabase('SIGTERM', open => {
  test('a client that waits is not answered with an unfinished state', async () => {
    const database_url = await open()
    const server = await startServer({ database_url, config, env })
    const client = clientOf(server.url)
    const { thread_id } = await client.threads.create()
    const waiting = client.runs.wait(thread_id, 'counted', { input: input(50, 30) })
    const answer = waiting.then(JSON.stringify, () => 'broken')
    await eventually(async () => {
      assert.ok(((await client.threads.getState(thread_id)).values as { log?: [] }).log?.length)
    })
    assert.equal(await server.stop(), 0)
    assert.equal(await answer, 'broken', 'the connection breaks, so that the client asks again')
  })

  test('a stream breaks instead of ending', async () => {
    const database_url = await open()
    const server = await startServer({ database_url, config, env })
    const client = clientOf(server.url)
    const { thread_id } = await client.threads.create()
    const { run_id } = await client.runs.create(thread_id, 'counted', { input: input(50, 30) })
    const path = `/threads/${thread_id}/runs/${run_id}/stream`
    const read = async () => (await fetch(`${server.url}${path}`)).text()
    const answer = read().catch(() => 'broken')
    await sleep(150)
    assert.equal(await server.stop(), 0)
    assert.equal(await answer, 'broken', 'the end of the response would say that the run has ended')
  })

  test('under load everything is finished or handed back, and no crash is counted', async () => {
    const database_url = await open()
    let server = await startServer({ database_url, config, env })
    let client = clientOf(server.url)
    const threads = await Promise.all(Array.from({ length: 40 }, () => client.threads.create()))
    const runs = await Promise.all(
      threads.map(({ thread_id }, index) =>
        client.runs.create(thread_id, 'counted', { input: input(1 + (index % 8), 60), streamMode: ['updates'] }),
      ),
    )
    for (let restarts = 0; restarts < 2; restarts++) {
      await sleep(120)
      assert.equal(await server.stop(), 0)
      const probe = await openProbe(database_url)
      assert.deepEqual(await probe.rows(`select run_id from runs where status = 'running'`), [], 'none is left running')
      await probe.close()
      server = await startServer({ database_url, config, env })
    }
    client = clientOf(server.url)
    try {
      for (const [index, { thread_id, run_id }] of runs.entries()) {
        await client.runs.join(thread_id, run_id)
        const events = await collect(client.runs.joinStream(thread_id, run_id, { lastEventId: '-1' }))
        assert.equal(events.filter(event => event.event === 'updates').length, 1 + (index % 8))
      }
      const probe = await openProbe(database_url)
      assert.deepEqual(await probe.rows(`select run_id from runs where crashes > 0 or status <> 'success'`), [])
      await probe.close()
    } finally {
      await server.stop()
    }
  })
})
