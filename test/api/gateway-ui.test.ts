// What a page written for the gateway dialect asks besides (contracts: gateway §5): every call has an answer of the right
// shape, and says plainly what this server does not have.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forEachServer } from '../support/server.ts'
import { say } from './harness.ts'

forEachServer("the page's other calls", server => {
  const call = async (method: string, path: string, body?: unknown) => {
    const { url, fetch } = server()
    const sent = { method, ...(body !== undefined && { body: JSON.stringify(body) }) }
    const response = await fetch(`${url}/api${path}`, sent)
    return { status: response.status, json: (await response.json()) as Record<string, unknown> }
  }
  const get = async (path: string) => {
    const { status, json } = await call('GET', path)
    assert.equal(status, 200, `${path}: ${JSON.stringify(json)}`)
    return json
  }

  test('the models that there are', async () => {
    const { models, token_usage } = (await get('/models')) as { models: { name: string }[]; token_usage: unknown }
    assert.deepEqual(token_usage, { enabled: true })
    assert.deepEqual(
      models.map(model => model.name),
      ['offline'],
    )
    assert.deepEqual(await get('/models/offline'), models[0])
    const { status, json } = await call('GET', '/models/gpt-9')
    assert.equal(status, 404)
    assert.match(String(json.detail), /gpt-9/)
  })

  test('what is not there is switched off or empty', async () => {
    assert.deepEqual((await get('/features')).agents_api, { enabled: false })
    assert.deepEqual(await get('/channels/providers'), { enabled: false, providers: [] })
    assert.deepEqual(await get('/suggestions/config'), { enabled: false })
    for (const path of ['/agents', '/channels/connections', '/scheduled-tasks']) {
      await get(path)
    }
  })

  test('questions about a thread, and about one that is not there yet', async () => {
    const { client } = server()
    const { thread_id } = await client.threads.create()
    const { run_id } = await client.runs.create(thread_id, 'echo', { input: say('hi') })
    const asked = { messages: [{ role: 'user', content: 'hi' }], n: 3, model_name: null }
    assert.deepEqual((await call('POST', `/threads/${thread_id}/suggestions`, asked)).json, { suggestions: [] })
    assert.equal((await call('POST', `/threads/${thread_id}/suggestions`, {})).status, 422)
    const changes = `/threads/${thread_id}/runs/${run_id}/workspace-changes?include_files=true&include_diff=false`
    const { available, files } = await get(changes)
    assert.deepEqual([available, files], [false, []])
    assert.equal((await call('GET', changes.replace(run_id, crypto.randomUUID()))).status, 404)
    assert.equal((await call('GET', `/threads/${crypto.randomUUID()}/goal`)).status, 404)
  })

  test('what cannot be done is refused by name', async () => {
    const { status, json } = await call('PUT', `/threads/${crypto.randomUUID()}/artifacts/mnt/user-data/outputs/a`)
    assert.equal(status, 501)
    assert.match(String(json.detail), /editing of artifacts/)
    assert.equal((await call('DELETE', '/skills/custom/haiku')).status, 501)
  })
})
