import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { leadAgent } from '../../src/agent/lead-agent.ts'
import { OfflineModel } from '../../src/agent/offline-model.ts'
import { RunloomError } from '../../src/core/errors.ts'
import { type CompiledGraph, type GraphSource, Graphs, loadGraphs } from '../../src/graph/load.ts'

const fixtures = fileURLToPath(new URL('../fixtures/graphs/', import.meta.url))
const fixture = (file: string, name: string): GraphSource => ({ file: join(fixtures, file), export: name })

/** A folder far from any node_modules, as a user's first graph may be in. */
const root = await mkdtemp(join(tmpdir(), 'runloom-graphs-'))
after(() => rm(root, { recursive: true, force: true }))

let folders = 0
async function files(texts: Record<string, string>): Promise<string> {
  const folder = join(root, String(folders++))
  for (const [name, text] of Object.entries(texts)) {
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await writeFile(join(folder, name), text)
  }
  return folder
}

const only = async (source: GraphSource, config = {}): Promise<CompiledGraph> => {
  const graphs = await loadGraphs({ it: source })
  assert.deepEqual([...graphs.failures.values()], [])
  return graphs.get('it', config)
}

async function failure(source: GraphSource): Promise<string> {
  const graphs = await loadGraphs({ it: source }, { baseDir: dirname(source.file) })
  assert.deepEqual(graphs.ids(), [])
  return graphs.failures.get('it')?.message ?? assert.fail('the graph was loaded')
}

const answer = async (graph: CompiledGraph, text = 'Abc') => (await graph.invoke({ text })).text

describe('every kind of export is served', () => {
  const kinds: [file: string, name: string, answer: string][] = [
    ['compiled.ts', 'graph', 'ABC'],
    ['compiled.ts', 'default', 'ABC'],
    ['compiled.ts', 'builder', 'ABC'],
    ['compiled.ts', 'promised', 'ABC'],
    ['compiled.ts', 'promisedBuilder', 'ABC'],
    ['factories.ts', 'sync', 'Abc?'],
    ['factories.ts', 'slow', 'Abc?'],
    ['factories.ts', 'makesBuilder', 'Abc?'],
    ['plain.js', 'graph', 'abc'],
    ['plain.js', 'builder', 'abc'],
    ['plain.js', 'make', 'abc'],
    ['plain.js', 'workflow', 'Abc!'],
    ['module.mjs', 'graph', 'abc'],
    ['commonjs/plain.cjs', 'graph', 'cbA'],
    ['commonjs/plain.cjs', 'make', 'cbA'],
  ]
  for (const [file, name, expected] of kinds) {
    test(`${file}:${name}`, async () => {
      const graph = await only(fixture(file, name), { configurable: { suffix: '?' } })
      assert.equal(await answer(graph), expected)
    })
  }

  for (const name of ['agent', 'makeAgent']) {
    test(`agent.ts:${name}`, async () => {
      const graph = await only(fixture('agent.ts', name))
      assert.equal(graph.lg_is_pregel, true)
      const { messages } = await graph.invoke({ messages: [{ role: 'user', content: 'hi' }] })
      assert.equal(messages.at(-1).content, 'hello')
    })
  }
})

test('a factory is called at each use, with the configuration; other graphs are made once', async () => {
  const graphs = await loadGraphs({ factory: fixture('factories.ts', 'sync'), one: fixture('compiled.ts', 'builder') })
  const [a, b] = await Promise.all(['a', 'b'].map(suffix => graphs.get('factory', { configurable: { suffix } })))
  assert.deepEqual([await answer(a as CompiledGraph), await answer(b as CompiledGraph)], ['Abca', 'Abcb'])
  assert.equal(await graphs.get('one', {}), await graphs.get('one', {}))
})

test('a graph that fails to load is named with its error, and the others are served', async () => {
  const folder = await files({
    'syntax.ts': 'export const graph = {\n  a: 1\n  b: 2\n}\n',
    'plain.mjs': 'export const graph = {\n  a: 1\n  b: 2\n}\n',
    'decorator.ts': 'function d(..._: unknown[]) {}\n@d class A {}\nexport const graph = A\n',
    'page.tsx': 'export const graph = <div/>\n',
    'package.ts': "import { x } from '@runloom-test/absent'\nexport const graph = x\n",
    'name.ts': "import { absent } from './other.ts'\nexport const graph = absent\n",
    'other.ts': 'export const present: number = 1\n',
    'empty.ts': '',
  })
  const source = (file: string) => ({ file: join(folder, file), export: 'graph' })
  const messages: [GraphSource, RegExp][] = [
    [source('syntax.ts'), /^Graph "it" \(syntax\.ts:graph\) cannot be loaded: SyntaxError: .* at .*syntax\.ts:3\. /],
    [source('plain.mjs'), /SyntaxError: Unexpected identifier 'b'; node --check .*plain\.mjs shows where$/],
    [
      source('decorator.ts'),
      /cannot be loaded: SyntaxError: Invalid or unexpected token\. TypeScript is loaded without a build here: .*decorators/,
    ],
    [source('page.tsx'), /JSX are not; move the graph to a \.ts file, or name the built \.js file$/],
    [
      source('package.ts'),
      /cannot be loaded: Cannot find package '@runloom-test\/absent' imported from .*package\.ts$/,
    ],
    [source('name.ts'), /SyntaxError: The requested module '\.\/other\.ts' does not provide an export named 'absent'$/],
    [source('empty.ts'), /the file has no export "graph"; it exports nothing$/],
    [source('absent.ts'), /Cannot find module '.*absent\.ts'/],
    [
      fixture('throws.ts', 'graph'),
      /^Graph "it" \(throws\.ts:graph\) cannot be loaded: TypeError: OPENAI_API_KEY is not set$/,
    ],
    [fixture('compiled.ts', 'grpah'), /the file has no export "grpah"; it exports builder, default, graph, .*text$/],
    [fixture('compiled.ts', 'text'), /a value of type string is no graph; export a compiled graph/],
    [fixture('compiled.ts', 'list'), /a list is no graph/],
  ]
  for (const [source, expected] of messages) assert.match(await failure(source), expected)

  const graphs = await loadGraphs({ bad: fixture('throws.ts', 'graph'), good: fixture('compiled.ts', 'graph') })
  assert.deepEqual(graphs.ids(), ['good'])
  assert.equal(await answer(await graphs.get('good', {})), 'ABC')
  await assert.rejects(graphs.get('bad', {}), error => {
    assert.ok(error instanceof RunloomError)
    assert.equal(error.code, 'unsupported')
    assert.match(error.message, /Graph "bad" \(.*throws\.ts:graph\) cannot be loaded: TypeError: OPENAI_API_KEY/)
    return true
  })
})

test('an unknown id, a failing factory and a factory of something else are named', async () => {
  const graphs = await loadGraphs({ f: fixture('factories.ts', 'failing'), w: fixture('factories.ts', 'wrong') })
  await assert.rejects(graphs.get('x', {}), {
    code: 'not_found',
    message: 'Graph "x" not found; this server has: f, w',
  })
  await assert.rejects(graphs.get('f', {}), { code: 'unsupported', message: /factories\.ts:failing\).*: no licence$/ })
  await assert.rejects(graphs.get('w', {}), { message: /its factory failed: a value of type string is no graph/ })
})

test('a folder without node_modules finds the packages of the server', async () => {
  const text = (imports: string) => `${imports}
    const State = Annotation.Root({ text: Annotation() })
    const schema = z.object({ text: z.string() })
    const builder = new StateGraph(State).addNode('n', s => ({ text: schema.parse(s).text + '!' })).addEdge(START, 'n')`
  const esm = "import { Annotation, START, StateGraph } from '@langchain/langgraph'\nimport { z } from 'zod'"
  const folder = await files({
    'graph.ts': `${text(esm)}\nexport const graph = builder.compile() as unknown`,
    'graph.mjs': `${text(esm)}\nexport const graph = builder.compile()`,
    'late.ts': `export const graph = async () => (await import('./graph.ts')).graph`,
    'graph.cjs': `const { Annotation, START, StateGraph } = require('@langchain/langgraph'); const { z } = require('zod')
      ${text('')}\nexports.graph = builder.compile()`,
  })
  for (const file of ['graph.ts', 'graph.mjs', 'graph.cjs', 'late.ts']) {
    assert.equal(await answer(await only({ file: join(folder, file), export: 'graph' })), 'Abc!')
  }
})

test("a package in the user's own node_modules is preferred to the server's", async () => {
  const folder = await files({
    'graph.mjs': "import { graph } from '@langchain/langgraph'\nexport { graph }",
    'node_modules/@langchain/langgraph/package.json': '{"name": "@langchain/langgraph", "exports": "./index.mjs"}',
    'node_modules/@langchain/langgraph/index.mjs': 'export const graph = { lg_is_pregel: true, mine: true }',
  })
  const graph = await only({ file: join(folder, 'graph.mjs'), export: 'graph' })
  assert.equal((graph as unknown as { mine: boolean }).mine, true)
})

test('TypeScript loads as projects with a bundler write it', async () => {
  const folder = await files({
    'package.json': '{"name": "no-type"}',
    'graph.ts': `
      import { START, StateGraph, Annotation } from '@langchain/langgraph'
      import { Speaker } from './speaker.js'
      import { tone } from './settings'
      import type { Unused } from './not-there.js'
      const State = Annotation.Root({ text: Annotation<string> })
      export const graph = new StateGraph(State)
        .addNode('speak', state => ({ text: new Speaker(tone).say(state.text) }))
        .addEdge(START, 'speak').compile()`,
    'speaker.ts': `
      export enum Tone { Quiet = 1, Loud }
      export class Speaker {
        constructor(private readonly tone: Tone) {}
        say(text: string): string { return this.tone === Tone.Loud ? text + '!' : text }
      }`,
    'settings/index.ts': "import { Tone } from '../speaker.js'\nexport const tone: Tone = Tone.Loud",
  })
  const graphs = await loadGraphs({ it: { file: join(folder, 'graph.ts'), export: 'graph' } })
  assert.deepEqual([...graphs.failures.values()], [])
  assert.equal(await answer(await graphs.get('it', {})), 'Abc!')
  assert.deepEqual(graphs.watched.map(file => file.slice(folder.length + 1)).sort(), [
    'graph.ts',
    'settings/index.ts',
    'speaker.ts',
  ])
})

test('a failed file is watched too, with what it imports', async () => {
  const folder = await files({ 'graph.ts': "import { a } from './part.ts'\nexport { a }", 'part.ts': 'const a = (' })
  const graphs = await loadGraphs({ it: { file: join(folder, 'graph.ts'), export: 'graph' } })
  assert.equal(graphs.failures.size, 1)
  assert.deepEqual(graphs.watched, [join(folder, 'graph.ts'), join(folder, 'part.ts')])
})

test('a graph can be registered, with an agent unwrapped', async () => {
  const graphs = new Graphs(root)
  graphs.register('agent', leadAgent({ model: new OfflineModel({ delay_ms: 0 }) }), 'Built in')
  assert.deepEqual(graphs.ids(), ['agent'])
  assert.equal(graphs.description('agent'), 'Built in')
  assert.equal((await graphs.get('agent', {})).lg_is_pregel, true)
  assert.throws(() => graphs.register('x', {}), /is no graph/)
})

test('a graph that is registered takes the place of one that failed', async () => {
  const graphs = await loadGraphs({ agent: fixture('throws.ts', 'graph') })
  await assert.rejects(graphs.get('agent', {}), { code: 'unsupported', message: /OPENAI_API_KEY is not set/ })
  graphs.register('agent', leadAgent({ model: new OfflineModel() }))
  assert.equal((await graphs.get('agent', {})).lg_is_pregel, true)
  assert.equal(graphs.failures.size, 0)
})

test('descriptions come from the configuration', async () => {
  const graphs = await loadGraphs({
    a: { ...fixture('compiled.ts', 'graph'), description: 'Shouts' },
    b: fixture('plain.js', 'graph'),
  })
  assert.deepEqual([graphs.description('a'), graphs.description('b')], ['Shouts', null])
})
