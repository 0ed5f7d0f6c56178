// A fetch that answers what it is told, in order, and keeps what it was asked; and the events that tests answer with.
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { WorkflowEvent } from '../../src/protocol/workflow-events.ts'

export const RUN = '0190a0b0-1234-7abc-8def-0123456789ab'
export const REQUEST = '0190a0b0-4321-7abc-8def-0123456789ab'
export const HASH = 'a'.repeat(64)
export const NOTHING = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
export const BASE = 'http://server.test/api/v1'

export interface Asked {
  method: string
  /** With the query. */
  path: string
  headers: Headers
  body: unknown
}

type Reply = Response | Error | ((asked: Asked, signal: AbortSignal) => Response | Promise<Response>)

/** Answers each request with the next reply; fails the test when there is none left. */
export function fakeServer(...replies: Reply[]) {
  const asked: Asked[] = []
  const fetchHere = (async (input: string, init: RequestInit) => {
    const { method = 'GET', headers, body, signal } = init
    const one = {
      method,
      path: input.slice(BASE.length),
      headers: new Headers(headers),
      body: typeof body === 'string' ? JSON.parse(body) : undefined,
    }
    asked.push(one)
    const reply = replies[asked.length - 1]
    assert.ok(reply, `no reply to request ${asked.length}: ${method} ${input}`)
    if (reply instanceof Error) throw reply
    return typeof reply === 'function' ? reply(one, signal as AbortSignal) : reply
  }) as typeof fetch
  return { asked, options: { baseUrl: BASE, auth: 'none' as const, fetch: fetchHere } }
}

export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json', ...headers } })
}

export const created = { run_id: RUN, status: 'running', plan_hash: HASH }
export const snapshot = {
  run_id: RUN,
  status: 'running',
  plan_hash: HASH,
  cost_summary: { total_usd_cents: 0, line_items: [] },
}

const envelope = (seq: number) => ({
  envelope_version: 'v2' as const,
  run_id: RUN,
  seq,
  ts: '2026-01-02T03:04:05.678Z',
})
const ofRun = (seq: number) => ({ ...envelope(seq), plan_hash: HASH })

export const started = (seq: number): WorkflowEvent => ({ ...ofRun(seq), type: 'run_started' })
export const nodeStarted = (seq: number, node_id: string): WorkflowEvent => ({
  ...envelope(seq),
  type: 'node_started',
  node_id,
})
export const completed = (seq: number): WorkflowEvent => ({
  ...ofRun(seq),
  type: 'run_completed',
  outputs: { artifact_key: 'run_outputs.v0', info: { bytes: 0, sha256: NOTHING, included: false } },
})
export const failed = (seq: number, type: 'run_failed' | 'run_canceled' = 'run_failed'): WorkflowEvent => ({
  ...ofRun(seq),
  type,
  error: { message: 'it is over' },
})
export const waiting = (seq: number, ...calls: { id: string; name: string; arguments: string }[]): WorkflowEvent => ({
  ...envelope(seq),
  type: 'node_waiting',
  node_id: 'agent',
  waiting: {
    step: 0,
    request_id: REQUEST,
    pending_tool_calls: calls.map(tool_call => ({ tool_call })),
    reason: 'tool_results',
  },
})

export const lines = (...events: WorkflowEvent[]) => events.map(event => `${JSON.stringify(event)}\n`).join('')

export interface Stream {
  response: Response
  send: (chunk: string | Uint8Array) => void
  end: () => void
  /** Breaks the connection once what was sent has been read. */
  break: () => void
  canceled: () => boolean
}

/** A stream of events that the test writes while it is read. */
export function openStream(headers: Record<string, string> = {}): Stream {
  let controller!: ReadableStreamDefaultController<Uint8Array>
  let canceled = false
  let broken = false
  const body = new ReadableStream<Uint8Array>({
    start: given => {
      controller = given
    },
    pull: given => {
      if (broken) given.error(new TypeError('terminated'))
    },
    cancel: () => {
      canceled = true
    },
  })
  return {
    response: new Response(body, { headers: { 'content-type': 'application/x-ndjson', ...headers } }),
    send: chunk => controller.enqueue(typeof chunk === 'string' ? new TextEncoder().encode(chunk) : chunk),
    end: () => controller.close(),
    break: () => {
      broken = true
      if ((controller.desiredSize ?? 0) > 0) controller.error(new TypeError('terminated'))
    },
    canceled: () => canceled,
  }
}

/** A stream of these chunks, which then ends or breaks. */
export function chunks(sent: (string | Uint8Array)[], end: 'end' | 'break' = 'end'): Response {
  const stream = openStream()
  for (const chunk of sent) stream.send(chunk)
  stream[end]()
  return stream.response
}

/** Pauses take no time; the minute that a call may take never ends. */
export function noPauses(t: TestContext) {
  const real = globalThis.setTimeout
  t.mock.method(globalThis, 'setTimeout', (done: () => void, ms: number) => real(ms < 60_000 ? done : () => {}, 0))
}
