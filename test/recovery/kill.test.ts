// A real server process is killed with SIGKILL in the middle of runs and started again: nothing is lost, nothing comes
// twice, the run ends, the thread is usable.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { collect, eventually, type Seen, say, textOf } from '../api/harness.ts'
import { forEachDatabase } from '../support/databases.ts'
import { clientOf, type ServerProcess, startServer } from '../support/server.ts'

/** Long enough that a busy machine is no reason to lose a run. */
const env = { RUNLOOM_LEASE_MS: '5000' }
const WORDS = Array.from({ length: 60 }, (_, index) => `word${index}`).join(' ')

forEachDatabase('after kill -9', open => {
  test('a streamed answer goes on; its reader reconnects and sees every event once', async () => {
    const database_url = await open()
    let server = await startServer({ database_url, env })
    const port = Number(new URL(server.url).port)
    const { thread_id } = await clientOf(server.url).threads.create()
    const { seen, run_id } = await readUntilKilled(server, thread_id)
    server = await startServer({ database_url, port, env })
    try {
      const client = clientOf(server.url)
      const lastEventId = seen.at(-1)?.id as string
      const rest = await collect(client.runs.joinStream(thread_id, run_id, { lastEventId }))
      const all = await collect(client.runs.joinStream(thread_id, run_id, { lastEventId: '-1' }))
      assert.deepEqual([...seen, ...rest], all, 'what was seen before and after is the whole, once')
      const ids = all.map(event => Number(event.id))
      assert.deepEqual(
        ids,
        [...new Set(ids)].sort((a, b) => a - b),
        'ids rise and none comes twice',
      )
      assert.deepEqual(attempts(all), [1, 2])
      const run = await client.runs.get(thread_id, run_id)
      assert.equal(run.status, 'success')
      assert.equal(answerOf(await client.threads.getState(thread_id)), `40ms ${WORDS}`)
      const values = await client.runs.wait(thread_id, 'echo', { input: say('and now?') })
      assert.equal(textOf(values), 'and now?', 'the thread takes the next message')
    } finally {
      await server.stop()
    }
  })

  test('a background run goes on by itself from its newest checkpoint', async () => {
    const database_url = await open()
    let server = await startServer({ database_url, env })
    let client = clientOf(server.url)
    const { thread_id } = await client.threads.create()
    const run = await client.runs.create(thread_id, 'steps', {
      input: { count: 20, delay_ms: 60 },
      streamMode: ['custom'],
    })
    await eventually(async () =>
      assert.ok(((await client.threads.getState(thread_id)).values as { log?: [] }).log?.length),
    )
    await server.kill()
    server = await startServer({ database_url, env })
    try {
      client = clientOf(server.url)
      const values = await client.runs.join(thread_id, run.run_id)
      assert.deepEqual(
        (values as { log: string[] }).log,
        Array.from({ length: 20 }, (_, index) => `step ${index}`),
      )
      const customs = await collect(client.runs.joinStream(thread_id, run.run_id))
      const at = customs.filter(event => event.event === 'custom').map(event => (event.data as { at: number }).at)
      assert.ok(at.length <= 21, `at most the step in flight was done again: ${at.join(' ')}`)
      assert.equal((await client.threads.get(thread_id)).status, 'idle')
    } finally {
      await server.stop()
    }
  })

  test('an open question is not answered by the crash', async () => {
    const database_url = await open()
    let server = await startServer({ database_url, env })
    const { thread_id } = await clientOf(server.url).threads.create()
    await clientOf(server.url).runs.wait(thread_id, 'ask', { input: {} })
    await server.kill()
    server = await startServer({ database_url, env })
    try {
      const client = clientOf(server.url)
      assert.equal((await client.threads.get(thread_id)).status, 'interrupted')
      await client.runs.wait(thread_id, 'ask', { command: { resume: 'a' } })
      const values = await client.runs.wait(thread_id, 'ask', { command: { resume: 'b' } })
      assert.deepEqual(values, { answers: ['a', 'b'] })
    } finally {
      await server.stop()
    }
  })

  test('SIGTERM hands runs back without spending an attempt', async () => {
    const database_url = await open()
    let server = await startServer({ database_url, env })
    let client = clientOf(server.url)
    const { thread_id } = await client.threads.create()
    const payload = { input: { count: 20, delay_ms: 50 }, streamMode: ['custom' as const] }
    const run = await client.runs.create(thread_id, 'steps', payload)
    await eventually(async () => assert.equal((await client.runs.get(thread_id, run.run_id)).status, 'running'))
    assert.equal(await server.stop(), 0)
    server = await startServer({ database_url, env })
    try {
      client = clientOf(server.url)
      const all = await collect(client.runs.joinStream(thread_id, run.run_id))
      assert.deepEqual(attempts(all), [1, 1])
      assert.equal((await client.runs.get(thread_id, run.run_id)).status, 'success')
    } finally {
      await server.stop()
    }
  })
})

test('a second process on the same SQLite file is refused in one clear line', async () => {
  const { temporaryFolder } = await import('../support/server.ts')
  const folder = temporaryFolder()
  const database_url = `sqlite:${join(folder.path, 'runloom.db')}`
  const server = await startServer({ database_url, env })
  await assert.rejects(startServer({ database_url, env }), /is in use by another Runloom process/)
  await server.stop()
  folder.remove()
})

/** Streams a long answer and kills the server after a few words of it. */
async function readUntilKilled(server: ServerProcess, thread_id: string): Promise<{ seen: Seen[]; run_id: string }> {
  const seen: Seen[] = []
  const payload = { input: say(`40ms ${WORDS}`), streamMode: ['messages-tuple' as const, 'values' as const] }
  await assert.rejects(async () => {
    for await (const event of clientOf(server.url).runs.stream(thread_id, 'echo', payload)) {
      seen.push(event)
      if (seen.length === 12) await server.kill()
    }
  })
  return { seen, run_id: (seen[0] as { data: { run_id: string } }).data.run_id }
}

function attempts(events: Seen[]): number[] {
  return events.filter(event => event.event === 'metadata').map(event => (event.data as { attempt: number }).attempt)
}

function answerOf({ values }: { values: unknown }): string | undefined {
  return textOf(values)
}
