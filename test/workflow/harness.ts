// What the suites of workflow runs share: a model server that does what its prompts say, a client, and a check of streams.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { runEvent, type WorkflowEvent } from '../../src/protocol/workflow-events.ts'
import { type ChatMessage, type ScriptedReply, startOpenAIServer } from '../support/openai-server.ts'

/**
 * A model server. A prompt is what it says: `hold <key>` answers after `release(key)`, `call <tool> <json>` (several by
 * `;`) asks for tools, `say <text>` says it, `fail <status>` fails, `sleep <ms> …` does the rest later,
 * `spend <input> <cached> <output>` uses so many tokens. After tool results it says them.
 */
export async function startModels() {
  const held = new Map<string, PromiseWithResolvers<void>>()
  const holder = (key: string) => {
    const known = held.get(key) ?? Promise.withResolvers<void>()
    held.set(key, known)
    return known
  }
  /** The prompts it was asked, in order. */
  const prompts: string[] = []
  const reply = async (prompt: string): Promise<ScriptedReply> => {
    const [verb = '', rest = ''] = [prompt.split(' ', 1)[0], prompt.slice(prompt.indexOf(' ') + 1)]
    if (verb === 'hold') {
      await holder(rest).promise
      return { text: `released ${rest}` }
    }
    if (verb === 'sleep') {
      await sleep(Number(rest.split(' ', 1)[0]))
      return reply(rest.slice(rest.indexOf(' ') + 1))
    }
    if (verb === 'spend') {
      const [input = 0, cached_tokens = 0, output = 0] = rest.split(' ').map(Number)
      const total_tokens = input + output
      const prompt_tokens_details = { cached_tokens }
      return {
        text: 'spent',
        usage: { prompt_tokens: input, completion_tokens: output, total_tokens, prompt_tokens_details },
      }
    }
    if (verb === 'fail') return { status: Number(rest) }
    if (verb === 'call') {
      const calls = rest.split(';').map(call => {
        const [name = '', ...args] = call.trim().split(' ')
        return { name, args: JSON.parse(args.join(' ') || '{}') }
      })
      return { calls }
    }
    return { text: verb === 'say' ? rest : `echo ${prompt}` }
  }
  const server = await startOpenAIServer({
    script: async ({ messages }) => {
      const results = messages.slice(messages.findLastIndex(message => message.role !== 'tool') + 1)
      const prompt = textOf(messages.findLast(message => message.role === 'user'))
      prompts.push(results.length > 0 ? `after ${results.length}: ${prompt}` : prompt)
      return results.length > 0 ? { text: results.map(textOf).join(', ') } : reply(prompt)
    },
  })
  return {
    env: { OPENAI_BASE_URL: server.url, OPENAI_API_KEY: 'none' },
    prompts,
    requests: server.requests,
    release: (key: string) => holder(key).resolve(),
    /** Resolves when it has seen what was sent to it before, and a prompt of its own after that. */
    caughtUp: async () => {
      const body = JSON.stringify({ model: 'test', messages: [{ role: 'user', content: 'say seen' }] })
      await (await fetch(`${server.url}/chat/completions`, { method: 'POST', body })).text()
    },
    close: () => server.close(),
  }
}

function textOf(message: ChatMessage | undefined): string {
  const content = message?.content ?? ''
  return typeof content === 'string' ? content : content.map(part => part.text ?? '').join('')
}

// biome-ignore lint/suspicious/noExplicitAny: answers of any shape
export type Answer = any

/** A client of `/api/v1` that expects success, unless it is told another status. */
export function workflowClient(url: string, fetchWith: typeof fetch = fetch) {
  const call = async (method: string, path: string, body?: unknown, status = 200): Promise<Answer> => {
    const init = { method, ...(body !== undefined && { body: JSON.stringify(body) }) }
    const response = await fetchWith(`${url}/api/v1${path}`, init)
    const text = await response.text()
    assert.equal(response.status, status, text)
    return JSON.parse(text)
  }
  const stream = async function* (run_id: string, query = ''): AsyncGenerator<WorkflowEvent> {
    const response = await fetchWith(`${url}/api/v1/runs/${run_id}/events${query}`)
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('content-type'), 'application/x-ndjson')
    let rest = ''
    for await (const chunk of response.body ?? []) {
      const part = Buffer.from(chunk).toString('latin1')
      assert.match(part, /^[\n -~]*$/, 'only ASCII')
      const lines = (rest + part).split('\n')
      rest = lines.pop() as string
      for (const line of lines) if (line) yield runEvent.parse(JSON.parse(line))
    }
    assert.equal(rest, '', 'the last line ends')
  }
  return {
    call,
    stream,
    create: (body: object, status = 200) => call('POST', '/runs', body, status),
    get: (run_id: string, query = '') => call('GET', `/runs/${run_id}${query}`),
    pending: (run_id: string) => call('GET', `/runs/${run_id}/pending-tools`),
    answer: (run_id: string, body: object, status = 200) => call('POST', `/runs/${run_id}/tool-results`, body, status),
    /** Creates a run and follows it to its end. */
    async run(body: object) {
      const { run_id } = await call('POST', '/runs', body)
      const events = await Array.fromAsync(stream(run_id))
      checkStream(events)
      return { run_id, events, snapshot: await call('GET', `/runs/${run_id}`) }
    },
  }
}

export type WorkflowClient = ReturnType<typeof workflowClient>

/** The rules of order that every complete stream follows (contracts: workflows §10). */
export function checkStream(events: WorkflowEvent[]) {
  assert.deepEqual(
    events.map(event => event.seq),
    events.map((_, index) => index + 1),
  )
  assert.deepEqual([events[0]?.type, events[1]?.type], ['run_compiled', 'run_started'])
  const terminal = events.filter(event => ['run_completed', 'run_failed', 'run_canceled'].includes(event.type))
  assert.deepEqual(terminal, events.slice(-1), 'one terminal event, and it is the last')
  for (const [id, own] of Map.groupBy(events, event => ('node_id' in event ? event.node_id : ''))) {
    if (id === '') continue
    const types = own.map(event => event.type)
    assert.equal(types[0], 'node_started', `${id} begins with node_started`)
    assert.equal(types.filter(type => type === 'node_started').length, 1, `${id} starts once`)
    const end = types.findIndex(type => type === 'node_succeeded' || type === 'node_failed')
    assert.ok(end === -1 || end === types.length - 1, `nothing of ${id} after its end: ${types}`)
    if (types.at(-1) === 'node_succeeded') assert.equal(types.at(-2), 'node_output')
  }
}

/** `type node` of events, for comparing. */
export function story(events: WorkflowEvent[]): string[] {
  return events.map(event => ('node_id' in event ? `${event.type} ${event.node_id}` : event.type))
}
