// Clients as they are: gone without a word, slow, restless, or connected to the process that dies while another executes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually, say } from '../api/harness.ts'
import { Random } from '../simulation/random.ts'
import { forEachDatabase } from '../support/databases.ts'
import { createDatabase, dropDatabase } from '../support/postgres.ts'
import { clientOf } from '../support/server.ts'
import { HEARTBEAT, Reader, replay } from './client.ts'
import { expectComplete, framesOf, start, startCluster, startCounted, untilStep } from './harness.ts'

const MODES = ['values', 'updates', 'messages-tuple']
const words = (count: number) => Array.from({ length: count }, (_, index) => `word${index}`).join(' ')

forEachDatabase('a reader', open => {
  test('that comes back a hundred times sees every event once', async () => {
    const cluster = await startCluster(await open(), 1)
    try {
      const url = cluster.members[0]?.url as string
      const { thread_id } = await clientOf(url).threads.create()
      const { run_id } = await clientOf(url).runs.create(thread_id, 'echo', { input: say(`3ms ${words(700)}`) })
      const path = `/threads/${thread_id}/runs/${run_id}`
      const readers = [1, 2, 3].map(seed => new Reader(cluster, new Random(seed), MODES, 'restless'))
      await Promise.all(readers.map(reader => reader.join(path)))
      const all = await replay(cluster, new Random(1), path, MODES)
      for (const reader of readers) {
        assert.deepEqual(reader.frames, all)
        assert.equal(reader.complaint, undefined)
      }
      const losses = readers.reduce((sum, reader) => sum + reader.losses, 0)
      assert.ok(losses >= 100, `they came back ${losses} times`)
    } finally {
      await cluster.close()
    }
  })

  test('that is slow holds up neither the run nor the others', async () => {
    const database_url = await open()
    const server = await start(database_url)
    const client = clientOf(server.url)
    const { thread_id } = await client.threads.create()
    const { run_id } = await client.runs.create(thread_id, 'echo', { input: say(words(3_000)) })
    const path = `/threads/${thread_id}/runs/${run_id}`
    const slow = await fetch(`${server.url}${path}/stream?stream_mode=messages-tuple&stream_mode=values`)
    await client.runs.join(thread_id, run_id)
    await expectComplete(server, await startCounted(client, 3, 0))
    const quick = await framesText(server.url, path)
    await sleep(500)
    assert.equal(strip(await slow.text()), quick)
    await server.kill()
  })

  test('that vanishes ends nothing, or its run where it asked for that', async () => {
    const database_url = await open()
    const server = await start(database_url)
    const client = clientOf(server.url)
    const kept = await startCounted(client, 12, 60)
    const leave = async (path: string, body?: object) => {
      const leaving = new AbortController()
      const request = { signal: leaving.signal, ...(body && { method: 'POST', body: JSON.stringify(body) }) }
      const response = await fetch(`${server.url}${path}`, request)
      await response.body?.getReader().read()
      leaving.abort()
    }
    await Promise.all(Array.from({ length: 50 }, () => leave(`${kept.path}/stream`)))
    const { thread_id } = await client.threads.create()
    const input = { tag: 'x', at: 0, count: 20, delay_ms: 200 }
    await leave(`/threads/${thread_id}/runs/stream`, { assistant_id: 'counted', input, on_disconnect: 'cancel' })
    await eventually(async () => assert.equal((await client.runs.list(thread_id))[0]?.status, 'interrupted'))
    await expectComplete(server, kept)
    await server.kill()
  })
})

test('the process that reads dies while another executes: the reader goes on elsewhere', async () => {
  const database_url = await createDatabase()
  const cluster = await startCluster(database_url, 2)
  const [executing, reading] = cluster.members as [(typeof cluster.members)[0], (typeof cluster.members)[0]]
  const run = await startCounted(clientOf(executing.url as string), 18, 80)
  const [url, executingUrl] = [reading.url as string, executing.url]
  executing.url = undefined // so that the reader picks the other
  const reader = new Reader(cluster, new Random(1), ['updates'], 'steady')
  const following = reader.join(run.path)
  await untilStep(database_url, run.run_id, 5)
  await cluster.kill(reading)
  executing.url = executingUrl
  await following
  assert.ok(reader.losses > 0, `the reader was connected to ${url}`)
  const server = { url: executing.url as string } as Parameters<typeof framesOf>[0]
  const updates = (await framesOf(server, run.path)).filter(frame => frame.event !== 'values')
  assert.deepEqual(
    reader.frames,
    updates.filter(frame => frame.event === 'updates' || frame.event === 'metadata'),
  )
  assert.equal(updates.filter(frame => frame.event === 'metadata').length, 1, 'the run did not notice')
  await cluster.close()
  await dropDatabase(database_url)
})

async function framesText(url: string, path: string): Promise<string> {
  const response = await fetch(`${url}${path}/stream?stream_mode=messages-tuple&stream_mode=values`)
  return strip(await response.text())
}

function strip(text: string): string {
  return text.replaceAll(HEARTBEAT, '')
}
