import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { schemas } from '../../src/graph/introspect.ts'
import { type Graphs, loadGraphs } from '../../src/graph/load.ts'
import { TypeReader } from '../../src/graph/type-schemas.ts'
import { temporaryFolder } from '../support/server.ts'

const FILE = join(import.meta.dirname, '../fixtures/graphs/typed.ts')
const NAMES = ['trip', 'uncompiled', 'factory', 'asked', 'workflow']

describe('schemas that only types say', () => {
  const folder = temporaryFolder()
  const logged: unknown[] = []
  const logger = (...line: unknown[]) => void logged.push(line)
  const types = new TypeReader({ folder: join(folder.path, 'schemas'), logger })
  let graphs: Graphs

  before(async () => {
    graphs = await loadGraphs(Object.fromEntries(NAMES.map(name => [name, { file: FILE, export: name }])))
  })
  after(async () => {
    types.close()
    graphs.close()
    folder.remove()
  })

  const read = async (name: string, reader = types) => {
    const source = graphs.typesOf(name) ?? assert.fail()
    reader.of(source)
    await reader.settled()
    return schemas(name, await graphs.get(name, {}), reader.of(source))
  }

  test('are asked for without waiting: until they are known, names are', async () => {
    const source = graphs.typesOf('trip') ?? assert.fail()
    assert.equal(types.of(source), undefined)
    const names = { messages: { langgraph_type: 'messages' }, mode: {}, places: {}, start: {}, prices: {} }
    const { state_schema } = schemas('trip', await graphs.get('trip', {}), types.of(source))
    assert.deepEqual(state_schema, { type: 'object', properties: { ...names, done: {}, anything: {}, say: {} } })
  })

  test('are those of an Annotation, whatever it was exported as', async () => {
    for (const name of ['trip', 'uncompiled', 'factory']) {
      const { state_schema, input_schema } = await read(name)
      const { messages, mode, places, ...rest } = { ...state_schema }.properties as Record<string, object>
      assert.deepEqual(messages, { langgraph_type: 'messages' })
      assert.deepEqual(mode, { anyOf: [{ enum: ['ride', 'walk'] }, { type: 'null' }] })
      assert.partialDeepStrictEqual(places, {
        type: 'array',
        items: {
          type: 'object',
          properties: {
            name: { type: 'string', description: 'Of the house, with the street.' },
            at: { type: 'array', prefixItems: [{ type: 'number' }, { type: 'number' }] },
            parent: { type: 'object', title: 'Place' },
          },
          required: ['name'],
        },
      })
      assert.deepEqual(rest, {
        start: { type: 'string', format: 'date-time' },
        prices: { type: 'object', additionalProperties: { type: 'number' } },
        done: { type: 'boolean' },
        anything: {},
        say: {},
      })
      assert.deepEqual(input_schema?.properties, state_schema?.properties)
      assert.equal(input_schema?.required, undefined)
    }
  })

  test('differ for input, output and context where the graph says so', async () => {
    const { input_schema, output_schema, context_schema, config_schema } = await read('asked')
    assert.deepEqual(input_schema, { type: 'object', properties: { question: { type: 'string' } } })
    assert.deepEqual(output_schema, {
      type: 'object',
      properties: { answer: { type: 'number' } },
      required: ['answer'],
    })
    assert.deepEqual(context_schema?.properties, { user: { type: 'string' }, limit: { type: 'number' } })
    assert.deepEqual(config_schema, context_schema)
  })

  test('are those of a workflow of the functional API', async () => {
    const { input_schema, output_schema } = await read('workflow')
    assert.deepEqual(input_schema?.properties, { topic: { type: 'string' }, words: { type: 'number' } })
    assert.deepEqual(input_schema?.required, ['topic'])
    assert.deepEqual(output_schema?.properties, {
      text: { type: 'string' },
      tags: { type: 'array', items: { type: 'string' } },
    })
  })

  test('are kept, and read again as they were', async () => {
    const kept = readdirSync(join(folder.path, 'schemas'))
    assert.equal(kept.length, NAMES.length)
    const later = new TypeReader({ folder: join(folder.path, 'schemas'), logger })
    for (const name of NAMES) assert.deepEqual(await read(name, later), await read(name))
    assert.deepEqual(readdirSync(join(folder.path, 'schemas')), kept)
    later.close()
    assert.deepEqual(logged, [])
  })

  test('are not asked for any more when the server stops', async () => {
    const stopped = new TypeReader({ folder: join(folder.path, 'other'), logger })
    for (const name of NAMES) stopped.of(graphs.typesOf(name) ?? assert.fail())
    stopped.close()
    await stopped.settled()
    assert.ok(!existsSync(join(folder.path, 'other')))
  })

  test('of files that are no TypeScript there are none', () => {
    assert.equal(types.of({ file: '/nowhere/graph.js', export: 'graph', files: [] }), undefined)
  })

  test('are given up when the reader closes, and nothing that reads them stays', async () => {
    const reader = new TypeReader({ folder: join(folder.path, 'given-up'), logger })
    reader.of(graphs.typesOf('trip') ?? assert.fail())
    await sleep(300)
    const began = children().length
    reader.close()
    await reader.settled()
    assert.equal(existsSync(join(folder.path, 'given-up')), false)
    for (let tries = 0; children().length > 0 && tries < 100; tries++) await sleep(50)
    assert.deepEqual([began > 0, children()], [true, []])
  })
})

/** Processes of ours that read types. */
function children(): string[] {
  const table = execFileSync('ps', ['-eo', 'ppid,args'], { encoding: 'utf8' }).split('\n')
  return table.filter(line => line.trim().startsWith(`${process.pid} `) && line.includes('type-process'))
}
