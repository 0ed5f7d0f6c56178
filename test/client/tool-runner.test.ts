// Answering what a workflow run waits for (contracts: workflows §6, §13).
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { z } from 'zod'
import { ApiError, type Tool, ToolRunner, tool, ValidationError, WorkflowRunsClient } from '../../src/client/client.ts'
import type { WorkflowEvent } from '../../src/protocol/workflow-events.ts'
import {
  type Asked,
  completed,
  failed,
  fakeServer,
  json,
  lines,
  noPauses,
  openStream,
  REQUEST,
  RUN,
  snapshot,
  started,
  waiting,
} from './fake-server.ts'

interface Call {
  id: string
  name: string
  arguments: string
}

const look = (id: string, args: unknown = { key: 'k' }): Call => ({ id, name: 'look', arguments: JSON.stringify(args) })
const step = { node_id: 'agent', step: 0, request_id: REQUEST }
const pending = (...calls: Call[]) =>
  json({
    run_id: RUN,
    pending: [
      { ...step, request_id: RUN, tool_calls: [] },
      ...(calls.length > 0 ? [{ ...step, tool_calls: calls.map(tool_call => ({ tool_call })) }] : []),
    ],
  })
const accepted = json({ accepted: 1, status: 'running' })

const lookTool = tool({
  description: 'Looks a key up.',
  schema: z.object({ key: z.string() }),
  run: ({ key }) => ({ found: key.toUpperCase() }),
})

/** Runs a wait for these calls, which the server lists as pending; answers what was submitted. */
async function answered(calls: Call[], tools: Record<string, Tool>) {
  const stream = openStream()
  const { asked, options } = fakeServer(stream.response, pending(...calls), () => {
    stream.send(lines(completed(3)))
    return accepted.clone()
  })
  stream.send(lines(started(1), waiting(2, ...calls)))
  const seen = await Array.fromAsync(new ToolRunner(new WorkflowRunsClient(options), tools).follow(RUN))
  assert.deepEqual(seen, [started(1), waiting(2, ...calls), completed(3)], 'all events pass')
  assert.equal(asked[2]?.path, `/runs/${RUN}/tool-results`)
  assert.equal(asked.length, 3)
  return asked[2]?.body as { results: { tool_call: object; output: string }[] }
}

describe('a runner of tools', () => {
  test('answers one call with one submission', async () => {
    assert.deepEqual(await answered([look('c1')], { look: lookTool }), {
      ...step,
      results: [{ tool_call: { id: 'c1', name: 'look' }, output: '{"found":"K"}' }],
    })
  })

  test('answers two calls with one submission, in their order', async () => {
    const first = Promise.withResolvers<void>()
    const inTurn = tool({
      schema: z.object({ key: z.string() }),
      run: async ({ key }) => {
        if (key === 'one') await first.promise
        else first.resolve()
        return key
      },
    })
    const { results } = await answered([look('c1', { key: 'one' }), look('c2', { key: 'two' })], { look: inTurn })
    assert.deepEqual(
      results.map(({ output }) => output),
      ['one', 'two'],
    )
  })

  const failing = tool({
    schema: z.looseObject({}),
    run: () => {
      throw new Error('out of order')
    },
  })
  const faults: [what: string, call: Call, tools: Record<string, Tool>, output: RegExp][] = [
    ['fails', look('c'), { look: failing }, /^Error: out of order$/],
    ['is not there', look('c'), {}, /^Error: there is no tool "look"$/],
    ['gets other arguments', look('c', { key: 7 }), { look: lookTool }, /^Error: key: /],
    ['gets no JSON', { ...look('c'), arguments: '{' }, { look: lookTool }, /^Error: the arguments are not JSON$/],
  ]
  for (const [what, call, tools, output] of faults) {
    test(`a tool that ${what} answers so, and the run goes on`, async () => {
      const { results } = await answered([call], tools)
      assert.match(results[0]?.output ?? '', output)
    })
  }

  test('a text is sent as it is, nothing as the empty text; no arguments are an empty object', async () => {
    const text = tool({ schema: z.object({}), run: () => 'plain' })
    const nothing = tool({ schema: z.object({}), run: () => {} })
    const calls = [
      { ...look('c1'), arguments: '' },
      { ...look('c2', {}), name: 'nothing' },
    ]
    const { results } = await answered(calls, { look: text, nothing })
    assert.deepEqual(
      results.map(({ output }) => output),
      ['plain', ''],
    )
  })

  test('a person is asked like any tool', async () => {
    const user_ask = tool({
      schema: z.object({ question: z.string(), options: z.array(z.object({ label: z.string() })).optional() }),
      run: ({ options }) => ({ answer: options?.[0]?.label ?? 'yes', is_freeform: !options }),
    })
    const ask = { id: 'c', name: 'user_ask', arguments: '{"question":"Which?","options":[{"label":"red"}]}' }
    const { results } = await answered([ask], { user_ask })
    assert.equal(results[0]?.output, '{"answer":"red","is_freeform":false}')
  })

  test('a wait of the past is not answered again, nor its tools run', async () => {
    const stream = openStream()
    const { asked, options } = fakeServer(stream.response, () => {
      stream.send(lines(completed(3)))
      return pending()
    })
    stream.send(lines(started(1), waiting(2, look('c1'))))
    const runner = new ToolRunner(new WorkflowRunsClient(options), { look: { ...lookTool, run: () => assert.fail() } })
    assert.equal((await Array.fromAsync(runner.follow(RUN))).length, 3)
    assert.equal(asked.length, 2)
  })

  test('only what is still open is answered', async () => {
    const stream = openStream()
    const { asked, options } = fakeServer(stream.response, pending(look('c2')), () => {
      stream.send(lines(completed(3)))
      return accepted.clone()
    })
    stream.send(lines(started(1), waiting(2, look('c1'), look('c2'))))
    await Array.fromAsync(new ToolRunner(new WorkflowRunsClient(options), { look: lookTool }).follow(RUN))
    const { results } = (asked[2] as Asked).body as { results: { tool_call: { id: string } }[] }
    assert.deepEqual(
      results.map(({ tool_call }) => tool_call.id),
      ['c2'],
    )
  })

  test('a refused submission ends the iteration', async () => {
    const stream = openStream()
    const { options } = fakeServer(stream.response, pending(look('c')), json({ code: 'CONFLICT' }, 409))
    stream.send(lines(started(1), waiting(2, look('c'))))
    const seen: WorkflowEvent[] = []
    const reading = (async () => {
      const runner = new ToolRunner(new WorkflowRunsClient(options), { look: lookTool })
      for await (const event of runner.follow(RUN)) seen.push(event)
    })()
    await assert.rejects(reading, (error: unknown) => error instanceof ApiError && error.code === 'CONFLICT')
    assert.equal(seen.length, 2)
    assert.ok(stream.canceled())
  })

  test('a submission that does not get through is repeated for as long as it takes; the tool is run once', async t => {
    noPauses(t)
    const stream = openStream()
    const away = Array.from({ length: 8 }, () => new TypeError('fetch failed'))
    const { options } = fakeServer(stream.response, pending(look('c')), ...away, () => {
      stream.send(lines(completed(3)))
      return accepted.clone()
    })
    stream.send(lines(started(1), waiting(2, look('c'))))
    let runs = 0
    const run = () => ++runs
    await Array.fromAsync(new ToolRunner(new WorkflowRunsClient(options), { look: { ...lookTool, run } }).follow(RUN))
    assert.equal(runs, 1)
  })

  for (const last of [failed(3), failed(3, 'run_canceled')]) {
    test(`${last.type} is the end; a tool that is at work is told, and what it says is not sent`, async () => {
      const stream = openStream()
      const { asked, options } = fakeServer(stream.response, pending(look('c')))
      stream.send(lines(started(1), waiting(2, look('c'))))
      const done = Promise.withResolvers<void>()
      const slow = tool({
        schema: z.object({ key: z.string() }),
        run: async (_, { signal }) => {
          stream.send(lines(last))
          await new Promise(resolve => signal.addEventListener('abort', resolve))
          done.resolve()
        },
      })
      const seen = await Array.fromAsync(new ToolRunner(new WorkflowRunsClient(options), { look: slow }).follow(RUN))
      assert.equal(seen.at(-1)?.type, last.type)
      await done.promise
      await new Promise(resolve => setImmediate(resolve))
      assert.equal(asked.length, 2)
    })
  }

  test('a refusal after the end is not an error: the run ended while the answer was on its way', async () => {
    const stream = openStream()
    const ended = Promise.withResolvers<void>()
    const { asked, options } = fakeServer(stream.response, pending(look('c')), async () => {
      stream.send(lines(failed(3, 'run_canceled')))
      await ended.promise
      return json({ code: 'NOT_FOUND' }, 404)
    })
    stream.send(lines(started(1), waiting(2, look('c'))))
    const seen: WorkflowEvent[] = []
    for await (const event of new ToolRunner(new WorkflowRunsClient(options), { look: lookTool }).follow(RUN)) {
      seen.push(event)
      if (event.type !== 'run_canceled') continue
      ended.resolve()
      for (let turns = 0; turns < 5; turns++) await new Promise(resolve => setImmediate(resolve))
    }
    assert.equal(seen.length, 3)
    assert.equal(asked.length, 3)
  })

  test('no tool is called once the run has ended', async () => {
    const stream = openStream()
    const ended = Promise.withResolvers<void>()
    const { options } = fakeServer(stream.response, async () => {
      stream.send(lines(failed(3)))
      await ended.promise
      return pending(look('c'))
    })
    stream.send(lines(started(1), waiting(2, look('c'))))
    let runs = 0
    const run = () => ++runs
    const runner = new ToolRunner(new WorkflowRunsClient(options), { look: { ...lookTool, run } })
    assert.equal((await Array.fromAsync(runner.follow(RUN))).length, 3)
    ended.resolve()
    for (let turns = 0; turns < 5; turns++) await new Promise(resolve => setImmediate(resolve))
    assert.equal(runs, 0)
  })

  test('run answers the run as it ended', async () => {
    const stream = openStream()
    const { asked, options } = fakeServer(
      stream.response,
      json({ ...snapshot, status: 'succeeded', outputs: { r: 1 } }),
    )
    stream.send(lines(completed(1)))
    const { outputs } = await new ToolRunner(new WorkflowRunsClient(options), {}).run(RUN)
    assert.deepEqual(outputs, { r: 1 })
    assert.equal(asked[1]?.path, `/runs/${RUN}`)
  })

  test('its tools as nodes name them; what is no tool is refused', () => {
    const client = new WorkflowRunsClient(fakeServer().options)
    assert.deepEqual(new ToolRunner(client, { look: lookTool }).definitions, [
      {
        type: 'function',
        function: {
          name: 'look',
          description: 'Looks a key up.',
          parameters: { type: 'object', properties: { key: { type: 'string' } }, required: ['key'] },
        },
      },
    ])
    const field = (name: string) => (error: unknown) => error instanceof ValidationError && error.field === name
    assert.throws(() => new ToolRunner(client, { a: { schema: {} as never, run: () => {} } }), field('tools.a.schema'))
    assert.throws(() => new ToolRunner(client, { a: { schema: z.object() } as never }), field('tools.a.run'))
  })
})
