// A server is killed in the middle of a run: each message is there once, and each model call counted once.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually, say } from '../api/harness.ts'
import { forEachDatabase } from '../support/databases.ts'
import { clientOf, type ServerProcess, SHORT_LEASE, startServer } from '../support/server.ts'

interface Row {
  seq: number
  content: { type: string; id: string; content: string }
}

interface Usage {
  total_tokens: number
  by_caller: Record<string, number>
}

const get = async <T>({ url }: ServerProcess, path: string): Promise<T> => {
  const response = await fetch(`${url}/api${path}`)
  assert.equal(response.status, 200)
  return (await response.json()) as T
}

forEachDatabase('messages after kill -9', open => {
  for (const durability of ['async', 'sync', 'exit'] as const) {
    test(`each once, and each call counted once (durability ${durability})`, async () => {
      const database_url = await open()
      let server = await startServer({ database_url, env: SHORT_LEASE })
      const { thread_id } = await clientOf(server.url).threads.create()
      const messages = `/threads/${thread_id}/messages`
      const usage = `/threads/${thread_id}/token-usage?include_active=true`
      await clientOf(server.url).runs.wait(thread_id, 'team', { input: say('earlier'), durability })
      const text = `40ms ${Array.from({ length: 30 }, (_, index) => `word${index}`).join(' ')}`
      const input = { messages: [{ type: 'human', content: text }] }
      const { run_id } = await clientOf(server.url).runs.create(thread_id, 'team', { input, durability })
      // One call of the run is over, the next one streams.
      await eventually(async () => assert.equal((await get<Usage>(server, usage)).total_tokens, 12 + 34))
      await eventually(async () => {
        const said = await get<unknown[]>(server, `/threads/${thread_id}/runs/${run_id}/events?event_types=messages`)
        assert.ok(said.length > 5)
      })
      const before = await get<Row[]>(server, messages)
      await server.kill()
      server = await startServer({ database_url, env: SHORT_LEASE })
      try {
        await clientOf(server.url).runs.join(thread_id, run_id)
        const rows = await get<Row[]>(server, messages)
        assert.deepEqual(
          rows.map(({ content }) => `${content.type} ${content.content}`),
          ['human earlier', 'ai earlier', 'ai earlier', 'ai earlier', `human ${text}`, ...Array(3).fill(`ai ${text}`)],
        )
        const seen = ({ seq, content }: Row) => `${seq} ${content.id} ${content.content}`
        assert.deepEqual(rows.slice(0, before.length).map(seen), before.map(seen), 'what was there stays as it was')
        assert.equal(new Set(rows.map(({ content }) => content.id)).size, rows.length)
        const { messages: state } = (await clientOf(server.url).threads.getState(thread_id)).values as {
          messages: { id: string }[]
        }
        assert.deepEqual(
          rows.map(({ content }) => content.id),
          state.map(({ id }) => id),
          'they are those of the state',
        )
        // With checkpoints at the end only, the second attempt starts over, and pays again for what the first had done.
        const titles = durability === 'exit' ? 2 : 1
        const { by_caller } = await get<Usage>(server, usage)
        assert.deepEqual(by_caller, { lead_agent: 4 + 34, subagent: 4 + 34, middleware: 4 + titles * 34 })
      } finally {
        await server.stop()
      }
    })
  }
})
