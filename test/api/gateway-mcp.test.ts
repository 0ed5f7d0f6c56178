// MCP servers (contracts: gateway §2): their configuration over HTTP, and their tools in the lead agent, with real servers
// that die.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import * as protocol from '../../src/protocol/mcp.ts'
import { anySql } from '../core/harness.ts'
import { forEachDatabase } from '../support/databases.ts'
import { startMcpHttpServer } from '../support/mcp-http-server.ts'
import {
  type AgentServer,
  type AgentSetup,
  startAgentServer,
  startScriptedModel,
  systemOf,
  talk,
  toolsOf,
} from './agent-harness.ts'
import { ask, call, refused } from './gateway-harness.ts'
import { eventually } from './harness.ts'

const FOLDER = join(import.meta.dirname, '../fixtures/mcp')
const STDIO = { command: process.execPath, args: ['server.ts'] }

forEachDatabase('the configuration of MCP servers', open => {
  const file = { local: { ...STDIO, env: { SECRET: 'of the file' }, description: 'Ours' } }
  let url: string
  let server: AgentServer
  before(async () => {
    url = await open()
    server = await startAgentServer(url, { agent: { mcp_servers: file } })
  })
  after(() => server.close())

  const get = async (on = server) => protocol.mcpConfig.parse(await ask(on, '/mcp/config')).mcp_servers
  const send = (method: string, mcp_servers: object, on = server) =>
    call(on, '/mcp/config', undefined, { method, body: JSON.stringify({ mcp_servers }) })
  const put = async (mcp_servers: object, on = server) => {
    const response = await send('PUT', mcp_servers, on)
    assert.equal(response.status, 200, await response.clone().text())
    const answer = protocol.mcpConfig.parse(await response.json())
    assert.deepEqual(answer.mcp_servers, await get(on))
    return answer.mcp_servers
  }
  /** What the database has of it. */
  const stored = async () => {
    const [row] = await server.db.run(anySql, { strings: ['select servers from mcp_config'], values: [] })
    return String(row?.servers)
  }
  const remote = { url: 'https://example.com/mcp', headers: { authorization: 'Bearer 123', 'x-team': 'a' } }
  beforeEach(async () => {
    await put({ local: { ...STDIO, env: { SECRET: '***' }, description: 'Ours' } })
  })

  test('that of the file, without its secrets', async () => {
    assert.deepEqual(await get(), {
      local: {
        type: 'stdio',
        enabled: true,
        description: 'Ours',
        timeout_seconds: 60,
        ...STDIO,
        env: { SECRET: '***' },
      },
    })
    assert.equal(await stored(), '{}')
  })

  test('set and read back, secrets masked, and kept where they are sent back so', async () => {
    const servers = await put({ ...(await get()), remote })
    assert.deepEqual(servers.remote, {
      type: 'http',
      enabled: true,
      description: '',
      timeout_seconds: 60,
      url: remote.url,
      headers: { authorization: '***', 'x-team': '***' },
    })
    assert.match(await stored(), /Bearer 123/)
    await put({ ...servers, remote: { ...servers.remote, enabled: false, headers: { authorization: '***' } } })
    assert.match(await stored(), /Bearer 123/)
    assert.doesNotMatch(await stored(), /x-team/)
    assert.doesNotMatch(await stored(), /of the file/)
  })

  test('a server of the file can be switched off, and its secret stays in the file', async () => {
    const { local } = await get()
    assert.equal((await put({ local: { ...local, enabled: false } })).local?.enabled, false)
    assert.doesNotMatch(await stored(), /of the file/)
    assert.deepEqual(await put({}), {})
    assert.deepEqual(await put({ local }), { local })
    assert.equal(await stored(), '{}')
  })

  test('some can be changed without the others', async () => {
    await put({ ...(await get()), remote })
    const response = await send('PATCH', { remote: { enabled: false }, local: { description: 'New' } })
    const { local, remote: off } = ((await response.json()) as { mcp_servers: Awaited<ReturnType<typeof get>> })
      .mcp_servers
    assert.deepEqual([local?.description, local?.enabled, off?.enabled], ['New', true, false])
    assert.deepEqual(await get(), { local, remote: off })
    assert.equal((await send('PATCH', { none: { enabled: false } })).status, 404)
    assert.equal((await send('PATCH', { remote: { url: 'https://evil.example' } })).status, 422)
  })

  test('a mask that stands for nothing is refused, also for another address', async () => {
    const { local } = await get()
    await put({ local, remote })
    for (const other of [
      { ...remote, headers: { ...remote.headers, 'x-new': '***' } },
      { ...remote, headers: { authorization: '***' }, url: 'https://evil.example/mcp' },
    ]) {
      const response = await send('PUT', { local, remote: other })
      assert.equal(response.status, 422)
      assert.match(await response.text(), /remote: (x-new|authorization) is \*\*\*/)
    }
    assert.equal((await get()).remote?.type === 'http' && (await stored()).includes('evil'), false)
  })

  test('commands are the file’s alone, unless it says otherwise', async t => {
    const { local } = await get()
    for (const servers of [
      { local, mine: STDIO },
      { local: { ...local, args: ['-e', 'evil()'], env: {} } },
      { local: { ...local, env: { NODE_OPTIONS: '--import=evil' } } },
    ]) {
      const response = await send('PUT', servers)
      assert.equal(response.status, 403)
      assert.match(await response.text(), /mcp_commands_by_api/)
    }
    assert.deepEqual(await get(), { local })
    const free = await startAgentServer(await open(), { agent: { mcp_commands_by_api: true } })
    t.after(() => free.close())
    assert.deepEqual(Object.keys(await put({ mine: STDIO }, free)), ['mine'])
  })

  test('what is wrong is refused with its field', async () => {
    const before = await get()
    for (const [servers, at] of [
      [{ x: {} }, 'command'],
      [{ x: { url: 'file:///etc/passwd' } }, 'url'],
      [{ x: { url: 'https://a.example', heders: {} } }, 'x'],
      [{ 'a b': { url: 'https://a.example' } }, 'a b'],
    ] as const) {
      const response = await send('PUT', servers)
      assert.equal(response.status, 422)
      const { detail } = (await response.json()) as { detail: { loc: string[] }[] }
      assert.equal(detail[0]?.loc.at(-1), at)
    }
    await refused(server, 422, '/mcp/config', undefined, { method: 'PUT', body: '{}' })
    assert.deepEqual(await get(), before)
  })
})

forEachDatabase('the tools of MCP servers', open => {
  let model: Awaited<ReturnType<typeof startScriptedModel>>
  before(async () => {
    model = await startScriptedModel()
  })
  after(() => model.close())
  async function start(mcp_servers: object, setup: AgentSetup = {}, database_url?: string): Promise<AgentServer> {
    const agent = { mcp_servers }
    return startAgentServer(database_url ?? (await open()), { agent, folder: FOLDER, model_url: model.url, ...setup })
  }
  const request = () => model.requests.at(-1)?.body as never
  const put = (server: AgentServer, mcp_servers: object) =>
    ask(server, '/mcp/config', undefined, { method: 'PUT', body: JSON.stringify({ mcp_servers }) })

  test('a command’s are called by the agent, each under its server’s name', async t => {
    const server = await start({ one: { ...STDIO, env: { SECRET: 'first' } }, two: STDIO })
    t.after(() => server.close())
    assert.equal(await talk(server, 'call one__add {"a":2,"b":3}'), 'The tool said: 5')
    const tools = toolsOf(request()).filter(name => name.includes('__'))
    assert.deepEqual(
      tools,
      ['one', 'two'].flatMap(name => ['add', 'whoami', 'fail', 'die'].map(tool => `${name}__${tool}`)),
    )
    const said = await talk(server, 'call one__whoami')
    assert.match(said, /"secret":"first"/)
    assert.match(await talk(server, 'call two__whoami'), /"secret":null/)
    assert.match(await talk(server, 'call one__fail'), /not today/)
    assert.match(await talk(server, 'call one__add {"a":"x"}'), /schema|expected|invalid/i)
    const { pid } = JSON.parse(said.replace('The tool said: ', ''))
    assert.match(await talk(server, 'call one__whoami'), new RegExp(`"pid":${pid},`), 'the connection is kept')
  })

  test('a server that dies in the middle of a call is an answer for the model, and is there again for the next', async t => {
    const server = await start({ local: STDIO })
    t.after(() => server.close())
    assert.match(await talk(server, 'call local__die'), /The tool said: .*Connection closed/)
    assert.equal(await talk(server, 'call local__add {"a":1,"b":1}'), 'The tool said: 2')
    assert.ok(server.logged.some(({ message }) => message === 'the connection to an MCP server is lost'))
  })

  test('its process ends with the runtime', async () => {
    const server = await start({ local: STDIO })
    const { pid } = JSON.parse((await talk(server, 'call local__whoami')).replace('The tool said: ', ''))
    process.kill(pid, 0)
    await server.close()
    await eventually(async () => assert.throws(() => process.kill(pid, 0)))
  })

  test('what cannot be reached is left out, and the model is told; the others work', async t => {
    const gone = await startMcpHttpServer()
    await gone.close()
    const server = await start({ local: STDIO, gone: { url: gone.url }, none: { command: 'no-such-command' } })
    t.after(() => server.close())
    assert.equal(await talk(server, 'call local__add {"a":1,"b":2}'), 'The tool said: 3')
    assert.match(systemOf(request()), /cannot be used now.*\n- gone: .*ECONNREFUSED.*\n- none: .*ENOENT/)
    assert.ok(!toolsOf(request()).some(name => /^(gone|none)__/.test(name)))
    const logged = server.logged.filter(({ message }) => message === 'an MCP server cannot be used')
    assert.deepEqual(logged.map(({ fields }) => fields?.server).sort(), ['gone', 'none'])
    assert.match(await talk(server, 'call gone__shout {"text":"x"}'), /"gone" cannot be used now/)
    assert.match(await talk(server, 'call nobody__knows'), /not a valid tool/)
  })

  test('over HTTP: called with the headers; after its death and return called again', async t => {
    const first = await startMcpHttpServer()
    const server = await start({ web: { url: first.url, headers: { authorization: 'Bearer 123' } } })
    t.after(() => server.close())
    assert.equal(await talk(server, 'call web__shout {"text":"hey"}'), 'The tool said: HEY')
    assert.ok(first.headers.every(({ authorization }) => authorization === 'Bearer 123'))
    const talking = talk(server, 'call web__slow')
    await eventually(async () => assert.equal(first.waiting.length, 1))
    await first.close()
    assert.match(await talking, /The tool said: Error/)
    const second = await startMcpHttpServer({ port: first.port, tool: 'yell' })
    t.after(() => second.close())
    await eventually(async () => {
      assert.equal(await talk(server, 'call web__yell {"text":"hey"}'), 'The tool said: HEY')
    })
  })

  test('a server that has forgotten its sessions is met anew', async t => {
    const first = await startMcpHttpServer()
    const server = await start({ web: { url: first.url } })
    t.after(() => server.close())
    assert.equal(await talk(server, 'call web__shout {"text":"hey"}'), 'The tool said: HEY')
    first.forget()
    await eventually(async () => {
      assert.equal(await talk(server, 'call web__shout {"text":"hey"}'), 'The tool said: HEY')
    })
    t.after(() => first.close())
  })

  test('a call takes no longer than its server may', async t => {
    const web = await startMcpHttpServer()
    const server = await start({ web: { url: web.url, timeout_seconds: 1 } })
    t.after(async () => {
      await server.close()
      await web.close()
    })
    assert.match(await talk(server, 'call web__slow'), /timeout/)
    assert.equal(await talk(server, 'call web__shout {"text":"hey"}'), 'The tool said: HEY')
  })

  test('a change of the configuration counts at the next call of a model, in every process', async t => {
    const url = await open()
    const web = await startMcpHttpServer()
    const server = await start({ local: STDIO }, {}, url)
    const other = url.startsWith('postgres') ? await start({ local: STDIO }, {}, url) : server
    t.after(async () => {
      await server.close()
      if (other !== server) await other.close()
      await web.close()
    })
    await talk(other, 'hello')
    assert.deepEqual(prefixes(toolsOf(request())), ['local'])
    const { mcp_servers } = await ask(server, '/mcp/config')
    await put(server, { local: { ...mcp_servers.local, enabled: false }, web: { url: web.url } })
    await talk(other, 'hello')
    assert.deepEqual(prefixes(toolsOf(request())), ['web'])
    await put(server, mcp_servers)
    await talk(other, 'hello')
    assert.deepEqual(prefixes(toolsOf(request())), ['local'])
  })

  function prefixes(tools: string[]): string[] {
    return [...new Set(tools.filter(name => name.includes('__')).map(name => name.split('__')[0] as string))]
  }
})
