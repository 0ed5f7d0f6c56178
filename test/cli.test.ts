// The command line as a user has it: a real process, its output, its exit code.
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually, say } from './api/harness.ts'
import { commandLine } from './support/command-line.ts'
import { clientOf } from './support/server.ts'

const { emptyFolder, run } = commandLine()

/** What a busy machine may take to start a process again. */
const RESTART_MS = 60_000

test('dev starts in an empty folder, says where it listens, and keeps its data there', async () => {
  const cwd = emptyFolder()
  const server = run(cwd, ['dev', '--port', '0'])
  const client = clientOf(await server.url())
  const values = await client.runs.wait(null, 'agent', { input: say('hello') })
  const { messages } = values as { messages: { type: string; content: string }[] }
  assert.match(messages.at(-1)?.content as string, /offline model/i)
  assert.match(server.output(), /offline model/)
  assert.equal(await server.stop(), 0)
})

test('dev moves to the next free port and says so; serve refuses', async () => {
  const first = run(emptyFolder(), ['serve', '--port', '0'])
  const { port } = new URL(await first.url())
  const second = run(emptyFolder(), ['dev', '--port', port])
  assert.ok(Number(new URL(await second.url()).port) > Number(port))
  assert.match(second.output(), new RegExp(`Port ${port} is taken, using \\d+`))
  const third = run(emptyFolder(), ['serve', '--port', port])
  assert.equal(await third.exited, 1)
  assert.match(third.output(), /^--port \d+: the port is taken; .+\n$/)
  await Promise.all([first.stop(), second.stop()])
})

test('a broken configuration is one clear line and exit code 1', async () => {
  const cwd = emptyFolder()
  writeFileSync(join(cwd, 'langgraph.json'), '{"graphs": {"a": "./a.ts"}}')
  const server = run(cwd, ['serve', '--port', '0'])
  assert.equal(await server.exited, 1)
  assert.match(server.output(), /^langgraph\.json: graphs\.a: .+ names no export; .+\n$/)
})

test('a graph is served from TypeScript in a folder without packages; a broken one is named beside it', async () => {
  const cwd = emptyFolder()
  writeFileSync(join(cwd, 'langgraph.json'), '{"graphs": {"good": "./good.ts:graph", "bad": "./bad.ts:graph"}}')
  writeFileSync(join(cwd, 'good.ts'), answering('one'))
  writeFileSync(join(cwd, 'bad.ts'), 'export const graph: number = 1')
  const server = run(cwd, ['serve', '--port', '0'])
  const client = clientOf(await server.url())
  assert.deepEqual(await client.runs.wait(null, 'good', { input: {} }), { answer: 'one' })
  await assert.rejects(client.runs.wait(null, 'bad', { input: {} }), /bad\.ts/)
  assert.match(server.output(), /bad\.ts/)
  await server.stop()
})

test('dev restarts when a graph changes, on the same port, and a running run goes on', async () => {
  const cwd = emptyFolder()
  writeFileSync(join(cwd, 'langgraph.json'), '{"graphs": {"changing": "./graph.ts:graph"}}')
  writeFileSync(join(cwd, 'graph.ts'), answering('before', 1_500))
  const server = run(cwd, ['dev', '--port', '0'], { RUNLOOM_DRAIN_MS: '100' })
  const url = await server.url()
  const client = clientOf(url)
  const { thread_id } = await client.threads.create()
  const { run_id } = await client.runs.create(thread_id, 'changing', { input: {} })
  await eventually(async () => assert.equal((await client.runs.get(thread_id, run_id)).status, 'running'))
  writeFileSync(join(cwd, 'graph.ts'), answering('after'))
  await eventually(async () => assert.equal(server.output().split(`listening on ${url}`).length, 3), RESTART_MS)
  assert.deepEqual(await client.runs.join(thread_id, run_id), { answer: 'after' })
  await server.stop()
})

test('dev restarts when runloom.yaml changes, and goes on as it was where the new one is wrong', async () => {
  const cwd = emptyFolder()
  const named = (name: string) =>
    writeFileSync(join(cwd, 'runloom.yaml'), `models:\n  - ${name}\n    provider: offline`)
  named('name: first')
  const server = run(cwd, ['dev', '--port', '0'])
  const url = await server.url()
  const model = async () => {
    const { models } = (await (await fetch(`${url}/api/models`)).json()) as { models: { name: string }[] }
    return models[0]?.name
  }
  assert.equal(await model(), 'first')
  named('nam: second')
  await eventually(
    async () => assert.match(server.output(), /runloom\.yaml:2:5: models\.0\.nam: .+\nRunloom goes on as it was/),
    RESTART_MS,
  )
  assert.equal(await model(), 'first')
  named('name: second')
  await eventually(async () => assert.equal(await model(), 'second'), RESTART_MS)
  await server.stop()
})

test('dev restarts when langgraph.json comes, and when it goes', async () => {
  const cwd = emptyFolder()
  const server = run(cwd, ['dev', '--port', '0'])
  const url = await server.url()
  const client = clientOf(url)
  const graphs = async () => (await client.assistants.search()).map(({ graph_id }) => graph_id)
  const started = (times: number) =>
    eventually(async () => assert.equal(server.output().split(`listening on ${url}`).length - 1, times), RESTART_MS)
  writeFileSync(join(cwd, 'graph.ts'), answering('here'))
  writeFileSync(join(cwd, 'langgraph.json'), '{"graphs": {"late": "./graph.ts:graph"}}')
  await started(2)
  assert.ok((await graphs()).includes('late'))
  rmSync(join(cwd, 'langgraph.json'))
  await started(3)
  writeFileSync(join(cwd, 'langgraph.json'), '{"graphs": {"again": "./graph.ts:graph"}}')
  await started(4)
  assert.ok((await graphs()).includes('again'))
  await server.stop()
})

test('inspect prints a run as a timeline, of a file that a server has open', async () => {
  const cwd = emptyFolder()
  const server = run(cwd, ['serve', '--port', '0'])
  const client = clientOf(await server.url())
  const { thread_id } = await client.threads.create()
  await client.runs.wait(thread_id, 'agent', { input: say('what is 2 + 3?') })
  const [created] = await client.runs.list(thread_id)
  const run_id = created?.run_id as string
  const inspect = run(cwd, ['inspect', run_id])
  assert.equal(await inspect.exited, 0)
  assert.match(inspect.output(), /metadata .+"attempt":1/)
  assert.match(inspect.output(), /success/)
  const unknown = run(cwd, ['inspect', crypto.randomUUID()])
  assert.equal(await unknown.exited, 1)
  assert.match(unknown.output(), /^Run .+ not found\n$/)
  await server.stop()
})

test('migrate brings a new database up to date; help lists the commands', async () => {
  const cwd = emptyFolder()
  const migrate = run(cwd, ['migrate'])
  assert.equal(await migrate.exited, 0)
  assert.match(migrate.output(), /^The schema is at version \d+\n$/)
  const help = run(cwd, ['--help'])
  assert.equal(await help.exited, 0)
  for (const command of ['dev', 'serve', 'worker', 'init', 'doctor', 'migrate', 'inspect', 'keys'])
    assert.match(help.output(), new RegExp(`\\b${command}\\b`))
})

test('what the command line does not understand is one clear line and exit code 1', async () => {
  const cwd = emptyFolder()
  writeFileSync(join(cwd, 'langgraph.json'), '{') // not even looked at
  const lines: [args: string[], line: RegExp][] = [
    [['dev', '--prot', '1'], /^Unknown option '--prot'; see runloom --help\n$/],
    [['dev', '--port'], /^Option '--port <value>' argument missing; see runloom --help\n$/],
    [['dev', '--port', '-1'], /^Option '--port' argument is ambiguous; see runloom --help\n$/],
    [['dev', '3000'], /^runloom dev: "3000" is not expected; .+--help\n$/], // as of `npm start --port 3000`
    [['fly'], /^runloom fly: there is no such command; .+\n$/],
    [['keys'], /^runloom keys: use .+\n$/],
  ]
  const ended = lines.map(async ([args, line]) => {
    const given = run(cwd, args)
    assert.equal(await given.exited, 1)
    assert.match(given.output(), line)
  })
  await Promise.all(ended)
})

test('a database that cannot be used is one clear line and exit code 1, for every command', async () => {
  const cwd = emptyFolder()
  writeFileSync(join(cwd, 'junk.db'), 'this is no database, whatever its name says')
  const nobody = { DATABASE_URL: 'postgres://me:secret@localhost:1/name' }
  const junk = { DATABASE_URL: 'sqlite:junk.db' }
  const lines: [args: string[], env: NodeJS.ProcessEnv, line: RegExp][] = [
    [['serve', '--port', '0'], junk, /^junk\.db cannot be used: file is not a database; see .+\n$/],
    [['migrate'], junk, /^junk\.db cannot be used: file is not a database; see .+\n$/],
    [['migrate', '--data', 'junk.db'], {}, /junk\.db\/runloom\.db cannot be used: .+; see .+\n$/],
    [['inspect', 'x'], {}, /runloom\.db cannot be used: unable to open database file; see .+\n$/],
    [['serve', '--port', '0'], nobody, /^DATABASE_URL: the database cannot be used: connect ECONNREFUSED .+\n$/],
    [['migrate'], nobody, /^DATABASE_URL: the database cannot be used: connect ECONNREFUSED .+\n$/],
    [['inspect', 'x'], nobody, /^DATABASE_URL: the database cannot be used: connect ECONNREFUSED .+\n$/],
    [['worker'], {}, /^runloom worker: set DATABASE_URL to the Postgres it shares; .+\n$/],
  ]
  for (const [args, env, line] of lines) {
    const given = run(cwd, args, env)
    assert.equal(await given.exited, 1)
    assert.match(given.output(), line)
    assert.equal(given.output().split('\n').length, 2)
    assert.doesNotMatch(given.output(), /secret/)
  }
})

test('a promise that a graph forgets is logged, and the server goes on', async () => {
  const cwd = emptyFolder()
  writeFileSync(join(cwd, 'langgraph.json'), '{"graphs": {"careless": "./graph.ts:graph"}}')
  writeFileSync(join(cwd, 'graph.ts'), `${answering('one')}\nvoid Promise.reject(new Error('forgotten'))`)
  const server = run(cwd, ['serve', '--port', '0'])
  const client = clientOf(await server.url())
  assert.deepEqual(await client.runs.wait(null, 'careless', { input: {} }), { answer: 'one' })
  assert.match(server.output(), /"level":"error",.+"reason":"forgotten"/)
  assert.equal(await server.stop(), 0)
})

test('Ctrl-C lets runs finish and says so, a second one ends at once', async () => {
  const cwd = emptyFolder()
  writeFileSync(join(cwd, 'langgraph.json'), '{"graphs": {"slow": "./graph.ts:graph"}}')
  writeFileSync(join(cwd, 'graph.ts'), answering('late', 600_000))
  const server = run(cwd, ['serve', '--port', '0'], { RUNLOOM_DRAIN_MS: '500000' })
  const client = clientOf(await server.url())
  const { thread_id } = await client.threads.create()
  const { run_id } = await client.runs.create(thread_id, 'slow', { input: {} })
  await eventually(async () => assert.equal((await client.runs.get(thread_id, run_id)).status, 'running'))
  server.signal('SIGINT')
  await eventually(async () => assert.match(server.output(), /^Stopping; .+ Ctrl-C ends at once$/m))
  const again = setInterval(() => server.signal('SIGINT'), 200)
  assert.equal(await server.exited.finally(() => clearInterval(again)), 130)
})

test('beyond this machine nothing is served to everybody, unless that is asked for', async () => {
  for (const host of ['0.0.0.0', '::', '192.0.2.1']) {
    const server = run(emptyFolder(), ['serve', '--port', '0', '--host', host])
    assert.equal(await server.exited, 1)
    assert.match(server.output(), /^--host \S+: .+RUNLOOM_API_KEYS.+--insecure\n$/)
  }
  const insecure = run(emptyFolder(), ['serve', '--port', '0', '--host', '0.0.0.0', '--insecure'])
  assert.match(await insecure.url(), /0\.0\.0\.0/)
  assert.equal(await insecure.stop(), 0)
})

test('keys create makes a key that the server takes, and another host may then be listened on', async () => {
  const made = run(emptyFolder(), ['keys', 'create', 'laptop'])
  assert.equal(await made.exited, 0)
  const [, key = ''] = /^(mr_sk_\S+)$/m.exec(made.output()) ?? []
  const [, entry = ''] = /^RUNLOOM_API_KEYS=(laptop:[0-9a-f]{64})$/m.exec(made.output()) ?? []
  const limited = run(emptyFolder(), ['keys', 'create', 'page', '--scopes', 'runs:create,runs:read'])
  assert.equal(await limited.exited, 0)
  assert.match(limited.output(), /^It may do runs:create, runs:read\.$/m)
  const [, pageKey = ''] = /^(mr_sk_\S+)$/m.exec(limited.output()) ?? []
  const [, page = ''] = /^RUNLOOM_API_KEYS=(page:[0-9a-f]{64}:runs:create\+runs:read)$/m.exec(limited.output()) ?? []
  const owned = run(emptyFolder(), ['keys', 'create', 'ci', '--owner', 'team-a'])
  assert.equal(await owned.exited, 0)
  assert.match(owned.output(), /^It may do everything, with what is team-a's\.$/m)
  const [, team = ''] = /^RUNLOOM_API_KEYS=(ci@team-a:[0-9a-f]{64})$/m.exec(owned.output()) ?? []
  const server = run(emptyFolder(), ['serve', '--port', '0', '--host', '0.0.0.0'], {
    RUNLOOM_API_KEYS: `${entry},${page},${team}`,
  })
  const { port } = new URL(await server.url())
  const count = (headers: Record<string, string>) =>
    fetch(`http://127.0.0.1:${port}/threads/count`, { method: 'POST', headers })
  assert.equal((await count({ 'x-api-key': key })).status, 200)
  assert.equal((await count({ 'x-api-key': `${key}0` })).status, 401)
  assert.equal((await count({ 'x-api-key': pageKey })).status, 403)
  await server.stop()
  const wrong = run(emptyFolder(), ['keys', 'destroy'])
  assert.equal(await wrong.exited, 1)
  assert.match(
    wrong.output(),
    /^runloom keys destroy: use runloom keys create \[name\] \[--owner <owner>\] \[--scopes .+\n$/,
  )
  for (const scopes of ['runs', '']) {
    const none = run(emptyFolder(), ['keys', 'create', `--scopes=${scopes}`])
    assert.equal(await none.exited, 1)
    assert.match(none.output(), /^--scopes .*: "\w*" is no scope; use threads:read, .+\n$/)
  }
})

test('an auth file that does not say who asks is one clear line and exit code 1', async () => {
  for (const [source, reason] of [
    ['export const auth = { "~handlerCache": {} }', /auth\.path: .+auth\.ts:auth: .+\.authenticate/],
    ['export const other = 1', /auth\.path: .+auth\.ts:auth: .+ exports no Auth/],
    ['throw new Error("no secret is set")', /auth\.path: .+auth\.ts:auth: no secret is set/],
  ] as const) {
    const cwd = emptyFolder()
    writeFileSync(join(cwd, 'langgraph.json'), '{"auth": {"path": "./auth.ts:auth"}}')
    writeFileSync(join(cwd, 'auth.ts'), source)
    const server = run(cwd, ['serve', '--port', '0'])
    assert.equal(await server.exited, 1)
    assert.match(server.output(), reason)
    assert.equal(server.output().split('\n').length, 2)
  }
})

/** A graph that answers, as a user would write it. */
function answering(answer: string, delay_ms = 0): string {
  return `
    import { Annotation, START, StateGraph } from '@langchain/langgraph'
    const State = Annotation.Root({ answer: Annotation<string> })
    const wait = (signal?: AbortSignal) => new Promise<void>((resolve, reject) => {
      setTimeout(resolve, ${delay_ms})
      signal?.addEventListener('abort', () => reject(signal.reason))
    })
    export const graph = new StateGraph(State)
      .addNode('reply', async (_state, config) => { await wait(config.signal); return { answer: '${answer}' } })
      .addEdge(START, 'reply')
      .compile()`
}
