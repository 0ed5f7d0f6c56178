// Trace metadata over HTTP (contracts: gateway §3.7): the same on every face, of whoever asks.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { readConfig } from '../../src/config.ts'
import { namedHash } from '../../src/core/api-keys.ts'
import { type Runtime, startRuntime } from '../../src/runtime.ts'
import { echo } from '../fixtures/api/graphs.ts'
import { temporaryFolder } from '../support/server.ts'
import { GROUPING, TraceListener } from '../support/trace-listener.ts'

const listener = new TraceListener()
const folder = temporaryFolder()
let runtime: Runtime
before(async () => {
  const file = join(folder.path, 'runloom.yaml')
  writeFileSync(file, 'tracing: [langfuse]')
  const keys = [namedHash('ci@ada', 'key-of-ada'), namedHash('ops', 'key-of-ops')].join(',')
  const env = { RUNLOOM_DATA: folder.path, RUNLOOM_API_KEYS: keys, RUNLOOM_DRAIN_MS: '100' }
  const own = { talk: echo.withConfig({ callbacks: [listener.handler] }) }
  runtime = await startRuntime(await readConfig({ argv: { config: file }, env }), { logger: () => {}, own })
})
after(async () => {
  await runtime.close()
  folder.remove()
})

async function ask(key: string, path: string, body: object): Promise<string> {
  const headers = { 'content-type': 'application/json', 'x-api-key': key }
  const init = { method: 'POST', headers, body: JSON.stringify(body) }
  const response = await runtime.app.fetch(new Request(`http://runloom.test${path}`, init))
  const text = await response.text()
  assert.equal(response.status, 200, text)
  return text
}

for (const base of ['', '/api']) {
  test(`a run at ${base || '/'} has its thread, and who owns the key, in what callbacks hear; a reader sees neither`, async () => {
    const { thread_id } = JSON.parse(await ask('key-of-ada', `${base}/threads`, {}))
    const body = {
      assistant_id: 'talk',
      input: { messages: [{ role: 'user', content: 'hi' }] },
      stream_mode: ['messages-tuple', 'updates'],
    }
    const path = `${base}/threads/${thread_id}/runs/stream`
    const shown = await ask('key-of-ada', path, body)
    assert.match(shown, /event: messages\n/)
    assert.doesNotMatch(shown, GROUPING)
    assert.deepEqual(listener.grouping(thread_id), { langfuseSessionId: thread_id, langfuseUserId: 'ada' })

    await ask('key-of-ops', path, body)
    assert.deepEqual(listener.grouping(thread_id), { langfuseSessionId: thread_id, langfuseUserId: 'ops' })

    const given = await ask('key-of-ada', path, { ...body, config: { metadata: { langfuseUserId: 'bob' } } })
    assert.deepEqual(listener.grouping(thread_id), { langfuseSessionId: thread_id, langfuseUserId: 'bob' })
    assert.match(given, /"langfuseUserId":"bob"/)
  })
}
