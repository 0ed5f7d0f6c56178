// Token usage over HTTP (contracts: gateway §1.11): from the calls themselves, each once.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { readConfig } from '../../src/config.ts'
import { startRuntime } from '../../src/runtime.ts'
import { startOpenAIServer } from '../support/openai-server.ts'
import { clientOf, forEachServer, temporaryFolder } from '../support/server.ts'
import { collect, eventually, say } from './harness.ts'

interface Usage {
  total_tokens: number
  total_input_tokens: number
  total_output_tokens: number
  total_runs: number
  by_model: Record<string, unknown>
  by_caller: Record<string, number>
}

forEachServer('token usage', server => {
  const usageOf = async (thread_id: string, query = ''): Promise<Usage> => {
    const { url, fetch } = server()
    const response = await fetch(`${url}/api/threads/${thread_id}/token-usage${query}`)
    assert.equal(response.status, 200)
    return (await response.json()) as Usage
  }

  test('streamed or not, in subgraphs and middlewares: by model and by caller', async () => {
    const { client } = server()
    const { thread_id } = await client.threads.create()
    assert.deepEqual(await usageOf(thread_id), {
      thread_id,
      total_tokens: 0,
      total_input_tokens: 0,
      total_output_tokens: 0,
      total_runs: 0,
      by_model: {},
      by_caller: { lead_agent: 0, subagent: 0, middleware: 0 },
    })
    const modes = ['messages-tuple' as const, 'values' as const]
    await collect(client.runs.stream(thread_id, 'team', { input: say('one two three four'), streamMode: modes }))
    const paid = { tokens: 21, runs: 1, input_tokens: 9, output_tokens: 12, cache_read_tokens: 0 }
    assert.deepEqual(await usageOf(thread_id), {
      thread_id,
      total_tokens: 21,
      total_input_tokens: 9,
      total_output_tokens: 12,
      total_runs: 1,
      by_model: { 'paid-1': paid },
      by_caller: { lead_agent: 7, subagent: 7, middleware: 7 },
    })
    await client.runs.wait(thread_id, 'agent', { input: say('hello') })
    const both = await usageOf(thread_id)
    assert.equal(both.total_runs, 2)
    assert.deepEqual(Object.keys(both.by_model), ['offline', 'paid-1'])
    assert.deepEqual(both.by_model['paid-1'], paid)
    assert.equal(both.total_tokens, both.total_input_tokens + both.total_output_tokens)
  })

  test('a run that executes counts where it is asked for, as far as it has come', async () => {
    const { client } = server()
    const { thread_id } = await client.threads.create()
    const input = say(`60ms ${'word '.repeat(20).trim()}`)
    const { run_id } = await client.runs.create(thread_id, 'team', { input })
    await eventually(async () => assert.equal((await usageOf(thread_id, '?include_active=true')).total_tokens, 24))
    assert.equal((await usageOf(thread_id)).total_tokens, 0)
    await client.runs.cancel(thread_id, run_id, true)
    assert.equal((await usageOf(thread_id)).total_tokens, 24, 'what was spent is counted, however the run ended')
  })

  test('what a run spent that was rolled back or deleted stays counted; a copy starts at nothing', async () => {
    const { client, url, fetch } = server()
    const { thread_id } = await client.threads.create()
    await client.runs.wait(thread_id, 'team', { input: say('a b') })
    const { run_id } = await client.runs.create(thread_id, 'team', { input: say('60ms a b c d e f g h') })
    await eventually(async () => assert.equal((await usageOf(thread_id, '?include_active=1')).total_tokens, 15 + 12))
    await client.runs.cancel(thread_id, run_id, true, 'rollback')
    await eventually(async () => assert.equal((await usageOf(thread_id)).total_tokens, 15 + 12))
    const copied = await fetch(`${url}/threads/${thread_id}/copy`, { method: 'POST' })
    const copy = (await copied.json()) as { thread_id: string }
    assert.equal((await usageOf(copy.thread_id)).total_tokens, 0)
    const missing = await fetch(`${url}/api/threads/${crypto.randomUUID()}/token-usage`)
    assert.equal(missing.status, 404)
  })
})

test("a provider's model: its name, its tokens once a call, streamed or waited for", async () => {
  const provider = await startOpenAIServer()
  const folder = temporaryFolder()
  const env = {
    DATABASE_URL: `sqlite:${join(folder.path, 'runloom.db')}`,
    RUNLOOM_MODEL: 'openai:fake-7b',
    OPENAI_BASE_URL: provider.url,
  }
  const runtime = await startRuntime(await readConfig({ env, cwd: folder.path }), { logger: () => {} })
  try {
    const fetchHere = (async (input, init) => runtime.app.fetch(new Request(input, init))) as typeof fetch
    const client = clientOf('http://runloom.test', fetchHere)
    const get = async (path: string) => (await fetchHere(`http://runloom.test/api${path}`)).json()
    const { thread_id } = await client.threads.create()
    const input = say('what is 6*7?')
    await client.runs.wait(thread_id, 'agent', { input })
    await collect(client.runs.stream(thread_id, 'agent', { input, streamMode: 'messages-tuple' }))
    const calls = provider.requests.length
    assert.ok(calls >= 4, `${calls} calls`)
    const { total_tokens, by_model } = (await get(`/threads/${thread_id}/token-usage`)) as Usage
    assert.equal(total_tokens, 18 * calls)
    assert.deepEqual(Object.keys(by_model), ['fake-7b'])
    const { models } = (await get('/models')) as { models: { name: string; model: string }[] }
    assert.deepEqual(
      models.map(({ name, model }) => [name, model]),
      [['openai:fake-7b', 'fake-7b']],
    )
    assert.deepEqual(await get(`/models/${encodeURIComponent('openai:fake-7b')}`), models[0])
  } finally {
    await runtime.close()
    await provider.close()
    folder.remove()
  }
})
