// Compiling workflows over HTTP, and this face's answers.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forEachServer } from '../support/server.ts'

const SPEC = {
  kind: 'workflow',
  nodes: [{ id: 'a', type: 'llm', user: 'hi' }],
  outputs: [{ name: 'out', from: 'a' }],
}

forEachServer('compiling workflows', server => {
  const call = (path: string, init?: RequestInit) => server().fetch(`${server().url}/api/v1${path}`, init)
  const post = (path: string, body: unknown) =>
    call(path, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) })

  test('a spec comes back as a plan and its hash, again and again', async () => {
    const response = await post('/workflows/compile', SPEC)
    assert.equal(response.status, 200)
    assert.match(response.headers.get('x-modelrelay-request-id') ?? '', /^[0-9a-f-]{36}$/)
    assert.match(response.headers.get('access-control-expose-headers') ?? '', /x-modelrelay-request-id/)
    const first = (await response.json()) as { plan_json: { kind: string }; plan_hash: string }
    assert.equal(first.plan_json.kind, 'workflow.v1')
    assert.match(first.plan_hash, /^[0-9a-f]{64}$/)
    assert.deepEqual(await (await post('/workflows/compile', SPEC)).json(), first)
  })

  test('what is wrong is a 400 with issues and the usual fields', async () => {
    const response = await post('/workflows/compile', { kind: 'workflow', nodes: [] })
    assert.equal(response.status, 400)
    const body = (await response.json()) as { issues: { code: string }[]; code: string; request_id: string }
    assert.deepEqual(body.issues.map(issue => issue.code).sort(), ['MISSING_NODES', 'MISSING_OUTPUTS'])
    assert.equal(body.code, 'INVALID_INPUT')
    assert.equal(body.request_id, response.headers.get('x-modelrelay-request-id'))
  })

  test('no JSON and unknown paths have the errors of this face', async () => {
    const broken = await post('/workflows/compile', '{')
    assert.equal(broken.status, 400)
    assert.match(((await broken.json()) as { message: string }).message, /^body: not JSON/)
    const nowhere = await call('/nothing')
    assert.equal(nowhere.status, 404)
    const { code, error, message, request_id } = (await nowhere.json()) as Record<string, string>
    assert.deepEqual([code, error, message], ['NOT_FOUND', 'NOT_FOUND', 'GET /api/v1/nothing is not served here'])
    assert.equal(nowhere.headers.get('x-modelrelay-request-id'), request_id)
  })

  test('lint tells what it finds, and compiles when asked', async () => {
    const loose = { type: 'object', properties: { x: {} } }
    const output_format = { type: 'json_schema', json_schema: { name: 'x', schema: loose } }
    const linted = { ...SPEC, nodes: [{ ...SPEC.nodes[0], output_format }] }
    const found = (await (await post('/workflows/lint', linted)).json()) as Record<string, unknown>
    assert.equal(found.kind, 'workflow')
    assert.equal((found.lint_issues as []).length, 2)
    assert.equal('plan_hash' in found, false)
    const compiled = (await (await post('/workflows/lint?compile=true', SPEC)).json()) as Record<string, unknown>
    assert.deepEqual(compiled.lint_issues, [])
    assert.match(String(compiled.plan_hash), /^[0-9a-f]{64}$/)
    const wrong = await (await post('/workflows/lint?compile=true', { kind: 'x' })).json()
    assert.ok((wrong as { compile_issues: unknown[] }).compile_issues.length > 0)
  })

  test('the schemas are documents of draft 7 that need not be read twice', async () => {
    for (const name of ['run_event', 'workflow']) {
      const response = await call(`/schemas/${name}.schema.json`)
      assert.equal(response.headers.get('content-type'), 'application/schema+json')
      const document = (await response.json()) as { $schema: string }
      assert.equal(document.$schema, 'http://json-schema.org/draft-07/schema#')
      const etag = response.headers.get('etag') as string
      const again = await call(`/schemas/${name}.schema.json`, { headers: { 'if-none-match': etag } })
      assert.equal(again.status, 304)
    }
  })
})
