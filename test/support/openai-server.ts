// A server that speaks OpenAI's chat completions protocol and replies by a script, streamed or whole.
// By hand: `node test/support/openai-server.ts [port]`, then set OPENAI_BASE_URL to what it prints.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'

export type ChatMessage = {
  role: string
  content: string | { type: string; text?: string }[] | null
  tool_call_id?: string
  tool_calls?: { id: string; function: { name: string; arguments: string } }[]
}

export type ChatRequest = {
  model: string
  messages: ChatMessage[]
  stream?: boolean
  stream_options?: { include_usage?: boolean }
  tools?: { type: 'function'; function: { name: string } }[]
  reasoning_effort?: string
}

/** A reply in plain terms: the server makes tokens, split tool calls and usage of it. */
export type ScriptedReply = {
  text?: string
  calls?: { name: string; args: Record<string, unknown> }[]
  /** What the model thinks, before it speaks: `reasoning_content`, as DeepSeek and others stream it. */
  reasoning?: string
  /** Another status than 200: an error, in OpenAI's form. */
  status?: number
  /** What it cost; the same for all without it. */
  usage?: object
  /** What the error says. */
  error?: string
  headers?: Record<string, string>
  /** So many chunks, then silence until the client leaves. */
  stall_after?: number
  /** So many chunks, then the connection breaks. */
  break_after?: number
}

/** What one request looked like; `disconnected` turns true when the client leaves before the reply is complete. */
export type SeenRequest = { authorization: string | undefined; body: ChatRequest; disconnected: boolean }

export type OpenAIServerOptions = {
  script?: (request: ChatRequest) => ScriptedReply | Promise<ScriptedReply>
  /** Pause before each streamed chunk; 0 by default. */
  delay_ms?: number
  /** 0, the default, takes any free port. */
  port?: number
}

const USAGE = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 }

/** Starts the server on 127.0.0.1. `url` is the base URL to give to clients; `requests` holds what it saw, oldest first. */
export async function startOpenAIServer({
  script = calculateOrEcho,
  delay_ms = 0,
  port = 0,
}: OpenAIServerOptions = {}) {
  const requests: SeenRequest[] = []

  const complete = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.method !== 'POST' || request.url !== '/v1/chat/completions') {
      return sendJson(response, 404, { error: { message: `No ${request.method} ${request.url} here.` } })
    }
    const body = (await json(request)) as ChatRequest
    const seen: SeenRequest = { authorization: request.headers.authorization, body, disconnected: false }
    requests.push(seen)
    const left = new AbortController()
    response.on('close', () => {
      seen.disconnected = !response.writableFinished
      left.abort()
    })
    const reply = await script(body)
    for (const [name, value] of Object.entries(reply.headers ?? {})) response.setHeader(name, value)
    if (reply.status) {
      const message = reply.error ?? `scripted ${reply.status}`
      return sendJson(response, reply.status, { error: { message } })
    }
    const id = `chatcmpl-${requests.length}`
    if (!body.stream) return sendJson(response, 200, completion(id, body, reply))
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    let sent = 0
    for (const chunk of completionChunks(id, body, reply)) {
      if (sent === reply.break_after) return void response.destroy()
      if (sent++ === reply.stall_after) return void response.flushHeaders()
      if (delay_ms > 0) await setTimeout(delay_ms, undefined, { signal: left.signal })
      response.write(`data: ${JSON.stringify(chunk)}\n\n`)
    }
    response.end('data: [DONE]\n\n')
  }

  const server = createServer((request, response) => {
    complete(request, response).catch(error => {
      if (response.closed) return
      if (response.headersSent) response.destroy()
      else sendJson(response, 500, { error: { message: String(error) } })
    })
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve))

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    requests,
    async close(): Promise<void> {
      const closed = new Promise(resolve => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

/** The default script: calls `calculate` for arithmetic, says what a tool returned, and echoes anything else. */
export function calculateOrEcho({ messages }: ChatRequest): ScriptedReply {
  const last = messages.at(-1)
  if (last?.role === 'tool') return { text: `The answer is ${textOf(last)}.` }
  const text = textOf(messages.findLast(message => message.role === 'user'))
  const [expression] = /\(*\d[\d\s.()+\-*/%^]*[-+*/%^][\d\s.()+\-*/%^]*[\d)]/.exec(text) ?? []
  return expression ? { calls: [{ name: 'calculate', args: { expression } }] } : { text: `You said: ${text}` }
}

function textOf(message: ChatMessage | undefined): string {
  const content = message?.content ?? ''
  return typeof content === 'string' ? content : content.map(part => part.text ?? '').join('')
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

function toolCalls(id: string, { calls = [] }: ScriptedReply) {
  return calls.map(({ name, args }, index) => ({
    id: `call-${id}-${index}`,
    type: 'function',
    function: { name, arguments: JSON.stringify(args) },
  }))
}

function completion(id: string, { model }: ChatRequest, reply: ScriptedReply) {
  const tool_calls = toolCalls(id, reply)
  const reasoning = reply.reasoning === undefined ? {} : { reasoning_content: reply.reasoning }
  const message = {
    role: 'assistant',
    content: reply.text ?? null,
    ...reasoning,
    ...(tool_calls.length > 0 && { tool_calls }),
  }
  const finish_reason = tool_calls.length > 0 ? 'tool_calls' : 'stop'
  const choices = [{ index: 0, message, finish_reason }]
  return { id, object: 'chat.completion', created: 0, model, choices, usage: reply.usage ?? USAGE }
}

function* completionChunks(id: string, { model, stream_options }: ChatRequest, reply: ScriptedReply) {
  const head = { id, object: 'chat.completion.chunk', created: 0, model }
  const chunk = (delta: object, finish_reason: string | null = null) => ({
    ...head,
    choices: [{ index: 0, delta, finish_reason }],
  })
  yield chunk({ role: 'assistant', content: '' })
  for (const reasoning_content of reply.reasoning?.match(/\s*\S+/g) ?? []) yield chunk({ reasoning_content })
  for (const content of reply.text?.match(/\s*\S+/g) ?? []) yield chunk({ content })
  const calls = toolCalls(id, reply)
  for (const [index, call] of calls.entries()) {
    const opening = { ...call, function: { ...call.function, arguments: '' } }
    yield chunk({ tool_calls: [{ index, ...opening }] })
    for (const piece of call.function.arguments.match(/.{1,6}/gs) ?? []) {
      yield chunk({ tool_calls: [{ index, function: { arguments: piece } }] })
    }
  }
  yield chunk({}, calls.length > 0 ? 'tool_calls' : 'stop')
  if (stream_options?.include_usage) yield { ...head, choices: [], usage: reply.usage ?? USAGE }
}

if (import.meta.main) {
  const { url } = await startOpenAIServer({ port: Number(process.argv[2] ?? 0), delay_ms: 25 })
  console.log(`OPENAI_BASE_URL=${url}`)
}
