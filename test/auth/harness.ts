// What the suites about authentication share: a server in this process, and calls as somebody.
import { join } from 'node:path'
import type { Client } from '@langchain/langgraph-sdk'
import { readConfig } from '../../src/config.ts'
import { type Runtime, startRuntime } from '../../src/runtime.ts'
import { clientOf, temporaryFolder } from '../support/server.ts'

export interface Answer {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: a body of any shape
  json: any
}

export interface AuthServer {
  runtime: Runtime
  logged: { message: string; fields: Record<string, unknown> | undefined }[]
  /** `body`: what is sent as JSON, or a function that makes what is sent as it is. */
  call(user: string | undefined, method: string, path: string, body?: unknown, headers?: object): Promise<Answer>
  /** The official SDK's, as somebody. */
  as(user: string): Client
  close(): Promise<void>
}

const FOLDER = join(import.meta.dirname, '../fixtures/auth')
/** A web page as small as can be. */
export const PAGE = join(import.meta.dirname, '../fixtures/page')

/** `file` is one of test/fixtures/auth. */
export async function startAuthServer(
  database_url: string,
  file: string,
  env: Record<string, string> = {},
): Promise<AuthServer> {
  const folder = temporaryFolder()
  const settings = {
    RUNLOOM_POLL_MS: '50',
    RUNLOOM_HEARTBEAT_MS: '200',
    RUNLOOM_DRAIN_MS: '100',
    RUNLOOM_DATA: folder.path,
  }
  const config = await readConfig({
    argv: { config: join(FOLDER, file) },
    env: { ...settings, ...env, DATABASE_URL: database_url },
  })
  config.agent.folder = folder.path
  const logged: AuthServer['logged'] = []
  const logger = (_level: string, message: string, fields?: Record<string, unknown>) => logged.push({ message, fields })
  const runtime = await startRuntime(config, { logger, page: PAGE })
  const url = 'http://runloom.test'
  const request = (path: string, init: RequestInit) => runtime.app.fetch(new Request(new URL(path, url), init))
  return {
    runtime,
    logged,
    async call(user, method, path, body, headers = {}) {
      const credentials = user === undefined ? {} : { authorization: `Bearer ${user}` }
      const response = await request(path, {
        method,
        headers: { ...(!isForm(body) && { 'content-type': 'application/json' }), ...credentials, ...headers },
        ...(body !== undefined && {
          body: isForm(body) ? body : typeof body === 'function' ? body() : JSON.stringify(body),
        }),
      })
      const type = response.headers.get('content-type') ?? ''
      if (type.startsWith('text/event-stream')) await response.body?.cancel()
      const text = response.bodyUsed ? '' : await response.text()
      const json = type.startsWith('application/json') && text.trim() ? JSON.parse(text) : undefined
      return { status: response.status, headers: response.headers, json }
    },
    as(user) {
      const fetchAs = ((path: string | URL, init: RequestInit = {}) => {
        const headers = new Headers(init.headers)
        headers.set('authorization', `Bearer ${user}`)
        return request(String(path), { ...init, headers })
      }) as typeof fetch
      return clientOf(url, fetchAs)
    },
    async close() {
      await runtime.close()
      folder.remove()
    },
  }
}

function isForm(body: unknown): body is FormData {
  return body instanceof FormData
}
