// Tools that the server executes for model nodes (contracts: workflows §6): what they keep and for whom, what they may
// reach, and what a model is told when a call makes no sense.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { forEachServer } from '../support/server.ts'
import { type Answer, startModels, story, workflowClient } from '../workflow/harness.ts'
import { eventually } from './harness.ts'

let models: Awaited<ReturnType<typeof startModels>>
let site: Awaited<ReturnType<typeof startSite>>
before(async () => {
  models = await startModels()
  site = await startSite()
})
after(async () => {
  await models.close()
  site.close()
})

const PAGE = `<!doctype html><html><head><title>A &amp; B</title><style>p { color: red }</style></head>
<body><script>alert(1)</script><h1>Größe</h1><p>one <b>two</b>
three</p><ul><li>first</li><li>second</li></ul><noscript>no</noscript></body></html>`

/** Pages by their path. */
async function startSite() {
  const asked: string[] = []
  const server = http.createServer((request, response) => {
    const path = request.url ?? ''
    asked.push(path)
    const send = (status: number, headers: http.OutgoingHttpHeaders, body: string | Buffer = '') =>
      response.writeHead(status, headers).end(body)
    if (path === '/page') return send(200, { 'content-type': 'text/html; charset=utf-8' }, PAGE)
    if (path === '/latin') return send(200, { 'content-type': 'text/plain; charset=iso-8859-1' }, Buffer.from([0xe4]))
    if (path === '/json') return send(200, { 'content-type': 'application/json' }, '{"a":1}')
    if (path === '/image') return send(200, { 'content-type': 'image/png' }, 'x')
    if (path === '/moved') return send(302, { location: '/json' })
    if (path === '/inside') return send(302, { location: 'http://10.1.2.3/secret' })
    if (path === '/file') return send(302, { location: 'file:///etc/passwd' })
    if (path === '/loop') return send(302, { location: '/loop' })
    if (path === '/long') return send(200, { 'content-type': 'text/plain' }, 'x'.repeat(3_000_000))
    return send(404, {})
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    asked,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

const TOOLS = ['kv_write', 'kv.read', 'kv_list', 'kv_delete', 'tasks_write', 'web_fetch']

forEachServer(
  'server tools',
  server => {
    const client = () => workflowClient(server().url, server().fetch)

    /** A node for each list of calls, one behind the other. */
    const spec = (...calls: string[]) => ({
      kind: 'workflow',
      model: 'openai:test',
      nodes: calls.map((call, n) => ({
        id: `n${n}`,
        type: 'llm',
        user: `call ${call}`,
        tools: TOOLS,
        ...(n > 0 && { depends_on: [`n${n - 1}`] }),
      })),
      outputs: [{ name: 'o', from: `n${calls.length - 1}` }],
    })

    /** What every call came to, in order. */
    async function outcomes(calls: string[], more: object = {}): Promise<Answer[]> {
      const { snapshot, events } = await client().run({ spec: spec(...calls), ...more })
      assert.equal(snapshot.status, 'succeeded')
      return events.flatMap(event => (event.type === 'node_tool_result' ? [event.tool_result] : []))
    }

    const values = (results: Answer[]) => results.map(result => result.error ?? JSON.parse(result.output))

    test('kv: values are kept for the run, its later nodes, and nobody else', async () => {
      const results = await outcomes([
        'kv_write {"key":"a","value":{"n":1}}; kv_write {"key":"ab","value":2}; kv_read {"key":"a"}',
        'kv_read {"key":"a"}; kv_list {}; kv_list {"prefix":"ab"}; kv_delete {"key":"a"}; kv_delete {"key":"a"}',
        'kv_read {"key":"a"}; kv_list {}',
      ])
      assert.deepEqual(values(results), [
        { key: 'a', written: true },
        { key: 'ab', written: true },
        { key: 'a', found: true, value: { n: 1 } },
        { key: 'a', found: true, value: { n: 1 } },
        { keys: ['a', 'ab'] },
        { keys: ['ab'] },
        { key: 'a', deleted: true },
        { key: 'a', deleted: false },
        { key: 'a', found: false, value: null },
        { keys: ['ab'] },
      ])
      assert.deepEqual(values(await outcomes(['kv_list {}'])), [{ keys: [] }])
    })

    test('kv: the runs of a session share its values, which go with it', async () => {
      const { id: session_id } = await client().call('POST', '/sessions', {}, 201)
      await outcomes(['kv_write {"key":"k","value":"first"}'], { session_id })
      const [written, read] = values(
        await outcomes(['kv_write {"key":"k","value":"second"}', 'kv_read {"key":"k"}'], { session_id }),
      )
      assert.deepEqual([written.written, read.value], [true, 'second'])
      const { id: other } = await client().call('POST', '/sessions', {}, 201)
      assert.deepEqual(values(await outcomes(['kv_list {}'], { session_id: other })), [{ keys: [] }])
    })

    test('a write to a session that goes meanwhile is lost, and the run is not', async () => {
      const { id: session_id } = await client().call('POST', '/sessions', {}, 201)
      const key = randomUUID()
      const held = spec('kv_write {"key":"k","value":1}')
      const nodes = [
        { id: 'held', type: 'llm', user: `hold ${key}` },
        ...held.nodes.map(n => ({ ...n, depends_on: ['held'] })),
      ]
      const { run_id } = await client().create({ spec: { ...held, nodes }, session_id })
      await eventually(async () => assert.ok(models.prompts.includes(`hold ${key}`)))
      await server().fetch(`${server().url}/api/v1/sessions/${session_id}`, { method: 'DELETE' })
      models.release(key)
      await Array.fromAsync(client().stream(run_id))
      assert.equal((await client().get(run_id)).status, 'succeeded')
    })

    test('tasks_write: the last list is the run’s', async () => {
      const first = '{"tasks":[{"content":"a","status":"pending"}]}'
      const last = { content: 'a', status: 'completed', active_form: 'doing a' }
      const { run_id, events } = await client().run({
        spec: spec(`tasks_write ${first}`, `tasks_write ${JSON.stringify({ tasks: [last] })}`),
      })
      assert.deepEqual((await client().call('GET', `/runs/${run_id}/tasks`)).tasks, [last])
      assert.deepEqual(
        story(events).filter(line => line.endsWith('n0')),
        [
          'node_started',
          'node_llm_call',
          'node_tool_call',
          'node_tool_result',
          'node_llm_call',
          'node_output',
          'node_succeeded',
        ].map(type => `${type} n0`),
      )
      const { run_id: none } = await client().run({ spec: spec('kv_list {}') })
      assert.deepEqual(await client().call('GET', `/runs/${none}/tasks`), { tasks: [] })
      await client().call('GET', `/runs/${randomUUID()}/tasks`, undefined, 404)
    })

    test('web_fetch: text of pages, over redirects; what is cut off says so', async () => {
      const fetched = async (...paths: string[]) =>
        outcomes(paths.map(path => `web_fetch ${JSON.stringify({ url: `${site.url}${path}` })}`))
      const [page, latin, moved, long] = await fetched('/page', '/latin', '/moved', '/long')
      assert.equal(page.output, 'A & B\nGröße\none two three\nfirst\nsecond')
      assert.equal(latin.output, 'ä')
      assert.equal(moved.output, '{"a":1}')
      assert.match(long.output, /^x{50000}\n\[cut off/)
    })

    test('web_fetch: addresses that no webhook may reach are refused, behind a redirect too', async () => {
      const asked = site.asked.length
      const urls = ['http://169.254.169.254/latest/meta-data', 'http://10.0.0.1/', 'file:///etc/passwd', 'nonsense']
      const pages = ['/inside', '/file', '/loop', '/image', '/gone'].map(path => `${site.url}${path}`)
      const results = await outcomes([
        [...urls, ...pages].map(url => `web_fetch ${JSON.stringify({ url })}`).join('; '),
      ])
      const expected = [/not public/, /not public/, /http: or https:/, /http: or https:/, /10\.1\.2\.3 is not public/]
      const rest = [/http: or https:/, /more than 5 redirects/, /image\/png, not a text/, /HTTP 404/]
      for (const [n, pattern] of [...expected, ...rest].entries()) assert.match(results[n].error, pattern)
      assert.equal(site.asked.length - asked, pages.length + 5, 'only the loop is asked again')
    })

    test('a call that makes no sense is answered, and the model goes on', async () => {
      const results = await outcomes([
        'kv_write {"value":1}; kv_read {"key":""}; tasks_write {"tasks":[{"content":"a","status":"done"}]}; web_fetch {}',
      ])
      const [write, read, tasks, fetched] = results.map(result => result.error)
      assert.match(write, /^kv_write: key: /)
      assert.match(read, /^kv_read: key: /)
      assert.match(tasks, /^tasks_write: tasks\.0\.status: /)
      assert.match(fetched, /^web_fetch: url: /)
    })

    test('in client mode the client has these calls, too', async () => {
      const node = {
        id: 'a',
        type: 'llm',
        user: 'call kv_list {}',
        tools: ['kv_list'],
        tool_execution: { mode: 'client' },
      }
      const { run_id } = await client().create({
        spec: { kind: 'workflow', model: 'openai:test', nodes: [node], outputs: [{ name: 'o', from: 'a' }] },
      })
      await eventually(async () => assert.equal((await client().pending(run_id)).pending.length, 1))
      await client().call('POST', `/runs/${run_id}/cancel`)
    })

    test('the end of a run is told to its webhook, with what it came to', async () => {
      const told = Promise.withResolvers<Answer>()
      const endpoint = http.createServer(async (request, response) => {
        told.resolve(JSON.parse((await Array.fromAsync(request)).join('')))
        response.end()
      })
      await new Promise<void>(resolve => endpoint.listen(0, '127.0.0.1', resolve))
      const webhook = `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}/end`
      const { run_id } = await client().run({ spec: spec('kv_list {}'), webhook })
      const { webhook_sent_at, ...body } = await told.promise
      endpoint.close()
      assert.ok(Date.parse(webhook_sent_at) > 0)
      assert.deepEqual(body, await client().get(run_id))
      const refused = await client().create({ spec: spec('kv_list {}'), webhook: 'http://10.0.0.1/' }, 400)
      assert.match(refused.message, /^webhook: the address 10\.0\.0\.1 is not public/)
    })
  },
  () => ({ env: models.env }),
)
