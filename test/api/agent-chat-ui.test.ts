// The requests that agent-chat-ui makes, as its browser sends them: from another origin, with its fields and modes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Checkpoint, ThreadState } from '@langchain/langgraph-sdk'
import { forEachServer } from '../support/server.ts'
import type { Seen } from './harness.ts'

const ORIGIN = 'https://agentchat.example'

forEachServer('agent-chat-ui', server => {
  async function send(method: string, path: string, body?: unknown): Promise<Response> {
    const { url, fetch } = server()
    const headers = { origin: ORIGIN, 'content-type': 'application/json', 'x-api-key': 'any' }
    return fetch(`${url}${path}`, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) })
  }

  async function post<T>(path: string, body: unknown): Promise<T> {
    const response = await send('POST', path, body)
    assert.equal(response.status, 200, `${path}: ${await response.clone().text()}`)
    assert.equal(response.headers.get('access-control-allow-origin'), '*')
    return (await response.json()) as T
  }

  /** What `stream.submit` sends, and the frames that come back. */
  async function submit(thread_id: string, assistant_id: string, fields: Record<string, unknown>): Promise<Seen[]> {
    const response = await send('POST', `/threads/${thread_id}/runs/stream`, {
      assistant_id,
      stream_mode: ['values', 'messages-tuple', 'custom'],
      stream_subgraphs: true,
      stream_resumable: true,
      on_disconnect: 'continue',
      ...fields,
    })
    assert.equal(response.status, 200)
    assert.match(response.headers.get('access-control-expose-headers') ?? '', /content-location/i)
    assert.match(response.headers.get('content-location') ?? '', new RegExp(`^/threads/${thread_id}/runs/[0-9a-f-]+$`))
    const frames = (await response.text())
      .replaceAll(': heartbeat\n', '')
      .split('\n\n')
      .filter(frame => frame.startsWith('event:'))
    return frames.map(frame => {
      const { event = '', data = 'null' } = Object.fromEntries(
        frame.split('\n').map(line => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
      )
      return { event, data: JSON.parse(data) }
    })
  }

  const human = (content: unknown) => ({ id: crypto.randomUUID(), type: 'human', content })
  const history = (thread_id: string) => post<ThreadState[]>(`/threads/${thread_id}/history`, { limit: 10 })
  const newThread = async () => (await post<{ thread_id: string }>('/threads', {})).thread_id

  test('it asks whether a server is there, and may ask from its origin', async () => {
    assert.equal((await send('GET', '/info')).status, 200)
    const { url, fetch } = server()
    const preflight = await fetch(`${url}/threads/search`, {
      method: 'OPTIONS',
      headers: {
        origin: ORIGIN,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type,x-api-key',
      },
    })
    assert.equal(preflight.status, 204)
    assert.match(preflight.headers.get('access-control-allow-headers') ?? '', /x-api-key/)
  })

  test('it sends a message with content blocks, shows pieces and values, and lists the thread', async () => {
    const thread_id = await newThread()
    const message = human([{ type: 'text', text: 'one two' }])
    const events = await submit(thread_id, 'nested', { input: { messages: [message], context: { page: 1 } } })
    const names = new Set(events.map(({ event }) => event.split('|')[0]))
    assert.deepEqual(names, new Set(['metadata', 'values', 'messages']))
    const last = events.findLast(({ event }) => event === 'values')
    const { messages } = { ...last }.data as {
      messages: Record<string, unknown>[]
    }
    assert.deepEqual([messages[0]?.id, messages[0]?.type, messages[0]?.content], Object.values(message))
    assert.equal(messages.length, 2)
    const threads = await post<{ thread_id: string; values: { messages: unknown[] } }[]>('/threads/search', {
      metadata: { graph_id: 'nested' },
      limit: 100,
      offset: 0,
    })
    const listed = threads.find(thread => thread.thread_id === thread_id)
    assert.deepEqual(listed?.values.messages, messages)
    const { assistant_id } = (await server().client.assistants.search({ graphId: 'nested' }))[0] as {
      assistant_id: string
    }
    const byAssistant = await post<{ thread_id: string }[]>('/threads/search', {
      metadata: { assistant_id },
      limit: 100,
    })
    assert.ok(byAssistant.some(thread => thread.thread_id === thread_id))
  })

  test('it edits a message and has an answer made again: both are branches', async () => {
    const thread_id = await newThread()
    await submit(thread_id, 'echo', { input: { messages: [human('first')] } })
    const states = await history(thread_id)
    const from = (type: string) => {
      const seen = states.findLast(({ values }) =>
        (values as { messages: { type: string }[] }).messages?.some(message => message.type === type),
      )
      const { thread_id: _, ...checkpoint } = { ...seen }.parent_checkpoint as Checkpoint
      return { checkpoint, stream_mode: ['values'] }
    }
    await submit(thread_id, 'echo', { input: { messages: [human('second')] }, ...from('human') })
    await submit(thread_id, 'echo', { ...from('ai') })
    const tips = (await history(thread_id)).filter(({ next }) => next.length === 0)
    const contents = tips.map(({ values }) =>
      (values as { messages: { content: string }[] }).messages.map(m => m.content),
    )
    assert.deepEqual(contents, [
      ['first', 'first'],
      ['second', 'second'],
      ['first', 'first'],
    ])
  })

  test('it answers a question with an empty input beside its command; going to the end asks again, as LangGraph does', async () => {
    const thread_id = await newThread()
    const asked = await submit(thread_id, 'ask-inside', { input: { messages: [human('?')] } })
    assert.ok(asked.some(({ data }) => (data as { __interrupt__?: unknown }).__interrupt__))
    const [state] = await history(thread_id)
    assert.equal(state?.tasks[0]?.interrupts[0]?.value, 'inside?')
    const resume = [{ type: 'response', args: 'fine' }]
    const answered = await submit(thread_id, 'ask-inside', { input: {}, command: { resume } })
    assert.deepEqual(answered.at(-1)?.data, { answers: ['[object Object]'] })

    const resolved = await newThread()
    await submit(resolved, 'ask-inside', { input: {} })
    await submit(resolved, 'ask-inside', { input: {}, command: { goto: '__end__' } })
    const thread = await server().client.threads.get(resolved)
    assert.equal(thread.status, 'interrupted')
  })

  test('it stops a run, and goes on after it', async () => {
    const thread_id = await newThread()
    const { client } = server()
    const { run_id } = await client.runs.create(thread_id, 'echo', {
      input: { messages: [human('50ms a b c d e f g')] },
    })
    assert.equal(
      (await send('POST', `/threads/${thread_id}/runs/${run_id}/cancel?wait=0&action=interrupt`)).status,
      202,
    )
    const next = await submit(thread_id, 'echo', { input: { messages: [human('next')] } })
    assert.ok(!next.some(({ event }) => event === 'error'))
  })
})
