// What the gateway suites share: plain HTTP below /api, and frames as they are on the wire.
import assert from 'node:assert/strict'
import type { TestServer } from '../support/server.ts'
import { eventually } from './harness.ts'

// biome-ignore lint/suspicious/noExplicitAny: as the test expects it
type Json = any

export interface WireFrame {
  event: string
  data: Json
  id?: string
}

type Target = Pick<TestServer, 'url' | 'fetch'>

/** Sends JSON below /api, or asks for something. */
export function call({ url, fetch }: Target, path: string, body?: unknown, init: RequestInit = {}): Promise<Response> {
  const sent = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }
  return fetch(`${url}/api${path}`, { ...sent, ...init })
}

/** The same, answered 200 with JSON. */
export async function ask(target: Target, path: string, body?: unknown, init?: RequestInit): Promise<Json> {
  const response = await call(target, path, body, init)
  const text = await response.text()
  assert.equal(response.status, 200, text)
  return JSON.parse(text)
}

/** The same, refused with this status; the body as JSON. */
export async function refused(
  target: Target,
  status: number,
  path: string,
  body?: unknown,
  init?: RequestInit,
): Promise<Json> {
  const response = await call(target, path, body, init)
  const text = await response.text()
  assert.equal(response.status, status, text)
  return JSON.parse(text)
}

/** All frames of a stream. */
export async function frames(target: Target, path: string, body?: unknown, init?: RequestInit): Promise<WireFrame[]> {
  const response = await call(target, path, body, init)
  const text = await response.text()
  assert.equal(response.status, 200, text)
  return framesOf(text)
}

export function framesOf(text: string): WireFrame[] {
  const blocks = text.replaceAll(': heartbeat\n', '').split('\n\n')
  assert.equal(blocks.pop(), '', 'the last frame is whole')
  return blocks.map(block => {
    const lines = block.split('\n').map(line => /^(\w+): (.*)$/.exec(line)?.slice(1) as [string, string])
    const names = lines.map(([name]) => name)
    assert.ok(['event,data', 'event,data,id'].includes(names.join(',')), block)
    const [event, data, id] = lines.map(([, value]) => value)
    return { event: event as string, data: JSON.parse(data as string), ...(id !== undefined && { id }) }
  })
}

/** An id of this dialect's own kind. */
export function threadName(): string {
  return `t-${crypto.randomUUID().slice(0, 8)}_X`
}

export const SHORT = { assistant_id: 'steps', input: { count: 1 } }
export const LONG = { assistant_id: 'steps', input: { count: 200, delay_ms: 30 } }

/** A thread on which a run executes that has stored something. */
export async function busyThread(target: Target, thread_id = threadName()) {
  const run = await ask(target, `/threads/${thread_id}/runs`, { ...LONG, stream_mode: ['custom'] })
  await eventually(async () => {
    const { values } = await ask(target, `/threads/${thread_id}/state`)
    assert.ok(values?.log?.length > 0)
  })
  return { thread_id, run_id: run.run_id as string, path: `/threads/${thread_id}/runs/${run.run_id}` }
}
