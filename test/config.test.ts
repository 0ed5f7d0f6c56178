import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { ConfigError, type Flags, publishEnvironment, readConfig } from '../src/config.ts'
import { runloomFile } from '../src/protocol/runloom-file.ts'

const root = await mkdtemp(join(tmpdir(), 'runloom-config-'))
after(() => rm(root, { recursive: true, force: true }))

let folders = 0
async function folder(files: Record<string, string> = {}): Promise<string> {
  const path = join(root, String(folders++))
  await mkdir(path)
  for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text)
  return path
}

const read = async (files: Record<string, string> = {}, env: NodeJS.ProcessEnv = {}, argv: Flags = {}) =>
  readConfig({ argv, env, cwd: await folder(files) })

async function complaint(files: Record<string, string>, env: NodeJS.ProcessEnv = {}, argv: Flags = {}) {
  const error = await read(files, env, argv).then(
    () => assert.fail('the configuration was accepted'),
    error => error,
  )
  assert.ok(error instanceof ConfigError, `${error}`)
  assert.doesNotMatch(error.message, /\n/)
  return error.message
}

/** As a webhook's header mentions it. */
const variable = (name: string) => `$${`{{ env.${name} }}`}`

const config = (value: unknown) => ({ 'langgraph.json': JSON.stringify(value), 'a.ts': '' })

test('nothing needs to be set', async () => {
  const cwd = await folder()
  const { env, agent, ...settings } = await readConfig({ env: {}, cwd })
  assert.deepEqual(agent, { ...runloomFile.parse({}), folder: cwd })
  assert.deepEqual(settings, {
    host: '127.0.0.1',
    port: 2024,
    data: '.runloom',
    database_url: `sqlite:${join(cwd, '.runloom', 'runloom.db')}`,
    sqlite_sync: 'full',
    concurrency: 500,
    lease_ms: 10_000,
    run_timeout_ms: 3_600_000,
    max_crashes: 3,
    drain_ms: 8_000,
    replay_retention_ms: 604_800_000,
    max_body_bytes: 100_000_000,
    max_input_bytes: 32_000_000,
    max_event_bytes: 16_000_000,
    max_state_bytes: 200_000_000,
    max_thread_queue: 1_000,
    max_queue: 100_000,
    log_requests: false,
    heartbeat_ms: 5_000,
    poll_ms: 1_000,
    api_keys: [],
    webhook_timeout_ms: 10_000,
    webhook_attempts: 8,
    webhook_backoff_ms: 10_000,
    webhook_networks: [],
    graphs: {},
    auth: undefined,
    store: { folder: cwd },
    checkpointer: {},
    http: {
      cors: { allow_credentials: false, expose_headers: [] },
      disable_assistants: false,
      disable_threads: false,
      disable_runs: false,
      disable_store: false,
      disable_meta: false,
      disable_webhooks: false,
      disable_mcp: false,
      disable_a2a: false,
      disable_ui: false,
      middleware_order: 'middleware_first',
      enable_custom_route_auth: false,
      mount_prefix: '',
    },
    webhooks: {
      disabled: false,
      env_prefix: 'LG_WEBHOOK_',
      headers: {},
      url: {
        allowed_domains: [],
        allowed_ports: [],
        require_https: false,
        disable_loopback: true,
        max_url_length: 4096,
      },
    },
    files: [],
    warnings: [],
  })
})

test('a flag wins over the environment, the environment over the file, an empty variable counts as unset', async () => {
  const files = { ...config({ env: '.env' }), '.env': 'PORT=1\nRUNLOOM_HOST=file\nRUNLOOM_MODEL="openai:x"\nKEY=file' }
  const { host, port, model, concurrency, env } = await read(
    files,
    { PORT: '2', RUNLOOM_HOST: 'real', KEY: 'real', RUNLOOM_CONCURRENCY: '' },
    { port: '3' },
  )
  assert.deepEqual({ host, port, model, concurrency }, { host: 'real', port: 3, model: 'openai:x', concurrency: 500 })
  assert.equal(env.KEY, 'real')
})

test('the env of the file may be an object, and reaches the process where that has no value', async () => {
  process.env.RUNLOOM_TEST_SET = 'process'
  const found = await read(config({ env: { RUNLOOM_TEST_SET: 'file', RUNLOOM_TEST_NEW: 1 } }), process.env)
  publishEnvironment(found)
  assert.equal(process.env.RUNLOOM_TEST_SET, 'process')
  assert.equal(process.env.RUNLOOM_TEST_NEW, '1')
  delete process.env.RUNLOOM_TEST_SET
  delete process.env.RUNLOOM_TEST_NEW
})

test('graphs are found relative to the file that names them', async () => {
  const cwd = await folder()
  await mkdir(join(cwd, 'project'))
  await writeFile(join(cwd, 'project', 'a.ts'), '')
  await writeFile(
    join(cwd, 'project', 'my.json'),
    '\uFEFF{"graphs": {"a": "./a.ts:graph", "b": {"path": "a.ts:make", "description": "Makes"}}}',
  )
  const { graphs, files } = await readConfig({ argv: { config: 'project/my.json' }, env: {}, cwd })
  const file = join(cwd, 'project', 'a.ts')
  assert.deepEqual(graphs, { a: { file, export: 'graph' }, b: { file, export: 'make', description: 'Makes' } })
  assert.deepEqual(files, [join(cwd, 'project', 'my.json')])
})

test('the official names of the time limits are understood', async () => {
  const { run_timeout_ms, drain_ms } = await read(
    {},
    { BG_JOB_TIMEOUT_SECS: '7200', BG_JOB_SHUTDOWN_GRACE_PERIOD_SECS: '180' },
  )
  assert.deepEqual([run_timeout_ms, drain_ms], [7_200_000, 180_000])
})

test('DATABASE_URL names the database', async () => {
  assert.equal((await read({}, { DATABASE_URL: 'postgres://u@h/d' })).database_url, 'postgres://u@h/d')
  assert.equal((await read({}, { DATABASE_URL: 'sqlite:x.db' })).database_url, 'sqlite:x.db')
})

test('auth names a file, and says so where something else is set in vain', async () => {
  const named = await read(config({ auth: { path: './a.ts:auth', disable_studio_auth: true } }))
  assert.equal(named.auth?.export, 'auth')
  assert.match(named.auth?.file ?? '', /^\/.+a\.ts$/)
  assert.deepEqual(named.warnings, [])
  const both = await read(config({ auth: { path: './a.ts:auth', disable_studio_auth: false } }), {
    RUNLOOM_API_KEYS: KEY,
  })
  assert.equal(both.warnings.length, 2)
  assert.match(both.warnings.join('\n'), /disable_studio_auth.+\n.*RUNLOOM_API_KEYS is not used/)
  await assert.rejects(read(config({ auth: { path: './b.ts:auth' } })), /auth\.path: there is no file \.\/b\.ts/)
  await assert.rejects(read(config({ auth: { path: './a.ts' } })), /auth\.path: .+ names no export/)
})

const KEY = 'a-key-of-sixteen'

test('API keys are keys or named hashes; a message about them does not show them', async () => {
  const { api_keys } = await read({}, { RUNLOOM_API_KEYS: `${KEY}, ci:${'0f'.repeat(32)}` })
  assert.deepEqual(api_keys, [KEY, `ci:${'0f'.repeat(32)}`])
  const entry = `ci:${'0f'.repeat(32)}:threads:read+runs:create`
  assert.deepEqual((await read({}, { RUNLOOM_API_KEYS: entry })).api_keys, [entry])
  for (const [wrong, named] of [
    ['thread:read', 'thread:read'],
    ['threads:read+', ''],
    ['', ''],
    ['threads:read|admin', 'threads:read|admin'],
  ] as const) {
    await assert.rejects(read({}, { RUNLOOM_API_KEYS: `ci:${'0f'.repeat(32)}:${wrong}` }), ({ message }: Error) => {
      const start = `RUNLOOM_API_KEYS: ci: "${named}" is no scope; use threads:read, threads:write, `
      assert.ok(message.startsWith(start), message)
      return true
    })
  }
  await assert.rejects(read({}, { RUNLOOM_API_KEYS: `${entry},admin` }), /^ConfigError: RUNLOOM_API_KEYS: use /)
  for (const wrong of ['short', 'ci:0f', `ci:${'0g'.repeat(32)}`, `:${'0f'.repeat(32)}`]) {
    await assert.rejects(read({}, { RUNLOOM_API_KEYS: wrong }), ({ message }: Error) => {
      assert.match(message, /^RUNLOOM_API_KEYS: use .+runloom keys create/)
      assert.ok(!message.includes(wrong))
      return true
    })
  }
})

test('the store and webhooks are as the file has them, headers with their variables filled in', async () => {
  const headers = { authorization: `Bearer ${variable('LG_WEBHOOK_TOKEN')} and $${'{{env.LG_WEBHOOK_B}}'}`, 'x-a': 'a' }
  const file = {
    store: { index: { dims: 3, embed: './a.ts:embed' }, ttl: { default_ttl: 60 } },
    webhooks: { headers, url: { allowed_domains: ['*.example.com'] } },
    http: { disable_webhooks: true, app: './a.ts:app' },
    env: { LG_WEBHOOK_B: 'file' },
  }
  const env = { LG_WEBHOOK_TOKEN: 'secret', RUNLOOM_WEBHOOK_NETWORKS: '127.0.0.0/8, fd00::/8' }
  const { store, webhooks, webhook_networks } = await read(config(file), env)
  assert.deepEqual(store.index, { dims: 3, embed: './a.ts:embed', fields: ['$'] })
  assert.deepEqual(store.ttl, { default_ttl: 60, refresh_on_read: true, sweep_interval_minutes: 5 })
  assert.deepEqual(webhooks.headers, { authorization: 'Bearer secret and file', 'x-a': 'a' })
  assert.deepEqual([webhooks.disabled, webhooks.url.allowed_domains], [true, ['*.example.com']])
  assert.deepEqual(webhook_networks, ['127.0.0.0/8', 'fd00::/8'])
})

test('unknown keys are named in a warning, wherever they are; those of the official file are not', async () => {
  const official = { node_version: '20', dependencies: ['.'], docker_compose_file: 'x', $schema: 'y' }
  const file = {
    ...official,
    graphs: { a: { path: './a.ts:graph', description: 'A', kind: 1 } },
    grahps: {},
    store: { ttl: { default_tll: 1 } },
    http: { disable_mcp: true, mount_prefix: '/a', cors: { allow_origin: ['x'] }, port: 1 },
    checkpointer: { ttl: { default_ttl: 1, sweep: 2 } },
    env: { ANY: 'thing' },
  }
  const { warnings } = await read(config(file))
  const named = ['store.ttl.default_tll', 'http.cors.allow_origin', 'http.port', 'checkpointer.ttl.sweep', 'grahps']
  assert.deepEqual(warnings.sort(), named.map(key => `langgraph.json: the key "${key}" is unknown and ignored`).sort())
})

test('what the official server has and this one has not is named, too', async () => {
  const file = { encryption: { path: './a.ts:x' }, store: { path: './a.py:store' }, checkpointer: { serde: {} } }
  const { warnings, store } = await read(config(file))
  const named = ['encryption', 'checkpointer.serde', 'store.path']
  assert.deepEqual(
    warnings,
    named.map(key => `langgraph.json: "${key}" is not supported and ignored`),
  )
  assert.deepEqual(Object.keys(store), ['folder'])
})

test('http and checkpointer are as the file has them', async () => {
  const cwd = await folder({ 'a.ts': '' })
  const file = {
    http: {
      app: './a.ts:app',
      cors: { allow_origins: ['https://a'], allow_origin_regex: 'https://b\\d', allow_credentials: true },
      configurable_headers: { includes: ['x-*'], excludes: null },
      logging_headers: { include: ['x-a'], exclude: ['x-b'] },
      middleware_order: 'auth_first',
      mount_prefix: '/a/b/',
    },
    checkpointer: { ttl: { strategy: 'keep_latest', default_ttl: 0.5 } },
  }
  await writeFile(join(cwd, 'langgraph.json'), JSON.stringify(file))
  const { http, checkpointer } = await readConfig({ env: {}, cwd })
  assert.deepEqual(http.app, { file: join(cwd, 'a.ts'), export: 'app' })
  assert.ok(http.cors.allow_origin_regex?.test('https://b1') && !http.cors.allow_origin_regex.test('https://b1.c'))
  assert.deepEqual(http.configurable_headers, { includes: ['x-*'], excludes: [] })
  assert.deepEqual(http.logging_headers, { includes: ['x-a'], excludes: ['x-b'] })
  assert.deepEqual([http.middleware_order, http.mount_prefix], ['auth_first', '/a/b'])
  const sweeping = { sweep_interval_minutes: 5, sweep_limit: 1_000 }
  assert.deepEqual(checkpointer.ttl, { strategy: 'keep_latest', default_ttl: 0.5, ...sweeping })
})

const broken: [what: string, files: Record<string, string>, message: string][] = [
  [
    'JSON cut short',
    { 'langgraph.json': '{\n  "graphs": {' },
    "langgraph.json:2:14: Expected property name or '}'; the file must be JSON, without comments",
  ],
  [
    'a bad token',
    { 'langgraph.json': '{\n  "graphs": {},\n  "a": [1, }\n}' },
    "langgraph.json:3:12: Unexpected token '}'; the file must be JSON, without comments",
  ],
  [
    'a comment',
    { 'langgraph.json': '// hi\n{}' },
    "langgraph.json:1:1: Unexpected token '/'; the file must be JSON, without comments",
  ],
  [
    'a missing comma',
    { 'langgraph.json': '{"a": 1\n"b": 2}' },
    "langgraph.json:2:1: Expected ',' or '}' after property value; the file must be JSON, without comments",
  ],
  [
    'an empty file',
    { 'langgraph.json': '' },
    'langgraph.json:1:1: Unexpected end of JSON input; the file must be JSON, without comments',
  ],
  [
    'two documents',
    { 'langgraph.json': '{} {}' },
    'langgraph.json:1:4: Unexpected non-whitespace character after JSON; the file must be JSON, without comments',
  ],
  ['no object', config([]), 'langgraph.json: use an object: {"graphs": {"agent": "./agent.ts:graph"}}'],
  ['null', config(null), 'langgraph.json: use an object: {"graphs": {"agent": "./agent.ts:graph"}}'],
  [
    'an export without a name',
    config({ graphs: { a: './a.ts:' } }),
    'langgraph.json: graphs.a: "./a.ts:" names no export; write "./a.ts:graph" if the file exports it as graph',
  ],
  [
    'graphs as a list',
    config({ graphs: ['./a.ts:graph'] }),
    'langgraph.json: graphs: use an object: {"agent": "./agent.ts:graph"}',
  ],
  [
    'a path without export',
    config({ graphs: { a: './a.ts' } }),
    'langgraph.json: graphs.a: "./a.ts" names no export; write "./a.ts:graph" if the file exports it as graph',
  ],
  [
    'an export without file',
    config({ graphs: { a: { path: ':graph' } } }),
    'langgraph.json: graphs.a: ":graph" names no export; write ":graph:graph" if the file exports it as graph',
  ],
  [
    'a graph of another type',
    config({ graphs: { a: 1 } }),
    'langgraph.json: graphs.a: use "./file.ts:export", or {"path": "./file.ts:export", "description": "…"}',
  ],
  [
    'a missing graph file',
    config({ graphs: { a: './b.ts:graph' } }),
    'langgraph.json: graphs.a: there is no file ./b.ts; paths are relative to langgraph.json',
  ],
  [
    'env as a list',
    config({ env: ['A'] }),
    'langgraph.json: env: use the path of a .env file, or an object of strings',
  ],
  [
    'a webhook header with a variable that is not set',
    config({ webhooks: { headers: { a: variable('LG_WEBHOOK_X') } } }),
    'langgraph.json: webhooks.headers.a: the variable LG_WEBHOOK_X is not set',
  ],
  [
    'a webhook header with a variable that is not for webhooks',
    config({ env: { OPENAI_API_KEY: 'x' }, webhooks: { headers: { a: variable('OPENAI_API_KEY') } } }),
    'langgraph.json: webhooks.headers.a: OPENAI_API_KEY does not begin with LG_WEBHOOK_; see webhooks.env_prefix',
  ],
  [
    'a webhook header that would be two',
    config({ webhooks: { headers: { a: 'b\r\nc: d' } } }),
    'langgraph.json: webhooks.headers.a: a header is one line',
  ],
  [
    'an index without dimensions',
    config({ store: { index: { embed: 'openai:x' } } }),
    'langgraph.json: store.index.dims: is missing; give a value (number)',
  ],
  [
    'credentials for everybody',
    config({ http: { cors: { allow_credentials: true } } }),
    'langgraph.json: http.cors: allow_credentials needs allow_origins or allow_origin_regex that say whose; any page could use them otherwise',
  ],
  [
    'an origin that is no pattern',
    config({ http: { cors: { allow_origin_regex: '(' } } }),
    'langgraph.json: http.cors.allow_origin_regex: Invalid regular expression: /^(?:()$/: Unterminated group',
  ],
  [
    'an app without export',
    config({ http: { app: './a.ts' } }),
    'langgraph.json: http.app: "./a.ts" names no export; write "./a.ts:app" if the file exports it as app',
  ],
  [
    'a missing app',
    config({ http: { app: './b.ts:app' } }),
    'langgraph.json: http.app: there is no file ./b.ts; paths are relative to langgraph.json',
  ],
  [
    'a prefix that is no path',
    config({ http: { mount_prefix: 'agents' } }),
    'langgraph.json: http.mount_prefix: use a path like "/agents"',
  ],
  [
    'an unknown order',
    config({ http: { middleware_order: 'last' } }),
    'langgraph.json: http.middleware_order: Invalid option: expected one of "middleware_first"|"auth_first"',
  ],
  [
    'a time to live of nothing',
    config({ checkpointer: { ttl: { default_ttl: 0 } } }),
    'langgraph.json: checkpointer.ttl.default_ttl: Too small: expected number to be >0',
  ],
  [
    'a missing env file',
    config({ env: '.env' }),
    'langgraph.json: env: there is no file .env; create it, or remove the key',
  ],
]
for (const [what, files, message] of broken) {
  test(`broken: ${what}`, async () => assert.equal(await complaint(files), message))
}

const yaml = (text: string) => ({ 'runloom.yaml': text, 'a.ts': '' })

test('runloom.yaml alone says everything: the agent, the server, and what langgraph.json would say', async () => {
  const text = `
server:
  port: 2025
  log_requests: true
  data: ./data
  api_keys: [a-key-of-sixteen, another-of-sixteen]
  lease_ms: "5000"
models:
  - name: fast
    provider: openai
    price: { input: 0.25, output: 2 }
mcp_servers:
  files: { command: npx, args: [-y, server] }
  far: { url: https://example.com/mcp }
title:
graphs:
  a: ./a.ts:graph
checkpointer: { ttl: { default_ttl: 5 } }
env:
  KEY: 1
`
  const cwd = await folder(yaml(text))
  const found = await readConfig({ env: {}, cwd })
  const { port, log_requests, data, database_url, api_keys, lease_ms } = found
  assert.deepEqual([port, log_requests, lease_ms], [2025, true, 5_000])
  assert.deepEqual([data, database_url], [join(cwd, 'data'), `sqlite:${join(cwd, 'data', 'runloom.db')}`])
  assert.deepEqual(api_keys, [KEY, 'another-of-sixteen'])
  assert.deepEqual(found.graphs, { a: { file: join(cwd, 'a.ts'), export: 'graph' } })
  assert.equal(found.checkpointer.ttl?.default_ttl, 5)
  assert.equal(found.env.KEY, '1')
  assert.deepEqual(found.files, [join(cwd, 'runloom.yaml')])
  const { models, mcp_servers, title, folder: base } = found.agent
  assert.equal(base, cwd)
  assert.partialDeepStrictEqual(models, [{ name: 'fast', provider: 'openai', supports_vision: false }])
  assert.deepEqual([mcp_servers.files?.type, mcp_servers.far?.type], ['stdio', 'http'])
  assert.equal(title.enabled, true)
})

test('both files are read together, whichever of them --config names', async () => {
  const cwd = await folder()
  await mkdir(join(cwd, 'project'))
  const files = { 'runloom.yaml': 'plan_mode: true', 'langgraph.json': '{"graphs": {"a": "./a.ts:graph"}}', 'a.ts': '' }
  for (const [name, text] of Object.entries(files)) await writeFile(join(cwd, 'project', name), text)
  for (const name of ['project/runloom.yaml', 'project/langgraph.json']) {
    const { agent, graphs, files } = await readConfig({ argv: { config: name }, env: {}, cwd })
    assert.deepEqual([agent.plan_mode, Object.keys(graphs)], [true, ['a']])
    assert.deepEqual(files, [join(cwd, 'project', 'langgraph.json'), join(cwd, 'project', 'runloom.yaml')])
    assert.equal(agent.folder, join(cwd, 'project'))
  }
})

test('a flag wins over the environment, that over the env of the file, that over server, that over the default', async () => {
  const text = 'server: { port: 1, host: server, concurrency: 1, poll_ms: 7 }\nenv: { PORT: 2, RUNLOOM_HOST: file }'
  const { host, port, concurrency, poll_ms, heartbeat_ms } = await read(
    yaml(text),
    { PORT: '3', RUNLOOM_CONCURRENCY: '3' },
    { concurrency: '4' },
  )
  assert.deepEqual([host, port, concurrency, poll_ms, heartbeat_ms], ['file', 3, 4, 7, 5_000])
})

test('variables are filled in, from the process and from the env of the file; two dollars are one', async () => {
  const text = `
env: .env
models:
  - name: m
    provider: openai
    base_url: http://\${HOST_NAME}:8000/v1
    api_key: $KEY
    parameters: { a: "$$KEY costs 5 $ or $5", b: "\${{ env.KEY }}" }
mcp_servers:
  off: { enabled: false, command: x, env: { TOKEN: $NOT_SET } }
`
  const { agent } = await read({ ...yaml(text), '.env': 'KEY=secret\nHOST_NAME=file' }, { HOST_NAME: 'process' })
  const [model] = agent.models
  assert.deepEqual([model?.base_url, model?.api_key], ['http://process:8000/v1', 'secret'])
  assert.deepEqual(model?.parameters, { a: '$KEY costs 5 $ or $5', b: '$' + '{{ env.KEY }}' })
  assert.partialDeepStrictEqual(agent.mcp_servers.off, { env: { TOKEN: '' } })
})

test('a model of the environment is not used beside those of the file, and that is said', async () => {
  const { warnings } = await read(yaml('models: [{ name: m, provider: offline }]'), { RUNLOOM_MODEL: 'openai:x' })
  assert.deepEqual(warnings, ['RUNLOOM_MODEL is not used: the first of the models in runloom.yaml is the default'])
})

const faulty: [what: string, text: string, message: string | RegExp][] = [
  ['no YAML', 'models: [1, }\n', /^runloom\.yaml:1:\d+: .+/],
  ['a key twice', 'plan_mode: true\nplan_mode: false', 'runloom.yaml:2:1: Map keys must be unique'],
  ['two documents', 'env: {}\n---\nenv: {}', 'runloom.yaml:2:1: a second document begins (---); keep one'],
  ['an endless alias', 'tools: &a [*a]', 'runloom.yaml: an alias (*) stands inside of what it means'],
  ['a list', '- a', 'runloom.yaml:1:1: use keys with values, like "models:"; runloom init writes an example'],
  [
    'an unknown section',
    'plan_mode: true\nmodel: x',
    /^runloom\.yaml:2:1: model: there is no such key; use models, tools, /,
  ],
  [
    'an unknown key of a section, with those that there are',
    'memory:\n  enabled: true\n  max_fact: 3',
    /^runloom\.yaml:3:3: memory\.max_fact: there is no such key; use enabled, max_facts, /,
  ],
  [
    'an unknown key of a model',
    'models:\n  - name: a\n    provider: offline\n    base: x',
    /^runloom\.yaml:4:5: models\.0\.base: there is no such key; use name, display_name, /,
  ],
  [
    'an unknown key of what langgraph.json may say',
    'http:\n  cors:\n    allow_origin: [x]',
    /^runloom\.yaml:3:5: http\.cors\.allow_origin: there is no such key; use allow_origins, /,
  ],
  [
    'an unknown setting',
    'server:\n  prot: 1',
    /^runloom\.yaml:2:3: server\.prot: there is no such key; use host, port, /,
  ],
  [
    'a provider of traces that is not known',
    'tracing: [langfus]',
    'runloom.yaml:1:11: tracing.0: use langfuse or langsmith',
  ],
  [
    'a model without provider',
    'plan_mode: true\nmodels:\n  - name: a',
    'runloom.yaml:3:5: models.0.provider: is missing; give a value (string)',
  ],
  [
    'two models of one name',
    'models:\n  - { name: a, provider: offline }\n  - { name: a, provider: offline }',
    'runloom.yaml:3:7: models.1.name: another model is called a; names are unique',
  ],
  ['another type', 'agent:\n  model_retries: many', 'runloom.yaml:2:3: agent.model_retries: use number, not string'],
  [
    'an MCP server with a misspelt key',
    'mcp_servers:\n  a:\n    command: x\n    arg: [y]',
    /^runloom\.yaml:4:5: mcp_servers\.a\.arg: there is no such key; use enabled, /,
  ],
  [
    'an MCP server without a command',
    'mcp_servers:\n  a:\n    args: [y]',
    'runloom.yaml:2:3: mcp_servers.a.command: is missing; give a value (string)',
  ],
  [
    'a trigger with a misspelt key',
    'summarization:\n  trigger:\n    - type: tokens\n      value: much',
    'runloom.yaml:4:7: summarization.trigger.0.value: use number, not string',
  ],
  [
    'a missing variable',
    'models:\n  - name: a\n    provider: openai\n    api_key: $NOT_SET',
    'runloom.yaml:4:5: models.0.api_key: the variable NOT_SET is not set; set it, or write $$ for a dollar',
  ],
  [
    'a setting out of range',
    'server:\n  port: 70000',
    'runloom.yaml:2:3: server.port: use a whole number from 0 to 65535',
  ],
  [
    'a setting of another type',
    'server: { port: true }',
    'runloom.yaml:1:11: server.port: use a whole number from 0 to 65535',
  ],
  ['a setting that is no text', 'server: { host: true }', 'runloom.yaml:1:11: server.host: use string, not boolean'],
  ['settings as a list', 'server: [1]', 'runloom.yaml:1:1: server: use keys with values, like "port: 2024"'],
  [
    'a missing graph file',
    'graphs:\n  a: ./b.ts:graph',
    'runloom.yaml:2:3: graphs.a: there is no file ./b.ts; paths are relative to runloom.yaml',
  ],
  ['a missing env file', 'env: .env', 'runloom.yaml:1:1: env: there is no file .env; create it, or remove the key'],
  ['a wrong env', 'env: [a]', 'runloom.yaml:1:1: env: use the path of a .env file, or an object of strings'],
]
for (const [what, text, message] of faulty) {
  test(`runloom.yaml with ${what}`, async () => {
    const said = await complaint(yaml(text))
    if (typeof message === 'string') assert.equal(said, message)
    else assert.match(said, message)
  })
}

test('all faults of runloom.yaml are told, a line each, and no secret', async () => {
  const text = 'plan: 1\nmodels:\n  - provider: openai\n    api_key: sk-secret\n    temperature: hot'
  await assert.rejects(read(yaml(text)), ({ message }: Error) => {
    const places = message.split('\n').map(line => line.split(':').slice(0, 4).join(':'))
    assert.deepEqual(places, [
      'runloom.yaml:1:1: plan',
      'runloom.yaml:3:5: models.0.name',
      'runloom.yaml:5:5: models.0.temperature',
    ])
    assert.ok(!message.includes('sk-secret'))
    return true
  })
})

test('a section in both files is refused', async () => {
  const files = { ...config({ graphs: { a: './a.ts:graph' } }), 'runloom.yaml': '\ngraphs: { b: ./a.ts:graph }' }
  const message = 'runloom.yaml:2:1: graphs: langgraph.json has this section, too; keep one of them'
  assert.equal(await complaint(files), message)
})

const wrong: [what: string, env: NodeJS.ProcessEnv, argv: Flags, message: string][] = [
  ['a port that is no number', { PORT: 'http' }, {}, 'PORT=http: use a whole number from 0 to 65535'],
  ['a port out of range', {}, { port: '65536' }, '--port 65536: use a whole number from 0 to 65535'],
  ['a concurrency with a fraction', {}, { concurrency: '1.5' }, '--concurrency 1.5: use a whole number of at least 0'],
  [
    'a timer that would overflow',
    { BG_JOB_TIMEOUT_SECS: '9999999' },
    {},
    'BG_JOB_TIMEOUT_SECS=9999999: use a whole number from 1 to 2147483647',
  ],
  ['a limit of nothing', { RUNLOOM_MAX_QUEUE: '0' }, {}, 'RUNLOOM_MAX_QUEUE=0: use a whole number of at least 1'],
  ['a switch that is none', { RUNLOOM_LOG_REQUESTS: 'perhaps' }, {}, 'RUNLOOM_LOG_REQUESTS=perhaps: use true or false'],
  ['an unknown sync', { RUNLOOM_SQLITE_SYNC: 'off' }, {}, 'RUNLOOM_SQLITE_SYNC=off: use full or normal'],
  [
    'another database',
    { DATABASE_URL: 'mysql://u:secret@h/d' },
    {},
    'DATABASE_URL: "mysql:" is not a known database; use sqlite:<path> or postgres://user@host/name',
  ],
  [
    'a database in memory',
    { DATABASE_URL: 'sqlite::memory:' },
    {},
    'DATABASE_URL: a database in memory is lost with its process; use sqlite:<path> or postgres://user@host/name',
  ],
  [
    'no database',
    { DATABASE_URL: 'sqlite:' },
    {},
    'DATABASE_URL: names no database; use sqlite:<path> or postgres://user@host/name',
  ],
  [
    'a direct URL that is not Postgres',
    { DATABASE_DIRECT_URL: 'sqlite:x' },
    {},
    'DATABASE_DIRECT_URL: use postgres://…; it is the database of DATABASE_URL, past the pooler',
  ],
  [
    'a network that is none',
    { RUNLOOM_WEBHOOK_NETWORKS: '10.0.0.0/8,10.0.0.0/99' },
    {},
    'RUNLOOM_WEBHOOK_NETWORKS=10.0.0.0/8,10.0.0.0/99: use addresses or networks like 10.1.0.0/16, with commas',
  ],
  [
    'a missing --config',
    {},
    { config: 'x.json' },
    '--config x.json: there is no such file; give the path of a runloom.yaml or a langgraph.json',
  ],
]
for (const [what, env, argv, message] of wrong) {
  test(`refused: ${what}`, async () => assert.equal(await complaint({}, env, argv), message))
}

test('a value from the env of the file is named with the file', async () => {
  assert.equal(
    await complaint(config({ env: { PORT: 'x' } })),
    "PORT (from langgraph.json's env)=x: use a whole number from 0 to 65535",
  )
})
