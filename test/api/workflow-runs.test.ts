// Workflow runs over HTTP: what nodes do, in which order, and what a client is shown.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { forEachServer } from '../support/server.ts'
import { type Answer, checkStream, startModels, story, workflowClient } from '../workflow/harness.ts'
import { eventually } from './harness.ts'

let models: Awaited<ReturnType<typeof startModels>>
before(async () => {
  models = await startModels()
})
after(() => models.close())

const llm = (id: string, user: string, more: object = {}) => ({ id, type: 'llm', user, ...more })
const workflow = (nodes: object[], outputs: object[], more: object = {}) => ({
  kind: 'workflow',
  model: 'openai:test',
  nodes,
  outputs,
  ...more,
})
const text = (name: string, from: string) => ({ name, from, pointer: '/output/0/content/0/text' })

forEachServer(
  'workflow runs',
  server => {
    const client = () => workflowClient(server().url, server().fetch)
    const other = () => workflowClient(server().otherUrl, server().fetch)

    test('one node from creation to its outputs, with exactly these events', async () => {
      const spec = workflow([llm('a', 'say hello {{name}}')], [text('greeting', 'a')])
      const created = await client().create({ spec, input: { name: 'Ada — ü' } })
      assert.equal(created.status, 'running')
      const events = await Array.fromAsync(client().stream(created.run_id))
      checkStream(events)
      assert.deepEqual(story(events), [
        'run_compiled',
        'run_started',
        'node_started a',
        'node_llm_call a',
        'node_output a',
        'node_succeeded a',
        'run_completed',
      ])
      const snapshot = await other().get(created.run_id)
      assert.equal(snapshot.status, 'succeeded')
      assert.equal(snapshot.plan_hash, created.plan_hash)
      assert.deepEqual(snapshot.outputs, { greeting: 'hello Ada — ü' })
      const [node] = snapshot.nodes
      assert.deepEqual([node.id, node.type, node.status], ['a', 'llm.responses', 'succeeded'])
      assert.deepEqual(node.output.usage, { input_tokens: 11, output_tokens: 7, total_tokens: 18 })
      const line = { provider_id: 'openai', model: 'openai:test', requests: 1 }
      assert.deepEqual(snapshot.cost_summary, {
        total_usd_cents: 0,
        line_items: [{ ...line, input_tokens: 11, output_tokens: 7, usd_cents: 0 }],
      })
      assert.deepEqual(await Array.fromAsync(other().stream(created.run_id)), events, 'replays are identical')
      const rest = await Array.fromAsync(client().stream(created.run_id, '?after_seq=5&wait=0'))
      assert.deepEqual(rest, events.slice(5))
      const some = await Array.fromAsync(client().stream(created.run_id, '?after_seq=2&limit=3'))
      assert.deepEqual(some, events.slice(2, 5))
      assert.deepEqual(await Array.fromAsync(client().stream(created.run_id, '?after_seq=7')), [])
    })

    test('the successor of a fast branch does not wait for the slow one', async () => {
      const key = randomUUID()
      const spec = workflow(
        [llm('slow', `hold ${key}`), llm('fast', 'say x'), llm('next', 'say {{fast}}!'), join('end', 'slow', 'next')],
        [{ name: 'all', from: 'end' }],
      )
      const { run_id } = await client().create({ spec })
      await eventually(async () => {
        const { nodes, status } = await client().get(run_id)
        assert.equal(status, 'running')
        assert.equal(nodes.find((node: Answer) => node.id === 'next').status, 'succeeded')
        assert.equal(nodes.find((node: Answer) => node.id === 'slow').status, 'running')
        assert.equal(nodes.find((node: Answer) => node.id === 'end').status, 'pending')
      })
      models.release(key)
      checkStream(await Array.fromAsync(client().stream(run_id)))
      const { outputs } = await client().get(run_id)
      assert.deepEqual(Object.keys(outputs.all), ['slow', 'next'].sort())
    })

    test('join.any takes the first, join.collect as many as it wants, and both do without one that failed', async () => {
      const { snapshot, events } = await client().run({
        spec: workflow(
          [
            llm('bad', 'fail 400'),
            llm('quick', 'sleep 50 say yes'),
            llm('late', 'sleep 400 say no'),
            { id: 'any', type: 'join.any', depends_on: ['bad', 'quick', 'late'] },
            { id: 'two', type: 'join.collect', limit: 2, depends_on: ['bad', 'quick', 'late'] },
            {
              id: 'picky',
              type: 'join.any',
              depends_on: ['quick', 'late'],
              predicate: { source: 'node_output', op: 'matches', path: '$.output[0].content[0].text', value: '^n' },
            },
          ],
          [
            { name: 'any', from: 'any' },
            { name: 'two', from: 'two' },
            { name: 'picky', from: 'picky' },
          ],
        ),
      })
      assert.equal(snapshot.status, 'succeeded')
      assert.deepEqual(Object.keys(snapshot.outputs.any), ['quick'])
      assert.deepEqual(Object.keys(snapshot.outputs.two).sort(), ['late', 'quick'])
      assert.deepEqual(Object.keys(snapshot.outputs.picky), ['late'])
      const told = story(events)
      assert.ok(told.indexOf('node_succeeded any') < told.indexOf('node_succeeded late'))
      const failed = snapshot.nodes.find((node: Answer) => node.id === 'bad')
      assert.equal(failed.status, 'failed')
      assert.equal(failed.error.code, 'provider_error')
    })

    test('a fan-out that failed stays failed, also where the run does without it', async () => {
      const each = {
        id: 'each',
        type: 'map.fanout',
        items_from_input: 'list',
        max_parallelism: 2,
        subnode: llm('one', '{{item}}'),
      }
      const nodes = [
        each,
        llm('other', 'sleep 300 say ok'),
        { id: 'any', type: 'join.any', depends_on: ['each', 'other'] },
      ]
      const list = ['fail 400', 'sleep 100 say x', 'sleep 10 fail 400', 'say y']
      const { snapshot, events } = await client().run({
        spec: workflow(nodes, [{ name: 'any', from: 'any' }]),
        input: { list },
      })
      assert.equal(snapshot.status, 'succeeded')
      assert.deepEqual(Object.keys(snapshot.outputs.any), ['other'])
      assert.equal(story(events).filter(one => one === 'node_failed each').length, 1)
      assert.equal(story(events).includes('node_started each__one__3'), false)
    })

    test('join.collect ends when its time is over', async () => {
      const { snapshot } = await client().run({
        spec: workflow(
          [
            llm('quick', 'say yes'),
            llm('late', 'sleep 1500 say no'),
            { id: 'some', type: 'join.collect', timeout_ms: 500, depends_on: ['quick', 'late'] },
          ],
          [{ name: 'some', from: 'some' }],
        ),
      })
      assert.deepEqual(Object.keys(snapshot.outputs.some), ['quick'])
    })

    test('a fan-out keeps the order of its items, whatever their time, and its own parallelism', async () => {
      const delays = [300, 10, 150, 20, 80]
      const { snapshot, events } = await client().run({
        spec: workflow(
          [
            llm('list', `say {"found": ${JSON.stringify(delays)}}`),
            {
              id: 'each',
              type: 'map.fanout',
              items_from: 'list',
              items_path: '/found',
              max_parallelism: 2,
              subnode: llm('one', 'sleep {{item}} say {{item}} of {{list}}'),
            },
          ],
          [{ name: 'each', from: 'each', pointer: '/results' }],
          { max_parallelism: 8 },
        ),
      })
      const texts = snapshot.outputs.each.map((one: Answer) => one.output[0].content[0].text)
      assert.deepEqual(
        texts,
        delays.map(delay => `${delay} of {"found": [${delays.join(',')}]}`),
      )
      let [working, most] = [0, 0]
      for (const event of events) {
        if (!('node_id' in event) || !event.node_id.startsWith('each__one__')) continue
        if (event.type === 'node_started') most = Math.max(most, ++working)
        if (event.type === 'node_succeeded') working--
      }
      assert.equal(most, 2)
      const all = await client().get((snapshot as Answer).run_id, '?include=steps,plan')
      assert.equal(all.steps.length, 6)
      assert.deepEqual(
        all.plan_json.nodes.map(({ id }: { id: string }) => id),
        ['each', 'list'],
      )
    })

    test('no items are an empty list; what is no list fails with a hint', async () => {
      const each = (items: object) => ({ id: 'each', type: 'map.fanout', ...items, subnode: llm('one', '{{item}}') })
      const from = { items_from_input: 'list' }
      const spec = workflow([each(from)], [{ name: 'each', from: 'each' }])
      const { snapshot } = await client().run({ spec, input: { list: [] } })
      assert.deepEqual(snapshot.outputs, { each: { results: [] } })
      const wrong = await client().run({ spec, input: { list: { a: 1 } } })
      assert.equal(wrong.snapshot.status, 'failed')
      assert.match(wrong.snapshot.nodes[0].error.message, /items_pointer/)
      assert.equal(wrong.events.at(-1)?.type, 'run_failed')
    })

    test('a fan-out over ten thousand items ends in order', async () => {
      const each = {
        id: 'each',
        type: 'map.fanout',
        items_from_input: 'list',
        subnode: { id: 'one', type: 'transform.json', object: { n: { from: 'item', pointer: '/n' } } },
      }
      const list = Array.from({ length: 10_000 }, (_, n) => ({ n }))
      const { snapshot, events } = await client().run({
        spec: workflow([each], [{ name: 'each', from: 'each', pointer: '/results' }]),
        input: { list },
      })
      assert.deepEqual(snapshot.outputs.each, list)
      assert.equal(events.length, 2 + 1 + 30_000 + 2 + 1)
    })

    test('a chain of a hundred nodes runs to its end', async () => {
      const nodes = Array.from({ length: 100 }, (_, index) =>
        index === 0 ? llm('n0', 'say start') : llm(`n${index}`, `say {{n${index - 1}}}`),
      )
      const { snapshot } = await client().run({ spec: workflow(nodes, [text('end', 'n99')]) })
      assert.deepEqual(snapshot.outputs, { end: 'start' })
    })

    test('what a model writes is no placeholder and no template', async () => {
      const { snapshot } = await client().run({
        spec: workflow(
          [llm('a', 'say {{secret}} {{input:b}}'), llm('b', 'say got {{a}} {{c}}'), llm('c', 'say {{a}}')],
          [text('b', 'b')],
        ),
        input: { secret: '{{input:b}}', b: '{{secret}}' },
      })
      assert.deepEqual(snapshot.outputs, { b: 'got {{input:b}} {{secret}} {{input:b}} {{secret}}' })
    })

    test('a failing node fails the run; what was left is canceled', async () => {
      const { snapshot, events } = await client().run({
        spec: workflow(
          [llm('bad', 'fail 400'), llm('slow', 'hold never'), llm('after', 'say {{bad}}')],
          [text('o', 'after')],
        ),
      })
      assert.equal(snapshot.status, 'failed')
      assert.deepEqual(snapshot.outputs, {})
      const statuses = snapshot.nodes.map((node: Answer) => `${node.id} ${node.status}`)
      assert.deepEqual(statuses, ['after canceled', 'bad failed', 'slow canceled'])
      assert.deepEqual(story(events).slice(-2), ['node_failed bad', 'run_failed'])
      const last = events.at(-1)
      assert.match(last?.type === 'run_failed' ? last.error.message : '', /^bad: the model could not be called/)
    })

    test('JSON that does not match its schema is tried again, then fails the node', async () => {
      const schema = { type: 'object', properties: { x: { type: 'number' } }, required: ['x'] }
      const output_format = { type: 'json_schema', json_schema: { name: 'x', schema } }
      const good = await client().run({
        spec: workflow(
          [llm('a', 'say {"x": 7}', { output_format })],
          [{ name: 'x', from: 'a', pointer: '/structured/x' }],
        ),
      })
      assert.deepEqual(good.snapshot.outputs, { x: 7 })
      const retry = { max_attempts: 3, backoff_ms: 1 }
      const bad = await client().run({
        spec: workflow([llm('a', 'say {"x": "7"}', { output_format, retry })], [text('o', 'a')]),
      })
      assert.equal(bad.snapshot.nodes[0].error.code, 'invalid_json')
      assert.deepEqual(story(bad.events), [
        'run_compiled',
        'run_started',
        'node_started a',
        'node_llm_call a',
        'node_llm_call a',
        'node_llm_call a',
        'node_failed a',
        'run_failed',
      ])
    })

    test('a node and a run that take too long end', async () => {
      const node = await client().run({
        spec: workflow([llm('a', 'hold for_ever', { timeout_ms: 100 })], [text('o', 'a')]),
      })
      assert.equal(node.snapshot.status, 'failed')
      assert.equal(node.snapshot.nodes[0].error.code, 'timeout')
      const run = await client().run({
        spec: workflow([llm('a', 'hold for_ever')], [text('o', 'a')], { run_timeout_ms: 100 }),
      })
      assert.equal(run.snapshot.status, 'canceled')
      const last = run.events.at(-1)
      assert.deepEqual([last?.type, last?.type === 'run_canceled' && last.error.code], ['run_canceled', 'timeout'])
    })

    test('deltas of a streaming node come before its call', async () => {
      const { events } = await client().run({
        spec: workflow([llm('a', 'say one two three', { stream: true })], [text('o', 'a')]),
      })
      const deltas = events.flatMap(event => (event.type === 'node_output_delta' ? [event.delta] : []))
      assert.deepEqual([deltas[0]?.kind, deltas.at(-1)?.kind], ['message_start', 'message_stop'])
      assert.equal(deltas.map(delta => delta.text_delta ?? '').join(''), 'one two three')
      const told = story(events)
      assert.ok(told.lastIndexOf('node_output_delta a') < told.indexOf('node_llm_call a'))
    })

    test('a canceled run ends; its stream says so', async () => {
      const { run_id } = await client().create({ spec: workflow([llm('a', 'hold on')], [text('o', 'a')]) })
      const following = Array.fromAsync(client().stream(run_id))
      await eventually(async () => assert.equal((await client().get(run_id)).nodes[0].status, 'running'))
      assert.deepEqual(await other().call('POST', `/runs/${run_id}/cancel`), { run_id, status: 'canceled' })
      const events = await following
      checkStream(events)
      assert.equal(events.at(-1)?.type, 'run_canceled')
      assert.equal((await client().get(run_id)).nodes[0].status, 'canceled')
      const again = await client().call('POST', `/runs/${run_id}/cancel`, undefined, 409)
      assert.equal(again.code, 'CONFLICT')
    })

    test('a plan runs by its hash; models and inputs are checked before anything is stored', async () => {
      const spec = {
        ...workflow([llm('a', 'say {{x}}'), llm('b', 'hi')], [text('o', 'a')]),
        model: undefined,
        inputs: [{ name: 'x', type: 'string', required: true }],
      }
      const { plan_hash } = await client().call('POST', '/workflows/compile', spec)
      const refused = await client().create({ plan_hash, input: { x: 'y' } }, 400)
      const codes = refused.issues.map((issue: Answer) => [issue.code, issue.path])
      assert.deepEqual(codes, [
        ['MODEL_REQUIRED', '$.nodes[0].model'],
        ['MODEL_REQUIRED', '$.nodes[1].model'],
      ])
      const model_override = 'openai:test'
      const missing = await client().create({ plan_hash, model_override }, 400)
      assert.deepEqual(missing.fields, [{ field: 'input.x', message: 'is missing' }])
      const wrong = await client().create({ plan_hash, model_override, input: { x: 7 } }, 400)
      assert.deepEqual(wrong.fields, [{ field: 'input.x', message: 'must be of type string' }])
      const unknown = await client().create({ spec, model_override: 'nobody:knows', input: { x: 'y' } }, 400)
      assert.equal(unknown.issues[0].code, 'UNKNOWN_MODEL')
      assert.match(unknown.issues[0].message, /unknown provider "nobody"/)
      const nodes = { zz: 'openai:test' }
      const stray = await client().create(
        { plan_hash, input: { x: 'y' }, model_override, model_overrides: { nodes } },
        400,
      )
      assert.deepEqual(
        [stray.issues[0].code, stray.issues[0].path],
        ['UNKNOWN_OVERRIDE_NODE', '$.model_overrides.nodes.zz'],
      )
      const model_overrides = { nodes: { b: 'openai:better' } }
      const { snapshot } = await other().run({ plan_hash, input: { x: 'y' }, model_override, model_overrides })
      assert.equal(snapshot.plan_hash, plan_hash)
      assert.deepEqual(
        snapshot.nodes.map((node: Answer) => node.output.model),
        ['openai:test', 'openai:better'],
      )
      assert.equal((await client().create({ plan_hash: 'f'.repeat(64) }, 404)).code, 'NOT_FOUND')
      assert.equal((await client().create({ spec, plan_hash }, 400)).code, 'INVALID_INPUT')
      assert.equal((await client().create({}, 400)).code, 'INVALID_INPUT')
      assert.equal((await client().create({ plan_hash: 'x' }, 400)).code, 'VALIDATION_ERROR')
      assert.deepEqual((await client().create({ spec: { kind: 'workflow' } }, 400)).issues.length, 2)
    })

    test('an idempotency key makes one run, also when asked at once, and refuses another body', async () => {
      const body = {
        spec: workflow([llm('a', 'say once')], [text('o', 'a')]),
        options: { idempotency_key: ` key ${randomUUID()} ` },
      }
      const made = await Promise.all([client().create(body), other().create(body), client().create(body)])
      const ids = new Set(made.map(run => run.run_id))
      assert.equal(ids.size, 1)
      checkStream(await Array.fromAsync(client().stream(made[0].run_id)))
      assert.equal((await client().create(body)).status, 'succeeded')
      const refused = await client().create({ ...body, input: {} }, 409)
      assert.equal(refused.code, 'CONFLICT')
    })

    test('runs are listed newest first, by status', async () => {
      const key = randomUUID()
      const { run_id } = await client().create({ spec: workflow([llm('a', `hold ${key}`)], [text('o', 'a')]) })
      const { runs } = await client().call('GET', '/runs?status=running&limit=1')
      assert.deepEqual(
        runs.map((run: Answer) => [run.run_id, run.status]),
        [[run_id, 'running']],
      )
      models.release(key)
      checkStream(await Array.fromAsync(client().stream(run_id)))
      const { runs: ended } = await client().call('GET', '/runs?status=succeeded&limit=1')
      assert.equal(ended[0].run_id, run_id)
      assert.equal((await client().call('GET', '/runs?status=no', undefined, 400)).code, 'VALIDATION_ERROR')
    })

    test('unknown runs and malformed ids', async () => {
      const id = '00000000-0000-4000-8000-000000000000'
      for (const path of ['', '/events', '/pending-tools', '/steps']) {
        assert.equal((await client().call('GET', `/runs/${id}${path}`, undefined, 404)).code, 'NOT_FOUND')
      }
      assert.equal((await client().call('GET', '/runs/x', undefined, 400)).code, 'INVALID_INPUT')
      assert.equal((await client().call('GET', `/runs/${id}/events?limit=0`, undefined, 400)).code, 'VALIDATION_ERROR')
    })

    test('payloads come in the events for those who ask', async () => {
      const { run_id, events, snapshot } = await client().run({ spec: workflow([llm('a', 'say ü')], [text('o', 'a')]) })
      const response = await server().fetch(`${server().url}/api/v1/runs/${run_id}/events?include_output=true`)
      const lines = (await response.text()).split('\n').filter(Boolean)
      const whole = lines.map(line => JSON.parse(line))
      assert.equal(whole.length, events.length)
      const output = whole.find(event => event.type === 'node_output').output
      assert.equal(output.info.included, true)
      assert.deepEqual(output.content, snapshot.nodes[0].output)
      assert.deepEqual(whole.at(-1).outputs.content, { o: 'ü' })
    })

    test('events as server-sent events', async () => {
      const { run_id, events } = await client().run({ spec: workflow([llm('a', 'say x')], [text('o', 'a')]) })
      const headers = { accept: 'text/event-stream' }
      const response = await server().fetch(`${server().url}/api/v1/runs/${run_id}/events`, { headers })
      const frames = (await response.text())
        .replaceAll(': heartbeat\n', '')
        .split('\n\n')
        .filter(frame => frame.startsWith('event: '))
      const [first] = frames
      assert.equal(frames.length, events.length)
      assert.match(first ?? '', /^event: run_compiled\ndata: \{.*\}\nid: 1$/)
    })

    function join(id: string, ...depends_on: string[]) {
      return { id, type: 'join.all', depends_on }
    }
  },
  () => ({ env: models.env }),
)
