// Crons through the official SDK (contracts: langgraph §8).
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Cron } from '@langchain/langgraph-sdk'
import { forEachServer } from '../support/server.ts'
import { eventually, say, status } from './harness.ts'

const YEARLY = '30 2 1 1 *'

forEachServer('crons', server => {
  /** What the SDK of this version has no method for. */
  const call = async (method: string, path: string, body?: unknown) => {
    const { url, fetch } = server()
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, json: text ? JSON.parse(text) : undefined }
  }
  const create = async (options: object) => (await server().client.crons.create('echo', options as never)) as Cron

  test('one is made, read, changed and deleted', async () => {
    const { client } = server()
    const made = await create({
      schedule: YEARLY,
      timezone: 'Europe/Berlin',
      input: say('happy new year'),
      metadata: { kind: 'greeting', n: 1 },
      config: { tags: ['x'] },
      context: { c: 1 },
      webhook: 'https://example.com/hook',
      multitaskStrategy: 'enqueue',
      endTime: '2099-01-01T00:00:00',
    })
    const echo = await client.assistants.get('echo')
    assert.equal(made.assistant_id, echo.assistant_id)
    assert.deepEqual(
      [made.thread_id, made.user_id, made.schedule, made.timezone, made.enabled, made.on_run_completed],
      [null, null, YEARLY, 'Europe/Berlin', true, 'delete'],
    )
    assert.match(made.next_run_date ?? '', /^\d{4}-01-01T01:30:00\.000Z$/)
    assert.equal(made.end_time, '2099-01-01T00:00:00.000Z')
    assert.deepEqual(made.metadata, { kind: 'greeting', n: 1 })
    assert.deepEqual(made.payload, {
      input: say('happy new year'),
      config: { tags: ['x'] },
      context: { c: 1 },
      webhook: 'https://example.com/hook',
      multitask_strategy: 'enqueue',
    })
    const { json } = await call('GET', `/runs/crons/${made.cron_id}`)
    assert.deepEqual(json, made)

    const changed = (await client.crons.update(made.cron_id, {
      metadata: { n: 2 },
      endTime: null,
      timezone: 'America/New_York',
      onRunCompleted: 'keep',
      input: { other: true },
    } as never)) as unknown as Cron
    assert.deepEqual(changed.metadata, { kind: 'greeting', n: 2 })
    assert.deepEqual([changed.end_time, changed.schedule, changed.on_run_completed], [null, YEARLY, 'keep'])
    assert.match(changed.next_run_date ?? '', /-01-01T07:30:00\.000Z$/)
    assert.deepEqual([changed.payload.input, changed.payload.webhook], [{ other: true }, 'https://example.com/hook'])
    const same = (await client.crons.update(made.cron_id, {})) as unknown as Cron
    assert.deepEqual({ ...same, updated_at: '' }, { ...changed, updated_at: '' })

    const stopped = (await client.crons.update(made.cron_id, { enabled: false })) as unknown as Cron
    assert.deepEqual([stopped.enabled, stopped.next_run_date], [false, null])
    const started = (await client.crons.update(made.cron_id, { enabled: true })) as unknown as Cron
    assert.equal(started.next_run_date, changed.next_run_date)

    await client.crons.delete(made.cron_id)
    assert.equal((await call('GET', `/runs/crons/${made.cron_id}`)).status, 404)
    await assert.rejects(client.crons.delete(made.cron_id), status(404))
    await assert.rejects(client.crons.update(made.cron_id, {}), status(404))
    assert.equal((await call('GET', '/runs/crons/not-an-id')).status, 404)
  })

  test('search filters, sorts, selects and tells of further pages', async () => {
    const { client } = server()
    const { thread_id } = await client.threads.create()
    const mark = crypto.randomUUID()
    const schedules = ['0 0 3 1 *', '0 0 1 1 *', '0 0 2 1 *']
    const made: Cron[] = []
    for (const schedule of schedules) made.push(await create({ schedule, metadata: { mark, schedule } }))
    await client.crons.createForThread(thread_id, 'steps', { schedule: YEARLY, metadata: { mark }, enabled: false })

    const search = (query: object) => client.crons.search({ metadata: { mark }, ...query } as never)
    assert.equal((await search({})).length, 4)
    assert.deepEqual(
      (await search({ threadId: thread_id })).map(cron => cron.thread_id),
      [thread_id],
    )
    assert.equal((await search({ assistantId: 'echo' })).length, 3)
    assert.equal((await search({ assistantId: made[0]?.assistant_id })).length, 3)
    assert.equal((await search({ enabled: false })).length, 1)
    assert.deepEqual(await search({ metadata: { mark, no: 'such' } }), [])
    const sorted = await search({ sortBy: 'next_run_date', sortOrder: 'asc', assistantId: 'echo' })
    assert.deepEqual(
      sorted.map(cron => cron.schedule),
      ['0 0 1 1 *', '0 0 2 1 *', '0 0 3 1 *'],
    )
    const newest = await search({ assistantId: 'echo' })
    assert.deepEqual(
      newest.map(cron => cron.schedule),
      schedules.toReversed(),
    )
    const selected = await search({ select: ['cron_id', 'schedule'], limit: 1 })
    assert.deepEqual(Object.keys(selected[0] ?? {}).sort(), ['cron_id', 'schedule'])

    const page = await call('POST', '/runs/crons/search', { metadata: { mark }, limit: 2, offset: 1 })
    assert.equal(page.json.length, 2)
    assert.equal(page.headers.get('x-pagination-total'), '4')
    assert.equal(page.headers.get('x-pagination-next'), '3')
    const last = await call('POST', '/runs/crons/search', { metadata: { mark }, limit: 2, offset: 3 })
    assert.equal(last.headers.get('x-pagination-next'), null)

    const count = (query: object) => client.crons.count({ metadata: { mark }, ...query } as never)
    assert.equal(await count({}), 4)
    assert.equal(await count({ threadId: thread_id }), 1)
    assert.equal((await call('POST', '/runs/crons/count', { metadata: { mark }, enabled: true })).json, 3)
    assert.equal((await call('POST', '/runs/crons/search', { sort_by: 'colour' })).status, 422)
    assert.equal((await call('POST', '/runs/crons/search', { select: ['colour'] })).status, 422)
    for (const cron of await search({})) await client.crons.delete(cron.cron_id)
  })

  test('what makes no sense is 422 and named; what is unknown is 404', async () => {
    const { client } = server()
    const wrong: [field: RegExp, options: object][] = [
      [/schedule: /, { schedule: '* * * *' }],
      [/schedule: /, { schedule: '61 * * * *' }],
      [/schedule: .* never comes/, { schedule: '0 0 30 2 *' }],
      [/schedule: /, {}],
      [/timezone: /, { schedule: YEARLY, timezone: 'Mars/Olympus' }],
      [/end_time: /, { schedule: YEARLY, endTime: 'tomorrow' }],
      [/end_time: /, { schedule: YEARLY, endTime: '2020-01-01T00:00:00Z' }],
      [/on_run_completed: /, { schedule: YEARLY, onRunCompleted: 'explode' }],
      [/stream_mode/, { schedule: YEARLY, streamMode: 'all' }],
      [/webhook: /, { schedule: YEARLY, webhook: 'http://169.254.169.254/' }],
    ]
    for (const [field, options] of wrong) await assert.rejects(create(options), status(422, field))
    await assert.rejects(
      client.crons.create('nobody', { schedule: YEARLY } as never),
      status(404, /No assistant found for/),
    )
    const unknown = crypto.randomUUID()
    await assert.rejects(client.crons.createForThread(unknown, 'echo', { schedule: YEARLY } as never), status(404))
    const made = await create({ schedule: YEARLY })
    await assert.rejects(client.crons.update(made.cron_id, { schedule: 'never' }), status(422, /schedule: /))
    await assert.rejects(client.crons.update(made.cron_id, { timezone: 'X' }), status(422, /timezone: /))
    await client.crons.delete(made.cron_id)
  })

  test('null stands for absent', async () => {
    const body = { assistant_id: 'echo', schedule: YEARLY, timezone: null, end_time: null, input: null, metadata: null }
    const { status, json } = await call('POST', '/runs/crons', { ...body, enabled: null, webhook: null, foo: 1 })
    assert.equal(status, 200)
    assert.deepEqual([json.payload, json.metadata, json.enabled], [{ input: null }, {}, true])
    await server().client.crons.delete(json.cron_id)
  })

  test('a cron on a thread runs there, once a date whatever number of processes there is, until it is deleted', async () => {
    const { client, other } = server()
    const { thread_id } = await client.threads.create()
    const cron = (await client.crons.createForThread(thread_id, 'echo', {
      schedule: '* * * * * *',
      input: say('tick'),
      metadata: { by: 'cron' },
    } as never)) as unknown as Cron
    await eventually(async () => assert.ok((await client.runs.list(thread_id, { limit: 100 })).length >= 4))
    await other.crons.delete(cron.cron_id)
    await eventually(async () => {
      const runs = await client.runs.list(thread_id, { limit: 100 })
      assert.ok(runs.every(run => run.status === 'success'))
    })
    const runs = await client.runs.list(thread_id, { limit: 100 })
    const seconds = (Date.parse(runs[0]?.created_at ?? '') - Date.parse(cron.created_at)) / 1000
    assert.ok(runs.length <= seconds + 1, `${runs.length} runs in ${seconds} s`)
    assert.ok(runs.every(run => run.metadata?.by === 'cron' && run.metadata.cron_id === cron.cron_id))
    const { messages } = (await client.threads.getState(thread_id)).values as { messages: { content: string }[] }
    assert.equal(messages.length, 2 * runs.length)
  })

  test('a cron without a thread gets one for each run, which is kept when told so', async () => {
    const { client } = server()
    const mark = crypto.randomUUID()
    const cron = await create({
      schedule: '*/1 * * * * *',
      input: say('tock'),
      metadata: { mark },
      onRunCompleted: 'keep',
    })
    const threads = () => client.threads.search({ metadata: { mark } })
    await eventually(async () => {
      assert.ok((await threads()).length >= 2)
    })
    await client.crons.delete(cron.cron_id)
    await eventually(async () => assert.ok((await threads()).every(thread => thread.status === 'idle')))
    for (const thread of await threads()) assert.equal((await client.runs.list(thread.thread_id)).length, 1)
  })

  test('a cron goes with its thread', async () => {
    const { client } = server()
    const { thread_id } = await client.threads.create()
    const cron = await client.crons.createForThread(thread_id, 'echo', { schedule: YEARLY } as never)
    await client.threads.delete(thread_id)
    assert.equal((await call('GET', `/runs/crons/${(cron as unknown as Cron).cron_id}`)).status, 404)
  })

  test('/info says that there are crons', async () => {
    assert.equal((await call('GET', '/info')).json.flags.crons, true)
  })
})
