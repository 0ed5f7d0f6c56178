// `runloom init` and `runloom doctor` as a user has them: real processes, what they write and say, their exit codes.
import assert from 'node:assert/strict'
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { readConfig } from '../src/config.ts'
import { runloomFile } from '../src/protocol/runloom-file.ts'
import { settings } from '../src/protocol/settings.ts'
import { say } from './api/harness.ts'
import { commandLine } from './support/command-line.ts'
import { startOpenAIServer } from './support/openai-server.ts'
import { clientOf } from './support/server.ts'

const { emptyFolder, run } = commandLine()

/** What `runloom doctor` says, a line each, and its exit code. */
async function doctor(cwd: string, args: string[] = [], env: NodeJS.ProcessEnv = {}) {
  const examined = run(cwd, ['doctor', '--port', '0', ...args], env)
  const code = await examined.exited
  return { code, lines: examined.output().trimEnd().split('\n') }
}

test('what init writes is valid, starts, and answers', async () => {
  const cwd = emptyFolder()
  const init = run(cwd, ['init', 'my agents'])
  assert.equal(await init.exited, 0)
  assert.match(init.output(), /^Wrote runloom\.yaml, .+\n\n +cd my agents && npm install\n +npm run dev\n/)
  const project = join(cwd, 'my agents')
  const written = ['.env', '.env.example', '.gitignore', 'graphs', 'package.json', 'runloom.yaml']
  assert.deepEqual(readdirSync(project).sort(), written)
  const { name, scripts, dependencies } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'))
  assert.deepEqual([name, scripts.dev, 'runloom' in dependencies], ['my-agents', 'runloom dev', true])
  const { code, lines } = await doctor(project)
  assert.deepEqual([code, lines.at(-1)], [0, 'Nothing is wrong'], lines.join('\n'))
  assert.ok(lines.includes('✔ graph hello'))
  assert.ok(!readdirSync(project).includes('.runloom'), 'doctor changes nothing')
  const server = run(project, ['dev', '--port', '0'])
  const values = await clientOf(await server.url()).runs.wait(null, 'hello', { input: say('good day') })
  const { messages } = values as { messages: { content: string }[] }
  assert.equal(messages.at(-1)?.content, 'Hello! You said: good day')
  await server.stop()
})

test('init writes over nothing, and names what is there', async () => {
  const cwd = emptyFolder()
  writeFileSync(join(cwd, 'package.json'), '{}')
  writeFileSync(join(cwd, 'langgraph.json'), '{}')
  const init = run(cwd, ['init'])
  assert.equal(await init.exited, 1)
  assert.match(
    init.output(),
    /^runloom init: package\.json, langgraph\.json are there already, so nothing was written; .+\n$/,
  )
  assert.deepEqual(readdirSync(cwd).sort(), ['langgraph.json', 'package.json'])
})

test('every section of the example, without its comment sign, says what is the case without it', async () => {
  const cwd = emptyFolder()
  assert.equal(await run(cwd, ['init']).exited, 0)
  const blocks = readFileSync(join(cwd, 'runloom.yaml'), 'utf8').split('\n\n').slice(1)
  const sections = blocks.map(block => block.split('\n').slice(1).join('\n'))
  const plain = sections.map(block => block.replace(/^# /gm, '').trim())
  const named = plain.map(block => /^(# )?(\w+):/.exec(block)?.[2])
  const keys = [...Object.keys(runloomFile.shape), 'server', 'graphs', 'env', 'auth', 'store', 'http']
  for (const key of keys) assert.ok(named.includes(key), key)
  const examples = ['models', 'tools', 'mcp_servers', 'graphs', 'env']
  const defaults = plain.filter((_, index) => !examples.includes(named[index] ?? ''))
  writeFileSync(join(cwd, 'runloom.yaml'), defaults.join('\n'))
  const { agent, data, database_url, ...found } = await readConfig({ env: {}, cwd })
  assert.deepEqual(agent, { ...runloomFile.parse({}), folder: cwd })
  const { data: _, ...expected } = settings.parse({})
  assert.partialDeepStrictEqual(found, expected)
  assert.deepEqual([data, database_url], [join(cwd, '.runloom'), `sqlite:${join(cwd, '.runloom', 'runloom.db')}`])
  writeFileSync(join(cwd, 'runloom.yaml'), plain.join('\n'))
  const all = await readConfig({ env: { OPENAI_API_KEY: 'k', TICKETS_TOKEN: 't' }, cwd })
  assert.deepEqual([all.agent.models.length, all.agent.tools.length], [3, 1])
})

test('doctor says what is wrong and what to do, and exits with 1', async () => {
  const cwd = emptyFolder()
  writeFileSync(join(cwd, 'a.ts'), 'export const graph = 1')
  const text = `
server: { data: ./data }
graphs: { a: ./a.ts:graph }
models:
  - { name: keyless, provider: openai }
  - { name: absent, provider: groq, api_key: x }
mcp_servers:
  here: { command: node }
  gone: { command: ./no-such-command }
  off: { command: ./nothing, enabled: false }
`
  writeFileSync(join(cwd, 'runloom.yaml'), text)
  const { code, lines } = await doctor(cwd, [], { OPENAI_API_KEY: '' })
  assert.equal(code, 1)
  const wrong = lines.filter(line => line.startsWith('✖')).map(line => line.slice(2))
  const expected = [
    /^model keyless: OPENAI_API_KEY is not set; set it, or api_key of the model$/,
    /^model absent: .+Run: npm install @langchain\/groq$/,
    /^MCP server gone: there is no command \.\/no-such-command; install it, or .+enabled: false$/,
    /^graph a: .+/,
  ]
  assert.equal(wrong.length, expected.length, lines.join('\n'))
  for (const [index, pattern] of expected.entries()) assert.match(wrong[index] ?? '', pattern)
  assert.ok(lines.includes('✔ MCP server here: node'))
  assert.equal(lines.at(-1), '4 things are wrong')
})

test('doctor loads the tools that the configuration names', async () => {
  const cwd = emptyFolder()
  const configure = (...names: string[]) =>
    writeFileSync(join(cwd, 'runloom.yaml'), `tools:${names.map(name => `\n  - use: ./tools.ts:${name}`).join('')}`)
  copyFileSync(join(import.meta.dirname, 'fixtures/agent/tools.ts'), join(cwd, 'tools.ts'))
  configure('all')
  const good = await doctor(cwd)
  assert.deepEqual([good.code, good.lines.includes('✔ tools: search, remove')], [0, true], good.lines.join('\n'))
  configure('search', 'missing')
  const bad = await doctor(cwd)
  assert.equal(bad.code, 1)
  const wrong = '✖ tools[1].use: ./tools.ts:missing: no export "missing"; it exports all, changing, notATool, search'
  assert.ok(bad.lines.includes(wrong), bad.lines.join('\n'))
})

test('doctor tells the faults of a configuration with their places', async () => {
  const cwd = emptyFolder()
  writeFileSync(join(cwd, 'runloom.yaml'), 'plan_mode: perhaps\nmodels:\n  - name: a')
  const { code, lines } = await doctor(cwd)
  assert.equal(code, 1)
  assert.deepEqual(lines.slice(1), [
    '✖ runloom.yaml:1:1: plan_mode: use boolean, not string',
    '✖ runloom.yaml:3:5: models.0.provider: is missing; give a value (string)',
    '2 things are wrong',
  ])
})

test('doctor --online asks the models', async t => {
  const models = await startOpenAIServer({
    script: ({ model }) => (model === 'good' ? { text: 'ok' } : { status: 401 }),
  })
  t.after(models.close)
  const cwd = emptyFolder()
  const model = (name: string) => `\n  - { name: ${name}, provider: openai, base_url: "${models.url}" }`
  writeFileSync(join(cwd, 'runloom.yaml'), `models:${model('good')}${model('bad')}`)
  const offline = await doctor(cwd)
  assert.deepEqual([offline.code, models.requests.length], [0, 0])
  const { code, lines } = await doctor(cwd, ['--online'])
  assert.equal(code, 1)
  assert.ok(lines.includes('✔ model good: openai answers'), lines.join('\n'))
  assert.match(lines.find(line => line.startsWith('✖')) ?? '', /^✖ model bad: .*401/)
})

test('doctor looks at the database, its folder and the port, and touches none of them', async t => {
  const cwd = emptyFolder()
  assert.ok((await doctor(cwd)).lines.includes('– database: .runloom/runloom.db is created at start'))
  assert.deepEqual(readdirSync(cwd), [])
  assert.equal(await run(cwd, ['migrate']).exited, 0)
  assert.match(
    (await doctor(cwd)).lines.join('\n'),
    /✔ database: \.runloom\/runloom\.db, its schema is current \(\d+\)/,
  )
  const unreachable = await doctor(cwd, [], { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' })
  assert.match(unreachable.lines.join('\n'), /✖ database: Postgres cannot be used: .+; see DATABASE_URL/)
  const other = createServer((_, response) => response.writeHead(404).end()).listen(0, '127.0.0.1')
  t.after(() => other.close())
  await new Promise(resolve => other.once('listening', resolve))
  const { port } = other.address() as AddressInfo
  const taken = await doctor(cwd, ['--port', String(port)])
  assert.equal(taken.code, 1)
  assert.ok(taken.lines.includes(`✖ port ${port} is taken; stop what uses it, or choose another with --port`))
})
